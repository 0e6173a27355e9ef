package policy

import (
	"slices"
	"strings"

	"gitseal/verifier"
)

// setPersons finds the entries that are known to be one person: those that
// share an alias, or an address. Only thresholds need to know.
func setPersons(entries []*entry) {
	parent := make([]int, len(entries))
	var root func(i int) int
	root = func(i int) int {
		if parent[i] != i {
			parent[i] = root(parent[i])
		}
		return parent[i]
	}
	byAlias, byAddress := make(map[alias]int), make(map[string]int)
	for i, e := range entries {
		parent[i] = i
		for _, a := range e.aliases() {
			if first, ok := byAlias[a]; ok {
				parent[root(i)] = root(first)
			}
			byAlias[a] = i
		}
		for _, a := range e.addresses {
			if first, ok := byAddress[a]; ok {
				parent[root(i)] = root(first)
			}
			byAddress[a] = i
		}
	}
	for i, e := range entries {
		e.person = root(i)
	}
}

// persons returns how many persons entries are, at most: forges are none.
func persons(entries []*entry) int {
	seen := make(map[int]bool)
	for _, e := range entries {
		if e.Role != Forge {
			seen[e.person] = true
		}
	}
	return len(seen)
}

// maySign reports whether the person that e is for may be the one who made a
// signature, whose signer the entries who are for. What cannot be told apart
// is one.
func (e *entry) maySign(s verifier.Signer, who []*entry) bool {
	own := addressOf(s)
	if own != "" && (slices.Contains(e.addresses, own) || e.pattern.Match(own)) {
		return true
	}
	return slices.ContainsFunc(who, func(o *entry) bool { return o.person == e.person })
}

// maybeSame reports whether two entries may be for one person.
func (e *entry) maybeSame(o *entry) bool {
	switch {
	case e.person == o.person:
		return true
	case e.SubjectPattern != "" && o.SubjectPattern != "":
		return overlap(e.SubjectPattern, o.SubjectPattern)
	}
	return e.mayBe(o) || o.mayBe(e)
}

// mayBe reports whether the pattern of e matches what o goes by.
func (e *entry) mayBe(o *entry) bool {
	return e.pattern.Match(o.Subject+o.SSHPrincipal) || slices.ContainsFunc(o.addresses, e.pattern.Match)
}

// distinct returns how many of the entries are certain to be different
// persons. Those that are one by name are taken first: a pattern may be any
// of them.
func distinct(entries []*entry) int {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b *entry) int {
		return min(len(a.SubjectPattern), 1) - min(len(b.SubjectPattern), 1)
	})
	var taken []*entry
	for _, e := range entries {
		if !slices.ContainsFunc(taken, e.maybeSame) {
			taken = append(taken, e)
		}
	}
	return len(taken)
}

// overlap reports whether some string matches both of two patterns with stars.
func overlap(a, b string) bool {
	// reach[j] is whether what is behind i in a, and behind j in b, overlap.
	reach := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		behind := slices.Clone(reach) // of i+1
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a):
				reach[j] = strings.Trim(b[j:], "*") == ""
			case j == len(b):
				reach[j] = strings.Trim(a[i:], "*") == ""
			case a[i] == '*':
				reach[j] = behind[j] || reach[j+1]
			case b[j] == '*':
				reach[j] = reach[j+1] || behind[j]
			default:
				reach[j] = a[i] == b[j] && behind[j+1]
			}
		}
	}
	return reach[0]
}
