package gitutil

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestOpenDescribesTheRepository(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		r.commit("one")
		sub := filepath.Join(r.dir, "sub")
		if err := os.Mkdir(sub, 0o777); err != nil {
			t.Fatal(err)
		}
		repo, err := Open(t.Context(), Config{Dir: sub, Env: r.env})
		if err != nil {
			t.Fatal(err)
		}
		if got := repo.ObjectFormat(); got != f {
			t.Errorf("ObjectFormat = %s, want %s", got, f)
		}
		if got := repo.Dir(); got != sub {
			t.Errorf("Dir = %s, want %s", got, sub)
		}
		if repo.GitDir() != repo.CommonDir() || !sameFile(t, repo.GitDir(), filepath.Join(r.dir, ".git")) {
			t.Errorf("GitDir, CommonDir = %s, %s, want .git of %s", repo.GitDir(), repo.CommonDir(), r.dir)
		}
		if repo.Shallow() || repo.Grafted() || repo.Replaced() || repo.PartialClone() {
			t.Errorf("shallow %v, grafted %v, replaced %v, partial %v, want none", repo.Shallow(), repo.Grafted(), repo.Replaced(), repo.PartialClone())
		}
		oid, typ, err := repo.Resolve(t.Context(), "HEAD")
		if want := r.git("rev-parse", "HEAD"); err != nil || oid != want || typ != "commit" {
			t.Errorf("Resolve(HEAD) = %s, %s, %v, want %s", oid, typ, err, want)
		}
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	ai, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	bi, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(ai, bi)
}

