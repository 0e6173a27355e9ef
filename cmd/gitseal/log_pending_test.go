package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/signer/pending"
	"gitseal/verifier"
)

// aliceTokens are identity tokens of an authority for Alice.
type aliceTokens struct{ a *fakeca.Authority }

func (t aliceTokens) Token(ctx context.Context) (string, error) {
	return t.a.Token(ctx, "alice@example.com")
}

// waiting returns a record of a signature without a log entry or a time-stamp,
// under an instance whose servers are nowhere, made in an empty repository.
func waiting(t *testing.T, now time.Time) *pending.Record {
	t.Helper()
	clock := func() time.Time { return now }
	a, err := fakeca.New(fakeca.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.New(signer.Config{
		Tokens: aliceTokens{a}, CA: a, Logs: []signer.Log{a}, Verifier: v, Defer: signer.DeferAlways, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Sign(t.Context(), []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"))
	if err != nil {
		t.Fatal(err)
	}
	instance, repo := t.TempDir(), t.TempDir()
	config := []byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
"caUrls":[{"url":"http://127.0.0.1:1","majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z"},"operator":"x"}],
"rekorTlogUrls":[{"url":"http://127.0.0.1:1","majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z"},"operator":"x"}],
"rekorTlogConfig":{"selector":"ANY"}}`)
	for name, data := range map[string][]byte{trustedRootFile: a.TrustedRoot(), signingConfigFile: config} {
		if err := os.WriteFile(filepath.Join(instance, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("git", "init", "-q", "--bare", repo).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	return &pending.Record{
		Made: now, Instance: instance, Repository: realPath(repo), Object: "commit " + strings.Repeat("ab", 20),
		SignedAttributes: made.Pending.SignedAttributes, Signature: made.Pending.Signature, Certificate: made.Pending.Certificate,
	}
}

// TestPendingIsTooLateWhenTheCertificateHasEnded has the clock of the program go
// on after a signature was made that nothing proves a time of.
func TestPendingIsTooLateWhenTheCertificateHasEnded(t *testing.T) {
	for _, variable := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(variable, t.TempDir())
	}
	t.Setenv("GITSEAL_AGENT", "false")
	now := time.Now()
	r := waiting(t, now)
	queue := pending.Queue{Dir: filepath.Join(os.Getenv("XDG_STATE_HOME"), "gitseal", "pending")}
	if err := queue.Add(r); err != nil {
		t.Fatal(err)
	}
	stamped := *r
	stamped.Stamped = [][]byte{[]byte("token")}
	if p := newPendingJSON(&stamped, now.Add(time.Hour)); p.Expired || p.Until != "" {
		t.Errorf("with a time-stamp: %+v, want no end", p)
	}
	for _, test := range []struct {
		after          time.Duration
		args           string
		code           int
		stdout, stderr string
	}{
		{0, "log pending", exitGood, " commit abababababab by alice@example.com, signed ", ""},
		{0, "log pending", exitGood, ", to be recorded by ", ""},
		{0, "log flush --all", exitUnknown, "", "gitseal: commit abababababab: still waits: recording the signature in the log: "},
		{time.Hour, "log pending", exitGood, ", too late since ", "hint: gitseal log flush --all   # says what is lost"},
		{time.Hour, "log pending --format json", exitGood, `"expired": true`, ""},
		{time.Hour, "log pending --exit-code", exitFinding, "", ""},
	} {
		stdout, stderr, code := ran(t, now.Add(test.after), test.args)
		if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
			t.Errorf("gitseal %s after %v: exit code %d, stdout %q, stderr %q; want %d, %q, %q", test.args, test.after, code, stdout, stderr, test.code, test.stdout, test.stderr)
		}
	}

	// In a repository that is gone.
	if err := os.RemoveAll(r.Repository); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if _, stderr, code := ran(t, now, "log flush --all"); code != exitUnknown || !strings.Contains(stderr, "still waits: there is no repository in ") {
		t.Errorf("of a repository that is gone: exit code %d, %q", code, stderr)
	}
}

// ran runs the program at a time.
func ran(t *testing.T, now time.Time, args string) (stdout, stderr string, code int) {
	t.Helper()
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	e := &env{stdout: open("stdout"), stderr: open("stderr"), getenv: os.Getenv, now: func() time.Time { return now }, began: now, program: "gitseal"}
	code = run(append([]string{"gitseal"}, words(args)...), e)
	for _, f := range []struct {
		file *os.File
		text *string
	}{{e.stdout, &stdout}, {e.stderr, &stderr}} {
		data, err := os.ReadFile(f.file.Name())
		if err != nil {
			t.Fatal(err)
		}
		*f.text = string(data)
		f.file.Close()
	}
	return stdout, stderr, code
}
