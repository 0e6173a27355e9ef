package verifier_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/verifier"
)

// few is how many signatures a verifier verifies without a table of a key, of
// which a Rekor v1 log uses its own twice, and many how many certificates it has
// forgotten the first of.
const (
	few  = 10
	many = 1100
)

// BenchmarkVerify verifies signatures by ever new certificates, with verifiers
// that verify few. In the same run, in turn, it makes the public-key operations
// that these signatures take, and nothing else. x-crypto is the median ratio of
// the two.
func BenchmarkVerify(b *testing.B) { benchVerify(b, few, true) }

// BenchmarkVerifyMany does the same with one verifier, which has tables of the
// keys that recur. The operations beside it are still those without.
func BenchmarkVerifyMany(b *testing.B) { benchVerify(b, many, false) }

func benchVerify(b *testing.B, signatures int, renew bool) {
	for _, c := range []struct {
		name string
		cfg  fakeca.Config
	}{
		{"log=v1/ca=P384", fakeca.Config{Log: fakeca.RekorV1, Curve: elliptic.P384()}},
		{"log=v1/ca=P256", fakeca.Config{Log: fakeca.RekorV1, Curve: elliptic.P256()}},
		{"log=v2/ca=P384", fakeca.Config{Log: fakeca.RekorV2, Curve: elliptic.P384()}},
		{"log=v2/ca=P256", fakeca.Config{Log: fakeca.RekorV2, Curve: elliptic.P256()}},
	} {
		b.Run(c.name, func(b *testing.B) { benchRounds(b, c.cfg, signatures, renew) })
	}
}

// benchRounds verifies a number of signatures round and round. If renew is
// set, each round has a new verifier.
func benchRounds(b *testing.B, cfg fakeca.Config, n int, renew bool) {
	a := newAuthority(b, cfg)
	root := rootOf(b, a, nil)
	// One more than a round has: what it takes to make a verifier ready is
	// not counted.
	payloads, signatures := make([][]byte, n+1), make([][]byte, n+1)
	crypto := make([]func() bool, n+1)
	for i := range signatures {
		payloads[i] = fmt.Append(payload, i)
		signatures[i] = a.Sign(payloads[i], fakeca.Fixture{})
		crypto[i] = cryptoOf(b, signatures[i], root.CertificateAuthorities[0].Chain[0], cfg.Log)
	}
	v := verifierOf(b, root)
	verify := func(i int) {
		if _, err := v.Verify(payloads[i], signatures[i], verifier.AnyIdentity{}); err != nil {
			b.Fatal(err)
		}
	}
	verify(n)
	if !renew {
		for i := n - 2*few; i < n; i++ {
			verify(i)
		}
	}
	var ratios, floors []float64
	b.ReportAllocs()
	start := time.Now()
	for i := 0; b.Loop(); i++ {
		verify(i % n)
		if i%few < few-1 {
			continue
		}
		b.StopTimer()
		verifying := time.Since(start)
		start = time.Now()
		for j := i - few + 1; j <= i; j++ {
			if !crypto[j%n]() {
				b.Fatal("a signature does not verify")
			}
		}
		floor := time.Since(start)
		ratios = append(ratios, float64(verifying)/float64(floor))
		floors = append(floors, float64(floor.Microseconds())/few)
		if renew {
			v = verifierOf(b, root)
			verify(n)
		}
		b.StartTimer()
		start = time.Now()
	}
	if len(ratios) == 0 {
		return // too short a run to tell
	}
	b.ReportMetric(median(floors), "crypto-µs/op")
	b.ReportMetric(median(ratios), "x-crypto")
}

// cryptoOf returns the public-key operations of a signature. The signer's
// signature and its certificate's are the real ones. The others are over
// something else, by keys of the same kind: what these cost does not depend on
// what is signed.
func cryptoOf(b *testing.B, armored []byte, ca *x509.Certificate, log fakeca.Generation) func() bool {
	b.Helper()
	der, _, err := cms.Dearmor(armored)
	if err != nil {
		b.Fatal(err)
	}
	sd, err := cms.Parse(der)
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(sd.Certificates[0])
	if err != nil {
		b.Fatal(err)
	}
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(signed)
	sct, promiseOrStamp, checkpoint := p256Check(b, digest), p256Check(b, digest), p256Check(b, digest)
	if log == fakeca.RekorV2 {
		checkpoint = ed25519Check(b, digest)
	}
	return func() bool {
		return ecdsa.VerifyASN1(leaf.PublicKey.(*ecdsa.PublicKey), digest[:], sd.Signer.Signature) &&
			leaf.CheckSignatureFrom(ca) == nil && sct() && promiseOrStamp() && checkpoint()
	}
}

// p256Check returns the check of a signature by a new P-256 key.
func p256Check(b *testing.B, digest [32]byte) func() bool {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	return func() bool { return ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) }
}

// ed25519Check returns the check of a signature by a new Ed25519 key.
func ed25519Check(b *testing.B, digest [32]byte) func() bool {
	b.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	signature := ed25519.Sign(private, digest[:])
	return func() bool { return ed25519.Verify(public, digest[:], signature) }
}

func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

// BenchmarkNew parses a trusted root and makes a verifier of it, as each
// process does once.
func BenchmarkNew(b *testing.B) {
	data := newAuthority(b, fakeca.Config{}).TrustedRoot()
	b.ReportAllocs()
	for b.Loop() {
		root, err := verifier.ParseTrustedRoot(bytes.Clone(data))
		if err != nil {
			b.Fatal(err)
		}
		verifierOf(b, root)
	}
}
