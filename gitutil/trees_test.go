package gitutil

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mktree stores a tree of "mode oid path" entries, with the trees beneath it,
// by git itself, and returns its id.
func (r testRepo) mktree(entries ...string) string {
	r.t.Helper()
	index := filepath.Join(r.t.TempDir(), "index")
	r.env = append(slices.Clone(r.env), "GIT_INDEX_FILE="+index)
	var info strings.Builder
	for _, e := range entries {
		fields := strings.SplitN(e, " ", 3)
		info.WriteString(fields[0] + " " + fields[1] + "\t" + fields[2] + "\x00")
	}
	if out, err := r.try(info.String(), "update-index", "-z", "--index-info"); err != nil {
		r.t.Fatalf("git update-index: %v\n%s", err, out)
	}
	return r.git("write-tree", "--missing-ok")
}

// trees returns a reader that the test closes.
func (r testRepo) trees() *Trees {
	r.t.Helper()
	trees := r.open().Trees()
	r.t.Cleanup(func() {
		if err := trees.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return trees
}

func TestTreesFile(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		policy, run := r.write("blob", []byte("policy\r\n\x00")), r.write("blob", nil)
		commit := r.commit("one")
		tree := r.mktree("100644 "+policy+" .gitseal/policy.toml", "100755 "+run+" .gitseal/run", "100644 "+run+" .gitseal.toml",
			"120000 "+policy+" link", "160000 "+commit+" sub", "100644 "+policy+" a b/ä\n\xff/-c")
		trees := r.trees()
		for _, tt := range []struct{ path, oid, data string }{
			{".gitseal/policy.toml", policy, "policy\r\n\x00"},
			{".gitseal/run", run, ""},
			{".gitseal.toml", run, ""},
			{"a b/ä\n\xff/-c", policy, "policy\r\n\x00"},
		} {
			oid, data, err := trees.File(t.Context(), tree, tt.path)
			if err != nil || oid != tt.oid || string(data) != tt.data {
				t.Errorf("%s: File(%q) = %s, %q, %v, want %s, %q", f, tt.path, oid, data, err, tt.oid, tt.data)
			}
		}
		for _, path := range []string{"none", ".gitseal/none", "none/policy.toml", ".gitseal/run/x", "link/x", "sub/x", ".gitseal.tom", "A B/x"} {
			var none *NoPathError
			_, _, err := trees.File(t.Context(), tree, path)
			if !errors.As(err, &none) || none.Path != path || none.Tree != tree || errors.Is(err, ErrMissing) {
				t.Errorf("%s: File(%q) = %v, want no path", f, path, err)
			}
		}
		for _, path := range []string{".gitseal", "link", "sub", "", "/", "/link", ".gitseal/", ".gitseal//run", "./link", ".gitseal/../link", "link\x00"} {
			var none *NoPathError
			if _, data, err := trees.File(t.Context(), tree, path); err == nil || errors.As(err, &none) {
				t.Errorf("%s: File(%q) = %q, %v, want a refusal", f, path, data, err)
			}
		}
		for _, oid := range []string{"", "HEAD", tree[1:], tree + "\n" + tree, policy, commit} {
			if _, _, err := trees.File(t.Context(), oid, "link"); err == nil || errors.Is(err, ErrMissing) {
				t.Errorf("%s: File of tree %q = %v, want a refusal", f, oid, err)
			}
		}
	}
}

func TestTreesCommit(t *testing.T) {
	r := newRepo(t, SHA1)
	one := r.commit("one")
	wrong := r.commit("two")
	three := r.commit("three")
	r.git("tag", "-a", "-m", "x", "v1")
	substitute(t, r, wrong, three)
	trees := r.trees()
	if o, err := trees.Commit(t.Context(), one, 1<<20); err != nil || o.OID != one || o.Type != "commit" || !bytes.HasSuffix(o.Data, []byte("\n\none\n")) {
		t.Errorf("Commit = %v, %v, want %s", o, err, one)
	}
	if _, err := trees.Commit(t.Context(), strings.Repeat("1", 40), 1<<20); !errors.Is(err, ErrMissing) {
		t.Errorf("Commit(none) = %v, want %v", err, ErrMissing)
	}
	for _, oid := range []string{wrong, "HEAD", "", one + "^", r.git("rev-parse", "HEAD^{tree}"), r.git("rev-parse", "v1")} {
		if o, err := trees.Commit(t.Context(), oid, 1<<20); err == nil || errors.Is(err, ErrMissing) {
			t.Errorf("Commit(%q) = %v, %v, want a refusal", oid, o, err)
		}
	}
}

func TestTreesTellMissingFromWrong(t *testing.T) {
	r := newRepo(t, SHA1)
	one, two := r.write("blob", []byte("one")), r.write("blob", []byte("two"))
	lost := strings.Repeat("1", 40)
	tree := r.mktree("100644 "+lost+" lost", "100644 "+one+" wrong", "100644 "+two+" right")
	subtree := r.mktree("100644 " + one + " x")
	wrongTree := r.mktree("100644 " + two + " y")
	lostTree := r.write("tree", []byte("40000 dir\x00"+strings.Repeat("\x11", 20)))
	substitute(t, r, one, two)
	substitute(t, r, wrongTree, subtree)

	trees := r.trees()
	for _, path := range []string{"lost", "wrong", "right"} {
		_, data, err := trees.File(t.Context(), tree, path)
		if missing := errors.Is(err, ErrMissing); (err == nil) != (path == "right") || missing != (path == "lost") {
			t.Errorf("File(%s) = %q, %v", path, data, err)
		}
	}
	if _, _, err := trees.File(t.Context(), lost, "x"); !errors.Is(err, ErrMissing) {
		t.Errorf("File of a missing tree = %v, want %v", err, ErrMissing)
	}
	if _, _, err := trees.File(t.Context(), lostTree, "dir/x"); !errors.Is(err, ErrMissing) {
		t.Errorf("File of a missing subtree = %v, want %v", err, ErrMissing)
	}
	if _, err := trees.Changed(t.Context(), lostTree, nil, ""); !errors.Is(err, ErrMissing) {
		t.Errorf("Changed of a missing subtree = %v, want %v", err, ErrMissing)
	}
	if _, err := trees.Changed(t.Context(), wrongTree, []string{tree}, ""); err == nil || !strings.Contains(err.Error(), wrongTree) {
		t.Errorf("Changed of a tree with other content = %v, want a mismatch", err)
	}
}

// TestTreesSurviveFailures has git fail at first, then cut off an answer, and
// asks again.
func TestTreesSurviveFailures(t *testing.T) {
	r := newRepo(t, SHA1)
	blob := r.write("blob", []byte("content"))
	tree := r.mktree("100644 " + blob + " file")
	tries := filepath.Join(t.TempDir(), "tries")
	script := `echo >>'` + tries + `'
case $(wc -l <'` + tries + `') in
*1) echo fatal: not yet >&2; exit 128;;
*2) read oid; echo $oid tree 33; exit 0;;
*) exec "$git" "$@";;
esac`
	repo, err := Open(t.Context(), Config{Dir: r.dir, Env: r.env, Git: otherGit(t, map[string]string{"cat-file": script})})
	if err != nil {
		t.Fatal(err)
	}
	trees := repo.Trees()
	for _, want := range []string{"not yet", "unexpected EOF", ""} {
		_, data, err := trees.File(t.Context(), tree, "file")
		if want == "" && (err != nil || string(data) != "content") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("File = %q, %v, want error %q", data, err, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := trees.File(ctx, tree, "file"); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled File = %v, want %v", err, context.Canceled)
		}
	}
	if err := trees.Close(); err != nil {
		t.Error(err)
	}
}

// TestTreesStopWhenCancelled has git never answer.
func TestTreesStopWhenCancelled(t *testing.T) {
	r := newRepo(t, SHA1)
	tree := r.mktree()
	repo, err := Open(t.Context(), Config{Dir: r.dir, Env: r.env, Git: otherGit(t, map[string]string{"cat-file": "read oid; exec cat >&2"})})
	if err != nil {
		t.Fatal(err)
	}
	trees := repo.Trees()
	defer trees.Close()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, _, err := trees.File(ctx, tree, "x")
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("File = %v, want %v", err, context.Canceled)
	}
}

