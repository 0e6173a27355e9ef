//go:build unix

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A table is what was measured, beside what it should have been.
type table struct {
	rows []row
}

// A row is a line of the table. One with only a name is a heading.
type row struct {
	what, measured, target, verdict string
}

func (t *table) section(title string) { t.rows = append(t.rows, row{what: title}) }

// note adds a line without a target.
func (t *table) note(text string) { t.rows = append(t.rows, row{what: "  " + text}) }

// fact adds what has no target.
func (t *table) fact(what, measured string) {
	t.rows = append(t.rows, row{what: "  " + what, measured: measured})
}

// most adds a value that should be at most limit.
func (t *table) most(what string, value, limit float64, unit, details string) {
	t.judge(what, value, "<= ", limit, value <= limit, unit, details)
}

// least adds a value that should be at least limit.
func (t *table) least(what string, value, limit float64, unit, details string) {
	t.judge(what, value, ">= ", limit, value >= limit, unit, details)
}

func (t *table) judge(what string, value float64, relation string, limit float64, pass bool, unit, details string) {
	verdict := "MISS"
	if pass {
		verdict = "pass"
	}
	if details != "" {
		details = "  (" + details + ")"
	}
	t.rows = append(t.rows, row{"  " + what, fmt.Sprintf("%.3g%s%s", value, unit, details), fmt.Sprintf("%s%g%s", relation, limit, unit), verdict})
}

func (t *table) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tmeasured\ttarget\t")
	for _, r := range t.rows {
		if r.measured == "" {
			fmt.Fprintln(w, r.what)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.measured, r.target, r.verdict)
	}
	return w.Flush()
}
