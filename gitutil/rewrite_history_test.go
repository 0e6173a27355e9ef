package gitutil

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// history makes a history with what real ones have, in main, and returns the
// commit where it begins.
func (r testRepo) history() (base string) {
	r.t.Helper()
	base = r.change("a", "1")
	r.change("b", "2")
	r.git("checkout", "-q", "-b", "side")
	r.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m", "L\xe4tin")
	r.change("c", "3")
	r.git("checkout", "-q", "main")
	r.git("commit", "-q", "--allow-empty", "--author", "Other <other@example.com>", "--date", "1600000000 -0700", "-m", "by another")
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	tree, parent := r.git("rev-parse", "HEAD^{tree}"), r.git("rev-parse", "HEAD")
	odd := r.write("commit", []byte("tree "+tree+"\nparent "+parent+"\nauthor A <a@example.com> 1500000000 +0000\ncommitter C <c@example.com> 1500000000 +0000\n"+
		"x-header a\n b\n"+folded(map[bool]string{true: "gpgsig", false: "gpgsig-sha256"}[len(tree) == 40], pgpArmor)+"\nCRLF\r\n\r\nand no newline"))
	r.git("reset", "-q", "--hard", odd)
	return base
}

// rewriteOf returns the rewrite of everything from after base to main.
func (r testRepo) rewriteOf(base string) Rewrite {
	return Rewrite{
		Commits:   strings.Fields(r.git("rev-list", "--topo-order", "--reverse", base+"..main")),
		Committer: func() string { return "N <n@example.com> 1800000000 -0330" },
		Sign:      func(context.Context, []byte) ([]byte, error) { return []byte(x509Armor), nil },
	}
}

