package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"gitseal/verifier"
)

// Schema names the form of the JSON document. Another number means that a
// reader of this one may go wrong.
const Schema = "gitseal.audit/1"

// WriteJSON writes the report as one JSON document of that schema:
// indented, its fields in the order of Report, lists never null, times in RFC
// 3339 and UTC. It is valid UTF-8 whatever the report holds: bytes that are
// not become U+FFFD.
//
// Findings are written one by one, so that a report of millions is never in
// memory as text.
func WriteJSON(w io.Writer, r *Report) error {
	d := newDocument(w)
	d.field("schema", Schema)
	d.field("tool", r.Tool)
	d.field("repository", r.Repository)
	d.field("scope", jsonScope(r.Scope))
	d.field("policy", r.Policy)
	d.field("trust", Trust{list(r.Trust.Sources), r.Trust.Digest})
	d.field("startedAt", r.StartedAt.UTC())
	d.field("finishedAt", r.FinishedAt.UTC())
	d.field("complete", r.Complete)
	d.field("notExamined", list(r.NotExamined))
	d.field("totals", r.Totals)
	d.field("signers", jsonSigners(r.Signers))
	d.field("logs", list(r.Logs))
	d.name("findings")
	d.findings(&r.Findings)
	d.field("result", r.Result)
	d.write("\n}\n")
	if d.err == nil {
		d.err = d.w.Flush()
	}
	if d.err != nil {
		return fmt.Errorf("writing report: %w", d.err)
	}
	return nil
}

// A document is a JSON object on its way out. The first error ends it.
type document struct {
	w   *bufio.Writer
	n   int          // fields written
	buf bytes.Buffer // for the value being written
	e   *json.Encoder
	err error
}

func newDocument(w io.Writer) *document {
	d := &document{w: bufio.NewWriter(w)}
	d.e = json.NewEncoder(&d.buf)
	d.e.SetEscapeHTML(false)
	return d
}

func (d *document) write(s string) {
	if d.err == nil {
		_, d.err = d.w.WriteString(s)
	}
}

// name begins a field.
func (d *document) name(name string) {
	if d.n == 0 {
		d.write("{\n")
	} else {
		d.write(",\n")
	}
	d.n++
	d.write("  " + strconv.Quote(name) + ": ")
}

// field writes a whole field.
func (d *document) field(name string, value any) {
	d.name(name)
	d.value(value, "  ")
}

// value writes a value whose further lines are indented by indent.
func (d *document) value(value any, indent string) {
	if d.err != nil {
		return
	}
	d.buf.Reset()
	d.e.SetIndent(indent, "  ")
	if d.err = d.e.Encode(value); d.err == nil {
		_, d.err = d.w.Write(PlainJSON(bytes.TrimSuffix(d.buf.Bytes(), []byte("\n"))))
	}
}

// PlainJSON returns a JSON text in which the characters that encoding/json
// leaves as they are but a terminal may obey are escaped: the second set of
// control characters, and those that reorder or hide what is around them.
func PlainJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, obeyed) {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		switch {
		case !obeyed(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// obeyed reports whether a character beyond ASCII is not for showing.
func obeyed(r rune) bool {
	return r > unicode.MaxASCII && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
}

func (d *document) findings(findings *Findings) {
	if findings.Len() == 0 {
		d.write("[]")
		return
	}
	separator := "[\n    "
	for x := range findings.All() {
		if d.err != nil {
			return
		}
		d.write(separator)
		separator = ",\n    "
		d.value(jsonFinding{x.ID, x.Severity, x.Object, jsonIdentity(x.Identity), x.Message, x.Hint}, "    ")
	}
	d.write("\n  ]")
}

type jsonFinding struct {
	ID       string    `json:"id"`
	Severity Severity  `json:"severity"`
	Object   Object    `json:"object"`
	Identity *identity `json:"identity"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint"`
}

type identity struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

func jsonIdentity(id *verifier.Identity) *identity {
	if id == nil {
		return nil
	}
	return &identity{id.Issuer, id.Subject}
}

// MarshalJSON writes the totals as one object, every class in it.
func (t Totals) MarshalJSON() ([]byte, error) {
	var b []byte
	add := func(name string, n int) {
		if b == nil {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(strconv.AppendQuote(b, name), ':'), int64(n), 10)
	}
	add("examined", t.Examined)
	add("commits", t.Commits)
	add("tags", t.Tags)
	for _, class := range Classes() {
		add(string(class), t.Classes[class])
	}
	return append(b, '}'), nil
}

func jsonScope(s Scope) Scope {
	out := Scope{Refs: list(s.Refs), Revisions: []Revision{}}
	for _, r := range s.Revisions {
		out.Revisions = append(out.Revisions, Revision{r.Revision, list(r.Resolved)})
	}
	return out
}

func jsonSigners(signers []Signer) []Signer {
	out := []Signer{}
	for _, s := range signers {
		s.First, s.Last = s.First.UTC(), s.Last.UTC()
		out = append(out, s)
	}
	return out
}

// list returns a list that is not nil, for JSON's null is no list.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
