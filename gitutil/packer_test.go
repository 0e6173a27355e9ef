package gitutil

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackIsGits has git read packs of objects of every size at which the
// header of an entry grows.
func TestPackIsGits(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		p, err := newPacker(f)
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[string][]byte)
		for _, size := range []int{0, 1, 15, 16, 2047, 2048, 1<<18 - 1, 1 << 18} {
			data := bytes.Repeat([]byte("x"), size)
			oid, err := p.add("blob", data)
			if err != nil {
				t.Fatal(err)
			}
			if by, err := r.try(string(data), "hash-object", "--stdin"); err != nil || by != oid {
				t.Errorf("%s: blob of %d bytes is %s, git says %s, %v", f, size, oid, by, err)
			}
			want[oid] = data
		}
		repo := r.open()
		if err := repo.Store(t.Context(), &Rewritten{pack: p}); err != nil {
			t.Fatal(err)
		}
		for oid, data := range want {
			if o, err := repo.Object(t.Context(), oid); err != nil || !bytes.Equal(o.Data, data) {
				t.Errorf("%s: Object(%s) = %d bytes, %v, want %d", f, oid, len(o.Data), err, len(data))
			}
		}
		r.git("fsck", "--strict")
		if _, err := p.add("note", nil); err == nil {
			t.Error("a pack took an object of an unknown type")
		}
	}
	if _, err := newPacker("md5"); err == nil {
		t.Error("newPacker(md5) succeeded")
	}
}

func TestStoreOfNothingWritesNothing(t *testing.T) {
	r := newRepo(t, SHA1)
	repo := r.open()
	made, err := repo.Rewrite(t.Context(), Rewrite{})
	if err == nil {
		err = repo.Store(t.Context(), made)
	}
	if packs, _ := filepath.Glob(filepath.Join(r.dir, ".git", "objects", "pack", "*")); err != nil || len(packs) > 0 {
		t.Errorf("Store = %v, and left %q", err, packs)
	}
}

// TestStoreIsInTheRepository stores from where git would be led astray, which
// index-pack is below the top of a work tree.
func TestStoreIsInTheRepository(t *testing.T) {
	for _, place := range []struct {
		name string
		from func(r testRepo) Config
	}{
		{"below the top", func(r testRepo) Config {
			c := r.config()
			c.Dir = filepath.Join(r.dir, "sub")
			return c
		}},
		{"a linked work tree", func(r testRepo) Config {
			r.git("worktree", "add", "-q", "--detach", filepath.Join(r.dir, "sub", "linked"))
			c := r.config()
			c.Dir = filepath.Join(r.dir, "sub", "linked")
			return c
		}},
		{"a git directory that is named", func(r testRepo) Config {
			c := r.config().with("GIT_DIR=../.git", "GIT_WORK_TREE=..")
			c.Dir = filepath.Join(r.dir, "sub")
			return c
		}},
		{"the git directory", func(r testRepo) Config {
			c := r.config()
			c.Dir = filepath.Join(r.dir, ".git")
			return c
		}},
	} {
		r := newRepo(t, SHA1)
		base := r.history()
		if err := os.Mkdir(filepath.Join(r.dir, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		repo, err := Open(t.Context(), place.from(r))
		if err != nil {
			t.Fatal(err)
		}
		made, err := repo.Rewrite(t.Context(), r.rewriteOf(base))
		if err == nil {
			err = repo.Store(t.Context(), made)
		}
		if err != nil {
			t.Fatal(err)
		}
		if packs, err := filepath.Glob(filepath.Join(r.dir, ".git", "objects", "pack", "*.pack")); err != nil || len(packs) != 1 {
			t.Errorf("%s: the packs are %q, %v, want one", place.name, packs, err)
		}
	}
}

func TestMoveRefMovesOnlyFromWhatItWas(t *testing.T) {
	r := newRepo(t, SHA1)
	one := r.commit("one")
	two := r.commit("two")
	three := r.commit("three")
	r.git("branch", "other", one)
	r.git("tag", "v1", one)
	repo := r.open()
	move := func(ref, old, oid string) error {
		return repo.MoveRef(t.Context(), RefMove{Ref: ref, Old: old, New: oid, Reason: "resign: 1 commit"})
	}
	if err := move("refs/heads/other", one, two); err != nil || r.git("rev-parse", "other") != two {
		t.Errorf("MoveRef = %v", err)
	}
	if err := move("refs/heads/main", three, two); err != nil || r.git("rev-parse", "HEAD") != two || r.git("symbolic-ref", "HEAD") != "refs/heads/main" {
		t.Errorf("MoveRef of what is checked out = %v", err)
	}
	for _, tt := range []struct{ ref, old, oid, want string }{
		{"refs/heads/other", one, three, "moving refs/heads/other: running git update-ref: "},
		{"refs/heads/other", two, newOID, "moving refs/heads/other: "},
		{"refs/heads/none", one, two, "moving refs/heads/none: "},
		{"refs/tags/v1", one, two, "it is not a branch"},
		{"main", two, one, "it is not a branch"},
		{"refs/heads/main", "", two, "not a sha1 object id"},
		{"refs/heads/main", two, "", "not a sha1 object id"},
	} {
		if err := move(tt.ref, tt.old, tt.oid); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("MoveRef(%s, %q, %q) = %v, want an error with %q", tt.ref, tt.old, tt.oid, err, tt.want)
		}
	}
	if got := r.git("rev-parse", "main", "other", "v1"); got != two+"\n"+two+"\n"+one {
		t.Errorf("refs = %s after moves that were refused", got)
	}
	r.git("checkout", "-q", "--detach", "main")
	if err := move("HEAD", two, one); err != nil || r.git("rev-parse", "HEAD", "main") != one+"\n"+two {
		t.Errorf("MoveRef(HEAD) = %v, %s", err, r.git("rev-parse", "HEAD", "main"))
	}
	// An interrupt may reach git when its work is done.
	if err := move("HEAD", two, one); err != nil {
		t.Errorf("MoveRef to what it holds = %v, want nil", err)
	}
}

func TestCopyNotesAsARebaseDoes(t *testing.T) {
	r := newRepo(t, SHA1)
	base := r.history()
	old := r.git("rev-parse", "main")
	r.git("notes", "add", "-m", "reviewed", old)
	for _, config := range []struct{ ref, want string }{{"", ""}, {"refs/notes/commits", "reviewed"}} {
		if config.ref != "" {
			r.git("config", "notes.rewriteRef", config.ref)
		}
		repo := r.open()
		made, err := repo.Rewrite(t.Context(), r.rewriteOf(base))
		if err == nil {
			err = repo.Store(t.Context(), made)
		}
		if err == nil {
			err = repo.CopyNotes(t.Context(), made)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.try("", "notes", "show", made.New[old]); (got == "reviewed") != (config.want != "") {
			t.Errorf("with notes.rewriteRef=%s the note is %q, want %q", config.ref, got, config.want)
		}
	}
}

// TestStoreThatFailsSaysSo puts a file where packs belong, which stops root,
// too.
func TestStoreThatFailsSaysSo(t *testing.T) {
	r := newRepo(t, SHA1)
	base := r.history()
	repo := r.open()
	made, err := repo.Rewrite(t.Context(), r.rewriteOf(base))
	if err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(r.dir, ".git", "objects", "pack")
	if err := os.RemoveAll(pack); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pack, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := repo.Store(t.Context(), made); err == nil || !strings.HasPrefix(err.Error(), "storing 6 commits: running git index-pack: ") {
		t.Errorf("Store = %v, want an error of git index-pack", err)
	}
}
