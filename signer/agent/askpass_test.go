//go:build unix

package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAskpass has a program that notes what it is asked, and answers by its exit
// status.
func TestAskpass(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "ask pass") // no shell splits it
	must(t, os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s|%s' \"$SSH_ASKPASS_PROMPT\" \"$1\" > \"$NOTE\"\nexit \"$STATUS\"\n"), 0o700))
	note := filepath.Join(dir, "note")
	env := []string{"PATH=" + os.Getenv("PATH"), "NOTE=" + note, "SSH_ASKPASS_PROMPT=none"}
	const question = "Sign $(touch x) as \"alice\"?\n\ntitle"
	for status, want := range map[string]string{"0": "", "1": "the answer is no", "7": "the answer is no"} {
		err := Askpass(program, append(slices.Clone(env), "STATUS="+status))(t.Context(), question)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("status %s: %v, want %q", status, err, want)
		}
		if got, err := os.ReadFile(note); err != nil || string(got) != "confirm|"+question {
			t.Errorf("asked %q, %v", got, err)
		}
	}
	if err := Askpass("", env)(t.Context(), question); err == nil || !strings.Contains(err.Error(), "SSH_ASKPASS") {
		t.Errorf("no program: %v", err)
	}
	if err := Askpass(filepath.Join(dir, "none"), env)(t.Context(), question); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	must(t, os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 600\n"), 0o700))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Askpass(program, env)(ctx, question); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody wants it any more: %v, want %v", err, context.Canceled)
	}
}
