package audit

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// A Push is what somebody wants to change in a repository that holds the
// objects already, as in a pre-receive hook.
type Push struct {
	Updates []gitutil.PushUpdate
	// Refs are what the receiving repository has, with the types of what they
	// hold. Commits that one of them reaches were let in under its rules, and
	// are not examined again where the same rules apply.
	Refs []gitutil.Ref
	// Targets are the symbolic refs among them, as [gitutil.Repo.SymbolicRefs]
	// returns them. To push to one is to push to the ref that it stands for.
	Targets map[string]string
}

// pushed is the part of a push that one set of rules is for.
type pushed struct {
	updates []update
	known   []string // commits that were let in under these rules
}

// An update is a PushUpdate with what is known of it.
type update struct {
	gitutil.PushUpdate
	target string // the full name of the ref that a symbolic one stands for; empty: it is none
	ref    gitutil.Ref
	lacks  bool // the repository does not hold what the ref holds
}

// RunPush audits what a push would bring to each ref: what the ref is to reach
// and no ref with the same rules, or more, reaches already. That something is
// in the repository does not excuse it: what was let in on a branch without
// rules is examined when it is to come to one that has some.
//
// Of the Config it takes neither Revisions, Ref, All, Since and FirstParent
// nor State and PolicyFile: what is on the branch is the policy. There is a
// report for each set of rules. A tag that is moved or deleted is a finding,
// and so is a branch that a rule is for if it is rewound or deleted.
func RunPush(ctx context.Context, cfg Config, p Push) ([]*report.Report, error) {
	cfg.Revisions, cfg.Ref, cfg.All, cfg.Since, cfg.FirstParent, cfg.State, cfg.PolicyFile = nil, "", false, "", false, nil, nil
	groups, err := p.group(ctx, &cfg)
	if err != nil {
		return nil, fmt.Errorf("auditing a push: %w", err)
	}
	var reports []*report.Report
	for _, g := range groups {
		cfg.pushed = g
		r, err := run(ctx, cfg)
		if err != nil {
			return nil, fmt.Errorf("auditing a push: %w", err)
		}
		reports = append(reports, r)
		if ctx.Err() != nil {
			break
		}
	}
	return reports, nil
}

// ruled is what makes updates be judged together: the rules. Where one of them
// asks for several identities each ref is judged alone: who stands for a commit
// depends on the ways by which the ref reaches it, so that another ref's having
// it says nothing.
type ruled struct {
	rules policy.Rules
	alone string // the ref; empty: none of the rules asks for that
}

// group puts the updates of refs together that have the same rules: those with
// most rules first, so that what was examined under them need not be again.
func (p *Push) group(ctx context.Context, cfg *Config) ([]*pushed, error) {
	refs := make([]gitutil.Ref, 2*len(p.Updates)) // what they are to hold, then what they hold
	held := refs[len(p.Updates):]
	for i, u := range p.Updates {
		refs[i], held[i] = gitutil.Ref{Name: u.Ref, OID: u.New}, gitutil.Ref{Name: u.Ref, OID: u.Old}
	}
	if err := cfg.Repo.Types(ctx, refs); err != nil {
		return nil, err
	}
	groups := make(map[ruled]*pushed)
	var sets []ruled
	for i, u := range p.Updates {
		set := ruled{rules: p.historyRules(cfg, u.Ref)}
		if cfg.Policy != nil && cfg.Policy.HasThreshold(set.rules) {
			set.alone = u.Ref
		}
		g := groups[set]
		if g == nil {
			g = new(pushed)
			groups[set] = g
			sets = append(sets, set)
		}
		g.updates = append(g.updates, update{u, p.Targets[u.Ref], refs[i], held[i].Type == ""})
		if set.alone != "" && held[i].PeeledType == "commit" {
			g.known = append(g.known, held[i].Peeled)
		}
	}
	slices.SortStableFunc(sets, func(a, b ruled) int { return cmp.Compare(size(b.rules), size(a.rules)) })

	known := make(map[policy.Rules][]string) // commits, by the rules of what reaches them
	add := func(rules policy.Rules, ref gitutil.Ref) {
		if ref.PeeledType == "commit" {
			known[rules] = append(known[rules], ref.Peeled)
		}
	}
	for _, ref := range p.Refs {
		if isProofs(ref.Name) {
			continue // nothing that was let in there was judged
		}
		if rules := p.historyRules(cfg, ref.Name); rules != "" || isJudged(ref.Name) {
			add(rules, ref)
		}
	}
	var all []*pushed
	for _, set := range sets {
		g, rules := groups[set], set.rules
		for theirs, oids := range known {
			if set.alone == "" && theirs.Union(rules) == theirs {
				g.known = append(g.known, oids...)
			}
		}
		slices.Sort(g.known)
		g.known = slices.Compact(g.known)
		for _, u := range g.updates {
			if rules != "" || isJudged(u.Ref) {
				add(rules, u.ref)
			}
		}
		all = append(all, g)
	}
	return all, nil
}

