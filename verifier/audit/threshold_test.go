package audit_test

import (
	"strings"
	"testing"
)

// twoOnMain asks for two people behind each commit of main.
const twoOnMain = `
[[rule]]
refs      = ["refs/heads/main"]
allow     = ["alice", "bob", "carol", "forge"]
threshold = 2
`

func TestThresholdCountsWhoMerged(t *testing.T) {
	for _, test := range []struct {
		merger string
		good   bool
	}{{"bob", true}, {"alice", false}, {"forge", false}, {"nobody", false}} {
		t.Run(test.merger, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			base := h.by("alice", "base")
			side := h.by("alice", "side", h.by("alice", "below", base))
			merge := h.by(test.merger, "merge", base, side)
			h.branch("main", merge)
			r := run(t, h.under(twoOnMain))
			got := faults(r)
			if (got[side] == nil) != test.good {
				t.Errorf("merged by %s: findings of the side %v, want good %v", test.merger, got[side], test.good)
			}
			if got[base] == nil {
				t.Error("what the branch held before is vouched for by whoever merged into it")
			}
		})
	}
}

// TestMergetagStandsForWhatItNames has a merge by the author of what it merges
// carry a tag that somebody else made of the other parent, a release.
func TestMergetagStandsForWhatItNames(t *testing.T) {
	h := newHistory(t)
	base := h.by("alice", "base")
	release := h.tagged("bob", "v1", base, "commit")
	side := h.by("alice", "side", base)
	asked := h.tagged("bob", "please-pull", side, "commit")
	for _, test := range []struct {
		tag  string
		want string
	}{{release, "threshold-not-met"}, {asked, ""}} {
		merge := h.commit(commitment{by: "alice", message: "merge", mergetags: []string{test.tag}}, base, side)
		h.branch("main", merge)
		wantFaults(t, h.under(twoOnMain), append([]string{base, "threshold-not-met"}, pair(side, test.want)...)...)
	}
}

// pair returns the arguments of wantFaults for an object with or without a
// finding.
func pair(oid, id string) []string {
	if id == "" {
		return nil
	}
	return []string{oid, id}
}

func TestThresholdCountsWhoTagged(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	two := h.by("alice", "two", one)
	h.branch("main", two)
	h.ref("refs/tags/v1", h.tagged("bob", "v1", two, "commit"))
	wantFaults(t, h.under(twoOnMain), one, "threshold-not-met")
	// The author's own tag adds nobody.
	h.ref("refs/tags/v0", h.tagged("alice", "v0", one, "commit"))
	wantFaults(t, h.under(twoOnMain), one, "threshold-not-met")
	// Nor does one that nobody signed well.
	h.ref("refs/tags/v0", h.tagged("nobody", "v0", one, "commit"))
	if got := faults(run(t, h.under(twoOnMain)))[one]; len(got) != 1 {
		t.Errorf("findings %v, want threshold-not-met", got)
	}
}

func TestThresholdCountsVouchers(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	h.branch("main", one)
	for who, want := range map[string]string{"bob": "", "alice": "threshold-not-met", "forge": "threshold-not-met", "stranger": "threshold-not-met"} {
		cfg := h.under(twoOnMain)
		cfg.Vouchers = map[string][]string{one: {who}}
		wantFaults(t, cfg, pair(one, want)...)
	}
}

