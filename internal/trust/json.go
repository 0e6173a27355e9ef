package trust

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"gitseal/internal/strictjson"
)

// A reader reads the JSON of one file.
type reader struct{ strictjson.Reader }

func newReader(text []byte) (*reader, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	return &reader{strictjson.Reader{Text: text, Name: "file", AtMember: atMember, AtElement: atElement}}, nil
}

var required, optional = strictjson.Required, strictjson.Optional

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

func atMember(name string, err error) error {
	switch err {
	case strictjson.ErrUnknown:
		return at(fmt.Sprintf("%.100q", name), errors.New("unknown field"))
	case strictjson.ErrDuplicate:
		err = errors.New("duplicate field")
	case strictjson.ErrMissing:
		err = errors.New("missing")
	}
	return at(name, err)
}

func atElement(i int, err error) error { return at(index(i), err) }

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// text returns a function that reads a string, which the file bounds.
func (r *reader) text(dst *string) func() error { return r.String(dst, maxFile) }

// base64 returns a function that reads bytes, which the file bounds.
func (r *reader) base64(dst *[]byte) func() error { return r.Base64(dst, maxFile) }

// window returns a function that reads a dev.sigstore.common.v1.TimeRange.
func (r *reader) window(dst *Window) func() error {
	return func() error {
		err := r.Object(
			required("start", r.time(&dst.Start)),
			optional("end", r.time(&dst.End)),
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
		var s string
		if err := r.text(&s)(); err != nil {
			return err
		}
		const shortest, longest = len("2006-01-02T15:04:05Z"), len("2006-01-02T15:04:05.999999999Z")
		if len(s) < shortest || len(s) > longest || s[len(s)-1] != 'Z' {
			return fmt.Errorf("%q is not an RFC 3339 time in UTC", s)
		}
		// time.Parse lets pass hours of one digit and a decimal comma
		// (go.dev/issue/54580). Its zero is refused because a zero End means
		// an open window.
		t, err := time.Parse(time.RFC3339, s)
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
		var n int64
		err := r.Number(&n, 32)()
		*dst = uint32(n)
		return err
	}
}
