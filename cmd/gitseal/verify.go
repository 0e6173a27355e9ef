package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/verifier"
	"gitseal/verifier/audit"
)

// verifyFlags are the flags that say whom to trust and whom to expect, the
// same for every command that verifies.
func verifyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "certificate-identity", Usage: "a `SUBJECT` that may have signed; repeat for several"},
		&cli.StringSliceFlag{Name: "certificate-identity-regexp", Usage: "the same as a regular `EXPRESSION`, matched against the whole subject"},
		&cli.StringFlag{Name: "certificate-oidc-issuer", Usage: "the `ISSUER` that vouches for the subject"},
		&cli.StringFlag{Name: "certificate-oidc-issuer-regexp", Usage: "the same as a regular `EXPRESSION`"},
		&cli.StringFlag{Name: "trusted-root", Usage: "trust what `FILE`, a trusted_root.json, names, and nothing else"},
		&cli.StringFlag{Name: "policy", Usage: "judge identities by the policy in `FILE`"},
		&cli.BoolFlag{Name: "any-identity", Usage: "accept whoever signed"},
	}
}

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Value: "text", Usage: "`text` or json"}
}

// checkFormat returns whether JSON is wanted.
func checkFormat(c *cli.Context) (asJSON bool, err error) {
	switch f := c.String("format"); f {
	case "text":
		return false, nil
	case "json":
		return true, nil
	default:
		return false, usage("--format %q is neither text nor json", f)
	}
}

func verifyCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "verify the signatures of commits or tags",
		ArgsUsage: "[REV…]",
		Description: "Verifies each commit or tag (HEAD if none is named) against the trusted roots in force.\n" +
			"Who may have signed comes from the flags, or from --policy, or from the policy that\n" +
			"gitseal policy allow keeps. To judge a whole history use gitseal audit.",
		Flags:  append(append(verifyFlags(), keyFlags()...), onlineFlag(), formatFlag()),
		Action: func(c *cli.Context) error { return runVerify(c, e) },
	}
}

func runVerify(c *cli.Context, e *env) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	v, allowed, err := verifierFromFlags(c, settings)
	if err != nil {
		return err
	}
	repo, err := openRepository(c.Context)
	if err != nil {
		return err
	}
	trust, err := settings.trust(c.String("trusted-root"))
	if err != nil {
		return err
	}
	entries, err := settings.entryFinder(e, trust, c.Bool("online"))
	if err != nil {
		return err
	}
	defer entries.Close()
	revs := c.Args().Slice()
	if len(revs) == 0 {
		revs = []string{"HEAD"}
	}
	kept, err := openProofs(c.Context, repo)
	if err != nil {
		return err
	}
	defer e.closeProofs(kept)
	byPolicy, isPolicy := allowed.(audit.ByPolicy)
	ownPolicy := isPolicy && !c.IsSet("policy")
	judge := &audit.Judge{Format: repo.ObjectFormat(), Verifier: v, Allowed: allowed, Entries: entries}
	if kept != nil {
		judge.Proofs = kept
	}
	if judge.Keys, err = settings.keys(c.Context, c, e, repo, v, byPolicy.Policy); err != nil {
		return err
	}
	hints := trust.hints(e.now())
	worst := exitGood
	var all []objectJSON
	for _, rev := range revs {
		j, err := judgeRevision(c.Context, repo, judge, rev)
		if err != nil {
			return err
		}
		// A finding outweighs what could not be told.
		if code := j.exit(); code == exitFinding || worst == exitGood {
			worst = code
		}
		if asJSON {
			all = append(all, j.json())
		} else if _, err := e.stdout.WriteString(joinLines(j.lines())); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		} else if hint := j.hint(hints, ownPolicy); hint != "" {
			fmt.Fprintf(e.stderr, "hint: %s\n", hint)
		}
	}
	if asJSON {
		if err := writeJSON(e, struct {
			Schema  string       `json:"schema"`
			Objects []objectJSON `json:"objects"`
		}{"gitseal.verify/1", all}); err != nil {
			return err
		}
	}
	return quiet(worst)
}