// historyRules returns the rules for the commits that a ref reaches: none for
// a tag, whose rules are about the tag.
func (p *Push) historyRules(cfg *Config, ref string) (rules policy.Rules) {
	for _, name := range []string{ref, p.Targets[ref]} {
		if !strings.HasPrefix(name, "refs/tags/") {
			rules = rules.Union(cfg.rulesOf(name))
		}
	}
	return rules
}

// size returns how many bits are set in a set of rules.
func size(r policy.Rules) (n int) {
	for i := range len(r) {
		n += bits.OnesCount8(r[i])
	}
	return n
}

// isJudged reports whether what a ref holds is judged even if no rule is for
// it. Git makes notes and the stash, and gitseal proofs, and nobody signs them.
func isJudged(ref string) bool {
	return !strings.HasPrefix(ref, "refs/notes/") && ref != "refs/stash" && !isProofs(ref)
}

// isProofs reports whether a ref holds proofs of signatures, which prove
// themselves or nothing.
func isProofs(ref string) bool { return strings.HasPrefix(ref, "refs/gitseal/") }

// addPushed adds what refs are to hold.
func (s *scope) addPushed(cfg Config) {
	for _, u := range cfg.pushed.updates {
		if u.New == "" {
			continue
		}
		if !isJudged(u.Ref) && cfg.rulesOf(u.Ref) == "" {
			reason := "notes and the stash are not history, and no rule is for them"
			if isProofs(u.Ref) {
				reason = proofsReason
			}
			s.omit(u.Ref, reason)
			continue
		}
		isTag := strings.HasPrefix(u.Ref, "refs/tags/")
		if isTag && u.ref.Type != "tag" && cfg.rulesOf(u.Ref) != "" && !cfg.Policy.AllowsLightweight(u.Ref) {
			s.lightweight = append(s.lightweight, u.ref)
		}
		kind := "commit"
		if isTag {
			kind = "tag"
		}
		if u.ref.Type == "blob" || u.ref.Type == "tree" {
			s.omit(u.Ref, "it holds a "+u.ref.Type+", which nobody can have signed")
			continue
		}
		s.refs = append(s.refs, report.Ref{Name: u.Ref, OID: u.New})
		s.addObject(u.ref, kind, u.Ref)
		if u.target != "" {
			target := u.ref
			target.Name = u.target
			s.addObject(target, kind, u.target)
		}
	}
	s.excluded = append(s.excluded, cfg.pushed.known...)
}

// comparePushed adds findings about refs that are to change as they may not.
func (c *collector) comparePushed(ctx context.Context) error {
	if c.cfg.pushed == nil {
		return nil
	}
	for _, u := range c.cfg.pushed.updates {
		for _, name := range []string{u.Ref, u.target} {
			if name == "" || u.Old == "" || u.Old == u.New {
				continue
			}
			if err := c.compareUpdate(ctx, name, &u); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareUpdate judges that a ref is to hold another object, or none.
func (c *collector) compareUpdate(ctx context.Context, name string, u *update) error {
	before, after := u.Old, u.New
	find := func(id, typ, oid, format string, args ...any) {
		c.find(id, report.Error, report.Object{Type: typ, OID: oid}, nil, name+": "+fmt.Sprintf(format, args...))
	}
	isTag := strings.HasPrefix(name, "refs/tags/")
	switch {
	case isTag && after == "":
		find("tag-deleted", "tag", before, "it holds %s, and tags stay", before)
		return nil
	case isTag:
		find("tag-moved", "tag", after, "it holds %s, and tags stay where they are", before)
		return nil
	case c.rulesOf(name) == "":
		return nil
	case after == "":
		find("ref-deleted", "commit", before, "a rule of the policy is for it, so it stays")
		return nil
	case c.cfg.Policy.Immutable(name):
		find("ref-rewound", "commit", after, "it holds %s, and the policy says that it stays", before)
		return nil
	}
	if u.lacks {
		find("ref-rewound", "commit", after, "it holds %s, which is not here and so not in the history of %s", before, after)
		return nil
	}
	ok, err := c.cfg.Repo.IsAncestor(ctx, before, after)
	if err != nil {
		return err
	}
	if !ok {
		find("ref-rewound", "commit", after, "it holds %s, which %s does not reach", before, after)
	}
	return nil
}

// PushCertificate judges the signature of a push certificate. What it says is
// for the caller to hold against what is pushed.
func (j *Judge) PushCertificate(c *gitutil.PushCertificate) Verdict {
	v := j.signature("", c.Split)
	v.lookup = nil // logs have no entries of what is neither commit nor tag
	return v
}
