package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitseal/verifier"
)

// maxColumns is how many columns a timeline has at most.
const maxColumns = 120

// A column is the commits of a month, or a year, by what they are: as in
// timelineParts.
type column struct {
	label string
	n     [7]int
}

func (c *column) sum() int {
	sum := 0
	for _, n := range c.n {
		sum += n
	}
	return sum
}

// timelineParts are what a column is made of, from the bottom up: the class in
// the style sheet, and the words.
var timelineParts = [7][2]string{
	{"k-keyless", "keyless"}, {"k-openpgp", "openpgp"}, {"k-ssh", "ssh"}, {"k-x509", "x509"},
	{"k-exempt", "exempt"}, {"k-other", "signed, not good"}, {"k-none", "unsigned"},
}

// timeline writes how many of the commits of each month were signed, and how.
func (h *page) timeline() {
	columns, unknown := h.columns()
	if len(columns) == 0 && unknown == 0 {
		return
	}
	defer h.section("coverage", "Coverage")()
	unit := "month"
	if len(columns) > 0 && len(columns[0].label) == 4 {
		unit = "year"
	}
	h.put("<p>How the commits of each %s are signed, by the dates that committers' clocks showed.</p>\n", unit)
	if len(columns) > 0 {
		var used [7]int
		for i := range columns {
			for k, n := range columns[i].n {
				used[k] += n
			}
		}
		h.put("<ul class=\"legend\">")
		for k, part := range timelineParts {
			if used[k] > 0 {
				h.put(`<li><span class="key %s" aria-hidden="true"></span> %s <b>%s</b></li>`, part[0], part[1], thousands(used[k]))
			}
		}
		h.put("</ul>\n")
		h.chart(columns, unit)
		h.timelineTable(columns, used, unit)
	}
	if unknown > 0 {
		h.put("<p class=\"more\">Not shown: %s with a date that is none, or far from the others.</p>\n", count(unknown, "commit"))
	}
}

// Heights of the two parts of the chart, in pixels.
const (
	shareHeight  = 160
	volumeHeight = 44
)

// chart draws the columns: above the share of each part, below how many
// commits there were. Widths are in percent, heights in pixels, so that it
// fills any screen and letters are not stretched.
func (h *page) chart(columns []column, unit string) {
	most := 0
	for i := range columns {
		most = max(most, columns[i].sum())
	}
	h.put("<figure class=\"chart\">\n<div class=\"axis\" aria-hidden=\"true\"><span>100 %%</span><span>50 %%</span><span>0</span></div>\n")
	h.put(`<svg class="plot" width="100%%" height="%d" role="img" aria-label="Share of commits by kind of signature, for each %s from %s to %s; the table below has the numbers">`+"\n",
		shareHeight, unit, columns[0].label, columns[len(columns)-1].label)
	h.put(`<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" class="hatch-back"/><rect width="2.5" height="6" class="hatch-line"/></pattern></defs>` + "\n")
	for _, y := range []int{0, shareHeight / 2, shareHeight} {
		h.put(`<line class="grid" x1="0" x2="100%%" y1="%d" y2="%d"/>`, y, y)
	}
	pitch := 100 / float64(len(columns))
	for i := range columns {
		c := &columns[i]
		h.put("\n<g><title>%s</title>", c.words())
		top, sum := float64(shareHeight), c.sum()
		for k, n := range c.n {
			if n == 0 {
				continue
			}
			height := float64(shareHeight) * float64(n) / float64(sum)
			top -= height
			h.put(`<rect class="%s" x="%.3f%%" y="%.2f" width="%.3f%%" height="%.2f"/>`, timelineParts[k][0], (float64(i)+0.1)*pitch, top, 0.8*pitch, height)
		}
		h.put("</g>")
	}
	h.put("\n</svg>\n<div class=\"axis low\" aria-hidden=\"true\"><span>%s</span><span>commits</span></div>\n", thousands(most))
	h.put(`<svg class="plot" width="100%%" height="%d" aria-hidden="true">`, volumeHeight+18)
	for i := range columns {
		height := float64(volumeHeight) * float64(columns[i].sum()) / float64(max(most, 1))
		h.put(`<rect class="volume" x="%.3f%%" y="%.2f" width="%.3f%%" height="%.2f"/>`, (float64(i)+0.1)*pitch, volumeHeight-height, 0.8*pitch, height)
	}
	for _, i := range labelled(columns) {
		anchor := "middle"
		if i == 0 {
			anchor = "start"
		} else if i == len(columns)-1 {
			anchor = "end"
		}
		x := map[string]float64{"start": 0, "middle": (float64(i) + 0.5) * pitch, "end": 100}[anchor]
		h.put(`<text x="%.3f%%" y="%d" text-anchor="%s">%s</text>`, x, volumeHeight+14, anchor, columns[i].label)
	}
	h.put("\n</svg>\n</figure>\n")
}

