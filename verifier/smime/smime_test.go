package smime_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"
	"time"

	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/smime"
)

func TestGoodSignatureHasItsFacts(t *testing.T) {
	p := newPKI(t)
	claimed := now.Add(-time.Minute)
	got := wantGood(t, "", p.verifier(t, nil), p.sign(t, p.alice, form{claimed: claimed}))
	key := fmt.Sprintf("%X", fingerprint(p.alice.cert))
	want := verifier.KeyResult{
		Signer: verifier.Signer{Kind: verifier.X509, Key: key,
			Identity: verifier.Identity{Subject: "alice@example.com", Issuer: "CN=Issuing,O=Example"}},
		Key: key, Algorithm: "ecdsa-p256", Hash: "sha256", Claimed: claimed, Lapses: p.alice.cert.NotAfter,
	}
	if got.Signer != want.Signer || got.Key != want.Key || got.Algorithm != want.Algorithm || got.Hash != want.Hash ||
		!got.Claimed.Equal(want.Claimed) || !got.Time.IsZero() || !got.Lapses.Equal(want.Lapses) || len(got.Notes) != 0 {
		t.Errorf("Verify = %+v, want %+v", *got, want)
	}
}

func TestSignerWithoutAnAddressIsItsName(t *testing.T) {
	p := newPKI(t)
	for _, tt := range []struct {
		addresses []string
		want      string
		notes     int
	}{
		{nil, "CN=Alice,O=Example", 0},
		{[]string{"b@example.com", "a@example.com"}, "b@example.com", 1},
	} {
		s := p.signer(t, func(c *x509.Certificate) { c.EmailAddresses = tt.addresses })
		got := wantGood(t, tt.want, p.verifier(t, nil), p.sign(t, s, form{}))
		if got.Signer.Identity.Subject != tt.want || len(got.Notes) != tt.notes {
			t.Errorf("subject %q, notes %q, want %q and %d notes", got.Signer.Identity.Subject, got.Notes, tt.want, tt.notes)
		}
	}
}

