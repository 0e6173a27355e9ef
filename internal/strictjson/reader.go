// Package strictjson reads JSON (RFC 8259) in one way only, so that no two
// readers can take a text for different things.
//
// Its caller says what is expected, value by value, in the order of the text.
// Refused are, unlike by encoding/json: names that occur twice, that are
// unknown (but where Open is asked to let them pass) or in another case; null,
// but where it is asked for; strings that are not Unicode text, be it by their
// bytes or by half a surrogate pair; integers in any but their shortest form;
// base64 and hexadecimal in any but one form. White space and the order of
// members are free, except in a canonical text (RFC 8785). Lists and strings
// have bounds, and what is not asked for is not kept.
//
// The package decodes no text into structs by itself, and writes none but
// strings.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
)

// A Reader walks one text from front to back. After an error it is of no use.
type Reader struct {
	Text []byte // not longer than its caller bounds it; not changed

	// Canonical takes only what RFC 8785 writes: no white space, members in
	// ascending order of their names, no escape that need not be. False: any
	// form.
	Canonical bool

	// Name is what errors call the text, such as "file"; "": "text".
	Name string

	// AtMember and AtElement say in an error which member of an object, or
	// element of an array, it is about. Err may be ErrUnknown, ErrDuplicate
	// or ErrMissing itself. Nil: in words that fit most.
	AtMember  func(name string, err error) error
	AtElement func(i int, err error) error

	pos int // of the next unread byte
}

// What is wrong with a member whatever its value.
var (
	ErrUnknown   = errors.New("unknown member")
	ErrDuplicate = errors.New("duplicate member")
	ErrMissing   = errors.New("no member")
)

// A Member is what an object may have by a name, and how to read its value.
type Member struct {
	name     string
	required bool
	read     func() error
}

// Required returns a member that an object must have.
func Required(name string, read func() error) Member { return Member{name, true, read} }

// Optional returns a member that an object may lack.
func Optional(name string, read func() error) Member { return Member{name, false, read} }

// Next returns the next byte that is not white space, unread, or 0 at the end
// of the text.
func (r *Reader) Next() byte {
	for ; r.pos < len(r.Text); r.pos++ {
		c := r.Text[r.pos]
		if space := c == ' ' || c == '\t' || c == '\r' || c == '\n'; !space || r.Canonical {
			return c
		}
	}
	return 0
}

// take reads the byte c, after white space, if it is next.
func (r *Reader) take(c byte) bool {
	if r.Next() != c || r.pos == len(r.Text) {
		return false
	}
	r.pos++
	return true
}

// expected returns an error about the next byte.
func (r *Reader) expected(what string) error {
	if r.Next(); r.pos < len(r.Text) {
		return fmt.Errorf("byte %d: %q where %s is expected", r.pos, r.Text[r.pos], what)
	}
	name := r.Name
	if name == "" {
		name = "text"
	}
	return fmt.Errorf("the %s ends where %s is expected", name, what)
}

// AtEnd reports whether nothing but white space is left.
func (r *Reader) AtEnd() bool {
	r.Next()
	return r.pos == len(r.Text)
}

// End checks that nothing but white space is left.
func (r *Reader) End() error {
	switch {
	case r.AtEnd():
		return nil
	case r.Name == "":
		return r.expected("the end")
	}
	return r.expected("the end of the " + r.Name)
}

// Null reads null, if it is next.
func (r *Reader) Null() bool {
	r.Next()
	if !bytes.HasPrefix(r.Text[r.pos:], []byte("null")) {
		return false
	}
	r.pos += len("null")
	return true
}

// OrNull returns a function that reads null, which says nothing, or with read.
func (r *Reader) OrNull(read func() error) func() error {
	return func() error {
		if r.Null() {
			return nil
		}
		return read()
	}
}

// Object reads an object that has each of the members at most once, the
// required ones exactly once, and no others. For a canonical text they are
// listed in ascending order, 32 at most; read may then rely on the required
// ones before its own.
func (r *Reader) Object(members ...Member) error {
	var seen uint32 // bit i: members[i] was read
	err := r.members(func(name []byte) error {
		i := 0
		for i < len(members) && members[i].name != string(name) {
			i++
		}
		switch {
		case i == len(members):
			return ErrUnknown
		case seen&(1<<i) != 0:
			return ErrDuplicate
		case r.Canonical && seen>>i != 0:
			return errors.New("member out of order")
		case r.Canonical:
			if err := r.missing(members[:i], func(j int) bool { return seen&(1<<j) != 0 }); err != nil {
				return err
			}
		}
		seen |= 1 << i
		if !r.take(':') {
			return r.expected("a colon")
		}
		return members[i].read()
	})
	if err != nil {
		return err
	}
	return r.missing(members, func(i int) bool { return seen&(1<<i) != 0 })
}

// Open reads an object as Object does, which may have others of at most limit
// members. Each of them occurs once; other reads its value.
func (r *Reader) Open(limit int, other func(name string) error, members ...Member) error {
	seen := make(map[string]bool)
	err := r.Members(func(name string) error {
		switch {
		case seen[name]:
			return ErrDuplicate
		case len(seen) == limit:
			return fmt.Errorf("more than %d members", limit)
		}
		seen[name] = true
		for _, m := range members {
			if m.name == name {
				return m.read()
			}
		}
		return other(name)
	})
	if err != nil {
		return err
	}
	return r.missing(members, func(i int) bool { return seen[members[i].name] })
}

// Members reads an object, each value with value. A name may occur twice.
func (r *Reader) Members(value func(name string) error) error {
	return r.members(func(name []byte) error {
		if !r.take(':') {
			return r.expected("a colon")
		}
		return value(string(name))
	})
}

// missing returns an error if one of the required members was not seen.
func (r *Reader) missing(members []Member, seen func(i int) bool) error {
	for i := range members {
		if members[i].required && !seen(i) {
			return r.atMember(members[i].name, ErrMissing)
		}
	}
	return nil
}

// members reads an object, each colon and value with value.
func (r *Reader) members(value func(name []byte) error) error {
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
		if err := value(name); err != nil {
			return r.atMember(string(name), err)
		}
	}
	return nil
}

func (r *Reader) atMember(name string, err error) error {
	switch {
	case r.AtMember != nil:
		return r.AtMember(name, err)
	case err == ErrMissing:
		return fmt.Errorf("%w %q", err, name)
	}
	return fmt.Errorf("%.100q: %w", name, err)
}

// Array reads an array of at most limit elements, each with element.
func (r *Reader) Array(limit int, element func(i int) error) error {
	if !r.take('[') {
		return r.expected("an array")
	}
	for i := 0; !r.take(']'); i++ {
		if i > 0 && !r.take(',') {
			return r.expected("a comma or ]")
		}
		if i == limit {
			return fmt.Errorf("more than %d elements", limit)
		}
		if err := element(i); err != nil {
			if r.AtElement != nil {
				return r.AtElement(i, err)
			}
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}
