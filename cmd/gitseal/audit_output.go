package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/verifier/report"
)

// reportFlags say what reports are written, and where.
func reportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Value: "text", Usage: "the `FORMAT` on standard output: " + strings.Join(report.Formats(), ", ")},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"},
			Usage: "write a report to `FILE` too, in the format of its extension or, as FORMAT:FILE, in that one; repeat for several"},
		&cli.StringFlag{Name: "help-uri", Usage: "where docs/findings.md is published, for the links in SARIF"},
		&cli.StringFlag{Name: "resource-uri", Usage: "the `URI` of the repository, for reports that are read elsewhere: git+https://…"},
		&cli.StringFlag{Name: "sign-report", Usage: "sign the report, as an in-toto statement, and write the bundle to `FILE`"},
	}
}

// extensions are the formats that are known by the ends of files' names.
var extensions = []struct{ end, format string }{
	{".json", "json"}, {".jsonl", "jsonl"}, {".ndjson", "jsonl"}, {".sarif", "sarif"}, {".xml", "junit"},
	{".html", "html"}, {".htm", "html"}, {".csv", "csv"}, {".md", "markdown"}, {".txt", "text"}, {".intoto.json", "vsa"}, {".vsa.json", "vsa"},
}

// reportOutputs are the reports that are being written, at once.
type reportOutputs struct {
	all []*reportOutput
}

// A reportOutput is one report, on its way to a file or to standard output.
type reportOutput struct {
	report.RowWriter
	name string // of the file; empty: standard output
	file *os.File
	buf  *bufio.Writer
}

// openReports opens the reports that flags ask for, so that what cannot be
// written is known before the work begins.
func openReports(c *cli.Context, e *env) (*reportOutputs, error) {
	cfg := report.Config{HelpURI: c.String("help-uri"), VSA: report.VSAConfig{ResourceURI: c.String("resource-uri")}}
	out := new(reportOutputs)
	onTerminal := cfg
	onTerminal.Width = terminalWidth(e.stdout)
	stdout, err := report.NewWriter(c.String("format"), e.stdout, onTerminal)
	if err != nil {
		return nil, usage("--format %s: want one of %s", c.String("format"), strings.Join(report.Formats(), ", "))
	}
	out.all = append(out.all, &reportOutput{RowWriter: stdout})
	wantsURI := c.String("format") == "vsa" || c.IsSet("sign-report")
	for _, arg := range c.StringSlice("output") {
		format, name, err := outputFormat(arg)
		if err != nil {
			out.abandon()
			return nil, err
		}
		wantsURI = wantsURI || format == "vsa"
		if err := out.open(format, name, cfg); err != nil {
			out.abandon()
			return nil, err
		}
	}
	if wantsURI && !strings.Contains(c.String("resource-uri"), "://") {
		out.abandon()
		return nil, fail(exitUsage, errors.New("a verification summary names the repository by its URI, which --resource-uri does not say"),
			"--resource-uri git+https://example.com/acme/app")
	}
	return out, nil
}

// outputFormat returns the format and the file that -o names.
func outputFormat(arg string) (format, name string, err error) {
	if format, name, ok := strings.Cut(arg, ":"); ok && slices.Contains(report.Formats(), format) && name != "" {
		return format, name, nil
	}
	for _, x := range extensions {
		if strings.HasSuffix(strings.ToLower(arg), x.end) && len(x.end) > len(name) {
			format, name = x.format, x.end
		}
	}
	if format, name, ok := strings.Cut(arg, ":"); ok && name != "" && !strings.ContainsAny(format, "/.\\") {
		return "", "", usage("-o %s: %q is no format: want one of %s", arg, format, strings.Join(report.Formats(), ", "))
	}
	if format == "" {
		return "", "", fail(exitUsage, fmt.Errorf("-o %s: the name does not tell the format", arg),
			"-o FORMAT:"+shellWord(arg)+"   # with one of "+strings.Join(report.Formats(), ", "))
	}
	return format, arg, nil
}

// open begins a report beside the file that it will replace once it is whole.
func (o *reportOutputs) open(format, name string, cfg report.Config) error {
	for _, other := range o.all {
		if other.name == name {
			return usage("-o %s is given twice", name)
		}
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return usage("-o %s: not a regular file", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		if lost := (*fs.PathError)(nil); errors.As(err, &lost) {
			err = lost.Err // not the name that nobody gave
		}
		return fail(exitUsage, fmt.Errorf("-o %s: %w", name, err))
	}
	r := &reportOutput{name: name, file: f, buf: bufio.NewWriter(f)}
	o.all = append(o.all, r)
	if r.RowWriter, err = report.NewWriter(format, r.buf, cfg); err != nil {
		return fail(exitUsage, err)
	}
	return nil
}

// row hands what was found of an object to each report.
func (o *reportOutputs) row(row report.Row) {
	for _, r := range o.all {
		// A format that cannot write keeps the error for its end.
		_ = r.Row(row)
	}
}

// close ends each report, and puts it in its place.
func (o *reportOutputs) close(reports []*report.Report) error {
	var errs []error
	for _, r := range o.all {
		err := r.Close(reports...)
		if r.file != nil && err == nil {
			err = errors.Join(r.buf.Flush(), r.file.Chmod(0o644), r.file.Close())
			if err == nil {
				err = os.Rename(r.file.Name(), r.name)
			}
			if err == nil {
				r.file = nil
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("writing the report%s: %w", r.to(), err))
		}
	}
	return errors.Join(errs...)
}

func (r *reportOutput) to() string {
	if r.name == "" {
		return ""
	}
	return " to " + r.name
}

// abandon removes what was begun and is not whole.
func (o *reportOutputs) abandon() {
	for _, r := range o.all {
		if r.file != nil {
			_ = r.file.Close()           // it is not wanted
			_ = os.Remove(r.file.Name()) // nor is this worth more words
			r.file = nil
		}
	}
}

// write writes all reports.
func (a *auditRun) write() error {
	if err := a.out.close(a.reports); err != nil {
		return err
	}
	return a.signReport()
}
