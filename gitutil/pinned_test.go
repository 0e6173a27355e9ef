package gitutil

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestAcceptsWhatGitDoes: every kind of git directory of the user's own.
func TestAcceptsWhatGitDoes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(dir, "config"))
	t.Setenv("GIT_DIR", filepath.Join(dir, "elsewhere"))
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, Pinned(os.Environ(), "")[:len(Pinned(os.Environ(), ""))-1]
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	run("config", "--global", "safe.bareRepository", "explicit")
	run("init", "-q", "plain")
	run("init", "-q", "--bare", "bare")
	run("init", "-q", "--separate-git-dir", "separate", "linked")
	run("-C", "plain", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
	run("-C", "plain", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", filepath.Join(dir, "plain"), "sub")
	for _, name := range []string{"plain/.git", "bare", "separate", "plain/.git/modules/sub"} {
		if err := Accept(t.Context(), os.Environ(), filepath.Join(dir, name)); err != nil {
			t.Errorf("Accept(%s) = %v, want none", name, err)
		}
	}
	// In a repository, and none.
	if err := os.Mkdir(filepath.Join(dir, "plain", "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain/empty", "plain"} {
		if err := Accept(t.Context(), os.Environ(), filepath.Join(dir, name)); !errors.Is(err, ErrNotRepository) {
			t.Errorf("Accept(%s) = %v, want %v", name, err, ErrNotRepository)
		}
	}
	if err := Accept(t.Context(), os.Environ(), filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Accept(nowhere) = %v, want %v", err, fs.ErrNotExist)
	}

	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		t.Skip("only root can give away a directory")
	}
	for _, name := range []string{"plain/.git", "bare"} {
		if err := os.Chown(filepath.Join(dir, name), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if err := Accept(t.Context(), os.Environ(), filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), "dubious ownership") {
			t.Errorf("Accept of another user's %s = %v, want dubious ownership", name, err)
		}
	}
}
