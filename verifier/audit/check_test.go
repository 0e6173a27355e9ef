package audit_test

import (
	"bytes"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// authority makes an authority in memory.
func authority(t testing.TB, cfg fakeca.Config) *fakeca.Authority {
	t.Helper()
	a, err := fakeca.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// trusting returns the parts of a Config that trust the given trusted roots.
func trusting(t testing.TB, trustedRoots ...[]byte) audit.Config {
	t.Helper()
	var cfg audit.Config
	for _, data := range trustedRoots {
		root, err := verifier.ParseTrustedRoot(data)
		if err != nil {
			t.Fatal(err)
		}
		cfg.TrustedRoots = append(cfg.TrustedRoots, root)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: cfg.TrustedRoots})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Verifier = v
	cfg.Now = func() time.Time { return time.Unix(1700000000, 0) }
	return cfg
}

func parsePolicy(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run audits, and checks what holds of every report.
func run(t testing.TB, cfg audit.Config) *report.Report {
	t.Helper()
	r, err := audit.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, r)
	return r
}

// checkReport checks what holds of every report: each object has one class,
// each that is not good a finding, and the result follows from them.
func checkReport(t testing.TB, r *report.Report) {
	t.Helper()
	sum, bad := 0, 0
	for class, n := range r.Totals.Classes {
		sum += n
		if report.SeverityOf(class) != report.Note {
			bad += n
		}
	}
	if r.Totals.Commits+r.Totals.Tags != r.Totals.Examined || sum != r.Totals.Examined {
		t.Errorf("totals do not add up: %+v", r.Totals)
	}
	counted := make(map[verifier.Class]int)
	for f := range classed(r) {
		if f.Object.Type != "mergetag" {
			bad--
			counted[verifier.Class(f.ID)]++
		}
	}
	if bad != 0 {
		t.Errorf("findings %v do not fit totals %v", counted, r.Totals.Classes)
	}
	signed := 0
	for _, s := range r.Signers {
		signed += s.Objects
	}
	// A signature can be right and its key be too old, or be by a key that
	// speaks for itself.
	least := r.Totals.Classes[verifier.Verified] + r.Totals.Classes[verifier.IdentityNotAllowed]
	most := least
	for _, class := range []verifier.Class{verifier.ExpiredKey, verifier.Revoked, verifier.WeakAlgorithm, verifier.UnknownKey, report.Exempt} {
		most += r.Totals.Classes[class]
	}
	if signed < least || signed > most {
		t.Errorf("signers have %d objects, want %d to %d", signed, least, most)
	}
	want := r.Totals.Judge(r.Complete)
	switch {
	case r.Findings.Count(report.Error) > 0:
		want = report.Violation
	case r.Findings.Count(report.Warning) > 0 && want == report.Pass:
		want = report.Indeterminate
	}
	if r.Result != want {
		t.Errorf("result %q, want %q", r.Result, want)
	}
	if err := report.WriteText(io.Discard, r); err != nil {
		t.Error(err)
	}
}

// classed yields the findings that are classes of objects, and not notes about
// what is odd: the dates of the tests' commits have nothing to do with those
// of their signatures.
func classed(r *report.Report) iter.Seq[report.Finding] {
	return func(yield func(report.Finding) bool) {
		for f := range r.Findings.All() {
			if slices.Contains(report.Classes(), verifier.Class(f.ID)) && !yield(f) {
				return
			}
		}
	}
}

// jsonOf returns the report's JSON document.
func jsonOf(t testing.TB, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wantClasses checks how many objects are of each class.
func wantClasses(t testing.TB, r *report.Report, want map[verifier.Class]int) {
	t.Helper()
	for _, class := range report.Classes() {
		if got := r.Totals.Classes[class]; got != want[class] {
			t.Errorf("%d objects are %s, want %d", got, class, want[class])
		}
	}
	if t.Failed() {
		for f := range r.Findings.All() {
			t.Logf("%s %s %s: %s", f.ID, f.Object.Type, f.Object.OID, f.Message)
		}
	}
}

// omitted reports whether the report says that something was not examined.
func omitted(r *report.Report, what string) bool {
	for _, o := range r.NotExamined {
		if strings.Contains(o.What, what) {
			return true
		}
	}
	return false
}
