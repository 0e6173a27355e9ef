package verifier

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A member is what a JSON object may have by that name, and how to read its
// value.
type member struct {
	name     string
	required bool
	read     func(value []byte) error
}

// maxMembers bounds the members of an object. Those that are known have seven
// at most, a statement a few that are not.
const maxMembers = 1024

// readObject reads a JSON object (RFC 8259) that is all of data and has each
// of the members at most once, the required ones exactly once. Names are
// compared byte for byte. A value of null is one that is absent. Others are
// for other to take or, if that is nil, refused. Unlike encoding/json's own
// way into a struct it leaves no two readings of a text. It has at most
// maxMembers, for whoever made it nobody knows yet.
func readObject(data []byte, other func(name string, value []byte) error, members ...member) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // of a member it is nothing else
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("%.100q occurs twice", name)
		}
		if len(seen) == maxMembers {
			return fmt.Errorf("more than %d members", maxMembers)
		}
		seen[name] = true
		if err := readMember(name, value, other, members); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something after the JSON object")
	}
	for _, m := range members {
		if m.required && !seen[m.name] {
			return fmt.Errorf("no %q", m.name)
		}
	}
	return nil
}

func readMember(name string, value []byte, other func(string, []byte) error, members []member) error {
	for _, m := range members {
		if m.name != name {
			continue
		}
		if string(value) == "null" {
			if m.required {
				return fmt.Errorf("%q is null", name)
			}
			return nil
		}
		if err := m.read(value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if other == nil {
		return fmt.Errorf("unknown member %.100q", name)
	}
	return other(name, value)
}

// ignore takes the members that nobody asks for.
func ignore(string, []byte) error { return nil }

// readRaw returns a function that takes a value as it stands.
func readRaw(dst *json.RawMessage) func([]byte) error {
	return func(value []byte) error {
		*dst = value
		return nil
	}
}

// readArray returns a function that reads an array of at most limit elements,
// each with element.
func readArray(limit int, element func(value []byte) error) func([]byte) error {
	return func(value []byte) error {
		dec := json.NewDecoder(bytes.NewReader(value))
		if start, err := dec.Token(); err != nil || start != json.Delim('[') {
			return errors.New("not an array")
		}
		// One after another: a list of all would take many times the text.
		for i := 0; dec.More(); i++ {
			if i == limit {
				return fmt.Errorf("more elements than the limit of %d", limit)
			}
			var value json.RawMessage
			if err := dec.Decode(&value); err != nil {
				return err
			}
			if err := element(value); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		return nil
	}
}

// readText returns a function that reads a string.
func readText(dst *string) func([]byte) error {
	return func(value []byte) error {
		if value[0] != '"' {
			return errors.New("not a string")
		}
		return json.Unmarshal(value, dst)
	}
}

// readBytes returns a function that reads bytes in base64, at least one:
// standard alphabet, padded, no line breaks.
func readBytes(dst *[]byte) func([]byte) error {
	return func(value []byte) error {
		var text string
		if err := readText(&text)(value); err != nil {
			return err
		}
		enc := base64.StdEncoding.Strict()
		b, err := enc.DecodeString(text)
		// DecodeString skips line breaks, which the length gives away.
		if err != nil || enc.EncodedLen(len(b)) != len(text) {
			return errors.New("not canonical base64")
		}
		if len(b) == 0 {
			return errors.New("empty")
		}
		*dst = b
		return nil
	}
}
