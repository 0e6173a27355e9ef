package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/signer"
	"gitseal/verifier"
)

// signedBy returns a signature, of which only whose it is matters, and where it
// is recorded.
func signedBy(subject, issuer string, log verifier.LogEntry) *signer.Signature {
	return &signer.Signature{Result: &verifier.Result{
		Certificate: verifier.Certificate{Identity: verifier.Identity{Subject: subject, Issuer: issuer}}, Log: log,
	}}
}

// recorded is an entry whose number a proof vouches for.
var recorded = verifier.LogEntry{Origin: "log.example", Index: 1234, IndexKnown: true}

func TestSignedAs(t *testing.T) {
	const issuer = "https://accounts.example.com"
	for _, test := range []struct {
		sig  *signer.Signature
		want string
	}{
		{signedBy("alice@example.com", issuer, recorded), "signed as alice@example.com (https://accounts.example.com), entry 1234"},
		{signedBy("alice@example.com", "gitseal:local:0123", recorded), "signed as alice@example.com (local authority), entry 1234"},
		{signedBy("alice@example.com", issuer, verifier.LogEntry{Origin: "log.example"}), "signed as alice@example.com (https://accounts.example.com), recorded"},
		{signedBy("alice@example.com", issuer, verifier.LogEntry{}), "signed as alice@example.com (https://accounts.example.com), not recorded yet"},
		{signedBy("a\x1b[2J\nb", "https://\u202ex", recorded), `signed as a\x1b[2J\x0ab (https://\xe2\x80\xaex), entry 1234`},
	} {
		if got := signedAs(test.sig); got != test.want {
			t.Errorf("signedAs = %q, want %q", got, test.want)
		}
	}
}

func TestVerifyCommandIsForTheShell(t *testing.T) {
	for _, test := range []struct {
		payload string
		sig     *signer.Signature
		want    string
	}{
		{commitPayload, signedBy("alice@example.com", "https://accounts.example.com", recorded),
			" --certificate-identity alice@example.com --certificate-oidc-issuer https://accounts.example.com"},
		{commitPayload, signedBy("$(rm -r ~)", "https://a b", recorded), " --certificate-identity '$(rm -r ~)' --certificate-oidc-issuer 'https://a b'"},
		{commitPayload, signedBy("alice@example.com", "https://a", verifier.LogEntry{}), "gitseal log flush"},
		{commitPayload, signedBy("a\nb", "https://a", recorded), ""}, // no command line can say that
		{pushPayload, signedBy("alice@example.com", "https://a", recorded), ""},
	} {
		test.sig.Armored = []byte("-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----\n")
		got := verifyCommandFor([]byte(test.payload), test.sig)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("verifyCommandFor = %q, want %q in it", got, test.want)
		}
	}
}

// TestARebaseIsToldOnce: the same identity is told once in a sequence of
// commits, and again in the next one.
func TestARebaseIsToldOnce(t *testing.T) {
	gitDir, state := t.TempDir(), t.TempDir()
	env := map[string]string{"GIT_DIR": gitDir, "XDG_STATE_HOME": state}
	s := asked(env)
	told := func(what string, sig *signer.Signature, want bool) {
		t.Helper()
		if got := s.alreadyTold(sig); got != want {
			t.Errorf("%s: told already %t, want %t", what, got, want)
		}
	}
	alice, bob := signedBy("alice@example.com", "https://a", recorded), signedBy("bob@example.com", "https://a", recorded)
	pending := signedBy("alice@example.com", "https://a", verifier.LogEntry{})
	told("a commit", alice, false)
	told("a commit by itself is always told", alice, false)
	begin := func(dir, file string, at int64) {
		t.Helper()
		name := filepath.Join(gitDir, dir, file)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Time{}, time.Unix(at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range sequences {
		begin(s.dir, s.file, 1700000000)
		told(fmt.Sprint("the first of ", s), alice, false)
		told(fmt.Sprint("the second of ", s), alice, true)
		told("another identity", bob, false)
		told("the first again", alice, false)
		told("the same, but not recorded", pending, false)
		begin(s.dir, s.file, 1700000001+int64(i))
		told("the next rebase", alice, false)
		told("its second", alice, true)
		if err := os.RemoveAll(filepath.Join(gitDir, s.dir)); err != nil {
			t.Fatal(err)
		}
		told("a commit after it", alice, false)
	}

	// What cannot be remembered is told every time.
	begin("rebase-merge", "orig-head", 1)
	env["XDG_STATE_HOME"] = filepath.Join(gitDir, "rebase-merge", "orig-head")
	told("nothing can be written", alice, false)
	told("nothing can be written", alice, false)
}

func TestGitDir(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mkdir := func(path ...string) string {
		dir := filepath.Join(append([]string{root}, path...)...)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	write := func(text string, path ...string) {
		if err := os.WriteFile(filepath.Join(append([]string{root}, path...)...), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mkdir("repo", ".git")
	deep := mkdir("repo", "a", "b")
	mkdir("linked", "sub")
	write("gitdir: ../repo/.git/worktrees/linked\n", "linked", ".git")
	mkdir("absolute")
	write("gitdir: "+filepath.Join(root, "repo", ".git", "modules", "m")+"\n", "absolute", ".git")
	mkdir("odd")
	write("nonsense\n", "odd", ".git")
	mkdir("bare", "objects", "pack")
	mkdir("bare", "refs")
	write("ref: refs/heads/main\n", "bare", "HEAD")
	for _, test := range []struct{ env, dir, want string }{
		{"", deep, filepath.Join(root, "repo", ".git")},
		{"", filepath.Join(root, "repo", ".git"), filepath.Join(root, "repo", ".git")},
		{"", filepath.Join(root, "linked", "sub"), filepath.Join(root, "repo", ".git", "worktrees", "linked")},
		{"", filepath.Join(root, "absolute"), filepath.Join(root, "repo", ".git", "modules", "m")},
		{"", filepath.Join(root, "odd"), ""},
		{"", filepath.Join(root, "bare", "objects", "pack"), filepath.Join(root, "bare")},
		{"../other.git", deep, filepath.Join(root, "repo", "a", "other.git")},
		{filepath.Join(root, "x"), deep, filepath.Join(root, "x")},
	} {
		got := gitDir(func(string) string { return test.env }, test.dir)
		if got != test.want {
			t.Errorf("gitDir with GIT_DIR=%q in %s = %q, want %q", test.env, test.dir, got, test.want)
		}
	}
}
