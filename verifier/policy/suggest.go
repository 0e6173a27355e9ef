package policy

import (
	"fmt"
	"strings"
)

// unknownKey returns the error for a key that a table does not have; where
// says which table that is, as in "of a rule ".
func unknownKey(key, where string, known ...string) error {
	last := len(known) - 1
	return fmt.Errorf("unknown key %s: %sthis version of gitseal knows %s and %s%s",
		key, where, strings.Join(known[:last], ", "), known[last], didYouMean(nearest(key, known)))
}

// didYouMean returns the end of an error that suggests something else, or ""
// if there is no suggestion.
func didYouMean(suggestion string) string {
	if suggestion == "" {
		return ""
	}
	return "; did you mean " + suggestion + "?"
}

// nearestTable returns the header of the table that one that is not known is
// most likely meant to be, or "".
func nearestTable(path []string) string {
	word := nearest(path[0], []string{"identity", "identities", "rule", "baseline", "exempt"})
	if word == "identities" {
		word = "identity"
	}
	switch {
	case word == "identity" && len(path) == 2:
		return "[" + quoteKey(word, path[1]) + "]"
	case word == "" || len(path) > 1:
		return ""
	case word == "identity":
		return "[identity.NAME]"
	case word == "baseline":
		return "[baseline]"
	}
	return "[[" + word + "]]"
}

// maxWord bounds the words that are compared, in bytes: comparing takes the
// product of their lengths.
const maxWord = 64

// nearest returns the one of the known words that s is most likely meant to
// be, of several the first, or "" if none comes near. It is for hints: how near
// a word comes is never a reason to take it.
func nearest(s string, known []string) string {
	if len(s) > maxWord {
		return ""
	}
	typed, best, least := []rune(fold(s)), "", 3 // letters that are wrong
	for _, word := range known {
		letters := []rune(fold(word))
		if len(word) > maxWord || len(letters) > len(typed)+2 || len(typed) > len(letters)+2 {
			continue
		}
		// A word of two letters is another if one is.
		if d := distance(typed, letters); d < least && d <= len(letters)/3 {
			best, least = word, d
		}
	}
	return best
}

// distance returns how many letters have to be added, left out, replaced, or
// swapped with the next, to make b of a.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1) // rows[i][j] is the distance of a[:i] and b[:j]
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			if i == 0 || j == 0 {
				rows[i][j] = i + j
				continue
			}
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
