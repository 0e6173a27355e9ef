package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"gitseal/verifier"
)

// How much WriteText shows. Who needs more wants it in a form that can be
// searched.
const (
	maxText     = 50 // findings, and repositories
	maxTextList = 10 // signers and branches
)

// WriteText writes the report for people to read. The first line says how
// complete it is, the last one the result; the findings between them are the
// worst first, and no more than fit a few screens. Several reports get a line
// each, and their findings are told together.
//
// Bytes from git objects never steer a terminal: what is not printable is
// written as an escape sequence of Go.
func WriteText(w io.Writer, reports ...*Report) error {
	t := &text{w: bufio.NewWriter(w)}
	s := Merge(reports)
	if r := s.single(); r != nil {
		t.completeness(r)
		t.verdict(s)
		t.totals(r.Totals)
		t.rules(r)
		t.signers(r.Signers)
		t.continuity(r.Continuity)
		t.logs(r.Logs)
		t.omissions(r.NotExamined)
	} else {
		t.line("", "%s", s.completeness())
		t.verdict(s)
		t.repositories(s)
		t.totals(s.Totals)
	}
	t.findings(s)
	t.w.WriteString("\n")
	t.line("", "result: %s", s.Result)
	return writing(t.w.Flush())
}

// A text is lines on their way out. bufio keeps the first error for Flush.
type text struct{ w *bufio.Writer }

// line writes one line. What the arguments hold is made printable; strings
// that are safe as they are go into format.
func (t *text) line(indent, format string, args ...any) {
	line := printable(fmt.Sprintf(format, args...))
	if mark := localMark(line); !strings.HasSuffix(line, mark) {
		line += mark
	}
	t.w.WriteString(indent + line + "\n")
}

// head begins a section.
func (t *text) head(title string) { t.w.WriteString("\n" + title + "\n") }

func (t *text) completeness(r *Report) { t.line("", "%s", r.completeness()) }

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

// verdict writes what the result says, in numbers.
func (t *text) verdict(s *Set) {
	if s.Totals.Examined > 0 {
		t.line("", "%s", s.verdict())
	}
}

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
		t.line("  ", "no policy: validity was judged, not who may sign")
	} else {
		t.line("  ", "policy %s, %s", r.Policy.Source, r.Policy.Digest)
	}
	t.line("  ", "trust %s, %s", strings.Join(r.Trust.Sources, ", "), r.Trust.Digest)
}

// signers writes who signed most, of each kind of signatures by itself.
func (t *text) signers(signers []Signer) {
	if len(signers) == 0 {
		return
	}
	t.head("signers")
	for kind, of := range byKind(signers) {
		indent := "  "
		if len(of) != len(signers) {
			t.line(indent, "%s", kind)
			indent += "  "
		}
		for _, s := range of[:min(len(of), maxTextList)] {
			t.line(indent, "%s: %s, %s to %s%s%s", s.signer(), count(s.Objects, "object"), day(s.First), day(s.Last), s.claimed(), s.role())
		}
		t.more(len(of)-maxTextList, "json")
	}
}

// byKind yields the signers of each kind, that with most objects first.
func byKind(signers []Signer) iter.Seq2[verifier.Kind, []Signer] {
	of := make(map[verifier.Kind][]Signer)
	objects := make(map[verifier.Kind]int)
	var kinds []verifier.Kind
	for _, s := range signers {
		if of[s.Kind] == nil {
			kinds = append(kinds, s.Kind)
		}
		of[s.Kind] = append(of[s.Kind], s)
		objects[s.Kind] += s.Objects
	}
	slices.SortStableFunc(kinds, func(a, b verifier.Kind) int { return cmp.Compare(objects[b], objects[a]) })
	return func(yield func(verifier.Kind, []Signer) bool) {
		for _, kind := range kinds {
			if !yield(kind, of[kind]) {
				return
			}
		}
	}
}

// signer returns the signer as verifier knows it.
func (s *Signer) signer() verifier.Signer {
	return verifier.Signer{Kind: s.Kind, Identity: verifier.Identity{Issuer: s.Issuer, Subject: s.Identity}, Key: s.Key}
}

// claimed returns what to add to times that nobody has proven.
func (s *Signer) claimed() string {
	if s.Times == ClaimedTimes {
		return " (claimed)"
	}
	return ""
}

func (s *Signer) role() string {
	if s.Role == "" {
		return ""
	}
	return ", a " + s.Role
}

// more says how many more there are than a section shows.
func (t *text) more(n int, format string) {
	if n > 0 {
		t.line("  ", "… and %s more, see --format %s", thousands(n), format)
	}
}

// continuity writes since when branches are compliant.
func (t *text) continuity(all []Continuity) {
	if len(all) == 0 {
		return
	}
	t.head("continuity")
	for i := range all[:min(len(all), maxTextList)] {
		t.line("  ", "%s: %s", all[i].Ref, all[i].words())
	}
	t.more(len(all)-maxTextList, "json")
}

func (t *text) logs(logs []Log) {
	if len(logs) == 0 {
		return
	}
	t.head("logs")
	for _, l := range logs {
		t.line("  ", "%s: %s, %s", l.Origin, count(l.Entries, "object"), l.size())
	}
}

// size says how much of the log was seen, in words.
func (l *Log) size() string {
	size := "no proof of its size seen"
	if l.LargestSize > 0 {
		size = "largest size seen " + strconv.FormatUint(l.LargestSize, 10)
	}
	if l.Consistency == Proven {
		size += ", all in the one history that the log shows now"
	}
	return size
}
