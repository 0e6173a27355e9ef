package report

import (
	"bufio"
	"io"
	"iter"
	"strings"
)

// maxAnnotations is how many annotations of a kind GitHub shows of one step.
const maxAnnotations = 10

// commands are the workflow commands of the severities.
var commands = map[Severity]string{Error: "error", Warning: "warning", Note: "notice"}

// WriteGitHub writes the report as workflow commands of GitHub Actions, which
// make annotations of them: the findings, the worst first, at most ten of a
// severity. If these are not all, some of each id are shown, the rarest ids
// first, and the tenth says how many there are of which id. Last comes a line
// with the result that is no command.
//
// Bytes from git objects never make a command of their own.
func WriteGitHub(w io.Writer, reports ...*Report) error {
	b := bufio.NewWriter(w)
	s := Merge(reports)
	if !s.Complete {
		line := s.completeness()
		if r := s.single(); r != nil {
			line = r.completeness()
		}
		annotate(b, Warning, "audit is incomplete", clip(line, 500))
	}
	groups := s.tally()
	for of := range bySeverity(groups) {
		room := maxAnnotations
		if of[0].severity == Warning && !s.Complete {
			room--
		}
		if n := s.count(of[0].severity); n > room {
			room--
		}
		allot(of, room, room)
	}
	s.fill(groups)
	for of := range bySeverity(groups) {
		annotateGroups(b, s, of)
	}
	b.WriteString("gitseal audit: " + s.Totals.examined() + " examined, result: " + printable(string(s.Result)) + "\n")
	return writing(b.Flush())
}

// bySeverity yields the groups of each severity.
func bySeverity(groups []group) iter.Seq[[]group] {
	return func(yield func([]group) bool) {
		for len(groups) > 0 {
			n := 1
			for n < len(groups) && groups[n].severity == groups[0].severity {
				n++
			}
			if !yield(groups[:n]) {
				return
			}
			groups = groups[n:]
		}
	}
}

// annotateGroups writes the findings of one severity.
func annotateGroups(b *bufio.Writer, s *Set, groups []group) {
	more, rest := 0, ""
	for i := range groups {
		g := &groups[i]
		for _, p := range g.shown {
			x := s.finding(p)
			title := x.ID
			if s.single() == nil {
				title = s.name(p.report) + ": " + x.ID
			}
			message := clip(x.about(), 1000)
			if hint := s.hint(p.report, &x); hint != "" {
				message += "\n" + clip("hint: "+hint, 500)
			}
			annotate(b, x.Severity, clip(title, 200), message)
		}
		if g.cut() {
			more += g.total - len(g.shown)
			rest += "\n" + clip(g.name(), 100) + ": " + g.extent()
		}
	}
	if more > 0 {
		annotate(b, groups[0].severity, "more findings", count(more, "more finding")+" of this severity, see --format json"+rest)
	}
}

// What is escaped in a command's message, and besides in its properties: as
// GitHub's own toolkit does.
var (
	escapeMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func annotate(b *bufio.Writer, severity Severity, title, message string) {
	b.WriteString("::" + commands[severity] + " title=" + escapeProperty.Replace("gitseal: "+title) + "::" + escapeMessage.Replace(message) + "\n")
}
