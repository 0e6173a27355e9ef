package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"gitseal/gitutil"
	"gitseal/internal/proofs"
	"gitseal/signer/pending"
	"gitseal/verifier/audit"
)

// A proofPush is what a push has to do with proofs that do not travel in
// signatures: those that can be had are had before it is judged, and are pushed
// to where it goes if nothing is wrong with it.
type proofPush struct {
	env      *env
	repo     *gitutil.Repo
	remote   string // a name, or a URL
	updates  []gitutil.PushUpdate
	recorded int
	waiting  map[string]bool // objects of the push whose entry can still be made later, and may be
}

// pushFlushTimeout is how long a push waits for logs.
const pushFlushTimeout = time.Minute

// openProofPush has recorded what waits for its log entry in the repository. It
// refuses the push if something in it still waits and gitseal.requireLogged is
// set.
func openProofPush(ctx context.Context, e *env, remote string, input []byte) (*proofPush, error) {
	settings, err := readSettings(ctx, e)
	if err != nil {
		return nil, err
	}
	repo, err := openRepository(ctx)
	if err != nil {
		return nil, err
	}
	p := &proofPush{env: e, repo: repo, remote: remote}
	if p.updates, _, err = parsePrePush(input, repo.ObjectFormat()); err != nil {
		return nil, fail(exitUsage, fmt.Errorf("reading what is pushed: %w", err))
	}
	required, err := settings.requireLogged()
	if err != nil {
		return nil, err
	}
	f, err := settings.openFlusher(e, repo)
	if err != nil && !required {
		return p, nil // without a home nothing was queued in it
	}
	if err != nil {
		return nil, err
	}
	defer f.close()
	limited, cancel := context.WithTimeoutCause(ctx, pushFlushTimeout, fmt.Errorf("not done within %v, after which a push waits no longer", pushFlushTimeout))
	defer cancel()
	flushed, err := f.flush(limited, false)
	if err != nil {
		// What waits is known all the same.
		flushed, err = f.listed(ctx, err)
	}
	if err != nil && required {
		return nil, fmt.Errorf("push stopped: %w", err)
	}
	if err != nil {
		p.tell("what waits for its log entry could not be looked at: %v", err)
		return p, nil
	}
	if p.recorded = len(flushed.Recorded); p.recorded > 0 {
		p.tell("%s recorded, the proofs are in %s", count(p.recorded, "signature", "signatures"), proofs.Ref)
	}
	if err := p.stillPending(ctx, slices.Concat(flushed.Lost, flushed.Failed), required); err != nil {
		return nil, err
	}
	p.waiting = make(map[string]bool)
	for _, x := range flushed.Failed {
		if _, oid, ok := strings.Cut(x.Record.Object, " "); ok {
			p.waiting[oid] = true
		}
	}
	return p, nil
}

