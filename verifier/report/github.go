package report

import (
	"bufio"
	"io"
	"strings"
)

// maxAnnotations is how many annotations of a kind GitHub shows of one step.
const maxAnnotations = 10

// commands are the workflow commands of the severities.
var commands = map[Severity]string{Error: "error", Warning: "warning", Note: "notice"}

// WriteGitHub writes the report as workflow commands of GitHub Actions, which
// make annotations of them: the findings, the worst first, at most ten of a
// severity, of which the last one says how many more there are. Last comes a
// line with the result that is no command.
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
	left := make(map[Severity]int)
	for _, severity := range severities {
		left[severity] = s.count(severity)
	}
	room := map[Severity]int{Error: maxAnnotations, Warning: maxAnnotations, Note: maxAnnotations}
	if !s.Complete {
		room[Warning]--
	}
	for i, x := range s.worstFirst() {
		if left[x.Severity] == 0 || room[x.Severity] == 0 {
			continue
		}
		room[x.Severity]--
		if room[x.Severity] == 0 && left[x.Severity] > 1 {
			annotate(b, x.Severity, "more findings", count(left[x.Severity], "more finding")+" of this severity, see --format json")
			left[x.Severity] = 0
			continue
		}
		left[x.Severity]--
		title := x.ID
		if s.single() == nil {
			title = s.name(i) + ": " + x.ID
		}
		message := clip(x.about(), 1000)
		if x.Hint != "" {
			message += "\n" + clip("hint: "+x.Hint, 500)
		}
		annotate(b, x.Severity, clip(title, 200), message)
	}
	b.WriteString("gitseal audit: " + s.Totals.examined() + " examined, result: " + printable(string(s.Result)) + "\n")
	return writing(b.Flush())
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
