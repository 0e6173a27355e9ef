package report

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
)

// A document is JSON on its way out. The first error ends it.
type document struct {
	w       *bufio.Writer
	compact bool   // on one line
	indent  string // of the fields of the object that is being written
	more    bool   // it has a field
	buf     bytes.Buffer
	e       *json.Encoder // to buf, for the value being written
	err     error
}

func newDocument(w io.Writer) *document {
	d := &document{w: bufio.NewWriter(w)}
	d.e = json.NewEncoder(&d.buf)
	d.e.SetEscapeHTML(false)
	return d
}

// finish writes what is left and returns the first error.
func (d *document) finish() error {
	if d.err == nil {
		d.err = d.w.Flush()
	}
	return writing(d.err)
}

func (d *document) write(s string) {
	if d.err == nil {
		_, d.err = d.w.WriteString(s)
	}
}

func (d *document) newline() {
	if !d.compact {
		d.write("\n" + d.indent)
	}
}

// begin begins an object.
func (d *document) begin() {
	d.write("{")
	d.indent += "  "
	d.more = false
}

// end ends it.
func (d *document) end() {
	d.indent = d.indent[2:]
	d.newline()
	d.write("}")
	d.more = true
}

// name begins a field.
func (d *document) name(name string) {
	if d.more {
		d.write(",")
	}
	d.more = true
	d.newline()
	d.write(strconv.Quote(name) + ":")
	if !d.compact {
		d.write(" ")
	}
}

// field writes a whole field.
func (d *document) field(name string, value any) {
	d.name(name)
	d.value(value)
}

// list writes a list. elements calls element before it writes one.
func (d *document) list(elements func(element func())) {
	separator := ""
	d.write("[")
	d.indent += "  "
	elements(func() {
		d.write(separator)
		separator = ","
		d.newline()
	})
	d.indent = d.indent[2:]
	if separator != "" {
		d.newline()
	}
	d.write("]")
	d.more = true
}

// value writes a value.
func (d *document) value(value any) {
	if text := d.text(value); d.err == nil {
		_, d.err = d.w.Write(text)
	}
}

// text returns the text of a value, which the next call overwrites.
func (d *document) text(value any) []byte {
	if d.err != nil {
		return nil
	}
	d.buf.Reset()
	if !d.compact {
		d.e.SetIndent(d.indent, "  ")
	}
	if d.err = d.e.Encode(value); d.err != nil {
		return nil
	}
	return PlainJSON(bytes.TrimSuffix(d.buf.Bytes(), []byte("\n")))
}

// findings writes findings, each as what value makes of it, between calls of
// before and after. What value makes has a member "oid" with the object's id.
//
// Of findings that differ in their ids only, the text around the id is made
// once: a million take seconds otherwise.
func (d *document) findings(findings *Findings, value func(Finding) any, before, after func()) {
	member := []byte(`"oid": "`)
	if d.compact {
		member = []byte(`"oid":"`)
	}
	type around struct{ head, tail []byte }
	texts := make(map[int]around)
	for number, oid := range findings.records() {
		if d.err != nil {
			return
		}
		before()
		text, ok := texts[number]
		if !ok && (len(oid) == 0 || findings.counts[number] == 1) {
			d.value(value(findings.details[number].finding(oid)))
			after()
			continue
		}
		if !ok {
			// No quote is bare within a string, so the member is the first such.
			all := bytes.Clone(d.text(value(findings.details[number].finding(nil))))
			if d.err != nil {
				return
			}
			i := bytes.Index(all, append(member, '"')) + len(member)
			text = around{all[:i], all[i:]}
			texts[number] = text
		}
		d.w.Write(text.head) // d.w keeps the first error for Flush
		d.w.Write(hex.AppendEncode(d.w.AvailableBuffer(), oid))
		_, d.err = d.w.Write(text.tail)
		after()
	}
}