// TestEveryWayToABranchNeedsVouchers has commits that a good merge brings in
// reach the branch by another way, too.
func TestEveryWayToABranchNeedsVouchers(t *testing.T) {
	t.Parallel()
	const wanting = "threshold-not-met"
	for _, test := range []struct {
		name string
		make func(h *history, base, side string) (tip string)
		want bool // side is good
	}{
		{"merge", func(h *history, base, side string) string {
			return h.by("bob", "merge", base, side)
		}, true},
		{"pushed, then merged", func(h *history, base, side string) string {
			return h.by("bob", "merge", h.by("carol", "on", side), side)
		}, false},
		{"merged by both, with nobody on both ways", func(h *history, base, side string) string {
			return h.by("carol", "again", h.by("bob", "merge", base, side), h.by("carol", "x", side))
		}, false},
		{"merged twice by the same", func(h *history, base, side string) string {
			return h.by("bob", "again", h.by("bob", "merge", base, side), h.by("carol", "x", side))
		}, true},
		{"merged well, then by its author", func(h *history, base, side string) string {
			return h.by("alice", "again", h.by("bob", "merge", base, side), h.by("alice", "x", side))
		}, false},
		{"same parent twice", func(h *history, base, side string) string {
			return h.by("bob", "merge", side, side)
		}, false},
		{"octopus", func(h *history, base, side string) string {
			return h.by("bob", "merge", base, h.by("alice", "other", base), side)
		}, true},
		{"octopus, with itself first", func(h *history, base, side string) string {
			return h.by("bob", "merge", side, h.by("alice", "other", base), side)
		}, false},
		{"below a merge", func(h *history, base, side string) string {
			return h.by("bob", "merge", base, h.by("alice", "inner", h.by("alice", "left", base), side))
		}, true},
		{"criss-cross by one", func(h *history, base, side string) string {
			left := h.by("carol", "left", base)
			return h.by("bob", "tip", h.by("bob", "x", left, side), h.by("bob", "y", side, left))
		}, true},
		{"criss-cross by its author", func(h *history, base, side string) string {
			left := h.by("carol", "left", base)
			return h.by("alice", "tip", h.by("bob", "x", left, side), h.by("alice", "y", side, left))
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			base := h.by("carol", "base")
			side := h.by("alice", "side", base)
			h.branch("main", test.make(h, base, side))
			got := faults(run(t, h.under(twoOnMain)))[side]
			if (got == nil) != test.want || got != nil && (len(got) != 1 || got[0] != wanting) {
				t.Errorf("findings of the side %v, want good %v", got, test.want)
			}
		})
	}
}

// TestTagsOutOfScopeVouch has somebody else sign a tag of what is proposed: that
// counts in whatever range the commit is examined.
func TestTagsOutOfScopeVouch(t *testing.T) {
	h := newHistory(t)
	base := h.by("alice", "base")
	h.branch("main", base)
	side := h.by("alice", "side", base)
	h.branch("topic", side)
	cfg := h.under(twoOnMain)
	cfg.All, cfg.Revisions, cfg.Ref = false, []string{"main..topic"}, "refs/heads/main"
	wantFaults(t, cfg, side, "threshold-not-met")
	h.ref("refs/tags/approved", h.tagged("mallory", "approved", side, "commit"))
	wantFaults(t, cfg, side, "threshold-not-met")
	h.ref("refs/tags/review-1", h.tagged("bob", "review-1", side, "commit"))
	r := wantFaults(t, cfg)
	if r.Totals.Examined != 1 || r.Totals.Tags != 0 {
		t.Errorf("totals %+v, want the one commit", r.Totals)
	}
}

// TestThresholdsForPaths asks for several people behind what changes infra.
func TestThresholdsForPaths(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: tree("a", "1")})
	side := h.commit(commitment{by: "alice", files: tree("a", "1", "infra/a", "1")}, base)
	merge := h.commit(commitment{by: "bob", files: tree("a", "1", "infra/a", "1")}, base, side)
	h.branch("main", merge)
	rules := strings.Replace(twoOnMain, "allow ", "paths = [\"infra/**\"]\nallow ", 1)
	for _, rest := range []string{rules, rules + rule("refs/heads/topic", "alice"), rule("refs/heads/**", "alice", "bob") + rules} {
		wantFaults(t, h.under(rest))
		h.branch("topic", side) // asks for nothing of that kind
		wantFaults(t, h.under(rest))
		h.git("update-ref", "-d", "refs/heads/topic")
	}
	h.branch("main", h.commit(commitment{by: "alice", files: tree("a", "1", "infra/a", "1")}, base, side))
	wantFaults(t, h.under(rules), side, "threshold-not-met")
}

// TestOtherRefsTakeNoVouchersAway has what a merge brought in reached by refs
// that ask for nothing, as the branch that was merged is, and a tag.
func TestOtherRefsTakeNoVouchersAway(t *testing.T) {
	h := newHistory(t)
	base := h.by("alice", "base")
	below := h.by("alice", "below", base)
	side := h.by("alice", "side", below)
	merge := h.by("bob", "merge", base, side)
	h.branch("main", merge)
	h.branch("topic", side)
	h.ref("refs/tags/rc1", h.tagged("alice", "rc1", below, "commit"))
	for _, rest := range []string{twoOnMain, twoOnMain + `
[[rule]]
refs  = ["refs/heads/**"]
allow = ["alice", "bob", "carol", "forge"]
`} {
		wantFaults(t, h.under(rest), base, "threshold-not-met")
	}
	// A ref that asks does, by whatever rule.
	const twice = "threshold-not-met threshold-not-met"
	wantFaults(t, h.under(twoOnMain+`
[[rule]]
refs      = ["refs/heads/topic"]
allow     = ["alice", "bob", "carol"]
threshold = 2
`), base, twice, side, twice, below, twice)
}
