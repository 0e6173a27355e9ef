package audit

import (
	"slices"
	"strings"

	"gitseal/verifier/policy"
)

// A graph passes from commits to their parents what they are to know of their
// children. Every commit comes after all its children, so that what is known
// of it is whole when its turn comes; and nothing is kept of commits whose turn
// has been. So it holds no more than the history is wide.
type graph struct {
	// open are the commits that are named, by the user or by an examined
	// commit, and have not been examined.
	open map[string]node
}

// A node is what is known of a commit that has not been examined.
type node struct {
	rules policy.Rules // of the refs that reach it
	line  branches     // those that it is on, along first parents
	reach branches     // those that reach it
	// vouchers are the names of identities that stand for all ways by which
	// refs that ask for several reach it, as joined by newlines; asked says
	// that there is such a way.
	vouchers string
	asked    bool
	exempt   bool // a commit of the policy's baseline reaches it
}

// branches is a set of up to maxBranches of the tips whose continuity is told.
type branches [2]uint64

const maxBranches = 128

func (b branches) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b *branches) add(i int) { b[i/64] |= 1 << (i % 64) }

func (b *branches) union(other branches) {
	b[0] |= other[0]
	b[1] |= other[1]
}

// name adds what a commit gets from a ref or revision that names it: asked says
// that among the rules is one that asks for several identities. The way from
// there has no vouchers; one that nothing is asked of takes none away.
func (g *graph) name(oid string, rules policy.Rules, asked bool, branch int) {
	n := g.open[oid]
	n.rules = n.rules.Union(rules)
	if branch >= 0 {
		n.line.add(branch)
		n.reach.add(branch)
	}
	if asked {
		n.vouchers, n.asked = "", true
	}
	g.open[oid] = n
}

// take takes the node of a commit whose turn has come.
func (g *graph) take(oid string) node {
	n := g.open[oid]
	delete(g.open, oid)
	return n
}

// pass passes a commit's node to a parent: first says whether that is the first
// one, vouchers who stands for what this commit merged by that parent.
func (g *graph) pass(parent string, from node, first bool, vouchers []string) {
	n := g.open[parent]
	n.rules = n.rules.Union(from.rules)
	n.reach.union(from.reach)
	if first {
		n.line.union(from.line)
	}
	n.exempt = n.exempt || from.exempt
	if !from.asked {
		g.open[parent] = n
		return
	}
	all := from.vouchers
	if !first && len(vouchers) > 0 {
		all = join(append(split(all), vouchers...))
	}
	if n.asked {
		all = join(slices.DeleteFunc(split(n.vouchers), func(v string) bool { return !slices.Contains(split(all), v) }))
	}
	n.vouchers, n.asked = all, true
	g.open[parent] = n
}

// split and join make a list of a set of names, and the other way round. Names
// have no newline.
func split(set string) []string {
	if set == "" {
		return nil
	}
	return strings.Split(set, "\n")
}

func join(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "\n")
}
