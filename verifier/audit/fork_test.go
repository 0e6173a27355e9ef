package audit_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// forked returns two authorities with one log's keys, whose entries differ.
func forked(t *testing.T, generation fakeca.Generation) (a, b *fakeca.Authority) {
	t.Helper()
	a = authority(t, fakeca.Config{Log: generation, Rand: rand.NewChaCha8([32]byte{1})})
	b = authority(t, fakeca.Config{Log: generation, Rand: rand.NewChaCha8([32]byte{1})})
	return a, b
}

func TestLogThatForksIsFoundOffline(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a, b := forked(t, generation)
		r := newRepo(t)
		one := r.signed(a, fakeca.Fixture{}, "one")
		two := r.signed(b, fakeca.Fixture{}, "two", one)
		three := r.unsigned("three", two)
		r.branch("main", three)

		cfg := trusting(t, a.TrustedRoot(), b.TrustedRoot())
		cfg.Repo = r.open()
		got := run(t, cfg)
		wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 2, report.Unsigned: 1})
		if got.Result != report.Violation {
			t.Errorf("%v: result %q of an audit that holds no checkpoints against another", generation, got.Result)
		}

		cfg.Checkpoints = new(audit.Checkpoints)
		got, err := audit.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got.Result != report.Equivocation || got.Totals.Classes[verifier.Verified] != 2 {
			t.Errorf("%v: result %q, classes %v, want equivocation beside two verified", generation, got.Result, got.Totals.Classes)
		}
		var forks []report.Finding
		for x := range got.Findings.All() {
			if x.ID == report.LogFork {
				forks = append(forks, x)
			}
		}
		// The children come first.
		if len(forks) != 1 || forks[0].Object != (report.Object{Type: "commit", OID: one}) || !strings.Contains(forks[0].Message, two) {
			t.Errorf("%v: forks %+v, want one of %s that names %s", generation, forks, one, two)
		}
	}
}

func TestOneHistoryIsNoFork(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	r.branch("main", r.signed(a, fakeca.Fixture{}, "two", one))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Checkpoints = r.open(), new(audit.Checkpoints)
	got := run(t, cfg)
	if got.Result != report.Pass {
		t.Errorf("result %q, want %q", got.Result, report.Pass)
	}
	for x := range classed(got) {
		t.Errorf("finding %+v", x)
	}
	audit.Consistent(got, "another log")
	if got.Logs[0].Consistency != "" {
		t.Errorf("consistency %q before the log has proven it", got.Logs[0].Consistency)
	}
	audit.Consistent(got, got.Logs[0].Origin)
	if got.Logs[0].Consistency != report.Proven {
		t.Errorf("consistency %q, want it proven", got.Logs[0].Consistency)
	}
	n := 0
	for c := range cfg.Checkpoints.All() {
		n++
		if c.Object.Type != "commit" || c.Size == 0 || c.Root == [32]byte{} {
			t.Errorf("checkpoint %+v", c)
		}
	}
	if n != 2 {
		t.Errorf("%d checkpoints, want 2", n)
	}
}
