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

	"gitseal/internal/fixedkey"
	"gitseal/internal/trust"
)

// manyTimes is more often than a key verifies before its table is made.
const manyTimes = 40

// TestIssuersSignatureIsCheckedAsByX509 holds the check by a key made ready
// against crypto/x509, for issuers and certificates with one thing about them
// each, before the key has a table and after.
func TestIssuersSignatureIsCheckedAsByX509(t *testing.T) {
	unchanged := func(*x509.Certificate) {}
	for _, tt := range []struct {
		name          string
		issuer, child func(*x509.Certificate)
		good          bool
	}{
		{"nothing", unchanged, unchanged, true},
		{"issuer without key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, unchanged, true},
		{"issuer for other uses", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, unchanged, false},
		{"issuer not an authority", func(c *x509.Certificate) { c.IsCA = false }, unchanged, false},
		{"issuer without basic constraints", func(c *x509.Certificate) { c.BasicConstraintsValid = false }, unchanged, false},
		{"issuer of version 1", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA, c.Version = false, false, 1 }, unchanged, true},
		{"issuer's algorithm unknown", func(c *x509.Certificate) { c.PublicKeyAlgorithm = x509.UnknownPublicKeyAlgorithm }, unchanged, false},
		{"signature wrong", unchanged, func(c *x509.Certificate) { c.Signature[len(c.Signature)-1] ^= 1 }, false},
		{"signature cut", unchanged, func(c *x509.Certificate) { c.Signature = c.Signature[:len(c.Signature)-1] }, false},
		{"signature none", unchanged, func(c *x509.Certificate) { c.Signature = nil }, false},
		{"content changed", unchanged, func(c *x509.Certificate) { c.RawTBSCertificate[8] ^= 1 }, false},
		{"SHA-1", unchanged, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }, false},
		{"another hash", unchanged, func(c *x509.Certificate) { c.SignatureAlgorithm = otherHash[c.SignatureAlgorithm] }, false},
		{"RSA", unchanged, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSA }, false},
		{"Ed25519", unchanged, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.PureEd25519 }, false},
		{"algorithm unknown", unchanged, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.UnknownSignatureAlgorithm }, false},
	} {
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
			for algorithm := range otherHash {
				t.Run(tt.name+", "+curve.Params().Name+", "+algorithm.String(), func(t *testing.T) {
					issuer, child := issuedBy(t, curve, algorithm)
					a := newAuthority(&trust.Authority{Chain: []*x509.Certificate{issuer}}, new(fixedkey.Set))
					tt.issuer(issuer)
					spoilt := *child
					spoilt.RawTBSCertificate = append([]byte(nil), child.RawTBSCertificate...)
					spoilt.Signature = append([]byte(nil), child.Signature...)
					tt.child(&spoilt)
					want := signedBy(&spoilt, issuer)
					if (want == nil) != tt.good {
						t.Fatalf("crypto/x509: %v, want good: %t", want, tt.good)
					}
					for range 2 {
						if got := a.signedBy(&spoilt, 0); text(got) != text(want) {
							t.Errorf("%v, want %v", got, want)
						}
						for range manyTimes {
							fixedkey.VerifyASN1(a.keys[0], nil, nil)
						}
					}
				})
			}
		}
	}
}

var otherHash = map[x509.SignatureAlgorithm]x509.SignatureAlgorithm{
	x509.ECDSAWithSHA256: x509.ECDSAWithSHA384,
	x509.ECDSAWithSHA384: x509.ECDSAWithSHA512,
	x509.ECDSAWithSHA512: x509.ECDSAWithSHA256,
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// issuedBy returns an authority and a certificate that it signed with the
// algorithm.
func issuedBy(t *testing.T, curve elliptic.Curve, algorithm x509.SignatureAlgorithm) (issuer, child *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	create := func(template, parent *x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Unix(0, 0), time.Unix(1, 0)
		template.SignatureAlgorithm = algorithm
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	issuer = create(template, template)
	return issuer, create(&x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}}, issuer)
}

// TestOnlyKeysOfTheTrustedRootAreMadeReady has a certificate that came along.
func TestOnlyKeysOfTheTrustedRootAreMadeReady(t *testing.T) {
	issuer, child := issuedBy(t, elliptic.P256(), x509.ECDSAWithSHA256)
	a := newAuthority(&trust.Authority{Chain: []*x509.Certificate{issuer}}, new(fixedkey.Set))
	if key, ok := a.keyOf(issuer).(*fixedkey.Verifier); !ok {
		t.Errorf("the authority's key is a %T, want one made ready", key)
	}
	// Even one that is the same, byte for byte.
	for _, cert := range []*x509.Certificate{child, {Raw: issuer.Raw, PublicKey: issuer.PublicKey}} {
		if key := a.keyOf(cert); key != cert.PublicKey {
			t.Errorf("the key of another certificate is a %T, want it as it came", key)
		}
	}
}
