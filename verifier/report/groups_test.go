package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// needle is the object of the one finding among many that has to be seen.
const needle = "fedcba9876543210fedcba9876543210fedcba98"

// TestOneBadSignatureIsSeenAmongMany has what an audit finds last, behind more
// findings of its own severity than any format shows.
func TestOneBadSignatureIsSeenAmongMany(t *testing.T) {
	r := &Report{Complete: true, Result: Violation, Repository: Repository{Location: "app"}}
	const unsigned = maxSARIF + 305
	for i := range unsigned {
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", fmt.Sprintf("%040x", i)}, nil, "no signature", ""})
	}
	r.Findings.Add(Finding{"bad-signature", Error, Object{"commit", needle}, nil, "message digest does not match", ""})
	for format, total := range map[string]string{
		"text":     "unsigned: 25,305, of which the first 3\n",
		"github":   "unsigned: 25,305, of which the first 8\n",
		"markdown": "| unsigned |  | 25,305, of which the first 49 |",
		"html":     "25,305, of which the first 999; ",
		"junit":    "25,305, of which the first 999",
		"sarif":    "unsigned: 25,305 findings, 24,999 of them among the results",
	} {
		for _, reports := range [][]*Report{{r}, {new(Report), r}} {
			var b strings.Builder
			w, err := NewWriter(format, &b, Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Close(reports...); err != nil {
				t.Fatal(err)
			}
			if out := b.String(); !strings.Contains(out, needle) || !strings.Contains(out, total) {
				t.Errorf("%s of %d reports: bad signature shown %v, %q shown %v", format, len(reports),
					strings.Contains(out, needle), total, strings.Contains(out, total))
			}
		}
	}
}

// TestGitHubNamesEveryID has more ids of a severity than there are annotations.
func TestGitHubNamesEveryID(t *testing.T) {
	r := &Report{Complete: true}
	for _, d := range descriptions {
		for range 2 {
			r.Findings.Add(Finding{d.ID, Error, Object{"commit", sha1OID}, nil, "m", ""})
		}
	}
	out := written(t, WriteGitHub, r)
	for _, id := range IDs() {
		if !strings.Contains(out, "title=gitseal%3A "+id+"::") && !strings.Contains(out, "%0A"+id+": 2, none of them shown") {
			t.Errorf("%s is not there:\n%s", id, out)
		}
	}
	if n := strings.Count(out, "::error "); n != maxAnnotations {
		t.Errorf("%d annotations, want %d", n, maxAnnotations)
	}
}

func TestGroupsComeInOrder(t *testing.T) {
	var a, b Report
	add := func(r *Report, n int, id string, severity Severity) {
		for i := range n {
			r.Findings.Add(Finding{ID: id, Severity: severity, Object: Object{"commit", fmt.Sprintf("%040x", i)}})
		}
	}
	add(&a, 3, "unsigned", Error)
	add(&a, 1, "time-skew", Note)
	add(&a, 9, "not-logged", Warning)
	add(&b, 2, "unsigned", Error)
	add(&b, 4, "tag-moved", Error)
	add(&b, 4, "bad-signature", Error)
	add(&b, 1, "unsigned", Note)
	var got []string
	s := Merge([]*Report{&a, &b})
	for _, g := range s.groups(100, 4) {
		of := fmt.Sprint(g.id, " ", g.severity, " ", g.total, ":")
		for _, p := range g.shown {
			x := s.finding(p)
			if x.ID != g.id || x.Severity != g.severity {
				t.Errorf("group %s %s holds %+v", g.id, g.severity, x)
			}
			of += fmt.Sprint(" ", p.report, "/", strings.TrimLeft(x.Object.OID[:39], "0")+x.Object.OID[39:])
		}
		got = append(got, of)
	}
	want := []string{
		"bad-signature error 4: 1/0 1/1 1/2 1/3",
		"tag-moved error 4: 1/0 1/1 1/2 1/3",
		"unsigned error 5: 0/0 0/1 0/2 1/0",
		"not-logged warning 9: 0/0 0/1 0/2 0/3",
		"unsigned note 1: 1/0",
		"time-skew note 1: 0/0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAllotSharesTheRoom(t *testing.T) {
	for _, tt := range []struct {
		totals  []int
		n, each int
		want    []int
	}{
		{nil, 10, 10, nil},
		{[]int{1, 2, 3}, 10, 10, []int{1, 2, 3}},
		{[]int{1, 2, 3000}, 10, 10, []int{1, 2, 7}},
		{[]int{1, 2, 3000}, 10, 3, []int{1, 2, 3}},
		{[]int{5, 5, 5}, 10, 10, []int{4, 3, 3}},
		{[]int{3000, 1, 3000}, 10, 10, []int{5, 1, 4}},
		{[]int{9, 9, 9, 9}, 3, 10, []int{1, 1, 1, 0}},
		{[]int{9, 9}, 0, 10, []int{0, 0}},
		{[]int{9, 9}, 10, 0, []int{0, 0}},
	} {
		var groups []group
		for _, n := range tt.totals {
			groups = append(groups, group{total: n})
		}
		allot(groups, tt.n, tt.each)
		var got []int
		for _, g := range groups {
			got = append(got, g.room)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v, %d of them and %d each: %v, want %v", tt.totals, tt.n, tt.each, got, tt.want)
		}
	}
}

// TestUnknownIDsHideNoKnownOne has ids as a report may hold that was read.
func TestUnknownIDsHideNoKnownOne(t *testing.T) {
	r := new(Report)
	for i := range 3000 {
		r.Findings.Add(Finding{ID: fmt.Sprintf("made-up-%d", i), Severity: severities[i%3], Object: Object{"commit", sha1OID}})
	}
	for range 2 {
		r.Findings.Add(Finding{ID: "bad-signature", Severity: Error, Object: Object{"commit", needle}})
	}
	groups := Merge([]*Report{r}).groups(maxText, maxTextEach)
	if len(groups) > maxGroups+4 {
		t.Errorf("%d groups", len(groups))
	}
	sum, shown := 0, 0
	for _, g := range groups {
		sum += g.total
		shown += len(g.shown)
	}
	if sum != r.Findings.Len() || shown > maxText {
		t.Errorf("the groups hold %d findings and show %d, want %d and at most %d", sum, shown, r.Findings.Len(), maxText)
	}
	for _, format := range []string{"text", "markdown", "html", "junit", "github", "sarif"} {
		out := outputOfReport(t, format, r)
		if !strings.Contains(out, "bad-signature") {
			t.Errorf("%s: the bad signature is hidden", format)
		}
		if !strings.Contains(out, "other ids") && format != "sarif" && format != "junit" {
			t.Errorf("%s: ids are left out without a word", format)
		}
		checkOutput(t, format, out)
	}
}

// outputOfReport returns what a format makes of a report.
func outputOfReport(t *testing.T, format string, r *Report) string {
	t.Helper()
	var b strings.Builder
	w, err := NewWriter(format, &b, Config{VSA: VSAConfig{ResourceURI: "git+https://git.example.com/acme/app"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
