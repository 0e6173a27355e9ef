package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/verifier/report"
)

// row writes commits, one after the other, signed as letters say: a and b by
// alice and bob, m by mallory, "-" by nobody.
func (h *history) row(letters string, parent ...string) (oids []string) {
	h.t.Helper()
	empty := h.files(nil)
	for i, letter := range letters {
		by := map[rune]string{'a': "alice", 'b': "bob", 'm': "mallory", '-': ""}[letter]
		oid := h.commit(commitment{by: by, tree: empty, message: fmt.Sprint(letters, i), date: fmt.Sprintf("%d +0000", 1700000000+i)}, parent...)
		oids, parent = append(oids, oid), []string{oid}
	}
	return oids
}

func TestContinuity(t *testing.T) {
	t.Parallel()
	for letters, test := range map[string]struct {
		streak, gaps int
		gapCommits   []int
	}{
		"a":          {1, 0, nil},
		"abab":       {4, 0, nil},
		"-":          {0, 1, []int{1}},
		"aa-":        {0, 1, []int{1}},
		"-aa":        {2, 1, []int{1}},
		"a-a--ama":   {1, 3, []int{1, 2, 1}},
		"----a":      {1, 1, []int{4}},
		"-m-a":       {1, 1, []int{3}},
		"-a-a-a-a-a": {1, 5, []int{1, 1, 1, 1, 1}},
	} {
		t.Run(letters, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			oids := h.row(letters)
			h.branch("main", oids[len(oids)-1])
			c := run(t, h.under("")).Continuity
			if len(c) != 1 || c[0].Ref != "refs/heads/main" || c[0].Commits != len(oids) || c[0].Streak != test.streak || c[0].GapCount != test.gaps {
				t.Fatalf("continuity %+v, want a streak of %d and %d gaps", c, test.streak, test.gaps)
			}
			if since := c[0].Since; (since != nil) != (test.streak > 0) || since != nil && since.OID != oids[len(oids)-test.streak] {
				t.Errorf("since %+v, want the oldest of %d", since, test.streak)
			}
			for i, gap := range c[0].Gaps {
				if gap.Commits != test.gapCommits[i] || !strings.Contains("-m", letters[at(oids, gap.Newest.OID):][:1]) || at(oids, gap.Newest.OID)-at(oids, gap.Oldest.OID)+1 != gap.Commits {
					t.Errorf("gap %+v, want of %v", gap, test.gapCommits)
				}
				if want := time.Unix(int64(1700000000+at(oids, gap.Newest.OID)), 0); !gap.Newest.Date.Equal(want) {
					t.Errorf("gap from %s, want %s", gap.Newest.Date, want)
				}
			}
		})
	}
}

// at returns where an id is.
func at(oids []string, oid string) int {
	for i := range oids {
		if oids[i] == oid {
			return i
		}
	}
	return len(oids)
}

func TestGapsAreCountedAndNotAllListed(t *testing.T) {
	h := newHistory(t)
	n := report.MaxGaps + 5
	oids := h.row(strings.Repeat("-a", n))
	h.branch("main", oids[len(oids)-1])
	c := run(t, h.under("")).Continuity[0]
	if c.GapCount != n || len(c.Gaps) != report.MaxGaps || c.Gaps[0].Newest.OID != oids[len(oids)-2] {
		t.Errorf("%d gaps of which %d are listed, the first %+v", c.GapCount, len(c.Gaps), c.Gaps[0])
	}
}

func TestContinuityOfMergesAndBaseline(t *testing.T) {
	h := newHistory(t)
	old := h.row("--a-")
	base := old[3]
	bad := h.by("", "bad", base)
	good := h.by("bob", "good", bad)
	main := h.row("aa", base)
	merge := h.by("alice", "merge", main[1], good)
	h.branch("main", merge)
	h.branch("side", good)
	r := run(t, h.under(fmt.Sprintf("[baseline]\nafter = [%q]\n", base)))
	want := map[string]report.Continuity{
		"refs/heads/main": {Commits: 7, Streak: 3, Merged: 2, MergedBad: 1},
		"refs/heads/side": {Commits: 6, Streak: 1, GapCount: 1},
	}
	for _, c := range r.Continuity {
		w := want[c.Ref]
		if c.Commits != w.Commits || c.Streak != w.Streak || c.Merged != w.Merged || c.MergedBad != w.MergedBad || c.GapCount != w.GapCount {
			t.Errorf("continuity %+v, want %+v", c, w)
		}
	}
	if len(r.Continuity) != 2 {
		t.Errorf("continuity of %d branches, want 2", len(r.Continuity))
	}
}

