package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	tagRefs    = "refs/tags/"
	branchRefs = "refs/heads/"
	remoteRefs = "refs/remotes/"
)

// parseRef parses a pattern for refs, which is for their whole names. What no
// ref can be called (git-check-ref-format(1)) is a mistake that would leave
// the refs that were meant without a rule.
func parseRef(s string) (glob, error) {
	g, err := glob{}, error(nil)
	switch {
	case s != "**" && !strings.HasPrefix(s, "refs/"):
		err = errors.New(`does not begin with "refs/", as in refs/heads/main, and is not "**"`)
	case strings.ContainsAny(s, ` ~^:\`) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		err = errors.New("has a character that is in no ref")
	case strings.Contains(s, "..") || strings.Contains(s, "@{"):
		err = errors.New(`has ".." or "@{", which are in no ref`)
	default:
		g, err = parseGlob(s)
	}
	for _, l := range g.levels {
		if !l.any && (strings.HasPrefix(l.text, ".") || strings.HasSuffix(l.text, ".lock")) {
			err = fmt.Errorf("has the level %q, which is in no ref", l.text)
		}
	}
	if err != nil {
		return glob{}, fmt.Errorf("refs %q %w", s, err)
	}
	return g, nil
}

// A refIndex finds the rules for refs.
type refIndex struct {
	exact map[string][]*rule
	globs []refGlob
}

type refGlob struct {
	prefix string // that no ref is without
	glob   glob
	rule   *rule
}

// add takes a rule in.
func (x *refIndex) add(r *rule) {
	if x.exact == nil {
		x.exact = make(map[string][]*rule)
	}
	for _, g := range r.refs {
		if name, ok := g.literal(); ok {
			x.exact[name] = append(x.exact[name], r)
			continue
		}
		var prefix []string
		for _, l := range g.levels {
			if l.any || l.wild {
				break
			}
			prefix = append(prefix, l.text+"/")
		}
		x.globs = append(x.globs, refGlob{strings.Join(prefix, ""), g, r})
	}
}

// each calls f with each rule whose refs match a ref, for some more than once.
func (x *refIndex) each(ref string, f func(*rule)) {
	x.named(ref, f)
	if rest, ok := strings.CutPrefix(ref, remoteRefs); ok {
		if _, branch, ok := strings.Cut(rest, "/"); ok {
			x.named(branchRefs+branch, f)
		}
	}
}

func (x *refIndex) named(ref string, f func(*rule)) {
	for _, r := range x.exact[ref] {
		f(r)
	}
	for i := range x.globs {
		if g := &x.globs[i]; strings.HasPrefix(ref, g.prefix) && g.glob.match(ref) {
			f(g.rule)
		}
	}
}

// Rules is a set of a policy's rules, which govern an object or a ref. "" is
// the empty set. Sets are equal exactly if they are ==, and mean nothing to
// another policy.
type Rules string

// A rule has two bits in a set, for it may be there by refs of one kind, of
// the other, or of both, and a commit is not governed by the tags it is behind.
const (
	byRef = 0 // outside refs/tags/
	byTag = 1
)

// RulesOf returns the rules whose refs match the full name of a ref.
func (p *Policy) RulesOf(ref string) Rules {
	var room [32]byte // enough for 128 rules
	set := room[:0]
	kind := byRef
	if strings.HasPrefix(ref, tagRefs) {
		kind = byTag
	}
	p.refs.each(ref, func(r *rule) {
		bit := 2*r.number + kind
		for len(set) <= bit/8 {
			set = append(set, 0)
		}
		set[bit/8] |= 1 << (bit % 8)
	})
	return Rules(set)
}

// Union returns the rules of both sets.
func (r Rules) Union(o Rules) Rules {
	if len(r) < len(o) {
		r, o = o, r
	}
	for i := range len(o) {
		if o[i]&^r[i] != 0 {
			set := []byte(r)
			for ; i < len(o); i++ {
				set[i] |= o[i]
			}
			return Rules(set)
		}
	}
	return r
}

// has reports whether a rule is in the set, by a ref of that kind.
func (r Rules) has(number, kind int) bool {
	bit := 2*number + kind
	return bit/8 < len(r) && r[bit/8]>>(bit%8)&1 == 1
}

// HasThreshold reports whether one of the rules for commits asks for several
// identities behind them.
func (p *Policy) HasThreshold(rules Rules) bool {
	return slices.ContainsFunc(p.rules, func(r *rule) bool { return r.Threshold > 0 && rules.has(r.number, byRef) })
}

// AllowsLightweight reports whether a lightweight tag, which nobody can have
// signed, may stand at a ref. It may where no rule is for the ref, and where
// every one that is says lightweight = true.
func (p *Policy) AllowsLightweight(ref string) bool {
	allowed := true
	p.refs.each(ref, func(r *rule) { allowed = allowed && r.Lightweight })
	return allowed
}

// Immutable reports whether a rule says that a ref must not change, or go
// away, once it is there.
func (p *Policy) Immutable(ref string) bool {
	immutable := false
	p.refs.each(ref, func(r *rule) { immutable = immutable || r.Immutable })
	return immutable
}
