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

// findings writes the findings of a report, each as what value makes of it,
// between calls of before and after. What value makes has the finding's members
// in their order: the object's with "oid", and "hint" as the last one.
//
// Of findings that differ in their ids only, the text around the id is made
// once: a million take seconds otherwise.
func (d *document) findings(r *Report, value func(jsonFinding) any, before, after func()) {
	findings := &r.Findings
	texts := make(map[int][][]byte)
	for number, oid := range findings.records() {
		if d.err != nil {
			return
		}
		before()
		alone := len(oid) == 0 || findings.counts[number] == 1
		text, ok := texts[number]
		if !ok && !alone {
			text = d.around(r, &findings.details[number], value)
			texts[number] = text
		}
		if alone || len(text) > 2 && !isBinaryID(oid) { // no id is put into a hint that is none
			x := findings.details[number].finding(oid)
			x.Hint = r.hint(&x)
			d.value(value(newJSONFinding(x)))
			after()
			continue
		}
		for i, part := range text {
			if i > 0 {
				d.w.Write(hex.AppendEncode(d.w.AvailableBuffer(), oid)) // d.w keeps the first error for Flush
			}
			_, d.err = d.w.Write(part)
		}
		after()
	}
}

// around returns the text of a finding around the places of its object's id:
// the member, and those in the hint.
func (d *document) around(r *Report, of *detail, value func(jsonFinding) any) [][]byte {
	oid, hint := `"oid": "`, `"hint": "`
	if d.compact {
		oid, hint = `"oid":"`, `"hint":"`
	}
	x := of.finding(nil)
	x.Hint = ""
	// No quote is bare within a string, so the members are the first and the
	// last such.
	all := bytes.Clone(d.text(value(newJSONFinding(x))))
	if d.err != nil {
		return nil
	}
	atID := bytes.Index(all, []byte(oid+`"`)) + len(oid)
	atHint := bytes.LastIndex(all, []byte(hint+`"`)) + len(hint)
	parts := [][]byte{all[:atID], bytes.Clone(all[atID:atHint])}
	for i, words := range splitWord(r.sharedHint(of.hint), oidWord) {
		quoted := d.text(words)
		if i > 0 {
			parts = append(parts, nil)
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], quoted[1:len(quoted)-1]...)
	}
	last := len(parts) - 1
	parts[last] = append(parts[last], all[atHint:]...)
	return parts
}
