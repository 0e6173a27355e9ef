package main

import (
	"slices"
	"strings"
)

// knownSettings are all that there are, and undoKey.
var knownSettings = []string{
	"gitseal.agent", "gitseal.agentConfirm", "gitseal.agentSocket", "gitseal.allowedSigners", "gitseal.anyIdentity", "gitseal.authority",
	"gitseal.caFile", "gitseal.clientID", "gitseal.clientSecretFile", "gitseal.connectorID", "gitseal.expectIdentity", "gitseal.fulcio",
	"gitseal.identity", "gitseal.instance", "gitseal.issuer", "gitseal.logFile", "gitseal.logMode", "gitseal.matchCommitter",
	"gitseal.onOffline", "gitseal.openpgpKeyring", "gitseal.policy", "gitseal.progress", "gitseal.rekor", "gitseal.rekorVersion",
	"gitseal.requireLogged", "gitseal.sshRevocations", "gitseal.timestampServerURL", "gitseal.tokenCommand", "gitseal.tokenFile",
	"gitseal.tokenProvider", "gitseal.trace", "gitseal.trustedRoot", "gitseal.urlOpener", "gitseal.verbose", "gitseal.x509Crl",
	"gitseal.x509Roots", undoKey,
}

// misspelt names what looks like a setting and is none: nothing else would tell,
// and it may be one that somebody relies on.
func (d *doctor) misspelt(s *settings, environ []string) {
	const list = "README.md has all settings"
	for _, e := range s.git.Below("gitseal.") {
		if !slices.ContainsFunc(knownSettings, func(key string) bool { return strings.EqualFold(key, e.Key) }) {
			d.fail(list, "%s is no setting (%s)", e.Key, e.Origin)
		}
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "GITSEAL_") && value != "" &&
			!slices.ContainsFunc(knownSettings, func(key string) bool { return envName(key) == name }) {
			d.fail(list, "%s is no setting (environment)", name)
		}
	}
}
