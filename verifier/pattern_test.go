package verifier

import (
	"regexp"
	"strings"
	"testing"
)

func TestPatternMatchesWholeStrings(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"alice@example.com", "alice@example.com", true},
		{"alice@example.com", "Alice@example.com", false},
		{"alice@example.com", "alice@example.com.evil.test", false},
		{"alice@example.com", "malice@example.com", false},
		{"*@example.com", "alice@example.com", true},
		{"*@example.com", "@example.com", true},
		{"*@example.com", "alice@example.com.evil.test", false},
		{"*@example.com", "alice@example.com\n", false},
		{"alice@*", "alice@", true},
		{"alice@*", "malice@", false},
		{"https://host/a/*@refs/tags/*", "https://host/a/b/c.yml@refs/tags/v1/rc", true},
		{"https://host/a/*@refs/tags/*", "https://host/a/b.yml@refs/heads/main", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*a", "aba", true},
		{"a*b*a", "abba", true},
		{"a*bc*bc", "abc", false},
		{"a*bc*bc", "abcbc", true},
		{"*b*", "abc", true},
		{"*b*", "ac", false},
		{"a?c", "abc", false},
		{"a.c", "abc", false},
		{"[a]", "a", false},
		{`\*`, "*", false},
		{`\*`, `\`, true},
		{"\xff*", "\xff\xfe", true},
	} {
		p, err := ParsePattern(tt.pattern)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", tt.pattern, err)
			continue
		}
		if got := p.Match(tt.s); got != tt.want {
			t.Errorf("pattern %q: Match(%q) = %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
		if p.String() != tt.pattern {
			t.Errorf("pattern %q: String() = %q", tt.pattern, p)
		}
	}
}

func TestParsePatternRefusesAnyone(t *testing.T) {
	for s, want := range map[string]string{
		"":       "empty pattern",
		"*":      "matches everything",
		"***":    "matches everything",
		"a**b":   `one "*"`,
		"**@b.c": `one "*"`,
	} {
		if _, err := ParsePattern(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePattern(%q) = %v, want an error with %q", s, err, want)
		}
	}
}

func TestZeroPatternMatchesNothing(t *testing.T) {
	for _, s := range []string{"", "a"} {
		if (Pattern{}).Match(s) {
			t.Errorf("Pattern{}.Match(%q) = true", s)
		}
	}
}

func TestRegexpIsAnchored(t *testing.T) {
	for _, tt := range []struct {
		expr, s string
		want    bool
	}{
		{`alice@example\.com`, "alice@example.com", true},
		{`alice@example\.com`, "alice@example.com.evil.test", false},
		{`alice@example\.com`, "malice@example.com", false},
		{`alice@example\.com`, "alice@example.com\n", false},
		{`^alice@example\.com$`, "alice@example.com", true},
		{`(?m)^alice$`, "bob\nalice", false},
		{`(?m)^alice$`, "alice\nbob", false},
		{`a|ab`, "ab", true}, // a leftmost-first match would stop at a
		{`a|b`, "ab", false},
		{`a*?`, "aaa", true},
		{`(?i)ALICE`, "alice", true},
		{`ALICE`, "alice", false},
		{`\Qa.c`, "a.c", true}, // a quotation that nothing closes
		{`\Qa.c`, "abc", false},
		{`.*`, "a\nb", false},
		{`(?s).*`, "a\nb", true},
	} {
		p, err := ParseRegexp(tt.expr)
		if err != nil {
			t.Errorf("ParseRegexp(%q): %v", tt.expr, err)
			continue
		}
		if got := p.Match(tt.s); got != tt.want {
			t.Errorf("regexp %q: Match(%q) = %v, want %v", tt.expr, tt.s, got, tt.want)
		}
		if p.String() != tt.expr {
			t.Errorf("regexp %q: String() = %q", tt.expr, p)
		}
	}
}

func TestParseRegexpRefuses(t *testing.T) {
	// The second one escapes from ^(?:…)$ if it is pasted in unparsed.
	for _, s := range []string{"", `a)|(?:b`, `(?!a)`, `a(`, `[`, `a\`} {
		if _, err := ParseRegexp(s); err == nil {
			t.Errorf("ParseRegexp(%q) did not fail", s)
		}
	}
}

// refMatch is Match by definition: a star matches nothing, or one byte and
// then again.
func refMatch(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return refMatch(pattern[1:], s) || s != "" && refMatch(pattern, s[1:])
	default:
		return s != "" && s[0] == pattern[0] && refMatch(pattern[1:], s[1:])
	}
}

func TestPatternAgreesWithReference(t *testing.T) {
	patterns, strs := allStrings("ab*", 5), allStrings("ab", 6)
	for _, pattern := range patterns {
		p, err := ParsePattern(pattern)
		if err != nil {
			continue
		}
		for _, s := range strs {
			if got, want := p.Match(s), refMatch(pattern, s); got != want {
				t.Fatalf("pattern %q: Match(%q) = %v, want %v", pattern, s, got, want)
			}
		}
	}
}

// allStrings returns every string of up to n of the letters.
func allStrings(letters string, n int) []string {
	all := []string{""}
	for from := 0; n > 0; n-- {
		to := len(all)
		for _, s := range all[from:to] {
			for _, c := range letters {
				all = append(all, s+string(c))
			}
		}
		from = to
	}
	return all
}

func TestPatternDoesNotBacktrack(t *testing.T) {
	p, err := ParsePattern(strings.Repeat("a*", 1000) + "b")
	if err != nil {
		t.Fatal(err)
	}
	if p.Match(strings.Repeat("a", 100_000)) {
		t.Error("matched a string that does not end in b")
	}
	if !p.Match(strings.Repeat("a", 100_000) + "b") {
		t.Error("did not match")
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("*@example.com", "alice@example.com")
	f.Add("a*bc*bc", "abcbc")
	f.Add("a*\xff*", "ab\xff")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		// The reference is exponential.
		if len(pattern) > 30 || len(s) > 30 || strings.Count(pattern, "*") > 4 {
			return
		}
		p, err := ParsePattern(pattern)
		if err != nil {
			return
		}
		if got, want := p.Match(s), refMatch(pattern, s); got != want {
			t.Errorf("pattern %q: Match(%q) = %v, want %v", pattern, s, got, want)
		}
	})
}

func FuzzRegexp(f *testing.F) {
	f.Add(`a|ab`, "ab")
	f.Add(`(?m)^a$`, "b\na")
	f.Add(`\Qa`, "a")
	f.Fuzz(func(t *testing.T, expr, s string) {
		p, err := ParseRegexp(expr)
		if err != nil {
			return
		}
		wrapped, err := regexp.Compile(`\A(?:` + expr + `)\z`)
		if err != nil {
			return // an open \Q swallows the closing bracket
		}
		if got, want := p.Match(s), wrapped.MatchString(s); got != want {
			t.Errorf("regexp %q: Match(%q) = %v, want %v", expr, s, got, want)
		}
	})
}
