package fixedkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
)

// BenchmarkVerify verifies one signature again and again, by crypto/ecdsa and
// by a table.
func BenchmarkVerify(b *testing.B) {
	for _, curve := range curves {
		key, digest, sig := signed(b, curve)
		fixed, err := New(&key.PublicKey)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(curve.Params().Name+"/stdlib", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !ecdsa.VerifyASN1(&key.PublicKey, digest, sig) {
					b.Fatal("a good signature does not verify")
				}
			}
		})
		b.Run(curve.Params().Name+"/table", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !fixed.Verify(digest, sig) {
					b.Fatal("a good signature does not verify")
				}
			}
		})
	}
}

// BenchmarkOnce verifies signatures by a key of which nothing was made before.
// That crypto/ecdsa made a table of the generator, to sign, is not counted.
func BenchmarkOnce(b *testing.B) {
	key, digest, sig := signed(b, elliptic.P384())
	b.Run("stdlib", func(b *testing.B) {
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest, sig) {
				b.Fatal("a good signature does not verify")
			}
		}
	})
	b.Run("once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !fixOnce(b, &key.PublicKey).Verify(digest, sig) {
				b.Fatal("a good signature does not verify")
			}
		}
	})
}

// BenchmarkNew makes tables. That of P-384's generator is there already.
func BenchmarkNew(b *testing.B) {
	for _, curve := range curves {
		key, _, _ := signed(b, curve)
		generatorP384()
		b.Run(curve.Params().Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(&key.PublicKey); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var curves = []elliptic.Curve{elliptic.P256(), elliptic.P384()}

// signed returns a new key and a signature by it.
func signed(t testing.TB, curve elliptic.Curve) (key *ecdsa.PrivateKey, digest, sig []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest = make([]byte, 32)
	if _, err := rand.Read(digest); err != nil {
		t.Fatal(err)
	}
	if sig, err = ecdsa.SignASN1(rand.Reader, key, digest); err != nil {
		t.Fatal(err)
	}
	return key, digest, sig
}
