package audit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gitseal/verifier/report"
)

// A model is a small history, and what an audit of it should find, worked out
// the slow way: by asking of each commit which refs reach it, and how.
type model struct {
	parents  map[string][]string
	by       map[string]string // who signs; empty: nobody
	order    []string          // parents first
	branches map[string]string // commits by branch
	baseline string
}

// makeModel makes a random history.
func makeModel(h *history, random *rand.Rand) *model {
	m := &model{parents: make(map[string][]string), by: make(map[string]string), branches: make(map[string]string)}
	people := []string{"alice", "alice", "bob", "bob", "carol", "forge", "mallory", ""}
	empty := h.files(nil)
	for i := range 12 + random.IntN(20) {
		var parents []string
		if i > 0 && random.IntN(12) > 0 {
			for range 1 + random.IntN(3)*random.IntN(2) {
				back := min(i, 1+random.IntN(6))
				parents = append(parents, m.order[i-back])
			}
		}
		by := people[random.IntN(len(people))]
		oid := h.commit(commitment{by: by, tree: empty, message: fmt.Sprint(i)}, parents...)
		m.parents[oid], m.by[oid] = parents, by
		m.order = append(m.order, oid)
	}
	for _, name := range []string{"main", "next", "release", "free"} {
		if random.IntN(3) > 0 || name == "main" {
			m.branches[name] = m.order[len(m.order)-1-random.IntN(5)]
		}
	}
	if random.IntN(2) == 0 {
		m.baseline = m.order[random.IntN(len(m.order))]
	}
	return m
}

// modelRules are for main and next several identities each, of release one.
const modelRules = `
[[rule]]
refs      = ["refs/heads/main", "refs/heads/next"]
allow     = ["alice", "bob", "carol", "forge"]
threshold = 2
[[rule]]
refs      = ["refs/heads/release"]
allow     = ["alice", "bob", "forge"]
`

// reaches reports whether a commit reaches another.
func (m *model) reaches(from, to string) bool {
	return from == to || slices.ContainsFunc(m.parents[from], func(p string) bool { return m.reaches(p, to) })
}

// ways returns who vouches on each way from a commit to another.
func (m *model) ways(from, to string, vouchers []string) [][]string {
	if from == to {
		return [][]string{vouchers}
	}
	var all [][]string
	for i, p := range m.parents[from] {
		if !m.reaches(p, to) {
			continue
		}
		with := vouchers
		// Who is allowed by the rules of what reaches the merge stands for it.
		if by := m.by[from]; i > 0 && by != "forge" && m.allowed(from) {
			with = append(slices.Clone(vouchers), by)
		}
		all = append(all, m.ways(p, to, with)...)
	}
	return all
}

// reachedBy returns the branches that reach a commit.
func (m *model) reachedBy(oid string) (names []string) {
	for name, tip := range m.branches {
		if m.reaches(tip, oid) {
			names = append(names, name)
		}
	}
	return names
}

// allowed reports whether the policy allows who signed a commit.
func (m *model) allowed(oid string) bool {
	if m.exempt(oid) && m.judged(oid) != "" {
		return false
	}
	return m.class(oid) == ""
}

// class returns what is wrong with a commit's class, if nothing exempts it.
func (m *model) class(oid string) string {
	switch m.by[oid] {
	case "":
		return "unsigned"
	case "mallory":
		return notAllowed
	case "carol":
		if slices.Contains(m.reachedBy(oid), "release") {
			return notAllowed
		}
	case "forge":
		if len(m.parents[oid]) < 2 {
			return notAllowed
		}
	}
	return ""
}

