package report

import "gitseal/verifier"

// The classes that an audit gives besides those of package verifier.
const (
	Revoked         verifier.Class = "revoked"
	ExpiredKey      verifier.Class = "expired-key"
	UnknownKey      verifier.Class = "unknown-key"
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

// classes is every class, in the order of the totals, with its severity and
// what to do about an object of the class. docs/findings.md says more.
var classes = []struct {
	class    verifier.Class
	severity Severity
	hint     string
}{
	{verifier.Verified, Note, ""},
	{verifier.IdentityNotAllowed, Error, "if this signer is expected: gitseal policy allow SUBJECT --issuer ISSUER"},
	{verifier.BadSignature, Error, "find who changed it: gitseal show OID"},
	{verifier.BadLogProof, Error, "see which proof failed: gitseal show OID"},
	{verifier.UntrustedCertificate, Error, "if its authority is one of yours, trust it too: git config --add gitseal.trustedRoot /path/to/its/trusted_root.json"},
	{verifier.UntrustedLog, Error, "if the log is one of yours, trust it too: git config --add gitseal.trustedRoot /path/to/its/trusted_root.json"},
	{verifier.BadTime, Error, "see which times it carries: gitseal show OID"},
	{verifier.NotLogged, Warning, "have its entry looked up with --online, or give it with gitseal log import FILE; sign from now on with the entry embedded, so that it can be checked offline"},
	{Revoked, Error, "find out since when the key is not to be trusted"},
	{ExpiredKey, Error, "sign again with a key that is valid"},
	{UnknownKey, Warning, "get the signer's key from a source you trust"},
	{verifier.WeakAlgorithm, Error, "sign again; what made this signature is out of date"},
	{verifier.MalformedSignature, Error, "see what is there instead of a signature: git cat-file -p OID"},
	{verifier.UnsupportedSignature, Warning, "check it with the program that made it: git verify-commit OID, git verify-tag OID"},
	{Unsigned, Error, "sign from now on: gitseal init; then audit what comes after: gitseal audit OID..HEAD"},
	{MalformedObject, Error, "check the repository: git fsck; compare with another clone"},
	{MissingObject, Warning, "fetch what is missing, then audit again: git fetch; git fsck"},
	{Exempt, Note, ""},
}

// Classes returns every class, in the order of the totals.
func Classes() []verifier.Class {
	var all []verifier.Class
	for _, c := range classes {
		all = append(all, c.class)
	}
	return all
}

// SeverityOf returns what an object of a class does to the result. A class
// that is not known is an Error, for nothing is known that speaks for it.
func SeverityOf(class verifier.Class) Severity {
	if i := indexOf(class); i >= 0 {
		return classes[i].severity
	}
	return Error
}

// Hint returns what to do about an object of a class; empty for the good
// classes.
func Hint(class verifier.Class) string {
	if i := indexOf(class); i >= 0 {
		return classes[i].hint
	}
	return ""
}

// Judge returns the result that totals lead to. What could not be examined,
// although it should have been, is as much in doubt as what could not be
// told.
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

func indexOf(class verifier.Class) int {
	for i := range classes {
		if classes[i].class == class {
			return i
		}
	}
	return -1
}
