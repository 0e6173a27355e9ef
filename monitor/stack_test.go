package monitor

import (
	"os"
	"testing"

	"gitseal/internal/rekor"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// TestStackLogsAreWatched pins the logs of a real Sigstore, twice, and reads
// all that its tiled one holds.
func TestStackLogsAreWatched(t *testing.T) {
	if os.Getenv("GITSEAL_STACK") == "" {
		t.Skip("no real Sigstore: GITSEAL_STACK is not set (make test-stack)")
	}
	data, err := os.ReadFile(os.Getenv("STACK_TRUSTED_ROOT"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := trust.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	client := transport.New(transport.Config{UserAgent: "gitseal test"})
	p := newPins(t)
	for i := range root.TLogs {
		log := &root.TLogs[i]
		var l *Log
		switch log.BaseURL {
		case os.Getenv("STACK_REKOR1_URL"):
			l = NewRekorV1(log, &rekor.V1{Client: client, URL: log.BaseURL})
		case os.Getenv("STACK_REKOR2_URL"):
			l = NewTiled(log, (&rekor.V2{Client: client, URL: log.BaseURL}).Fetch)
		default:
			t.Fatalf("log %s is not of the stack", log.BaseURL)
		}
		first, err := p.Update(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		var seen []Seen
		for _, s := range first {
			seen = append(seen, s.Shown)
		}
		again, err := p.Update(t.Context(), l)
		if err != nil || again[0].Change == FirstSeen || again[0].Change == Stale {
			t.Errorf("log %s, again: %+v, %v", l.Name(), again, err)
		}
		if err := newPins(t).CheckAll(t.Context(), l, seen, nil); err != nil {
			t.Error(err)
		}
		if !l.tiled {
			continue
		}
		x := openTestIndex(t, t.TempDir(), l)
		if err := x.Update(t.Context(), again[0].Shown, nil); err != nil {
			t.Error(err)
		}
		for r, err := range x.Records() {
			if err != nil || r.Problem != "" {
				t.Errorf("log %s: record %+v, %v", l.Name(), r, err)
			}
		}
		closeIndex(t, x)
	}
}
