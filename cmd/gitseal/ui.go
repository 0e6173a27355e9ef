package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"gitseal/signer/agent"
)

// An env is what a run of the program sees of the world.
type env struct {
	stdin          *os.File
	stdout, stderr *os.File
	getenv         func(string) string
	now            func() time.Time
	began          time.Time    // when the run began
	program        string       // the absolute path by which it was called
	lost           error        // why printf could not write; nil if it could
	steps          steps        // of signing, for the log of failures
	agent          *agent.Ahead // a connection to it that was begun; nil: none
}

// printf writes to stdout. What cannot be written ends a command that is good
// otherwise: see run.
func (e *env) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(e.stdout, format, args...); err != nil && e.lost == nil {
		e.lost = fmt.Errorf("writing the answer: %w", err)
	}
}

// printError writes an error for a person: one line, then the hints.
func (e *env) printError(message string, hints []string) { writeError(e.stderr, message, hints) }

func writeError(w io.Writer, message string, hints []string) {
	message = strings.TrimSuffix(oneLine(message), ".")
	fmt.Fprintf(w, "gitseal: %s\n", message)
	for _, hint := range hints {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// oneLine makes a text fit for one line of a terminal: line ends become
// semicolons, other control characters and what is not UTF-8 are escaped.
func oneLine(s string) string {
	s = strings.ReplaceAll(strings.TrimRight(s, "\r\n"), "\n", "; ")
	return printable(s)
}

// printable escapes control characters, which names in certificates and git
// objects may hold, so that they reach no terminal and begin no status line.
func printable(s string) string {
	clean := utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable)
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || unprintable(r) {
			for _, c := range []byte(s[:n]) {
				fmt.Fprintf(&b, "\\x%02x", c)
			}
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// unprintable reports whether r may not be shown: control characters, and the
// format characters that reorder or hide what is around them.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// terminalWidth returns how many characters fit into a line of f, within what is
// easily read; 0 if f is no terminal, and lines are for programs.
func terminalWidth(f *os.File) int {
	if !isTerminal(f) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return min(max(width, 40), 120)
}

// isNull reports whether f is the null device. Go opens it in the place of a
// standard stream that is closed, and writing to it never fails.
func isNull(f *os.File) bool {
	info, err := f.Stat()
	null, nullErr := os.Stat(os.DevNull)
	return err == nil && nullErr == nil && os.SameFile(info, null)
}

// readLimited reads all of r, at most limit bytes. what names it in the error.
func readLimited(r io.Reader, limit int64, what string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("reading %s: larger than %d bytes", what, limit)
	}
	return data, nil
}

// count returns a number with the word for what there is that many of.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// formatTime returns t as people read it.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
