package report

import "gitseal/verifier"

// The classes that an audit gives besides those of package verifier.
const (
	Unsigned        verifier.Class = "unsigned"
	MalformedObject verifier.Class = "malformed-object"
	MissingObject   verifier.Class = "missing-object"
	Exempt          verifier.Class = "exempt"
)

// LogFork is the finding that a transparency log contradicts itself. It is not
// a class: the signatures that show it may each be valid. It makes the result
// Equivocation.
const LogFork = "log-fork"

// LogForkHint is what to do about it.
const LogForkHint = "trust nothing that is proven by this log alone, and tell its operator and the other users: both checkpoints are signed by its key"

// A Severity is what a finding does to the result.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // makes the result a violation
	Warning Severity = "warning" // could not tell: makes it indeterminate, unless it is worse
	Note    Severity = "note"    // does nothing
)

// severities are all of them, the worst first.
var severities = []Severity{Error, Warning, Note}

// Classes returns every class, in the order of the totals.
func Classes() []verifier.Class {
	var all []verifier.Class
	for i := range descriptions[:classCount] {
		all = append(all, verifier.Class(descriptions[i].ID))
	}
	return all
}

// SeverityOf returns what an object of a class does to the result. A class
// that is not known is an Error, for nothing is known that speaks for it.
func SeverityOf(class verifier.Class) Severity {
	if i := indexOf(string(class)); i >= 0 && i < classCount {
		return descriptions[i].Severity
	}
	return Error
}

// Hint returns what to do about an object of a class, the word OID in it
// standing for the object's id; empty for the good classes.
func Hint(class verifier.Class) string {
	if i := indexOf(string(class)); i >= 0 && i < classCount {
		return descriptions[i].Hint
	}
	return ""
}

// Judge returns the result that totals and findings lead to. What could not be
// examined, although it should have been, is as much in doubt as what could
// not be told.
func Judge(totals Totals, findings *Findings, complete bool) Result {
	result := totals.Judge(complete)
	for id, n := range findings.ids() {
		switch {
		case id == LogFork:
			return Equivocation
		case n[Error] > 0:
			result = worse(result, Violation)
		case n[Warning] > 0:
			result = worse(result, Indeterminate)
		}
	}
	return result
}

// Judge returns the result that the totals alone lead to.
func (t Totals) Judge(complete bool) Result {
	result := Pass
	if !complete {
		result = Indeterminate
	}
	for class, n := range t.Classes {
		switch severity := SeverityOf(class); {
		case n == 0 || severity == Note:
		case severity == Error:
			return Violation
		default:
			result = Indeterminate
		}
	}
	return result
}

// results are all of them, the best first.
var results = []Result{Pass, Indeterminate, Violation, Equivocation}

// worse returns the worse of two results. One that is not known is worse than
// all.
func worse(a, b Result) Result {
	if badnessOf(b) > badnessOf(a) {
		return b
	}
	return a
}

func badnessOf(r Result) int {
	for i := range results {
		if results[i] == r {
			return i
		}
	}
	return len(results)
}

// by returns how many objects are of a class of that severity.
func (t Totals) by(severity Severity) int {
	sum := 0
	for class, n := range t.Classes {
		if SeverityOf(class) == severity {
			sum += n
		}
	}
	return sum
}

// add adds the totals of another audit.
func (t *Totals) add(u Totals) {
	t.Examined += u.Examined
	t.Commits += u.Commits
	t.Tags += u.Tags
	if t.Classes == nil {
		t.Classes = make(map[verifier.Class]int)
	}
	for class, n := range u.Classes {
		t.Classes[class] += n
	}
}
