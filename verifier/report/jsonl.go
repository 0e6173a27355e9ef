package report

import (
	"io"
	"time"

	"gitseal/verifier"
)

// NewJSONL returns a writer of JSON Lines: one JSON object on each, whose
// member "type" says what it is about.
//
//	{"type":"object", …}   each object that was examined, as it comes
//	{"type":"finding", …}  each finding, as in the JSON document
//	{"type":"summary", …}  the JSON document without its findings
//	{"type":"set", …}      the last line, after several summaries
//
// It is one line after the other, so a reader need not hold what it has read.
// Member "repository" says which repository it is about where they are
// several. As for strings and times, it is like the JSON document.
func NewJSONL(w io.Writer) RowWriter {
	d := newDocument(w)
	d.compact = true
	return &jsonLines{d}
}

type jsonLines struct{ d *document }

type jsonRow struct {
	Type       string              `json:"type"`
	Repository string              `json:"repository,omitempty"`
	Object     Object              `json:"object"`
	Class      verifier.Class      `json:"class"`
	Identity   *identity           `json:"identity"`
	Entry      string              `json:"entry,omitempty"`
	Time       *time.Time          `json:"time"`
	TimeSource verifier.TimeSource `json:"timeSource,omitempty"`
	Message    string              `json:"message,omitempty"`
	Findings   []string            `json:"findings"`
}

// Row writes the line of an object.
func (l *jsonLines) Row(r Row) error {
	row := jsonRow{"object", r.Repository, r.Object, r.Class, jsonIdentity(r.Signer), r.Entry, nil, r.Source, r.Message, list(r.Findings)}
	if isDate(r.Time) {
		t := r.Time.UTC()
		row.Time = &t
	}
	l.d.value(row)
	l.d.write("\n")
	return writing(l.d.err)
}

// Close writes the lines of findings and of summaries.
func (l *jsonLines) Close(reports ...*Report) error {
	d, s := l.d, Merge(reports)
	for i, r := range s.Reports {
		d.findings(r, func(x jsonFinding) any {
			line := jsonFindingLine{Type: "finding", jsonFinding: x}
			if s.single() == nil {
				line.Repository = s.name(i)
			}
			return line
		}, func() {}, func() { d.write("\n") })
	}
	for i, r := range s.Reports {
		d.begin()
		d.field("type", "summary")
		if s.single() == nil {
			d.field("repository", s.name(i))
		}
		d.head(r)
		d.field("result", r.Result)
		d.end()
		d.write("\n")
	}
	if s.single() == nil {
		d.begin()
		d.field("type", "set")
		d.field("tool", s.Tool)
		d.field("complete", s.Complete)
		d.field("totals", s.Totals)
		d.field("result", s.Result)
		d.end()
		d.write("\n")
	}
	return d.finish()
}

type jsonFindingLine struct {
	Type       string `json:"type"`
	Repository string `json:"repository,omitempty"`
	jsonFinding
}
