package gitutil

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// merger returns a merger of the repository at dir that the test closes.
func (r testRepo) merger(dir string, env ...string) *Merger {
	r.t.Helper()
	repo, err := Open(r.t.Context(), Config{Dir: dir, Env: append(slices.Clone(r.env), env...)})
	if err != nil {
		r.t.Fatal(err)
	}
	m := repo.Merger()
	r.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return m
}

// numbered returns lines with numbers, of which two are other.
func numbered(first, last string) string {
	return first + "\n1\n2\n3\n4\n5\n6\n7\n8\n9\n" + last + "\n"
}

// forked makes branches that change a file at both ends, rename and add, and
// returns them with the merge that git made.
func forked(r testRepo) (ours, theirs, merge string) {
	r.t.Helper()
	r.change("file", numbered("a", "z"))
	r.change("old", numbered("rename", "me"))
	r.git("checkout", "-q", "-b", "side")
	r.change("file", numbered("a", "side"))
	r.git("mv", "old", "new")
	theirs = r.commit("rename")
	r.git("checkout", "-q", "main")
	r.change("old", numbered("renamed", "me"))
	ours = r.change("file", numbered("main", "z"))
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	return ours, theirs, r.git("rev-parse", "HEAD")
}

func (r testRepo) treeOf(commit string) string { return r.git("rev-parse", commit+"^{tree}") }

func TestMergeTreeAsGit(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		ours, theirs, merge := forked(r)
		base := r.git("merge-base", ours, theirs)
		r.git("checkout", "-q", "--detach", theirs)
		conflicting := r.change("file", numbered("side", "side"))
		alone := r.git("commit-tree", "-m", "alone", r.treeOf(ours))
		m := r.merger(r.dir)
		for _, tt := range []struct {
			name    string
			commits []string
			want    Merge
		}{
			{"clean", []string{ours, theirs}, Merge{Clean: true, Tree: r.treeOf(merge)}},
			{"the other way round", []string{theirs, ours}, Merge{Clean: true, Tree: r.treeOf(merge)}},
			{"fast-forward", []string{base, ours}, Merge{Clean: true, Tree: r.treeOf(ours)}},
			{"nothing new", []string{ours, base}, Merge{Clean: true, Tree: r.treeOf(ours)}},
			{"conflict", []string{ours, conflicting}, Merge{Reason: "its parents conflict"}},
			{"unrelated", []string{ours, alone}, Merge{Reason: "its parents have no history in common"}},
			{"octopus", []string{ours, theirs, base}, Merge{Reason: "a merge of 3 commits cannot be made again"}},
		} {
			got, err := m.MergeTree(t.Context(), tt.commits)
			if err != nil || got != tt.want {
				t.Errorf("%s: MergeTree(%s) = %+v, %v, want %+v", f, tt.name, got, err, tt.want)
			}
		}
		for _, bad := range [][]string{nil, {ours}, {ours, "HEAD"}, {ours, ""}, {"--stdin", ours}, {ours, theirs, "HEAD"}} {
			if got, err := m.MergeTree(t.Context(), bad); err == nil {
				t.Errorf("%s: MergeTree(%q) = %+v, want an error", f, bad, got)
			}
		}
		if got, err := m.MergeTree(t.Context(), []string{ours, r.treeOf(ours)}); err == nil {
			t.Errorf("%s: MergeTree(tree) = %+v, want an error", f, got)
		}
	}
}

