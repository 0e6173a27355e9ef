package audit_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
)

// corpus returns a path in the shared corpus of real objects, and skips the
// test where that is not at hand.
func corpus(t testing.TB, path ...string) string {
	t.Helper()
	full, err := filepath.Abs(filepath.Join(append([]string{"..", "..", "..", "shared", "corpus"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(full); err != nil {
		t.Skip("the shared corpus is not here")
	}
	return full
}

// A testRepo is a repository made by git, out of reach of the user's
// configuration.
type testRepo struct {
	t   testing.TB
	dir string
	env []string
}

// gitEnv returns an environment in which git reads no configuration but the
// repository's.
func gitEnv(t testing.TB) []string {
	t.Helper()
	home := t.TempDir()
	env := []string{
		"HOME=" + home, "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000",
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(home),
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") && !strings.HasPrefix(kv, "HOME=") {
			env = append(env, kv)
		}
	}
	return env
}

// newRepo makes an empty repository; args are further ones of git init.
func newRepo(t testing.TB, args ...string) *testRepo {
	t.Helper()
	r := &testRepo{t: t, dir: filepath.Join(t.TempDir(), "repo"), env: gitEnv(t)}
	r.run(filepath.Dir(r.dir), nil, append(append([]string{"init", "-q", "-b", "main"}, args...), r.dir)...)
	return r
}

// at returns the same repository seen from another directory.
func (r *testRepo) at(dir string) *testRepo { return &testRepo{r.t, dir, r.env} }

func (r *testRepo) run(dir string, stdin []byte, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, r.env, bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// git runs git in the repository and returns what it printed.
func (r *testRepo) git(args ...string) string {
	r.t.Helper()
	return r.run(r.dir, nil, args...)
}

// write writes an object and returns its id.
func (r *testRepo) write(typ string, data []byte) string {
	r.t.Helper()
	return r.run(r.dir, data, "hash-object", "-t", typ, "-w", "--literally", "--stdin")
}

// unsigned writes a commit without a signature.
func (r *testRepo) unsigned(message string, parents ...string) string {
	r.t.Helper()
	return r.write("commit", commitBytes(r.emptyTree(), message, parents...))
}

// signed writes a commit that a signs.
func (r *testRepo) signed(a *fakeca.Authority, f fakeca.Fixture, message string, parents ...string) string {
	r.t.Helper()
	payload := commitBytes(r.emptyTree(), message, parents...)
	name := "gpgsig"
	if r.sha256() {
		name = "gpgsig-sha256"
	}
	return r.write("commit", insertHeader(payload, name, a.Sign(payload, f)))
}

// tag writes a tag object of another object, signed by a if it is not nil.
func (r *testRepo) tag(a *fakeca.Authority, name, object, typ string) string {
	r.t.Helper()
	data := fmt.Appendf(nil, "object %s\ntype %s\ntag %s\ntagger A <a@example.com> 1700000000 +0000\n\n%s\n", object, typ, name, name)
	if a != nil {
		data = append(data, a.Sign(data, fakeca.Fixture{})...)
	}
	return r.write("tag", data)
}

func (r *testRepo) sha256() bool {
	r.t.Helper()
	return r.git("rev-parse", "--show-object-format") == "sha256"
}

func (r *testRepo) emptyTree() string {
	r.t.Helper()
	return r.write("tree", nil)
}

// branch points a branch at a commit.
func (r *testRepo) branch(name, oid string) {
	r.t.Helper()
	r.git("update-ref", "refs/heads/"+name, oid)
}

// open opens the repository as an audit does.
func (r *testRepo) open() *gitutil.Repo {
	r.t.Helper()
	repo, err := gitutil.Open(r.t.Context(), gitutil.Config{Dir: r.dir, Env: r.env})
	if err != nil {
		r.t.Fatal(err)
	}
	return repo
}

// remove removes a loose object.
func (r *testRepo) remove(oid string) {
	r.t.Helper()
	if err := os.Remove(r.looseFile(oid)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *testRepo) looseFile(oid string) string {
	r.t.Helper()
	return filepath.Join(r.git("rev-parse", "--path-format=absolute", "--git-common-dir"), "objects", oid[:2], oid[2:])
}

// overwrite puts content under an id that is not its own.
func (r *testRepo) overwrite(oid, typ string, data []byte) {
	r.t.Helper()
	var buf bytes.Buffer
	z := zlib.NewWriter(&buf)
	fmt.Fprintf(z, "%s %d\x00%s", typ, len(data), data)
	if err := z.Close(); err != nil {
		r.t.Fatal(err)
	}
	name := r.looseFile(oid)
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, buf.Bytes(), 0o444); err != nil {
		r.t.Fatal(err)
	}
}

// commitBytes returns a commit without a signature.
func commitBytes(tree, message string, parents ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n\n%s\n", message)
	return b.Bytes()
}

// insertHeader puts a header with a value of several lines into a commit, as
// its last header.
func insertHeader(commit []byte, name string, value []byte) []byte {
	head, message, _ := bytes.Cut(commit, []byte("\n\n"))
	value = bytes.TrimSuffix(value, []byte("\n"))
	value = bytes.ReplaceAll(value, []byte("\n"), []byte("\n "))
	return fmt.Appendf(nil, "%s\n%s %s\n\n%s", head, name, value, message)
}

// writeRef writes a ref to an object that the repository does not hold, which
// git update-ref would refuse.
func writeRef(r *testRepo, ref, oid string) error {
	return os.WriteFile(filepath.Join(r.dir, ".git", filepath.FromSlash(ref)), []byte(oid+"\n"), 0o666)
}
