package verifier

import (
	"errors"
	"fmt"

	"gitseal/internal/strictjson"
)

// A reader reads JSON that comes with a signature, or that is signed. What it
// costs is in proportion to its length, for whoever made it nobody knows yet:
// no list is kept but within its bound, and values are not copied.
type reader struct{ strictjson.Reader }

func newReader(text []byte) *reader {
	return &reader{strictjson.Reader{Text: text, AtMember: atMember}}
}

func atMember(name string, err error) error {
	switch err {
	case strictjson.ErrUnknown:
		return fmt.Errorf("unknown member %.100q", name)
	case strictjson.ErrDuplicate:
		return fmt.Errorf("%.100q occurs twice", name)
	case strictjson.ErrMissing:
		return fmt.Errorf("no %q", name)
	}
	return fmt.Errorf("%.100q: %w", name, err)
}

// maxMembers bounds the members of an object that may have any. A statement
// has a few that are not known.
const maxMembers = 1024

var required = strictjson.Required

// optional returns a member that an object may lack. A value of null is one
// that is absent.
func (r *reader) optional(name string, read func() error) strictjson.Member {
	return strictjson.Optional(name, r.OrNull(read))
}

// whole reads, with read, an object that is all of the text.
func (r *reader) whole(read func() error) error {
	if r.Next() != '{' {
		return errors.New("not a JSON object")
	}
	if err := read(); err != nil {
		return err
	}
	if !r.AtEnd() {
		return errors.New("something after the JSON object")
	}
	return nil
}

// ignore takes the members that nobody asks for.
func (r *reader) ignore(string) error {
	_, err := r.Value()
	return err
}

// raw returns a function that takes a value as it stands, but for null. It is
// one value with nothing after it, to be read with a reader of its own.
func (r *reader) raw(dst *[]byte) func() error {
	return func() (err error) {
		if r.Null() {
			return errors.New("null")
		}
		*dst, err = r.Value()
		return err
	}
}

// array returns a function that reads an array of at most limit elements,
// each with element.
func (r *reader) array(limit int, element func() error) func() error {
	return func() error { return r.Array(limit, func(int) error { return element() }) }
}

// text returns a function that reads a string, which the text bounds.
func (r *reader) text(dst *string) func() error {
	return func() error {
		if r.Next() != '"' {
			return errors.New("not a string")
		}
		return r.String(dst, len(r.Text))()
	}
}

// bytes returns a function that reads bytes in base64, at least one.
func (r *reader) bytes(dst *[]byte) func() error {
	return func() error {
		err := r.Base64(dst, len(r.Text))()
		if err == nil && *dst == nil {
			err = errors.New("empty")
		}
		return err
	}
}
