package report

import (
	"regexp"
	"slices"
	"testing"

	"gitseal/verifier"
)

func TestDescriptionsAreWhole(t *testing.T) {
	seen := make(map[string]bool)
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, id := range IDs() {
		d, ok := Describe(id)
		if !ok || d.ID != id || seen[id] || !kebab.MatchString(id) {
			t.Errorf("id %q: described %v as %q, seen before %v", id, ok, d.ID, seen[id])
		}
		seen[id] = true
		if d.Title == "" || d.Help == "" || !slices.Contains(severities, d.Severity) {
			t.Errorf("%s: title %q, help %q, severity %q", id, d.Title, d.Help, d.Severity)
		}
		if d.Severity != Note && d.Hint == "" {
			t.Errorf("%s: nothing says what to do", id)
		}
	}
	if d, ok := Describe("unheard-of"); ok || d.ID != "unheard-of" {
		t.Errorf("an id that is not known is described as %+v", d)
	}
	if classes := Classes(); classes[0] != verifier.Verified || classes[len(classes)-1] != Exempt || slices.Contains(classes, LogFork) {
		t.Errorf("classes %q", classes)
	}
	// A finding that is no class has no say as one.
	if SeverityOf("time-skew") != Error || Hint("committer-mismatch") != "" {
		t.Error("a finding is taken for a class")
	}
}

func TestJudgeTakesFindingsIntoAccount(t *testing.T) {
	good := Totals{Examined: 1, Commits: 1, Classes: map[verifier.Class]int{verifier.Verified: 1}}
	for _, tt := range []struct {
		name     string
		findings []Finding
		complete bool
		want     Result
	}{
		{"none", nil, true, Pass},
		{"none, incomplete", nil, false, Indeterminate},
		{"note", []Finding{{ID: "time-skew", Severity: Note}}, true, Pass},
		{"mergetag", []Finding{{ID: "unsigned", Severity: Note, Object: Object{"mergetag", sha1OID}}}, true, Pass},
		{"warning", []Finding{{ID: "x", Severity: Warning}}, true, Indeterminate},
		{"error", []Finding{{ID: "committer-mismatch", Severity: Error}, {ID: "x", Severity: Warning}}, true, Violation},
		{"error, incomplete", []Finding{{ID: "tag-moved", Severity: Error}}, false, Violation},
		{"fork", []Finding{{ID: "tag-moved", Severity: Error}, {ID: LogFork, Severity: Error}}, false, Equivocation},
	} {
		var findings Findings
		for _, x := range tt.findings {
			findings.Add(x)
		}
		if got := Judge(good, &findings, tt.complete); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	bad := Totals{Examined: 1, Commits: 1, Classes: map[verifier.Class]int{Unsigned: 1}}
	if got := Judge(bad, new(Findings), true); got != Violation {
		t.Errorf("bad totals without a finding: %q, want %q", got, Violation)
	}
}

func TestMergeTakesTheWorstResult(t *testing.T) {
	of := func(results ...Result) []*Report {
		var reports []*Report
		for _, result := range results {
			reports = append(reports, &Report{Result: result, Complete: true})
		}
		return reports
	}
	for _, tt := range []struct {
		reports []*Report
		want    Result
	}{
		{of(), Indeterminate},
		{of(Pass), Pass},
		{of(Pass, Pass), Pass},
		{of(Pass, Indeterminate, Pass), Indeterminate},
		{of(Violation, Indeterminate), Violation},
		{of(Equivocation, Violation, Pass), Equivocation},
		{of(Pass, "unheard-of", Equivocation), "unheard-of"},
	} {
		s := Merge(tt.reports)
		if s.Result != tt.want || s.Complete != (len(tt.reports) > 0) {
			t.Errorf("%d reports: %q, complete %v, want %q", len(tt.reports), s.Result, s.Complete, tt.want)
		}
	}
	s := Merge(set())
	if s.Totals.Examined != 1207 || s.Totals.Commits != 1205 || s.Totals.Tags != 2 || s.Totals.Classes[verifier.Verified] != 1202 || s.Tool != "gitseal test" {
		t.Errorf("totals %+v of %q", s.Totals, s.Tool)
	}
	partly := set()
	partly[1].Complete = false
	if Merge(partly).Complete {
		t.Error("complete, though one is not")
	}
	if got := sample(); Merge([]*Report{got}).Totals.Classes[Unsigned] != 3 || got.Totals.Classes[Unsigned] != 3 {
		t.Error("merging changes a report")
	}
}
