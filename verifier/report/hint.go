package report

import (
	"cmp"
	"strings"
)

// Words in hints that stand for what a finding or a report has of its own, so
// that a million findings share one hint. They are words only where spaces,
// the marks of ranges and revisions, or commas and semicolons are around them.
const (
	oidWord     = "OID"     // the object's id
	explainWord = "EXPLAIN" // Report.Explain
)

// defaultExplain is the command where Report.Explain does not say another one.
const defaultExplain = "gitseal policy explain " + oidWord

// explain returns the command that explains the judgment of an object.
func (r *Report) explain(oid string) string {
	return replaceWord(cmp.Or(r.Explain, defaultExplain), oidWord, oid)
}

// hint returns what to do about a finding of the report, with its object in it.
// It is empty where it would be a command about an object and there is none.
func (r *Report) hint(x *Finding) string {
	hint := r.sharedHint(x.Hint)
	if isID(x.Object.OID) {
		return replaceWord(hint, oidWord, x.Object.OID)
	}
	if hasWord(hint, oidWord) {
		return ""
	}
	return hint
}

// sharedHint returns a hint that still has a word for the object.
func (r *Report) sharedHint(hint string) string {
	return replaceWord(hint, explainWord, cmp.Or(r.Explain, defaultExplain))
}

// ruleHint returns a hint about no object in particular.
func (r *Report) ruleHint(hint string) string {
	return replaceWord(r.sharedHint(hint), oidWord, "<id>")
}

// shareHint undoes what hint did to the hint of a finding that was read, so that it
// is kept once for all objects. What hint makes of it again is the same.
func (x *Finding) shareHint() {
	x.Hint = new(Report).hint(x)
	if isID(x.Object.OID) {
		x.Hint = replaceWord(x.Hint, x.Object.OID, oidWord)
	}
}

// hint returns the hint of a finding of the i-th report.
func (s *Set) hint(i int, x *Finding) string { return s.Reports[i].hint(x) }

// hasWord reports whether a word stands in s by itself.
func hasWord(s, word string) bool { return len(splitWord(s, word)) > 1 }

// replaceWord returns s with another word in the place of each that stands by
// itself.
func replaceWord(s, word, by string) string { return strings.Join(splitWord(s, word), by) }

// splitWord returns what is around a word wherever it stands by itself.
func splitWord(s, word string) []string {
	var parts []string
	from := 0
	for at := 0; ; {
		i := strings.Index(s[at:], word)
		if i < 0 {
			return append(parts, s[from:])
		}
		begin, end := at+i, at+i+len(word)
		if endsBefore(s[:begin]) && beginsAfter(s[end:]) {
			parts = append(parts, s[from:begin])
			from = end
		}
		at = end
	}
}

// endsBefore reports whether a word can begin after s.
func endsBefore(s string) bool {
	return s == "" || strings.HasSuffix(s, " ") || strings.HasSuffix(s, "..")
}

// beginsAfter reports whether a word can end before s.
func beginsAfter(s string) bool {
	return s == "" || strings.HasPrefix(s, "..") || strings.ContainsAny(s[:1], " ^,;")
}
