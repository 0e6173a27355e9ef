package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// A ruling is what the policy makes of an object, on top of its facts.
type ruling struct {
	class    verifier.Class
	message  string
	entry    string // the policy's name of the signer; empty without one
	role     string
	findings []policy.Finding
	untold   error          // why a rule could not be applied; nil: it could
	before   bool           // it is from before the baseline
	late     bool           // the signer is refused for having signed after its time
	object   *policy.Object // what was judged; nil: nothing
}

// rulesOf returns the rules for a ref; none for no ref, or without a policy.
func (c *collector) rulesOf(ref string) policy.Rules { return c.cfg.rulesOf(ref) }

func (cfg *Config) rulesOf(ref string) policy.Rules {
	if cfg.Policy == nil || ref == "" {
		return ""
	}
	return cfg.Policy.RulesOf(ref)
}

// rule applies the policy to an object. Where there is none, its facts stand.
func (c *collector) rule(ctx context.Context, kind, oid string, f *facts, n node) ruling {
	out := ruling{class: f.class, message: f.message, before: n.exempt}
	p := c.cfg.Policy
	if p == nil || f.class == report.MissingObject || f.class == report.MalformedObject {
		return out
	}
	out.object = c.object(ctx, kind, oid, f, n)
	if f.class == verifier.Verified || f.unlisted && c.names(f) {
		c.judgeSigned(f, &out)
	}
	if report.SeverityOf(out.class) == report.Note && len(out.findings) == 0 && out.untold == nil {
		return out
	}

	// Nothing is wrong with what need not be right.
	if n.exempt {
		return ruling{class: report.Exempt, message: "it is from before the policy's baseline", before: true}
	}
	if reason, ok := c.exemption(oid); ok {
		return ruling{class: report.Exempt, message: "the policy exempts it: " + reason}
	}
	return out
}

// names reports whether the policy allows the signer.
func (c *collector) names(f *facts) bool {
	_, err := c.cfg.Policy.Identify(*f.signature())
	return err == nil
}

// exemption returns why the policy exempts an object, if it does.
func (c *collector) exemption(oid string) (reason string, ok bool) {
	if c.cfg.Policy == nil {
		return "", false
	}
	return c.cfg.Policy.Exemption(oid, c.started)
}

// object returns what the policy judges.
func (c *collector) object(ctx context.Context, kind, oid string, f *facts, n node) *policy.Object {
	return &policy.Object{
		Type: kind, OID: oid, Rules: n.rules, Signature: f.signature(),
		Author: f.author, Committer: f.committer, Parents: len(f.parents),
		Vouchers:   slices.Concat(split(n.vouchers), c.tagVouchers[oid], c.cfg.Vouchers[oid]),
		Paths:      func() ([]string, error) { return c.paths(ctx, f) },
		CleanMerge: func() (bool, error) { return c.cleanMerge(ctx, f) },
	}
}

// judgeSigned judges a valid signature.
func (c *collector) judgeSigned(f *facts, out *ruling) {
	judgment, err := c.cfg.Policy.Judge(out.object)
	out.untold = err
	out.class, out.message, out.entry, out.role, out.findings = judgment.Class, clip(judgment.Message), judgment.Entry, judgment.Role, judgment.Findings
	if out.class == verifier.IdentityNotAllowed {
		_, err := c.cfg.Policy.Identify(*f.signature())
		var not *policy.NotAllowedError
		out.late = errors.As(err, &not) && not.Reason == policy.OutsideWindow && !not.Window.Until.IsZero() && !not.Time.Before(not.Window.Until)
	}
}

// signature returns what a policy judges of facts.
func (f *facts) signature() *policy.Signature {
	if !f.signed {
		return nil
	}
	return &policy.Signature{Signer: f.signer, Time: f.time, Proven: f.source != verifier.ClaimedTime && !f.time.IsZero()}
}