// verifierFromFlags returns a verifier and whom to allow. Somebody has to be
// expected: that a signature is valid says nothing as long as anyone could
// have made it.
func verifierFromFlags(c *cli.Context, s *settings) (*verifier.Verifier, audit.Allowed, error) {
	trust, err := s.trust(c.String("trusted-root"))
	if err != nil {
		return nil, nil, err
	}
	v, err := trust.verifier()
	if err != nil {
		return nil, nil, err
	}
	expected, err := identityFlags(c)
	if err != nil {
		return nil, nil, err
	}
	if expected != nil {
		return v, expected, nil
	}
	p, _, err := s.policy(c.String("policy"))
	if err != nil {
		return nil, nil, err
	}
	if p != nil {
		return v, audit.ByPolicy{Policy: p}, nil
	}
	return nil, nil, fail(exitUsage, fmt.Errorf("no policy says who may sign, and no identity was named"),
		"name one: --certificate-identity SUBJECT --certificate-oidc-issuer ISSUER",
		"or allow one from now on: gitseal policy allow SUBJECT --issuer ISSUER",
		"or see who signed: gitseal show")
}

// identityFlags returns whom the flags allow, or nil if they name nobody.
func identityFlags(c *cli.Context) (audit.Allowed, error) {
	var x expectation
	named := c.IsSet("certificate-identity") || c.IsSet("certificate-identity-regexp") ||
		c.IsSet("certificate-oidc-issuer") || c.IsSet("certificate-oidc-issuer-regexp")
	ways := 0
	for _, set := range []bool{named, c.IsSet("policy"), c.Bool("any-identity")} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, usage("identity flags, --policy and --any-identity exclude one another")
	case c.Bool("any-identity"):
		return audit.Anyone{}, nil
	case !named:
		return nil, nil
	}
	x.subjects = c.StringSlice("certificate-identity")
	for _, expr := range c.StringSlice("certificate-identity-regexp") {
		p, err := verifier.ParseRegexp(expr)
		if err != nil {
			return nil, usage("--certificate-identity-regexp: %v", err)
		}
		x.subjectPatterns = append(x.subjectPatterns, p)
	}
	x.issuer = c.String("certificate-oidc-issuer")
	if expr := c.String("certificate-oidc-issuer-regexp"); expr != "" {
		p, err := verifier.ParseRegexp(expr)
		if err != nil {
			return nil, usage("--certificate-oidc-issuer-regexp: %v", err)
		}
		x.issuerPattern = &p
	}
	if len(x.subjects)+len(x.subjectPatterns) == 0 || (x.issuer == "") == (x.issuerPattern == nil) {
		return nil, usage("want at least one --certificate-identity and one --certificate-oidc-issuer (each may be a -regexp)")
	}
	return &x, nil
}

// An expectation is the identities that the flags allow: any of the subjects,
// by the one issuer.
type expectation struct {
	subjects        []string
	subjectPatterns []verifier.Pattern
	issuer          string
	issuerPattern   *verifier.Pattern
}

// AllowKey refuses: the identities that are expected are those of certificates
// that an issuer vouched for.
func (x *expectation) AllowKey(r *verifier.KeyResult) error {
	return fmt.Errorf("signed by %s, and an identity by an issuer is expected", r.Signer)
}

// Allow allows the identities that match.
func (x *expectation) Allow(id verifier.Identity, _ time.Time) error {
	subject := false
	for _, s := range x.subjects {
		subject = subject || s == id.Subject
	}
	for _, p := range x.subjectPatterns {
		subject = subject || p.Match(id.Subject)
	}
	if !subject {
		return fmt.Errorf("signed by %v, who is not expected", id)
	}
	if id.Issuer != x.issuer && (x.issuerPattern == nil || !x.issuerPattern.Match(id.Issuer)) {
		return fmt.Errorf("signed by %v: the subject is expected, but by another issuer", id)
	}
	return nil
}
