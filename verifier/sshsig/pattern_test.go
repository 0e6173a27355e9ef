package sshsig

import (
	"strings"
	"testing"
)

func TestMatchPatterns(t *testing.T) {
	tests := []struct {
		patterns, s string
		want        bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "", false}, {"a", "aa", false}, {"a", "A", false},
		{"*", "", true}, {"*", "abc", true}, {"**", "abc", true}, {"?", "a", true}, {"?", "", false}, {"?", "ab", false},
		{"a*", "a", true}, {"a*", "ab", true}, {"*a", "ba", true}, {"*a", "ab", false}, {"a*c", "abbc", true}, {"a*c", "abcd", false},
		{"*ab*ab", "abab", true}, {"*ab*ab", "aab", false}, {"*?b", "ab", true}, {"*?b", "b", false}, {"a?*", "a", false},
		{"*@example.com", "a@example.com", true}, {"*@example.com", "a@example.com.evil.org", false}, {"*@example.com", "a@exampleXcom", false},
		{"a,b", "b", true}, {"a,b", "a,b", false}, {"*,!b", "a", true}, {"*,!b", "b", false}, {"!b,*", "b", false}, {"!b", "a", false}, {"!*", "a", false},
		{"!!b,*", "!b", false}, {"!!b,*", "b", true},
	}
	for _, test := range tests {
		list, err := parsePatterns(test.patterns)
		if err != nil {
			t.Fatal(err)
		}
		if got := list.match(test.s); got != test.want {
			t.Errorf("match(%q, %q) = %v, want %v", test.patterns, test.s, got, test.want)
		}
	}
}

// A pattern made to take exponential time takes none.
func TestMatchIsFast(t *testing.T) {
	if match(strings.Repeat("*a", 500)+"b", strings.Repeat("a", 100_000)) {
		t.Error("matched")
	}
}