// paths returns the paths that a commit changes: for a merge those that it
// changes itself, beyond what its parents did.
func (c *collector) paths(ctx context.Context, f *facts) ([]string, error) {
	if c.trees == nil {
		c.trees = c.cfg.Repo.Trees()
	}
	parents := make([]string, len(f.parents))
	for i, parent := range f.parents {
		var err error
		if parents[i], err = c.treeOf(ctx, parent); err != nil {
			return nil, err
		}
	}
	if len(parents) < 2 {
		return c.trees.Changed(ctx, f.tree, parents, "")
	}
	bases, err := c.basesOf(ctx, f.parents)
	if err != nil {
		return nil, err
	}
	// With several bases, each has to explain the merge.
	changed := make(map[string]bool)
	for _, base := range bases {
		paths, err := c.trees.Changed(ctx, f.tree, parents, base)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			changed[path] = true
		}
	}
	return slices.Sorted(maps.Keys(changed)), nil
}

// maxBased is how many parents of a merge are compared in pairs: each pair is a
// run of git.
const maxBased = 6

// basesOf returns the trees that a merge is held against: those of the merge
// bases of any two of its parents. If only those of the first two counted, a
// parent that is an ancestor of another could stand for the version that was
// there once, and whoever merges could put it back. Where two have nothing in
// common, and where parents are too many, it is the empty tree: then what is
// not the same in all who have it is the merge's own.
func (c *collector) basesOf(ctx context.Context, parents []string) ([]string, error) {
	empty, err := gitutil.HashObject(c.judge.Format, "tree", nil)
	if err != nil {
		return nil, err
	}
	parents = slices.Clone(parents)
	slices.Sort(parents)
	parents = slices.Compact(parents)
	if len(parents) > maxBased {
		return []string{empty}, nil
	}
	trees := make(map[string]bool)
	for i, a := range parents {
		for _, b := range parents[i+1:] {
			bases, err := c.cfg.Repo.MergeBase(ctx, a, b)
			if err != nil {
				return nil, err
			}
			if len(bases) == 0 {
				trees[empty] = true
			}
			for _, base := range bases {
				tree, err := c.treeOf(ctx, base)
				if err != nil {
					return nil, err
				}
				trees[tree] = true
			}
		}
	}
	if len(parents) == 1 { // named more than once
		tree, err := c.treeOf(ctx, parents[0])
		if err != nil {
			return nil, err
		}
		trees[tree] = true
	}
	return slices.Sorted(maps.Keys(trees)), nil
}

// treeOf returns the tree of a commit.
func (c *collector) treeOf(ctx context.Context, oid string) (string, error) {
	o, err := c.trees.Commit(ctx, oid, gitutil.MaxObjectSize)
	if err != nil {
		return "", err
	}
	commit, err := gitutil.ParseCommit(o.Data, c.judge.Format)
	if err != nil {
		return "", fmt.Errorf("commit %s: %w", oid, err)
	}
	return commit.Tree, nil
}

// cleanMerge reports whether git, merging the parents of a commit by itself,
// comes to the commit's tree.
func (c *collector) cleanMerge(ctx context.Context, f *facts) (bool, error) {
	if c.merger == nil {
		c.merger = c.cfg.Repo.Merger()
	}
	merge, err := c.merger.MergeTree(ctx, f.parents)
	return merge.Clean && merge.Tree == f.tree, err
}

// close ends what rules needed.
func (c *collector) close() error {
	var errs []error
	if c.trees != nil {
		errs = append(errs, c.trees.Close())
	}
	if c.merger != nil {
		errs = append(errs, c.merger.Close())
	}
	return errors.Join(errs...)
}

// asksForSeveral reports whether one of the rules asks for several identities
// behind a commit.
func (c *collector) asksForSeveral(rules policy.Rules) bool {
	return rules != "" && c.cfg.Policy.HasThreshold(rules)
}

// vouchersOf returns who stands for what a merge merges by a parent: whoever
// made the merge, if the policy allows that, and whoever signed the tag of that
// parent. A forge makes merges without looking at them. A tag of another
// parent, such as a release, says nothing about this one.
func (c *collector) vouchersOf(f *facts, r *ruling, parent string) []string {
	if c.cfg.Policy == nil || len(f.parents) < 2 || r.class != verifier.Verified {
		return nil
	}
	var names []string
	if r.entry != "" && r.role != "forge" {
		names = append(names, r.entry)
	}
	for i := range f.mergetags {
		m := &f.mergetags[i]
		if m.class != verifier.Verified || m.target != parent {
			continue
		}
		if name, err := c.cfg.Policy.Identify(*m.signature()); err == nil {
			names = append(names, name)
		}
	}
	return names
}
