package report

import "slices"

// A Set is several audits taken together, such as those of an organisation's
// repositories.
type Set struct {
	Tool     string    // of the first report
	Reports  []*Report // in the order in which they were given
	Totals   Totals    // the sum
	Complete bool      // each of them is
	Result   Result    // the worst; Indeterminate of none at all
}

// Merge takes reports together. It does not change them.
func Merge(reports []*Report) *Set {
	s := &Set{Reports: slices.Clone(reports), Complete: len(reports) > 0, Result: Indeterminate}
	for i, r := range reports {
		if i == 0 {
			s.Tool, s.Result = r.Tool, r.Result
		}
		s.Totals.add(r.Totals)
		s.Complete = s.Complete && r.Complete
		s.Result = worse(s.Result, r.Result)
	}
	return s
}

// single returns the report if there is but one, which formats write as
// itself.
func (s *Set) single() *Report {
	if len(s.Reports) == 1 {
		return s.Reports[0]
	}
	return nil
}

// name returns what a report's repository is called in a set: what its caller
// called it, or its number.
func (s *Set) name(i int) string {
	if location := s.Reports[i].Repository.Location; location != "" {
		return location
	}
	if len(s.Reports) == 1 {
		return ""
	}
	return "repository " + thousands(i+1)
}

// findings returns how many findings there are.
func (s *Set) findings() int {
	n := 0
	for _, r := range s.Reports {
		n += r.Findings.Len()
	}
	return n
}

// count returns how many findings there are of a severity.
func (s *Set) count(severity Severity) int {
	n := 0
	for _, r := range s.Reports {
		n += r.Findings.Count(severity)
	}
	return n
}
