package audit

import (
	"fmt"
	"slices"
	"strings"

	"gitseal/verifier/report"
)

// A line is a branch along its first parents, from the newest commit on.
type line struct {
	report.Continuity
	broken bool // a commit on it was not compliant
	inGap  bool // the last one was not
}

// addLines says which tips continuity is told of: those that rules are for
// before others, and no more than fit a set of branches.
func (c *collector) addLines() {
	var ruled, free []tip
	for _, t := range c.scope.tips {
		if c.rulesOf(t.ref) == "" {
			free = append(free, t)
		} else {
			ruled = append(ruled, t)
		}
	}
	tips := append(ruled, free...)
	for _, t := range tips {
		branch := -1
		if len(c.lines) < maxBranches {
			branch = len(c.lines)
			c.lines = append(c.lines, &line{Continuity: report.Continuity{Ref: t.name, OID: t.oid}})
		}
		rules := c.rulesOf(t.ref)
		c.graph.name(t.oid, rules, c.asksForSeveral(rules), branch)
	}
	if more := len(tips) - len(c.lines); more > 0 {
		c.omissions = append(c.omissions, report.Omission{
			What:   fmt.Sprintf("continuity of %d more branches", more),
			Reason: fmt.Sprintf("it is told of %d, those that rules are for before others; their commits were examined", maxBranches),
		})
	}
	for _, oid := range c.scope.commits {
		if _, ok := c.graph.open[oid]; !ok {
			c.graph.name(oid, "", false, -1)
		}
	}
}

// A compliance is what a commit is worth for continuity.
type compliance int

const (
	compliant compliance = iota
	wanting              // it should be, and is not
	before               // it is from before the baseline, when nothing was asked for
)

// addToLines adds a commit to the branches that reach it.
func (c *collector) addToLines(n node, at report.Point, worth compliance) {
	if n.reach == (branches{}) {
		return
	}
	for i, l := range c.lines {
		switch {
		case n.line.has(i):
			l.add(at, worth)
		case n.reach.has(i):
			l.Merged++
			if worth == wanting {
				l.MergedBad++
			}
		}
	}
}

// add adds the next older commit.
func (l *line) add(at report.Point, worth compliance) {
	l.Commits++
	if worth == compliant && !l.broken {
		l.Since = &report.Point{OID: at.OID, Date: at.Date}
		l.Streak++
	}
	if worth != compliant {
		l.broken = true
	}
	if worth != wanting {
		l.inGap = false
		return
	}
	last := len(l.Gaps) - 1
	switch {
	case !l.inGap:
		l.inGap = true
		l.GapCount++
		if l.GapCount <= report.MaxGaps {
			l.Gaps = append(l.Gaps, report.Gap{Newest: at, Oldest: at, Commits: 1})
		}
	case l.GapCount <= report.MaxGaps:
		l.Gaps[last].Oldest = at
		l.Gaps[last].Commits++
	}
}

// continuity returns the lines as the report has them, by name.
func (c *collector) continuity() []report.Continuity {
	var all []report.Continuity
	for _, l := range c.lines {
		all = append(all, l.Continuity)
	}
	slices.SortStableFunc(all, func(a, b report.Continuity) int { return strings.Compare(a.Ref, b.Ref) })
	return all
}