// labelled returns which columns have their names below them: few enough for a
// phone.
func labelled(columns []column) []int {
	last := len(columns) - 1
	switch {
	case last < 1:
		return []int{0}
	case last < 4:
		return []int{0, last}
	}
	return []int{0, last / 2, last}
}

// words says what a column shows.
func (c *column) words() string {
	var parts []string
	for k, n := range c.n {
		if n > 0 {
			parts = append(parts, thousands(n)+" "+timelineParts[k][1])
		}
	}
	if len(parts) == 0 {
		return c.label + ": no commits"
	}
	return c.label + ": " + strings.Join(parts, ", ")
}

// timelineTable writes the numbers of the chart.
func (h *page) timelineTable(all []column, used [7]int, unit string) {
	h.put("<details><summary>The numbers</summary>\n")
	titles := []string{strings.ToUpper(unit[:1]) + unit[1:]}
	for k, part := range timelineParts {
		if used[k] > 0 {
			titles = append(titles, "#"+part[1])
		}
	}
	end := h.table("Commits by kind of signature", titles...)
	for _, c := range all {
		values := []any{c.label}
		for k, n := range c.n {
			if used[k] > 0 {
				values = append(values, thousands(n))
			}
		}
		h.row(titles, values...)
	}
	end()
	h.put("</details>\n")
}

// columns returns the columns of the chart, oldest first, and how many commits
// are in none. Months without commits have their column too. Where there
// would be too many the columns are years; and if somebody's clock showed a
// year far from the others, years without commits have none.
func (h *page) columns() ([]column, int) {
	months, unknown := h.months()
	if len(months) == 0 {
		return nil, unknown
	}
	keys := slices.Sorted(maps.Keys(months))
	first, _ := time.Parse("2006-01", keys[0])
	last, _ := time.Parse("2006-01", keys[len(keys)-1])
	if n := (last.Year()-first.Year())*12 + int(last.Month()-first.Month()); n < maxColumns {
		var columns []column
		for t := first; !t.After(last); t = t.AddDate(0, 1, 0) {
			label := t.Format("2006-01")
			columns = append(columns, column{label, months[label]})
		}
		return columns, unknown
	}
	years := make(map[string][7]int)
	for month, n := range months {
		years[month[:4]] = added(years[month[:4]], n)
	}
	var columns []column
	for _, year := range slices.Sorted(maps.Keys(years)) {
		columns = append(columns, column{year, years[year]})
	}
	if n := last.Year() - first.Year(); n < maxColumns {
		columns = nil
		for y := first.Year(); y <= last.Year(); y++ {
			label := fmt.Sprintf("%04d", y)
			columns = append(columns, column{label, years[label]})
		}
	}
	if len(columns) > maxColumns {
		// Those with most commits: a clock that is wrong is so now and then.
		slices.SortStableFunc(columns, func(a, b column) int { return cmp.Compare(b.sum(), a.sum()) })
		for i := range columns[maxColumns:] {
			unknown += columns[maxColumns+i].sum()
		}
		columns = columns[:maxColumns]
		slices.SortFunc(columns, func(a, b column) int { return cmp.Compare(a.label, b.label) })
	}
	return columns, unknown
}

// months returns the months of all reports, and how many commits have none.
func (h *page) months() (map[string][7]int, int) {
	months := make(map[string][7]int)
	unknown := 0
	for _, r := range h.set.Reports {
		for _, m := range r.Months {
			n := [7]int{m.Good[verifier.Keyless], m.Good[verifier.OpenPGP], m.Good[verifier.SSH], m.Good[verifier.X509], m.Exempt, m.Other, m.None}
			if _, err := time.Parse("2006-01", m.Month); err != nil || len(m.Month) != len("2006-01") {
				c := column{n: n}
				unknown += c.sum()
				continue
			}
			months[m.Month] = added(months[m.Month], n)
		}
	}
	return months, unknown
}

func added(a, b [7]int) [7]int {
	for i := range a {
		a[i] += b[i]
	}
	return a
}
