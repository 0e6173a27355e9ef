package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

func auditCommand(e *env) *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "all", Usage: "examine every branch, remote-tracking ref and annotated tag"},
		&cli.StringFlag{Name: "base", Usage: "examine what HEAD, or the revision, has and `REV` has not, as for a pull request into REV: by its rules, and by the policy in it"},
		&cli.StringFlag{Name: "since", Usage: "leave out what `REV` reaches"},
		&cli.BoolFlag{Name: "first-parent", Usage: "follow only the first parent of merges"},
		&cli.StringFlag{Name: "ref", Usage: "judge by the rules for `REF`, a full name, whatever the revisions are called"},
		&cli.StringFlag{Name: "policy", Usage: "judge by the policy in `FILE`, or REV:PATH in a commit that is trusted"},
		&cli.BoolFlag{Name: "any-identity", Usage: "judge validity only, whoever signed"},
		&cli.StringFlag{Name: "trusted-root", Usage: "trust what `FILE`, a trusted_root.json, names, and nothing else"},
		&cli.StringSliceFlag{Name: "attestation", Usage: "count the signer of `FILE`, a bundle with an in-toto statement about a commit, for thresholds; repeat for several"},
		&cli.StringSliceFlag{Name: "attestation-type", Usage: "the predicate `TYPE` of the statements that count; repeat for several"},
		&cli.StringFlag{Name: "state", Usage: "hold the refs against those of the last audit, which are kept in `FILE`"},
		&cli.BoolFlag{Name: "allow-shallow", Usage: "audit what there is of a shallow, grafted or replaced history"},
		onlineFlag(),
		&cli.BoolFlag{Name: "consistency", Usage: "have the logs prove that every checkpoint in the signatures lies in the one history they show; asks them over the network"},
		&cli.IntFlag{Name: "jobs", Usage: "verify with `N` goroutines", DefaultText: "one for each processor"},
		&cli.BoolFlag{Name: "no-cache", Usage: "neither use nor keep what was found of objects"},
		&cli.BoolFlag{Name: "dry-run", Usage: "exit 0 whatever is found"},
		&cli.StringFlag{Name: "explain", Usage: "say how `OID` was judged, rule by rule, instead of the report"},
	}
	flags = append(flags, keyFlags()...)
	flags = append(flags, reportFlags()...)
	return &cli.Command{
		Name:      "audit",
		Usage:     "verify a whole history and say who signed what",
		ArgsUsage: "[REV | A..B | REPOSITORY]…",
		Description: "Examines every commit of HEAD's history, of a revision or of a range, offline: the proofs are\n" +
			"in the commits; for those that are not, --online asks the logs. Identities are judged by\n" +
			"--policy, or by the policy that gitseal policy allow keeps; without either, only validity is.\n" +
			"Arguments that begin with / or . are repositories, which one report is written of.\n" +
			"Exits 0 if all is well, 1 on a violation, 3 if some objects could not be judged, 4 if a log\n" +
			"contradicts itself (--consistency), 130 if it was interrupted.",
		Flags:       flags,
		Action:      func(c *cli.Context) error { return runAudit(c, e) },
		Subcommands: []*cli.Command{auditMergeCommand(e)},
	}
}

// heapLimit is from where on memory is worth more than time: in bytes, below the
// quarter of a gigabyte that an audit is to take at most.
const heapLimit = 160 << 20

