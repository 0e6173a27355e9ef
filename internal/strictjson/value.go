package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Value reads a value of any form and returns its text, a part of the
// Reader's. It is JSON in UTF-8 and no more: what is in it may have two
// readings, until a Reader has read it. In a canonical text it panics.
func (r *Reader) Value() ([]byte, error) {
	if r.Canonical {
		panic("strictjson: Value of a canonical text")
	}
	r.Next()
	value := r.Text[r.pos:]
	value = value[:extent(value)]
	if !json.Valid(value) {
		return nil, fmt.Errorf("byte %d: not a JSON value", r.pos)
	}
	if !utf8.Valid(value) {
		return nil, fmt.Errorf("byte %d: value is not UTF-8", r.pos)
	}
	r.pos += len(value)
	return value, nil
}

// extent returns the length of the value at the beginning of s, as far as
// brackets and quotes tell, if there is one.
func extent(s []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && bytes.IndexByte([]byte(" \t\r\n,:]}"), c) >= 0:
			return i
		case c == '}' || c == ']':
			depth--
		}
	}
	return len(s)
}
