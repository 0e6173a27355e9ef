package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"
)

// How much WriteText shows: what a person reads in a moment. Who needs more
// wants it in a form that can be searched.
const (
	maxText     = 30  // findings
	maxTextEach = 3   // of them, of one id
	maxTextList = 5   // of anything else
	maxTextSet  = 20  // repositories
	maxTextName = 200 // characters of a name
	maxTextSays = 600 // characters of a message
	textWidth   = 80  // characters of a line, unless it holds a word that is longer
)

// WriteText writes the report for people to read. The first line says how
// complete it is, the second what the result rests on, and the last one is the
// result; the findings before it are the worst first, some of each id. Several
// reports get a line each, and their findings are told together.
//
// Bytes from git objects never steer a terminal: what is not printable is
// written as an escape sequence of Go.
//
// Lines are broken to fit 80 characters. NewWriter takes another width, or none.
func WriteText(w io.Writer, reports ...*Report) error { return textWriter(textWidth)(w, reports...) }

// textWriter returns WriteText for lines of a width; 0 breaks none.
func textWriter(width int) func(io.Writer, ...*Report) error {
	return func(w io.Writer, reports ...*Report) error {
		t := &text{w: bufio.NewWriter(w), width: width}
		if width <= 0 {
			t.width = math.MaxInt32
		}
		return t.write(reports)
	}
}

func (t *text) write(reports []*Report) error {
	s := Merge(reports)
	if r := s.single(); r != nil {
		t.whole("", "%s", r.completeness())
		t.line("", "%s", s.headline())
		t.totals(r.Totals)
		t.rules(r)
		t.signers(r.Signers)
		t.unknownKeys(r.UnknownKeys)
		t.continuity(r.Continuity)
		t.logs(r.Logs)
		t.omissions(r.NotExamined)
	} else {
		t.whole("", "%s", s.completeness())
		t.line("", "%s", s.headline())
		t.repositories(s)
		t.totals(s.Totals)
	}
	t.findings(s)
	t.w.WriteString("\n")
	t.whole("", "result: %s", s.Result)
	return writing(t.w.Flush())
}

// A text is lines on their way out. bufio keeps the first error for Flush.
type text struct {
	w     *bufio.Writer
	width int // characters of a line
}

// whole writes one line, however long: what programs read, and commands and
// digests, which people copy. What the arguments hold is made printable;
// strings that are safe as they are go into format.
func (t *text) whole(indent, format string, args ...any) {
	t.w.WriteString(indent + marked(fmt.Sprintf(format, args...)) + "\n")
}

// line writes one line as whole does, and goes on below where it would be too
// wide. What goes on is indented further than the lines of any list, so that it
// cannot be taken for one.
func (t *text) line(indent, format string, args ...any) {
	line := marked(fmt.Sprintf(format, args...))
	room := t.width - len(indent)
	for {
		head, tail := broken(line, room)
		t.w.WriteString(indent + head + "\n")
		if tail == "" {
			return
		}
		indent, room, line = textBelow, t.width-len(textBelow), tail
	}
}

// textBelow is before what goes on. Lists have less, hints too.
const textBelow = "        "

// marked returns a line that is printable, and says if it is about an embedded
// authority.
func marked(line string) string {
	line = printable(line)
	if mark := localMark(line); !strings.HasSuffix(line, mark) {
		line += mark
	}
	return line
}

// broken returns what of a line fits into room, and the rest. It breaks at the
// last space that fits, or if there is one in the second half at the last that
// follows a punctuation mark. A word that is too long stays whole.
func broken(line string, room int) (head, tail string) {
	space, pause, n := 0, 0, 0
	for i, c := range line {
		if n > room && space > 0 {
			break
		}
		if c == ' ' && i > 0 {
			space = i
			if n > room/2 && n <= room && strings.IndexByte(":;,", line[i-1]) >= 0 {
				pause = i
			}
		}
		n++
	}
	if n <= room || space == 0 {
		return line, ""
	}
	at := cmp.Or(pause, space)
	return line[:at], line[at+1:]
}

// head begins a section.
func (t *text) head(title string) { t.w.WriteString("\n" + title + "\n") }

// completeness says what the rest is worth. What was not examined is named in
// it; the reasons fit there if there is but one.
func (r *Report) completeness() string {
	left := "nothing"
	if groups := grouped(r.NotExamined); len(groups) == 1 {
		left = groups[0].What + " (" + groups[0].Reason + ")"
	} else if len(groups) > 1 {
		var what []string
		for _, o := range groups {
			what = append(what, o.What)
		}
		left = strings.Join(what, "; ")
	}
	return incomplete(r.Complete) + r.Totals.examined() + " examined; not examined: " + left
}

