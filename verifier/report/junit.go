package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"gitseal/verifier"
)

// maxJUnit is how many findings WriteJUnit writes of each report: CI systems
// show each as a test, and few take many thousands. If these are not all, a
// test case for each id says how many there are.
const maxJUnit = 1000

// WriteJUnit writes the report as JUnit's XML: a test suite for each
// repository. Its test cases are first whether everything was examined, then
// each class that is good, and then the findings, the worst first: a violation
// is a failure, what could not be told an error, a note a case that passed.
func WriteJUnit(w io.Writer, reports ...*Report) error {
	j := &junit{markup{bufio.NewWriter(w)}}
	s := Merge(reports)
	var suites []junitSuite
	var sum junitSuite
	for i := range s.Reports {
		suite := junitSuiteOf(s, i)
		suites = append(suites, suite)
		sum.tests += suite.tests
		sum.failures += suite.failures
		sum.errors += suite.errors
	}
	j.line(0, `<?xml version="1.0" encoding="UTF-8"?>`)
	j.line(0, `<testsuites name="gitseal audit" tests="%d" failures="%d" errors="%d">`, sum.tests, sum.failures, sum.errors)
	for i := range suites {
		j.suite(s.Reports[i], &suites[i])
	}
	j.line(0, "</testsuites>")
	return writing(j.w.Flush())
}

// A junitSuite is what has to be known of a suite before its test cases.
type junitSuite struct {
	name                    string
	tests, failures, errors int
	groups                  []group
}

func junitSuiteOf(s *Set, i int) junitSuite {
	r := s.Reports[i]
	suite := junitSuite{name: cmp.Or(s.name(i), "repository")}
	suite.add(1+len(goodClasses(r.Totals)), Note)
	if !r.Complete {
		suite.errors++
	}
	suite.groups = Merge([]*Report{r}).tally()
	allot(suite.groups, maxJUnit, maxJUnit)
	for _, g := range suite.groups {
		suite.add(g.room, g.severity)
		if g.room < g.total {
			suite.add(1, g.severity)
		}
	}
	return suite
}

// add counts test cases of a severity.
func (s *junitSuite) add(n int, severity Severity) {
	s.tests += n
	switch severity {
	case Error:
		s.failures += n
	case Warning:
		s.errors += n
	}
}

// goodClasses returns the good classes of which there are objects.
func goodClasses(t Totals) []verifier.Class {
	var good []verifier.Class
	for _, class := range Classes() {
		if t.Classes[class] > 0 && SeverityOf(class) == Note {
			good = append(good, class)
		}
	}
	return good
}

// A junit is XML on its way out.
type junit struct{ markup }

// line writes one line.
func (j *junit) line(depth int, format string, args ...any) {
	j.put("%s", raw(strings.Repeat("  ", depth)))
	j.put(format+"\n", args...)
}

func (j *junit) suite(r *Report, suite *junitSuite) {
	timing := ""
	if isDate(r.StartedAt) && isDate(r.FinishedAt) {
		timing = fmt.Sprintf(` timestamp="%s" time="%.3f"`, r.StartedAt.UTC().Format("2006-01-02T15:04:05"), max(0, r.FinishedAt.Sub(r.StartedAt).Seconds()))
	}
	j.line(1, `<testsuite name="%s" tests="%d" failures="%d" errors="%d" skipped="0"`+timing+`>`, suite.name, suite.tests, suite.failures, suite.errors)
	j.line(2, `<properties>`)
	for _, p := range [][2]string{{"tool", r.Tool}, {"result", string(r.Result)}, {"trust", r.Trust.Digest.String()}, {"policy", policyDigest(r)}} {
		j.line(3, `<property name="%s" value="%s"/>`, p[0], p[1])
	}
	j.line(2, `</properties>`)
	completeness := Note
	if !r.Complete {
		completeness = Warning
	}
	j.testCase(completeness, "completeness", "everything was examined", r.completeness(), "")
	for _, class := range goodClasses(r.Totals) {
		j.testCase(Note, string(class), "all objects of the class", count(r.Totals.Classes[class], "object"), "")
	}
	s := Merge([]*Report{r})
	s.fill(suite.groups)
	for i := range suite.groups {
		g := &suite.groups[i]
		for _, p := range g.shown {
			x := s.finding(p)
			j.testCase(x.Severity, x.ID, cmp.Or(x.Object.String(), x.Message), x.about(), r.hint(&x))
		}
		if g.cut() {
			j.testCase(g.severity, g.name(), "all findings of the id", g.extent(), "see --format json")
		}
		g.shown = nil // there may be many suites
	}
	j.line(1, `</testsuite>`)
}

func policyDigest(r *Report) string {
	if r.Policy == nil {
		return "none"
	}
	return r.Policy.Digest.String()
}

// testCase writes a test case: a failure, an error, or one that passed.
func (j *junit) testCase(severity Severity, id, name, message, hint string) {
	element := map[Severity]string{Error: "failure", Warning: "error"}[severity]
	j.line(2, `<testcase classname="%s" name="%s" time="0">`, id, name)
	if element == "" {
		j.line(3, `<system-out>%s</system-out>`, message)
	} else {
		j.line(3, `<`+element+` type="%s" message="%s">%s</`+element+`>`, id, message, hint)
	}
	j.line(2, `</testcase>`)
}
