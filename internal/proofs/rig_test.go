package proofs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/verifier"
)

// authority makes the proofs of all tests.
var authority = sync.OnceValue(func() *fakeca.Authority {
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		panic(err)
	}
	return a
})

// signer is a key with a certificate, by which entries are made.
var signer = sync.OnceValues(func() (*ecdsa.PrivateKey, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return key, cert
})

// keyOf returns a key, the same for the same number.
func keyOf(n int) [32]byte { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n))) }

// proof returns a new proof with a number of time-stamps.
func proof(t testing.TB, stamps int) verifier.Proof {
	t.Helper()
	key, cert := signer()
	var p verifier.Proof
	var digest [32]byte
	if _, err := rand.Read(digest[:]); err != nil {
		t.Fatal(err)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err == nil {
		p.Entry, err = authority().Add(t.Context(), digest, signature, cert)
	}
	for range stamps {
		var token []byte
		if err == nil {
			token, err = authority().Timestamp(t.Context(), digest)
		}
		p.Timestamps = append(p.Timestamps, token)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A rig is a repository.
type rig struct {
	t    testing.TB
	dir  string // the git directory
	env  []string
	repo *gitutil.Repo
}

func newRig(t testing.TB, initArgs ...string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: filepath.Join(dir, ".git")}
	if slices.Contains(initArgs, "--bare") {
		r.dir = dir
	}
	home := t.TempDir()
	r.env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "GIT_") }),
		"HOME="+home, "XDG_CONFIG_HOME="+home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	cmd := exec.Command("git", append([]string{"init", "-q", dir}, initArgs...)...)
	cmd.Env = r.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	r.env = append(r.env, "GIT_DIR="+r.dir)
	var err error
	if r.repo, err = gitutil.Open(t.Context(), gitutil.Config{Env: r.env}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) gitIn(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Env, cmd.Stdin = r.env, strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (r *rig) git(args ...string) string { r.t.Helper(); return r.gitIn("", args...) }

// blob, tree and put build what an attacker may write to a ref.
func (r *rig) blob(data string) string {
	r.t.Helper()
	return r.gitIn(data, "hash-object", "-w", "--stdin")
}

// tree makes a tree of lines as git mktree has them: MODE TYPE OID TAB NAME.
func (r *rig) tree(lines ...string) string {
	r.t.Helper()
	var list strings.Builder
	for _, line := range lines {
		list.WriteString(line + "\n")
	}
	return r.gitIn(list.String(), "mktree", "--missing")
}

func (r *rig) put(ref, tree string, parents ...string) string {
	r.t.Helper()
	args := []string{"-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "x", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	commit := r.git(args...)
	r.git("update-ref", ref, commit)
	return commit
}

func (r *rig) add(more map[[32]byte][]verifier.Proof) {
	r.t.Helper()
	if err := Add(r.t.Context(), r.dir, more); err != nil {
		r.t.Fatal(err)
	}
}

// find returns what a new Reader finds, and what it ignores.
func (r *rig) find(key [32]byte) (found []verifier.Proof, ignored []string) {
	r.t.Helper()
	reader := r.open()
	found, err := reader.Find(r.t.Context(), key)
	if err != nil {
		r.t.Fatalf("Find: %v", err)
	}
	return found, reader.Ignored()
}

func (r *rig) open() *Reader {
	r.t.Helper()
	reader, err := Open(r.t.Context(), r.repo.Config())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return reader
}

func one(n int, p ...verifier.Proof) map[[32]byte][]verifier.Proof {
	return map[[32]byte][]verifier.Proof{keyOf(n): p}
}

// same reports whether two lists have the same proofs, in whatever order.
func same(a, b []verifier.Proof) bool {
	in := func(p verifier.Proof, list []verifier.Proof) bool {
		return slices.ContainsFunc(list, func(q verifier.Proof) bool { return equal(p, q) })
	}
	for _, p := range a {
		if !in(p, b) {
			return false
		}
	}
	return len(a) == len(b)
}
