package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// A PolicyFile is where in the repository a policy is kept.
type PolicyFile struct {
	Commit string // the commit that it was read from, whose history is trusted
	Ref    string // the ref that the commit was named by; empty if by none
	Path   string
}

// followPolicy judges each change of the policy file in the history that it was
// taken from by the policy before the change. A commit before which there was
// no such file begins the chain; that is for whoever names the revision to
// trust.
func (c *collector) followPolicy(ctx context.Context) error {
	file := c.cfg.PolicyFile
	if file == nil || c.cfg.Policy == nil {
		return nil
	}
	commits, err := c.cfg.Repo.Touching(ctx, file.Commit, file.Path)
	if err == nil {
		err = c.checkPolicyHistory(ctx, file.Commit)
	}
	if err != nil {
		return c.lostPolicy(ctx, err)
	}
	if c.trees == nil {
		c.trees = c.cfg.Repo.Trees()
	}
	var untold error
	for _, oid := range slices.Backward(commits) {
		why, err := c.policyChange(ctx, file, oid)
		if err != nil && untold == nil {
			untold = fmt.Errorf("commit %s: %w", oid, err)
		}
		if why != "" {
			c.find("policy-change-not-allowed", report.Error, report.Object{Type: "commit", OID: oid}, nil,
				fmt.Sprintf("it changes %s: %s", file.Path, why))
		}
	}
	return c.lostPolicy(ctx, untold)
}

// lostPolicy notes that it could not be told whether the policy is what it
// should be. That there is no git, or no time left, is an error.
func (c *collector) lostPolicy(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, gitutil.ErrNoGit) {
		return err
	}
	c.incomplete("how "+c.cfg.PolicyFile.Path+" came to be what it is", clip(err.Error()))
	return nil
}

// checkPolicyHistory checks that the history in which git looked for changes
// is that which the commits name: one whose bytes are not its own could have
// led git past them. What this audit examined has been checked.
func (c *collector) checkPolicyHistory(ctx context.Context, from string) error {
	if c.policySeen && len(c.scope.excluded) == 0 && !c.cfg.FirstParent {
		return nil
	}
	walk := c.history(ctx, []string{from})
	walk.FirstParent = false
	named := map[string]bool{from: true}
	for o, err := range c.cfg.Repo.Walk(ctx, walk) {
		if err != nil {
			return err
		}
		parents, err := c.parentsOf(ctx, o)
		if err != nil {
			return err
		}
		delete(named, o.OID)
		for _, parent := range parents {
			named[parent] = true
		}
	}
	if len(named) > 0 && !c.cfg.Repo.Shallow() {
		return fmt.Errorf("git did not list all of its history (%d commits at least)", len(named))
	}
	return nil
}

// parentsOf returns the parents that a commit names, in bytes that are its own
// or were when it was last read.
func (c *collector) parentsOf(ctx context.Context, o gitutil.Object) ([]string, error) {
	if o.Known {
		if f := c.memory.recall(o.OID); f != nil {
			return f.parents, nil
		}
		var err error
		if o, err = c.cfg.Repo.Object(ctx, o.OID); err != nil {
			return nil, err
		}
	}
	if err := o.Verify(c.judge.Format); err != nil {
		return nil, err
	}
	commit, err := gitutil.ParseCommit(o.Data, c.judge.Format)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", o.OID, err)
	}
	return commit.Parents, nil
}

