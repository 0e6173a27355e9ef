package gitutil

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// conflict makes two branches, main and side, that change the same file, and
// returns the commit that side adds.
func (r testRepo) conflict() string {
	r.t.Helper()
	r.change("file", "1")
	r.git("checkout", "-q", "-b", "side")
	side := r.change("file", "2")
	r.change("file", "3")
	r.git("checkout", "-q", "main")
	r.change("file", "4")
	return side
}

func TestInProgressFindsEachOperation(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin func(r testRepo, side string)
		want  string
	}{
		{"nothing", func(testRepo, string) {}, ""},
		{"a merge", func(r testRepo, _ string) { r.try("", "merge", "side") }, "a merge"},
		{"a cherry-pick", func(r testRepo, side string) { r.try("", "cherry-pick", side) }, "a cherry-pick"},
		{"several", func(r testRepo, side string) { r.try("", "cherry-pick", "main~1..side") }, "a cherry-pick or revert of several commits"},
		{"a revert", func(r testRepo, side string) {
			r.change("file", "5")
			r.try("", "revert", "--no-edit", "HEAD~1")
		}, "a revert"},
		{"a rebase", func(r testRepo, _ string) { r.try("", "rebase", "side") }, "a rebase"},
		{"a rebase of the other kind", func(r testRepo, _ string) { r.try("", "rebase", "--apply", "side") }, "a rebase"},
		{"am", func(r testRepo, side string) {
			mail := r.git("format-patch", "-1", "--stdout", side)
			r.try(mail+"\n", "am")
		}, "a rebase, or git am"},
		{"a bisection", func(r testRepo, _ string) { r.git("bisect", "start", "--no-checkout") }, "a bisection"},
	} {
		r := newRepo(t, SHA1)
		side := r.conflict()
		tt.begin(r, side)
		got, err := r.open().InProgress(t.Context(), "refs/heads/main")
		if err != nil || (got == nil) != (tt.want == "") || got != nil && got.Name != tt.want {
			t.Errorf("%s: InProgress = %+v, %v, want %q", tt.name, got, err, tt.want)
		}
		if got, err := r.open().InProgress(t.Context(), "refs/heads/side"); err != nil || got != nil {
			t.Errorf("%s: InProgress(side) = %+v, %v, want nil", tt.name, got, err)
		}
	}
}

func TestInProgressLooksIntoEveryWorktree(t *testing.T) {
	r := newRepo(t, SHA1)
	r.conflict()
	linked := filepath.Join(t.TempDir(), "linked")
	r.git("worktree", "add", "-q", linked, "side")
	repo := r.open()
	there := testRepo{t, linked, r.env}
	there.try("", "merge", "main")
	got, err := repo.InProgress(t.Context(), "refs/heads/side")
	if err != nil || got == nil || got.Name != "a merge" || !sameFile(t, got.Dir, filepath.Join(r.dir, ".git", "worktrees", "linked")) {
		t.Errorf("InProgress(side) = %+v, %v, want a merge in the linked work tree", got, err)
	}
	for _, ref := range []string{"refs/heads/main", "HEAD"} {
		if got, err := repo.InProgress(t.Context(), ref); err != nil || got != nil {
			t.Errorf("InProgress(%s) = %+v, %v, want nil", ref, got, err)
		}
	}
	if got, err := there.open().InProgress(t.Context(), "HEAD"); err != nil || got == nil {
		t.Errorf("InProgress(HEAD) in the linked work tree = %+v, %v, want a merge", got, err)
	}

	// A rebase detaches HEAD from the branch that it will move.
	there.git("merge", "--abort")
	there.try("", "rebase", "main")
	if got, err := repo.InProgress(t.Context(), "refs/heads/side"); err != nil || got == nil || got.Name != "a rebase" {
		t.Errorf("InProgress(side) = %+v, %v, want a rebase", got, err)
	}
	there.git("rebase", "--abort")

	// What is left of a work tree that is gone says nothing.
	if err := os.Remove(filepath.Join(r.dir, ".git", "worktrees", "linked", "HEAD")); err != nil {
		t.Fatal(err)
	}
	if got, err := repo.InProgress(t.Context(), "refs/heads/side"); err != nil || got != nil {
		t.Errorf("InProgress(side) = %+v, %v, want nil", got, err)
	}
}

