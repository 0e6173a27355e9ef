package strictjson

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// String returns a function that reads a string of at most limit bytes.
func (r *Reader) String(dst *string, limit int) func() error {
	return func() error {
		s, err := r.text()
		if err == nil && len(s) > limit {
			err = fmt.Errorf("longer than %d bytes", limit)
		}
		if err == nil {
			*dst = string(s)
		}
		return err
	}
}

// Base64 returns a function that reads at most limit bytes in base64: standard
// alphabet, padded, no line breaks, no spare bits. None make dst nil.
func (r *Reader) Base64(dst *[]byte, limit int) func() error {
	return func() error {
		s, err := r.text()
		if err != nil {
			return err
		}
		if len(s) > base64.StdEncoding.EncodedLen(limit) {
			return fmt.Errorf("longer than %d bytes", limit)
		}
		*dst, err = DecodeBase64(s)
		return err
	}
}

// DecodeBase64 decodes what Base64 reads. Nothing is nil.
func DecodeBase64(s []byte) ([]byte, error) {
	if len(s) == 0 {
		return nil, nil
	}
	enc := base64.StdEncoding.Strict()
	b := make([]byte, enc.DecodedLen(len(s)))
	n, err := enc.Decode(b, s)
	// Decode skips line breaks, which the length gives away.
	if err != nil || enc.EncodedLen(n) != len(s) {
		return nil, errors.New("not canonical base64")
	}
	return b[:n:n], nil
}

// Hex returns a function that reads bytes in lower-case hexadecimal, as many
// as size.
func (r *Reader) Hex(dst *[]byte, size int) func() error {
	return func() error {
		s, err := r.text()
		if err != nil {
			return err
		}
		*dst, err = DecodeHex(s, size)
		return err
	}
}

// DecodeHex decodes what Hex reads.
func DecodeHex(s []byte, size int) ([]byte, error) {
	b := make([]byte, size)
	if len(s) == hex.EncodedLen(size) {
		if _, err := hex.Decode(b, s); err == nil && bytes.Equal(hex.AppendEncode(nil, b), s) {
			return b, nil
		}
	}
	return nil, fmt.Errorf("not %d bytes in lower-case hexadecimal", size)
}

// Number returns a function that reads an integer from 0 to 2^bits-1, which
// is of at most 63 bits.
func (r *Reader) Number(dst *int64, bits int) func() error {
	return func() (err error) {
		r.Next()
		start := r.pos
		for r.pos < len(r.Text) && '0' <= r.Text[r.pos] && r.Text[r.pos] <= '9' {
			r.pos++
		}
		if start == r.pos {
			return r.expected("a non-negative integer")
		}
		*dst, err = parseInt(r.Text[start:r.pos], bits)
		return err
	}
}

// QuotedNumber returns a function that reads such an integer in a string.
func (r *Reader) QuotedNumber(dst *int64, bits int) func() error {
	return func() error {
		s, err := r.text()
		if err != nil {
			return err
		}
		*dst, err = parseInt(s, bits)
		return err
	}
}

// parseInt reads the shortest decimal form of a non-negative integer.
func parseInt(s []byte, bits int) (int64, error) {
	n, err := strconv.ParseInt(string(s), 10, 64)
	if err != nil || n < 0 || n>>bits != 0 || strconv.FormatInt(n, 10) != string(s) {
		return 0, fmt.Errorf("%.40q is not an integer below 2^%d", s, bits)
	}
	return n, nil
}

// text reads a string (RFC 8259, section 7). The result may be a part of the
// Reader's text: not to be kept.
func (r *Reader) text() ([]byte, error) {
	if !r.take('"') {
		return nil, r.expected("a string")
	}
	start := r.pos
	var decoded []byte
	escaped := false
	for r.pos < len(r.Text) {
		c := r.Text[r.pos]
		switch {
		case c == '"':
			raw := r.Text[start:r.pos]
			r.pos++
			if !escaped {
				decoded = raw
			}
			if !utf8.Valid(decoded) {
				return nil, errors.New("string is not UTF-8")
			}
			if escaped && r.Canonical && !bytes.Equal(AppendString(nil, string(decoded)), r.Text[start-1:r.pos]) {
				return nil, errors.New("string with an escape that need not be")
			}
			return decoded, nil
		case c < ' ':
			return nil, r.expected("a character of a string")
		case c == '\\':
			if !escaped {
				decoded, escaped = append(decoded, r.Text[start:r.pos]...), true
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
	return nil, errNoEnd
}

var errNoEnd = errors.New("string without end")

// What may follow a backslash in a string, and what it stands for; u is apart.
const escapeNames, escapeValues = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

// escape reads one escape sequence, or two that make a surrogate pair.
func (r *Reader) escape() (rune, error) {
	rest := r.Text[r.pos:]
	if len(rest) < 2 {
		return 0, errNoEnd
	}
	if rest[1] != 'u' {
		if i := bytes.IndexByte([]byte(escapeNames), rest[1]); i >= 0 {
			r.pos += 2
			return rune(escapeValues[i]), nil
		}
		return 0, fmt.Errorf("byte %d: unknown escape sequence", r.pos)
	}
	const size = len(`\uXXXX`)
	char, ok := codeUnit(rest)
	if !ok {
		return 0, fmt.Errorf("byte %d: incomplete escape sequence, without four hexadecimal digits", r.pos)
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

// AppendString appends a string in the form of RFC 8785, section 3.2.2.2. It
// must be UTF-8.
func AppendString(b []byte, s string) []byte {
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
