package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

func auditCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "audit",
		Usage:     "verify a whole history and say who signed what",
		ArgsUsage: "[REV | A..B]…",
		Description: "Examines every commit of HEAD's history, of a revision or of a range, offline: the proofs are\n" +
			"in the commits; for those that are not, --online asks the logs. Identities are judged by\n" +
			"--policy, or by the policy that gitseal policy allow keeps; without either, only validity is.\n" +
			"Exits 0 if all is well, 1 on a violation, 3 if some objects could not be judged, 4 if a log\n" +
			"contradicts itself (--consistency).",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "examine every branch, remote-tracking ref and annotated tag"},
			&cli.StringFlag{Name: "since", Usage: "leave out what `REV` reaches"},
			&cli.BoolFlag{Name: "first-parent", Usage: "follow only the first parent of merges"},
			&cli.StringFlag{Name: "policy", Usage: "judge identities by the policy in `FILE`"},
			&cli.BoolFlag{Name: "any-identity", Usage: "judge validity only, whoever signed"},
			&cli.StringFlag{Name: "trusted-root", Usage: "trust what `FILE`, a trusted_root.json, names, and nothing else"},
			&cli.BoolFlag{Name: "allow-shallow", Usage: "audit what there is of a shallow, grafted or replaced history"},
			onlineFlag(),
			&cli.BoolFlag{Name: "consistency", Usage: "have the logs prove that every checkpoint in the signatures lies in the one history they show; asks them over the network"},
			&cli.IntFlag{Name: "jobs", Usage: "verify with `N` goroutines", DefaultText: "one for each processor"},
			formatFlag(),
		},
		Action: func(c *cli.Context) error { return runAudit(c, e) },
	}
}

func runAudit(c *cli.Context, e *env) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	if c.IsSet("policy") && c.Bool("any-identity") {
		return usage("--policy and --any-identity exclude one another")
	}
	if c.Int("jobs") < 0 {
		return usage("--jobs %d: want a positive number", c.Int("jobs"))
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	cfg := audit.Config{
		Revisions: c.Args().Slice(), All: c.Bool("all"), Since: c.String("since"), FirstParent: c.Bool("first-parent"),
		AllowShallow: c.Bool("allow-shallow"), Jobs: c.Int("jobs"), Now: e.now, Tool: "gitseal " + version(),
	}
	trust, err := settings.trust(c.String("trusted-root"))
	if err != nil {
		return err
	}
	cfg.TrustedRoots, cfg.TrustSources = trust.roots, trust.sources
	cfg.Hint = trust.hints(e.now())
	if cfg.Verifier, err = trust.verifier(); err != nil {
		return err
	}
	if !c.Bool("any-identity") {
		if cfg.Policy, cfg.PolicySource, err = settings.policy(c.String("policy")); err != nil {
			return err
		}
	}
	if cfg.Repo, err = openRepository(c.Context); err != nil {
		return err
	}
	entries, err := settings.entryFinder(e, trust, c.Bool("online"))
	if err != nil {
		return err
	}
	defer entries.Close()
	cfg.Entries = entries
	if c.Bool("consistency") {
		cfg.Checkpoints = new(audit.Checkpoints)
	}
	progress := newProgress(e)
	cfg.Progress = progress.update

	// Interrupted, it ends its git processes and reports nothing.
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	// All that is kept of an object is a few counts. A heap of some 20 MB
	// instead of 4 spares collecting the rest a hundred times a second.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	r, err := audit.Run(ctx, cfg)
	progress.clear()
	if err != nil {
		return explainAudit(ctx, err)
	}
	var hints []string
	if cfg.Checkpoints != nil {
		if hints, err = settings.checkConsistency(ctx, e, trust, &cfg, r); err != nil {
			return explainAudit(ctx, err)
		}
	}
	if err := writeReport(e, r, asJSON); err != nil {
		return err
	}
	for _, hint := range hints {
		fmt.Fprintf(e.stderr, "hint: %s\n", hint)
	}
	return quiet(resultExit[r.Result])
}

// writeReport writes a report to stdout.
func writeReport(e *env, r *report.Report, asJSON bool) (err error) {
	var out bytes.Buffer
	if asJSON {
		err = report.WriteJSON(&out, r)
	} else {
		err = report.WriteText(&out, r)
	}
	if err == nil {
		_, err = e.stdout.Write(out.Bytes())
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

var resultExit = map[report.Result]int{
	report.Pass: exitGood, report.Violation: exitFinding, report.Indeterminate: exitUnknown, report.Equivocation: exitEquivocation,
}

// explainAudit gives the exit code and the next command for an audit that has
// nothing to report.
func explainAudit(ctx context.Context, err error) error {
	var revision *audit.RevisionError
	var altered *audit.AlteredHistoryError
	switch {
	case ctx.Err() != nil:
		return fail(exitUnknown, errors.New("interrupted"))
	case errors.Is(err, audit.ErrEmpty):
		return fail(exitUsage, err, "git commit -S   # and audit again")
	case errors.As(err, &revision) && errors.Is(err, gitutil.ErrMissing):
		return fail(exitUsage, fmt.Errorf("%q is no revision of this repository", revision.Revision), "git log --oneline   # shows what there is")
	case errors.As(err, &revision):
		return fail(exitUsage, err, "git log --oneline   # shows what there is")
	case errors.As(err, &altered):
		hint := "gitseal audit --allow-shallow   # audits what there is, and says so"
		if altered.Shallow {
			return fail(exitUnknown, err, "git fetch --unshallow", hint)
		}
		return fail(exitUnknown, err, hint)
	}
	return err
}

// A progress is a line on the terminal that says how far a long work is. There
// is none where stderr is not a terminal.
type progress struct {
	env   *env
	verb  string // "examining"
	on    bool
	shown time.Time // when the line was last written
}

func newProgress(e *env) *progress {
	return &progress{env: e, verb: "examining", on: isTerminal(e.stderr)}
}

// update shows how many objects are done, ten times a second.
func (p *progress) update(done, total int) {
	now := p.env.now()
	if !p.on || now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = now
	if total > 0 {
		fmt.Fprintf(p.env.stderr, "\r\x1b[K%s %d of %d (%d%%)", p.verb, done, total, done*100/total)
	} else {
		fmt.Fprintf(p.env.stderr, "\r\x1b[K%s %d", p.verb, done)
	}
}

// clear takes the line away.
func (p *progress) clear() {
	if p.on && !p.shown.IsZero() {
		fmt.Fprint(p.env.stderr, "\r\x1b[K")
	}
}