// TestOpenEveryKindOfRepository reads one commit through each way a
// repository can be laid out.
func TestOpenEveryKindOfRepository(t *testing.T) {
	r := newRepo(t, SHA1)
	oid := r.commit("one")
	other := filepath.Join(t.TempDir(), "other")
	for _, tt := range []struct {
		name string
		make func(t *testing.T) Config
	}{
		{"worktree", func(t *testing.T) Config {
			r.git("worktree", "add", "-q", other+"-worktree", "-b", "side")
			return Config{Dir: other + "-worktree", Env: r.env}
		}},
		{"bare", func(t *testing.T) Config {
			r.git("clone", "-q", "--bare", r.dir, other+"-bare")
			return Config{Dir: other + "-bare", Env: r.env}
		}},
		{"alternates", func(t *testing.T) Config {
			r.git("clone", "-q", "--shared", r.dir, other+"-shared")
			return Config{Dir: other + "-shared", Env: r.env}
		}},
		{"GIT_DIR", func(t *testing.T) Config {
			return Config{Dir: t.TempDir(), Env: append(r.env[:len(r.env):len(r.env)], "GIT_DIR="+filepath.Join(r.dir, ".git"))}
		}},
		{"separate git directory", func(t *testing.T) Config {
			r.git("clone", "-q", "--separate-git-dir", other+"-dir", r.dir, other+"-separate")
			return Config{Dir: other + "-separate", Env: r.env}
		}},
		{"reftable", func(t *testing.T) Config {
			if _, err := r.try("", "init", "-q", "--ref-format=reftable", other+"-reftable"); err != nil {
				t.Skip("this git has no reftable")
			}
			r.git("push", "-q", other+"-reftable", "HEAD:refs/heads/pushed")
			return Config{Dir: other + "-reftable", Env: r.env}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo, err := Open(t.Context(), tt.make(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := repo.Object(t.Context(), oid); err != nil {
				t.Error(err)
			}
			refs, err := repo.Refs(t.Context())
			if err != nil || len(refs) == 0 || refs[0].OID != oid {
				t.Errorf("Refs = %v, %v, want the first at %s", refs, err, oid)
			}
			if !filepath.IsAbs(repo.GitDir()) || !filepath.IsAbs(repo.CommonDir()) {
				t.Errorf("GitDir, CommonDir = %s, %s, want absolute paths", repo.GitDir(), repo.CommonDir())
			}
			if linked := repo.GitDir() != repo.CommonDir(); linked != (tt.name == "worktree") {
				t.Errorf("GitDir, CommonDir = %s, %s", repo.GitDir(), repo.CommonDir())
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	env := testEnv(t)
	empty := t.TempDir()
	env = append(env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(empty))
	for _, tt := range []struct {
		name   string
		config Config
		want   error
	}{
		{"no repository", Config{Dir: empty, Env: env}, ErrNotRepository},
		{"no directory", Config{Dir: filepath.Join(empty, "none"), Env: env}, ErrNotRepository},
		{"GIT_DIR of nothing", Config{Dir: empty, Env: append(env, "GIT_DIR=none")}, ErrNotRepository},
		{"no such program", Config{Dir: empty, Env: env, Git: "git-that-is-not-there"}, ErrNoGit},
		{"no such file", Config{Dir: empty, Env: env, Git: filepath.Join(empty, "git")}, ErrNoGit},
	} {
		_, err := Open(t.Context(), tt.config)
		if !errors.Is(err, tt.want) {
			t.Errorf("Open(%s) = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestOpenKeepsGitsReason(t *testing.T) {
	r := newRepo(t, SHA1)
	r.git("config", "core.repositoryFormatVersion", "99")
	_, err := Open(t.Context(), r.config())
	var git *GitError
	if !errors.As(err, &git) || !strings.Contains(git.Stderr, "99") || git.Command != "rev-parse" {
		t.Errorf("Open = %v, want git's word on version 99", err)
	}
	if errors.Is(err, ErrNotRepository) || errors.Is(err, ErrNoGit) {
		t.Errorf("Open = %v, want neither of the known errors", err)
	}
}

func TestOpenCancelled(t *testing.T) {
	r := newRepo(t, SHA1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, r.config()); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, want %v", err, context.Canceled)
	}
}

func TestOpenReportsHistoryThatIsNotWhole(t *testing.T) {
	r := newRepo(t, SHA1)
	first := r.commit("one")
	second := r.commit("two")

	shallow := filepath.Join(t.TempDir(), "shallow")
	r.git("clone", "-q", "--depth=1", "file://"+filepath.ToSlash(r.dir), shallow)
	repo, err := Open(t.Context(), Config{Dir: shallow, Env: r.env})
	if err != nil {
		t.Fatal(err)
	}
	if !repo.Shallow() {
		t.Error("Shallow = false for a shallow clone")
	}

	r.git("replace", second, first)
	if !r.open().Replaced() {
		t.Error("Replaced = false with a replace ref")
	}
	r.git("replace", "-d", second)

	grafts := filepath.Join(r.dir, ".git", "info", "grafts")
	if err := os.WriteFile(grafts, []byte(second+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if !r.open().Grafted() {
		t.Error("Grafted = false with a grafts file")
	}
	elsewhere := r
	elsewhere.env = append(r.env[:len(r.env):len(r.env)], "GIT_GRAFT_FILE="+filepath.Join(r.dir, "none"))
	if elsewhere.open().Grafted() {
		t.Error("Grafted = true with a grafts file that git does not read")
	}
}

func TestResolve(t *testing.T) {
	r := newRepo(t, SHA1)
	first := r.commit("one")
	second := r.commit("two")
	r.git("tag", "-a", "-m", "x", "v1")
	tag := r.git("rev-parse", "v1")
	repo := r.open()
	for _, tt := range []struct{ rev, oid, typ string }{
		{"HEAD", second, "commit"},
		{"HEAD~1", first, "commit"},
		{"main", second, "commit"},
		{"v1", tag, "tag"},
		{"v1^{}", second, "commit"},
		{"v1^{tree}", r.git("rev-parse", "HEAD^{tree}"), "tree"},
		{":/one", first, "commit"},
		{first, first, "commit"},
		{first[:12], first, "commit"},
	} {
		oid, typ, err := repo.Resolve(t.Context(), tt.rev)
		if err != nil || oid != tt.oid || typ != tt.typ {
			t.Errorf("Resolve(%s) = %s, %s, %v, want %s, %s", tt.rev, oid, typ, err, tt.oid, tt.typ)
		}
	}
	for _, rev := range []string{"none", "HEAD~9", "none with spaces", strings.Repeat("1", 40), "HEAD missing"} {
		if oid, _, err := repo.Resolve(t.Context(), rev); !errors.Is(err, ErrMissing) {
			t.Errorf("Resolve(%s) = %s, %v, want %v", rev, oid, err, ErrMissing)
		}
	}
	for _, rev := range []string{"", "-h", "--batch-all-objects", "HEAD\nHEAD", "HEAD\x00"} {
		if oid, _, err := repo.Resolve(t.Context(), rev); err == nil || errors.Is(err, ErrMissing) {
			t.Errorf("Resolve(%q) = %s, %v, want a refusal", rev, oid, err)
		}
	}
}

func TestRevisions(t *testing.T) {
	r := newRepo(t, SHA1)
	base := r.commit("base")
	r.git("checkout", "-q", "-b", "side")
	side := r.commit("side")
	r.git("checkout", "-q", "main")
	head := r.commit("head")
	r.git("checkout", "-q", "--orphan", "alone")
	alone := r.commit("alone")
	r.git("checkout", "-q", "main")
	repo := r.open()
	for _, tt := range []struct{ arg, want string }{
		{"HEAD", head},
		{"^side", "^" + side},
		{"side..main", head + " ^" + side},
		{"side..", head + " ^" + side},
		{"..side", side + " ^" + head},
		{"main...side", head + " " + side + " ^" + base},
		{"main...alone", head + " " + alone},
		{"..", head + " ^" + head},
	} {
		got, err := repo.Revisions(t.Context(), tt.arg)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("Revisions(%s) = %v, %v, want %s", tt.arg, got, err, tt.want)
		}
	}
	for _, arg := range []string{"none..main", "main..none", "main...none", "^none", "-x..main", "main..-x", "^-x"} {
		if got, err := repo.Revisions(t.Context(), arg); err == nil {
			t.Errorf("Revisions(%s) = %v, want an error", arg, got)
		}
	}
}

func TestRefs(t *testing.T) {
	r := newRepo(t, SHA1)
	head := r.commit("one")
	tree := r.git("rev-parse", "HEAD^{tree}")
	r.git("tag", "-a", "-m", "x", "v1")
	r.git("tag", "-a", "-m", "x", "v2", "v1")
	r.git("tag", "light")
	r.git("tag", "-a", "-m", "x", "tree", tree)
	r.git("notes", "add", "-m", "note")
	lost := strings.Repeat("1", 40)
	for name, content := range map[string]string{"lost": lost, "broken": "not an id", "zero": strings.Repeat("0", 40)} {
		if err := os.WriteFile(filepath.Join(r.dir, ".git", "refs", "heads", name), []byte(content+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	v1, v2, treeTag := r.git("rev-parse", "v1"), r.git("rev-parse", "v2"), r.git("rev-parse", "refs/tags/tree")
	notes := r.git("rev-parse", "refs/notes/commits")
	want := []Ref{
		{Name: "refs/heads/broken"},
		{"refs/heads/lost", lost, "", "", ""},
		{"refs/heads/main", head, "commit", head, "commit"},
		{Name: "refs/heads/zero"},
		{"refs/notes/commits", notes, "commit", notes, "commit"},
		{"refs/tags/light", head, "commit", head, "commit"},
		{"refs/tags/tree", treeTag, "tag", tree, "tree"},
		{"refs/tags/v1", v1, "tag", head, "commit"},
		{"refs/tags/v2", v2, "tag", head, "commit"},
	}
	got, err := r.open().Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("Refs = %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("Refs[%d] = %v, want %v", i, got[i], want[i])
		}
	}
}

func TestRefsOfAnEmptyRepository(t *testing.T) {
	got, err := newRepo(t, SHA1).open().Refs(t.Context())
	if err != nil || len(got) != 0 {
		t.Errorf("Refs = %v, %v, want none", got, err)
	}
}

func TestObjectRejectsWhatIsNotAnID(t *testing.T) {
	r := newRepo(t, SHA1)
	oid := r.commit("one")
	repo := r.open()
	for _, bad := range []string{"", "HEAD", oid[:39], oid + "\n" + oid, strings.ToUpper(oid), "-" + oid[1:]} {
		if _, err := repo.Object(t.Context(), bad); err == nil || errors.Is(err, ErrMissing) {
			t.Errorf("Object(%q) = %v, want a refusal", bad, err)
		}
	}
	if _, err := repo.Object(t.Context(), strings.Repeat("1", 40)); !errors.Is(err, ErrMissing) {
		t.Errorf("Object(none) = %v, want %v", err, ErrMissing)
	}
}

func TestObjectRejectsOtherContent(t *testing.T) {
	r := newRepo(t, SHA1)
	oid := r.commit("one")
	substitute(t, r, oid, r.commit("two"))
	if _, err := r.open().Object(t.Context(), oid); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("Object = %v, want a mismatch", err)
	}
}

// substitute stores the content of one loose object under the id of another.
func substitute(t *testing.T, r testRepo, oid, by string) {
	t.Helper()
	content, err := os.ReadFile(r.loose(by))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.loose(oid)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.loose(oid), content, 0o444); err != nil {
		t.Fatal(err)
	}
}

// TestObjectAsksNoRemote has a promised object that git would fetch by running
// a program.
func TestObjectAsksNoRemote(t *testing.T) {
	r := newRepo(t, SHA1)
	r.commit("one")
	blob := r.write("blob", []byte("content"))
	tree, err := r.try("100644 blob "+blob+"\tfile\n", "mktree")
	if err != nil {
		t.Fatal(err)
	}
	oid := r.git("commit-tree", "-m", "two", tree)
	r.git("update-ref", "HEAD", oid)
	// Objects in a pack with a .promisor file beside it may refer to others
	// that a remote has.
	r.git("repack", "-adq")
	packs, err := filepath.Glob(filepath.Join(r.dir, ".git", "objects", "pack", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs = %v, %v", packs, err)
	}
	if err := os.WriteFile(strings.TrimSuffix(packs[0], ".pack")+".promisor", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	promised, err := HashObject(SHA1, "blob", []byte("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	marker := filepath.Join(t.TempDir(), "asked")
	for _, kv := range []string{
		"core.repositoryFormatVersion=1", "extensions.partialClone=origin",
		"remote.origin.url=ext::touch " + filepath.ToSlash(marker), "remote.origin.promisor=true", "protocol.ext.allow=always",
	} {
		key, value, _ := strings.Cut(kv, "=")
		r.git("config", key, value)
	}

	repo := r.open()
	if !repo.PartialClone() {
		t.Error("PartialClone = false")
	}
	if _, err := repo.Object(t.Context(), promised); err == nil {
		t.Error("Object(promised) = nil, want an error")
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("reading an object ran a remote's program")
	}
	// The same without our care, so that the test can fail.
	_, _ = r.try("", "cat-file", "-p", promised)
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("git did not ask the remote in this test: %v", err)
	}
}

// TestObjectRunsNoAliasAsRemote has a promised object, and a remote whose
// transport is the one that git is allowed. Where git does not know
// GIT_NO_LAZY_FETCH, it would run an alias of the repository's to reach it.
func TestObjectRunsNoAliasAsRemote(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the older git is a shell script")
	}
	r := newRepo(t, SHA1)
	r.commit("one")
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), "older-git")
	if err := os.WriteFile(older, []byte("#!/bin/sh\nunset GIT_NO_LAZY_FETCH\nexec '"+git+"' \"$@\"\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	promised, err := HashObject(SHA1, "blob", []byte("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	marker := filepath.Join(t.TempDir(), "asked")
	for _, kv := range []string{
		"core.repositoryFormatVersion=1", "extensions.partialClone=origin",
		"remote.origin.url=ssh://example.invalid/", "remote.origin.promisor=true", "help.autocorrect=-1",
	} {
		key, value, _ := strings.Cut(kv, "=")
		r.git("config", key, value)
	}
	for _, transport := range []string{"none", noTransport, ""} {
		r.git("config", "remote.origin.vcs", transport)
		r.git("config", "alias.remote-"+strings.ReplaceAll(transport, "_", "-"), "!touch "+filepath.ToSlash(marker))
		repo, err := Open(t.Context(), Config{Dir: r.dir, Env: r.env, Git: older})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Object(t.Context(), promised); err == nil {
			t.Errorf("transport %q: Object(promised) = nil, want an error", transport)
		}
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("transport %q: reading an object ran an alias of the repository", transport)
		}
	}
}

// TestResolveRefusesNamesOfSeveralRefs has a tag called like a branch, which
// git would take for it.
func TestResolveRefusesNamesOfSeveralRefs(t *testing.T) {
	r := newRepo(t, SHA1)
	r.commit("one")
	r.git("tag", "main")
	two := r.commit("two")
	r.git("tag", "HEAD", "refs/heads/main~1")
	r.git("config", "core.warnAmbiguousRefs", "false")
	repo := r.open()
	for _, rev := range []string{"main", "main^{commit}", "main~0"} {
		if oid, _, err := repo.Resolve(t.Context(), rev); err == nil || !strings.Contains(err.Error(), "ambiguous") {
			t.Errorf("Resolve(%s) = %s, %v, want it ambiguous", rev, oid, err)
		}
	}
	for _, rev := range []string{"HEAD", "HEAD^{commit}", "refs/heads/main", "heads/main"} {
		if oid, _, err := repo.Resolve(t.Context(), rev); err != nil || oid != two {
			t.Errorf("Resolve(%s) = %s, %v, want %s", rev, oid, err, two)
		}
	}
}
