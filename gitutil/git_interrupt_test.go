//go:build unix

package gitutil

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A terminal's interrupt reaches git, too, which may end of it before whoever
// runs it hears of it: then it is in the error.
func TestInterruptOfGitIsInTheError(t *testing.T) {
	r := newRepo(t, SHA1)
	oid := r.commit("one")
	repo := r.open()
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\ncase \" $* \" in *' cat-file '*) kill -INT $$ ;; esac\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	check := func(name string, err error) {
		t.Helper()
		var git *exec.ExitError
		if !errors.As(err, &git) || git.ProcessState.String() != "signal: interrupt" {
			t.Errorf("%s, while git is interrupted: %v, want that", name, err)
		}
	}
	_, err = repo.Object(t.Context(), oid)
	check("Object", err)
	_, err = repo.Rewrite(t.Context(), Rewrite{Commits: []string{oid}})
	check("Rewrite", err)
	for _, err = range repo.Walk(t.Context(), Walk{Revs: []string{oid}}) {
	}
	check("Walk", err)
}
