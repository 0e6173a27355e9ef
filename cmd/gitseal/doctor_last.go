package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// A lastFailure is what doctor --last writes in JSON.
type lastFailure struct {
	Schema  string   `json:"schema"`
	File    string   `json:"file"`    // "": nothing is kept
	Failure *failure `json:"failure"` // nil: none is kept
	Seconds *int64   `json:"secondsAgo,omitempty"`
}

// lastFailed says why the last signature failed, which the program that wanted
// it may not have shown.
func (s *settings) lastFailed(e *env, asJSON bool) error {
	file, err := s.failureLog()
	if err != nil {
		return err
	}
	doc := lastFailure{Schema: "gitseal.failure/1", File: file.Value}
	if file.Value != "" {
		if doc.Failure, err = readLastFailure(file.Value); err != nil {
			return fail(exitUnknown, err)
		}
	}
	if doc.Failure == nil {
		if asJSON {
			return writeJSON(e, doc)
		}
		if file.Value == "" {
			e.printf("failures are not kept: gitseal.logFile is %s (set in %s)\n", off, file.Source)
			return nil
		}
		e.printf("no signing that failed is kept in %s\n", printable(file.Value))
		return nil
	}
	if at, err := time.Parse(time.RFC3339, doc.Failure.Time); err == nil {
		seconds := int64(e.now().Sub(at) / time.Second)
		doc.Seconds = &seconds
	}
	if asJSON {
		return writeJSON(e, doc)
	}
	for _, line := range doc.lines() {
		e.printf("%s\n", line)
	}
	return nil
}

// lines returns what a person reads of it.
func (l *lastFailure) lines() []string {
	f := l.Failure
	when := f.Time
	if l.Seconds != nil {
		when = fmt.Sprintf("%s (%s)", when, ago(time.Duration(*l.Seconds)*time.Second))
	}
	lines := []string{oneLine("the last signing that failed: " + when), "     " + oneLine(f.Error)}
	for _, hint := range f.Hints {
		lines = append(lines, "     hint: "+oneLine(hint))
	}
	what := "it was"
	if f.Object != "" {
		what += " a " + f.Object
	}
	switch {
	case f.Repository != "" && f.Object == "":
		what += " in " + f.Repository + "," // it failed before the object was read
	case f.Repository != "":
		what += " of " + f.Repository + ","
	case f.Directory != "":
		what += " in " + f.Directory + ","
	}
	lines = append(lines, "     "+oneLine(what+" with instance "+f.Instance))
	if len(f.Steps) > 0 {
		var steps []string
		for _, s := range f.Steps {
			steps = append(steps, fmt.Sprintf("%s (%.0f ms)", s.Name, s.At))
		}
		lines = append(lines, "     steps: "+oneLine(strings.Join(steps, ", "))+fmt.Sprintf("; over after %.0f ms", f.Took))
	}
	// With whoever interrupted it the terminal was gone, and there had been one.
	if f.Exit != exitInterrupted {
		lines = append(lines, "     "+f.surroundings())
	}
	return append(lines, oneLine(fmt.Sprintf("     gitseal %s, git %s", f.Gitseal, f.Git)))
}

// surroundings says who could have been asked.
func (f *failure) surroundings() string {
	with := func(there bool, name string) string {
		if there {
			return "a " + name
		}
		return "no " + name
	}
	text := with(f.Terminal, "terminal") + ", " + with(f.Display, "display")
	if !f.Prompt {
		text += ", GIT_TERMINAL_PROMPT forbids to ask"
	}
	return text
}

// ago says how long ago something was, or that the clock says otherwise.
func ago(d time.Duration) string {
	switch {
	case d < 0:
		return "later than this machine's clock"
	case d < 2*time.Minute:
		return count(int(d/time.Second), "second", "seconds") + " ago"
	case d < 2*time.Hour:
		return count(int(d/time.Minute), "minute", "minutes") + " ago"
	case d < 48*time.Hour:
		return count(int(d/time.Hour), "hour", "hours") + " ago"
	}
	return count(int(d/(24*time.Hour)), "day", "days") + " ago"
}

// readLastFailure returns the last failure that is in a log, or in the one that
// was moved away before it; nil if there is none.
func readLastFailure(name string) (*failure, error) {
	for _, file := range []string{name, name + ".1"} {
		data, err := readTail(file, 2*maxFailures)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if f := parseLastFailure(data); f != nil {
			return f, nil
		}
	}
	return nil, nil
}

// parseLastFailure returns the last failure in a log; nil if there is none.
// Lines that are not ours, or that a full disk cut short, are passed over. What
// was cut short has no end, so the next failure is on the same line.
func parseLastFailure(data []byte) *failure {
	for len(data) > 0 {
		data = bytes.TrimSuffix(data, []byte("\n"))
		at := bytes.LastIndexByte(data, '\n') + 1
		f := new(failure)
		begin := at + max(0, bytes.LastIndex(data[at:], []byte(`{"time":"`)))
		if json.Unmarshal(data[begin:], f) == nil && f.Time != "" && f.Error != "" {
			return f
		}
		data = data[:at]
	}
	return nil
}

// readTail reads the end of a file.
func readTail(name string, limit int64) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	return readLimited(io.NewSectionReader(f, max(0, size-limit), limit), limit, name)
}
