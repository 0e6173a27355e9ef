package sshsig

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

func TestDigestCoversWhatVerdictsDependOn(t *testing.T) {
	one, two := newEd25519(t).PublicKey(), newEd25519(t).PublicKey()
	a, b := line("alice", "", one), line("bob", "", two)
	digest := func(change func(*Config), files ...string) [32]byte {
		cfg := Config{Rules: verifier.KeyRules{At: judgedAt}}
		for _, text := range files {
			cfg.AllowedSigners = append(cfg.AllowedSigners, readAllowed(t, text))
		}
		if change != nil {
			change(&cfg)
		}
		v, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return v.Digest()
	}
	revoked := func(texts ...string) func(*Config) {
		return func(cfg *Config) {
			for _, text := range texts {
				r, err := ReadRevocations("revoked", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				cfg.Revoked = append(cfg.Revoked, r)
			}
		}
	}
	base := digest(nil, a+b)
	same := map[string][32]byte{
		"order of keys": digest(nil, b+a),
		"in two files":  digest(nil, b, a),
		"comments":      digest(nil, "# x\n\n"+a+" \t"+b),
		"the time":      digest(func(cfg *Config) { cfg.Rules.At = signedAt }, a+b),
		"the namespace": digest(func(cfg *Config) { cfg.Namespace = "git" }, a+b),
		"foreign weak":  digest(func(cfg *Config) { cfg.Rules.Weak = []string{"md5"} }, a+b),
		"an empty file": digest(nil, a+b, ""),
		"quoted names":  digest(nil, strings.Replace(a, "alice", `"alice"`, 1)+b),
	}
	for what, got := range same {
		if got != base {
			t.Errorf("%s: another digest", what)
		}
	}
	seen := map[[32]byte]string{base: "base"}
	for what, got := range map[string][32]byte{
		"one key":           digest(nil, a),
		"nothing":           digest(nil),
		"empty":             digest(nil, ""),
		"name":              digest(nil, line("Alice", "", one)+b),
		"exclusion":         digest(nil, line("alice,!x", "", one)+b),
		"no exclusion":      digest(nil, line("alice,x", "", one)+b),
		"authority":         digest(nil, line("alice", "cert-authority", one)+b),
		"namespaces":        digest(nil, line("alice", `namespaces="git"`, one)+b),
		"after":             digest(nil, line("alice", `valid-after="20260101"`, one)+b),
		"before":            digest(nil, line("alice", `valid-before="20260101"`, one)+b),
		"lines of one key":  digest(nil, line("alice", "", one)+line("al", "", one)+b),
		"their order":       digest(nil, line("al", "", one)+line("alice", "", one)+b),
		"swapped":           digest(nil, line("alice", "", two)+line("bob", "", one)),
		"at signing":        digest(func(cfg *Config) { cfg.Rules.AtSigning = true }, a+b),
		"weak RSA":          digest(func(cfg *Config) { cfg.Rules.Weak = []string{"rsa1024"} }, a+b),
		"weak SHA-1":        digest(func(cfg *Config) { cfg.Rules.Weak = []string{"sha1"} }, a+b),
		"another namespace": digest(func(cfg *Config) { cfg.Namespace = "file" }, a+b),
		"revoked":           digest(revoked(string(ssh.MarshalAuthorizedKey(one))), a+b),
		"both revoked":      digest(revoked(string(ssh.MarshalAuthorizedKey(one)), string(ssh.MarshalAuthorizedKey(two))), a+b),
	} {
		if other, ok := seen[got]; ok {
			t.Errorf("%s: the digest of %s", what, other)
		}
		seen[got] = what
	}
	if x, y := digest(revoked("# 1\n", "# 2\n"), a), digest(revoked("# 2\n", "# 1\n", "# 1\n"), a); x != y {
		t.Error("the order of revocations changes the digest")
	}
}
