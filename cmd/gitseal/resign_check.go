package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
)

// check refuses what would go wrong, or lose what cannot be had back.
func (r *resigning) check(ctx context.Context) error {
	if err := r.checkHistory(); err != nil {
		return err
	}
	if err := r.checkFormat(ctx); err != nil {
		return err
	}
	operation, err := r.repo.InProgress(ctx, r.ref)
	if err != nil {
		return err
	}
	if operation != nil {
		return fail(exitUsage, fmt.Errorf("%s is in progress on %s, in %s", operation.Name, printable(r.branch()), operation.Dir),
			"git status   # says how to finish it, or give it up")
	}
	return r.checkOthers()
}

// checkHistory refuses a repository in which people see another history than
// the one that would be signed.
func (r *resigning) checkHistory() error {
	switch {
	// With the variable git shows what is stored, as it is read here.
	case r.repo.Replaced() && r.env.getenv("GIT_NO_REPLACE_OBJECTS") == "":
		return fail(exitUsage, fmt.Errorf("replace refs have git show other commits than those that would be signed"),
			"git replace --list", "GIT_NO_REPLACE_OBJECTS=1 "+r.again("")+"   # signs what the commits themselves say")
	case r.repo.Grafted():
		return fail(exitUsage, fmt.Errorf("a grafts file has git show other parents than those that would be signed"),
			"git rev-parse --git-path info/grafts   # says where it is")
	}
	return nil
}

// checkOthers refuses to put one's own signature in the place of somebody
// else's, unless that was asked for: nobody can make it again.
func (r *resigning) checkOthers() error {
	if len(r.lost)+r.lostTags == 0 || r.c.Bool("others") {
		return nil
	}
	var what []string
	if n := len(r.lost); n > 0 {
		first := r.lost[n-1] // the newest
		what = append(what, fmt.Sprintf("%s signed by other people, such as %s by %s", count(n, "commit is", "commits are"), short(first.oid), printable(first.by)))
	}
	if r.lostTags > 0 {
		what = append(what, count(r.lostTags, "merged tag is", "merged tags are")+" of a commit that would be replaced")
	}
	hints := []string{r.again("others") + "   # if those may go"}
	if !r.c.Bool("unsigned") {
		hints = append([]string{r.again("unsigned") + "   # leaves good signatures alone, as long as nothing before them is replaced"}, hints...)
	}
	return fail(exitUsage, fmt.Errorf("of %s, %s", count(len(r.replaced), "commit", "commits"), strings.Join(what, ", and ")), hints...)
}

// another returns who else has signed a commit, as far as that is known: whoever
// a good signature speaks for, if that is a person, or else the committer.
func (r *resigning) another(c *gitutil.Commit, v *audit.Verdict) string {
	if s := v.Signer(); s != nil && s.Kind == verifier.Keyless && strings.Contains(s.Identity.Subject, "@") && !strings.Contains(s.Identity.Subject, "://") {
		if r.isMe(s.Identity.Subject) {
			return ""
		}
		return s.Identity.Subject
	}
	if r.isMe(c.Committer.Email) {
		return ""
	}
	return fmt.Sprintf("%s <%s>", c.Committer.Name, c.Committer.Email)
}

// addresses returns those of whoever commits now: the committer's, and, for
// many log in with another, whom they have a certificate for or, by their own
// settings, mean to sign as. A repository does not say who its users are.
func (r *resigning) addresses(ctx context.Context) []string {
	mine := []string{r.me.Email, r.settings.certified(ctx, r.env)}
	if who, err := r.settings.identity(""); err == nil {
		mine = append(mine, who.Value)
	}
	if lists, err := r.settings.expectIdentity(); err == nil {
		for _, v := range lists[0] {
			mine = append(mine, v.Value)
		}
	}
	return mine
}

// isMe reports whether an address is one of whoever commits now.
func (r *resigning) isMe(address string) bool {
	return address != "" && slices.ContainsFunc(r.mine, func(one string) bool { return strings.EqualFold(one, address) })
}

// checkFormat refuses a repository in which a commit has two signatures, one
// for each of its ids.
func (r *resigning) checkFormat(ctx context.Context) error {
	compat, err := r.repo.CompatFormat(ctx)
	if err == nil && compat != "" {
		err = fail(exitUsage, fmt.Errorf("the repository has ids of %s beside its own, and a signature for those cannot be made here", compat),
			"git config extensions.compatObjectFormat   # shows that")
	}
	return err
}

// committer returns who commits, now: with the date of git's environment, where
// that is set.
func (r *resigning) committer() string {
	if r.env.getenv("GIT_COMMITTER_DATE") != "" {
		return r.ident
	}
	at := strings.LastIndexByte(r.ident, '>')
	zone := r.ident[strings.LastIndexByte(r.ident, ' '):]
	return fmt.Sprintf("%s %d%s", r.ident[:at+1], r.env.now().Unix(), zone)
}

// maxNamed is how many refs are named before the rest is only counted.
const maxNamed = 5

// tell says what people should know of what was signed, or would be.
func (r *resigning) tell(ctx context.Context) error {
	say := func(format string, args ...any) { fmt.Fprintf(r.env.stderr, "gitseal: "+format+"\n", args...) }
	if r.signer != (verifier.Identity{}) {
		say("signed as %s", uid(r.signer))
	}
	if n := len(r.kept); n > 0 {
		say("%s left as they were", count(n, "commit", "commits"))
	}
	if r.authors > 0 {
		say("%s by other authors, who stay the authors", count(r.authors, "commit is", "commits are"))
	}
	if n := len(r.lost) + r.lostTags; n > 0 {
		say("%s of other people replaced or dropped", count(n, "signature", "signatures"))
	}
	refs, err := r.repo.Containing(ctx, r.firsts)
	if err != nil {
		return err
	}
	refs = slices.DeleteFunc(refs, func(ref string) bool { return ref == r.ref })
	if n := len(refs); n > 0 {
		named := refs[:min(n, maxNamed)]
		for i := range named {
			named[i] = printable(strings.TrimPrefix(strings.TrimPrefix(named[i], "refs/heads/"), "refs/"))
		}
		more := ""
		if n > maxNamed {
			more = fmt.Sprintf(" and %d more", n-maxNamed)
		}
		say("still with the commits as they were: %s%s", strings.Join(named, ", "), more)
	}
	return r.tellPublished(ctx)
}

// tellPublished says that others have the commits as they were.
func (r *resigning) tellPublished(ctx context.Context) error {
	revs := slices.Clone(r.revs)
	for _, oid := range r.kept {
		revs = append(revs, "^"+oid)
	}
	unpublished, err := r.repo.CountUnpublished(ctx, revs)
	if err != nil {
		return err
	}
	if n := len(r.replaced) - unpublished; n > 0 {
		r.env.printError(count(n, "commit is", "commits are")+" in the history of remote branches as before, and others may have built on that",
			[]string{"git push --force-with-lease   # puts the new ones there"})
	}
	return nil
}

// again returns the same command with one more option, unless that is "".
func (r *resigning) again(option string) string {
	words := []string{"gitseal resign"}
	for _, name := range append(r.c.LocalFlagNames(), option) {
		if name != "" {
			words = append(words, "--"+name)
		}
	}
	for _, arg := range r.c.Args().Slice() {
		words = append(words, shellWord(arg))
	}
	return strings.Join(words, " ")
}