// TestEachCheck has signatures of which one thing is wrong.
func TestEachCheck(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, nil)
	stranger := newPKI(t)
	oneAttribute := func(typ cms.OID, value ...byte) func(sd *cms.SignedData) {
		return func(sd *cms.SignedData) {
			for i := range sd.Signer.SignedAttributes {
				if sd.Signer.SignedAttributes[i].Type == typ {
					sd.Signer.SignedAttributes[i].Values = [][]byte{value}
				}
			}
		}
	}
	for _, tt := range []struct {
		name   string
		signer *holder
		form   form
		class  verifier.Class
		reason string
	}{
		{"another digest", p.alice, form{attrs: oneAttribute(cms.OIDMessageDigest, 4, 1, 0)}, verifier.BadSignature, "message digest does not match"},
		{"another content type", p.alice, form{attrs: oneAttribute(cms.OIDContentType, 6, 1, 42)}, verifier.MalformedSignature, "contentType"},
		{"a digest of no form", p.alice, form{attrs: oneAttribute(cms.OIDMessageDigest, 5, 0)}, verifier.MalformedSignature, "messageDigest"},
		{"an unknown digest algorithm", p.alice, form{after: func(sd *cms.SignedData) {
			sd.DigestAlgorithms[0].Algorithm, sd.Signer.DigestAlgorithm.Algorithm = cms.OIDData, cms.OIDData
		}}, verifier.UnsupportedSignature, "digest algorithm"},
		{"another signature value", p.alice, form{after: func(sd *cms.SignedData) { sd.Signer.Signature = flip(sd.Signer.Signature, 20) }}, verifier.BadSignature, "ECDSA signature does not match"},
		{"other attributes signed", p.alice, form{signed: func(der []byte) []byte { return flip(der, 40) }}, verifier.BadSignature, "ECDSA signature does not match"},
		{"another key", &holder{p.alice.cert, stranger.alice.key}, form{}, verifier.BadSignature, "ECDSA signature does not match"},
		{"attributes in another order than signed", p.alice, form{after: func(sd *cms.SignedData) {
			a := sd.Signer.SignedAttributes
			a[0], a[1] = a[1], a[0]
		}}, verifier.BadSignature, "ECDSA signature does not match"},
		{"a certificate that is not the one signed for", p.alice, form{attrs: func(sd *cms.SignedData) {
			value := append([]byte{0x30, 38, 0x30, 36, 0x30, 34, 4, 32}, make([]byte, 32)...)
			sd.Signer.SignedAttributes = append(sd.Signer.SignedAttributes, cms.Attribute{Type: cms.OIDSigningCertificateV2, Values: [][]byte{value}})
		}}, verifier.BadSignature, "names another certificate"},

		{"a stranger", stranger.alice, form{carried: []*x509.Certificate{stranger.ca.cert, stranger.root.cert}}, verifier.UntrustedCertificate, "unknown authority"},
		{"a stranger with a wrong digest", stranger.alice, form{attrs: oneAttribute(cms.OIDMessageDigest, 4, 1, 0)}, verifier.UntrustedCertificate, "message digest does not match"},
		{"a stranger with an unknown algorithm", stranger.alice, form{value: cms.AlgorithmIdentifier{Algorithm: cms.OIDData}}, verifier.UntrustedCertificate, "unsupported algorithm"},
		{"no authority at hand", p.alice, form{carried: []*x509.Certificate{}}, verifier.UntrustedCertificate, "unknown authority"},
		{"an authority", issue(t, p.ca, "Alice", nil, isAuthority), form{}, verifier.UntrustedCertificate, "an authority's"},
		{"a key for encryption", p.signer(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), form{}, verifier.UntrustedCertificate, "not for digital signatures"},
		{"a key for servers", p.signer(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), form{}, verifier.UntrustedCertificate, "key usage"},
		{"an unknown critical extension", p.signer(t, func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, extension(1, 2, 3)) }), form{}, verifier.UntrustedCertificate, "critical extension"},
		{"Sigstore's extension", p.signer(t, func(c *x509.Certificate) {
			e := extension(1, 3, 6, 1, 4, 1, 57264, 1, 8)
			e.Critical = false
			c.ExtraExtensions = append(c.ExtraExtensions, e)
		}), form{}, verifier.UntrustedCertificate, "Sigstore's kind"},

		{"not the signer's certificate", p.alice, form{after: func(sd *cms.SignedData) { sd.Certificates = sd.Certificates[1:] }}, verifier.UnknownKey, "not in the signature"},
		{"no certificates", p.alice, form{after: func(sd *cms.SignedData) { sd.Certificates = nil }}, verifier.UnknownKey, "not in the signature"},
		{"the certificate twice", p.alice, form{carried: []*x509.Certificate{p.ca.cert, p.alice.cert}}, verifier.MalformedSignature, "two certificates"},
		{"a certificate that is none", p.alice, form{after: func(sd *cms.SignedData) { sd.Certificates = [][]byte{{0x30, 0}} }}, verifier.MalformedSignature, "reading the certificate"},
		{"a large certificate", p.alice, form{after: func(sd *cms.SignedData) {
			sd.Certificates = [][]byte{append([]byte{0x30, 0x82, 0x90, 0}, make([]byte, 0x9000)...)}
		}}, verifier.MalformedSignature, "more than the limit of 32768"},
		{"many certificates", p.alice, form{after: func(sd *cms.SignedData) {
			for range 15 {
				sd.Certificates = append(sd.Certificates, p.ca.cert.Raw)
			}
		}}, verifier.MalformedSignature, "more than the limit of 16"},
		{"a large RSA key", issue(t, p.ca, "Alice", unusedKey{rsaOf(16384)}, isSigner), form{}, verifier.MalformedSignature, "more than the limit of 8192"},
		{"content", p.alice, form{after: func(sd *cms.SignedData) { sd.Content = payload }}, verifier.MalformedSignature, "its own content"},
		{"another version", p.alice, form{after: func(sd *cms.SignedData) { sd.Version = 3 }}, verifier.MalformedSignature, "another version"},
		{"other content", p.alice, form{after: func(sd *cms.SignedData) { sd.ContentType = cms.OIDTSTInfo }}, verifier.MalformedSignature, "does not sign data"},
		{"trailing bytes", p.alice, form{encode: func(der []byte) []byte { return append(der, 0) }}, verifier.MalformedSignature, "bytes after"},
		{"BER without an end", p.alice, form{encode: func(der []byte) []byte { return []byte{0x30, 0x80, 0} }}, verifier.MalformedSignature, "BER"},
		{"no CMS", p.alice, form{encode: func(der []byte) []byte { return nil }}, verifier.MalformedSignature, "CMS"},
	} {
		wantBad(t, tt.name, v, p.sign(t, tt.signer, tt.form), tt.class, tt.reason)
	}
	good := p.sign(t, p.alice, form{})
	wantBadOver(t, "another payload", v, flip(payload, 3), good, verifier.BadSignature, "message digest does not match")
	wantBad(t, "no armor", v, good[1:], verifier.MalformedSignature, "armor")
	wantBad(t, "text after the armor", v, append(bytes.Clone(good), "x\n"...), verifier.MalformedSignature, "after the END line")
}

