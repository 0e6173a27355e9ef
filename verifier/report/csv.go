package report

import (
	"bufio"
	"io"
	"strings"
	"time"

	"gitseal/verifier"
)

// csvHeader names the columns.
const csvHeader = "type,oid,class,kind,identity,issuer,key,entry,time,time source,message,findings,repository\r\n"

// NewCSV returns a writer of a table in CSV (RFC 4180), in UTF-8: a header,
// and one row for each object that was examined. If no rows come, as of
// reports that were read from files, it has one for each finding.
//
// Spreadsheets take a cell that begins like a formula for one, whoever wrote
// it, so such a cell gets an apostrophe before it. What is not printable is
// written as an escape sequence of Go.
func NewCSV(w io.Writer) RowWriter {
	return &csvTable{w: bufio.NewWriter(w)}
}

type csvTable struct {
	w       *bufio.Writer // keeps the first error
	started bool
	rows    bool
}

// Row writes the row of an object.
func (c *csvTable) Row(r Row) error {
	c.rows = true
	return c.row(r)
}

func (c *csvTable) row(r Row) error {
	c.start()
	var signer verifier.Signer
	if r.Signer != nil {
		signer = *r.Signer
	}
	at := ""
	if isDate(r.Time) {
		at = r.Time.UTC().Format(time.RFC3339)
	}
	cells := []string{
		r.Object.Type, r.Object.OID, string(r.Class),
		string(signer.Kind), signer.Identity.Subject, signer.Identity.Issuer, signer.Key,
		r.Entry, at, string(r.Source), r.Message, strings.Join(r.Findings, " "), r.Repository,
	}
	for i, cell := range cells {
		if i > 0 {
			c.w.WriteByte(',')
		}
		c.w.WriteString(csvCell(cell))
	}
	_, err := c.w.WriteString("\r\n")
	return writing(err)
}

// start writes the header, once.
func (c *csvTable) start() {
	if !c.started {
		c.started = true
		c.w.WriteString(csvHeader)
	}
}

// csvCell returns a cell that is text to every reader.
func csvCell(s string) string {
	s = printable(s)
	if strings.ContainsAny(firstOf(strings.TrimLeft(s, " '")), "=+-@＝＋－＠") {
		s = "'" + s
	}
	if strings.ContainsAny(s, "\",;'\\ ") {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// firstOf returns the first character of s.
func firstOf(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// Close writes what is left.
func (c *csvTable) Close(reports ...*Report) error {
	c.start()
	s := Merge(reports)
	for i, r := range s.Reports {
		if c.rows {
			break
		}
		for x := range r.Findings.All() {
			row := Row{Object: x.Object, Signer: x.Signer, Message: x.Message, Findings: []string{x.ID}}
			if at := indexOf(x.ID); at >= 0 && at < classCount && x.Object.Type != "mergetag" {
				row.Class, row.Findings = verifier.Class(x.ID), nil
			}
			if s.single() == nil {
				row.Repository = s.name(i)
			}
			if err := c.row(row); err != nil {
				return err
			}
		}
	}
	return writing(c.w.Flush())
}
