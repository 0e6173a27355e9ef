package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

func TestTwoAuditsWithOneCache(t *testing.T) {
	t.Parallel()
	_, cfg := mixed(t)
	file := filepath.Join(t.TempDir(), "verdicts")
	want := rowsOf(t, cfg)
	for round := range 2 {
		var running sync.WaitGroup
		for i := range 3 {
			cfg, save := kept(t, cfg, file)
			running.Go(func() {
				if got := rowsOf(t, cfg); !bytes.Equal(got, want) {
					t.Errorf("round %d, audit %d: the report is\n%s\nwant\n%s", round, i, firstDifference(got, want), firstDifference(want, got))
				}
				save()
			})
		}
		running.Wait()
	}
	// And with one that is open once.
	cfg, save := kept(t, cfg, file)
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			if got := rowsOf(t, cfg); !bytes.Equal(got, want) {
				t.Errorf("the report is\n%s\nwant\n%s", firstDifference(got, want), firstDifference(want, got))
			}
		})
	}
	running.Wait()
	save()
}

// TestCancelledAuditKeepsWhatItFound ends an audit in the middle.
func TestCancelledAuditKeepsWhatItFound(t *testing.T) {
	h := newHistory(t)
	empty := h.files(nil)
	tip := ""
	for i := range 400 {
		c := commitment{by: "alice", tree: empty, message: fmt.Sprint(i)}
		if tip == "" {
			tip = h.commit(c)
		} else {
			tip = h.commit(c, tip)
		}
	}
	h.branch("main", tip)
	file := filepath.Join(t.TempDir(), "verdicts")
	cfg, save := kept(t, h.under(""), file)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Progress = func(done, _ int) {
		if done == 200 {
			cancel()
		}
	}
	r, err := audit.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Complete || r.Result != report.Indeterminate || !omitted(r, "the rest of the history") || r.Totals.Examined < 200 || r.Totals.Examined == 400 {
		t.Errorf("examined %d, complete %v, result %q, not examined %v", r.Totals.Examined, r.Complete, r.Result, r.NotExamined)
	}
	save()
	if known := wantCached(t, "after", h.under(""), file); known != r.Totals.Examined {
		t.Errorf("%d objects are known, want the %d that were examined", known, r.Totals.Examined)
	}
}
