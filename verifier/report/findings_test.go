package report

import (
	"fmt"
	"runtime"
	"testing"

	"gitseal/verifier"
)

func TestFindingsComeBackAsAdded(t *testing.T) {
	id := verifier.Signer{Kind: verifier.SSH, Identity: verifier.Identity{Issuer: "i", Subject: "s"}, Key: "k"}
	var want []Finding
	var f Findings
	for i := range 10_000 {
		x := Finding{"unsigned", Error, Object{"commit", fmt.Sprintf("%040x", i)}, nil, "no signature", "sign"}
		switch i % 7 {
		case 1:
			x.Object.OID = sha256OID
		case 2:
			x.Signer = &id
		case 3:
			x.Message = fmt.Sprint(i)
		case 4:
			x.Object = Object{"", []string{"", "x", "ABCD", "abc", sha256OID + "00", "é"}[i%6]}
		case 5:
			x.Signer = new(verifier.Signer)
		}
		want = append(want, x)
		f.Add(x)
	}
	if f.Len() != len(want) {
		t.Fatalf("Len() = %d, want %d", f.Len(), len(want))
	}
	i := 0
	for got := range f.All() {
		if (got.Signer == nil) != (want[i].Signer == nil) || got.Signer != nil && *got.Signer != *want[i].Signer {
			t.Fatalf("signer of finding %d: %v, want %v", i, got.Signer, want[i].Signer)
		}
		got.Signer = want[i].Signer
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

func TestFindingsAreCounted(t *testing.T) {
	var f Findings
	for i := range 7 {
		f.Add(Finding{ID: "unsigned", Severity: Error, Message: fmt.Sprint(i)})
	}
	f.Add(Finding{ID: "unsigned", Severity: Note, Object: Object{"mergetag", sha1OID}})
	f.Add(Finding{ID: "not-logged", Severity: Warning})
	for severity, want := range map[Severity]int{Error: 7, Note: 1, Warning: 1, "other": 0} {
		if got := f.Count(severity); got != want {
			t.Errorf("Count(%s) = %d, want %d", severity, got, want)
		}
	}
}