func TestCutOffNamesWhereHistoryEnds(t *testing.T) {
	r := newRepo(t, SHA1)
	r.commit("one")
	two := r.commit("two")
	r.commit("three")
	if got, err := r.open().CutOff(); err != nil || len(got) != 0 {
		t.Errorf("CutOff of a whole history = %v, %v, want none", got, err)
	}
	clone := testRepo{t, filepath.Join(t.TempDir(), "clone"), r.env}
	r.git("clone", "-q", "--depth=2", "file://"+r.dir, clone.dir)
	got, err := clone.open().CutOff()
	if err != nil || len(got) != 1 || !got[two] {
		t.Errorf("CutOff = %v, %v, want %s", got, err, two)
	}
	repo := clone.open()
	for _, content := range []string{two, two + "\n\n", "HEAD\n", strings.ToUpper(two) + "\n"} {
		if err := os.WriteFile(filepath.Join(clone.dir, ".git", "shallow"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := repo.CutOff(); err == nil {
			t.Errorf("CutOff of %q = %v, want an error", content, got)
		}
	}
}

func TestCommitterIsWhoGitSays(t *testing.T) {
	r := newRepo(t, SHA1)
	line, who, err := r.open().Committer(t.Context())
	if want := "C O Mitter <committer@example.com> 1700000000 +0100"; err != nil || line != want {
		t.Errorf("Committer = %q, %v, want %q", line, err, want)
	}
	if who.Name != "C O Mitter" || who.Email != "committer@example.com" || who.When.Unix() != 1700000000 {
		t.Errorf("Committer = %+v", who)
	}
	nobody := r.config()
	nobody.Env = append(slices.DeleteFunc(slices.Clone(r.env), func(kv string) bool { return strings.HasPrefix(kv, "GIT_COMMITTER_") }),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=user.useConfigOnly", "GIT_CONFIG_VALUE_0=true")
	repo, err := Open(t.Context(), nobody)
	if err != nil {
		t.Fatal(err)
	}
	if line, _, err := repo.Committer(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "reading who commits: ") {
		t.Errorf("Committer of nobody = %q, %v, want an error", line, err)
	}
}

func TestCompatFormat(t *testing.T) {
	r := newRepo(t, SHA256)
	if got, err := r.open().CompatFormat(t.Context()); err != nil || got != "" {
		t.Errorf("CompatFormat = %q, %v, want none", got, err)
	}
	c := r.config().with("GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=extensions.compatObjectFormat", "GIT_CONFIG_VALUE_0=sha1")
	repo, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := repo.CompatFormat(t.Context()); err != nil || got != SHA1 {
		t.Errorf("CompatFormat = %q, %v, want sha1", got, err)
	}
}

func TestCountUnpublishedAndContaining(t *testing.T) {
	r := newRepo(t, SHA1)
	one := r.commit("one")
	two := r.commit("two")
	r.git("branch", "stacked")
	three := r.commit("three")
	four := r.commit("four")
	r.git("tag", "-m", "v1", "v1", three)
	r.git("branch", "before", one)
	repo := r.open()
	count := func(revs ...string) int {
		t.Helper()
		n, err := repo.CountUnpublished(t.Context(), revs)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	if got := count(four, "^"+one); got != 3 {
		t.Errorf("CountUnpublished without remotes = %d, want 3", got)
	}
	r.git("update-ref", "refs/remotes/origin/main", three)
	if got := count(four, "^"+one); got != 1 {
		t.Errorf("CountUnpublished = %d, want 1", got)
	}
	if got := count(three); got != 0 {
		t.Errorf("CountUnpublished = %d, want 0", got)
	}
	for _, tt := range []struct {
		commits []string
		want    string
	}{
		{[]string{two}, "refs/heads/main refs/heads/stacked refs/tags/v1"},
		{[]string{four}, "refs/heads/main"},
		{[]string{four, three}, "refs/heads/main refs/tags/v1"},
	} {
		got, err := repo.Containing(t.Context(), tt.commits)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("Containing(%s) = %q, %v, want %s", tt.commits, got, err, tt.want)
		}
	}
	if _, err := repo.CountUnpublished(t.Context(), []string{"--all"}); err == nil {
		t.Error("CountUnpublished(--all) succeeded")
	}
	if _, err := repo.Containing(t.Context(), []string{"HEAD"}); err == nil {
		t.Error("Containing(HEAD) succeeded")
	}
}
