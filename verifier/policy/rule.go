package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A Rule says who may sign the objects that some refs hold. See the package
// comment for what its patterns match.
type Rule struct {
	Name        string   // for messages; unique, or empty
	Refs        []string // patterns, at least one
	Paths       []string // patterns; nil: whatever the paths
	Allow       []string // names of identities, at least one
	Match       []string // of Author and Committer; nil: neither
	Threshold   int      // how many identities it takes; 0: the signer is enough
	Lightweight bool     // a lightweight tag is nothing to report
	Immutable   bool     // the refs must not change, or go away
	Line        int      // the line of the file that it begins in, from 1
}

// What a rule's Match can name: an e-mail address in the object.
const (
	Author    = "author"
	Committer = "committer" // of a tag, the tagger
)

// AllRules returns the rules in the order of the file.
func (p *Policy) AllRules() []Rule {
	var list []Rule
	for _, r := range p.rules {
		c := r.Rule
		c.Refs, c.Paths, c.Allow, c.Match = slices.Clone(c.Refs), slices.Clone(c.Paths), slices.Clone(c.Allow), slices.Clone(c.Match)
		list = append(list, c)
	}
	return list
}

// A rule is a Rule with what is known of it beyond the words.
type rule struct {
	Rule
	number  int // in the order of the file, from 0
	refs    []glob
	paths   paths
	allow   map[*entry]bool
	allowAt []int // offsets of the names in Allow
	endAt   int   // offset of Threshold
}

// title returns how messages call the rule.
func (r *rule) title() string {
	if r.Name != "" {
		return fmt.Sprintf("rule %q in line %d", r.Name, r.Line)
	}
	return fmt.Sprintf("the rule in line %d", r.Line)
}

// set takes a key of a rule.
func (r *rule) set(key string, value *unstable.Node) (err error) {
	switch key {
	case "name":
		if r.Name, err = readString(key, value); err == nil {
			err = checkShown("the name", r.Name)
		}
	case "refs":
		r.Refs, err = readStrings(key, value, array, r.takeRef)
	case "paths":
		r.Paths, err = readStrings(key, value, array, r.takePath)
	case "allow":
		if r.Allow, err = readStrings(key, value, array, asIs); err == nil {
			for _, node := range children(value) {
				r.allowAt = append(r.allowAt, int(node.Raw.Offset))
			}
		}
	case "match":
		r.Match, err = readStrings(key, value, oneOrMore, matchName)
	case "threshold":
		r.Threshold, err = readCount(key, value)
		r.endAt = int(value.Raw.Offset)
	case "lightweight":
		r.Lightweight, err = readBool(key, value)
	case "immutable":
		r.Immutable, err = readBool(key, value)
	default:
		err = unknownKey(key, "of a rule ", "name", "refs", "paths", "allow", "match", "threshold", "lightweight", "immutable")
	}
	return err
}

func (r *rule) takeRef(s string) (string, error) {
	g, err := parseRef(s)
	r.refs = append(r.refs, g)
	return s, err
}

func (r *rule) takePath(s string) (string, error) {
	p, err := parsePath(s)
	r.paths = append(r.paths, p)
	return s, err
}

func matchName(s string) (string, error) {
	if s != Author && s != Committer {
		return "", fmt.Errorf("match %q is neither author nor committer", s)
	}
	return s, nil
}

// finish takes the rule into the policy.
func (r *rule) finish(ps *parser) error {
	switch first := ps.rules[r.Name]; {
	case r.Refs == nil:
		return errors.New("missing refs")
	case r.Allow == nil:
		return errors.New("missing allow")
	case first != nil:
		return fmt.Errorf("second rule %q, after line %d", r.Name, first.Line)
	}
	if r.Name != "" {
		ps.rules[r.Name] = r
	}
	ps.policy.rules = append(ps.policy.rules, r)
	return nil
}

// resolve finds the identities that the rule names.
func (r *rule) resolve(ps *parser) error {
	r.allow = make(map[*entry]bool, len(r.Allow))
	for i, name := range r.Allow {
		e := ps.entries[name]
		if e == nil {
			return ps.errorAt(r.allowAt[i], "allow names %s, which is no identity of this policy%s", quote(name), didYouMean(ps.nearestName(name)))
		}
		r.allow[e] = true
	}
	if n := persons(r.allowed()); r.Threshold > n {
		return ps.errorAt(r.endAt, "threshold %d is never met: allow names %d that count, forges and second identities of one person left out", r.Threshold, n)
	}
	return nil
}

// allowed returns the entries that allow names, in the order of the file.
func (r *rule) allowed() []*entry {
	var list []*entry
	for e := range r.allow {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int { return a.Line - b.Line })
	return list
}

// covers reports whether the refs of r match every ref that other's do, as
// far as the patterns show.
func (r *rule) covers(other *rule) bool {
	for _, theirs := range other.refs {
		if !slices.ContainsFunc(r.refs, func(g glob) bool { return g.covers(&theirs) }) {
			return false
		}
	}
	return true
}

// covers reports whether g is seen to match all names that other does.
func (g *glob) covers(other *glob) bool {
	if slices.Equal(g.levels, other.levels) {
		return true
	}
	if name, ok := other.literal(); ok {
		return g.match(name)
	}
	// "refs/heads/**", with what "**" and "*" at the end stand for.
	n := len(g.levels) - 2
	if n < 0 || !g.levels[n].any || g.levels[n+1].text != "*" || len(other.levels) <= n {
		return false
	}
	for i, l := range g.levels[:n] {
		if l.wild || l.any || l != other.levels[i] {
			return false
		}
	}
	return true
}
