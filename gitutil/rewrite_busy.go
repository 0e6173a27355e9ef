package gitutil

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What has to be known before a branch is rewritten, beside its commits.

// An Operation is what git is in the middle of in a work tree.
type Operation struct {
	Name string // "a rebase"
	Dir  string // the git directory of the work tree: see [Repo.GitDir]
}

// operations are what git leaves in the git directory of a work tree while it
// is in the middle of something (wt-status.c), and the pseudo-refs.
var (
	operationDirs = []struct{ file, name string }{
		{"rebase-merge", "a rebase"}, {"rebase-apply", "a rebase, or git am"}, {"sequencer", "a cherry-pick or revert of several commits"},
		{"BISECT_LOG", "a bisection"},
	}
	operationRefs = []struct{ ref, name string }{
		{"MERGE_HEAD", "a merge"}, {"CHERRY_PICK_HEAD", "a cherry-pick"}, {"REVERT_HEAD", "a revert"},
	}
)

// InProgress returns what git is in the middle of in any work tree that has the
// branch checked out, or is rebasing it; nil if there is nothing. For "HEAD",
// it is the work tree at hand that counts.
//
// What is in the middle of something has written down the ids of commits, and
// goes on with those.
func (r *Repo) InProgress(ctx context.Context, ref string) (*Operation, error) {
	dirs := []string{r.gitDir}
	if ref != "HEAD" {
		var err error
		if dirs, err = r.worktreeDirs(); err != nil {
			return nil, fmt.Errorf("looking for work trees: %w", err)
		}
	}
	for _, dir := range dirs {
		name, err := r.inProgress(ctx, dir, ref)
		if errors.Is(err, ErrNotRepository) {
			continue // what is left of a work tree that is gone: git worktree prune
		}
		if err != nil {
			return nil, fmt.Errorf("looking for operations in %s: %w", dir, err)
		}
		if name != "" {
			return &Operation{name, dir}, nil
		}
	}
	return nil, nil
}

// worktreeDirs returns the git directories of all work trees, the main one's
// first.
func (r *Repo) worktreeDirs() ([]string, error) {
	dirs := []string{r.commonDir}
	linked := filepath.Join(r.commonDir, "worktrees")
	entries, err := os.ReadDir(linked)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			dirs = append(dirs, filepath.Join(linked, entry.Name()))
		}
	}
	return dirs, nil
}

// inProgress returns what git is in the middle of in the work tree with the git
// directory, if that is about the ref.
func (r *Repo) inProgress(ctx context.Context, dir, ref string) (string, error) {
	for _, name := range []string{"rebase-merge", "rebase-apply"} {
		data, err := os.ReadFile(filepath.Join(dir, name, "head-name"))
		if err == nil && strings.TrimSpace(string(data)) == ref {
			return "a rebase", nil
		}
	}
	there := *r
	there.config = r.config.with("GIT_DIR="+dir, "GIT_COMMON_DIR="+r.commonDir)
	if ref != "HEAD" {
		head, err := there.fullName(ctx, "HEAD")
		if err != nil || head != ref {
			return "", err
		}
	}
	for _, o := range operationDirs {
		if _, err := os.Lstat(filepath.Join(dir, o.file)); err == nil {
			return o.name, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	for _, o := range operationRefs {
		_, err := there.resolve(ctx, o.ref)
		if err == nil {
			return o.name, nil
		}
		if !errors.Is(err, ErrMissing) {
			return "", err
		}
	}
	return "", nil
}

// maxShallow bounds the file that says where history is cut off: a million
// commits.
const maxShallow = 80 << 20

// CutOff returns the ids of the commits whose parents were left out when they
// were fetched; none if the repository is not shallow.
func (r *Repo) CutOff() (map[string]bool, error) {
	if !r.shallow {
		return nil, nil
	}
	name := filepath.Join(r.commonDir, "shallow")
	if info, err := os.Stat(name); err == nil && info.Size() > maxShallow {
		return nil, fmt.Errorf("reading %s: more than %d MiB", name, maxShallow>>20)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading where history is cut off: %w", err)
	}
	oids, err := r.parseOIDs("fetch", data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: a line is not an object id", name)
	}
	cut := make(map[string]bool, len(oids))
	for _, oid := range oids {
		cut[oid] = true
	}
	return cut, nil
}

// CompatFormat returns the object format in which the repository has a second id
// for each object, and git a second signature (extensions.compatObjectFormat);
// "" if there is none, as in all before git 2.45.
func (r *Repo) CompatFormat(ctx context.Context) (Format, error) {
	out, _, err := r.config.ask(ctx, "config", "--get", "extensions.compatObjectFormat")
	if err != nil {
		return "", fmt.Errorf("reading extensions.compatObjectFormat: %w", err)
	}
	return Format(strings.TrimSpace(string(out))), nil
}

// Committer returns who git would say commits now: "name <address> seconds
// zone". It is an error if git does not know.
func (r *Repo) Committer(ctx context.Context) (string, Ident, error) {
	out, _, err := r.config.run(ctx, nil, "var", "GIT_COMMITTER_IDENT")
	if err != nil {
		return "", Ident{}, fmt.Errorf("reading who commits: %w", err)
	}
	line := strings.TrimSuffix(string(out), "\n")
	if !isIdent(line) {
		return "", Ident{}, fmt.Errorf("reading who commits: git var answered %q", line)
	}
	return line, parseIdent([]byte(line)), nil
}

// CountUnpublished returns how many of the commits that revs list, as
// [Walk.Revs] does, no remote-tracking ref reaches.
func (r *Repo) CountUnpublished(ctx context.Context, revs []string) (int, error) {
	w := Walk{Revs: revs}
	if err := w.check(r.format); err != nil {
		return 0, fmt.Errorf("counting unpublished commits: %w", err)
	}
	out, _, err := r.config.run(ctx, w.commits(), w.revList("--count", "--not", "--remotes")...)
	var n int
	if err == nil {
		_, err = fmt.Sscanf(string(out), "%d\n", &n)
	}
	if err != nil {
		return 0, fmt.Errorf("counting unpublished commits: %w", err)
	}
	return n, nil
}

// Containing returns the full names of the branches and tags that reach any of
// the commits, by git's word.
func (r *Repo) Containing(ctx context.Context, commits []string) ([]string, error) {
	// Nothing rests on the answer, and in a large repository it takes minutes
	// without a commit-graph.
	args := []string{"-c", "core.commitGraph=true", "for-each-ref", "--format=%(refname)"}
	err := r.format.checkOIDs(commits...)
	for _, oid := range commits {
		args = append(args, "--contains="+oid)
	}
	var out []byte
	if err == nil {
		out, _, err = r.config.run(ctx, nil, append(args, "refs/heads/", "refs/tags/")...)
	}
	if err != nil {
		return nil, fmt.Errorf("finding what reaches %d commits: %w", len(commits), err)
	}
	return strings.Fields(string(out)), nil
}
