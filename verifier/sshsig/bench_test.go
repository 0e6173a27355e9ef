package sshsig

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{algEd25519, algP256, algP384, algP521, "rsa2048", algSKEd25519} {
		b.Run(name, func(b *testing.B) {
			key := newKey(b, name)
			v := newVerifier(b, line("alice", "", key.PublicKey()), nil)
			benchmark(b, v, recipe{key: key}.make(b, payload))
		})
	}
	b.Run("certificate", func(b *testing.B) {
		ca, key := newEd25519(b), newEd25519(b)
		v := newVerifier(b, line("*", "cert-authority", ca.PublicKey()), nil)
		benchmark(b, v, recipe{key: key, cert: certify(b, ca, key, nil)}.make(b, payload))
	})
	b.Run("10000 lines", func(b *testing.B) {
		key := newKey(b, algEd25519)
		v := newVerifier(b, manyLines(b, 10_000)+line("alice", "", key.PublicKey()), nil)
		benchmark(b, v, recipe{key: key}.make(b, payload))
	})
}

func benchmark(b *testing.B, v *Verifier, armored []byte) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(payload, armored); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCrypto is what is in BenchmarkVerify/ssh-ed25519 at least.
func BenchmarkCrypto(b *testing.B) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public, sig := private.Public().(ed25519.PublicKey), ed25519.Sign(private, payload)
	for b.Loop() {
		if !ed25519.Verify(public, payload, sig) {
			b.Fatal("does not verify")
		}
	}
}

func BenchmarkReadAllowedSigners(b *testing.B) {
	text := []byte(manyLines(b, 10_000))
	b.ReportAllocs()
	for b.Loop() {
		a, err := ReadAllowedSigners("signers", text)
		if err != nil {
			b.Fatal(err)
		}
		v, err := New(Config{AllowedSigners: []*AllowedSigners{a}, Rules: verifier.KeyRules{At: judgedAt}})
		if err != nil {
			b.Fatal(err)
		}
		_ = v
	}
}

func BenchmarkDigest(b *testing.B) {
	v := newVerifier(b, manyLines(b, 10_000), nil)
	for b.Loop() {
		v.Digest()
	}
}

// manyLines returns n lines with different keys. Nobody has their other halves.
func manyLines(tb testing.TB, n int) string {
	var b strings.Builder
	for i := range n {
		public := make([]byte, ed25519.PublicKeySize)
		binary.BigEndian.PutUint64(public, uint64(i))
		key, err := ssh.NewPublicKey(ed25519.PublicKey(public))
		if err != nil {
			tb.Fatal(err)
		}
		b.WriteString(line(fmt.Sprintf("user%d@example.com", i), `namespaces="git"`, key))
	}
	return b.String()
}
