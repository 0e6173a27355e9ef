package gitutil

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTreesListAndEntry(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		blob := r.write("blob", []byte("x"))
		commit := r.commit("one")
		tree := r.mktree("100644 "+blob+" a/b", "100755 "+blob+" run", "120000 "+blob+" link", "160000 "+commit+" sub")
		inner := r.git("rev-parse", tree+":a")
		trees := r.trees()
		want := []TreeEntry{{"a", inner, Directory}, {"link", blob, Symlink}, {"run", blob, File}, {"sub", commit, Submodule}}
		got, err := trees.List(t.Context(), tree)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: List = %v, %v, want %v", f, got, err, want)
		}
		for _, e := range append(want, TreeEntry{"a/b", blob, File}) {
			got, err := trees.Entry(t.Context(), tree, e.Name)
			e.Name = e.Name[strings.LastIndexByte(e.Name, '/')+1:]
			if err != nil || got != e {
				t.Errorf("%s: Entry = %v, %v, want %v", f, got, err, e)
			}
		}
		var none *NoPathError
		for _, path := range []string{"b", "run/x", "sub/x", "a/c"} {
			if _, err := trees.Entry(t.Context(), tree, path); !errors.As(err, &none) {
				t.Errorf("%s: Entry(%q) = %v, want no path", f, path, err)
			}
		}
		for _, path := range []string{"", "/a", "a/", "../a"} {
			if _, err := trees.Entry(t.Context(), tree, path); err == nil || errors.As(err, &none) {
				t.Errorf("%s: Entry(%q) = %v, want a refusal", f, path, err)
			}
		}
	}
}

// What the repository has and is not what is wanted is told from what it lacks.
func TestTreesTellContentFromWhatIsMissing(t *testing.T) {
	r := newRepo(t, SHA1)
	blob, commit := r.write("blob", []byte("12345")), r.commit("one")
	malformed := r.write("tree", []byte("100644 b\x00"+strings.Repeat("x", 20)+"100644 a\x00"+strings.Repeat("x", 20)))
	const missing = "1111111111111111111111111111111111111111"
	trees := r.trees()
	var content *ContentError
	for name, oid := range map[string]string{"a blob": blob, "a malformed tree": malformed, "a commit": commit} {
		if _, err := trees.List(t.Context(), oid); !errors.As(err, &content) || content.OID != oid {
			t.Errorf("List of %s = %v, want a ContentError", name, err)
		}
	}
	if _, err := trees.List(t.Context(), missing); !errors.Is(err, ErrMissing) || errors.As(err, &content) {
		t.Errorf("List of what is missing = %v, want ErrMissing", err)
	}
	if data, err := trees.Blob(t.Context(), blob, 5); err != nil || string(data) != "12345" {
		t.Errorf("Blob = %q, %v", data, err)
	}
	if data, err := trees.Blob(t.Context(), blob, 4); !errors.As(err, &content) {
		t.Errorf("Blob of more than the limit = %q, %v, want a ContentError", data, err)
	}
	if _, err := trees.Blob(t.Context(), commit, 1<<20); !errors.As(err, &content) {
		t.Errorf("Blob of a commit = %v, want a ContentError", err)
	}
	if _, err := trees.Blob(t.Context(), missing, 5); !errors.Is(err, ErrMissing) || errors.As(err, &content) {
		t.Errorf("Blob of what is missing = %v, want ErrMissing", err)
	}
}

