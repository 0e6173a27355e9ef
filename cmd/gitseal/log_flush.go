package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/internal/proofs"
	"gitseal/signer/pending"
)

func logFlushCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "flush",
		Usage: "have the log record the signatures that wait for it",
		Description: "Has everything recorded that was signed in this repository and waits for its log entry, all at\n" +
			"once, and keeps the proofs in " + proofs.Ref + ", together with those that were fetched from\n" +
			"remotes. It pushes nothing. Exits 0 if nothing waits any more, 3 if something could not be\n" +
			"recorded now, 1 if something cannot be recorded any more.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "of all repositories"},
			formatFlag(),
		},
		Action: func(c *cli.Context) error { return runLogFlush(c, e) },
	}
}

func runLogFlush(c *cli.Context, e *env) error {
	if c.Args().Present() {
		return usage("log flush takes no arguments")
	}
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	repo, err := repositoryHere(c.Context)
	if err != nil {
		return err
	}
	if repo == nil && !c.Bool("all") {
		return fail(exitUsage, errors.New("not in a git repository"), "gitseal log flush --all   # those of all repositories")
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	f, err := settings.openFlusher(e, repo)
	if err != nil {
		return err
	}
	defer f.close()
	flushed, err := f.flush(ctx, c.Bool("all"))
	if err != nil {
		return err
	}
	t := &flushTold{env: e, queue: f.queue, asJSON: asJSON, Recorded: []pendingJSON{}, Failed: []pendingJSON{}, Lost: []pendingJSON{}, Bad: []badFileJSON{}}
	if err := t.tell(flushed); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fail(exitInterrupted, fmt.Errorf("interrupted: %s", count(len(flushed.Failed), "signature still waits", "signatures still wait")))
	}
	if repo != nil {
		// What was fetched goes with what is pushed.
		if err := proofs.Add(ctx, repo.CommonDir(), nil); errors.Is(err, proofs.ErrForeign) {
			return fail(exitUnknown, err, "git log "+proofs.Ref+"   # says what it is; git update-ref --no-deref -d "+proofs.Ref+" begins anew")
		} else if err != nil {
			return err
		}
	}
	if repo != nil && !asJSON {
		t.hintPush(ctx, repo)
	}
	switch {
	case len(flushed.Lost) > 0:
		return quiet(exitFinding)
	case len(flushed.Failed) > 0:
		return quiet(exitUnknown)
	}
	return nil
}

// A flushTold is the answer of log flush.
type flushTold struct {
	env    *env
	queue  pending.Queue
	asJSON bool
	untold int // how many lines were too many to be read

	Recorded []pendingJSON
	Failed   []pendingJSON
	Lost     []pendingJSON
	Bad      []badFileJSON
}

// tell says what became of each signature.
func (t *flushTold) tell(f *pending.Flushed) error {
	for _, r := range f.Recorded {
		t.add(&t.Recorded, r, nil, "recorded")
	}
	for _, x := range f.Failed {
		t.add(&t.Failed, x.Record, x.Err, "still waits")
	}
	for _, x := range f.Lost {
		t.add(&t.Lost, x.Record, x.Err, "lost")
	}
	if t.untold > 0 {
		fmt.Fprintf(t.env.stderr, "gitseal: and %s not recorded either\n", count(t.untold, "more is", "more are"))
	}
	for _, b := range f.Bad {
		t.Bad = append(t.Bad, badFileJSON{filepath.Join(t.queue.Dir, b.Name), b.Err.Error()})
	}
	tellBadFiles(t.env, t.queue, f.Bad)
	if t.asJSON {
		return writeJSON(t.env, struct {
			Schema   string        `json:"schema"`
			Recorded []pendingJSON `json:"recorded"`
			Failed   []pendingJSON `json:"failed"`
			Lost     []pendingJSON `json:"lost"`
			Bad      []badFileJSON `json:"badFiles"`
		}{"gitseal.log-flush/1", t.Recorded, t.Failed, t.Lost, t.Bad})
	}
	if len(t.Recorded)+len(t.Failed)+len(t.Lost) == 0 {
		t.env.printf("nothing waits for its log entry\n")
	}
	if len(t.Lost) > 0 {
		fmt.Fprintf(t.env.stderr, "hint: git commit --amend -S   # or gitseal resign: signs again what was not recorded in time\n")
		fmt.Fprintf(t.env.stderr, "hint: gitseal log pending --forget %s   # takes it off the list\n", t.Lost[0].ID[:shortID])
	}
	if len(t.Failed) > 0 {
		fmt.Fprintf(t.env.stderr, "hint: gitseal log flush   # again, later\n")
	}
	return nil
}

// add adds a signature to a list, and says what became of it.
func (t *flushTold) add(list *[]pendingJSON, r *pending.Record, err error, outcome string) {
	p := newPendingJSON(r, t.env.now())
	if err != nil {
		p.Error = oneLine(err.Error())
		outcome += ": " + p.Error
	}
	*list = append(*list, p)
	switch {
	case t.asJSON, errors.Is(err, context.Canceled): // which is said of all, at the end
	case err == nil:
		t.env.printf("%s: %s\n", printable(p.what()), outcome)
	case len(t.Failed)+len(t.Lost) > maxTold:
		t.untold++
	default:
		fmt.Fprintf(t.env.stderr, "gitseal: %s: %s\n", printable(p.what()), printable(outcome))
	}
}

// hintPush says how proofs get to others that are only here.
func (t *flushTold) hintPush(ctx context.Context, repo *gitutil.Repo) {
	if len(t.Recorded) == 0 {
		return
	}
	if remotes := remoteNames(ctx); len(remotes) > 0 {
		fmt.Fprintf(t.env.stderr, "hint: git push %s %s   # for others to verify by\n", shellWord(remotes[0]), proofs.Ref)
	}
}