// policyChange returns why a commit was not allowed to change the policy file,
// and "" if it was, or did not.
//
// A merge is judged by the policy of each parent that had another one, whatever
// the order in which it names them: anybody can put a history of their own
// first. The exception is a parent that had left the policy as it was where
// another changed it, which judged that change then. Such a merge has to satisfy
// the policy that comes of it.
func (c *collector) policyChange(ctx context.Context, file *PolicyFile, oid string) (why string, err error) {
	o, err := c.trees.Commit(ctx, oid, gitutil.MaxObjectSize)
	if err != nil {
		return "", err
	}
	f := factsOf(ptr(c.judge.Object(ctx, o)))
	if f.tree == "" {
		return f.message, nil
	}
	after, err := c.policyText(ctx, f.tree, file.Path)
	if err != nil {
		return unreadable("it cannot be read", err)
	}
	befores := make([][]byte, len(f.parents))
	for i, parent := range f.parents {
		if befores[i], err = c.policyAt(ctx, parent, file.Path); err != nil {
			return unreadable("the policy before it cannot be read", err)
		}
	}
	var judges [][]byte
	for i, before := range befores {
		if before == nil || same(before, after) {
			continue
		}
		inherited := false
		if i > 0 {
			if inherited, err = c.inherits(ctx, file, f.parents, befores, i, after); err != nil {
				return "", err
			}
		}
		if inherited {
			before = after
		}
		if before != nil && !slices.ContainsFunc(judges, func(j []byte) bool { return same(j, before) }) {
			judges = append(judges, before)
		}
	}
	for _, judge := range judges {
		p, err := policy.Parse(file.Path, judge)
		if err != nil {
			return "the policy before it cannot be read: " + err.Error(), nil
		}
		if why, err := c.satisfies(ctx, p, cmp.Or(file.Ref, c.cfg.Ref), oid, f); why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

// inherits reports whether a merge's policy is one that another parent came to
// from that of parent i, which has not changed it since.
func (c *collector) inherits(ctx context.Context, file *PolicyFile, parents []string, befores [][]byte, i int, after []byte) (bool, error) {
	if len(parents) > maxBased {
		return false, nil
	}
	for j, parent := range parents {
		if j == i || !same(befores[j], after) {
			continue
		}
		bases, err := c.cfg.Repo.MergeBase(ctx, parents[i], parent)
		if err != nil {
			return false, err
		}
		for _, base := range bases {
			was, err := c.policyAt(ctx, base, file.Path)
			if err != nil {
				return false, err
			}
			if same(was, befores[i]) {
				return true, nil
			}
		}
	}
	return false, nil
}

// same reports whether two policies are one, or neither is there.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// unreadable returns why a policy that cannot be read is none to go by; what is
// missing could be one.
func unreadable(why string, err error) (string, error) {
	if git := (*gitutil.GitError)(nil); errors.Is(err, gitutil.ErrMissing) || errors.As(err, &git) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "", err
	}
	return why + ": " + err.Error(), nil
}

// policyAt returns the policy file in a commit; nil if there is none, or the
// commit is where history was cut off.
func (c *collector) policyAt(ctx context.Context, commit, path string) ([]byte, error) {
	tree, err := c.treeOf(ctx, commit)
	if errors.Is(err, gitutil.ErrMissing) && c.cfg.Repo.Shallow() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return c.policyText(ctx, tree, path)
}

// policyText returns the policy file in a tree; nil if there is none.
func (c *collector) policyText(ctx context.Context, tree, path string) ([]byte, error) {
	_, data, err := c.trees.File(ctx, tree, path)
	if none := (*gitutil.NoPathError)(nil); errors.As(err, &none) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{} // an empty file is one
	}
	return data, err
}

// satisfies returns why a commit does not satisfy a policy; "" if it does.
func (c *collector) satisfies(ctx context.Context, p *policy.Policy, ref, oid string, f *facts) (string, error) {
	if f.class != verifier.Verified {
		why := fmt.Sprintf("%s: %s", f.class, f.message)
		if report.SeverityOf(f.class) == report.Warning {
			return "", errors.New(why) // who made the change could not be told
		}
		return why, nil
	}
	o := &policy.Object{
		Type: "commit", OID: oid, Signature: f.signature(), Author: f.author, Committer: f.committer, Parents: len(f.parents),
		Vouchers:   c.cfg.Vouchers[oid],
		Paths:      func() ([]string, error) { return c.paths(ctx, f) },
		CleanMerge: func() (bool, error) { return c.cleanMerge(ctx, f) },
	}
	if ref != "" {
		o.Rules = p.RulesOf(ref)
	}
	judgment, err := p.Judge(o)
	if err != nil {
		return "", err
	}
	if judgment.Class != verifier.Verified {
		return judgment.Message, nil
	}
	for _, x := range judgment.Findings {
		return x.Message, nil
	}
	return "", nil
}

func ptr[T any](v T) *T { return &v }