// TestMergeTreeOfEveryKindOfRepository merges where objects are kept in each
// way.
func TestMergeTreeOfEveryKindOfRepository(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("directories cannot be called so")
	}
	r := newRepo(t, SHA1)
	ours, theirs, merge := forked(r)
	want := Merge{Clean: true, Tree: r.treeOf(merge)}
	other := filepath.Join(t.TempDir(), `o "ther`)
	r.git("worktree", "add", "-q", other+"-worktree", ours)
	r.git("clone", "-q", "--bare", "--no-local", r.dir, other+"-bare")
	r.git("clone", "-q", "--shared", r.dir, other+"-shared")
	r.git("clone", "-q", "--shared", other+"-shared", other+"-shared2")
	r.git("clone", "-q", "--shared", r.dir, other+"-relative")
	alternates := filepath.Join(other+"-relative", ".git", "objects", "info", "alternates")
	relative, err := filepath.Rel(filepath.Join(other+"-relative", ".git", "objects"), filepath.Join(r.dir, ".git", "objects"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(alternates, []byte(filepath.ToSlash(relative)+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	// As for a hook that judges what was pushed and is not yet in.
	if err := os.MkdirAll(other+"-empty/objects", 0o777); err != nil {
		t.Fatal(err)
	}
	r.git("init", "-q", "--bare", other+"-receiving")
	for _, tt := range []struct {
		name, dir string
		env       []string
	}{
		{"worktree", other + "-worktree", nil},
		{"bare", other + "-bare", nil},
		{"alternates", other + "-shared", nil},
		{"alternates of alternates", other + "-shared2", nil},
		{"relative alternates", other + "-relative", nil},
		{"quarantine", other + "-receiving", []string{"GIT_QUARANTINE_PATH=x",
			"GIT_OBJECT_DIRECTORY=" + filepath.Join(r.dir, ".git", "objects"),
			"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + filepath.Join(other+"-receiving", "objects")}},
		{"quarantine of nothing", other + "-bare", []string{
			"GIT_OBJECT_DIRECTORY=" + other + "-empty/objects",
			"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + `"` + strings.ReplaceAll(other, `"`, `\"`) + `-bare/objects"`}},
	} {
		got, err := r.merger(tt.dir, tt.env...).MergeTree(t.Context(), []string{ours, theirs})
		if err != nil || got != want {
			t.Errorf("%s: MergeTree = %+v, %v, want %+v", tt.name, got, err, want)
		}
	}
}

// TestMergeTreeTakesNothingFromConfiguration configures what would change the
// merge in each place there is: settings and attributes of the repository, of
// the user, of the environment and of the trees.
func TestMergeTreeTakesNothingFromConfiguration(t *testing.T) {
	r := newRepo(t, SHA1)
	ours, theirs, merge := forked(r)
	r.git("checkout", "-q", "--detach", theirs)
	conflicting := r.change("file", numbered("side", "side"))
	r.git("checkout", "-q", "--detach", ours)
	attributed := r.change(".gitattributes", "* merge=union\n") // never a conflict
	r.git("checkout", "-q", "main")

	marker := filepath.Join(t.TempDir(), "ran")
	driver := "touch '" + filepath.ToSlash(marker) + "'"
	config := filepath.Join(t.TempDir(), "config")
	attributes := filepath.Join(t.TempDir(), "attributes")
	settings := []string{"merge.evil.driver=" + driver, "merge.default=evil", "core.attributesFile=" + attributes,
		"merge.renames=false", "filter.evil.clean=" + driver, "diff.evil.textconv=" + driver, "merge.renormalize=true", "core.hooksPath=" + t.TempDir()}
	for i, kv := range settings {
		key, value, _ := strings.Cut(kv, "=")
		r.git("config", key, value)
		r.git("config", "--file", config, key, value)
		r.env = append(r.env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, value))
	}
	rule := []byte("* merge=evil filter=evil diff=evil\n")
	home := t.TempDir()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(home, "git"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "git", "attributes"), []byte("* merge=union\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{attributes, filepath.Join(r.dir, ".git", "info", "attributes"), filepath.Join(r.dir, ".gitattributes")} {
		if err := os.WriteFile(name, rule, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r.env = append(r.env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings)), "GIT_CONFIG_GLOBAL="+config, "GIT_ATTR_SOURCE="+attributed,
		"HOME="+home, "XDG_CONFIG_HOME="+home)
	r.git("replace", theirs, conflicting)

	got, err := r.merger(r.dir).MergeTree(t.Context(), []string{ours, theirs})
	if want := (Merge{Clean: true, Tree: r.treeOf(merge)}); err != nil || got != want {
		t.Errorf("MergeTree = %+v, %v, want %+v", got, err, want)
	}
	got, err = r.merger(r.dir).MergeTree(t.Context(), []string{attributed, conflicting})
	if err != nil || got.Clean {
		t.Errorf("MergeTree = %+v, %v, want a conflict", got, err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("merging ran a program that is configured")
	}
	// The same without our care, so that the test can fail.
	out, _ := r.try("", "--no-replace-objects", "merge-tree", "--write-tree", attributed, conflicting)
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("git merge-tree did not run the driver in this test: %v\n%s", err, out)
	}
}

// listing returns the names, sizes and times of all files beneath a directory.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Size(), info.Mode(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMergingLeavesNothingBehind(t *testing.T) {
	r := newRepo(t, SHA1)
	ours, theirs, merge := forked(r)
	tree := r.treeOf(merge)
	// Without its objects, the merge would have to be written.
	r.git("reset", "-q", "--hard", ours)
	r.git("reflog", "expire", "--expire=now", "--all")
	r.git("gc", "-q", "--prune=now")
	if out, err := r.try("", "cat-file", "-e", tree); err == nil {
		t.Fatalf("the merged tree is there: %s", out)
	}
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	t.Setenv("TMP", scratch) // on Windows
	before := listing(t, r.dir)

	m := r.merger(r.dir)
	var merging sync.WaitGroup
	for range 4 {
		merging.Go(func() {
			for range 3 {
				if got, err := m.MergeTree(t.Context(), []string{ours, theirs}); err != nil || got.Tree != tree {
					t.Errorf("MergeTree = %+v, %v, want %s", got, err, tree)
				}
			}
		})
	}
	merging.Wait()
	if after := listing(t, r.dir); after != before {
		t.Errorf("merging changed the repository: %s\nwas: %s", after, before)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, "gitseal-merge-*", "merge-*")); err != nil || len(left) > 0 {
		t.Errorf("merging left %v, %v", left, err)
	}
	if made, err := filepath.Glob(filepath.Join(scratch, "gitseal-merge-*")); err != nil || len(made) != 1 {
		t.Errorf("scratch repositories %v, %v, want one", made, err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("Close left %v, %v", left, err)
	}
	if got, err := m.MergeTree(t.Context(), []string{ours, theirs}); err == nil {
		t.Errorf("MergeTree after Close = %+v, want an error", got)
	}
}

// TestMergeTreeCannotTellWithoutObjects takes away each object that a merge
// needs. Git before 2.44 takes a missing tree for an empty one.
func TestMergeTreeCannotTellWithoutObjects(t *testing.T) {
	for _, lost := range []string{"main", "side", "main~2", "main~3", "main^{tree}", "side^{tree}", "main~2^{tree}", "main:file", "side:file", "main~2:file"} {
		r := newRepo(t, SHA1)
		ours, theirs, _ := forked(r)
		r.git("reset", "-q", "--hard", ours)
		if err := os.Remove(r.loose(r.git("rev-parse", lost))); err != nil {
			t.Fatal(err)
		}
		got, err := r.merger(r.dir).MergeTree(t.Context(), []string{ours, theirs})
		if err == nil {
			t.Errorf("without %s: MergeTree = %+v, want an error", lost, got)
		}
	}
}

// TestMergeTreeAsksNoRemote merges in a partial clone without the files that
// are to be merged.
func TestMergeTreeAsksNoRemote(t *testing.T) {
	r := newRepo(t, SHA1)
	ours, theirs, merge := forked(r)
	r.git("config", "uploadpack.allowFilter", "true")
	partial := filepath.Join(t.TempDir(), "partial")
	r.git("clone", "-q", "--bare", "--filter=blob:none", "file://"+filepath.ToSlash(r.dir), partial)
	if got, err := r.merger(partial).MergeTree(t.Context(), []string{ours, theirs}); err == nil {
		t.Errorf("MergeTree = %+v, want an error", got)
	}
	blob := r.git("rev-parse", merge+":file")
	if out, err := r.try("", "--git-dir="+partial, "rev-list", "--objects", "--all", "--missing=print"); err != nil || !strings.Contains(out, "?"+blob) {
		t.Errorf("%s is not missing any more: %v, %s", blob, err, out)
	}
	// What no content is needed for can be told.
	base := r.git("merge-base", ours, theirs)
	if got, err := r.merger(partial).MergeTree(t.Context(), []string{base, ours}); err != nil || got.Tree != r.treeOf(ours) {
		t.Errorf("MergeTree = %+v, %v, want %s", got, err, r.treeOf(ours))
	}
}

func TestMergeTreeSaysThatGitIsOld(t *testing.T) {
	r := newRepo(t, SHA1)
	ours, theirs, _ := forked(r)
	older := otherGit(t, map[string]string{"merge-tree": "echo 'usage: git merge-tree <base-tree> <branch1> <branch2>' >&2; exit 129"})
	repo, err := Open(t.Context(), Config{Dir: r.dir, Env: r.env, Git: older})
	if err != nil {
		t.Fatal(err)
	}
	m := repo.Merger()
	defer m.Close()
	var git *GitError
	if got, err := m.MergeTree(t.Context(), []string{ours, theirs}); !errors.As(err, &git) || !strings.Contains(err.Error(), "2.38") {
		t.Errorf("MergeTree = %+v, %v, want the version that is needed", got, err)
	}
}

func TestMergeTreeRejectsOddAnswers(t *testing.T) {
	r := newRepo(t, SHA1)
	ours, theirs, _ := forked(r)
	for _, answer := range []string{
		"printf ''", "echo", "printf " + oidA, "echo " + oidA + "; echo", "echo " + oidA + "x", "echo " + strings.Repeat("a", 64),
		"exit 1", "echo; exit 1", "echo CONFLICT; exit 1", "echo " + oidA + "; echo error: no object >&2; exit 1", "echo " + oidA + "; echo error: no object >&2",
	} {
		repo, err := Open(t.Context(), Config{Dir: r.dir, Env: r.env, Git: otherGit(t, map[string]string{"merge-tree": answer})})
		if err != nil {
			t.Fatal(err)
		}
		m := repo.Merger()
		if got, err := m.MergeTree(t.Context(), []string{ours, theirs}); err == nil {
			t.Errorf("MergeTree(answered %q) = %+v, want an error", answer, got)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