// completeness says it of a set.
func (s *Set) completeness() string {
	partly := 0
	for _, r := range s.Reports {
		if !r.Complete {
			partly++
		}
	}
	line := incomplete(s.Complete) + s.Totals.examined() + " of " + count(len(s.Reports), "repository") + " examined"
	if partly > 0 {
		line += "; not everything of " + thousands(partly) + " of them"
	}
	return line
}

func incomplete(complete bool) string {
	if complete {
		return ""
	}
	return "INCOMPLETE: "
}

func (t Totals) examined() string {
	return count(t.Commits, "commit") + " and " + count(t.Tags, "tag")
}

// headline returns the result and what it rests on, in one line.
func (s *Set) headline() string {
	good, doubt, bad := s.Totals.by(Note), s.Totals.by(Warning), s.Totals.by(Error)
	all := " of " + count(s.Totals.Examined, "object")
	var parts []string
	switch {
	case s.Result == Equivocation:
		parts = append(parts, "a log contradicts itself")
	case s.Result == Indeterminate && !s.Complete:
		parts = append(parts, "not everything was examined")
	case s.Result == Pass && s.Totals.Examined == 0:
		parts = append(parts, "there was nothing to examine")
	case s.Result == Pass:
		parts = append(parts, thousands(good)+all+are(good)+"good")
	}
	if bad > 0 {
		parts = append(parts, thousands(bad)+all+are(bad)+"bad")
		all = ""
	}
	if more := s.count(Error) - bad; more > 0 {
		parts = append(parts, count(more, other(bad)+"violation"))
	}
	if doubt > 0 {
		parts = append(parts, thousands(doubt)+all+" could not be told")
	}
	if more := s.count(Warning) - doubt; more > 0 {
		parts = append(parts, count(more, other(doubt)+"doubt"))
	}
	return strings.TrimSuffix(strings.ToUpper(string(s.Result))+": "+strings.Join(parts, "; "), ": ")
}

// other returns the word for what comes after n of them.
func other(n int) string {
	if n == 0 {
		return ""
	}
	return "other "
}

func are(n int) string {
	if n == 1 {
		return " is "
	}
	return " are "
}

// verdict returns the numbers of the result.
func (s *Set) verdict() string {
	good, doubt, bad := s.Totals.by(Note), s.Totals.by(Warning), s.Totals.by(Error)
	line := thousands(good) + " good"
	if doubt > 0 {
		line += ", " + thousands(doubt) + " could not be told"
	}
	if bad > 0 {
		line += ", " + thousands(bad) + " bad"
	}
	if more := s.count(Error) - bad; more > 0 {
		line += "; " + count(more, "other violation")
	}
	return line
}

// grouped returns one omission for each reason: the first of them, and how
// many more there are.
func grouped(omissions []Omission) []Omission {
	var groups []Omission
	more := make(map[string]int)
	for _, o := range omissions {
		if _, ok := more[o.Reason]; !ok {
			groups = append(groups, o)
		}
		more[o.Reason]++
	}
	for i := range groups {
		if n := more[groups[i].Reason] - 1; n > 0 {
			groups[i].What += fmt.Sprintf(" and %s more", thousands(n))
		}
	}
	return groups
}

func (t *text) totals(totals Totals) {
	if totals.Examined == 0 {
		return
	}
	t.head("classes")
	for _, class := range Classes() {
		if n := totals.Classes[class]; n > 0 {
			t.line("  ", "%-22s %9s  %s", class, thousands(n), meaning(SeverityOf(class)))
		}
	}
}

// meaning says what a severity does to the result, in words.
func meaning(severity Severity) string {
	switch severity {
	case Error:
		return "violation"
	case Warning:
		return "could not tell"
	}
	return "good"
}

// rules writes by which rules the audit judged.
func (t *text) rules(r *Report) {
	t.head("rules")
	if r.Policy == nil {
		t.whole("  ", "no policy: validity was judged, not who may sign")
	} else {
		t.whole("  ", "policy %s, %s", r.Policy.Source, r.Policy.Digest)
	}
	t.whole("  ", "trust %s, %s", strings.Join(r.Trust.Sources, ", "), r.Trust.Digest)
}
