package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"gitseal/fakeca"
	"gitseal/internal/transport"
	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/oidc"
	"gitseal/verifier"
)

// askDoctor is the command that finds out what is wrong with signing.
const askDoctor = "gitseal doctor"

// explain gives the exit code and the next command for a signature that could
// not be made.
func (sig *signing) explain(what string, err error) error {
	err = fmt.Errorf("%s: %w", what, err)
	var said *exitError
	var nowhere *oidc.NoSourceError
	var refused *oidc.RefusedError
	var token *signer.TokenError
	var remote *agent.RemoteError
	var step *signer.StepError
	var stranger x509.UnknownAuthorityError
	var lost *transport.Error
	var status *transport.StatusError
	var invalid *verifier.VerifyError
	switch {
	case errors.As(err, &said): // by what knows better
		return fail(said.code, err, said.hints...)
	case errors.Is(err, fakeca.ErrCorrupt):
		return fail(exitEquivocation, err, replaceAuthority)
	case errors.Is(err, context.Canceled):
		return fail(exitInterrupted, &interrupted{err})
	case errors.As(err, &nowhere):
		return fail(exitUsage, err, sig.wantIdentity()...)
	case errors.As(err, &refused), errors.Is(err, oidc.ErrNobody), errors.As(err, &remote) && remote.LoginRefused:
		return fail(exitUnknown, err, "gitseal login   # to try again")
	case errors.As(err, &token):
		return fail(exitUsage, err, wantToken, askDoctor+"   # says for whom the token is, and until when")
	case errors.As(err, &stranger), errors.As(err, &remote) && remote.UnknownAuthority:
		return fail(exitUnknown, err, "git config --global --add gitseal.caFile /path/to/ca.pem   # if you know whose authority that is")
	case errors.As(err, &lost):
		return explainLost(err, lost)
	case errors.As(err, &status):
		return explainStatus(err, status)
	case errors.As(err, &step) && step.Step == agent.StepConfirm:
		return fail(exitUnknown, err, sig.wantYes()...)
	case errors.As(err, &remote) && remote.Unreachable():
		return fail(exitUnknown, err, checkNetwork, askDoctor+"   # asks each server")
	case sig.local == nil && errors.As(err, &invalid) && isUntrusted(invalid.Class):
		return fail(exitUnknown, err, "gitseal trust show   # whom the trusted root names",
			updateTrust+"   # where it comes from a TUF repository: the servers' keys may be newer")
	}
	return fail(exitUnknown, err, askDoctor)
}

// wantYes says how to sign where the agent asks before it does.
func (sig *signing) wantYes() []string {
	hints := []string{"sign again, and say yes"}
	if _, ours, err := sig.settings.agentSocket(); err == nil && !ours {
		return hints // whoever has that agent is asked, and says whether to be
	}
	return append(hints, askDoctor+"   # if nothing has asked you",
		"git config --global gitseal.agentConfirm false && gitseal agent stop   # to be asked no more")
}

// An interrupted is an error that came of Ctrl-C, in words for who typed it.
type interrupted struct{ err error }

func (e *interrupted) Error() string {
	return strings.TrimSuffix(e.err.Error(), context.Canceled.Error()) + "interrupted"
}

func (e *interrupted) Unwrap() error { return e.err }

// checkNetwork is the hint for a server that gave no answer.
const checkNetwork = "check the network, and HTTPS_PROXY if there is a proxy"

// wantLogin says how to log in where there is no screen.
const wantLogin = "gitseal login --device   # in a terminal: shows a code to log in with on another device"

// wantIdentity says how to come by an identity where none is to be had.
func (sig *signing) wantIdentity() []string {
	// A login would not be used where another source is named.
	switch p, _ := sig.settings.provider(); p {
	case "", "browser", "device":
	default:
		return []string{sig.settings.anySource()}
	}
	issuer, _, err := sig.settings.issuer(sig.remote.config, sig.env.now())
	if err != nil || issuer == "" {
		return []string{wantToken} // there is nowhere to log in
	}
	hints := []string{wantLogin, wantToken}
	if _, ours, err := sig.settings.agentSocket(); err == nil && !ours {
		return append([]string{"gitseal agent status   # of the one that gitseal.agentSocket names, and could sign"}, hints...)
	}
	return hints
}

// unsetting returns the command that takes a setting back.
func unsetting(v setting) string {
	if variable, ok := strings.CutPrefix(v.Source, "environment "); ok {
		return "unset " + variable
	}
	// A repository's own is named as seen from the top of its work tree.
	if file, ok := strings.CutPrefix(v.Source, "file:"); ok && filepath.IsAbs(file) {
		return "git config --file " + shellWord(file) + " --unset-all " + v.Key
	}
	return "git config --unset-all " + v.Key
}

// wantToken says how to sign with a token.
const wantToken = "export " + tokenVariable + `="$(...)"   # a new identity token, from your OpenID Connect provider, for audience sigstore or gitseal.clientID`

// isUntrusted reports whether a class means that somebody is not in the trusted
// root.
func isUntrusted(class verifier.Class) bool {
	return class == verifier.UntrustedLog || class == verifier.UntrustedCertificate || class == verifier.BadTime
}

// explainLost explains that a server gave no answer.
func explainLost(err error, lost *transport.Error) error {
	if lost.Attempts == 0 { // it was not asked
		return fail(exitUsage, err, askDoctor+"   # says which servers sign, and where that is set")
	}
	return fail(exitUnknown, err, checkNetwork, askDoctor+"   # asks each server")
}

// explainStatus explains that a server refused.
func explainStatus(err error, status *transport.StatusError) error {
	switch code := status.Status; {
	case status.Service == "Fulcio" && (code == http.StatusBadRequest || code == http.StatusUnauthorized || code == http.StatusForbidden):
		return fail(exitUsage, err, askDoctor+"   # says for whom the token is, and whose tokens the server takes")
	case code == http.StatusNotFound || code == http.StatusMethodNotAllowed || code == http.StatusNotImplemented:
		return fail(exitUsage, err, askDoctor+"   # says which servers sign, and where that is set")
	case code == http.StatusTooManyRequests || code >= 500:
		return fail(exitUnknown, err, "sign again later", askDoctor+"   # asks each server")
	}
	return fail(exitUnknown, err, askDoctor)
}
