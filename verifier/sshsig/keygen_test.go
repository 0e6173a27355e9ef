package sshsig

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

// A keygen runs ssh-keygen in a folder of its own. Tests hold what it says of
// the same files beside what Verify says.
type keygen struct {
	t   *testing.T
	dir string
}

func newKeygen(t *testing.T) *keygen {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	return &keygen{t, t.TempDir()}
}

func (k *keygen) write(name string, data []byte) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), data, 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keygen) read(name string) []byte {
	k.t.Helper()
	data, err := os.ReadFile(filepath.Join(k.dir, name))
	if err != nil {
		k.t.Fatal(err)
	}
	return data
}

// run runs ssh-keygen, which may fail.
func (k *keygen) run(stdin []byte, args ...string) (stdout string, err error) {
	k.t.Helper()
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Dir = k.dir
	cmd.Env = append(os.Environ(), "TZ=UTC", "SSH_AUTH_SOCK=")
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	return string(out), err
}

// must runs ssh-keygen, which has to succeed.
func (k *keygen) must(args ...string) string {
	k.t.Helper()
	out, err := k.run(nil, args...)
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		k.t.Fatalf("ssh-keygen %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// generate makes a key pair, and returns its public line without a comment.
func (k *keygen) generate(name string, args ...string) string {
	k.t.Helper()
	k.must(append([]string{"-q", "-N", "", "-C", "", "-f", name}, args...)...)
	return strings.TrimSpace(string(k.read(name + ".pub")))
}

// sign signs payload with a key, or the certificate beside it.
func (k *keygen) sign(name string, args ...string) []byte {
	k.t.Helper()
	out, err := k.run(payload, append([]string{"-q", "-Y", "sign", "-n", "git", "-f", name}, args...)...)
	if err != nil {
		k.t.Fatalf("ssh-keygen -Y sign: %v", err)
	}
	return []byte(out)
}

// grade judges a signature as git does (verify_ssh_signed_buffer in
// gpg-interface.c), at a time: "G" and the principal, "U", or "B". Fingerprint
// is that of the key where ssh-keygen says it.
func (k *keygen) grade(signature []byte, at time.Time, revoked bool) (grade, principal, fingerprint string) {
	k.t.Helper()
	k.write("sig", signature)
	verify := "-Overify-time=" + at.UTC().Format("20060102150405")
	last := func(out string) string {
		line, _, _ := strings.Cut(out, "\n")
		return line[strings.LastIndexByte(line, ' ')+1:]
	}
	found, err := k.run(nil, "-Y", "find-principals", "-f", "allowed", "-s", "sig", verify)
	if err != nil || found == "" {
		out, err := k.run(payload, "-Y", "check-novalidate", "-n", "git", "-s", "sig", verify)
		if err != nil {
			return "B", "", ""
		}
		return "U", "", last(out)
	}
	for name := range strings.Lines(found) {
		name = strings.TrimSuffix(name, "\n")
		args := []string{"-Y", "verify", "-n", "git", "-f", "allowed", "-I", name, "-s", "sig", verify}
		if revoked {
			args = append(args, "-r", "revoked")
		}
		if out, err := k.run(payload, args...); err == nil && strings.HasPrefix(out, `Good "git" signature for `) {
			return "G", name, last(out)
		}
	}
	return "B", "", ""
}

// A keygenCase is files, and what is made of them. Differs says why we differ.
type keygenCase struct {
	name    string
	sig     []byte
	allowed string
	revoked []byte // nil: none
	at      time.Time
	class   verifier.Class
	grade   string // of git, where it is not the one that belongs to class
	shows   string // the principal that git shows, where it is another one
	differs string
}

// grades are what git makes of the classes.
var grades = map[verifier.Class]string{
	verifier.Verified: "G", verifier.IdentityNotAllowed: "U", verifier.ExpiredKey: "U",
	verifier.BadSignature: "B", verifier.MalformedSignature: "B", verifier.Revoked: "B", verifier.UnsupportedSignature: "B",
}

func (k *keygen) compare(test keygenCase) {
	t := k.t
	t.Helper()
	if test.at.IsZero() {
		test.at = judgedAt
	}
	k.write("allowed", []byte(test.allowed))
	a, err := ReadAllowedSigners("allowed", []byte(test.allowed))
	if err != nil {
		a = new(AllowedSigners) // it has no line that can be read
	}
	cfg := Config{AllowedSigners: []*AllowedSigners{a}, Rules: verifier.KeyRules{At: test.at}}
	if test.revoked != nil {
		k.write("revoked", test.revoked)
		r, err := ReadRevocations("revoked", test.revoked)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			return
		}
		cfg.Revoked = append(cfg.Revoked, r)
	}
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	class, result, err := verifier.Verified, (*verifier.KeyResult)(nil), error(nil)
	if result, err = v.Verify(payload, test.sig); err != nil {
		kerr := err.(*verifier.KeyError)
		class, result = kerr.Class, &kerr.Unverified
	}
	if class != test.class {
		t.Errorf("%s: class %s (%v), want %s", test.name, class, err, test.class)
	}
	want := grades[test.class]
	if test.grade != "" {
		want = test.grade
		if test.differs == "" {
			t.Errorf("%s: no reason why it differs", test.name)
		}
	}
	grade, principal, fingerprint := k.grade(test.sig, test.at, test.revoked != nil)
	if grade != want {
		t.Errorf("%s: git's grade is %s, want %s (we say %s, %v)", test.name, grade, want, class, err)
	}
	if grade == "G" && class == verifier.Verified {
		want := result.Signer.Identity.Subject
		if test.shows != "" {
			want = test.shows
		}
		if principal != want {
			t.Errorf("%s: git shows %q, want %q (our Subject is %q)", test.name, principal, want, result.Signer.Identity.Subject)
		}
	}
	if fingerprint != "" && result.Key != "" && result.Key != fingerprint {
		t.Errorf("%s: Key = %s, but ssh-keygen prints %s", test.name, result.Key, fingerprint)
	}
}

// signBytes signs something else than payload.
func (k *keygen) signBytes(name string, data []byte) []byte {
	k.t.Helper()
	out, err := k.run(data, "-q", "-Y", "sign", "-n", "git", "-f", name)
	if err != nil {
		k.t.Fatal(err)
	}
	return []byte(out)
}
