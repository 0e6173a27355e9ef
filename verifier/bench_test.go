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

// benchSignatures is how many signatures, each with a certificate of its own,
// BenchmarkVerify goes round in: many times what its batches last.
const benchSignatures = 64

// BenchmarkVerify verifies signatures by ever new certificates. In the same run,
// in turn, it makes the public-key operations that these signatures take, and
// nothing else. x-crypto is the median ratio of the two.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		name string
		cfg  fakeca.Config
	}{
		{"log=v1/ca=P384", fakeca.Config{Log: fakeca.RekorV1, Curve: elliptic.P384()}},
		{"log=v1/ca=P256", fakeca.Config{Log: fakeca.RekorV1, Curve: elliptic.P256()}},
		{"log=v2/ca=P384", fakeca.Config{Log: fakeca.RekorV2, Curve: elliptic.P384()}},
		{"log=v2/ca=P256", fakeca.Config{Log: fakeca.RekorV2, Curve: elliptic.P256()}},
	} {
		b.Run(c.name, func(b *testing.B) { benchVerify(b, c.cfg) })
	}
}

func benchVerify(b *testing.B, cfg fakeca.Config) {
	a := newAuthority(b, cfg)
	root := rootOf(b, a, nil)
	// One more than a round has: what it takes to make a verifier ready is
	// not counted.
	payloads, signatures := make([][]byte, benchSignatures+1), make([][]byte, benchSignatures+1)
	crypto := make([]func() bool, benchSignatures+1)
	for i := range signatures {
		payloads[i] = fmt.Append(payload, i)
		signatures[i] = a.Sign(payloads[i], fakeca.Fixture{})
		crypto[i] = cryptoOf(b, signatures[i], root.CertificateAuthorities[0].Chain[0], cfg.Log)
	}
	var v *verifier.Verifier
	verify := func(i int) {
		if _, err := v.Verify(payloads[i], signatures[i], verifier.AnyIdentity{}); err != nil {
			b.Fatal(err)
		}
	}
	// A verifier remembers the certificates it has seen. Each round has one
	// that has not.
	renew := func() {
		v = verifierOf(b, root)
		verify(benchSignatures)
	}
	renew()
	var ratios, floors []float64
	b.ReportAllocs()
	start := time.Now()
	for i := 0; b.Loop(); i++ {
		verify(i % benchSignatures)
		if i%benchSignatures < benchSignatures-1 {
			continue
		}
		b.StopTimer()
		verifying := time.Since(start)
		start = time.Now()
		for _, check := range crypto[:benchSignatures] {
			if !check() {
				b.Fatal("a signature does not verify")
			}
		}
		floor := time.Since(start)
		ratios = append(ratios, float64(verifying)/float64(floor))
		floors = append(floors, float64(floor.Microseconds())/benchSignatures)
		renew()
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
