package verifier

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Pattern matches whole strings, such as the subject of an Identity. It is
// made by ParsePattern or ParseRegexp; the zero Pattern matches nothing, not
// even the empty string. A Pattern may be used by several goroutines at once.
type Pattern struct {
	text  string
	parts []string       // what stands between the stars; nil for a regexp
	re    *regexp.Regexp // nil for a pattern with stars
}

// ParsePattern parses a pattern in which '*' stands for any run of bytes,
// empty or not, with slashes or without, and every other byte for itself.
// There is no escape. The pattern is anchored at both ends: it matches the
// whole string or not at all.
//
// A pattern that would match everything is refused, for anyone has to be
// spelled out (AnyIdentity); so is "**", which elsewhere means something else
// than "*" and here would not.
func ParsePattern(s string) (Pattern, error) {
	switch {
	case s == "":
		return Pattern{}, errors.New("empty pattern")
	case strings.Trim(s, "*") == "":
		return Pattern{}, fmt.Errorf("pattern %q matches everything", s)
	case strings.Contains(s, "**"):
		return Pattern{}, fmt.Errorf(`pattern %q has "**": one "*" matches any run of bytes`, s)
	}
	return Pattern{text: s, parts: strings.Split(s, "*")}, nil
}

// ParseRegexp parses a regular expression in Go's syntax, which is RE2's. The
// result matches as if it were written ^(?:s)$: a string matches whole or not
// at all, so that an expression for one address does not let in every longer
// one. Bytes that are not UTF-8 are seen as U+FFFD.
func ParseRegexp(s string) (Pattern, error) {
	if s == "" {
		return Pattern{}, errors.New("empty regular expression")
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return Pattern{}, err
	}
	// Anchors are not added to the text, which could close a group and leave
	// them behind. Of the matches that begin leftmost this finds the longest:
	// if the whole string matches, that one.
	re.Longest()
	return Pattern{text: s, re: re}, nil
}

// Match reports whether the pattern matches the whole of s. It takes time
// linear in len(s) for a given pattern, whatever s holds.
func (p Pattern) Match(s string) bool {
	if p.re != nil {
		return slices.Equal(p.re.FindStringIndex(s), []int{0, len(s)})
	}
	switch len(p.parts) {
	case 0:
		return false
	case 1:
		return s == p.parts[0]
	}
	last := len(p.parts) - 1
	s, ok := strings.CutPrefix(s, p.parts[0])
	if !ok {
		return false
	}
	if s, ok = strings.CutSuffix(s, p.parts[last]); !ok {
		return false
	}
	// Taking each part where it first occurs leaves the most to the others,
	// so there is nothing to go back to.
	for _, part := range p.parts[1:last] {
		if _, s, ok = strings.Cut(s, part); !ok {
			return false
		}
	}
	return true
}

// String returns the text that the pattern was parsed from.
func (p Pattern) String() string { return p.text }