// judged returns what is wrong with a commit, as wantFaults takes it.
func (m *model) judged(oid string) string {
	if class := m.class(oid); class != "" {
		return class
	}
	want := ""
	if m.by[oid] == "forge" && len(m.parents[oid]) > 2 {
		want = "forge-content"
	}
	if m.by[oid] == "forge" && len(m.parents[oid]) == 2 && !m.related(m.parents[oid][0], m.parents[oid][1]) {
		want = "forge-content"
	}
	asking := slices.DeleteFunc(m.reachedBy(oid), func(name string) bool { return name != "main" && name != "next" })
	if len(asking) == 0 {
		return want
	}
	var on [][]string
	for _, name := range asking {
		on = append(on, m.ways(m.branches[name], oid, nil)...)
	}
	behind := make(map[string]bool)
	for _, who := range []string{"alice", "bob", "carol"} {
		if !slices.ContainsFunc(on, func(way []string) bool { return !slices.Contains(way, who) }) {
			behind[who] = true
		}
	}
	if by := m.by[oid]; by != "forge" {
		behind[by] = true
	}
	// All commits have one tree, so git makes every merge of two that are
	// related by itself: nobody else has to stand for it.
	plain := len(m.parents[oid]) == 2 && m.related(m.parents[oid][0], m.parents[oid][1])
	if len(behind) < 2 && !plain {
		if want != "" {
			want += " "
		}
		want += "threshold-not-met"
	}
	return want
}

// related reports whether two commits have history in common.
func (m *model) related(a, b string) bool {
	return slices.ContainsFunc(m.order, func(oid string) bool { return m.reaches(a, oid) && m.reaches(b, oid) })
}

func (m *model) exempt(oid string) bool {
	return m.baseline != "" && m.inScope(m.baseline) && m.reaches(m.baseline, oid)
}

func (m *model) inScope(oid string) bool { return len(m.reachedBy(oid)) > 0 }

// line returns the continuity of a branch.
func (m *model) line(name string) report.Continuity {
	tip := m.branches[name]
	c := report.Continuity{Ref: "refs/heads/" + name, OID: tip}
	on := make(map[string]bool)
	streak, inGap := true, false
	for at := tip; ; at = m.parents[at][0] {
		on[at] = true
		c.Commits++
		wanting := m.judged(at) != "" && !m.exempt(at)
		switch {
		case wanting && !inGap:
			c.GapCount++
			inGap = true
		case !wanting:
			inGap = false
		}
		streak = streak && !wanting && !m.exempt(at)
		if streak {
			c.Streak++
		}
		if len(m.parents[at]) == 0 {
			break
		}
	}
	for _, oid := range m.order {
		if on[oid] || !m.reaches(tip, oid) {
			continue
		}
		c.Merged++
		if m.judged(oid) != "" && !m.exempt(oid) {
			c.MergedBad++
		}
	}
	return c
}

// TestRandomHistories holds audits of random histories beside the model.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		h := newHistory(t)
		m := makeModel(h, rand.New(rand.NewPCG(seed, 7)))
		rest := modelRules
		if m.baseline != "" {
			rest += fmt.Sprintf("[baseline]\nafter = [%q]\n", m.baseline)
		}
		var want []string
		for _, oid := range m.order {
			if ids := m.judged(oid); ids != "" && m.inScope(oid) && !m.exempt(oid) {
				want = append(want, oid, ids)
			}
		}
		for name, oid := range m.branches {
			h.branch(name, oid)
		}
		cfg := h.under(rest)
		cfg.Jobs = int(seed % 4)
		r := wantFaults(t, cfg, want...)
		for _, got := range r.Continuity {
			name := got.Ref[len("refs/heads/"):]
			want := m.line(name)
			if got.Commits != want.Commits || got.Streak != want.Streak || got.GapCount != want.GapCount || got.Merged != want.Merged || got.MergedBad != want.MergedBad {
				t.Errorf("continuity %+v, want %+v", got, want)
			}
		}
		if len(r.Continuity) != len(m.branches) {
			t.Errorf("continuity of %d branches, want %d", len(r.Continuity), len(m.branches))
		}
		if t.Failed() {
			t.Fatalf("seed %d, baseline %s\n%s", seed, m.baseline, h.git("log", "--graph", "--all", "--format=%H %d %s"))
		}
	}
}
