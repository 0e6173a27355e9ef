package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"gitseal/verifier"
)

// Schema names the form of the JSON document. Another number means that a
// reader of this one may go wrong.
const Schema = "gitseal.audit/1"

// SetSchema names the form of the JSON document about several audits.
const SetSchema = "gitseal.audit-set/1"

// WriteJSON writes the report as one JSON document of the form Schema:
// indented, its fields in the order of Report, lists never null, times in RFC
// 3339 and UTC. It is valid UTF-8 whatever the report holds: bytes that are
// not become U+FFFD. A time that RFC 3339 cannot write, which a clock may
// nevertheless have shown, becomes that of no time at all, in the year 1.
//
// Several reports are one document of the form SetSchema, which holds each of
// them whole.
//
// Findings and the elements of other lists are written one by one, so that a
// report of millions of them is never in memory as text.
func WriteJSON(w io.Writer, reports ...*Report) error {
	d := newDocument(w)
	if s := Merge(reports); s.single() != nil {
		d.report(s.single())
	} else {
		d.set(s)
	}
	d.write("\n")
	return d.finish()
}

// set writes a set.
func (d *document) set(s *Set) {
	d.begin()
	d.field("schema", SetSchema)
	d.field("tool", s.Tool)
	d.name("reports")
	d.list(func(element func()) {
		for _, r := range s.Reports {
			element()
			d.report(r)
		}
	})
	d.field("complete", s.Complete)
	d.field("totals", s.Totals)
	d.field("result", s.Result)
	d.end()
}

// report writes a report.
func (d *document) report(r *Report) {
	d.begin()
	d.head(r)
	d.name("findings")
	d.list(func(element func()) {
		d.findings(r, func(x jsonFinding) any { return x }, element, func() {})
	})
	d.field("result", r.Result)
	d.end()
}

// head writes the fields of a report before its findings.
func (d *document) head(r *Report) {
	d.field("schema", Schema)
	d.field("tool", r.Tool)
	d.field("repository", r.Repository)
	d.scope(&r.Scope)
	d.field("policy", r.Policy)
	d.field("trust", Trust{list(r.Trust.Sources), r.Trust.Digest})
	d.field("startedAt", jsonTime(r.StartedAt))
	d.field("finishedAt", jsonTime(r.FinishedAt))
	d.field("complete", r.Complete)
	each(d, "notExamined", r.NotExamined, plainly)
	d.field("totals", r.Totals)
	each(d, "signers", r.Signers, jsonSigner)
	each(d, "unknownKeys", r.UnknownKeys, plainly)
	each(d, "logs", r.Logs, plainly)
	each(d, "months", r.Months, jsonMonth)
	each(d, "continuity", r.Continuity, jsonContinuity)
}

// scope writes the scope, which may name a million refs.
func (d *document) scope(s *Scope) {
	d.name("scope")
	d.begin()
	each(d, "refs", s.Refs, plainly)
	d.name("revisions")
	d.list(func(element func()) {
		for _, r := range s.Revisions {
			element()
			d.begin()
			d.field("revision", r.Revision)
			each(d, "resolved", r.Resolved, plainly)
			d.end()
		}
	})
	d.end()
}

// each writes a field that is a list, its elements one by one, each as what
// value makes of it.
func each[T any](d *document, name string, list []T, value func(T) T) {
	d.name(name)
	d.list(func(element func()) {
		for _, x := range list {
			if d.err != nil {
				return
			}
			element()
			d.value(value(x))
		}
	})
}

func plainly[T any](x T) T { return x }

// PlainJSON returns a JSON text in which the characters that encoding/json
// leaves as they are but a terminal may obey are escaped: the second set of
// control characters, those that reorder or hide what is around them, and those
// that Unicode has not said what to do with, some of which reorder by default.
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

// obeyed reports whether a character that encoding/json leaves as it is is not
// for showing. So is the one that stands for bytes that were none, which encoding/json escapes unless
// it was there before: a document that is read and written stays the same.
func obeyed(r rune) bool {
	return r == 0x7f || r > unicode.MaxASCII && (r == utf8.RuneError || !unicode.IsPrint(r))
}

type jsonFinding struct {
	ID       string    `json:"id"`
	Severity Severity  `json:"severity"`
	Object   Object    `json:"object"`
	Identity *identity `json:"identity"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint"`
}

func newJSONFinding(x Finding) jsonFinding {
	return jsonFinding{x.ID, x.Severity, x.Object, jsonIdentity(x.Signer), x.Message, x.Hint}
}

type identity struct {
	Kind    verifier.Kind `json:"kind"`
	Issuer  string        `json:"issuer"`
	Subject string        `json:"subject"`
	Key     string        `json:"key,omitempty"`
}

func jsonIdentity(s *verifier.Signer) *identity {
	if s == nil {
		return nil
	}
	return &identity{s.Kind, s.Identity.Issuer, s.Identity.Subject, s.Key}
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

func jsonSigner(s Signer) Signer {
	s.First, s.Last = jsonTime(s.First), jsonTime(s.Last)
	return s
}

func jsonMonth(m Month) Month {
	if m.Good == nil {
		m.Good = map[verifier.Kind]int{}
	}
	return m
}

func jsonContinuity(c Continuity) Continuity {
	if c.Since != nil {
		since := jsonPoint(*c.Since)
		c.Since = &since
	}
	gaps := []Gap{}
	for _, g := range c.Gaps {
		gaps = append(gaps, Gap{jsonPoint(g.Newest), jsonPoint(g.Oldest), g.Commits})
	}
	c.Gaps = gaps
	return c
}

func jsonPoint(p Point) Point { return Point{p.OID, jsonTime(p.Date)} }

// jsonTime returns a time that can be written.
func jsonTime(t time.Time) time.Time {
	if !isDate(t) {
		return time.Time{}
	}
	return t.UTC()
}

// list returns a list that is not nil, for JSON's null is no list.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
