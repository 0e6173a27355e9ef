package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// printable returns s with every byte and rune that is not printable, or not
// UTF-8, as its escape sequence: control characters, and the marks that
// change the direction or the look of what follows.
func printable(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			break
		}
		b.WriteRune(r)
	}
	if b.Len() == len(s) {
		return s
	}
	for i := b.Len(); i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

// isPlain reports whether s is printable ASCII, as nearly all of it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// clip returns printable s, cut off after n characters: where many strings
// share a page, none may fill it.
func clip(s string, n int) string {
	if len(s) > 4*n+4 {
		s = s[:4*n+4] // so that long ones cost nothing
	}
	s = printable(s)
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// short returns the beginning of an object's id, enough to find it by.
func short(oid string) string {
	return oid[:min(len(oid), 12)]
}

// isID reports whether oid is an object's id, and nothing that was found in
// its place.
func isID(oid string) bool {
	if len(oid) != 40 && len(oid) != 64 {
		return false
	}
	return strings.Trim(oid, "0123456789abcdef") == ""
}

// isBinaryID reports whether an id in binary is that of an object.
func isBinaryID(oid []byte) bool { return len(oid) == 20 || len(oid) == 32 }

// isDate reports whether a time that somebody claimed is one: it is said, and
// in the years that RFC 3339 can write.
func isDate(t time.Time) bool {
	year := t.UTC().Year()
	return !t.IsZero() && year >= 0 && year <= 9999
}

func day(t time.Time) string {
	if !isDate(t) {
		return "an unknown day"
	}
	return t.UTC().Format(time.DateOnly)
}

// stamp returns a time as people read it, to the second.
func stamp(t time.Time) string {
	if !isDate(t) {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// count returns a number and what it counts.
func count(n int, noun string) string {
	if n != 1 {
		if strings.HasSuffix(noun, "y") {
			noun = strings.TrimSuffix(noun, "y") + "ie"
		}
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// thousands returns n with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// localMark returns what to add to a line about an embedded authority, whose
// signatures prove nothing beyond the machine that made them. Its issuers and
// hosts have names that no other can have.
func localMark(line string) string {
	if strings.Contains(line, "gitseal:local:") || strings.Contains(line, ".gitseal.internal") {
		return " [local authority]"
	}
	return ""
}
