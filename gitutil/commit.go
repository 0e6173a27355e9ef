package gitutil

import (
	"bytes"
	"errors"
	"fmt"
)

// A Commit is a parsed commit object.
type Commit struct {
	Tree      string
	Parents   []string // in order; empty for a root commit
	Author    Ident
	Committer Ident
	// Mergetags are the tags that were merged, each the bytes of a tag
	// object, for SplitTag and ParseTag.
	Mergetags [][]byte
	// Encoding is what the encoding header says the message is in; empty
	// means UTF-8. Neither is checked.
	Encoding string
	// Message is everything after the empty line that ends the header.
	Message []byte
}

// ParseCommit parses a commit object:
//
//	"tree" SP oid LF
//	*( "parent" SP oid LF )
//	1*( "author" SP ident LF )
//	"committer" SP ident LF
//	*( name [ SP value ] LF *( SP value LF ) )
//	[ LF message ]
//
// It refuses what readers of git objects could read in two ways: a missing or
// repeated tree, a parent out of place, an id that is not of the format, NUL
// in the header, no author or committer or a second committer. Everything
// else that occurs in real repositories is accepted: unknown and repeated
// headers, authors without a name or a date, bytes that are not UTF-8.
// Several author lines are accepted with the first in force, as in git.
func ParseCommit(data []byte, f Format) (*Commit, error) {
	c := new(Commit)
	if err := c.parse(data, f); err != nil {
		return nil, fmt.Errorf("parsing commit: %w", err)
	}
	return c, nil
}

func (c *Commit) parse(data []byte, f Format) error {
	headers, message, err := parseHeaders(data)
	if err != nil {
		return err
	}
	c.Message = message

	if c.Tree, headers, err = oidHeader(headers, "tree", f); err != nil {
		return err
	}
	for len(headers) > 0 && headers[0].name == "parent" {
		var parent string
		if parent, headers, err = oidHeader(headers, "parent", f); err != nil {
			return err
		}
		c.Parents = append(c.Parents, parent)
	}

	if c.Author, headers, err = identHeader(headers, "author"); err != nil {
		return err
	}
	for len(headers) > 0 && headers[0].name == "author" {
		headers = headers[1:]
	}
	if c.Committer, headers, err = identHeader(headers, "committer"); err != nil {
		return err
	}

	for _, h := range headers {
		switch h.name {
		case "tree", "parent", "author", "committer":
			return fmt.Errorf("%s header out of place", h.name)
		case "mergetag":
			c.Mergetags = append(c.Mergetags, h.value())
		case "encoding":
			if c.Encoding == "" {
				c.Encoding = string(bytes.TrimSuffix(h.value(), []byte("\n")))
			}
		}
	}
	return nil
}

// A header is one header of a commit or tag with its continuation lines.
type header struct {
	name  string
	bare  bool   // the line is the name alone, without even a space
	first []byte // the value's first line, with its newline
	more  []byte // the continuation lines as they stand
}

// value returns the header's value with the space that starts each
// continuation line removed.
func (h header) value() []byte {
	v := bytes.Clone(h.first)
	for at := 0; at < len(h.more); {
		line, next := lineAt(h.more, at)
		v = append(v, line[1:]...)
		at = next
	}
	return v
}

// maxHeaders bounds the headers of an object, so that 128 MiB of them do not
// take a hundred times that to hold. Real objects have tens.
const maxHeaders = 1 << 16

// parseHeaders cuts an object into headers and message. Each header line ends
// in a newline; a header without a message is complete.
func parseHeaders(data []byte) (headers []header, message []byte, err error) {
	at := 0
	for at < len(data) && data[at] != '\n' {
		line, next := lineAt(data, at)
		if line[len(line)-1] != '\n' {
			return nil, nil, errors.New("header ends within a line")
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, nil, errors.New("NUL in header")
		}
		if line[0] == ' ' {
			if len(headers) == 0 {
				return nil, nil, errors.New("header begins with a continuation line")
			}
			last := &headers[len(headers)-1]
			// Continuation lines are adjacent: grow over them.
			last.more = data[at-len(last.more) : next]
		} else {
			name, value, ok := bytes.Cut(line, []byte(" "))
			if !ok {
				name, value = line[:len(line)-1], line[len(line)-1:]
			}
			if len(headers) == maxHeaders {
				return nil, nil, fmt.Errorf("more than %d headers", maxHeaders)
			}
			headers = append(headers, header{name: string(name), bare: !ok, first: value})
		}
		at = next
	}
	if at < len(data) {
		message = data[at+1:]
	}
	return headers, message, nil
}

// takeHeader takes the header with the given name, which must be next and on
// one line, and returns its value without the newline.
func takeHeader(headers []header, name string) (value []byte, rest []header, err error) {
	if len(headers) == 0 || headers[0].name != name || headers[0].bare {
		return nil, nil, fmt.Errorf("missing %s header", name)
	}
	h := headers[0]
	if len(h.more) > 0 {
		return nil, nil, fmt.Errorf("%s header on several lines", name)
	}
	return h.first[:len(h.first)-1], headers[1:], nil
}

// oidHeader takes the header with the given name and an object id.
func oidHeader(headers []header, name string, f Format) (oid string, rest []header, err error) {
	value, rest, err := takeHeader(headers, name)
	if err != nil {
		return "", nil, err
	}
	if oid = string(value); !f.validOID(oid) {
		return "", nil, fmt.Errorf("%s header is not a %s object id", name, f)
	}
	return oid, rest, nil
}

// identHeader takes the header with the given name and an ident.
func identHeader(headers []header, name string) (Ident, []header, error) {
	value, rest, err := takeHeader(headers, name)
	if err != nil {
		return Ident{}, nil, err
	}
	return parseIdent(value), rest, nil
}
