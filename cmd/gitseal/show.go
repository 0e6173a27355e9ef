package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/verifier"
	"gitseal/verifier/audit"
)

func showCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show everything a signature says, verified or marked unverified",
		ArgsUsage:   "[REV]",
		Description: bundleDescription,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "trusted-root", Usage: "trust what `FILE`, a trusted_root.json, names, and nothing else"},
			formatFlag(),
		}, append(keyFlags(), bundleFlags()...)...),
		Action: func(c *cli.Context) error { return runShow(c, e) },
	}
}

// checkShow checks what show is called with, and returns whether the answer is to
// be JSON.
func checkShow(c *cli.Context) (asJSON bool, err error) {
	if asJSON, err = checkFormat(c); err != nil {
		return false, err
	}
	if c.NArg() > 1 {
		return false, usage("show takes one revision, not %d", c.NArg())
	}
	if !c.Bool("bundle") && (c.IsSet("output") || c.IsSet("artifact")) || c.Bool("bundle") && c.IsSet("format") {
		return false, usage("--output and --artifact go with --bundle, and --format does not")
	}
	if artifact := c.String("artifact"); artifact == bundleOutput(c) || sameFile(artifact, bundleOutput(c)) {
		return false, usage("--output and --artifact name one place for two things")
	}
	return asJSON, nil
}

func runShow(c *cli.Context, e *env) error {
	asJSON, err := checkShow(c)
	if err != nil {
		return err
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	trust, err := settings.trust(c.String("trusted-root"))
	if err != nil {
		return err
	}
	v, err := trust.verifier()
	if err != nil {
		return err
	}
	repo, err := openRepository(c.Context)
	if err != nil {
		return err
	}
	entries, err := settings.entryFinder(e, trust, false)
	if err != nil {
		return err
	}
	defer entries.Close()
	kept, err := openProofs(c.Context, repo)
	if err != nil {
		return err
	}
	defer e.closeProofs(kept)
	rev := c.Args().First()
	if rev == "" {
		rev = "HEAD"
	}
	// Show judges the signature, not the signer: it says who signed, and
	// leaves it to verify to say whether they may. The check that anybody
	// passes is not shown.
	judge := &audit.Judge{Format: repo.ObjectFormat(), Verifier: v, Allowed: audit.Anyone{}, Entries: entries}
	if kept != nil {
		judge.Proofs = kept
	}
	if judge.Keys, err = settings.keys(c.Context, c, e, repo, v, nil); err != nil {
		return err
	}
	j, err := judgeRevision(c.Context, repo, judge, rev)
	if err != nil {
		return err
	}
	if j.Result != nil {
		j.Result.Passed = slices.DeleteFunc(j.Result.Passed, func(c verifier.Check) bool { return c == verifier.CheckIdentity })
	}
	if c.Bool("bundle") {
		if j.Key != nil {
			return usage("%s %s: a Sigstore bundle is of keyless signatures, and this is one of %s", j.object.Type, j.object.OID, j.Key.Signer.Kind)
		}
		if j.Class != verifier.Verified {
			return fail(j.exit(), fmt.Errorf("%s %s: %s: %s", j.object.Type, j.object.OID, j.Class, j.Message))
		}
		return writeBundle(c, e, v, j.object, repo.ObjectFormat(), kept)
	}
	if asJSON {
		err = writeJSON(e, struct {
			Schema string `json:"schema"`
			objectJSON
		}{"gitseal.show/1", j.json()})
	} else if _, err = e.stdout.WriteString(joinLines(j.show())); err != nil {
		err = fmt.Errorf("writing the answer: %w", err)
	}
	if err != nil {
		return err
	}
	if hint := trust.outdated(j.Class, e.now()); hint != "" && !asJSON {
		fmt.Fprintf(e.stderr, "hint: %s\n", hint)
	}
	return quiet(j.exit())
}

// show returns the object's signature as text, one fact a line.
func (j *judged) show() []string {
	doc := j.json()
	var lines []string
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%-14s %s", name, printable(fmt.Sprintf(format, args...))))
	}
	add(j.object.Type, "%s", j.object.OID)
	add("class", "%s", j.Class)
	if j.Message != "" {
		add("error", "%s", oneLine(j.Message))
	}
	s := doc.Signature
	if s == nil {
		return lines
	}
	if !s.Checked {
		lines = append(lines, "", "UNVERIFIED: what follows is only what the signature claims.")
	}
	if id := s.Identity; id != nil && s.Key == nil {
		add("identity", "%s (%s)", id.Subject, id.SubjectType)
		add("issuer", "%s", issuerLabel(id.Issuer))
	} else if id != nil {
		add("signer", "%s", id.Subject)
		if id.Issuer != "" {
			add("issued by", "%s", id.Issuer)
		}
	}
	if k := s.Key; k != nil {
		add("key", "%s %s, %s", k.Kind, k.Fingerprint, strings.Trim(k.Algorithm+" "+k.Hash, " "))
		if k.Signer != "" {
			add("of key", "%s", k.Signer)
		}
	}
	if s.Time != "" {
		add("proven time", "%s", s.Time)
	}
	for _, t := range s.Times {
		add("time", "%s", strings.TrimSpace(t.Time+" by "+t.Source+" "+t.Authority))
	}
	if s.SigningTime != "" {
		add("signer's clock", "%s (a claim, not evidence)", s.SigningTime)
	}
	if l := s.Log; l != nil {
		if name := strings.TrimSpace(l.URL + " " + l.Origin); name != "" {
			add("log", "%s", name)
		}
		add("log id", "%s", l.ID)
		if l.Index != nil {
			add("entry", "%d", *l.Index)
		}
		add("leaf", "%d of %d, root %s", l.TreeIndex, l.TreeSize, l.RootHash)
	}
	if c := s.Certificate; c != nil {
		add("certificate", "%s", c.Fingerprint)
		add("serial number", "%s", c.Serial)
		add("issued by", "%s", c.IssuerName)
		add("valid", "%s to %s", c.NotBefore, c.NotAfter)
	}
	for _, claim := range j.claims() {
		add("claim", "%s: %s", claim.Name, claim.Value)
	}
	if s.TrustedRoot != "" {
		add("trusted root", "%s", s.TrustedRoot)
	}
	for _, note := range s.Notes {
		add("note", "%s", note)
	}
	for _, check := range doc.Checks {
		verdict := "passed"
		if !check.Passed {
			verdict = "FAILED"
		}
		add("check", "%s %s", check.Check, verdict)
	}
	return lines
}

// claims returns what the certificate says of a CI run, in its order.
func (j *judged) claims() []verifier.Claim {
	switch {
	case j.Result != nil:
		return j.Result.Certificate.Claims
	case j.Failure != nil && j.Failure.Unverified.Certificate != nil:
		return j.Failure.Unverified.Certificate.Claims
	}
	return nil
}
