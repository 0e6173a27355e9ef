package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadFileWaitsForNobody: to open a pipe is to wait for its other end.
func TestReadFileWaitsForNobody(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "trusted_root.json")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Skipf("mkfifo: %v", err)
	}
	if _, err := readFile(pipe, 1); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("readFile(pipe) = %v, want an error", err)
	}
}

func TestIsToken(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want bool
	}{
		{"eyJhbGciOiJub25lIn0.e30.c2ln", true},
		{"ewogICJhbGciOiAibm9uZSIKfQ.e30.", true}, // indented
		{"e30.e30", false},
		{"token", false},
		{"release.tar.gz", false},
		{"/run/secrets/token.v1.jwt", false},
		{"../a.b", false},
		{"", false},
	} {
		if got := isToken(tt.s); got != tt.want {
			t.Errorf("isToken(%q) = %v, want %v", tt.s, got, tt.want)
		}
	}
}
