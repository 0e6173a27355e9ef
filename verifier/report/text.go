package report

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gitseal/verifier"
)

// maxText is how many findings, and how many signers, WriteText shows. Who
// needs more wants them in a form that can be searched.
const maxText = 50

// WriteText writes the report for people to read. The first line says how
// complete it is, the last one the result; the findings between them are the
// worst first, and no more than fit a few screens.
//
// Bytes from git objects never steer a terminal: what is not printable is
// written as an escape sequence of Go.
func WriteText(w io.Writer, r *Report) error {
	t := &text{w: bufio.NewWriter(w)}
	t.completeness(r)
	t.totals(r.Totals)
	t.rules(r)
	t.signers(r.Signers)
	t.logs(r.Logs)
	t.omissions(r.NotExamined)
	t.findings(&r.Findings)
	t.w.WriteString("\n")
	t.line("", "result: %s", r.Result)
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// A text is lines on their way out. bufio keeps the first error for Flush.
type text struct{ w *bufio.Writer }

// line writes one line. What the arguments hold is made printable; strings
// that are safe as they are go into format.
func (t *text) line(indent, format string, args ...any) {
	line := printable(fmt.Sprintf(format, args...))
	t.w.WriteString(indent + line + localMark(line) + "\n")
}

// head begins a section.
func (t *text) head(title string) { t.w.WriteString("\n" + title + "\n") }

// completeness writes the line that tells what the rest is worth. What was
// not examined is named in it; the reasons fit there if there is but one.
func (t *text) completeness(r *Report) {
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
	incomplete := ""
	if !r.Complete {
		incomplete = "INCOMPLETE: "
	}
	t.line("", "%s%s and %s examined; not examined: %s", incomplete,
		count(r.Totals.Commits, "commit"), count(r.Totals.Tags, "tag"), left)
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
			t.line("  ", "%-22s %9s  %s", class, thousands(n), meaning(class))
		}
	}
}

// meaning says what a class does to the result, in words.
func meaning(class verifier.Class) string {
	switch SeverityOf(class) {
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
		t.line("  ", "no policy: validity was judged, not who may sign")
	} else {
		t.line("  ", "policy %s, %s", r.Policy.Source, r.Policy.Digest)
	}
	t.line("  ", "trust %s, %s", strings.Join(r.Trust.Sources, ", "), r.Trust.Digest)
}

func (t *text) signers(signers []Signer) {
	if len(signers) == 0 {
		return
	}
	t.head("signers")
	for _, s := range signers[:min(len(signers), maxText)] {
		id := verifier.Identity{Issuer: s.Issuer, Subject: s.Identity}
		t.line("  ", "%s: %s, %s to %s", id, count(s.Objects, "object"), day(s.First), day(s.Last))
	}
	t.more(len(signers) - maxText)
}

// more says how many more there are than a section shows.
func (t *text) more(n int) {
	if n > 0 {
		t.line("  ", "… and %s more, see --format json", thousands(n))
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (t *text) logs(logs []Log) {
	if len(logs) == 0 {
		return
	}
	t.head("logs")
	for _, l := range logs {
		size := "no proof of its size seen"
		if l.LargestSize > 0 {
			size = "largest size seen " + strconv.FormatUint(l.LargestSize, 10)
		}
		if l.Consistency == Proven {
			size += ", all in the one history that the log shows now"
		}
		t.line("  ", "%s: %s, %s", l.Origin, count(l.Entries, "object"), size)
	}
}

// omissions writes why what was not examined was not, unless the first line
// says it.
func (t *text) omissions(omissions []Omission) {
	groups := grouped(omissions)
	if len(groups) < 2 {
		return
	}
	t.head("not examined")
	for _, o := range groups {
		t.line("  ", "%s: %s", o.What, o.Reason)
	}
}

// findings writes the findings, the worst first. A hint that several in a row
// share stands below the last of them.
func (t *text) findings(findings *Findings) {
	if findings.Len() == 0 {
		return
	}
	t.head("findings")
	shown, hint := 0, ""
	flush := func() {
		if hint != "" {
			t.line("    ", "hint: %s", hint)
		}
	}
	for x := range worstFirst(findings) {
		if shown == maxText {
			break
		}
		if x.Hint != hint {
			flush()
		}
		hint = x.Hint
		who := ""
		if x.Identity != nil && !strings.Contains(x.Message, x.Identity.String()) {
			who = " by " + x.Identity.String()
		}
		t.line("  ", "%s: %s %s%s: %s", x.ID, x.Object.Type, x.Object.OID, who, x.Message)
		shown++
	}
	flush()
	t.more(findings.Len() - maxText)
}

// worstFirst yields the findings by severity, and within one in their order.
func worstFirst(findings *Findings) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		for _, severity := range []Severity{Error, Warning, Note} {
			for x := range findings.All() {
				if x.Severity == severity && !yield(x) {
					return
				}
			}
		}
	}
}

// localMark returns what to add to a line about an embedded authority, whose
// signatures prove nothing beyond the machine that made them. Its issuers and
// hosts have names that no other can have.
func localMark(line string) string {
	if strings.Contains(line, "gitseal:local:") || strings.Contains(line, ".gitseal.internal") {
		return " [local authority]"
	}
	return ""
}

// printable returns s with every byte and rune that is not printable, or not
// UTF-8, as its escape sequence: control characters, and the marks that
// change the direction or the look of what follows.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			break
		}
		b.WriteRune(r)
	}
	if b.Len() == len(s) {
		return s
	}
	for i := b.Len(); i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

// count returns a number and what it counts.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// thousands returns n with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
