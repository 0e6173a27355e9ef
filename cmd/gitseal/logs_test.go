package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/internal/rekor"
	sigstore "gitseal/internal/trust"
	"gitseal/monitor"
	"gitseal/verifier"
)

func TestErrorsOfLogsHaveAnExitCode(t *testing.T) {
	fork := &monitor.ForkError{Log: "https://log.example.com", Err: errors.New("two roots"), Evidence: []string{"/a", "/b"}}
	for _, test := range []struct {
		err   error
		code  int
		hints int
	}{
		{fork, exitEquivocation, 3},
		{fmt.Errorf("pinning: %w", errors.Join(fork, errors.New("disk full"))), exitEquivocation, 3},
		{&monitor.PinError{Path: "/p", Err: errors.New("cut")}, exitUsage, 1},
		{fmt.Errorf("log: %w", rekor.ErrContradiction), exitEquivocation, 0},
		{usage("no such log"), exitUsage, 0},
		// Of a log, not of the user's files.
		{fmt.Errorf("status 404: %w", fs.ErrNotExist), exitUnknown, 0},
		{errors.New("connection refused"), exitUnknown, 0},
	} {
		code, _, hints := exitCode(explainLog(test.err))
		if code != test.code || len(hints) != test.hints {
			t.Errorf("explainLog(%v): exit code %d, hints %q, want %d and %d hints", test.err, code, hints, test.code, test.hints)
		}
	}
}

func TestWorstErrorIsReturnedAndTheOthersArePrinted(t *testing.T) {
	one, two, three := fail(exitUnknown, errors.New("one")), fail(exitEquivocation, errors.New("two")), fail(exitUsage, errors.New("three"), "go")
	for _, test := range []struct {
		errs    []error
		want    error
		printed string
	}{
		{nil, nil, ""},
		{[]error{one}, one, ""},
		{[]error{one, three}, one, "gitseal: three\nhint: go\n"},
		{[]error{one, two, three}, two, "gitseal: one\ngitseal: three\nhint: go\n"},
	} {
		file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		got := (&env{stderr: file}).worst(test.errs)
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		printed, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if got != test.want || string(printed) != test.printed {
			t.Errorf("worst(%v) = %v and printed %q, want %v and %q", test.errs, got, printed, test.want, test.printed)
		}
	}
}

func TestLogsAreChosenByNameOrByNow(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	past := sigstore.Window{Start: now.AddDate(-2, 0, 0), End: now.AddDate(-1, 0, 0)}
	open := sigstore.Window{Start: now.AddDate(-1, 0, 0)}
	log := func(url string, id byte, w sigstore.Window) sigstore.Log {
		return sigstore.Log{BaseURL: url, KeyID: []byte{id}, ValidFor: w}
	}
	roots := []*verifier.TrustedRoot{
		{TLogs: []sigstore.Log{log("https://one.example.com", 1, open), log("https://old.example.com", 2, past), log("", 3, open)}},
		{TLogs: []sigstore.Log{log("https://two.example.com:8080/log/", 4, open), log("https://one.example.com", 1, open)}},
	}
	for name, want := range map[string]string{
		"":                                 "https://one.example.com https://two.example.com:8080/log/",
		"https://one.example.com":          "https://one.example.com",
		"https://one.example.com/":         "https://one.example.com",
		"https://two.example.com:8080/log": "https://two.example.com:8080/log/",
		"two.example.com":                  "https://two.example.com:8080/log/",
		"old.example.com":                  "https://old.example.com", // named, it may be asked
		"three.example.com":                "",
		"https://one.example":              "",
	} {
		found, err := namedLogs(roots, name, now)
		var got []string
		for _, l := range found {
			got = append(got, l.BaseURL)
		}
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("logs named %q: %v, %v, want %s", name, got, err, want)
		}
	}
	if _, err := namedLogs(roots[:1], "", now.AddDate(-10, 0, 0)); err == nil {
		t.Error("no log in use: no error")
	}
	if _, err := namedLogs([]*verifier.TrustedRoot{{}}, "x", now); err == nil {
		t.Error("no log at all: no error")
	}
}
