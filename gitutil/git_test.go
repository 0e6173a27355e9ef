package gitutil

import (
	"bytes"
	"strings"
	"testing"
)

func TestReasonIsGitsLastWord(t *testing.T) {
	for _, tt := range []struct{ stderr, want string }{
		{"", ""},
		{"fatal: bad\n", "bad"},
		{"error: one\nerror: two\n", "two"},
		{"error: cause\nfatal: end\n", "end: cause"},
		{"fatal: unsafe\nTo add an exception, run\n\n\tgit config x\n", "unsafe"},
		{"warning: odd\nsomething\n\n", "something"},
	} {
		var stderr tail
		for i := range len(tt.stderr) {
			if _, err := stderr.Write([]byte(tt.stderr[i : i+1])); err != nil {
				t.Fatal(err)
			}
		}
		if got := stderr.reason(); got != tt.want {
			t.Errorf("reason of %q = %q, want %q", tt.stderr, got, tt.want)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	var stderr tail
	for range 10 {
		if _, err := stderr.Write(bytes.Repeat([]byte("x"), maxStderr/3)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stderr.Write([]byte("\nfatal: end\n")); err != nil {
		t.Fatal(err)
	}
	if len(stderr.buf) != maxStderr || stderr.reason() != "end" {
		t.Errorf("kept %d bytes, reason %q, want %d and the end", len(stderr.buf), stderr.reason(), maxStderr)
	}
}

func TestLimitedRefusesMore(t *testing.T) {
	out := &limited{max: 4}
	if _, err := out.Write([]byte("1234")); err != nil || out.over {
		t.Errorf("Write at the limit = %v, over %v", err, out.over)
	}
	if _, err := out.Write([]byte("5")); err == nil || !out.over {
		t.Errorf("Write over the limit = %v, over %v, want an error", err, out.over)
	}
}

func TestBrokenRefsLosesNone(t *testing.T) {
	got, err := brokenRefs("hint: x\nwarning: ignoring broken ref refs/heads/a\nwarning: ignoring ref with broken name refs/heads/b\n")
	if err != nil || len(got) != 2 || got[0].Name != "refs/heads/a" || got[1].Name != "refs/heads/b" {
		t.Errorf("brokenRefs = %v, %v, want a and b", got, err)
	}
	if got, err := brokenRefs("warning: ignoring something new\n"); err == nil {
		t.Errorf("brokenRefs(unknown warning) = %v, want an error", got)
	}
	if got, err := brokenRefs(strings.Repeat("x", maxStderr)); err == nil {
		t.Errorf("brokenRefs(cut off) = %v, want an error", got)
	}
}
