package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"strings"
)

// How much WriteHTML shows: what a page can hold that people scroll through.
const (
	maxHTML     = 1000 // findings
	maxHTMLList = 200  // of anything else
)

//go:embed html.css
var htmlStyle string

// WriteHTML writes the report as a page in HTML: one file that loads nothing
// and runs nothing, which its content security policy makes sure of. Findings
// are filtered by style sheet. It adapts to phones, dark mode and paper.
//
// What was found in objects is text and nothing else: it is never in a style,
// a link or a name.
func WriteHTML(w io.Writer, reports ...*Report) error {
	h := &page{markup{bufio.NewWriter(w)}, Merge(reports)}
	style := htmlStyle + filterStyle()
	digest := sha256.Sum256([]byte(style))
	h.put(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>gitseal audit: %s</title>
<style>%s</style>
</head>
<body>
`, raw(base64.StdEncoding.EncodeToString(digest[:])), string(h.set.Result), raw(style))
	h.verdict()
	h.put("<main>\n")
	if h.set.single() == nil {
		h.repositories()
	}
	h.timeline()
	h.classes()
	h.continuity()
	h.findings()
	h.signers()
	h.unknownKeys()
	h.evidence()
	h.put("</main>\n</body>\n</html>\n")
	return writing(h.w.Flush())
}

// A page is HTML on its way out.
type page struct {
	markup
	set *Set
}

// filterStyle returns the rules by which the boxes above the findings hide
// those that are not asked for: one for each severity, and each id.
func filterStyle() string {
	var b strings.Builder
	for _, severity := range severities {
		fmt.Fprintf(&b, "#s-%[1]s:checked~.list .f:not(.s-%[1]s),", severity)
	}
	for _, id := range append(IDs(), otherID) {
		fmt.Fprintf(&b, "#i-%[1]s:not(:checked)~.list .i-%[1]s,", id)
	}
	return strings.TrimSuffix(b.String(), ",") + "{display:none}\n"
}

// otherID stands for ids that are not known.
const otherID = "other"

// htmlID returns the id by which a finding is filtered.
func htmlID(id string) string {
	if indexOf(id) < 0 {
		return otherID
	}
	return id
}

// resultWords are what results say on a page: a mark that is not only a
// colour, a headline and what it means.
var resultWords = map[Result][3]string{
	Pass:          {"✓", "Pass", "Everything that was examined is good."},
	Violation:     {"✕", "Violation", "Something that was examined is bad."},
	Indeterminate: {"?", "Indeterminate", "Nothing is known to be bad, but not everything could be told."},
	Equivocation:  {"✕", "Equivocation", "A transparency log contradicts itself."},
}

// verdict writes the head of the page.
func (h *page) verdict() {
	s := h.set
	words, ok := resultWords[s.Result]
	class := string(s.Result)
	if !ok {
		words, class = [3]string{"?", string(s.Result), ""}, "unknown"
	}
	where, completeness := count(len(s.Reports), "repository"), s.completeness()
	if r := s.single(); r != nil {
		where, completeness = r.Repository.Location, r.completeness()
	}
	h.put(`<header class="r-%s">
<p class="eyebrow">gitseal audit</p>
<h1><span class="mark" aria-hidden="true">%s</span> %s</h1>
<p class="lead">%s</p>
`, class, words[0], words[1], words[2])
	if where != "" {
		h.put("<p class=\"where\">%s</p>\n", where)
	}
	class = "complete"
	if !s.Complete {
		class = "incomplete"
	}
	h.put("<p class=\"%s\">%s</p>\n<ul class=\"tiles\">\n", class, clip(completeness, 1000))
	t := s.Totals
	h.tile(t.Examined, "examined", "")
	h.tile(t.by(Note), "good"+share(t.by(Note), t.Examined), "good")
	h.tile(t.by(Warning), "could not tell", "doubt")
	h.tile(t.by(Error), "bad", "bad")
	if more := s.count(Error) - t.by(Error); more > 0 {
		h.tile(more, "other violations", "bad")
	}
	h.put("</ul>\n</header>\n")
}

// share returns how much n is of all, for people: never rounded up to all.
func share(n, all int) string {
	if all == 0 || n == 0 || n == all {
		return ""
	}
	return fmt.Sprintf(", %.1f %%", math.Floor(float64(n)/float64(all)*1000)/10)
}

func (h *page) tile(n int, what, class string) {
	if n == 0 {
		class = "none"
	}
	h.put("<li class=\"t-%s\"><b>%s</b> %s</li>\n", class, thousands(n), what)
}

// section begins a section, and returns what ends it.
func (h *page) section(id, title string) func() {
	h.put("<section id=\"%s\" aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">%s</h2>\n", id, id, id, title)
	return func() { h.put("</section>\n") }
}

// table begins a table, and returns what ends it. A column whose title begins
// with "#" holds numbers; empty ones are left out, as are their cells.
func (h *page) table(caption string, columns ...string) func() {
	h.put("<table>\n<caption>%s</caption>\n<thead><tr>", caption)
	for _, c := range columns {
		if name, number := strings.CutPrefix(c, "#"); number {
			h.put(`<th scope="col" class="n">%s</th>`, name)
		} else if c != "" {
			h.put(`<th scope="col">%s</th>`, c)
		}
	}
	h.put("</tr></thead>\n<tbody>\n")
	return func() { h.put("</tbody>\n</table>\n") }
}

// cell writes a cell, which on a phone stands below its column's title.
func (h *page) cell(title string, value any) {
	name, number := strings.CutPrefix(title, "#")
	class := ""
	if number {
		class = ` class="n"`
	}
	h.put(`<td data-th="%s"%s>%s</td>`, name, raw(class), value)
}

// row writes a row of the cells of columns.
func (h *page) row(columns []string, values ...any) {
	h.put("<tr>")
	for i, c := range columns {
		if c != "" {
			h.cell(c, values[i])
		}
	}
	h.put("</tr>\n")
}

// more says how many more there are than are shown.
func (h *page) more(n int) {
	if n > 0 {
		h.put("<p class=\"more\">… and %s more, see <code>--format json</code></p>\n", thousands(n))
	}
}

// repositoryColumn is the title of the column that says of which repository a
// row is, if there are several.
func (h *page) repositoryColumn() string {
	if h.set.single() != nil {
		return ""
	}
	return "Repository"
}

// badge returns a result as a word with a colour.
func badge(word string) raw { return mark(`<span class="badge b-%s">%s</span>`, htmlWord(word), word) }

// severityBadge returns a word with the colour of a severity.
func severityBadge(severity Severity, word string) raw {
	return mark(`<span class="badge b-%s">%s</span>`, htmlWord(string(severity)), word)
}

// htmlWord returns what may stand in an attribute that a style refers to.
func htmlWord(s string) string {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "unknown"
	}
	return s
}

// object returns an object's id in the type of code.
func object(oid string) raw { return mark("<code>%s</code>", clip(oid, 100)) }

// who returns a signer as text, and says if an embedded authority is all that
// vouches for it.
func who(text string) raw {
	if localMark(text) != "" {
		return mark(`%s <span class="badge b-warning">local authority</span>`, clip(text, 400))
	}
	return mark("%s", clip(text, 400))
}
