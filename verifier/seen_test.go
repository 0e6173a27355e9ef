package verifier

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"gitseal/internal/trust"
)

// issuing returns an authority and a function that issues certificates in its
// name, by its key or another.
func issuing(t *testing.T) (a *authority, issue func(serial int64, forge bool) *x509.Certificate) {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	sign := func(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	key, other, leafKey := newKey(), newKey(), newKey()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	ca := sign(template, template, &key.PublicKey, key)
	return newAuthority(&trust.Authority{Chain: []*x509.Certificate{ca}}), func(serial int64, forge bool) *x509.Certificate {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
		if forge {
			return sign(leaf, &x509.Certificate{Subject: ca.Subject}, &leafKey.PublicKey, other)
		}
		return sign(leaf, ca, &leafKey.PublicKey, key)
	}
}

func TestOnlyGoodCertificatesAreRemembered(t *testing.T) {
	a, issue := issuing(t)
	good, forged := issue(2, false), issue(2, true)
	for range 2 {
		if err := a.signed(good, 0); err != nil {
			t.Fatal(err)
		}
		if err := a.signed(forged, 0); err == nil {
			t.Fatal("a certificate by another key is taken for the authority's")
		}
	}
	if len(a.seen.has) != 1 || !a.seen.has[seenKey{fingerprint(good), 0}] {
		t.Errorf("%d certificates are remembered, want the good one", len(a.seen.has))
	}
}

func TestFewCertificatesAreRemembered(t *testing.T) {
	a, issue := issuing(t)
	first := issue(2, false)
	if err := a.signed(first, 0); err != nil {
		t.Fatal(err)
	}
	for i := range int64(seenSize) {
		if err := a.signed(issue(3+i, false), 0); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.seen.has) != seenSize || a.seen.has[seenKey{fingerprint(first), 0}] {
		t.Errorf("%d certificates are remembered, the first among them: %t", len(a.seen.has), a.seen.has[seenKey{fingerprint(first), 0}])
	}
	if err := a.signed(first, 0); err != nil {
		t.Errorf("a certificate that was forgotten: %v", err)
	}
}
