package report

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// A group is the findings of one id and severity. Where a rendering cannot
// show all findings it shows some of each group, and says how many there are:
// a forged commit is not to be hidden by thousands that are merely unsigned.
type group struct {
	id       string
	severity Severity
	total    int
	others   int // ids that it stands for instead of its own
	room     int // how many are shown, the first ones
	shown    []place
}

// A place is where a finding is kept.
type place struct {
	report, number int
	oid            []byte
}

// maxGroups is how many ids that are not known have groups of their own. Only
// reports that were read hold such, and they may hold any.
const maxGroups = 50

// groups returns the findings of all reports by their ids, some of each to be
// shown: no more than each, no more than n together, and of every group one
// before any has two.
func (s *Set) groups(n, each int) []group {
	groups := s.tally()
	allot(groups, n, each)
	s.fill(groups)
	return groups
}

// tally returns the groups, the worst first, and of those that are as bad the
// rarest, or in the order of IDs, unknown ones last. None of their findings are
// shown.
func (s *Set) tally() []group {
	var groups []group
	counts := make(map[[2]string]int)
	for _, r := range s.Reports {
		for id, n := range r.Findings.ids() {
			for severity, k := range n {
				counts[[2]string{id, string(severity)}] += k
			}
		}
	}
	for key, n := range counts {
		if severity := Severity(key[1]); slices.Contains(severities, severity) {
			groups = append(groups, group{id: key[0], severity: severity, total: n})
		}
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(slices.Index(severities, a.severity), slices.Index(severities, b.severity)),
			cmp.Compare(a.total, b.total), cmp.Compare(rankOf(a.id), rankOf(b.id)), cmp.Compare(a.id, b.id))
	})
	return bounded(groups)
}

// rankOf returns the place of an id among IDs; unknown ones come last.
func rankOf(id string) int {
	if i := indexOf(id); i >= 0 {
		return i
	}
	return len(descriptions)
}

// bounded puts ids that are not known, beyond maxGroups of them, together.
func bounded(groups []group) []group {
	kept, unknown := groups[:0], 0
	for _, g := range groups {
		if indexOf(g.id) < 0 {
			unknown++
		}
		if last := len(kept) - 1; indexOf(g.id) >= 0 || unknown <= maxGroups {
			kept = append(kept, g)
		} else if last >= 0 && kept[last].others > 0 && kept[last].severity == g.severity {
			kept[last].others++
			kept[last].total += g.total
		} else {
			kept = append(kept, group{severity: g.severity, total: g.total, others: 1})
		}
	}
	return kept
}

// allot gives the groups room for n findings, as equally as their numbers
// allow, none more than each.
func allot(groups []group, n, each int) {
	part := func(g *group, most int) int {
		if g.others > 0 {
			return 0
		}
		return min(g.total, each, most)
	}
	sum := func(most int) int {
		sum := 0
		for i := range groups {
			sum += part(&groups[i], most)
		}
		return sum
	}
	most := sort.Search(min(n, each), func(most int) bool { return sum(most+1) > n })
	left := n - sum(most)
	for i := range groups {
		g := &groups[i]
		g.room = part(g, most)
		if left > 0 && part(g, most+1) > g.room {
			g.room++
			left--
		}
	}
}

// fill finds what the groups have room for. It reads no further than it has
// to.
func (s *Set) fill(groups []group) {
	at := make(map[[2]string]int)
	left := 0
	for i := range groups {
		if groups[i].room > 0 {
			at[[2]string{groups[i].id, string(groups[i].severity)}] = i
			left += groups[i].room
		}
	}
	for i, r := range s.Reports {
		if left == 0 {
			return
		}
		of := r.Findings.groups(at)
		for number, oid := range r.Findings.records() {
			if of[number] < 0 {
				continue
			}
			if g := &groups[of[number]]; len(g.shown) < g.room {
				g.shown = append(g.shown, place{i, number, oid})
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

// groups returns the group of each detail by its id and severity, or -1.
func (f *Findings) groups(at map[[2]string]int) []int {
	of := make([]int, len(f.details))
	for number := range f.details {
		i, ok := at[[2]string{f.details[number].id, f.details[number].severity}]
		if !ok {
			i = -1
		}
		of[number] = i
	}
	return of
}

// finding returns the finding at a place.
func (s *Set) finding(p place) Finding {
	return s.Reports[p.report].Findings.details[p.number].finding(p.oid)
}

// cut reports whether there are findings of the group that are not shown.
func (g *group) cut() bool { return len(g.shown) < g.total }

// name returns what the group is called.
func (g *group) name() string {
	if g.others > 0 {
		return count(g.others, "other id")
	}
	return g.id
}

// extent says how many findings there are and are shown, of a group that is
// cut.
func (g *group) extent() string {
	switch len(g.shown) {
	case 0:
		return thousands(g.total) + ", none of them shown"
	case 1:
		return thousands(g.total) + ", of which the first"
	}
	return fmt.Sprintf("%s, of which the first %s", thousands(g.total), thousands(len(g.shown)))
}