func TestTreesAreOneProcess(t *testing.T) {
	r := newRepo(t, SHA1)
	var want []string
	for i := range 50 {
		blob := r.write("blob", fmt.Append(nil, i))
		want = append(want, r.mktree(fmt.Sprintf("100644 %s dir/%d", blob, i)))
	}
	log := filepath.Join(t.TempDir(), "log")
	repo, err := Open(t.Context(), Config{Dir: r.dir, Env: r.env, Git: otherGit(t, map[string]string{"cat-file": "echo run >>'" + log + `'; exec "$git" "$@"`})})
	if err != nil {
		t.Fatal(err)
	}
	trees := repo.Trees()
	if _, err := os.Stat(log); err == nil {
		t.Error("git runs before it is needed")
	}
	var reading sync.WaitGroup
	for range 4 {
		reading.Go(func() {
			for i, tree := range want {
				path := fmt.Sprintf("dir/%d", i)
				if _, data, err := trees.File(t.Context(), tree, path); err != nil || string(data) != path[4:] {
					t.Errorf("File(%s) = %q, %v", path, data, err)
				}
				if paths, err := trees.Changed(t.Context(), tree, nil, ""); err != nil || len(paths) != 1 || paths[0] != path {
					t.Errorf("Changed(%s) = %v, %v", path, paths, err)
				}
			}
		})
	}
	reading.Wait()
	for range 2 {
		if err := trees.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if _, _, err := trees.File(t.Context(), want[0], "dir/0"); err == nil {
		t.Error("File after Close = nil, want an error")
	}
	runs, err := os.ReadFile(log)
	if err != nil || string(runs) != "run\n" {
		t.Errorf("git ran %q, %v, want one run", runs, err)
	}
}

func TestTreeCacheIsBounded(t *testing.T) {
	c := treeCache{limit: 100}
	for i := range 50 {
		c.add(hashOf(byte(i)), []entry{{name: "x"}}, 10+i%5)
		if _, ok := c.get(hashOf(0)); !ok {
			t.Fatal("the tree used last is gone")
		}
	}
	size := 0
	for e := c.order.Front(); e != nil; e = e.Next() {
		size += e.Value.(*cachedTree).size
	}
	if size != c.size || size > c.limit || size < c.limit-15 || c.order.Len() != len(c.byID) {
		t.Errorf("%d trees, %d ids of %d bytes, counted %d, want at most %d", c.order.Len(), len(c.byID), size, c.size, c.limit)
	}
	if _, ok := c.get(hashOf(1)); ok {
		t.Error("the tree unused longest is kept")
	}
	c.add(hashOf(99), nil, 101)
	if _, ok := c.get(hashOf(99)); ok || c.size != size {
		t.Error("a tree larger than all that may be kept is kept")
	}
	c.add(hashOf(0), nil, 10)
	if entries, _ := c.get(hashOf(0)); c.size != size || len(entries) != 1 {
		t.Error("a tree that is there is added again")
	}
}

func TestTreesRefuseLargeTrees(t *testing.T) {
	data := make([]byte, maxTreeSize+1)
	oid, err := HashObject(SHA1, "tree", data)
	if err != nil {
		t.Fatal(err)
	}
	trees := &Trees{format: SHA1, read: func(context.Context, string, int64) (Object, error) {
		return Object{OID: oid, Type: "tree", Size: int64(len(data)), Data: data}, nil
	}}
	if _, err := trees.Changed(t.Context(), oid, nil, ""); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("Changed = %v, want the limit", err)
	}
}
