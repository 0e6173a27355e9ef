package report

import (
	"encoding/xml"
	"fmt"
	"testing"
)

type junitXML struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Suites   []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Cases    []struct {
			Class   string    `xml:"classname,attr"`
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// TestJUnitCountsItsCases checks that the numbers are those of the cases,
// whatever is left out.
func TestJUnitCountsItsCases(t *testing.T) {
	of := func(errors, warnings, notes int) *Report {
		r := sample()
		for i, n := range []int{errors, warnings, notes} {
			for k := range n {
				r.Findings.Add(Finding{"x", severities[i], Object{"commit", fmt.Sprintf("%040x", k)}, nil, "m", ""})
			}
		}
		return r
	}
	incomplete := sample()
	incomplete.Complete = false
	for _, tt := range []struct {
		name                    string
		reports                 []*Report
		tests, failures, errors int
	}{
		{"none", nil, 0, 0, 0},
		{"one", []*Report{sample()}, 7, 3, 1},
		{"incomplete", []*Report{incomplete}, 7, 3, 2},
		{"set", set(), 9, 3, 1},
		// The id of which some are left out has one case more.
		{"errors left out", []*Report{of(2000, 10, 10)}, 1003, 979, 11},
		{"warnings left out", []*Report{of(10, 2000, 10)}, 1003, 13, 977},
		{"notes left out", []*Report{of(10, 10, 2000)}, 1003, 13, 11},
	} {
		var doc junitXML
		if err := xml.Unmarshal([]byte(written(t, WriteJUnit, tt.reports...)), &doc); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if doc.Tests != tt.tests || doc.Failures != tt.failures || doc.Errors != tt.errors {
			t.Errorf("%s: %d tests, %d failures, %d errors, want %d, %d, %d", tt.name, doc.Tests, doc.Failures, doc.Errors, tt.tests, tt.failures, tt.errors)
		}
		var tests, failures, errors int
		for _, suite := range doc.Suites {
			f, e := 0, 0
			for _, c := range suite.Cases {
				if c.Class == "" || c.Name == "" {
					t.Errorf("%s: a case without a name: %+v", tt.name, c)
				}
				if c.Failure != nil {
					f++
				}
				if c.Error != nil {
					e++
				}
			}
			if suite.Tests != len(suite.Cases) || suite.Failures != f || suite.Errors != e {
				t.Errorf("%s: suite %s says %d, %d, %d, and has %d, %d, %d", tt.name, suite.Name, suite.Tests, suite.Failures, suite.Errors, len(suite.Cases), f, e)
			}
			tests, failures, errors = tests+len(suite.Cases), failures+f, errors+e
		}
		if tests != tt.tests || failures != tt.failures || errors != tt.errors {
			t.Errorf("%s: %d cases, %d failures, %d errors, want %d, %d, %d", tt.name, tests, failures, errors, tt.tests, tt.failures, tt.errors)
		}
	}
}