// TestTreesReadNothingThatIsTooLarge has git answer with more than anybody would
// read, which is content and no failure; and then for other objects as ever.
func TestTreesReadNothingThatIsTooLarge(t *testing.T) {
	r := newRepo(t, SHA1)
	commit := r.commit("one")
	huge := strings.Repeat("1", 40)
	// What is read to its end does not come to one.
	script := `while read oid; do if test $oid = ` + huge + `; then echo $oid ` + "$TYPE" + ` 999999999999; exec yes; fi; echo $oid | "$git" "$@"; done`
	git := otherGit(t, map[string]string{"cat-file": script})
	for typ, read := range map[string]func(*Trees, string) error{
		"tree":   func(trees *Trees, oid string) error { _, err := trees.List(t.Context(), oid); return err },
		"commit": func(trees *Trees, oid string) error { _, err := trees.Commit(t.Context(), oid, 1000); return err },
		"blob":   func(trees *Trees, oid string) error { _, err := trees.Blob(t.Context(), oid, 1000); return err },
	} {
		repo, err := Open(t.Context(), Config{Dir: r.dir, Env: append(r.env, "TYPE="+typ), Git: git})
		if err != nil {
			t.Fatal(err)
		}
		trees := repo.Trees()
		for range 2 {
			var content *ContentError
			if err := read(trees, huge); !errors.As(err, &content) || content.OID != huge {
				t.Errorf("reading a huge %s = %v, want a ContentError", typ, err)
			}
			if o, err := trees.Commit(t.Context(), commit, 1000); err != nil || o.OID != commit {
				t.Errorf("the commit that is asked for after a huge %s = %v, %v", typ, o.OID, err)
			}
		}
		if err := trees.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRefsBelow(t *testing.T) {
	r := newRepo(t, SHA1)
	commit := r.commit("one")
	for _, ref := range []string{"refs/x/proofs", "refs/x/remotes/b", "refs/x/remotes/a/c", "refs/x/remotesother", "refs/x/proofsother"} {
		r.git("update-ref", ref, commit)
	}
	if err := os.WriteFile(filepath.Join(r.dir, ".git", "refs", "x", "remotes", "broken"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := Config{Dir: r.dir, Env: r.env}
	for _, test := range []struct{ names, want []string }{
		{nil, nil},
		{[]string{"refs/x/proofs"}, []string{"refs/x/proofs"}},
		{[]string{"refs/x/proofs", "refs/x/remotes/"}, []string{"refs/x/proofs", "refs/x/remotes/a/c", "refs/x/remotes/b", "refs/x/remotes/broken"}},
		{[]string{"refs/x/remotes"}, nil},
		{[]string{"refs/none", "refs/none/"}, nil},
	} {
		refs, err := RefsBelow(t.Context(), config, test.names...)
		if err != nil {
			t.Errorf("RefsBelow(%q) = %v", test.names, err)
		}
		var got []string
		for _, ref := range refs {
			got = append(got, ref.Name)
			if want := map[bool]string{true: "", false: commit}[strings.HasSuffix(ref.Name, "broken")]; ref.OID != want {
				t.Errorf("RefsBelow(%q): %s is %q, want %q", test.names, ref.Name, ref.OID, want)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("RefsBelow(%q) = %q, want %q", test.names, got, test.want)
		}
	}
	for _, name := range []string{"", "proofs", "refs/*", "refs/[a]", "refs/a?", "--all"} {
		if _, err := RefsBelow(t.Context(), config, name); err == nil {
			t.Errorf("RefsBelow(%q) is no refusal", name)
		}
	}
}

func TestPinnedNamesTheRepositoryAlone(t *testing.T) {
	r, other := newRepo(t, SHA1), newRepo(t, SHA256)
	env := append(slices.Clone(r.env), "GIT_DIR="+filepath.Join(other.dir, ".git"), "GIT_WORK_TREE="+other.dir, "GIT_OBJECT_DIRECTORY=/nowhere",
		"GIT_COMMON_DIR=/nowhere", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=gitseal.x", "GIT_CONFIG_VALUE_0=y", "GIT_CONFIG_PARAMETERS='gitseal.y=z'", "GIT_NAMESPACE=n")
	before := slices.Clone(env)
	got := Config{Env: Pinned(env, filepath.Join(r.dir, ".git"))}
	if !slices.Equal(env, before) {
		t.Error("Pinned changed what it was given")
	}
	repo, err := Open(t.Context(), got)
	if err != nil {
		t.Fatal(err)
	}
	if !sameFile(t, repo.CommonDir(), filepath.Join(r.dir, ".git")) || repo.ObjectFormat() != SHA1 {
		t.Errorf("the repository is %s of %s, want %s of %s", repo.CommonDir(), repo.ObjectFormat(), r.dir, SHA1)
	}
	cfg, err := ReadConfig(t.Context(), got)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"gitseal.x", "gitseal.y"} {
		if entry, ok := cfg.Get(key); ok {
			t.Errorf("%s is set, in %s", key, entry.Origin)
		}
	}
}
