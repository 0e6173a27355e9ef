package policy

import (
	"strings"
	"testing"
)

func TestParseSuggests(t *testing.T) {
	const rule = people + "[[rule]]\nrefs = [\"**\"]\n"
	for _, tt := range []struct{ name, data, want string }{
		{"key at the top", "version = 1\nkeytime = \"now\"", "version, key-time and accept-weak; did you mean key-time?"},
		{"key of an identity", "version = 1\n[identity.a]\nssh_principal = \"a\"", "did you mean ssh-principal?"},
		{"key in other case", "version = 1\n[identity.a]\nSubject = \"a\"", "did you mean subject?"},
		{"key of a window", "version = 1\n[identity.a]\ncompromised = {form = 2026-01-01T00:00:00Z}", "did you mean from?"},
		{"key of a rule", rule + "path = [\"a\"]", "knows name, refs, paths, allow, match, threshold, lightweight and immutable; did you mean paths?"},
		{"key of the baseline", "version = 1\n[baseline]\nafer = [\"a\"]", "did you mean after?"},
		{"key of an exemption", "version = 1\n[[exempt]]\nobjects = [\"a\"]", "did you mean object?"},
		{"key like no other", "version = 1\n[identity.a]\ncolour = \"a\"", "until and compromised"},

		{"table", "version = 1\n[[rules]]", "[baseline] and [[exempt]]; did you mean [[rule]]?"},
		{"table that is no array", "version = 1\n[exempt]", "did you mean [[exempt]]?"},
		{"table that is an array", "version = 1\n[[basline]]", "did you mean [baseline]?"},
		{"identity in the plural", "version = 1\n[identities.a]", "did you mean [identity.a]?"},
		{"identity by another word", "version = 1\n[identify.\"a b\"]", "did you mean [identity.\"a b\"]?"},
		{"identities", "version = 1\n[[identity.a]]", "did you mean [identity.a]?"},
		{"identity without a name", "version = 1\n[Identity]", "did you mean [identity.NAME]?"},
		{"table in an identity", "version = 1\n[identity.a.b]", "[baseline] and [[exempt]]"},
		{"rule with a name", "version = 1\n[rule.main]", "[baseline] and [[exempt]]"},

		{"name", rule + "allow = [\"alcie\"]", `allow names "alcie", which is no identity of this policy; did you mean "alice"?`},
		{"name in other case", rule + "allow = [\"BOB\"]", `did you mean "bob"?`},
		{"name that looks alike", rule + "allow = [\"\u0430lice\"]", `did you mean "alice"?`},
		{"name like no other", rule + "allow = [\"mallory\"]", `allow names "mallory", which is no identity of this policy`},
	} {
		if _, err := Parse("p", []byte(tt.data)); err == nil || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: Parse = %v, want %q at its end", tt.name, err, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"from", "form", "subject", "ab", strings.Repeat("x", maxWord+1), strings.Repeat("y", maxWord)}
	for word, want := range map[string]string{
		"from": "from", "frm": "from", "fomr": "form", "fo": "", "rm": "",
		"SUBJECT": "subject", "sbject": "subject", "subejct": "subject", "subjects": "subject", "sujbetc": "subject", "subs": "",
		"AB": "ab", "abc": "", "b": "", "": "",
		strings.Repeat("x", maxWord+1): "", strings.Repeat("x", maxWord): "", strings.Repeat("y", maxWord+1): "", strings.Repeat("y", maxWord-1): strings.Repeat("y", maxWord),
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// TestDistance compares with the definition.
func TestDistance(t *testing.T) {
	var naive func(a, b string) int
	naive = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		replaced := naive(a[1:], b[1:])
		if a[0] != b[0] {
			replaced++
		}
		least := min(replaced, 1+naive(a[1:], b), 1+naive(a, b[1:]))
		if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
			least = min(least, 1+naive(a[2:], b[2:]))
		}
		return least
	}
	words := []string{""}
	for i := 0; len(words[i]) < 4; i++ {
		words = append(words, words[i]+"a", words[i]+"b", words[i]+"c")
	}
	for _, a := range words {
		for _, b := range []string{"", "a", "ab", "ba", "abc", "cab", "acb", "abca", "bbaa"} {
			if got, want := distance([]rune(a), []rune(b)), naive(a, b); got != want {
				t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}
