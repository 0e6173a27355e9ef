package report

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// placeholder finds the words that hints have instead of what a finding has.
var placeholder = regexp.MustCompile(`\b(OID|EXPLAIN|OLD|SUBJECT|ISSUER)\b`)

// TestHintsNameTheObject has every finding with its hint, in every format.
func TestHintsNameTheObject(t *testing.T) {
	r := &Report{Policy: &Policy{Source: "rules.toml"}, Explain: "gitseal audit --policy rules.toml --explain OID"}
	for _, d := range descriptions {
		r.Findings.Add(Finding{d.ID, d.Severity, Object{"commit", needle}, nil, "m", d.Hint})
	}
	r.Scope.Refs = []Ref{{"refs/heads/main", sha1OID}} // so that there is a subject for a summary
	for _, format := range Formats() {
		for n := range 2 { // findings that are alone with their hint, and such that share it
			out := outputOfReport(t, format, r)
			if word := placeholder.FindString(out); word != "" {
				i := strings.Index(out, word)
				t.Errorf("%s: there is %s: %q", format, word, out[max(0, i-60):min(len(out), i+60)])
			}
			hints := []string{"gitseal show " + needle, "gitseal audit " + needle + "..HEAD", "git verify-commit " + needle + ", git verify-tag " + needle,
				"gitseal audit --policy rules.toml --explain " + needle}
			if format == "csv" || format == "vsa" || format == "github" {
				hints = nil // it has none, or no room for all of them
			}
			for _, want := range hints {
				if !strings.Contains(strings.NewReplacer(`\"`, `"`).Replace(out), want) {
					t.Errorf("%s: want %q", format, want)
				}
			}
			if strings.Contains(out, "policy explain") {
				t.Errorf("%s: there is a command that judges by another policy", format)
			}
			if n == 0 {
				for _, d := range descriptions {
					r.Findings.Add(Finding{d.ID, d.Severity, Object{"commit", otherOID}, nil, "m", d.Hint})
				}
			}
		}
		r.Findings = Findings{}
		for _, d := range descriptions {
			r.Findings.Add(Finding{d.ID, d.Severity, Object{"commit", needle}, nil, "m", d.Hint})
		}
	}
}

// TestHintsOfNoObjectAreLeftOut has findings whose object is none.
func TestHintsOfNoObjectAreLeftOut(t *testing.T) {
	r := new(Report)
	for _, oid := range []string{"", "abcd", "not an id", needle + "\n", strings.ToUpper(needle)} {
		for range 2 {
			r.Findings.Add(Finding{"bad-signature", Error, Object{"commit", oid}, nil, "m", Hint("bad-signature")})
		}
	}
	for _, format := range Formats() {
		if format == "vsa" || format == "sarif" { // that says in its rules what to do in general
			continue
		}
		if out := outputOfReport(t, format, r); strings.Contains(out, "gitseal show") {
			t.Errorf("%s: there is a command about no object:\n%s", format, out)
		}
	}
}

func TestReplaceWord(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"OID":                    "x",
		"show OID":               "show x",
		"log OID..HEAD":          "log x..HEAD",
		"log HEAD..OID":          "log HEAD..x",
		"a OID, b OID; c OID^":   "a x, b x; c x^",
		"OID OID":                "x x",
		"OID..OID":               "x..x",
		"VOID OIDS --policy=OID": "VOID OIDS --policy=OID",
		"OID.toml a/OID OID/a":   "OID.toml a/OID OID/a",
		"'OID' oid OIDOID":       "'OID' oid OIDOID",
	} {
		if got := replaceWord(in, "OID", "x"); got != want {
			t.Errorf("replaceWord(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestParsedFindingsShareTheirHints reads hints that name each its object.
func TestParsedFindingsShareTheirHints(t *testing.T) {
	r := &Report{Result: Violation, Explain: "gitseal audit --explain OID"}
	for i := range 1000 {
		x := Finding{"unsigned", Error, Object{"commit", fmt.Sprintf("%040x", i)}, nil, "no signature", Hint(Unsigned)}
		if i%2 == 0 {
			x.ID, x.Hint = "threshold-not-met", "EXPLAIN; and again, EXPLAIN"
		}
		r.Findings.Add(x)
	}
	document := writeJSON(t, r)
	parsed, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(parsed.Findings.details); n != 2 {
		t.Errorf("%d findings are kept whole, want 2", n)
	}
	if writeJSON(t, parsed) != document {
		t.Error("they are written otherwise than they were read")
	}
	for i, want := range []string{fmt.Sprintf("gitseal audit --explain %040x; and again, gitseal audit --explain %040x", 998, 998), fmt.Sprintf("gitseal audit %040x..HEAD", 999)} {
		if !strings.Contains(document, want) {
			t.Errorf("%d: want %q", i, want)
		}
	}
}

// FuzzHints checks that a hint is the same after it was written and read, and
// names its object or none.
func FuzzHints(f *testing.F) {
	for _, d := range descriptions {
		f.Add(d.Hint, needle)
	}
	f.Add("OID OID..OID EXPLAIN", "OID")
	f.Add(needle+" "+needle+"; OID, EXPLAIN", needle)
	f.Add("EXPLAINEXPLAIN EXPLAIN..EXPLAIN^", sha256OID)
	f.Fuzz(func(t *testing.T, hint, oid string) {
		r := new(Report)
		x := Finding{Object: Object{OID: oid}, Hint: hint}
		want := r.hint(&x)
		if hasWord(want, oidWord) || hasWord(want, explainWord) {
			t.Errorf("hint %q of %q becomes %q", hint, oid, want)
		}
		x.shareHint()
		if got := r.hint(&x); got != want {
			t.Errorf("hint %q of %q is %q after it was read, want %q", hint, oid, got, want)
		}
		shared := x.Hint
		if x.shareHint(); x.Hint != shared {
			t.Errorf("hint %q of %q is kept as %q, and again as %q", hint, oid, shared, x.Hint)
		}
	})
}
