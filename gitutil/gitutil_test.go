package gitutil

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recordDir is the variable that makes this test binary the program that git
// calls to verify a signature: it stores what git feeds it in the directory.
const recordDir = "GITUTIL_TEST_RECORD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(recordDir); dir != "" {
		os.Exit(record(dir, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// record stores the signature file and standard input of a verification. It
// always answers that the signature is not good.
func record(dir string, args []string) int {
	signature := ""
	for i, arg := range args {
		switch {
		case arg == "find-principals": // ssh: before the verification itself
			return 1
		case (arg == "--verify" || arg == "-s") && i+1 < len(args):
			signature = args[i+1]
		}
	}
	sig, err := os.ReadFile(signature)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "signature"), sig, 0o600)
	}
	payload, readErr := io.ReadAll(os.Stdin)
	if err == nil && readErr == nil {
		err = os.WriteFile(filepath.Join(dir, "payload"), payload, 0o600)
	}
	if err != nil || readErr != nil {
		return 3
	}
	return 1
}

// A testRepo is a repository made for one test, which sees no configuration
// but its own.
type testRepo struct {
	t   testing.TB
	dir string
	env []string
}

// testEnv returns an environment in which git reads no configuration of the
// user's and makes the same commits each time.
func testEnv(t testing.TB) []string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	env := []string{
		"HOME=" + t.TempDir(),
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_AUTHOR_DATE=1700000000 +0100",
		"GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com", "GIT_COMMITTER_DATE=1700000000 +0100",
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") && !strings.HasPrefix(kv, "HOME=") && !strings.HasPrefix(kv, "XDG_") {
			env = append(env, kv)
		}
	}
	return env
}

// newRepo makes an empty repository with a work tree.
func newRepo(t testing.TB, f Format) testRepo {
	t.Helper()
	r := testRepo{t, t.TempDir(), testEnv(t)}
	r.git("init", "-q", "-b", "main", "--object-format="+string(f))
	return r
}

// git runs git in the repository and returns its output without the last
// newline.
func (r testRepo) git(args ...string) string {
	r.t.Helper()
	out, err := r.try("", args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// try is git with an input, for runs that may fail.
func (r testRepo) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = r.dir, r.env, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}

// commit makes an empty commit and returns its id.
func (r testRepo) commit(message string, args ...string) string {
	r.t.Helper()
	r.git(append([]string{"commit", "-q", "--allow-empty", "-m", message}, args...)...)
	return r.git("rev-parse", "HEAD")
}

// write stores an object as it is and returns its id.
func (r testRepo) write(typ string, data []byte) string {
	r.t.Helper()
	oid, err := r.try(string(data), "hash-object", "-w", "--literally", "-t", typ, "--stdin")
	if err != nil {
		r.t.Fatalf("git hash-object: %v\n%s", err, oid)
	}
	return oid
}

// loose returns the path of a loose object.
func (r testRepo) loose(oid string) string {
	return filepath.Join(r.dir, ".git", "objects", oid[:2], oid[2:])
}

func (r testRepo) config() Config { return Config{Dir: r.dir, Env: r.env} }

func (r testRepo) open() *Repo {
	r.t.Helper()
	repo, err := Open(context.Background(), r.config())
	if err != nil {
		r.t.Fatal(err)
	}
	return repo
}

func TestHashObjectKnownIDs(t *testing.T) {
	for _, tt := range []struct {
		format    Format
		typ, data string
		want      string
	}{
		{SHA1, "blob", "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
		{SHA1, "tree", "", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"},
		{SHA256, "blob", "", "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"},
		{SHA256, "tree", "", "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"},
	} {
		got, err := HashObject(tt.format, tt.typ, []byte(tt.data))
		if err != nil || got != tt.want {
			t.Errorf("HashObject(%s, %s, %q) = %s, %v, want %s", tt.format, tt.typ, tt.data, got, err, tt.want)
		}
	}
}

func TestHashObjectRejectsUnknownFormat(t *testing.T) {
	if got, err := HashObject("md5", "blob", nil); err == nil {
		t.Errorf("HashObject(md5) = %s, want an error", got)
	}
}

// shattered is the part of the first SHAttered document (https://shattered.io,
// head -c 320 shattered-1.pdf | base64) that collides with the second's.
const shattered = `
JVBERi0xLjMKJeLjz9MKCgoxIDAgb2JqCjw8L1dpZHRoIDIgMCBSL0hlaWdodCAzIDAgUi9UeXBlIDQgMCBSL1N1YnR5cGUgNSAw
IFIvRmlsdGVyIDYgMCBSL0NvbG9yU3BhY2UgNyAwIFIvTGVuZ3RoIDggMCBSL0JpdHNQZXJDb21wb25lbnQgOD4+CnN0cmVhbQr/
2P/+ACRTSEEtMSBpcyBkZWFkISEhISGFL+wJIzl1nDmxocY8TJfh//4Bc0bckWa2fhGPApq2IbJWD/nKZ8yox/hbqEx5AwwrPeIY
+G2zqQkB1d9FwU8m/t+z3DjpasIv571yjw5FvOBG0jxXD+sUE5i7VS71oKgr4zH+pIA3uLXXHw4zLt+TrDUA603cDezBqGR5DHgs
diFWYN0wl5HQa9CvP5jNpLxGKbE=`

func TestSumSHA1RejectsCollision(t *testing.T) {
	data, err := base64.StdEncoding.DecodeString(shattered)
	if err != nil {
		t.Fatal(err)
	}
	const want = "f92d74e3874587aaf443d1db961d4e26dde13e9c"
	if got := fmt.Sprintf("%x", sha1.Sum(data)); got != want {
		t.Fatalf("SHA-1 of the test's document = %s, want %s", got, want)
	}
	if got, err := sumSHA1(data[:7], data[7:]); err == nil {
		t.Errorf("sumSHA1(collision) = %x, want an error", got)
	}
	data[0] ^= 1
	if _, err := sumSHA1(data[:7], data[7:]); err != nil {
		t.Errorf("sumSHA1(no collision) = %v", err)
	}
}

func TestVerifyTellsMissingFromWrong(t *testing.T) {
	data := []byte("content")
	oid, err := HashObject(SHA1, "blob", data)
	if err != nil {
		t.Fatal(err)
	}
	good := Object{OID: oid, Type: "blob", Size: int64(len(data)), Data: data}
	if err := good.Verify(SHA1); err != nil {
		t.Errorf("Verify(good) = %v", err)
	}
	missing := Object{OID: oid, Missing: true}
	if err := missing.Verify(SHA1); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("Verify(missing) = %v, want missing", err)
	}
	changed := good
	changed.Data = bytes.Replace(data, []byte("c"), []byte("C"), 1)
	if err := changed.Verify(SHA1); err == nil {
		t.Error("Verify(other content) = nil, want an error")
	}
	retyped := good
	retyped.Type = "commit"
	if err := retyped.Verify(SHA1); err == nil {
		t.Error("Verify(other type) = nil, want an error")
	}
	large := good
	large.Size, large.Data = MaxObjectSize+1, nil
	if err := large.Verify(SHA1); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("Verify(too large) = %v, want the limit", err)
	}
	if err := good.Verify(SHA256); err == nil {
		t.Error("Verify(other format) = nil, want an error")
	}
}
