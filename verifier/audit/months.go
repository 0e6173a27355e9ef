package audit

import (
	"slices"
	"strings"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

// maxMonths bounds the months that are told apart: those of two centuries.
// Clocks that show others are wrong.
const maxMonths = 2400

// unknownMonth is that of commits whose date is none, or is one too many.
const unknownMonth = "unknown"

// addMonth counts a commit by the month of its committer's date.
func (c *collector) addMonth(f *facts, class verifier.Class) {
	name := unknownMonth
	if !f.date.IsZero() {
		name = f.date.Format("2006-01")
	}
	m := c.months[name]
	if m == nil && len(c.months) >= maxMonths {
		name = unknownMonth
		m = c.months[name]
	}
	if m == nil {
		m = &report.Month{Month: name, Good: make(map[verifier.Kind]int)}
		c.months[name] = m
	}
	switch {
	case class == report.Unsigned:
		m.None++
	case class == report.Exempt:
		m.Exempt++
	case class == verifier.Verified:
		m.Good[f.signer.Kind]++
	default:
		m.Other++
	}
}

// monthly returns the months in their order; the unknown one is last.
func (c *collector) monthly() []report.Month {
	var all []report.Month
	for _, m := range c.months {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b report.Month) int { return strings.Compare(a.Month, b.Month) })
	return all
}