// TestContinuityOfManyBranches tells of as many as it does, those with rules
// first, and judges them all.
func TestContinuityOfManyBranches(t *testing.T) {
	h := newHistory(t)
	base := h.by("alice", "base")
	for i := range 200 {
		h.ref(fmt.Sprintf("refs/heads/a%03d", i), h.by("alice", fmt.Sprint(i), base))
	}
	bad := h.by("bob", "bad", base)
	h.branch("zone", bad)
	r := wantFaults(t, h.under(rule("refs/heads/zone", "alice")), bad, notAllowed)
	if n := len(r.Continuity); n != 128 {
		t.Fatalf("continuity of %d branches, want 128", n)
	}
	if c := r.Continuity[127]; c.Ref != "refs/heads/zone" || c.GapCount != 1 || c.Commits != 2 {
		t.Errorf("continuity %+v, want that of zone", c)
	}
	for _, c := range r.Continuity[:127] {
		if c.Commits != 2 || c.Streak != 2 || c.Merged != 0 {
			t.Errorf("continuity %+v, want 2 commits", c)
		}
	}
	if !strings.Contains(fmt.Sprint(r.NotExamined), "continuity") {
		t.Errorf("not examined %v, want that continuity of others is not told", r.NotExamined)
	}
}

func TestMonths(t *testing.T) {
	h := newHistory(t)
	tip := h.by("alice", "first")
	for i, date := range []string{"0 +0000", "253402300799 +0000", "253402300800 +0000", "-1 +0000", "x", "1700000000 +1400", "1701388799 -1200", "1701388800 +1400"} {
		tip = h.commit(commitment{by: []string{"alice", "", "mallory", "nobody"}[i%4], date: date}, tip)
	}
	h.branch("main", tip)
	cfg := h.under("")
	r := run(t, cfg)
	var got []string
	for _, m := range r.Months {
		sum := m.None + m.Exempt + m.Other
		for _, n := range m.Good {
			sum += n
		}
		got = append(got, fmt.Sprint(m.Month, " ", sum))
	}
	if want := "[1970-01 1 2023-11 3 2023-12 1 9999-12 1 unknown 3]"; fmt.Sprint(got) != want {
		t.Errorf("months %v, want %s", got, want)
	}
	again, err := report.Parse(jsonOf(t, r))
	if err != nil || len(again.Months) != len(r.Months) {
		t.Errorf("the document is not read again: %v", err)
	}
}

// notes returns how many notes of each id a report has that are no classes.
func notes(r *report.Report) map[string]int {
	n := make(map[string]int)
	for f := range r.Findings.All() {
		if f.Severity == report.Note {
			n[f.ID]++
		}
	}
	return n
}

func TestAnomaliesAreNotedOnce(t *testing.T) {
	clock := time.Unix(1700000000, 0)
	a := authority(t, fakeca.Config{Clock: func() time.Time { return clock }})
	r := newRepo(t)
	tip := r.signed(a, fakeca.Fixture{Subject: "a@example.com"}, "one")
	for i := range 3 {
		tip = r.signed(a, fakeca.Fixture{Subject: "b@example.com"}, fmt.Sprint("by another ", i), tip)
	}
	clock = clock.Add(24 * time.Hour)
	tip = r.signed(a, fakeca.Fixture{Subject: "a@example.com"}, "a day later", tip)
	clock = clock.Add(time.Second)
	for i := range 3 {
		tip = r.signed(a, fakeca.Fixture{Subject: "a@example.com"}, fmt.Sprint("later still ", i), tip)
	}
	r.branch("main", tip)
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	got := notes(run(t, cfg))
	if want := map[string]int{"identity-unlike-committer": 1, "time-skew": 1}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("notes %v, want %v", got, want)
	}
}
