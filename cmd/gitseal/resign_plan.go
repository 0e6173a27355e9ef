package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
)

// A resigning is one run of the command.
type resigning struct {
	c        *cli.Context
	env      *env
	settings *settings
	repo     *gitutil.Repo
	judge    *audit.Judge

	ref      string // full name of what is moved, or "HEAD" if that is detached
	old      string // what it holds
	isHead   bool   // it is checked out here
	upstream string // what the argument leaves out; "" with --root
	revs     []string

	me       gitutil.Ident // who commits
	mine     []string      // the addresses that are theirs
	ident    string        // the same as git writes it
	replaced []string      // ids, none before its parents
	kept     []string      // commits whose signature is good and stays

	firsts   []string // of those replaced, the ones that have no parent among them
	authors  int      // how many are by other authors
	lost     []lostSignature
	lostTags int // how many signed tags are in merges of what is replaced

	signer verifier.Identity // whose signatures they are; zero before there are any
}

// A lostSignature is one of somebody else's that would be replaced.
type lostSignature struct{ oid, by string }

// A candidate is a commit that may be replaced.
type candidate struct {
	oid     string
	commit  *gitutil.Commit
	good    bool   // its signature is, and whoever made it is allowed to
	another string // who else has signed it; "": nobody, or whoever commits now
	isMine  bool   // whoever commits now has written it
}

// plan finds out what is to be signed. It asks nobody but git, and the agent
// for whom it has a certificate.
func (r *resigning) plan(ctx context.Context) (err error) {
	if err := r.scope(ctx); err != nil {
		return err
	}
	if r.ident, r.me, err = r.repo.Committer(ctx); err != nil {
		return fail(exitUsage, err, `git config --global user.email "you@example.com"`, `git config --global user.name "Your Name"`)
	}
	r.mine = r.addresses(ctx)
	kept, err := openProofs(ctx, r.repo)
	if err != nil {
		return err
	}
	defer r.env.closeProofs(kept)
	if err := r.openJudge(ctx); err != nil {
		return err
	}
	if kept != nil {
		r.judge.Proofs = kept
	}
	cut, err := r.repo.CutOff()
	if err != nil {
		return err
	}
	var all []candidate
	for o, err := range r.repo.Walk(ctx, gitutil.Walk{Revs: r.revs}) {
		if err != nil {
			return err
		}
		if cut[o.OID] {
			return fail(exitUnknown, fmt.Errorf("history is cut off at commit %s, whose parents were not fetched", o.OID), "git fetch --unshallow")
		}
		one, err := r.candidate(ctx, o)
		if err != nil {
			return fail(exitUnknown, fmt.Errorf("commit %s cannot be signed again: %w", o.OID, err), r.asItWas(o)...)
		}
		all = append(all, *one)
	}
	slices.Reverse(all)
	r.choose(all)
	return nil
}

// scope reads the argument.
func (r *resigning) scope(ctx context.Context) error {
	if r.c.NArg() > 1 {
		return usage("resign takes one range, not %d arguments", r.c.NArg())
	}
	tip := r.c.Args().First()
	switch left, right, isRange := strings.Cut(tip, ".."); {
	case strings.HasPrefix(right, "."):
		return usage("%s: want A..B", tip)
	case r.c.Bool("root") && isRange:
		return usage("--root begins where history does, and %s elsewhere", tip)
	case r.c.Bool("root"):
	case isRange:
		r.upstream, tip = cmp.Or(left, "HEAD"), right
	case tip != "":
		return fail(exitUsage, fmt.Errorf("%q is no range", tip), "gitseal resign "+shellWord(tip)+"..   # signs what HEAD has and "+printable(tip)+" has not",
			"gitseal resign --root "+shellWord(tip)+"   # signs all of its history")
	default:
		r.upstream = "@{upstream}"
	}
	tip = cmp.Or(tip, "HEAD")
	if err := r.resolve(ctx, tip); err != nil {
		return err
	}
	r.revs = []string{r.old}
	if r.upstream == "" {
		return nil
	}
	oid, typ, err := r.repo.Resolve(ctx, r.upstream)
	if err != nil && r.upstream == "@{upstream}" && !wasInterrupted(ctx, err) {
		return fail(exitUsage, errors.New("the branch has no upstream that would say where to begin"),
			"gitseal resign main..   # signs what HEAD has and main has not", "gitseal resign HEAD~1..   # signs the last commit")
	}
	if err != nil {
		return noRevision(err, r.upstream)
	}
	if typ != "commit" && typ != "tag" {
		return usage("%s is a %s, not a commit", printable(r.upstream), typ)
	}
	r.revs = append(r.revs, "^"+oid)
	return nil
}