func runAudit(c *cli.Context, e *env) error {
	switch {
	case c.IsSet("policy") && c.Bool("any-identity"):
		return usage("--policy and --any-identity exclude one another")
	case c.Int("jobs") < 0:
		return usage("--jobs %d: want a positive number", c.Int("jobs"))
	case c.IsSet("base") && (c.Bool("all") || c.IsSet("since")):
		return usage("--base says what to examine, and so do --all and --since")
	case c.IsSet("ref") && !strings.HasPrefix(c.String("ref"), "refs/"):
		return fail(exitUsage, fmt.Errorf("--ref %s is not a full name", c.String("ref")), "--ref refs/heads/"+shellWord(c.String("ref")))
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	repositories, revisions, err := auditTargets(c)
	if err != nil {
		return err
	}
	out, err := openReports(c, e)
	if err != nil {
		return err
	}
	defer out.abandon()

	// Interrupted, it ends its git processes and reports what it has.
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	// All that is kept of an object is a few counts. A heap of some 20 MB
	// instead of 4 spares collecting the rest a hundred times a second.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	// Where a million refs have to be kept, that would be gigabytes.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(heapLimit))
	run := &auditRun{c: c, env: e, settings: settings, revisions: revisions, out: out}
	if run.trust, err = settings.trust(c.String("trusted-root")); err != nil {
		return err
	}
	if run.verifier, err = run.trust.verifier(); err != nil {
		return err
	}
	if len(repositories) > 1 {
		run.certificates = new(audit.Certificates)
	}
	for _, dir := range repositories {
		if err := run.repository(ctx, dir); err != nil {
			return explainAudit(ctx, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if run.explained != nil && ctx.Err() == nil {
		return run.writeExplanation()
	}
	if err := run.write(); err != nil {
		return err
	}
	for _, hint := range run.hints {
		fmt.Fprintf(e.stderr, "hint: %s\n", hint)
	}
	if ctx.Err() != nil {
		return fail(exitInterrupted, errors.New("interrupted: the report is of what was examined until then"))
	}
	if c.Bool("dry-run") {
		return nil
	}
	return quiet(resultExit[report.Merge(run.reports).Result])
}

// auditTargets tells repositories from revisions among the arguments: a
// revision begins with neither a slash nor a dot. Without a repository it is
// the one that git finds from here.
func auditTargets(c *cli.Context) (repositories, revisions []string, err error) {
	for _, arg := range c.Args().Slice() {
		if isRepository(arg) {
			repositories = append(repositories, arg)
		} else {
			revisions = append(revisions, arg)
		}
	}
	switch {
	case len(repositories) == 0:
		repositories = []string{""}
	case len(revisions) > 0 && len(repositories) > 1:
		err = usage("revisions go with one repository, not with %d", len(repositories))
	case c.IsSet("state") && len(repositories) > 1:
		err = usage("--state is of one repository, not of %d", len(repositories))
	case c.IsSet("explain") && len(repositories) > 1:
		err = usage("--explain is of one repository, not of %d", len(repositories))
	}
	return repositories, revisions, err
}

// isRepository reports whether an argument names a repository. ".." and "..."
// alone are ranges of HEAD; "../" is a directory.
func isRepository(arg string) bool {
	return filepath.IsAbs(arg) || arg == "." || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, "../")
}

// An auditRun is one run of the command, over one repository or several.
type auditRun struct {
	c         *cli.Context
	env       *env
	settings  *settings
	trust     *trust
	verifier  *verifier.Verifier
	revisions []string
	out       *reportOutputs

	certificates *audit.Certificates       // nil: there is one repository
	explained    *audit.Explanation        // nil: a report is wanted
	change       func(*audit.Config) error // makes it another audit than the flags say; nil: it is that
	// readPolicy gives an audit its policy in place of --policy; nil: that one.
	readPolicy func(context.Context, *audit.Config) error
	reports    []*report.Report
	hints      []string
}

// repository audits the repository that git finds from a directory.
func (a *auditRun) repository(ctx context.Context, dir string) (err error) {
	cfg, err := a.config(ctx, dir)
	if err != nil {
		return err
	}
	entries, err := a.settings.entryFinder(a.env, a.trust, a.c.Bool("online"))
	if err != nil {
		return err
	}
	defer entries.Close()
	if a.c.Bool("online") || !entries.isEmpty() {
		cfg.Entries = entries
	}
	kept, err := openProofs(ctx, cfg.Repo)
	if err != nil {
		return err
	}
	defer a.env.closeProofs(kept)
	if kept != nil {
		cfg.Proofs = kept
	}
	if a.change != nil {
		if err := a.change(cfg); err != nil {
			return err
		}
	}
	state, err := a.openState(cfg)
	if err != nil {
		return err
	}
	if state != nil {
		defer state.close()
	}
	if a.c.Bool("consistency") {
		cfg.Checkpoints = new(audit.Checkpoints)
	}
	saveCache := a.openCache(cfg)
	progress := newProgress(a.env)
	if progress.on { // to count what there is takes git as long as to list it
		cfg.Progress = progress.update
	}
	r, err := audit.Run(ctx, *cfg)
	progress.clear()
	saveCache()
	if err != nil {
		return err
	}
	if cfg.Checkpoints != nil && ctx.Err() == nil {
		hints, err := a.settings.checkConsistency(ctx, a.env, a.trust, cfg, r)
		if err != nil {
			return err
		}
		a.hints = append(a.hints, hints...)
	}
	r.Explain = a.explainCommand(cfg)
	a.reports = append(a.reports, r)
	if state != nil && ctx.Err() == nil {
		return state.keep(a)
	}
	return nil
}

// config returns what to audit in a repository, and by which rules.
func (a *auditRun) config(ctx context.Context, dir string) (*audit.Config, error) {
	c, e := a.c, a.env
	repo, err := openRepositoryAt(ctx, dir)
	if err != nil {
		return nil, err
	}
	cfg := &audit.Config{
		Repo: repo, Revisions: a.revisions, All: c.Bool("all"), Since: c.String("since"), FirstParent: c.Bool("first-parent"),
		Ref: c.String("ref"), AllowShallow: c.Bool("allow-shallow"), Jobs: c.Int("jobs"), Now: e.now, Tool: "gitseal " + version(),
		Location: a.location(dir), Certificates: a.certificates,
		Verifier: a.verifier, TrustedRoots: a.trust.roots, TrustSources: a.trust.sources, Hint: a.trust.hints(e.now()),
	}
	if a.out != nil {
		cfg.Row = a.out.row
	}
	if base := c.String("base"); base != "" {
		if err := a.fromBase(ctx, cfg, base); err != nil {
			return nil, err
		}
	}
	if !c.Bool("any-identity") {
		if err := a.policy(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if err := a.checkBase(cfg); err != nil {
		return nil, err
	}
	if known := cfg.Hint; c.IsSet("policy") || c.IsSet("base") {
		// What is wrong is not for the user's own policy to mend.
		cfg.Hint = func(class verifier.Class) string {
			if class == verifier.IdentityNotAllowed {
				return "see which rule it breaks: EXPLAIN"
			}
			return known(class)
		}
	}
	if cfg.Keys, err = a.settings.keys(ctx, c, e, repo, a.verifier, cfg.Policy); err != nil {
		return nil, err
	}
	if err := a.attestations(cfg); err != nil {
		return nil, err
	}
	return cfg, a.explainTo(ctx, cfg, c.String("explain"))
}

// location returns what a repository is called in the report: nothing, if it
// is the only one and was not named.
func (a *auditRun) location(dir string) string {
	if uri := a.c.String("resource-uri"); uri != "" {
		return uri
	}
	return dir
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
		return fail(exitInterrupted, errors.New("interrupted"))
	case errors.As(err, &revision) && errors.Is(err, audit.ErrNoRef):
		return fail(exitUsage, fmt.Errorf("%s: %w", revision.Revision, audit.ErrNoRef), "say for which it is: --ref refs/heads/main")
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
