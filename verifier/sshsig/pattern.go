package sshsig

import (
	"errors"
	"strings"
)

// A patternList is a list of patterns as OpenSSH has it (ssh_config(5),
// PATTERNS), in which "!" makes a pattern exclude what it matches.
type patternList []pattern

type pattern struct {
	text    string // "*" stands for any run of bytes, "?" for any one
	exclude bool
}

// maxPattern bounds a pattern: OpenSSH takes a list with a longer one to match
// nothing (match_pattern_list in match.c).
const maxPattern = 1022

// parsePatterns parses patterns with commas between them.
func parsePatterns(s string) (patternList, error) {
	var list patternList
	for text := range strings.SplitSeq(s, ",") {
		text, exclude := strings.CutPrefix(text, "!")
		if text == "" || len(text) > maxPattern {
			return nil, errors.New("a pattern is empty or too long")
		}
		list = append(list, pattern{text, exclude})
	}
	return list, nil
}

// match reports whether a pattern matches s, and none excludes it.
func (l patternList) match(s string) bool {
	matched := false
	for _, p := range l {
		if match(p.text, s) {
			if p.exclude {
				return false
			}
			matched = true
		}
	}
	return matched
}

// match reports whether a pattern matches the whole of s. What the last star
// stands for grows until the rest matches; no earlier one has to change for
// that, so the time is at most len(pattern) × len(s).
func match(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