func TestOddFormsAreNoted(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, nil)
	unsorted := p.sign(t, p.alice, form{attrs: func(sd *cms.SignedData) {
		a := sd.Signer.SignedAttributes
		a[0], a[2] = a[2], a[0]
	}})
	for _, tt := range []struct {
		name, note string
		signature  []byte
	}{
		{"BER", "encoded as BER", p.sign(t, p.alice, form{encode: indefinite})},
		{"attributes unsorted", "not in DER order", unsorted},
		{"text before", "5 bytes of text", append([]byte("text\n"), p.sign(t, p.alice, form{})...)},
		{"log entry", "a log entry", p.sign(t, p.alice, form{after: func(sd *cms.SignedData) {
			if err := sd.Signer.AddLogEntry([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}})},
	} {
		if notes := wantGood(t, tt.name, v, tt.signature).Notes; len(notes) != 1 || !strings.Contains(notes[0], tt.note) {
			t.Errorf("%s: notes %q, want one with %q", tt.name, notes, tt.note)
		}
	}
}

// indefinite gives the outermost element of a message an indefinite length.
func indefinite(der []byte) []byte {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		panic(err)
	}
	return append(append([]byte{0x30, 0x80}, outer.Bytes...), 0, 0)
}

// TestCertificateOfTheSignerMayBeNamed leaves it out of the signature, as gpgsm
// can be told to.
func TestCertificateOfTheSignerMayBeNamed(t *testing.T) {
	p := newPKI(t)
	bare := form{carried: []*x509.Certificate{}, after: func(sd *cms.SignedData) { sd.Certificates = nil }}
	all := func(cfg *smime.Config) {
		cfg.Intermediates = []*x509.Certificate{p.ca.cert, p.alice.cert, p.alice.cert}
	}
	if !smime.Takes(p.sign(t, p.alice, bare)) {
		t.Error("Takes = false for a signature without certificates, want true")
	}
	wantGood(t, "by its issuer and number", p.verifier(t, all), p.sign(t, p.alice, bare))

	// By a key identifier, which a renewed certificate has as well.
	identified := func(c *x509.Certificate) { isSigner(c); c.SubjectKeyId = []byte{1, 2, 3} }
	alice := issue(t, p.ca, "Alice", nil, identified)
	again := issue(t, p.ca, "Alice", alice.key, identified)
	byKey := func(sd *cms.SignedData) {
		sd.Version, sd.Signer.Version, sd.Signer.SubjectKeyID = 3, 3, []byte{1, 2, 3}
	}
	wantGood(t, "by its key", p.verifier(t, nil), p.sign(t, alice, form{after: byKey}))
	bare.after = func(sd *cms.SignedData) { byKey(sd); sd.Certificates = nil }
	one := func(cfg *smime.Config) { cfg.Intermediates = []*x509.Certificate{p.ca.cert, alice.cert} }
	wantGood(t, "by its key, named", p.verifier(t, one), p.sign(t, alice, bare))
	two := func(cfg *smime.Config) { one(cfg); cfg.Intermediates = append(cfg.Intermediates, again.cert) }
	wantBad(t, "by its key, of two", p.verifier(t, two), p.sign(t, alice, bare), verifier.UnknownKey, "several fit")
}

func TestSelfSignedSignerMayBeARoot(t *testing.T) {
	p := newPKI(t)
	alice := issue(t, nil, "Alice", nil, isSigner)
	signature := p.sign(t, alice, form{carried: []*x509.Certificate{}})
	wantBad(t, "not named", p.verifier(t, nil), signature, verifier.UntrustedCertificate, "unknown authority")
	p.root = alice
	wantGood(t, "named", p.verifier(t, nil), signature)
}
