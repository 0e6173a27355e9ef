package smime_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"gitseal/verifier"
	"gitseal/verifier/smime"
)

// TestCertificatesOfStrangersAreNotTried carries certificates that no authority
// signed: the signature is neither refused for them, nor do they make the
// search for a chain longer.
func TestCertificatesOfStrangersAreNotTried(t *testing.T) {
	p, stranger := newPKI(t), newPKI(t)
	var carried []*x509.Certificate
	for range 14 {
		decoy := issue(t, stranger.ca, "Issuing", stranger.ca.key, isAuthority)
		carried = append(carried, decoy.cert)
	}
	v := p.verifier(t, nil)
	wantGood(t, "alice", v, p.sign(t, p.alice, form{carried: append(carried, p.ca.cert)}))
	wantBad(t, "stranger", v, p.sign(t, stranger.alice, form{carried: append(carried, p.ca.cert)}), verifier.UntrustedCertificate, "unknown authority")
}

// TestCertificatesLeadThroughOthers carries two authorities below the one that
// is named, the lower one first.
func TestCertificatesLeadThroughOthers(t *testing.T) {
	p := newPKI(t)
	lower := issue(t, p.ca, "Lower", nil, isAuthority)
	alice := issue(t, lower, "Alice", nil, isSigner)
	wantGood(t, "", p.verifier(t, nil), p.sign(t, alice, form{carried: []*x509.Certificate{lower.cert, p.ca.cert}}))
}

// TestRootOfVersion1 has a certificate as "openssl x509 -req -signkey" makes it,
// which does not say whether it is an authority's. It may be named for
// signatures by its own key; those who it issues certificates to are nobody.
func TestRootOfVersion1(t *testing.T) {
	p := newPKI(t)
	root := version1(t, issue(t, nil, "Alice", nil, nil))
	bob := issue(t, root, "Bob", nil, isSigner)
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Roots = []*x509.Certificate{root.cert} })
	wantGood(t, "itself", v, p.sign(t, root, form{}))
	wantBad(t, "another", v, p.sign(t, bob, form{}), verifier.UntrustedCertificate, `"CN=Alice,O=Example" is none of an authority`)
}

// version1 returns a self-signed certificate as one of version 1, which has no
// extensions (RFC 5280, section 4.1).
func version1(t testing.TB, h *holder) *holder {
	t.Helper()
	var b, tbs cryptobyte.Builder
	fields := cryptobyte.String(h.cert.RawTBSCertificate)
	if !fields.ReadASN1(&fields, asn1.SEQUENCE) {
		t.Fatal("no certificate")
	}
	tbs.AddASN1(asn1.SEQUENCE, func(tbs *cryptobyte.Builder) {
		for !fields.Empty() {
			var field cryptobyte.String
			var tag asn1.Tag
			if !fields.ReadAnyASN1Element(&field, &tag) {
				t.Fatal("no certificate")
			}
			if tag == asn1.SEQUENCE || tag == asn1.INTEGER { // neither version nor extensions
				tbs.AddBytes(field)
			}
		}
	})
	signed := tbs.BytesOrPanic()
	digest := sha256.Sum256(signed)
	value, err := h.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // ecdsa-with-SHA256
			b.AddASN1ObjectIdentifier([]int{1, 2, 840, 10045, 4, 3, 2})
		})
		b.AddASN1BitString(value)
	})
	return &holder{parse(t, b.BytesOrPanic()), h.key}
}
