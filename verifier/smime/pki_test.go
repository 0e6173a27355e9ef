package smime_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/smime"
)

// now is when the tests judge.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

var payload = []byte("tree 0123\nauthor A U Thor <a@example.com> 1780000000 +0000\n\nmessage\n")

// A holder is who holds a certificate's key: an authority or a signer.
type holder struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serial = big.NewInt(1000)

// issue makes a certificate for key, or for a new one, under parent or, if that
// is nil, under itself. Without edit it is good for a signer from a year before
// now to a year after.
func issue(t testing.TB, parent *holder, name string, key crypto.Signer, edit func(c *x509.Certificate)) *holder {
	t.Helper()
	if key == nil {
		key = newKey(t, elliptic.P256())
	}
	serial = new(big.Int).Add(serial, big.NewInt(1))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Example"}},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
	}
	if edit != nil {
		edit(template)
	}
	issuer := &holder{template, key}
	if parent != nil {
		issuer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{parse(t, der), key}
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// isAuthority makes a certificate one of an authority, from ten years before
// now to ten years after.
func isAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	c.NotBefore, c.NotAfter = now.AddDate(-10, 0, 0), now.AddDate(10, 0, 0)
}

// isSigner makes a certificate one for e-mail.
func isSigner(c *x509.Certificate) {
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	c.EmailAddresses = []string{"alice@example.com"}
}

// A pki is a root, an authority below it, and a signer.
type pki struct{ root, ca, alice *holder }

func newPKI(t testing.TB) *pki {
	t.Helper()
	p := new(pki)
	p.root = issue(t, nil, "Root", nil, isAuthority)
	p.ca = issue(t, p.root, "Issuing", nil, isAuthority)
	p.alice = issue(t, p.ca, "Alice", nil, isSigner)
	return p
}

// signer returns another signer of the same authority.
func (p *pki) signer(t testing.TB, edit func(c *x509.Certificate)) *holder {
	t.Helper()
	return issue(t, p.ca, "Alice", nil, func(c *x509.Certificate) {
		isSigner(c)
		edit(c)
	})
}

// config trusts the root, and judges now.
func (p *pki) config() smime.Config {
	return smime.Config{Roots: []*x509.Certificate{p.root.cert}, Rules: verifier.KeyRules{At: now}}
}

func (p *pki) verifier(t testing.TB, edit func(cfg *smime.Config)) *smime.Verifier {
	t.Helper()
	cfg := p.config()
	if edit != nil {
		edit(&cfg)
	}
	v, err := smime.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A form says how a signature is made. The zero form is smimesign's.
type form struct {
	digest  cms.OID // "": SHA-256
	value   cms.AlgorithmIdentifier
	pss     *rsa.PSSOptions
	claimed time.Time                // zero: an hour before now
	carried []*x509.Certificate      // nil: the authority's
	attrs   func(sd *cms.SignedData) // changes what is signed
	signed  func(der []byte) []byte  // changes what the key signs
	after   func(sd *cms.SignedData) // changes the rest
	encode  func(der []byte) []byte  // changes the encoding
}

var hashes = map[cms.OID]crypto.Hash{
	cms.OIDSHA1: crypto.SHA1, cms.OIDSHA256: crypto.SHA256, cms.OIDSHA384: crypto.SHA384, cms.OIDSHA512: crypto.SHA512,
}

// sign returns a signature by s over the payload, armored.
func (p *pki) sign(t testing.TB, s *holder, f form) []byte {
	t.Helper()
	if f.digest == "" {
		f.digest = cms.OIDSHA256
	}
	if f.value.Algorithm == "" {
		switch s.key.(type) {
		case *rsa.PrivateKey:
			f.value.Algorithm = cms.OIDRSAEncryption
		case ed25519.PrivateKey:
			f.value.Algorithm = cms.OIDEd25519
		default:
			f.value.Algorithm = cms.OIDECPublicKey
		}
	}
	if f.claimed.IsZero() {
		f.claimed = now.Add(-time.Hour)
	}
	if f.carried == nil && p != nil {
		f.carried = []*x509.Certificate{p.ca.cert}
	}
	hash := hashes[f.digest]
	sum := func(data []byte) []byte {
		h := hash.New()
		h.Write(data)
		return h.Sum(nil)
	}
	attrs, err := cms.NewSignedAttributes(cms.OIDData, sum(payload), f.claimed)
	if err != nil {
		t.Fatal(err)
	}
	sd := cms.NewDetached(s.cert, f.digest, f.value.Algorithm, attrs)
	sd.Signer.SignatureAlgorithm = f.value
	for _, cert := range f.carried {
		sd.Certificates = append(sd.Certificates, cert.Raw)
	}
	if f.attrs != nil {
		f.attrs(sd)
	}
	message, err := sd.Signer.SignedBytesAsFound()
	if err != nil {
		t.Fatal(err)
	}
	if f.signed != nil {
		message = f.signed(message)
	}
	var opts crypto.SignerOpts = hash
	digest := sum(message)
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		opts, digest = crypto.Hash(0), message
	}
	if f.pss != nil {
		opts = &rsa.PSSOptions{SaltLength: f.pss.SaltLength, Hash: hash}
	}
	if sd.Signer.Signature, err = s.key.Sign(rand.Reader, digest, opts); err != nil {
		t.Fatal(err)
	}
	if f.after != nil {
		f.after(sd)
	}
	der, err := sd.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if f.encode != nil {
		der = f.encode(der)
	}
	return cms.Armor(der)
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// RSA keys take long to make.
var rsa1024, rsa2048 = newRSA(1024), newRSA(2048)

func newRSA(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return key
	})
}

// wantGood checks that a signature verifies.
func wantGood(t testing.TB, name string, v *smime.Verifier, signature []byte) *verifier.KeyResult {
	t.Helper()
	result, err := v.Verify(payload, signature)
	if err != nil {
		t.Errorf("%s: Verify = %v, want it to be good", name, err)
		return new(verifier.KeyResult)
	}
	return result
}

// wantBad checks that a signature gets a class, for a reason.
func wantBad(t testing.TB, name string, v *smime.Verifier, signature []byte, class verifier.Class, reason string) *verifier.KeyError {
	t.Helper()
	return wantBadOver(t, name, v, payload, signature, class, reason)
}

func wantBadOver(t testing.TB, name string, v *smime.Verifier, payload, signature []byte, class verifier.Class, reason string) *verifier.KeyError {
	t.Helper()
	result, err := v.Verify(payload, signature)
	var kerr *verifier.KeyError
	if !errors.As(err, &kerr) || result != nil || kerr.Class != class || !strings.Contains(err.Error(), reason) {
		got := verifier.Class("no class")
		if kerr != nil {
			got = kerr.Class
		}
		t.Errorf("%s: Verify = %v, %v (%s), want %s with %q", name, result, err, got, class, reason)
		return new(verifier.KeyError)
	}
	if right := kerr.Valid != nil; right != (class == verifier.Revoked || class == verifier.ExpiredKey || class == verifier.WeakAlgorithm) {
		t.Errorf("%s: Valid is set: %t", name, right)
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("%s: error of several lines: %q", name, err)
	}
	return kerr
}

// extension returns a critical extension with an empty value.
func extension(id ...int) pkix.Extension {
	return pkix.Extension{Id: id, Critical: true, Value: []byte{5, 0}}
}

func fingerprint(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }

// flip changes a bit of a copy.
func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}
