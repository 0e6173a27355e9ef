package verifier_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"gitseal/internal/trust"
	"gitseal/verifier"
)

// TestGoodBundles verifies each kind of entry, with a certificate and with
// managed keys of each kind.
func TestGoodBundles(t *testing.T) {
	const p256 = "PKIX_ECDSA_P256_SHA_256"
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, p521 := ecdsaKey(t, elliptic.P384()), ecdsaKey(t, elliptic.P521())
	for _, tt := range []struct {
		name    string
		key     crypto.Signer // nil: the certificate's
		kind    string
		hash    crypto.Hash
		details string
	}{
		{"certificate", nil, "hashedrekord 0.0.1", crypto.SHA256, ""},
		{"certificate", nil, "hashedrekord 0.0.2", crypto.SHA256, p256},
		{"P-256", newKey(t), "hashedrekord 0.0.1", crypto.SHA256, ""},
		{"P-256", newKey(t), "hashedrekord 0.0.2", crypto.SHA256, p256},
		{"P-384", p384, "hashedrekord 0.0.1", crypto.SHA256, ""},
		{"P-384", p384, "hashedrekord 0.0.1", crypto.SHA384, ""},
		{"P-384", p384, "hashedrekord 0.0.2", crypto.SHA384, "PKIX_ECDSA_P384_SHA_384"},
		{"P-521", p521, "hashedrekord 0.0.2", crypto.SHA512, "PKIX_ECDSA_P521_SHA_512"},
		{"RSA", rsaKey, "hashedrekord 0.0.1", crypto.SHA256, ""},
		{"RSA", rsaKey, "hashedrekord 0.0.2", crypto.SHA256, "PKIX_RSA_PKCS1V15_2048_SHA256"},
		{"Ed25519", ed, "hashedrekord 0.0.1", crypto.SHA512, ""},
		{"Ed25519", ed, "hashedrekord 0.0.2", crypto.SHA512, "PKIX_ED25519_PH"},
	} {
		p := newPacker(t)
		if tt.key != nil {
			p.manage(tt.key)
		}
		result, err := p.verify(t, p.pack(t, tt.kind, tt.hash, tt.details), nil)
		checkGoodBundle(t, tt.name+" "+tt.kind, p, result, err)
	}
	for _, tt := range []struct {
		name    string
		key     crypto.Signer
		kind    string
		hash    crypto.Hash
		details string
	}{
		{"certificate", nil, "dsse 0.0.1", crypto.SHA256, ""},
		{"certificate", nil, "dsse 0.0.2", crypto.SHA256, p256},
		{"certificate", nil, "intoto 0.0.2", crypto.SHA256, ""},
		{"certificate", nil, "hashedrekord 0.0.1", crypto.SHA256, ""},
		{"certificate", nil, "hashedrekord 0.0.2", crypto.SHA256, p256},
		{"P-384", p384, "dsse 0.0.1", crypto.SHA384, ""},
		{"RSA", rsaKey, "intoto 0.0.2", crypto.SHA256, ""},
		{"Ed25519", ed, "dsse 0.0.1", 0, ""},
		{"Ed25519", ed, "dsse 0.0.2", 0, "PKIX_ED25519"},
	} {
		p := newPacker(t)
		if tt.key != nil {
			p.manage(tt.key)
		}
		result, err := p.verify(t, p.packStatement(t, tt.kind, tt.hash, tt.details, goodStatement), nil)
		checkGoodBundle(t, tt.name+" statement "+tt.kind, p, result, err)
		if err == nil && (result.Statement == nil || result.Statement.PredicateType != "https://example.com/p" || string(result.Statement.JSON) != goodStatement) {
			t.Errorf("%s %s: statement %+v", tt.name, tt.kind, result.Statement)
		}
	}
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func checkGoodBundle(t *testing.T, name string, p *packer, r *verifier.Result, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if !r.Time.Equal(p.at()) || r.Log.URL != logURL {
		t.Errorf("%s: time %v, log %+v, want %v in %s", name, r.Time, r.Log, p.at(), logURL)
	}
	want := verifier.Identity{}
	if p.leaf != nil {
		want = verifier.Identity{Issuer: "i", Subject: "alice@example.com"}
	}
	if r.Certificate.Identity != want {
		t.Errorf("%s: identity %v, want %v", name, r.Certificate.Identity, want)
	}
}

func TestBundlesWithOneThingWrong(t *testing.T) {
	for _, tt := range badBundles {
		p := newPacker(t)
		_, err := p.verify(t, tt.make(t, p), nil)
		wantClass(t, tt.name, err, tt.class, tt.check)
		if err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: error %q, want %q in it", tt.name, err, tt.words)
		}
	}
}

