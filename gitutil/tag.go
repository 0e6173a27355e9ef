package gitutil

import "fmt"

// A Tag is a parsed tag object.
type Tag struct {
	Object string // the id of what is tagged
	Type   string // its type: "commit", "tree", "blob" or "tag"
	Name   string
	Tagger *Ident // nil in tags of 2005, which have none
	// Message is everything after the empty line that ends the header,
	// including a signature; for the message alone parse the payload that
	// SplitTag returns.
	Message []byte
}

// ParseTag parses a tag object:
//
//	"object" SP oid LF
//	"type" SP type LF
//	"tag" SP name LF
//	[ "tagger" SP ident LF ]
//	*( name [ SP value ] LF *( SP value LF ) )
//	[ LF message ]
//
// Headers that repeat one of the first four are refused, as are NUL in the
// header, an unknown type and an id that is not of the format.
func ParseTag(data []byte, f Format) (*Tag, error) {
	t := new(Tag)
	if err := t.parse(data, f); err != nil {
		return nil, fmt.Errorf("parsing tag: %w", err)
	}
	return t, nil
}

func (t *Tag) parse(data []byte, f Format) error {
	headers, message, err := parseHeaders(data)
	if err != nil {
		return err
	}
	t.Message = message

	if t.Object, headers, err = oidHeader(headers, "object", f); err != nil {
		return err
	}
	value, headers, err := takeHeader(headers, "type")
	if err != nil {
		return err
	}
	t.Type = string(value)
	switch t.Type {
	case "commit", "tree", "blob", "tag":
	default:
		return fmt.Errorf("unknown object type %q", t.Type)
	}
	if value, headers, err = takeHeader(headers, "tag"); err != nil {
		return err
	}
	t.Name = string(value)

	if len(headers) > 0 && headers[0].name == "tagger" {
		var tagger Ident
		if tagger, headers, err = identHeader(headers, "tagger"); err != nil {
			return err
		}
		t.Tagger = &tagger
	}
	for _, h := range headers {
		switch h.name {
		case "object", "type", "tag", "tagger":
			return fmt.Errorf("%s header out of place", h.name)
		}
	}
	return nil
}
