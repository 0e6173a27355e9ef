package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A RowWriter writes what audits found in one format. It takes what they find
// as it comes, so that none of it need be kept, and is for one goroutine at a
// time.
type RowWriter interface {
	// Row takes what was found of one object. Formats that do not list all
	// objects do nothing.
	Row(Row) error
	// Close writes the rest: of one audit, or of several as one Set. It is
	// called once, and does not close what is written to.
	Close(...*Report) error
}

// A Config is what some formats need besides the reports.
type Config struct {
	// HelpURI is where docs/findings.md is published: with "#" and a finding's
	// id it is the link of a rule in SARIF. Empty: rules have no link.
	HelpURI string
	// Width is how many characters a line of "text" has: those of a terminal.
	// Zero: lines are not broken, as programs that look for something in them
	// want it.
	Width int
	// VSA is for the format "vsa".
	VSA VSAConfig
}

// formats are all of them, by name.
var formats = map[string]func(io.Writer, *Config) RowWriter{
	"text":     func(w io.Writer, cfg *Config) RowWriter { return &wholeWriter{w, textWriter(cfg.Width)} },
	"json":     whole(WriteJSON),
	"jsonl":    func(w io.Writer, _ *Config) RowWriter { return NewJSONL(w) },
	"sarif":    func(w io.Writer, cfg *Config) RowWriter { return &wholeWriter{w, sarifWriter(cfg.HelpURI)} },
	"junit":    whole(WriteJUnit),
	"csv":      func(w io.Writer, _ *Config) RowWriter { return NewCSV(w) },
	"markdown": whole(WriteMarkdown),
	"html":     whole(WriteHTML),
	"github":   whole(WriteGitHub),
	"vsa":      func(w io.Writer, cfg *Config) RowWriter { return &wholeWriter{w, vsaWriter(cfg.VSA)} },
}

// Formats returns the names of the formats, sorted.
func Formats() []string {
	var names []string
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// NewWriter returns a writer of the named format. Nothing is written before it
// is called.
func NewWriter(format string, w io.Writer, cfg Config) (RowWriter, error) {
	open := formats[format]
	if open == nil {
		return nil, fmt.Errorf("unknown report format %q: there are %s", format, strings.Join(Formats(), ", "))
	}
	return open(w, &cfg), nil
}

// A wholeWriter writes a format that is made of reports alone.
type wholeWriter struct {
	w     io.Writer
	write func(io.Writer, ...*Report) error
}

func whole(write func(io.Writer, ...*Report) error) func(io.Writer, *Config) RowWriter {
	return func(w io.Writer, _ *Config) RowWriter { return &wholeWriter{w, write} }
}

func (w *wholeWriter) Row(Row) error                  { return nil }
func (w *wholeWriter) Close(reports ...*Report) error { return w.write(w.w, reports...) }

var errNoReport = errors.New("writing report: there is none")

// writing returns an error about what a report is written to.
func writing(err error) error {
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}