// TestBundleUnderOtherRoots verifies a good bundle under roots that do not
// trust all of it, or just so.
func TestBundleUnderOtherRoots(t *testing.T) {
	p := newPacker(t)
	b := p.pack(t, "hashedrekord 0.0.2", crypto.SHA256, "PKIX_ECDSA_P256_SHA_256")
	until := func(end time.Time) trust.Window { return trust.Window{Start: p.at().Add(-time.Hour), End: end} }
	justInTime, late := until(p.at()), until(p.at().Add(-time.Second))
	for _, tt := range []struct {
		name   string
		change func(*trust.TrustedRoot)
		class  verifier.Class // "": verifies
		check  verifier.Check
	}{
		{"log until then", func(r *trust.TrustedRoot) { r.TLogs[0].ValidFor = justInTime }, "", ""},
		{"time-stamp authority until then", func(r *trust.TrustedRoot) { r.TimestampAuthorities[0].ValidFor = justInTime }, "", ""},
		{"authority until then", func(r *trust.TrustedRoot) { r.CertificateAuthorities[0].ValidFor = justInTime }, "", ""},
		{"log not so long", func(r *trust.TrustedRoot) { r.TLogs[0].ValidFor = late }, verifier.UntrustedLog, verifier.CheckTime},
		{"time-stamp authority not so long", func(r *trust.TrustedRoot) { r.TimestampAuthorities[0].ValidFor = late }, verifier.BadTime, verifier.CheckTimestamp},
		{"another time-stamp authority still", func(r *trust.TrustedRoot) {
			r.TimestampAuthorities[0].ValidFor = late
			other := newStampOffice()
			other.stamp(t, nil, p.at())
			r.TimestampAuthorities = append(r.TimestampAuthorities, trust.Authority{Chain: other.chain, ValidFor: justInTime})
		}, verifier.BadTime, verifier.CheckTimestamp},
		{"authority not so long", func(r *trust.TrustedRoot) { r.CertificateAuthorities[0].ValidFor = late }, verifier.BadTime, verifier.CheckChain},
		{"no log", func(r *trust.TrustedRoot) { r.TLogs = nil }, verifier.UntrustedLog, verifier.CheckLogEntry},
		{"no time-stamp authority", func(r *trust.TrustedRoot) { r.TimestampAuthorities = nil }, verifier.BadTime, verifier.CheckTimestamp},
		{"another authority", func(r *trust.TrustedRoot) { r.CertificateAuthorities[0].Chain = newPacker(t).chain }, verifier.UntrustedCertificate, verifier.CheckChain},
	} {
		result, err := p.verify(t, b, tt.change)
		if tt.class == "" {
			checkGoodBundle(t, tt.name, p, result, err)
			continue
		}
		wantClass(t, tt.name, err, tt.class, tt.check)
	}
}

func TestBundleOfAnotherArtifact(t *testing.T) {
	p := newPacker(t)
	v := verifierOf(t, p.root(t, nil))
	other, err := verifier.ArtifactDigest(crypto.SHA256, digestOf(crypto.SHA256, []byte("another")))
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := verifier.ArtifactDigest(crypto.SHA512, digestOf(crypto.SHA512, artifact))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*packet{
		"message":   p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, ""),
		"statement": p.packStatement(t, "dsse 0.0.1", crypto.SHA256, "", goodStatement),
	} {
		_, err = v.VerifyBundle(b.Bundle, other, verifier.AnyIdentity{})
		wantClass(t, name+" of another", err, verifier.BadSignature, verifier.CheckDigest)
		_, err = v.VerifyBundle(b.Bundle, unknown, verifier.AnyIdentity{})
		wantClass(t, name+" by another digest", err, verifier.UnsupportedSignature, verifier.CheckDigest)
		_, err = v.VerifyBundle(b.Bundle, verifier.Artifact{}, verifier.AnyIdentity{})
		wantClass(t, name+" without an artifact", err, verifier.UnsupportedSignature, verifier.CheckDigest)
	}
	if _, err := verifier.ArtifactDigest(crypto.SHA256, make([]byte, 20)); err == nil {
		t.Error("a digest of 20 bytes is one of SHA-256")
	}
	if _, err := verifier.ArtifactDigest(crypto.SHA1, make([]byte, 20)); err == nil {
		t.Error("a digest by SHA-1 is taken")
	}
	// Without a digest in the bundle, that of the log entry says how.
	b := p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	b.Hash, b.Digest = 0, nil
	result, err := p.verify(t, b, nil)
	checkGoodBundle(t, "no digest", p, result, err)
}

func TestBundleAsksForAnIdentity(t *testing.T) {
	p := newPacker(t)
	b := p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	v := verifierOf(t, p.root(t, nil))
	a, err := b.Artifact(bytes.NewReader(artifact))
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.VerifyBundle(b.Bundle, a, nil)
	wantClass(t, "nil", err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
	_, err = v.VerifyBundle(b.Bundle, a, nobody{})
	wantClass(t, "nobody", err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
	_, err = v.VerifyBundleKey(b.Bundle, a, nil)
	wantClass(t, "nil key", err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
	_, err = v.VerifyBundleKey(b.Bundle, a, p.leafKey.Public())
	wantClass(t, "the certificate's key", err, verifier.UntrustedCertificate, verifier.CheckBundle)
}

// TestStrangersBundle has a bundle that does not fit, by an authority that
// nobody trusts.
func TestStrangersBundle(t *testing.T) {
	p, stranger := newPacker(t), newPacker(t)
	b := stranger.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	b.Signature[20] ^= 1
	a, err := b.Artifact(bytes.NewReader(artifact))
	if err != nil {
		t.Fatal(err)
	}
	_, err = verifierOf(t, p.root(t, nil)).VerifyBundle(b.Bundle, a, verifier.AnyIdentity{})
	wantClass(t, "stranger", err, verifier.UntrustedCertificate, verifier.CheckSignature)
}
