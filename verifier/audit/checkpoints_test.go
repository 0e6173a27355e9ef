package audit

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

func entry(origin string, size uint64, root byte) *verifier.LogEntry {
	return &verifier.LogEntry{LogID: [32]byte{1}, Origin: origin, TreeSize: size, RootHash: [32]byte{root}}
}

func commit(n int) report.Object { return report.Object{Type: "commit", OID: fmt.Sprintf("%040x", n)} }

func TestCheckpointsAreKeptOnceInOrder(t *testing.T) {
	var c Checkpoints
	for i, e := range []*verifier.LogEntry{
		entry("b", 5, 5), entry("a", 9, 9), entry("a", 7, 7), entry("a", 9, 9), entry("", 3, 3), entry("b", 5, 5),
	} {
		if other := c.add(e, commit(i)); other != nil {
			t.Errorf("add %d: contradicts %+v", i, other)
		}
	}
	c.add(entry("a", 8, 8), report.Object{Type: "mergetag"})
	c.add(entry("a", 10, 10), report.Object{Type: "tag", OID: strings.Repeat("ab", 32)})
	want := []Checkpoint{
		{[32]byte{1}, "a", 7, [32]byte{7}, commit(2)},
		{[32]byte{1}, "a", 8, [32]byte{8}, report.Object{Type: "mergetag"}},
		{[32]byte{1}, "a", 9, [32]byte{9}, commit(1)},
		{[32]byte{1}, "a", 10, [32]byte{10}, report.Object{Type: "tag", OID: strings.Repeat("ab", 32)}},
		{[32]byte{1}, "b", 5, [32]byte{5}, commit(0)},
	}
	if got := slices.Collect(c.All()); !slices.Equal(got, want) {
		t.Errorf("All() = %+v, want %+v", got, want)
	}
}

func TestCheckpointsOfOneSizeThatDifferContradict(t *testing.T) {
	var c Checkpoints
	other := entry("a", 7, 8)
	other.LogID[0] = 2
	for i, e := range []*verifier.LogEntry{entry("a", 7, 7), entry("b", 7, 8), other, entry("a", 8, 8)} {
		if got := c.add(e, commit(i)); got != nil {
			t.Errorf("add %d: contradicts %+v", i, got)
		}
	}
	if got := c.add(entry("a", 7, 9), commit(5)); got == nil || got.Object != commit(0) || got.Root != [32]byte{7} {
		t.Errorf("another root of one size: %+v, want commit 0", got)
	}
	forks := c.Forks()
	if len(forks) != 1 || forks[0][0].Object != commit(0) || forks[0][1] != (Checkpoint{[32]byte{1}, "a", 7, [32]byte{9}, commit(5)}) {
		t.Errorf("Forks() = %+v, want commits 0 and 5", forks)
	}
	r := &report.Report{Complete: true, Result: report.Pass}
	c.finish(r)
	if r.Result != report.Equivocation || !r.Complete {
		t.Errorf("result %q, complete %v, want equivocation of a complete audit", r.Result, r.Complete)
	}
}

func TestCheckpointsBeyondTheBoundMakeAnAuditIncomplete(t *testing.T) {
	c := Checkpoints{limit: 2}
	for i := range 4 {
		c.add(entry("a", uint64(i), byte(i)), commit(i))
	}
	c.add(entry("a", 1, 1), commit(9)) // known already
	for result, want := range map[report.Result]report.Result{
		report.Pass: report.Indeterminate, report.Violation: report.Violation, report.Indeterminate: report.Indeterminate,
	} {
		r := &report.Report{Complete: true, Result: result}
		c.finish(r)
		if r.Result != want || r.Complete || len(r.NotExamined) != 1 || !strings.Contains(r.NotExamined[0].What, "first 2 (2 objects)") {
			t.Errorf("after %q: result %q, complete %v, not examined %v", result, r.Result, r.Complete, r.NotExamined)
		}
	}
	if n := len(slices.Collect(c.All())); n != 2 {
		t.Errorf("%d checkpoints kept, want 2", n)
	}
}

func TestForkOutweighsEverything(t *testing.T) {
	for _, result := range []report.Result{report.Pass, report.Violation, report.Indeterminate} {
		r := &report.Report{Result: result}
		Fork(r, "https://log.example.com", commit(3), "two histories")
		var got []report.Finding
		for x := range r.Findings.All() {
			got = append(got, x)
		}
		if r.Result != report.Equivocation || len(got) != 1 || got[0].ID != report.LogFork || got[0].Object != commit(3) ||
			!strings.Contains(got[0].Message, "https://log.example.com contradicts itself: two histories") {
			t.Errorf("after %q: result %q, findings %+v", result, r.Result, got)
		}
	}
}

func TestCheckpointsAreSmall(t *testing.T) {
	const n = 1 << 17
	var before, after runtime.MemStats
	var c Checkpoints
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		c.add(entry("a", uint64(i), 0), commit(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := float64(after.HeapAlloc-before.HeapAlloc) / n; per > 130 {
		t.Errorf("%.0f bytes a checkpoint, want about 100", per)
	}
	runtime.KeepAlive(&c)
}
