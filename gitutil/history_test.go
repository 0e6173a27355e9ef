package gitutil

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// change commits a file with content and returns the commit's id.
func (r testRepo) change(path, content string) string {
	r.t.Helper()
	name := filepath.Join(r.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		r.t.Fatal(err)
	}
	r.git("--literal-pathspecs", "add", "--", path)
	return r.commit("change " + path)
}

func TestMergeBaseAndIsAncestor(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		base := r.commit("base")
		r.git("checkout", "-q", "-b", "side")
		side := r.commit("side")
		r.git("checkout", "-q", "main")
		head := r.commit("head")
		tree := r.git("rev-parse", "HEAD^{tree}")
		alone := r.git("commit-tree", "-m", "alone", tree)
		// Each merged the other: two bases.
		x := r.git("commit-tree", "-m", "x", "-p", head, "-p", side, tree)
		y := r.git("commit-tree", "-m", "y", "-p", side, "-p", head, tree)
		both := []string{head, side}
		slices.Sort(both)
		repo := r.open()
		for _, tt := range []struct {
			a, b       string
			bases      []string
			isAncestor bool
		}{
			{head, side, []string{base}, false},
			{base, head, []string{base}, true},
			{head, base, []string{base}, false},
			{head, head, []string{head}, true},
			{head, alone, nil, false},
			{x, y, both, false},
			{base, y, []string{base}, true},
		} {
			bases, err := repo.MergeBase(t.Context(), tt.a, tt.b)
			slices.Sort(bases)
			if err != nil || !slices.Equal(bases, tt.bases) {
				t.Errorf("%s: MergeBase(%s, %s) = %v, %v, want %v", f, tt.a, tt.b, bases, err, tt.bases)
			}
			got, err := repo.IsAncestor(t.Context(), tt.a, tt.b)
			if err != nil || got != tt.isAncestor {
				t.Errorf("%s: IsAncestor(%s, %s) = %v, %v, want %v", f, tt.a, tt.b, got, err, tt.isAncestor)
			}
		}
		for _, bad := range []string{"", "HEAD", "--all", head[1:], head + "^", "^" + head} {
			if got, err := repo.MergeBase(t.Context(), head, bad); err == nil {
				t.Errorf("%s: MergeBase(%q) = %v, want an error", f, bad, got)
			}
			if got, err := repo.IsAncestor(t.Context(), bad, head); err == nil {
				t.Errorf("%s: IsAncestor(%q) = %v, want an error", f, bad, got)
			}
		}
		if got, err := repo.IsAncestor(t.Context(), tree, head); err == nil {
			t.Errorf("%s: IsAncestor(tree) = %v, want an error", f, got)
		}
	}
}

// TestHistoryThatIsMissingTellsNothing takes a commit out of the middle: git
// before 2.45 would take it for a root.
func TestHistoryThatIsMissingTellsNothing(t *testing.T) {
	r := newRepo(t, SHA1)
	base := r.change("file", "1")
	lost := r.commit("lost")
	side := r.commit("side")
	r.git("checkout", "-q", "--detach", base)
	head := r.commit("head")
	if err := os.Remove(r.loose(lost)); err != nil {
		t.Fatal(err)
	}
	repo := r.open()
	if got, err := repo.MergeBase(t.Context(), head, side); err == nil {
		t.Errorf("MergeBase = %v, want an error", got)
	}
	if got, err := repo.IsAncestor(t.Context(), base, side); err == nil {
		t.Errorf("IsAncestor = %v, want an error", got)
	}
	if got, err := repo.Touching(t.Context(), side, "file"); err == nil {
		t.Errorf("Touching = %v, want an error", got)
	}
	if got, err := repo.Revisions(t.Context(), head+"..."+side); err == nil {
		t.Errorf("Revisions = %v, want an error", got)
	}
}

func TestTouching(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		first := r.change("policy", "1")
		r.change("other", "1")
		r.git("checkout", "-q", "-b", "side")
		changed := r.change("policy", "2")
		r.change("side", "1")
		undone := r.change("policy", "1")
		r.git("checkout", "-q", "main")
		r.change("main", "1")
		r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
		last := r.change("policy", "3")
		r.git("checkout", "-q", "side")
		r.git("merge", "-q", "-s", "ours", "-m", "throws away", "main")
		// The merge has what neither of its parents has.
		evil := r.git("commit-tree", "-m", "evil", "-p", "main", "-p", "side", r.mktree("100644 "+r.write("blob", []byte("4"))+" policy"))

		got, err := r.open().Touching(t.Context(), evil, "policy")
		want := []string{evil, r.git("rev-parse", "side"), last, undone, changed, first}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: Touching = %v, %v, want %v", f, got, err, want)
		}
		// A plain log misses what a merge threw away.
		if plain := r.git("log", "--format=%H", "side", "--", "policy"); strings.Contains(plain, last) {
			t.Errorf("%s: git log shows %s; the test does not test", f, last)
		}
	}
}

