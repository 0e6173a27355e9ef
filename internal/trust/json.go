package trust

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// A reader walks one JSON text (RFC 8259) from front to back. It knows only
// what the two formats use: objects with known fields, arrays, strings and
// non-negative integers. Unlike encoding/json it refuses duplicate and unknown
// names, names in another case, null, and strings that are not Unicode text.
type reader struct {
	src []byte
	pos int // of the next unread byte
}

func newReader(text []byte) (*reader, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	return &reader{src: text}, nil
}

// A field is a member that an object may have, and how to read its value.
type field struct {
	name     string
	required presence
	read     func() error
}

type presence bool

const (
	optional presence = false
	required presence = true
)

// A placeError is an error with the path of the value it is about.
type placeError struct {
	place string
	err   error
}

func (e *placeError) Error() string { return e.place + ": " + e.err.Error() }
func (e *placeError) Unwrap() error { return e.err }

// at says that err happened in the member or element called place.
func at(place string, err error) error {
	inner, ok := err.(*placeError)
	if !ok {
		return &placeError{place, err}
	}
	if inner.place[0] != '[' {
		place += "."
	}
	return &placeError{place + inner.place, inner.err}
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// skipSpace moves to the next byte that is not white space and returns it, or
// 0 at the end of the text.
func (r *reader) skipSpace() byte {
	for ; r.pos < len(r.src); r.pos++ {
		switch c := r.src[r.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take reads the single byte c, after white space.
func (r *reader) take(c byte) bool {
	if r.skipSpace() != c || r.pos == len(r.src) {
		return false
	}
	r.pos++
	return true
}

// syntax returns an error about the next byte.
func (r *reader) syntax(want string) error {
	if r.skipSpace(); r.pos == len(r.src) {
		return fmt.Errorf("file ends where %s is expected", want)
	}
	return fmt.Errorf("byte %d: %q where %s is expected", r.pos, r.src[r.pos], want)
}

// end checks that nothing but white space is left.
func (r *reader) end() error {
	if r.skipSpace(); r.pos != len(r.src) {
		return r.syntax("the end of the file")
	}
	return nil
}

// object reads an object that has each of the fields at most once, the
// required ones exactly once, and no others.
func (r *reader) object(fields ...field) error {
	if !r.take('{') {
		return r.syntax("an object")
	}
	var seen uint32 // bit i: fields[i] was read
	for n := 0; !r.take('}'); n++ {
		if n > 0 && !r.take(',') {
			return r.syntax("a comma or }")
		}
		name, err := r.string()
		if err != nil {
			return err
		}
		i := 0
		for i < len(fields) && fields[i].name != name {
			i++
		}
		if i == len(fields) {
			return at(strconv.Quote(name), errors.New("unknown field"))
		}
		if seen&(1<<i) != 0 {
			return at(name, errors.New("duplicate field"))
		}
		seen |= 1 << i
		if !r.take(':') {
			return at(name, r.syntax("a colon"))
		}
		if err := fields[i].read(); err != nil {
			return at(name, err)
		}
	}
	for i, f := range fields {
		if f.required && seen&(1<<i) == 0 {
			return at(f.name, errors.New("missing"))
		}
	}
	return nil
}

// array reads an array of at most limit elements, each with element.
func (r *reader) array(limit int, element func(i int) error) error {
	if !r.take('[') {
		return r.syntax("an array")
	}
	for i := 0; !r.take(']'); i++ {
		if i > 0 && !r.take(',') {
			return r.syntax("a comma or ]")
		}
		if i == limit {
			return fmt.Errorf("more than %d elements", limit)
		}
		if err := element(i); err != nil {
			return at(index(i), err)
		}
	}
	return nil
}

// text returns a function that reads a string into dst.
func (r *reader) text(dst *string) func() error {
	return func() (err error) {
		*dst, err = r.string()
		return err
	}
}

// base64 returns a function that reads bytes: standard alphabet, padded, no
// line breaks.
func (r *reader) base64(dst *[]byte) func() error {
	return func() error {
		s, err := r.bytes()
		if err != nil {
			return err
		}
		enc := base64.StdEncoding.Strict()
		b := make([]byte, enc.DecodedLen(len(s)))
		n, err := enc.Decode(b, s)
		// Decode skips line breaks, which the length gives away.
		if err != nil || enc.EncodedLen(n) != len(s) {
			return errors.New("not canonical base64")
		}
		*dst = b[:n:n]
		return nil
	}
}

// window returns a function that reads a dev.sigstore.common.v1.TimeRange.
func (r *reader) window(dst *Window) func() error {
	return func() error {
		err := r.object(
			field{"start", required, r.time(&dst.Start)},
			field{"end", optional, r.time(&dst.End)},
		)
		if err == nil && !dst.End.IsZero() && dst.End.Before(dst.Start) {
			return errors.New("ends before it starts")
		}
		return err
	}
}

// time returns a function that reads a google.protobuf.Timestamp: RFC 3339 in
// UTC, at most nanoseconds.
func (r *reader) time(dst *time.Time) func() error {
	return func() error {
		s, err := r.bytes()
		if err != nil {
			return err
		}
		const shortest, longest = len("2006-01-02T15:04:05Z"), len("2006-01-02T15:04:05.999999999Z")
		if len(s) < shortest || len(s) > longest || s[len(s)-1] != 'Z' {
			return fmt.Errorf("%q is not an RFC 3339 time in UTC", s)
		}
		// time.Parse lets pass hours of one digit and a decimal comma
		// (go.dev/issue/54580). Its zero is refused because a zero End means
		// an open window.
		t, err := time.Parse(time.RFC3339, string(s))
		if err != nil || t.IsZero() || s[13] != ':' || (s[19] != '.' && s[19] != 'Z') {
			return fmt.Errorf("%q is not an RFC 3339 time in UTC", s)
		}
		*dst = t
		return nil
	}
}

// uint32 returns a function that reads a non-negative integer.
func (r *reader) uint32(dst *uint32) func() error {
	return func() error {
		r.skipSpace()
		start := r.pos
		for r.pos < len(r.src) && '0' <= r.src[r.pos] && r.src[r.pos] <= '9' {
			r.pos++
		}
		digits := r.src[start:r.pos]
		if len(digits) == 0 {
			return r.syntax("a non-negative integer")
		}
		n, err := strconv.ParseUint(string(digits), 10, 32)
		if err != nil || (digits[0] == '0' && len(digits) > 1) {
			return fmt.Errorf("%q is not an integer below 2^32", digits)
		}
		*dst = uint32(n)
		return nil
	}
}
