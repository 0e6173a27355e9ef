package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/urfave/cli/v2"

	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/verifier"
)

func whoamiCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "whoami",
		Usage: "say who would sign, by whose word, and until when",
		Description: "Says whom the agent has a certificate for, or else whom the identity token is for that signing\n" +
			"would get. Nobody is made to log in. Exits 3 if it takes a login to know.",
		Flags:  []cli.Flag{formatFlag()},
		Action: func(c *cli.Context) error { return runWhoami(c, e) },
	}
}

// A whoamiJSON says who would sign.
type whoamiJSON struct {
	Schema    string            `json:"schema"`
	Instance  string            `json:"instance"`
	Known     bool              `json:"known"`
	Identity  *identityJSON     `json:"identity,omitempty"`
	From      string            `json:"from,omitempty"`     // "agent", "token" or "local"
	Provider  string            `json:"provider,omitempty"` // the source of the token
	NotAfter  string            `json:"notAfter,omitempty"`
	Renewable bool              `json:"renewable"` // without anyone being asked
	Claims    map[string]string `json:"claims,omitempty"`
	Reason    string            `json:"reason,omitempty"` // why nobody is known

	// workload is set if it is by its own rule that the authority names whom
	// the token is for: a workflow by its file, say, and not as the token does.
	workload bool
}

func runWhoami(c *cli.Context, e *env) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	if c.Args().Present() {
		return usage("whoami takes no arguments")
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	doc, hints, err := s.whoami(c.Context, e)
	if err != nil {
		return err
	}
	code := exitGood
	if !doc.Known {
		code = exitUnknown
	}
	if asJSON {
		if err := writeJSON(e, doc); err != nil {
			return err
		}
		return quiet(code)
	}
	if !doc.Known {
		return fail(code, fmt.Errorf("nobody is known to sign: %s", doc.Reason), hints...)
	}
	e.printf("%s", joinLines(doc.lines()))
	return nil
}

// lines returns what is known as a person reads it.
func (w *whoamiJSON) lines() []string {
	line := func(name, value string) string { return fmt.Sprintf("%-9s %s", name, value) }
	out := []string{
		line("identity", printable(w.Identity.Subject)),
		line("issuer", issuerLabel(w.Identity.Issuer)),
		line("from", map[string]string{
			"agent": "a certificate that the agent has", "token": "the identity token of source " + w.Provider,
			"local": "gitseal.identity or user.email",
		}[w.From]),
		line("instance", printable(w.Instance)),
	}
	if w.NotAfter != "" {
		until := w.NotAfter
		if w.Renewable {
			until += ", renewed without asking"
		}
		out = append(out, line("until", until))
	}
	if w.workload {
		out = append(out, line("note", "a certificate may name it otherwise, and that is what policies are about: gitseal login, then gitseal whoami"))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Claims)) {
		out = append(out, line("claim", printable(name)+" = "+printable(w.Claims[name])))
	}
	return out
}

// whoami finds out who would sign. Its hints are for when nobody is known.
func (s *settings) whoami(ctx context.Context, e *env) (*whoamiJSON, []string, error) {
	in, err := s.instance()
	if err != nil {
		return nil, nil, err
	}
	doc := &whoamiJSON{Schema: "gitseal.whoami/1", Instance: in.name()}
	if in.hasAuthority() {
		who, err := s.identity("")
		if err != nil {
			return nil, nil, err
		}
		a, err := in.authority(e)
		if err != nil {
			return nil, nil, err
		}
		doc.Known, doc.From, doc.Identity = true, "local", &identityJSON{Subject: who.Value, Issuer: a.Issuer()}
		return doc, nil, a.Close()
	}
	ses, err := s.openLooking(e, in)
	if err != nil {
		return nil, nil, err
	}
	defer ses.Close() // only looked
	if doc.fromAgent(ctx, ses) {
		return doc, nil, nil
	}
	hints, err := doc.fromToken(ctx, ses)
	return doc, hints, err
}

// openLooking opens a session that asks no server for anything, to look who would
// sign where servers do.
func (s *settings) openLooking(e *env, in *instance) (*session, error) {
	if err := s.checkInstance(in); err != nil {
		return nil, err
	}
	remote, err := s.readRemote(in)
	if err != nil {
		return nil, in.explainAbsent(err)
	}
	return s.openPerson(e, in, remote, "")
}

// certified returns whom the agent has a certificate for that would sign; "" if
// there is none, or nobody can tell.
func (s *settings) certified(ctx context.Context, e *env) string {
	in, err := s.instance()
	if err != nil || in.hasAuthority() {
		return ""
	}
	ses, err := s.openLooking(e, in)
	if err != nil {
		return ""
	}
	defer ses.Close() // only looked
	var w whoamiJSON
	if !w.fromAgent(ctx, ses) {
		return ""
	}
	return w.Identity.Subject
}

// fromAgent looks for a certificate of the agent's, and reports whether there
// is one that would sign.
func (w *whoamiJSON) fromAgent(ctx context.Context, s *session) bool {
	// What goes wrong here does when signing, which then has the token to go by.
	a, err := s.settings.dialAgent(ctx, s.env, false, s.trace.step)
	if err != nil || a == nil {
		return false
	}
	defer a.Close()
	status, err := a.Status(ctx)
	if err != nil {
		return false
	}
	who, unfit, err := s.choose(ctx, a, nil)
	if err != nil || unfit {
		return false
	}
	for _, c := range status.Credentials {
		if c.Digest != s.remote.digest || c.Source != s.remote.person || who == "" && !c.Current || who != "" && who != c.Identity.Subject {
			continue
		}
		cert, err := s.certificateOf(&c)
		if err != nil || !c.Renewable && c.NotAfter.Before(s.env.now()) {
			continue
		}
		w.set(&c, cert)
		if s.remote.source != nil {
			w.Provider = s.remote.source.Name()
		}
		return true
	}
	return false
}

// set says that a certificate of the agent's would sign.
func (w *whoamiJSON) set(c *agent.Credential, cert *verifier.Certificate) {
	var s signatureJSON
	s.setCertificate(cert)
	w.Known, w.From, w.Identity, w.Claims = true, "agent", s.Identity, s.Certificate.Claims
	w.NotAfter, w.Renewable = rfc3339(c.NotAfter), c.Renewable
}

// fromToken says whom a token is for that can be had without asking a person.
func (w *whoamiJSON) fromToken(ctx context.Context, s *session) (hints []string, err error) {
	source := s.remote.source
	if source == nil {
		w.Reason = s.remote.none.Error()
		return s.wantIdentity(), nil
	}
	w.Provider = source.Name()
	if isInteractive(source) {
		w.Reason = "nobody is logged in; signing would ask by " + source.Name()
		return []string{"gitseal login"}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	grant, err := s.grant(ctx, nil)
	if err != nil {
		return nil, s.explain("finding out who would sign", err)
	}
	claims, err := signer.ReadClaims(grant.IDToken)
	if err != nil {
		return nil, err
	}
	w.Known, w.From, w.Identity = true, "token", &identityJSON{Subject: claims.Subject, Issuer: claims.Issuer}
	if w.workload = claims.Email == ""; !w.workload {
		w.Identity.Subject = claims.Email
	}
	if !claims.Expires.IsZero() {
		w.NotAfter = rfc3339(claims.Expires)
	}
	return nil, nil
}
