//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestFlushApart has programs in the place of ours answer.
func TestFlushApart(t *testing.T) {
	for _, tt := range []struct{ name, program, want string }{
		{"all recorded", `test "$*" = "log flush --all --format json" && echo '{"failed":[]}'`, ""},
		{"lost", `echo '{"failed":[],"lost":[{"error":"too late"}]}'; exit 1`, ""},
		{"some wait", `echo '{"failed":[{"error":"no answer"},{"error":"nor here"}]}'; exit 3`, "recording 2 signatures: no answer"},
		{"none begun", `printf 'gitseal: no home\nhint: x\n' >&2; exit 2`, "log flush: exit status 2: gitseal: no home"},
		{"another answer", `echo yes`, "log flush: its answer cannot be read"},
		{"no answer", `:`, "log flush: its answer cannot be read"},
	} {
		program := filepath.Join(t.TempDir(), "gitseal")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+tt.program+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		err := flushApart(t.Context(), &env{program: program})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: error %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestFlushApartEndsWithTheAgent: what is not recorded then waits for the next.
func TestFlushApartEndsWithTheAgent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	program, begun := filepath.Join(dir, "gitseal"), filepath.Join(dir, "begun")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho >"+begun+"\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		for t.Context().Err() == nil {
			if _, err := os.Stat(begun); err == nil {
				return
			}
			runtime.Gosched()
		}
	}()
	if err := flushApart(ctx, &env{program: program}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