// resolve finds the branch to move.
func (r *resigning) resolve(ctx context.Context, tip string) (err error) {
	if r.ref, err = r.repo.FullName(ctx, tip); err != nil {
		return noRevision(err, tip)
	}
	head := tip == "HEAD" || tip == "@"
	if r.ref == "" && head {
		r.ref = "HEAD"
	}
	if r.ref != "HEAD" && !strings.HasPrefix(r.ref, "refs/heads/") {
		return fail(exitUsage, fmt.Errorf("%s is no branch, and only a branch can be moved to what is signed", printable(tip)),
			"git switch --create NAME "+shellWord(tip)+"   # makes one")
	}
	var typ string
	if r.old, typ, err = r.repo.Resolve(ctx, r.ref); errors.Is(err, gitutil.ErrMissing) {
		return fail(exitUsage, audit.ErrEmpty, "git commit -S   # makes one")
	}
	if err != nil {
		return err
	}
	if typ != "commit" {
		return usage("%s is a %s, not a commit", r.ref, typ)
	}
	current, err := r.repo.FullName(ctx, "HEAD")
	r.isHead = r.ref == "HEAD" || current == r.ref
	return err
}

// noRevision explains that an argument names nothing.
func noRevision(err error, rev string) error {
	if errors.Is(err, gitutil.ErrMissing) {
		err = fmt.Errorf("%q is no revision of this repository", rev)
	}
	return fail(exitUsage, err, "git branch --list   # shows what there is")
}

// openJudge prepares to find out whose signatures there are.
func (r *resigning) openJudge(ctx context.Context) error {
	trust, err := r.settings.trust("")
	if err != nil {
		return err
	}
	v, err := trust.verifier()
	if err != nil {
		return err
	}
	p, _, err := r.settings.policy("")
	if err != nil {
		return err
	}
	r.judge = &audit.Judge{Format: r.repo.ObjectFormat(), Verifier: v, Allowed: audit.Anyone{}}
	if p != nil {
		r.judge.Allowed = audit.ByPolicy{Policy: p}
	}
	r.judge.Keys, err = r.settings.keys(ctx, nil, r.env, r.repo, v, p)
	return err
}

// candidate finds out what there is to know of a commit.
func (r *resigning) candidate(ctx context.Context, o gitutil.Object) (*candidate, error) {
	if err := o.Verify(r.repo.ObjectFormat()); err != nil {
		return nil, err
	}
	split, err := gitutil.SplitCommit(o.Data, r.repo.ObjectFormat())
	if err != nil {
		return nil, err
	}
	// That it can be made again is found out before anything is signed.
	if err := r.rewritable(o, r.c.Bool("keep-committer")); err != nil {
		return nil, err
	}
	commit, err := gitutil.ParseCommit(split.Payload, r.repo.ObjectFormat())
	if err != nil {
		return nil, err
	}
	one := &candidate{oid: o.OID, commit: commit, isMine: r.isMe(commit.Author.Email)}
	if split.Signature == nil {
		return one, nil
	}
	verdict := r.judge.Object(ctx, o)
	one.good = verdict.Class == verifier.Verified
	one.another = r.another(commit, &verdict)
	return one, nil
}

// rewritable says why a commit cannot be made again, nil if it can.
func (r *resigning) rewritable(o gitutil.Object, keepCommitter bool) error {
	committer := r.ident
	if keepCommitter {
		committer = ""
	}
	_, err := gitutil.RewriteCommit(o.Data, r.repo.ObjectFormat(), nil, committer)
	return err
}

// asItWas is the hint for a commit that can be made again only with the
// committer it has: one in another encoding may have no letters for the new one.
func (r *resigning) asItWas(o gitutil.Object) []string {
	if r.c.Bool("keep-committer") || r.rewritable(o, true) != nil {
		return nil
	}
	return []string{r.again("keep-committer") + "   # leaves the committer of each commit as it is"}
}

// choose decides which of the commits, in order, are replaced: all, but with
// --unsigned not those that need not be. What comes after one that is replaced
// has to be, for it has another parent.
func (r *resigning) choose(all []candidate) {
	replaced := make(map[string]bool, len(all))
	for i := range all {
		one := &all[i]
		isFirst := !slices.ContainsFunc(one.commit.Parents, func(oid string) bool { return replaced[oid] })
		if isFirst && one.good && r.c.Bool("unsigned") {
			r.kept = append(r.kept, one.oid)
			continue
		}
		if isFirst {
			r.firsts = append(r.firsts, one.oid)
		}
		replaced[one.oid] = true
		r.replaced = append(r.replaced, one.oid)
		if !one.isMine {
			r.authors++
		}
		if one.another != "" {
			r.lost = append(r.lost, lostSignature{one.oid, one.another})
		}
		for _, data := range one.commit.Mergetags {
			if tag, err := gitutil.ParseTag(data, r.repo.ObjectFormat()); err == nil && replaced[tag.Object] {
				r.lostTags++
			}
		}
	}
}
