//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestWatchedSaysWhatWasUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "usage")
	// Half a second of work in a child, and none in the shell.
	if code := watched(file, []string{"sh", "-c", `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; exit 0`}); code != 0 {
		t.Fatalf("watched = %d, want 0", code)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var u usage
	if err := json.Unmarshal(text, &u); err != nil {
		t.Fatal(err)
	}
	if u.CPU <= 0 || u.Wall <= 0 || u.Most <= 0 {
		t.Errorf("usage %+v, want time and memory", u)
	}
	if u.Own > u.CPU/2 {
		t.Errorf("%.2f s are the shell's own, of %.2f s that its child used nearly all of", u.Own, u.CPU)
	}
	if runtime.GOOS == "linux" && u.Memory <= 0 {
		t.Errorf("usage %+v, want memory of the process alone", u)
	}
}

func TestWatchedFailsWithItsCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "usage")
	if code := watched(file, []string{"sh", "-c", "exit 3"}); code != 1 {
		t.Errorf("watched = %d for a command that fails, want 1", code)
	}
	if code := watched(file, []string{filepath.Join(t.TempDir(), "none")}); code != 1 {
		t.Errorf("watched = %d for no command, want 1", code)
	}
}
