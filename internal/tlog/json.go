package tlog

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// A reader walks one JSON text (RFC 8259) from front to back. It knows what
// logs write: objects of known members, arrays, strings, non-negative integers
// and null for what is absent. Unlike encoding/json it refuses duplicate and
// unknown names, names in another case, numbers that could be written shorter
// and strings that are not Unicode text.
type reader struct {
	src []byte
	pos int // of the next unread byte

	// canonical takes only what RFC 8785 writes: no white space, members in
	// ascending order of their names, no escape that need not be.
	canonical bool
}

// A member is what an object may have by that name, and how to read its value.
type member struct {
	name     string
	required bool
	read     func() error
}

// skipSpace moves to the next byte that is not white space and returns it, or
// 0 at the end of the text.
func (r *reader) skipSpace() byte {
	for ; r.pos < len(r.src); r.pos++ {
		c := r.src[r.pos]
		if space := c == ' ' || c == '\t' || c == '\r' || c == '\n'; !space || r.canonical {
			return c
		}
	}
	return 0
}

// take reads the byte c, after white space, if it is next.
func (r *reader) take(c byte) bool {
	if r.skipSpace() != c || r.pos == len(r.src) {
		return false
	}
	r.pos++
	return true
}

// null reads null, if it is next.
func (r *reader) null() bool {
	r.skipSpace()
	if !bytes.HasPrefix(r.src[r.pos:], []byte("null")) {
		return false
	}
	r.pos += len("null")
	return true
}

// expected returns an error about the next byte.
func (r *reader) expected(what string) error {
	if r.skipSpace(); r.pos == len(r.src) {
		return fmt.Errorf("the text ends where %s is expected", what)
	}
	return fmt.Errorf("byte %d: %q where %s is expected", r.pos, r.src[r.pos], what)
}

// end checks that nothing is left.
func (r *reader) end() error {
	if r.skipSpace(); r.pos != len(r.src) {
		return r.expected("the end")
	}
	return nil
}

// object reads an object that has each of the members at most once, the
// required ones exactly once, and no others. They are listed in ascending
// order.
func (r *reader) object(members ...member) error {
	var seen uint32 // bit i: members[i] was read
	err := r.members(func(name string) error {
		i := 0
		for i < len(members) && members[i].name != name {
			i++
		}
		switch {
		case i == len(members):
			return errors.New("unknown member")
		case seen&(1<<i) != 0:
			return errors.New("duplicate member")
		}
		if r.canonical {
			if seen>>i != 0 {
				return errors.New("member out of order")
			}
			// So that read may rely on what comes before.
			if err := missing(members[:i], seen); err != nil {
				return err
			}
		}
		seen |= 1 << i
		return members[i].read()
	})
	if err != nil {
		return err
	}
	return missing(members, seen)
}

// missing returns an error if one of the required members was not seen.
func missing(members []member, seen uint32) error {
	for i, m := range members {
		if m.required && seen&(1<<i) == 0 {
			return fmt.Errorf("no member %q", m.name)
		}
	}
	return nil
}

// members reads an object, each value with value.
func (r *reader) members(value func(name string) error) error {
	if !r.take('{') {
		return r.expected("an object")
	}
	for n := 0; !r.take('}'); n++ {
		if n > 0 && !r.take(',') {
			return r.expected("a comma or }")
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		if len(name) > maxName {
			return fmt.Errorf("name longer than %d bytes", maxName)
		}
		if !r.take(':') {
			return r.expected("a colon")
		}
		if err := value(string(name)); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

// maxName is longer than the name of any member, and than an entry id.
const maxName = 128

// array reads an array of at most limit elements, each with element.
func (r *reader) array(limit int, element func() error) error {
	if !r.take('[') {
		return r.expected("an array")
	}
	for n := 0; !r.take(']'); n++ {
		if n > 0 && !r.take(',') {
			return r.expected("a comma or ]")
		}
		if n == limit {
			return fmt.Errorf("more than %d elements", limit)
		}
		if err := element(); err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
	}
	return nil
}

// string returns a function that reads a string of at most limit bytes.
func (r *reader) string(dst *string, limit int) func() error {
	return func() error {
		s, err := r.text()
		if err == nil && len(s) > limit {
			err = fmt.Errorf("longer than %d bytes", limit)
		}
		*dst = string(s)
		return err
	}
}

// base64 returns a function that reads at most limit bytes in base64:
// standard alphabet, padded, no line breaks. None leave dst nil.
func (r *reader) base64(dst *[]byte, limit int) func() error {
	return func() error {
		s, err := r.text()
		if err != nil {
			return err
		}
		if len(s) > base64.StdEncoding.EncodedLen(limit) {
			return fmt.Errorf("longer than %d bytes", limit)
		}
		*dst, err = decodeBase64(s)
		return err
	}
}

// decodeBase64 returns nil where nothing is encoded.
func decodeBase64(s []byte) ([]byte, error) {
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

// hex returns a function that reads bytes in lower-case hexadecimal, as many
// as size.
func (r *reader) hex(dst *[]byte, size int) func() error {
	return func() error {
		s, err := r.text()
		if err != nil {
			return err
		}
		*dst, err = decodeHex(s, size)
		return err
	}
}

func decodeHex(s []byte, size int) ([]byte, error) {
	b := make([]byte, size)
	if len(s) == hex.EncodedLen(size) {
		if _, err := hex.Decode(b, s); err == nil && bytes.Equal(hex.AppendEncode(nil, b), s) {
			return b, nil
		}
	}
	return nil, fmt.Errorf("not %d bytes in lower-case hexadecimal", size)
}

// number returns a function that reads a non-negative integer.
func (r *reader) number(dst *int64) func() error {
	return func() (err error) {
		r.skipSpace()
		start := r.pos
		for r.pos < len(r.src) && '0' <= r.src[r.pos] && r.src[r.pos] <= '9' {
			r.pos++
		}
		if start == r.pos {
			return r.expected("a non-negative integer")
		}
		*dst, err = parseInt(r.src[start:r.pos])
		return err
	}
}

// parseInt reads the shortest decimal form of a non-negative int64.
func parseInt(s []byte) (int64, error) {
	n, err := strconv.ParseInt(string(s), 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != string(s) {
		return 0, fmt.Errorf("%.40q is not an integer from 0 to 2^63-1", s)
	}
	return n, nil
}
