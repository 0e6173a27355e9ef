package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// This file is about what a history says of a policy, and the other way round.

// historyFlags are those of gitseal audit that say what to look at, and by
// which keys.
func historyFlags(more ...cli.Flag) []cli.Flag {
	flags := append(more,
		&cli.BoolFlag{Name: "all", Usage: "look at every branch, remote-tracking ref and annotated tag"},
		&cli.StringFlag{Name: "ref", Usage: "judge by the rules for `REF`, a full name, whatever the revisions are called"},
		&cli.StringFlag{Name: "trusted-root", Usage: "trust what `FILE`, a trusted_root.json, names, and nothing else"},
		&cli.BoolFlag{Name: "allow-shallow", Usage: "look at what there is of a shallow, grafted or replaced history"},
		&cli.BoolFlag{Name: "no-cache", Usage: "neither use nor keep what was found of objects"},
	)
	return append(flags, keyFlags()...)
}

func policyInitCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "propose a policy from who signed so far",
		ArgsUsage: "[REV…]",
		Description: "Writes a policy that allows those who signed in the history of HEAD, or of the revisions. That\n" +
			"somebody signed is no reason to trust them: read it, and take out whom you do not know.",
		Flags:  historyFlags(&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write it to `FILE`, which must not exist, such as " + policyPath}),
		Action: func(c *cli.Context) error { return runPolicyInit(c, e) },
	}
}

func policyExplainCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say how a commit or tag is judged, rule by rule",
		ArgsUsage: "REV",
		Description: "Prints who signed, each rule of the policy and whether it applies and is satisfied, and why. The\n" +
			"rules are those for all refs that reach the commit; with --ref, for that one.",
		Flags: historyFlags(
			&cli.StringFlag{Name: "policy", Usage: "judge by the policy in `FILE`, or REV:PATH"},
			&cli.StringSliceFlag{Name: "attestation", Usage: "count the signer of `FILE`, as gitseal audit does"},
			&cli.StringSliceFlag{Name: "attestation-type", Usage: "the predicate `TYPE` of the statements that count"},
		),
		Action: func(c *cli.Context) error { return runPolicyExplain(c, e) },
	}
}

func policyDiffCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "say which objects two policies judge differently",
		ArgsUsage: "A B [REV…]",
		Description: "A and B are policies, in files or as REV:PATH. Prints each commit and tag in the history of HEAD,\n" +
			"or of the revisions, of which they say different things. Exits 1 if there are any.",
		Flags:  historyFlags(),
		Action: func(c *cli.Context) error { return runPolicyDiff(c, e) },
	}
}

// newHistoryRun returns a run over the repository that git finds from here, and
// a context that an interrupt ends.
func newHistoryRun(c *cli.Context, e *env, revisions []string) (*auditRun, context.Context, func(), error) {
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return nil, nil, nil, err
	}
	run := &auditRun{c: c, env: e, settings: settings, revisions: revisions}
	if run.trust, err = settings.trust(c.String("trusted-root")); err != nil {
		return nil, nil, nil, err
	}
	if run.verifier, err = run.trust.verifier(); err != nil {
		return nil, nil, nil, err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	return run, ctx, stop, nil
}

// finish runs an audit of the repository with a configuration that is changed
// by change, and returns its report.
func (a *auditRun) finish(ctx context.Context, change func(*audit.Config) error) (*report.Report, error) {
	a.change = change
	if err := a.repository(ctx, ""); err != nil {
		return nil, explainAudit(ctx, err)
	}
	if ctx.Err() != nil {
		return nil, fail(exitInterrupted, errors.New("interrupted"))
	}
	return a.reports[len(a.reports)-1], nil
}

func runPolicyInit(c *cli.Context, e *env) error {
	run, ctx, stop, err := newHistoryRun(c, e, c.Args().Slice())
	if err != nil {
		return err
	}
	defer stop()
	file := c.String("output")
	if _, err := os.Lstat(file); file != "" && err == nil {
		return fail(exitUsage, fmt.Errorf("%s exists", file), "gitseal policy diff "+shellWord(file)+" NEW   # says what another one would change")
	}
	branch := ""
	onBranch, merges := make(map[verifier.Signer]bool), make(map[verifier.Signer]int)
	r, err := run.finish(ctx, func(cfg *audit.Config) error {
		cfg.Policy, cfg.PolicySource, cfg.PolicyFile = nil, "", nil
		cfg.Row = func(row report.Row) {
			if row.Object.Type != "commit" || row.Signer == nil {
				return
			}
			onBranch[*row.Signer] = true
			if row.Parents > 1 {
				merges[*row.Signer]++
			}
		}
		if branch = cfg.Ref; branch == "" {
			branch, err = cfg.Repo.FullName(ctx, "HEAD")
		}
		return err
	})
	if err != nil {
		return err
	}
	var seen []policy.Observed
	for _, s := range r.Signers {
		signer := verifier.Signer{Kind: s.Kind, Identity: verifier.Identity{Issuer: s.Issuer, Subject: s.Identity}, Key: s.Key}
		seen = append(seen, policy.Observed{Signer: signer, Objects: s.Objects, Good: s.Good, Merges: merges[signer],
			OnBranch: onBranch[signer], First: s.First, Last: s.Last})
	}
	if len(seen) == 0 {
		return fail(exitUnknown, errors.New("nobody signed validly so far, so there is nobody to propose"), "gitseal audit   # says what there is",
			"gitseal audit --openpgp-keyring FILE --allowed-signers FILE   # if it is signed by keys")
	}
	text := policy.Propose(branch, seen)
	if file == "" {
		e.printf("%s", text)
		return nil
	}
	if err := keepFile(file, text); err != nil {
		return err
	}
	for _, key := range r.UnknownKeys {
		fmt.Fprintf(e.stderr, "gitseal: not in it: who signed %s by %s key %s, which nobody gave\n", count(key.Objects, "object", "objects"), key.Kind, printable(key.Key))
	}
	fmt.Fprintf(e.stderr, "gitseal: proposed a policy of %s in %s\nhint: read it, then: gitseal audit --policy %s\n",
		count(len(seen), "identity", "identities"), printable(file), shellWord(file))
	return nil
}

