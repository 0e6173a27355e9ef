package tlog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string (RFC 8259, section 7). The result may be a part of the
// source: not to be kept.
func (r *reader) text() ([]byte, error) {
	if !r.take('"') {
		return nil, r.expected("a string")
	}
	start := r.pos
	var decoded []byte
	escaped := false
	for r.pos < len(r.src) {
		c := r.src[r.pos]
		switch {
		case c == '"':
			raw := r.src[start:r.pos]
			r.pos++
			if !escaped {
				decoded = raw
			}
			if !utf8.Valid(decoded) {
				return nil, errors.New("string is not UTF-8")
			}
			if escaped && r.canonical && !bytes.Equal(appendText(nil, string(decoded)), r.src[start-1:r.pos]) {
				return nil, errors.New("string with an escape that need not be")
			}
			return decoded, nil
		case c < ' ':
			return nil, r.expected("a character of a string")
		case c == '\\':
			if !escaped {
				decoded, escaped = append(decoded, r.src[start:r.pos]...), true
			}
			char, err := r.escape()
			if err != nil {
				return nil, err
			}
			decoded = utf8.AppendRune(decoded, char)
			continue
		case escaped:
			decoded = append(decoded, c)
		}
		r.pos++
	}
	return nil, errors.New("string without end")
}

// What may follow a backslash in a string, and what it stands for; u is apart.
const escapeNames, escapeValues = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

// escape reads one escape sequence, or two that make a surrogate pair.
func (r *reader) escape() (rune, error) {
	rest := r.src[r.pos:]
	if len(rest) > 1 && rest[1] != 'u' {
		if i := bytes.IndexByte([]byte(escapeNames), rest[1]); i >= 0 {
			r.pos += 2
			return rune(escapeValues[i]), nil
		}
		return 0, fmt.Errorf("byte %d: unknown escape sequence", r.pos)
	}
	const size = len(`\uXXXX`)
	char, ok := codeUnit(rest)
	if !ok {
		return 0, fmt.Errorf("byte %d: incomplete escape sequence", r.pos)
	}
	r.pos += size
	if !utf16.IsSurrogate(char) {
		return char, nil
	}
	second, ok := codeUnit(rest[size:])
	if char = utf16.DecodeRune(char, second); !ok || char == utf8.RuneError {
		return 0, fmt.Errorf("byte %d: half a surrogate pair", r.pos)
	}
	r.pos += size
	return char, nil
}

// codeUnit returns the value of \uXXXX at the beginning of s.
func codeUnit(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var b [2]byte
	if _, err := hex.Decode(b[:], s[2:6]); err != nil {
		return 0, false
	}
	return rune(b[0])<<8 | rune(b[1]), true
}

// appendText appends a JSON string in the form of RFC 8785, section 3.2.2.2.
// The string must be UTF-8.
func appendText[T []byte | string](b []byte, s T) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		default:
			if j := bytes.IndexByte([]byte(escapeValues), c); j >= 0 {
				b = append(b, '\\', escapeNames[j])
			} else {
				b = fmt.Appendf(b, `\u%04x`, c)
			}
		}
	}
	return append(b, '"')
}
