package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// How much WriteMarkdown shows, so that it fits a comment: GitHub takes 65,536
// characters, GitLab a million.
const (
	maxMarkdown     = 50  // findings, and repositories
	maxMarkdownList = 20  // signers, keys and branches
	maxMarkdownText = 300 // characters of a message
)

// MarkdownMarker is the first line of WriteMarkdown's text, by which a comment
// is found again to update it in place. It is not shown.
const MarkdownMarker = "<!-- gitseal audit -->"

// WriteMarkdown writes the report in GitHub's Markdown, as a comment on a pull
// request: after the marker the result, then what it rests on, and the rest
// folded up. It holds no time of the audit, so that two audits of the same
// objects differ in nothing.
//
// All that was found in objects stands in code spans, where nothing is a link,
// a mention or HTML.
func WriteMarkdown(w io.Writer, reports ...*Report) error {
	m := &markdown{bufio.NewWriter(w)}
	s := Merge(reports)
	m.line("%s", MarkdownMarker)
	m.line("## gitseal audit: %s", markdownResult(s.Result))
	m.line("")
	if r := s.single(); r != nil {
		m.line("%s%s; not examined: %s.", markdownIncomplete(r.Complete), r.Totals.examined()+" examined", markdownOmissions(r.NotExamined))
	} else {
		m.line("%s.", s.completeness())
	}
	if s.Totals.Examined > 0 {
		m.line("")
		m.line("%s.", s.verdict())
	}
	m.findings(s)
	m.classes(s.Totals)
	if r := s.single(); r != nil {
		m.continuity(r.Continuity)
		m.signers(r.Signers)
		m.unknownKeys(r.UnknownKeys)
		m.rules(r)
	} else {
		m.repositories(s)
	}
	return writing(m.w.Flush())
}

// A markdown is text on its way out. bufio keeps the first error for Flush.
type markdown struct{ w *bufio.Writer }

// line writes a line. Strings among args are safe already: by markdownCode,
// or for being ours.
func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m.w, format+"\n", args...) }

// fold writes lines that are folded up under a title.
func (m *markdown) fold(title string, open bool, lines func()) {
	attribute := ""
	if open {
		attribute = " open"
	}
	m.line("")
	m.line("<details%s><summary>%s</summary>", attribute, title)
	m.line("")
	lines()
	m.line("")
	m.line("</details>")
}

func markdownResult(r Result) string {
	switch r {
	case Pass:
		return "✅ pass"
	case Violation:
		return "❌ violation"
	case Indeterminate:
		return "⚠️ indeterminate"
	case Equivocation:
		return "❌ equivocation: a log contradicts itself"
	}
	return markdownCode(string(r))
}

func markdownIncomplete(complete bool) string {
	if complete {
		return ""
	}
	return "**Incomplete:** "
}

func markdownOmissions(omissions []Omission) string {
	groups := grouped(omissions)
	if len(groups) == 0 {
		return "nothing"
	}
	var list []string
	for _, o := range groups[:min(len(groups), maxMarkdownList)] {
		list = append(list, markdownCode(o.What)+" ("+markdownCode(o.Reason)+")")
	}
	if more := len(groups) - maxMarkdownList; more > 0 {
		list = append(list, thousands(more)+" more")
	}
	return strings.Join(list, ", ")
}

// row writes a row of a table. No pipe of a cell gets there: it would end the
// cell, even within a code span, and some readers let a backslash before the
// backslash undo what escapes it.
func (m *markdown) row(cells ...string) {
	for _, cell := range cells {
		m.w.WriteString("| " + strings.ReplaceAll(cell, "|", `\x7c`) + " ")
	}
	m.w.WriteString("|\n")
}

// markdownCode returns a code span of s, on one line and of bounded length.
func markdownCode(s string) string {
	s = clip(s, maxMarkdownText)
	if s == "" {
		return "–"
	}
	// A span ends at as many backticks as it began with (CommonMark 6.1).
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " " // of which one at each end is not shown
	}
	return fence + s + fence
}

// markdownObject returns an object by its id, which the page of a commit may
// make a link of.
func markdownObject(o Object) string {
	if isID(o.OID) {
		return markdownWord(o.Type) + " " + o.OID
	}
	return markdownCode(o.String())
}

func markdownWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == "" {
		return s
	}
	return markdownCode(s)
}

func (m *markdown) classes(totals Totals) {
	if totals.Examined == 0 {
		return
	}
	m.fold("Classes", false, func() {
		m.line("| class | objects | |")
		m.line("|---|--:|---|")
		for _, class := range Classes() {
			if n := totals.Classes[class]; n > 0 {
				m.row(string(class), thousands(n), meaning(SeverityOf(class)))
			}
		}
	})
}

func (m *markdown) continuity(all []Continuity) {
	if len(all) == 0 {
		return
	}
	m.fold("Continuity", false, func() {
		m.line("| branch | |")
		m.line("|---|---|")
		for _, c := range foremost(all)[:min(len(all), maxMarkdownList)] {
			m.row(markdownCode(c.Ref), markdownCode(c.words()))
		}
		m.more(len(all) - maxMarkdownList)
	})
}

func (m *markdown) signers(signers []Signer) {
	if len(signers) == 0 {
		return
	}
	m.fold("Signers", false, func() {
		m.line("| signer | kind | objects | from | to |")
		m.line("|---|---|--:|---|---|")
		for _, s := range signers[:min(len(signers), maxMarkdownList)] {
			who := s.signer().String()
			m.row(markdownCode(who+localMark(who)), markdownWord(string(s.Kind)), thousands(s.Objects)+s.good(), day(s.First), day(s.Last)+s.claimed())
		}
		m.more(len(signers) - maxMarkdownList)
	})
}

func (m *markdown) unknownKeys(keys []UnknownKey) {
	if len(keys) == 0 {
		return
	}
	m.fold("Missing keys", false, func() {
		m.line("| key | kind | objects |")
		m.line("|---|---|--:|")
		for _, k := range keys[:min(len(keys), maxMarkdownList)] {
			m.row(markdownCode(k.Key), markdownWord(string(k.Kind)), thousands(k.Objects))
		}
		m.more(len(keys) - maxMarkdownList)
	})
}

// rules writes by which rules the audit judged.
func (m *markdown) rules(r *Report) {
	m.fold("Rules", false, func() {
		if r.Policy == nil {
			m.line("- no policy: validity was judged, not who may sign")
		} else {
			m.line("- policy %s, %s", markdownCode(r.Policy.Source), markdownCode(r.Policy.Digest.String()))
		}
		m.line("- trust %s, %s", markdownCode(strings.Join(r.Trust.Sources, ", ")), markdownCode(r.Trust.Digest.String()))
	})
}

func (m *markdown) repositories(s *Set) {
	if len(s.Reports) == 0 {
		return
	}
	m.fold("Repositories", true, func() {
		m.line("| repository | result | examined | |")
		m.line("|---|---|---|---|")
		for n, i := range s.byResult() {
			if n == maxMarkdown {
				break
			}
			r := s.Reports[i]
			m.row(markdownCode(s.name(i)), markdownResult(r.Result), markdownIncomplete(r.Complete)+r.Totals.examined(), Merge([]*Report{r}).verdict())
		}
		m.more(len(s.Reports) - maxMarkdown)
	})
}

func (m *markdown) more(n int) {
	if n > 0 {
		m.line("")
		m.line("… and %s more.", thousands(n))
	}
}