func TestTouchingTakesThePathAsItIs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files cannot be called so")
	}
	r := newRepo(t, SHA1)
	paths := []string{"*", "a", "ab/c", "A", ":(glob)x", "-x", "ä\n\"", "[a]", "sub/a"}
	want := make(map[string]string)
	for _, path := range paths {
		want[path] = r.change(path, "1")
	}
	r.change("b", "1")
	head := r.git("rev-parse", "HEAD")
	for _, env := range []string{"X=1", "GIT_LITERAL_PATHSPECS=1", "GIT_GLOB_PATHSPECS=1", "GIT_NOGLOB_PATHSPECS=1", "GIT_ICASE_PATHSPECS=1"} {
		for _, dir := range []string{r.dir, filepath.Join(r.dir, "sub")} {
			repo, err := Open(t.Context(), Config{Dir: dir, Env: append(slices.Clone(r.env), env)})
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				got, err := repo.Touching(t.Context(), head, path)
				if err != nil || len(got) != 1 || got[0] != want[path] {
					t.Errorf("%s in %s: Touching(%q) = %v, %v, want %s", env, dir, path, got, err, want[path])
				}
			}
		}
	}
	repo := r.open()
	for _, path := range []string{"", "/a", "../a", "a/", "a\x00", ".", "./a", "ab//c"} {
		if got, err := repo.Touching(t.Context(), head, path); err == nil {
			t.Errorf("Touching(%q) = %v, want a refusal", path, got)
		}
	}
	for _, rev := range []string{"HEAD", "--all", "", "^" + head, head + "..", strings.Repeat("1", 40)} {
		if got, err := repo.Touching(t.Context(), rev, "a"); err == nil {
			t.Errorf("Touching(%q) = %v, want an error", rev, got)
		}
	}
	if got, err := repo.Touching(t.Context(), head, "none"); err != nil || len(got) != 0 {
		t.Errorf("Touching(none) = %v, %v, want none", got, err)
	}
}

func TestFullName(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		if got, err := r.open().FullName(t.Context(), "HEAD"); err != nil || got != "refs/heads/main" {
			t.Errorf("%s: FullName(HEAD without a commit) = %q, %v, want refs/heads/main", f, got, err)
		}
		oid := r.commit("one")
		r.commit("two")
		r.git("tag", "-a", "-m", "x", "v1")
		r.git("tag", "light")
		r.git("branch", "feature/x")
		r.git("branch", "both")
		r.git("tag", "both", oid)
		r.git("tag", "HEAD", oid)
		r.git("update-ref", "refs/remotes/origin/main", "HEAD")
		r.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
		r.git("update-ref", "refs/heads/"+oid, "HEAD")
		r.git("config", "core.warnAmbiguousRefs", "false")
		r.git("fetch", "-q", r.dir, "main")
		repo := r.open()
		for rev, want := range map[string]string{
			"HEAD": "refs/heads/main", "@": "refs/heads/main", "main": "refs/heads/main", "heads/main": "refs/heads/main",
			"refs/heads/main": "refs/heads/main", "feature/x": "refs/heads/feature/x", "v1": "refs/tags/v1", "light": "refs/tags/light",
			"origin/main": "refs/remotes/origin/main", "origin": "refs/remotes/origin/main", "refs/tags/both": "refs/tags/both",
			"main~1": "", "main^{commit}": "", "v1^{}": "", "main@{0}": "", "FETCH_HEAD": "", oid: "", oid[:12]: "", ":/one": "",
		} {
			got, err := repo.FullName(t.Context(), rev)
			if err != nil || got != want {
				t.Errorf("%s: FullName(%q) = %q, %v, want %q", f, rev, got, err, want)
			}
		}
		for _, rev := range []string{"none", "main~9", "refs/heads/none", "main light"} {
			if got, err := repo.FullName(t.Context(), rev); !errors.Is(err, ErrMissing) {
				t.Errorf("%s: FullName(%q) = %q, %v, want %v", f, rev, got, err, ErrMissing)
			}
		}
		for _, rev := range []string{"", "--all", "-h", "^main", "main..light", "main\nlight", "main\x00"} {
			if got, err := repo.FullName(t.Context(), rev); err == nil {
				t.Errorf("%s: FullName(%q) = %q, want an error", f, rev, got)
			}
		}
		if got, err := repo.FullName(t.Context(), "both"); err == nil || !strings.Contains(err.Error(), "ambiguous") {
			t.Errorf("%s: FullName(both) = %q, %v, want it ambiguous", f, got, err)
		}
		r.git("checkout", "-q", "--detach")
		if got, err := repo.FullName(t.Context(), "HEAD"); err != nil || got != "" {
			t.Errorf("%s: FullName(detached HEAD) = %q, %v, want none", f, got, err)
		}
	}
}
