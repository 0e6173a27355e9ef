package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/signer"
)

func resignCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "resign",
		Usage:     "sign commits again, with new ids, and move their branch",
		ArgsUsage: "[A..B]",
		Description: "Signs what the branch B has and A has not: makes the same commits again, signed by you,\n" +
			"and moves B to them in one step, at the end. Without B it is the branch that is checked\n" +
			"out, without anything what its upstream has not. Neither index nor work tree are touched.\n" +
			"You become the committer, now, unless --keep-committer says otherwise; everything else\n" +
			"stays as it is, byte for byte. What fails, or is interrupted, has changed nothing.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "root", Usage: "sign the whole history of the branch that is the argument, or is checked out"},
			&cli.BoolFlag{Name: "unsigned", Usage: "leave commits alone whose signature is good, as long as nothing before them is replaced"},
			&cli.BoolFlag{Name: "others", Usage: "replace signatures of other people, too"},
			&cli.BoolFlag{Name: "keep-committer", Usage: "leave the committer of each commit as it is, and the date"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and do nothing"},
		},
		Action: func(c *cli.Context) error { return runResign(c, e) },
	}
}

// nothingChanged ends the message of what stopped a resign on the way.
const nothingChanged = "nothing was changed"

func runResign(c *cli.Context, e *env) error {
	// Interrupted, it ends its git processes.
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	err := resign(ctx, c, e)
	if wasInterrupted(ctx, err) {
		// What fails after the branch has been moved is not returned.
		return fail(exitInterrupted, errors.New("interrupted: "+nothingChanged))
	}
	return err
}

// wasInterrupted reports whether an error comes of an interrupt. Where that is
// typed at a terminal git gets it as we do, and may end before we hear of it.
func wasInterrupted(ctx context.Context, err error) bool {
	var git *exec.ExitError
	return err != nil && (ctx.Err() != nil || errors.As(err, &git) && git.ProcessState.String() == "signal: "+os.Interrupt.String())
}

func resign(ctx context.Context, c *cli.Context, e *env) error {
	s, err := readSettings(ctx, e)
	if err != nil {
		return err
	}
	repo, err := openRepository(ctx)
	if err != nil {
		return err
	}
	r := &resigning{c: c, env: e, settings: s, repo: repo}
	if err := r.plan(ctx); err != nil {
		return err
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	switch {
	case len(r.replaced) == 0:
		e.printf("nothing to sign: %s\n", r.nothing())
		return nil
	case c.Bool("dry-run"):
		e.printf("would sign %s on %s\n", count(len(r.replaced), "commit", "commits"), printable(r.branch()))
		return r.tell(ctx)
	}
	session, err := s.openSession(ctx, e, "signing again", r.key())
	if err != nil {
		return err
	}
	made, err := r.sign(ctx, session.sign)
	if closeErr := session.Close(); err == nil {
		err = closeErr // what it has released is durable, or does not count
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, made)
}

// sign makes the new commits, in memory.
func (r *resigning) sign(ctx context.Context, sign func(context.Context, []byte) (*signer.Signature, error)) (*gitutil.Rewritten, error) {
	progress := newProgress(r.env)
	progress.verb = "signing"
	defer progress.clear()
	total := len(r.replaced)
	w := gitutil.Rewrite{
		Commits: r.replaced,
		Sign: func(ctx context.Context, payload []byte) ([]byte, error) {
			made, err := sign(ctx, payload)
			if err != nil {
				return nil, err
			}
			r.signer = made.Result.Certificate.Identity // the same of all: see session.sign
			return made.Armored, nil
		},
		Done: func(n int) { progress.update(n, total) },
	}
	if !r.c.Bool("keep-committer") {
		w.Committer = r.committer
	}
	made, err := r.repo.Rewrite(ctx, w)
	if err != nil {
		return nil, stopped(err)
	}
	return made, nil
}

// stopped says that an error has changed nothing, with the exit code and the
// hints that it has.
func stopped(err error) error {
	code, _, hints := exitCode(err)
	return fail(code, fmt.Errorf("%w; %s", err, nothingChanged), hints...)
}

// finish puts the new commits into the repository and moves the branch.
func (r *resigning) finish(ctx context.Context, made *gitutil.Rewritten) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// From here on all is done, or nothing: see MoveRef.
	ctx = context.WithoutCancel(ctx)
	tip := made.New[r.old]
	if err := r.repo.Store(ctx, made); err != nil {
		return stopped(err)
	}
	err := r.repo.MoveRef(ctx, gitutil.RefMove{
		Ref: r.ref, Old: r.old, New: tip, Reason: "resign: " + count(len(r.replaced), "commit", "commits"),
	})
	if err != nil {
		return stopped(err)
	}
	r.env.printf("resigned %s on %s: %s → %s\n", count(len(r.replaced), "commit", "commits"), printable(r.branch()), short(r.old), short(tip))
	if err := r.repo.CopyNotes(ctx, made); err != nil {
		r.env.printError("the commits are signed, but git could not take their notes along: "+err.Error(), nil)
	}
	if err := r.tell(ctx); err != nil {
		r.env.printError("the commits are signed, but not all can be said of it: "+err.Error(), nil)
	}
	fmt.Fprintf(r.env.stderr, "hint: %s   # takes it back\n", r.undo(tip))
	return nil
}

// undo returns the command that puts the branch back.
func (r *resigning) undo(tip string) string {
	if r.isHead {
		return "git reset --soft " + r.old
	}
	return fmt.Sprintf("git update-ref %s %s %s", shellWord(r.ref), r.old, tip)
}

// branch returns the name of the branch for people.
func (r *resigning) branch() string {
	if r.ref == "HEAD" {
		return "the detached HEAD"
	}
	return strings.TrimPrefix(r.ref, "refs/heads/")
}

// nothing says why there is nothing to sign.
func (r *resigning) nothing() string {
	if n := len(r.kept); n > 0 {
		return fmt.Sprintf("%s on %s, and the signatures are good", count(n, "commit", "commits"), printable(r.branch()))
	}
	return fmt.Sprintf("%s has no commit that %s has not", printable(r.branch()), printable(r.upstream))
}

// key returns git's name for the key to sign with: the committer.
func (r *resigning) key() string {
	return fmt.Sprintf("%s <%s>", r.me.Name, r.me.Email)
}
