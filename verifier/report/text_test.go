package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"gitseal/verifier"
)

func TestTextBeginsWithCompleteness(t *testing.T) {
	r := sample()
	first, _, _ := strings.Cut(writeText(t, r), "\n")
	if want := "1,203 commits and 2 tags examined; not examined: refs/notes/commits and 1 more; refs/stash"; first != want {
		t.Errorf("first line %q, want %q", first, want)
	}
	r.NotExamined, r.Totals.Commits, r.Totals.Tags = r.NotExamined[:2], 1, 1
	first, _, _ = strings.Cut(writeText(t, r), "\n")
	if want := "1 commit and 1 tag examined; not examined: refs/notes/commits and 1 more (notes are not history)"; first != want {
		t.Errorf("first line %q, want %q", first, want)
	}
	r.NotExamined, r.Complete = nil, false
	first, _, _ = strings.Cut(writeText(t, r), "\n")
	if want := "INCOMPLETE: 1 commit and 1 tag examined; not examined: nothing"; first != want {
		t.Errorf("first line %q, want %q", first, want)
	}
}

func TestTextEndsWithTheResult(t *testing.T) {
	if text := writeText(t, sample()); !strings.HasSuffix(text, "\n\nresult: violation\n") {
		t.Errorf("text ends otherwise:\n%s", text)
	}
}

func TestTextSaysWhichLogsProvedTheirHistory(t *testing.T) {
	text := unwrapped(writeText(t, sample()))
	for _, line := range []string{
		"  log.abcd1234.gitseal.internal: 1 object, largest size seen 7 [local authority]\n",
		"  rekor.example.com - 1: 1,199 objects, largest size seen 123456, all in the one history that the log shows now\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("want %q in\n%s", line, text)
		}
	}
}

// unwrapped returns a text with every line whole.
func unwrapped(text string) string { return strings.ReplaceAll(text, "\n"+textBelow, " ") }

func TestTextShowsTheWorstFirst(t *testing.T) {
	text := unwrapped(writeText(t, sample()))
	var at []int
	for _, s := range []string{
		"\nviolations: 3\n  ref-deleted: refs/heads/old is gone\n",
		"  unsigned: commit " + sha1OID + ": no signature\n",
		"  unsigned: tag " + sha256OID + ": no signature\n    hint: sign\n",
		"\ncould not tell: 1\n  not-logged: commit " + sha1OID + ": no proof\n    hint: a hint\n",
		"\nnotes: 1\n  verified: mergetag " + sha1OID + " by mallory@example.com (gitseal:local:abcd1234): merged [local authority]\n",
	} {
		at = append(at, strings.Index(text, s))
	}
	if slices.Contains(at, -1) || !slices.IsSorted(at) {
		t.Errorf("findings at %v in\n%s", at, text)
	}
}

func TestTextShowsAFewFindingsOfEachID(t *testing.T) {
	r := sample()
	for range 3302 {
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", sha1OID}, nil, "no signature", "sign"})
	}
	text := writeText(t, r)
	if n := strings.Count(text, "no signature"); n != maxTextEach {
		t.Errorf("%d findings shown, want %d", n, maxTextEach)
	}
	if want := "  unsigned: 3,304, of which the first 3\n    hint: sign\n"; strings.Count(text, "hint: sign") != 1 || !strings.Contains(text, want) {
		t.Errorf("want %q and no other such hint in\n%s", want, text)
	}
}

func TestTextNamesTheLocalAuthority(t *testing.T) {
	for line := range strings.Lines(unwrapped(writeText(t, sample()))) {
		local := strings.Contains(line, "gitseal:local:") || strings.Contains(line, "gitseal.internal")
		if local != strings.HasSuffix(line, " [local authority]\n") {
			t.Errorf("line %q", line)
		}
	}
}

func TestTextHoldsNoControlCharacters(t *testing.T) {
	r := sample()
	r.Tool, r.Policy.Source, r.Trust.Sources = hostile, hostile, []string{hostile}
	r.Signers[0].Identity, r.Signers[0].Issuer, r.Logs[0].Origin = hostile, hostile, hostile
	id := verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: hostile, Subject: hostile}}
	r.Findings.Add(Finding{hostile, Error, Object{hostile, hostile}, &id, hostile, hostile})
	r.NotExamined = append(r.NotExamined, Omission{hostile, hostile})
	lines := strings.Count(unwrapped(writeText(t, r)), "\n")
	for i, c := range writeText(t, r) {
		if c != '\n' && !unicode.IsPrint(c) {
			t.Fatalf("%U at %d", c, i)
		}
	}
	harmless := sample()
	harmless.Findings.Add(Finding{"x", Error, Object{"x", "x"}, &id, "x", "x"})
	harmless.NotExamined = append(harmless.NotExamined, Omission{"x", "x"})
	if want := strings.Count(unwrapped(writeText(t, harmless)), "\n"); lines != want {
		t.Errorf("%d lines, want %d: a newline got through", lines, want)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"Zoë 日本":              "Zoë 日本",
		"a\x1b[0mb":           `a\x1b[0mb`,
		"a\nb":                `a\nb`,
		"\xff\xfe":            `\xff\xfe`,
		"a\u202eb":            `a\u202eb`,
		"\ufffd":              "\ufffd",
		"x\u009by":            `x\u009by`,
		"tail\xe2\x82":        `tail\xe2\x82`,
		"non\u00a0break":      `non\u00a0break`,
		"\U000e0041 language": `\U000e0041 language`,
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTextShowsSoManySigners(t *testing.T) {
	r := sample()
	for i := range maxTextList {
		r.Signers = append(r.Signers, Signer{Kind: verifier.Keyless, Identity: fmt.Sprintf("ci-%d@example.com", i), Objects: 1})
	}
	if text := writeText(t, r); strings.Count(text, "ci-") != maxTextList-2 || !strings.Contains(text, "… and 2 more") {
		t.Errorf("signers not cut off as said:\n%s", text)
	}
}

func TestTextSaysAnIdentityOnce(t *testing.T) {
	r := new(Report)
	id := verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "https://issuer.example.com", Subject: "mallory@example.com"}}
	r.Findings.Add(Finding{"identity-not-allowed", Error, Object{"commit", sha1OID}, &id, id.String() + " is not in the policy", ""})
	if text := writeText(t, r); strings.Count(text, id.Identity.Subject) != 1 {
		t.Errorf("identity not there once:\n%s", text)
	}
}

func TestTextWidth(t *testing.T) {
	longest := func(width int) int {
		var b bytes.Buffer
		w, err := NewWriter("text", &b, Config{Width: width})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(sample()); err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(b.String()) {
			if strings.HasPrefix(line, "    ") {
				n = max(n, len(line))
			}
		}
		return n
	}
	if narrow, any := longest(60), longest(0); narrow >= any {
		t.Errorf("the longest line is %d for 60 characters, and %d without a limit", narrow, any)
	}
}
