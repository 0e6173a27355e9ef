package report

import (
	"fmt"
	"slices"
)

// mainBranches are the names that the branch that counts most has nearly
// everywhere.
var mainBranches = []string{"HEAD", "refs/heads/main", "refs/heads/master", "refs/heads/trunk"}

// foremost returns the branches with the main ones before the others, which
// stay as they come: where not all are shown, those are.
func foremost(all []Continuity) []Continuity {
	all = slices.Clone(all)
	rank := func(c *Continuity) int {
		if i := slices.Index(mainBranches, c.Ref); i >= 0 {
			return i
		}
		return len(mainBranches)
	}
	slices.SortStableFunc(all, func(a, b Continuity) int { return rank(&a) - rank(&b) })
	return all
}

// words says since when a branch is compliant, in one line.
func (c *Continuity) words() string {
	var line string
	switch {
	case c.Since == nil:
		line = "not compliant at its newest commit"
	case c.GapCount == 0:
		line = fmt.Sprintf("compliant throughout, %s since %s", count(c.Streak, "commit"), day(c.Since.Date))
	default:
		line = fmt.Sprintf("compliant since %s of %s, %s of %s", short(c.Since.OID), day(c.Since.Date), thousands(c.Streak), count(c.Commits, "commit"))
	}
	if c.GapCount > 0 {
		line += "; " + count(c.GapCount, "gap")
		if len(c.Gaps) > 0 {
			line += fmt.Sprintf(", the latest of %s up to %s of %s", count(c.Gaps[0].Commits, "commit"), short(c.Gaps[0].Newest.OID), day(c.Gaps[0].Newest.Date))
		}
	}
	if c.MergedBad > 0 {
		line += fmt.Sprintf("; %s of %s merged into it not compliant", thousands(c.MergedBad), count(c.Merged, "commit"))
	}
	return line
}