func (p *proofPush) tell(format string, args ...any) {
	fmt.Fprintf(p.env.stderr, "gitseal: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// stillPending says what of a push is in no log yet. It is refused, if that is
// what the user wants.
func (p *proofPush) stillPending(ctx context.Context, all []pending.Failure, required bool) error {
	all, err := p.pushed(ctx, all)
	if err != nil || len(all) == 0 {
		return err
	}
	why := all[0].Err
	what := count(len(all), "signature that is pushed is", "signatures that are pushed are") + " in no log yet, and not-logged for others"
	if required {
		return fail(exitFinding, fmt.Errorf("push stopped: %s (gitseal.requireLogged): %w", what, why),
			"gitseal log flush   # then push again", "gitseal log pending   # says what waits, and until when")
	}
	p.tell("%s: %v", what, why)
	fmt.Fprintf(p.env.stderr, "hint: gitseal log flush && git push %s   # later\n", shellWord(p.remote))
	return nil
}

// pushed returns those that are in what is pushed: the object of a signature is
// what a ref is to hold, or in its history. Those of objects that are not known
// count.
func (p *proofPush) pushed(ctx context.Context, all []pending.Failure) ([]pending.Failure, error) {
	if len(all) == 0 {
		return nil, nil
	}
	tips := make(map[string]bool)
	var ask bytes.Buffer
	for _, u := range p.updates {
		if u.New != "" {
			tips[u.New] = true
			fmt.Fprintf(&ask, "^%s\n", u.New)
		}
	}
	for _, x := range all {
		if oid, ok := strings.CutPrefix(x.Record.Object, "commit "); ok {
			fmt.Fprintf(&ask, "%s\n", oid)
		}
	}
	// What is not reached from there is not pushed.
	cmd := exec.CommandContext(ctx, "git", "--no-replace-objects", "rev-list", "--ignore-missing", "--stdin")
	cmd.Stdin = &ask
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("finding what of the push waits for its log entry: %w", err)
	}
	elsewhere := make(map[string]bool)
	for _, oid := range strings.Fields(string(out)) {
		elsewhere[oid] = true
	}
	var commits []gitutil.Ref
	for _, x := range all {
		if oid, ok := strings.CutPrefix(x.Record.Object, "commit "); ok && !elsewhere[oid] {
			commits = append(commits, gitutil.Ref{OID: oid})
		}
	}
	if err := p.repo.Types(ctx, commits); err != nil {
		return nil, fmt.Errorf("finding what of the push waits for its log entry: %w", err)
	}
	for _, c := range commits {
		elsewhere[c.OID] = c.Type == "" // git did not make it
	}
	return slices.DeleteFunc(slices.Clone(all), func(x pending.Failure) bool {
		typ, oid, _ := strings.Cut(x.Record.Object, " ")
		return typ == "commit" && elsewhere[oid] || typ == "tag" && !tips[oid]
	}), nil
}

// push pushes the proofs. That it cannot be done is told: the other side may
// take none.
func (p *proofPush) push(ctx context.Context) {
	if slices.ContainsFunc(p.updates, func(u gitutil.PushUpdate) bool { return u.Ref == proofs.Ref }) {
		// Git pushes them itself, as they were before; to push them now would
		// have that refused.
		if p.recorded > 0 {
			p.tell("the proofs of %s come with the next push", count(p.recorded, "signature", "signatures"))
			fmt.Fprintf(p.env.stderr, "hint: git push %s   # again\n", shellWord(p.remote))
		}
		return
	}
	pushed, err := pushProofs(ctx, p.repo, p.remote)
	switch {
	case err != nil:
		p.tell("the proofs of signatures were not pushed: %v", err)
		first := ""
		if strings.Contains(err.Error(), "(fetch first)") {
			first = fmt.Sprintf("git fetch %s +%s:%sother && gitseal log flush && ", shellWord(p.remote), proofs.Ref, proofs.Remotes)
		}
		fmt.Fprintf(p.env.stderr, "hint: %sgit push %s %s   # without them what they prove is not-logged for others\n", first, shellWord(p.remote), proofs.Ref)
	case pushed:
		p.tell("pushed %s", proofs.Ref)
	}
}

// useProofs gives the audit of a push or a merge the proofs of the repository,
// and those that are pushed to it, which have to be nothing else. The caller
// calls done.
func (h *hookRun) useProofs(ctx context.Context, cfg *audit.Config, updates []gitutil.PushUpdate) (done func(), err error) {
	var commits []string
	for _, u := range updates {
		if !strings.HasPrefix(u.Ref, proofs.Namespace) {
			continue
		}
		if u.New == "" {
			if u.Ref == proofs.Ref {
				return nil, fail(exitFinding, fmt.Errorf("push refused: %s would be gone, and with it the proofs of signatures", u.Ref))
			}
			continue
		}
		err := proofs.Check(ctx, cfg.Repo, u.Old, u.New)
		if hostile := (*proofs.HostileError)(nil); errors.As(err, &hostile) {
			return nil, fail(exitFinding, fmt.Errorf("push refused: %s holds what is no proof: %w", u.Ref, err),
				"gitseal log flush   # takes in what is there, and leaves out what is no proof; then push again")
		}
		if err != nil {
			return nil, fail(exitUnknown, fmt.Errorf("push refused: %s: %w", u.Ref, err))
		}
		commits = append(commits, u.New)
	}
	kept, err := openProofs(ctx, cfg.Repo, commits...)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		cfg.Proofs = kept
	}
	return func() { h.env.closeProofs(kept) }, nil
}