func runPolicyExplain(c *cli.Context, e *env) error {
	if c.NArg() != 1 {
		return usage("policy explain takes one commit or tag")
	}
	rev := c.Args().First()
	var revisions []string
	if c.IsSet("ref") {
		revisions = []string{c.String("ref")}
	}
	run, ctx, stop, err := newHistoryRun(c, e, revisions)
	if err != nil {
		return err
	}
	defer stop()
	_, err = run.finish(ctx, func(cfg *audit.Config) error {
		cfg.All = !c.IsSet("ref")
		return run.explainTo(ctx, cfg, rev)
	})
	if err != nil {
		return err
	}
	return run.writeExplanation()
}

// lintUsed returns the warnings about identities of a policy that nobody used.
func lintUsed(c *cli.Context, e *env, p *policy.Policy, file string) ([]policy.Warning, error) {
	run, ctx, stop, err := newHistoryRun(c, e, nil)
	if err != nil {
		return nil, err
	}
	defer stop()
	used := make(map[string]bool)
	_, err = run.finish(ctx, func(cfg *audit.Config) error {
		cfg.Policy, cfg.PolicySource, cfg.PolicyFile = p, file, nil
		cfg.Row = func(row report.Row) {
			if row.Class == verifier.Verified {
				used[row.Entry] = true
			}
		}
		cfg.Keys, err = run.settings.keys(ctx, c, e, cfg.Repo, run.verifier, p)
		return err
	})
	return policy.LintUsed(p, used), err
}

func runPolicyDiff(c *cli.Context, e *env) error {
	if c.NArg() < 2 {
		return usage("policy diff takes two policies, and then revisions")
	}
	run, ctx, stop, err := newHistoryRun(c, e, c.Args().Slice()[2:])
	if err != nil {
		return err
	}
	defer stop()
	d := new(differences)
	for i, name := range c.Args().Slice()[:2] {
		_, err := run.finish(ctx, func(cfg *audit.Config) error {
			if isRevisionPath(name) {
				err = readPolicyAt(ctx, cfg, name)
			} else {
				cfg.Policy, cfg.PolicySource, err = run.settings.policy(name)
				cfg.PolicyFile = nil
			}
			if err != nil {
				return err
			}
			cfg.PolicyFile = nil // what became of it is not the question
			if cfg.Keys, err = run.settings.keys(ctx, c, e, cfg.Repo, run.verifier, cfg.Policy); err != nil {
				return err
			}
			cfg.Row = d.first
			if i == 1 {
				cfg.Row = d.second
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if d.moved {
		return fail(exitUnknown, errors.New("the refs changed between the two audits"), "run it again")
	}
	for _, line := range d.lines {
		e.printf("%s\n", printable(line))
	}
	e.printf("%s of %d judged differently\n", count(d.n, "object", "objects"), d.at)
	if d.n > 0 {
		return quiet(exitFinding)
	}
	return nil
}

// differences are the objects that two audits judge differently. Of each
// object of the first a few bytes are kept, in the order of the history.
type differences struct {
	ids      [][8]byte // the begin of each object's id
	verdicts []uint16  // numbers of words
	words    []string
	numbers  map[string]uint16

	at    int  // how many the second has seen
	moved bool // it has seen others than the first
	n     int
	lines []string // of the differences
}

// word returns what an audit says of an object, in one line.
func verdictWord(row report.Row) string {
	return strings.Join(append([]string{string(row.Class)}, slices.DeleteFunc(slices.Clone(row.Findings), func(id string) bool {
		d, _ := report.Describe(id)
		return d.Severity != report.Error
	})...), "+")
}

func idBegin(row report.Row) (id [8]byte) {
	raw, _ := hex.DecodeString(row.Object.OID[:min(16, len(row.Object.OID))]) // an id; if not, all zero
	copy(id[:], raw)
	return id
}

func (d *differences) first(row report.Row) {
	word := verdictWord(row)
	number, ok := d.numbers[word]
	if !ok {
		if d.numbers == nil {
			d.numbers = make(map[string]uint16)
		}
		number = uint16(len(d.words)) // there are fewer classes and findings than that
		d.numbers[word] = number
		d.words = append(d.words, word)
	}
	d.ids, d.verdicts = append(d.ids, idBegin(row)), append(d.verdicts, number)
}

func (d *differences) second(row report.Row) {
	i := d.at
	d.at++
	if i >= len(d.ids) || d.ids[i] != idBegin(row) {
		d.moved = true
		return
	}
	if before, now := d.words[d.verdicts[i]], verdictWord(row); before != now {
		d.n++
		line := fmt.Sprintf("%s %s: %s, then %s", row.Object.Type, row.Object.OID, before, now)
		if row.Signer != nil {
			line += ", signed by " + row.Signer.String()
		}
		d.lines = append(d.lines, line)
	}
}
