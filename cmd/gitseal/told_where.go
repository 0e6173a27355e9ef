package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sequences are the directories in which git keeps how far it is with several
// commits, each with a file in it that is written once, at the beginning: a
// rebase, a rebase or mail by git am, and a cherry-pick or revert.
var sequences = [...]struct{ dir, file string }{
	{"rebase-merge", "orig-head"}, {"rebase-apply", "orig-head"}, {"rebase-apply", "last"}, {"sequencer", "head"},
}

// sequenceOf tells the sequence of commits apart that git is making in a
// repository from all others; "" if it makes none.
func sequenceOf(gitDir string) string {
	if gitDir == "" {
		return ""
	}
	for _, s := range sequences {
		name := filepath.Join(gitDir, s.dir, s.file)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return fmt.Sprint(name, " ", info.ModTime().UnixNano())
		}
	}
	return ""
}

// gitDir returns the git directory of the repository that git called us in: what
// GIT_DIR says, else what is found from dir upwards, as git finds it
// (setup_git_directory in setup.c). It is where files are looked for, and
// nothing is trusted for being there. "": none is found.
func gitDir(getenv func(string) string, dir string) string {
	if d := getenv("GIT_DIR"); d != "" {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		return filepath.Clean(d)
	}
	for {
		name := filepath.Join(dir, ".git")
		info, err := os.Stat(name)
		switch {
		case err == nil && info.IsDir():
			return name
		case err == nil && info.Mode().IsRegular():
			return gitFile(name)
		}
		// A bare repository, or inside of .git.
		if isGitDir(dir) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// maxGitFile bounds a file that says where a git directory is.
const maxGitFile = 1 << 16

// gitFile reads where the git directory of a linked worktree or a submodule is
// (gitfile in gitrepository-layout(5)).
func gitFile(name string) string {
	data, err := readFile(name, maxGitFile)
	if err != nil {
		return ""
	}
	dir, ok := strings.CutPrefix(strings.TrimRight(string(data), "\r\n"), "gitdir: ")
	if !ok {
		return ""
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(name), dir)
	}
	return filepath.Clean(dir)
}

// isGitDir reports whether a directory looks like one to git
// (is_git_directory in setup.c).
func isGitDir(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}
