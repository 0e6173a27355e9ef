package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/oidc"
)

// token says where identity tokens come from, for whom the one at hand is, and
// what is wrong with it. It is sent to nobody, and no person is asked. issuers
// are those whose tokens the authority takes; nil: it does not tell.
func (d *doctor) token(ctx context.Context, s *settings, sig *signing, issuers []issuer) {
	cfg, err := s.tokenConfig(d.env, sig.remote.config, sig.remote.client, false)
	if err != nil {
		d.err(err)
		return
	}
	provider, err := s.provider()
	if err != nil {
		d.err(err)
		return
	}
	source, err := s.tokenSource(cfg, provider)
	var none *oidc.NoSourceError
	switch {
	case errors.As(err, &none):
		d.line("note", "%v", none)
		for _, hint := range sig.wantIdentity() {
			d.hint(hint)
		}
		return
	case err != nil:
		d.err(err)
		return
	}
	var others []string
	for _, one := range oidc.Sources(cfg.Config) {
		if one.Name() != source.Name() && one.Available() == nil {
			others = append(others, one.Name())
		}
	}
	how := "which comes first"
	if provider != "" {
		how = "which gitseal.tokenProvider names"
	}
	d.ok("identity tokens come from source %s, %s", source.Name(), how)
	if len(others) > 0 {
		d.line("note", "there is a token to be had from %s, too", strings.Join(others, ", "))
		d.hint("git config --global gitseal.tokenProvider NAME   # to have it from another")
	}
	if isInteractive(source) {
		if err := refusedIssuer(cfg.Issuer, issuers); err != nil {
			d.fail("git config --global gitseal.issuer URL   # whose tokens the certificate authority takes", "%v", err)
			return
		}
		d.ok("people log in at %s", printable(cfg.Issuer))
		return
	}
	d.grant(ctx, s, source, sig.config.Audience, issuers)
}

// grant looks at the token that a source gives without asking anyone.
func (d *doctor) grant(ctx context.Context, s *settings, source oidc.Source, audience string, issuers []issuer) {
	grant, err := source.Grant(ctx)
	if err != nil {
		d.fail(wantToken, "%v", err)
		return
	}
	c, err := signer.ReadClaims(grant.IDToken)
	if err == nil {
		err = c.Check(d.env.now(), audience)
	}
	if err != nil {
		d.fail(wantToken, "%v", err)
		return
	}
	if hint, err := refusal(c, issuers); err != nil {
		d.fail(hint, "%v", err)
		return
	}
	if err := s.mayUse(c, nil); err != nil {
		d.err(err)
		return
	}
	until := ""
	if !c.Expires.IsZero() {
		until = ", good until " + formatTime(c.Expires)
	}
	d.ok("the identity token is for %s%s", tokenOwner(c), until)
}

// refusedIssuer says that an authority takes no tokens of an issuer.
func refusedIssuer(url string, issuers []issuer) error {
	if issuers == nil {
		return nil
	}
	for _, one := range issuers {
		if one.URL == url || one.Wildcard != "" {
			return nil
		}
	}
	return fmt.Errorf("the certificate authority takes no tokens of issuer %s, where people log in", printable(url))
}

// agent says what the agent keeps.
func (d *doctor) agent(ctx context.Context, s *settings) {
	on, v, err := s.flag("gitseal.agent", true)
	if err != nil {
		d.err(err)
		return
	}
	if !on {
		d.line("set ", "%s = false (%s)", v.Key, v.Source)
		d.line("note", "without the agent, each signature needs a certificate of its own, and each login is for one")
		return
	}
	socket, ours, err := s.agentSocket()
	if err != nil {
		d.err(err)
		return
	}
	status, err := s.agentStatus(ctx, d.env, false)
	var gone *agent.UnavailableError
	switch {
	case errors.As(err, &gone) && isAbsent(gone) && ours:
		d.ok("no agent runs at %s: the next signature starts one", socket)
		return
	case errors.As(err, &gone):
		d.line("note", "the agent cannot be used, and signing goes on without: %v", gone)
		return
	case err != nil:
		d.err(err)
		return
	}
	for i, line := range agentLines(status, socket) {
		if i == 0 {
			d.ok("%s", line)
		} else {
			d.line("note", "%s", line)
		}
	}
	d.confirms(s, status, ours)
}

// confirms says why an agent does not ask before each signature, or cannot.
func (d *doctor) confirms(s *settings, status *agent.Status, ours bool) {
	on, v, err := s.flag("gitseal.agentConfirm", false)
	switch {
	case err != nil: // identitySettings has said it
	case on && !status.Confirms && ours:
		d.fail("gitseal agent stop   # the next one asks", "%s is true (%s), and the agent that runs does not ask: it began without it", v.Key, v.Source)
	case status.Confirms && ours && s.getenv("SSH_ASKPASS") == "":
		d.line("note", "SSH_ASKPASS is not set here: an agent that is started from here can ask nobody, and signs nothing")
		d.hint("export SSH_ASKPASS=/usr/bin/ssh-askpass; gitseal agent stop   # the next one asks by it")
	}
}

// identitySettings prints the settings that say where tokens come from.
func (d *doctor) identitySettings(s *settings) {
	for _, one := range identitySettings {
		v, err := s.identitySetting(one.key)
		switch {
		case err != nil && one.key == "gitseal.issuer" && v.Value != "":
			d.line("note", "%s = %s (%s) counts only if it is the instance's own: %s", v.Key, v.Value, v.Source, "a repository may not "+one.why)
		case err != nil:
			d.err(err)
		case v.Value != "":
			d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
		}
	}
	if _, v, err := s.flag("gitseal.agentConfirm", false); err != nil {
		d.err(err)
	} else if !v.isDefault() {
		d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
	}
	if _, ours, err := s.agentSocket(); err == nil && !ours {
		if v, err := s.lookup("gitseal.agentSocket", ""); err == nil {
			d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
		}
	}
}
