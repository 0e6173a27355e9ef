package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// signReport signs what the audit found, as the statement that --format vsa
// writes, and writes the bundle to the file of --sign-report.
func (a *auditRun) signReport() (err error) {
	name := a.c.String("sign-report")
	if name == "" {
		return nil
	}
	if len(a.reports) != 1 {
		return usage("--sign-report is of one repository, not of %d", len(a.reports))
	}
	text, err := report.VSA(a.reports[0], report.VSAConfig{ResourceURI: a.c.String("resource-uri")})
	if err != nil {
		return fail(exitUsage, fmt.Errorf("signing the report: %w", err))
	}
	statement, err := verifier.ParseStatement(text)
	if err != nil {
		return err
	}
	sig, err := a.settings.openSigning(a.c.Context, a.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sig.Close()) }()
	out, err := openOutput(a.env, name)
	if err != nil {
		return err
	}
	defer out.abandon()
	return sig.signBlob(a.c.Context, a.settings, &blob{name: "the report", statement: statement}, out)
}

// attestations gives an audit who vouches for commits by attestations: the
// signers of the bundles that --attestation names, if the policy knows them
// and the statement is of a type that --attestation-type names.
func (a *auditRun) attestations(cfg *audit.Config) error {
	files := a.c.StringSlice("attestation")
	if len(files) == 0 {
		return nil
	}
	if cfg.Policy == nil {
		return usage("--attestation counts for thresholds, which a policy sets, and there is none")
	}
	types := make(map[string]bool)
	for _, t := range a.c.StringSlice("attestation-type") {
		types[t] = true
	}
	if len(types) == 0 {
		return fail(exitUsage, errors.New("--attestation wants --attestation-type: what a statement means depends on its predicate type"),
			"--attestation-type https://…   # the predicate type of statements that approve a commit")
	}
	cfg.Vouchers = make(map[string][]string)
	for _, file := range files {
		if err := a.attestation(cfg, file, types); err != nil {
			return fail(exitUsage, fmt.Errorf("--attestation %s: %w", file, err), "gitseal verify-blob gitCommit:OID --any-identity --bundle "+shellWord(file))
		}
	}
	return nil
}

// attestation adds the signer of one bundle. One that does not verify is an
// error: who names it expects it to count.
func (a *auditRun) attestation(cfg *audit.Config, file string, types map[string]bool) error {
	data, err := readFile(file, maxBundleFile)
	if err != nil {
		return err
	}
	bundle, err := verifier.ParseBundle(data)
	if err != nil {
		return err
	}
	if bundle.Envelope == nil {
		return errors.New("it holds no statement")
	}
	claimed, err := verifier.ParseStatement(bundle.Envelope.Payload)
	if err != nil {
		return err
	}
	counted := false
	for _, subject := range claimed.Subjects() {
		if subject.Commit() == "" {
			continue
		}
		result, err := cfg.Verifier.VerifyBundle(bundle, subject, verifier.AnyIdentity{})
		if err != nil {
			return err
		}
		if !types[result.Statement.PredicateType] {
			return fmt.Errorf("its predicate type %.200q is not one of --attestation-type", result.Statement.PredicateType)
		}
		name, err := cfg.Policy.Identify(policy.Signature{
			Signer: verifier.Signer{Kind: verifier.Keyless, Identity: result.Certificate.Identity}, Time: result.Time, Proven: true,
		})
		if err != nil {
			return err
		}
		cfg.Vouchers[subject.Commit()] = append(cfg.Vouchers[subject.Commit()], name)
		counted = true
	}
	if !counted {
		return errors.New("its statement is about no git commit")
	}
	return nil
}

// auditMergeCommand makes one report of several.
func auditMergeCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "merge",
		Usage:     "make one report of several, that gitseal audit --format json wrote",
		ArgsUsage: "FILE…",
		Description: "Takes the reports of audits that ran apart, such as on several machines, together. It exits as\n" +
			"gitseal audit does, with the worst of their results.",
		Flags:  reportFlags()[:2],
		Action: func(c *cli.Context) error { return runAuditMerge(c, e) },
	}
}

// maxReport bounds a report that is read: some two million findings.
const maxReport = 512 << 20

func runAuditMerge(c *cli.Context, e *env) error {
	if c.NArg() == 0 {
		return usage("audit merge takes reports in JSON")
	}
	out, err := openReports(c, e)
	if err != nil {
		return err
	}
	defer out.abandon()
	var all []*report.Report
	seen := make(map[string]bool)
	for _, file := range c.Args().Slice() {
		if seen[file] {
			return usage("%s is given twice, and would count twice", file)
		}
		seen[file] = true
		data, err := readFile(file, maxReport)
		if err != nil {
			return fail(exitUsage, err)
		}
		reports, err := report.ParseSet(data)
		if err != nil {
			return fail(exitUsage, fmt.Errorf("%s: %w", file, err), "gitseal audit --format json > "+shellWord(file))
		}
		for _, r := range reports {
			if r.Repository.Location == "" {
				r.Repository.Location = file // which tells it from the others
			}
		}
		all = append(all, reports...)
	}
	if err := out.close(all); err != nil {
		return err
	}
	return quiet(resultExit[report.Merge(all).Result])
}
