package report

import (
	"fmt"
	"runtime"
	"testing"

	"gitseal/verifier"
)

func TestFindingsComeBackAsAdded(t *testing.T) {
	id := verifier.Identity{Issuer: "i", Subject: "s"}
	var want []Finding
	var f Findings
	for i := range 10_000 {
		x := Finding{"unsigned", Error, Object{"commit", fmt.Sprintf("%040x", i)}, nil, "no signature", "sign"}
		switch i % 7 {
		case 1:
			x.Object.OID = sha256OID
		case 2:
			x.Identity = &id
		case 3:
			x.Message = fmt.Sprint(i)
		case 4:
			x.Object = Object{"", []string{"", "x", "ABCD", "abc", sha256OID + "00", "é"}[i%6]}
		case 5:
			x.Identity = new(verifier.Identity)
		}
		want = append(want, x)
		f.Add(x)
	}
	if f.Len() != len(want) {
		t.Fatalf("Len() = %d, want %d", f.Len(), len(want))
	}
	i := 0
	for got := range f.All() {
		if (got.Identity == nil) != (want[i].Identity == nil) || got.Identity != nil && *got.Identity != *want[i].Identity {
			t.Fatalf("identity of finding %d: %v, want %v", i, got.Identity, want[i].Identity)
		}
		got.Identity = want[i].Identity
		if got != want[i] {
			t.Fatalf("finding %d: %+v, want %+v", i, got, want[i])
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d findings, want %d", i, len(want))
	}
	for range f.All() {
		break // must not panic
	}
}

func TestFindingsAreSmall(t *testing.T) {
	const n = 200_000
	var before, after runtime.MemStats
	var f Findings
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		f.Add(Finding{"unsigned", Error, Object{"commit", fmt.Sprintf("%040x", i)}, nil, "no signature", "sign"})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if perFinding := float64(after.HeapAlloc-before.HeapAlloc) / n; perFinding > 25 {
		t.Errorf("%.1f bytes a finding, want 23", perFinding)
	}
	runtime.KeepAlive(&f)
}
