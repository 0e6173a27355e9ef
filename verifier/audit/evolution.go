package audit

import (
	"bytes"
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
// taken from by the policy before the change: that of the first parent, which
// is what the branch held. A commit before which there was no such file begins
// the chain; that is for whoever names the revision to trust.
func (c *collector) followPolicy(ctx context.Context) error {
	file := c.cfg.PolicyFile
	if file == nil || c.cfg.Policy == nil {
		return nil
	}
	commits, err := c.cfg.Repo.Touching(ctx, file.Commit, file.Path)
	if err != nil {
		return err
	}
	if c.trees == nil {
		c.trees = c.cfg.Repo.Trees()
	}
	for _, oid := range slices.Backward(commits) {
		why, err := c.policyChange(ctx, file, oid)
		if err != nil {
			return fmt.Errorf("following the policy through commit %s: %w", oid, err)
		}
		if why != "" {
			c.find("policy-change-not-allowed", report.Error, report.Object{Type: "commit", OID: oid}, nil,
				fmt.Sprintf("it changes %s: %s", file.Path, why))
		}
	}
	return nil
}

// policyChange returns why a commit was not allowed to change the policy file,
// and "" if it was, or did not.
func (c *collector) policyChange(ctx context.Context, file *PolicyFile, oid string) (why string, err error) {
	o, err := c.trees.Commit(ctx, oid)
	if err != nil {
		return "", err
	}
	f := factsOf(ptr(c.judge.Object(ctx, o)))
	if f.tree == "" {
		return f.message, nil
	}
	if len(f.parents) == 0 {
		return "", nil
	}
	parent, err := c.treeOf(ctx, f.parents[0])
	if err != nil {
		return "", err
	}
	before, err := c.policyText(ctx, parent, file.Path)
	if err != nil {
		return "", err
	}
	after, err := c.policyText(ctx, f.tree, file.Path)
	if err != nil {
		return "", err
	}
	if before == nil || bytes.Equal(before, after) {
		return "", nil
	}
	p, err := policy.Parse(file.Path, before)
	if err != nil {
		return "the policy before it cannot be read: " + err.Error(), nil
	}
	return c.satisfies(ctx, p, file.Ref, oid, f)
}

// policyText returns the policy file in a tree; nil if there is none.
func (c *collector) policyText(ctx context.Context, tree, path string) ([]byte, error) {
	_, data, err := c.trees.File(ctx, tree, path)
	if none := (*gitutil.NoPathError)(nil); errors.As(err, &none) {
		return nil, nil
	}
	if data == nil {
		data = []byte{} // an empty file is one
	}
	return data, err
}

// satisfies returns why a commit does not satisfy a policy; "" if it does.
func (c *collector) satisfies(ctx context.Context, p *policy.Policy, ref, oid string, f *facts) (string, error) {
	if f.class != verifier.Verified {
		return fmt.Sprintf("%s: %s", f.class, f.message), nil
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
