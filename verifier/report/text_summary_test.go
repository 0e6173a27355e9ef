package report

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"gitseal/verifier"
)

// TestTextIsASummary has much of everything, with names as they are.
func TestTextIsASummary(t *testing.T) {
	r := crowded()
	text := writeText(t, r)
	if n := strings.Count(text, "\n"); n > 210 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for i, line := range strings.Split(text, "\n") {
		command := strings.Contains(line, "hint: ") && strings.Contains(line, ": git") ||
			strings.HasPrefix(line, "see more: gitseal ") || strings.HasPrefix(line, "          gitseal ")
		if digest := strings.Contains(line, ", sha256:"); utf8.RuneCountInString(line) > textWidth && i > 0 && !command && !digest {
			t.Errorf("line of %d characters: %s", utf8.RuneCountInString(line), line)
		}
	}
	for _, want := range []string{
		"  … and 7 more, see --format json\n",     // signers of a kind
		"  … and 2 more, see --format json\n",     // keys
		"  … and 15 more, see --format json\n",    // branches
		"  refs/heads/main: ",                     // which is the last by name
		"  committer-mismatch: commit " + sha1OID, // and every other id
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	for _, id := range IDs() {
		if !strings.Contains(text, "\n  "+id+": ") {
			t.Errorf("no finding %s is shown", id)
		}
	}
}

// crowded returns a report with every finding there is, many times, and more
// of everything than a summary has room for.
func crowded() *Report {
	r := sample()
	r.Explain = "gitseal audit --policy rules.toml --explain OID"
	for i := range 10 {
		r.Signers = append(r.Signers, Signer{Kind: verifier.Keyless, Identity: fmt.Sprintf("robot-%d@example.com", i), Issuer: "https://token.example.com", Objects: 1})
	}
	for i := range 5 {
		r.UnknownKeys = append(r.UnknownKeys, UnknownKey{verifier.OpenPGP, fmt.Sprintf("%016X", i), 1})
	}
	r.Continuity = nil
	for i := range 19 {
		r.Continuity = append(r.Continuity, Continuity{Ref: fmt.Sprintf("refs/heads/a%d", i), OID: sha1OID})
	}
	r.Continuity = append(r.Continuity, Continuity{Ref: "refs/heads/main", OID: sha1OID})
	for _, d := range descriptions {
		for range 10 {
			r.Findings.Add(Finding{d.ID, d.Severity, Object{"commit", sha1OID}, nil, strings.ToLower(d.Title), d.Hint})
		}
	}
	return r
}

// TestTextSaysTheVerdictSecond checks the line below the completeness.
func TestTextSaysTheVerdictSecond(t *testing.T) {
	classes := func(good, doubt, bad int) Totals {
		return Totals{good + doubt + bad, good + doubt + bad, 0, map[verifier.Class]int{verifier.Verified: good, verifier.NotLogged: doubt, Unsigned: bad}}
	}
	for _, tt := range []struct {
		result                 Result
		complete               bool
		totals                 Totals
		otherErrors, otherWarn int
		want                   string
	}{
		{Pass, true, classes(3566, 0, 0), 0, 0, "PASS: 3,566 of 3,566 objects are good"},
		{Pass, true, classes(1, 0, 0), 0, 0, "PASS: 1 of 1 object is good"},
		{Pass, true, Totals{}, 0, 0, "PASS: there was nothing to examine"},
		{Violation, true, classes(1436, 0, 2130), 0, 0, "VIOLATION: 2,130 of 3,566 objects are bad"},
		{Violation, true, classes(4, 0, 1), 2, 0, "VIOLATION: 1 of 5 objects is bad; 2 other violations"},
		{Violation, true, classes(4, 1, 1), 0, 1, "VIOLATION: 1 of 6 objects is bad; 1 could not be told; 1 other doubt"},
		{Violation, true, classes(4, 0, 0), 1, 0, "VIOLATION: 1 violation"},
		{Indeterminate, true, classes(4, 2, 0), 0, 0, "INDETERMINATE: 2 of 6 objects could not be told"},
		{Indeterminate, false, classes(4, 0, 0), 0, 0, "INDETERMINATE: not everything was examined"},
		{Indeterminate, true, classes(4, 0, 0), 0, 3, "INDETERMINATE: 3 doubts"},
		{Equivocation, true, classes(4, 0, 1), 1, 0, "EQUIVOCATION: a log contradicts itself; 1 of 5 objects is bad; 1 other violation"},
		{"unheard-of", true, classes(1, 0, 0), 0, 0, "UNHEARD-OF"},
	} {
		r := &Report{Result: tt.result, Complete: tt.complete, Totals: tt.totals}
		for class, n := range tt.totals.Classes {
			for range n {
				if severity := SeverityOf(class); severity != Note {
					r.Findings.Add(Finding{ID: string(class), Severity: severity})
				}
			}
		}
		for range tt.otherErrors {
			r.Findings.Add(Finding{ID: "tag-moved", Severity: Error})
		}
		for range tt.otherWarn {
			r.Findings.Add(Finding{ID: "rule-not-applied", Severity: Warning})
		}
		if got := strings.Split(writeText(t, r), "\n")[1]; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestBroken(t *testing.T) {
	for _, tt := range []struct{ line, head, tail string }{
		{"", "", ""},
		{"0123456789", "0123456789", ""},
		{"01234 6789", "01234 6789", ""},
		{"0123456789a", "0123456789a", ""},            // one word
		{"0123456789 a", "0123456789", "a"},           // the space is the first that does not fit
		{"012 456 89a", "012 456", "89a"},             // at the last that fits
		{"01234: 78 a", "01234:", "78 a"},             // at the pause rather
		{"01: 34 6789a", "01: 34", "6789a"},           // but not at one that leaves the line short
		{"0123456789abc 123", "0123456789abc", "123"}, // a word that is too long stays whole
		{"éééééééééé é", "éééééééééé", "é"},           // characters, not bytes
		{" 123456789a", " 123456789a", ""},            // no empty line
		{"0123456789 ", "0123456789", ""},             // nothing is below
		{"01234567 9  b", "01234567 9", " b"},         // and nothing else is lost
		{"0, 3, 6, 9, c", "0, 3, 6,", "9, c"},         // at the last of several pauses
	} {
		if head, tail := broken(tt.line, 10); head != tt.head || tail != tt.tail {
			t.Errorf("broken(%q, 10) = %q, %q, want %q, %q", tt.line, head, tail, tt.head, tt.tail)
		}
	}
}

// TestTextNeverCutsAName has names that are longer than is shown: what is left
// of one says that it is not all.
func TestTextNeverCutsAName(t *testing.T) {
	r := new(Report)
	long := "alice@example.com" + strings.Repeat(".evil.example.net", 100)
	r.Signers = []Signer{{Kind: verifier.Keyless, Identity: long, Issuer: "https://issuer.example.com", Objects: 1, Good: 1}}
	r.UnknownKeys = []UnknownKey{{verifier.SSH, long, 1}}
	r.Continuity = []Continuity{{Ref: long}}
	r.Logs = []Log{{Origin: long}}
	id := r.Signers[0].signer()
	r.Findings.Add(Finding{"bad-signature", Error, Object{"commit", sha1OID}, &id, "m", ""})
	text := writeText(t, r)
	if n := strings.Count(text, "evil.example.net"); n == 0 {
		t.Error("the name is not there")
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "alice@") && !strings.Contains(line, "…") {
			t.Errorf("a name was cut: %s", line)
		}
	}
	if strings.Contains(text, "alice@example.com\n") || strings.Contains(text, "alice@example.com ") || strings.Contains(text, "alice@example.com:") {
		t.Errorf("a name reads as another one:\n%s", text)
	}
}

func TestTextMarksSignersThatAreNotGood(t *testing.T) {
	r := new(Report)
	for i, good := range []int{60, 59, 0} {
		r.Signers = append(r.Signers, Signer{Kind: verifier.SSH, Key: fmt.Sprintf("SHA256:%d", i), Objects: 60, Good: good})
	}
	text := writeText(t, r)
	for _, want := range []string{"SHA256:0: 60 objects, an unknown day", "SHA256:1: 60 objects, 59 good, ", "SHA256:2: 60 objects, none good, "} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
}