// TestRewriteKeepsHistory has git look at a history before and after, and
// go-git take its commits apart.
func TestRewriteKeepsHistory(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		base := r.history()
		old := r.git("rev-parse", "main")
		log := func(rev string) string {
			return r.git("log", "--topo-order", "--format=%T %an %ae %ad %B %e", base+".."+rev)
		}
		before := log(old)
		repo := r.open()
		var told []int
		w := r.rewriteOf(base)
		w.Done = func(n int) { told = append(told, n) }
		made, err := repo.Rewrite(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		tip := made.New[old]
		if len(made.New) != len(w.Commits) || len(told) != len(w.Commits) || told[len(told)-1] != len(w.Commits) {
			t.Fatalf("%s: Rewrite made %d commits and told %v, want %d", f, len(made.New), told, len(w.Commits))
		}
		if _, err := repo.Object(t.Context(), tip); !errors.Is(err, ErrMissing) {
			t.Errorf("%s: before Store, Object = %v, want ErrMissing", f, err)
		}
		if err := repo.Store(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		if err := repo.MoveRef(t.Context(), RefMove{Ref: "refs/heads/main", Old: old, New: tip, Reason: "resign: 6 commits"}); err != nil {
			t.Fatal(err)
		}
		if out := r.git("fsck", "--strict", "--no-dangling"); out != "" {
			t.Errorf("%s: git fsck says %s", f, out)
		}
		if got := r.git("rev-parse", "HEAD"); got != tip {
			t.Errorf("%s: HEAD = %s, want %s", f, got, tip)
		}
		if got := log(tip); got != before {
			t.Errorf("%s: git log = %s, want %s", f, got, before)
		}
		if got := r.git("diff", old, tip) + r.git("status", "--porcelain"); got != "" {
			t.Errorf("%s: git diff and status = %q, want none", f, got)
		}
		if got, want := r.git("reflog", "-1", "--format=%gs", "HEAD"), "resign: 6 commits"; got != want {
			t.Errorf("%s: reflog = %q, want %q", f, got, want)
		}
		for was, oid := range made.New {
			checkRewritten(t, repo, made.New, was, oid)
		}
	}
}

// checkRewritten holds a new commit, without its signature, against the old.
func checkRewritten(t *testing.T, repo *Repo, replaced map[string]string, was, oid string) {
	t.Helper()
	before, err := repo.Object(t.Context(), was)
	if err != nil {
		t.Fatal(err)
	}
	after, err := repo.Object(t.Context(), oid)
	if err != nil {
		t.Fatal(err)
	}
	split, err := SplitCommit(before.Data, repo.ObjectFormat())
	if err != nil {
		t.Fatal(err)
	}
	want := string(split.Payload)
	for a, b := range replaced {
		want = strings.Replace(want, "\nparent "+a+"\n", "\nparent "+b+"\n", 1)
	}
	c, err := ParseCommit(split.Payload, repo.ObjectFormat())
	if err != nil {
		t.Fatal(err)
	}
	begin := strings.Index(want, "\ncommitter ") + 1
	line, _ := lineAt([]byte(want), begin)
	want = strings.Replace(want, string(line), "committer N <n@example.com> 1800000000 -0330\n", 1)
	got, err := SplitCommit(after.Data, repo.ObjectFormat())
	if err != nil || string(got.Payload) != want || string(got.Signature) != x509Armor {
		t.Errorf("%s, which was %s (%s), has the payload %q, want %q", oid, was, c.Author.Email, got.Payload, want)
	}
	if repo.ObjectFormat() != SHA1 {
		return // go-git 5 reads no other
	}
	o := &plumbing.MemoryObject{}
	if _, err := o.Write(after.Data); err != nil {
		t.Fatal(err)
	}
	if _, signature, err := goGitCommit(o); err != nil || signature != x509Armor {
		t.Errorf("%s: go-git finds the signature %q, %v", oid, signature, err)
	}
}

// TestRewriteOfARealHistory undoes what it has done to a history of thousands of
// real commits, byte for byte.
func TestRewriteOfARealHistory(t *testing.T) {
	r := history(t)
	repo := r.open()
	w := Rewrite{
		Commits: strings.Fields(r.git("rev-list", "--topo-order", "--reverse", "--all")),
		Sign:    func(context.Context, []byte) ([]byte, error) { return []byte(x509Armor), nil },
	}
	made, err := repo.Rewrite(t.Context(), w)
	if err == nil {
		err = repo.Store(t.Context(), made)
	}
	if err != nil {
		t.Fatal(err)
	}
	read := &catFile{config: repo.config, format: SHA1}
	defer read.close() // only read from
	back := make(map[string]string, len(made.New))
	for old, oid := range made.New {
		back[oid] = old
	}
	tags := 0
	for _, old := range w.Commits {
		before, err := read.object(t.Context(), old, MaxObjectSize)
		if err != nil {
			t.Fatal(err)
		}
		split, err := SplitCommit(before.Data, SHA1)
		if err != nil {
			t.Fatal(err)
		}
		after, err := read.object(t.Context(), made.New[old], MaxObjectSize)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseCommit(split.Payload, SHA1)
		if err != nil {
			t.Fatal(err)
		}
		want := split.Payload
		if n := len(c.Mergetags); n > 0 {
			tags += n
			want, _, _ = bytes.Cut(want, []byte("\nmergetag "))
			want = append(want[:len(want):len(want)], '\n')
		}
		undone, err := RewriteCommit(after.Data, SHA1, back, "")
		if err != nil || !bytes.HasPrefix(undone, want) || len(c.Mergetags) == 0 && len(undone) != len(want) {
			t.Errorf("%s, undone, is %q, %v, want %q", made.New[old], undone, err, want)
		}
	}
	if len(made.New) < 5000 {
		t.Errorf("%d commits, with %d mergetags, want 5000 or more", len(made.New), tags)
	}
}

func TestRewriteThatFailsNamesTheCommit(t *testing.T) {
	r := newRepo(t, SHA1)
	base := r.history()
	repo := r.open()
	w := r.rewriteOf(base)
	broken := errors.New("no signature")
	n := 0
	w.Sign = func(context.Context, []byte) ([]byte, error) {
		if n++; n == 3 {
			return nil, broken
		}
		return []byte(x509Armor), nil
	}
	_, err := repo.Rewrite(t.Context(), w)
	if want := "rewriting commit " + w.Commits[2] + ": no signature"; !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("Rewrite = %v, want %s", err, want)
	}
	tree := r.git("rev-parse", "HEAD^{tree}")
	for _, tt := range []struct{ oid, want string }{
		{tree, "it is a tree"},
		{newOID, "missing"},
		{"HEAD", "not a sha1 object id"},
	} {
		w := r.rewriteOf(base)
		w.Commits = []string{tt.oid}
		if _, err := repo.Rewrite(t.Context(), w); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Rewrite(%s) = %v, want an error with %q", tt.oid, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	w = r.rewriteOf(base)
	w.Done = func(int) { cancel() }
	if _, err := repo.Rewrite(ctx, w); !errors.Is(err, context.Canceled) {
		t.Errorf("Rewrite, cancelled = %v, want context.Canceled", err)
	}
	if out := r.git("count-objects", "-v"); !strings.Contains(out, "in-pack: 0\n") || !strings.Contains(out, "garbage: 0\n") {
		t.Errorf("a rewrite that failed left %s", out)
	}
}
