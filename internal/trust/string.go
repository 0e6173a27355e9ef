package trust

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string (RFC 8259, section 7).
func (r *reader) string() (string, error) {
	b, err := r.bytes()
	return string(b), err
}

// bytes reads a string. The result may be a part of the text: not to be kept.
func (r *reader) bytes() ([]byte, error) {
	if !r.take('"') {
		return nil, r.syntax("a string")
	}
	start := r.pos
	for ; r.pos < len(r.src); r.pos++ {
		switch c := r.src[r.pos]; {
		case c == '"':
			s := r.src[start:r.pos]
			r.pos++
			if !utf8.Valid(s) {
				return nil, errors.New("not UTF-8")
			}
			return s, nil
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			return nil, r.syntax("a character of a string")
		}
	}
	return nil, errors.New("string without end")
}

// escaped reads the rest of a string that began at start and has its first
// backslash at r.pos.
func (r *reader) escaped(start int) ([]byte, error) {
	s := append([]byte(nil), r.src[start:r.pos]...)
	for r.pos < len(r.src) {
		c := r.src[r.pos]
		if c == '\\' {
			char, err := r.escape()
			if err != nil {
				return nil, err
			}
			s = utf8.AppendRune(s, char)
			continue
		}
		if c < ' ' {
			return nil, r.syntax("a character of a string")
		}
		r.pos++
		if c == '"' {
			if !utf8.Valid(s) {
				return nil, errors.New("not UTF-8")
			}
			return s, nil
		}
		s = append(s, c)
	}
	return nil, errors.New("string without end")
}

// escape reads one escape sequence, or two that make a surrogate pair.
func (r *reader) escape() (rune, error) {
	if len(r.src)-r.pos < 2 {
		return 0, errors.New("string without end")
	}
	c := r.src[r.pos+1]
	if c == 'u' {
		return r.unicode()
	}
	const names, values = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	for i := range len(names) {
		if names[i] == c {
			r.pos += 2
			return rune(values[i]), nil
		}
	}
	return 0, fmt.Errorf("byte %d: unknown escape sequence", r.pos)
}

// unicode reads \uXXXX, or two of them that make a surrogate pair.
func (r *reader) unicode() (rune, error) {
	first, err := r.codeUnit()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	second, err := r.codeUnit()
	if err != nil {
		return 0, err
	}
	char := utf16.DecodeRune(first, second)
	if char == utf8.RuneError {
		return 0, fmt.Errorf("byte %d: half a surrogate pair", r.pos)
	}
	return char, nil
}

// codeUnit reads \uXXXX.
func (r *reader) codeUnit() (rune, error) {
	const size = len(`\uXXXX`)
	if len(r.src)-r.pos < size || string(r.src[r.pos:r.pos+2]) != `\u` {
		return 0, fmt.Errorf("byte %d: half a surrogate pair", r.pos)
	}
	var n rune
	for _, c := range r.src[r.pos+2 : r.pos+size] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			n = n<<4 | rune(c-'A'+10)
		default:
			return 0, fmt.Errorf("byte %d: not four hexadecimal digits", r.pos)
		}
	}
	r.pos += size
	return n, nil
}
