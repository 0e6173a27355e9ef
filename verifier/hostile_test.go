package verifier_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// Signatures that nobody would make but to cost or to deceive.

// TestCostOfASignatureIsBounded has what takes time out of proportion to its
// size: a key of 64 kB, a name of thousands of parts, and attributes each of
// which is compared with all others.
func TestCostOfASignatureIsBounded(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	good := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{}))
	key := newKey(t)
	attributes := good.message.Signer.SignedAttributes

	var name pkix.RDNSequence
	for range 5000 {
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 99}, Value: ""}})
	}
	subject, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	bulky := issue(t, &x509.Certificate{RawSubject: subject}, nil, &key.PublicKey, key)
	modulus := bytes.Repeat([]byte{0xff}, 16384/8)
	costly := issue(t, &x509.Certificate{}, nil, &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}, key)

	crowded := good.message
	crowded.Signer.UnsignedAttributes = nil
	for i := range 5000 {
		crowded.Signer.UnsignedAttributes = append(crowded.Signer.UnsignedAttributes, cms.Attribute{
			Type: cms.OID([]byte{0x2a, 0x81, 0x80 | byte(i>>7), byte(i) & 0x7f}), Values: [][]byte{{5, 0}},
		})
	}
	for _, message := range []*cms.SignedData{
		cms.NewDetached(bulky, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attributes),
		cms.NewDetached(costly, cms.OIDSHA256, cms.OIDSHA256WithRSA, attributes),
		&crowded,
	} {
		der, err := message.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(payload, cms.Armor(der), verifier.AnyIdentity{})
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || verr.Class != verifier.MalformedSignature || verr.Check != verifier.CheckCMS || !strings.Contains(err.Error(), "more than") {
			t.Errorf("error %v, want that it is over a limit", err)
		}
	}
}

// TestStatementOfManyPartsCostsNoMoreThanItsSize hands over a statement that
// nobody signed: to know what to hash of the artifact, it is read all the same.
func TestStatementOfManyPartsCostsNoMoreThanItsSize(t *testing.T) {
	const size = 4 << 20
	for name, text := range map[string]string{
		"subjects": `{"subject":[` + strings.Repeat("{},", size/3) + `{}]}`,
		"members":  `{` + members(size/10) + `"_type":0}`,
		"digests":  `{"subject":[{"digest":{` + members(size/10) + `"a":0}}]}`,
	} {
		b := &verifier.Bundle{Envelope: &verifier.Envelope{Payload: []byte(text)}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := b.Artifact(strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		// Each level of nesting takes some four times its text.
		if used := after.TotalAlloc - before.TotalAlloc; used > 20*size {
			t.Errorf("%s: %d MiB are taken for a text of %d MiB", name, used>>20, size>>20)
		}
		if _, err := verifier.ParseStatement([]byte(text)); err == nil || !strings.Contains(err.Error(), "more") {
			t.Errorf("%s: ParseStatement = %v, want that it is over a limit", name, err)
		}
	}
}

// members returns n members of an object.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":0,`, i)
	}
	return b.String()
}

// TestWhatIsEmbeddedIsNotPassedOver adds to good signatures, or takes from
// them, what is not needed and wrong.
func TestWhatIsEmbeddedIsNotPassedOver(t *testing.T) {
	for _, tt := range []struct {
		name       string
		generation fakeca.Generation
		entry      func(*tlog.Entry)
		class      verifier.Class
		check      verifier.Check
	}{
		// Nothing can check the proof then. The promise beside it would do.
		{"proof without checkpoint", fakeca.RekorV1, func(e *tlog.Entry) { e.Proof.Checkpoint, e.Proof.Hashes = nil, nil }, verifier.BadLogProof, verifier.CheckCheckpoint},
		{"promise by Rekor v2", fakeca.RekorV2, func(e *tlog.Entry) { e.Promise = &tlog.InclusionPromise{SET: []byte{1}} }, verifier.BadLogProof, verifier.CheckPromise},
		{"body of another entry", fakeca.RekorV1, func(e *tlog.Entry) { e.CanonicalizedBody = []byte("{}") }, verifier.BadLogProof, verifier.CheckLogEntry},
		{"body of another entry", fakeca.RekorV2, func(e *tlog.Entry) { e.CanonicalizedBody = []byte("{}") }, verifier.BadLogProof, verifier.CheckLogEntry},
	} {
		a := newAuthority(t, fakeca.Config{Log: tt.generation})
		p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{}))
		entry, err := tlog.ParseEntry(p.entry)
		if err != nil {
			t.Fatal(err)
		}
		tt.entry(entry)
		p.entry = entry.Marshal()
		signature, err := p.armor()
		if err != nil {
			t.Fatal(err)
		}
		_, err = verifierOf(t, rootOf(t, a, nil)).Verify(payload, signature, verifier.AnyIdentity{})
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || verr.Class != tt.class || verr.Check != tt.check {
			t.Errorf("%v, %s: error %v, want %s at %s", tt.generation, tt.name, err, tt.class, tt.check)
		}
	}
}

func TestSignerTwiceIsRefused(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	message := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{})).message
	message.Certificates = append(message.Certificates, message.Certificates[0])
	der, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	_, err = verifierOf(t, rootOf(t, a, nil)).Verify(payload, cms.Armor(der), verifier.AnyIdentity{})
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) || verr.Class != verifier.MalformedSignature || verr.Check != verifier.CheckCMS {
		t.Errorf("error %v, want malformed-signature", err)
	}
}

// TestIntermediateMustBeAnAuthority has a certificate of version 1, which
// cannot say that it is no authority's, act as one: brought along, and listed
// by the trusted root. crypto/x509 lets that pass where it is asked about one
// signature only.
func TestIntermediateMustBeAnAuthority(t *testing.T) {
	anchorKey, middleKey, leafKey := newKey(t), newKey(t), newKey(t)
	anchor := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true}, nil, &anchorKey.PublicKey, anchorKey)
	middle := issueV1(t, "somebody", anchor, &middleKey.PublicKey, anchorKey)
	leaf := issue(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}, middle, &leafKey.PublicKey, middleKey)
	if err := leaf.CheckSignatureFrom(middle); err != nil {
		t.Fatalf("the case has changed: %v", err)
	}
	digest := sha256.Sum256(payload)
	attributes, err := cms.NewSignedAttributes(cms.OIDData, digest[:], leaf.NotBefore)
	if err != nil {
		t.Fatal(err)
	}
	message := cms.NewDetached(leaf, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attributes)
	message.Certificates = append(message.Certificates, middle.Raw)
	signed, err := message.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}
	message.Signer.Signature = sign(t, leafKey, signed)
	der, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, chain := range [][]*x509.Certificate{{anchor}, {middle, anchor}} {
		root := newRoot(t, &trust.TrustedRoot{CertificateAuthorities: []trust.Authority{{
			Chain: chain, ValidFor: trust.Window{Start: anchor.NotBefore},
		}}})
		_, err = verifierOf(t, root).Verify(payload, cms.Armor(der), verifier.AnyIdentity{})
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || verr.Class != verifier.UntrustedCertificate || verr.Check != verifier.CheckChain {
			t.Errorf("trusting %d certificates: error %v, want untrusted-certificate", len(chain), err)
		}
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, key *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(message)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// issue returns a certificate for pub, signed with key by parent, or, if that
// is nil, in its own name.
func issue(t testing.TB, template, parent *x509.Certificate, pub any, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	template.NotBefore = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template.NotAfter = template.NotBefore.Add(time.Hour)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, der)
}

// issueV1 returns a certificate of version 1, which crypto/x509 does not make:
//
//	TBSCertificate ::= SEQUENCE {
//	  serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo }
func issueV1(t testing.TB, subject string, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	name, err := asn1.Marshal(pkix.Name{CommonName: subject}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	algorithm := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}) // ecdsa-with-SHA256
		})
	}
	var tbs, b cryptobyte.Builder
	tbs.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(2)
		algorithm(b)
		b.AddBytes(parent.RawSubject)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1UTCTime(parent.NotBefore)
			b.AddASN1UTCTime(parent.NotAfter)
		})
		b.AddBytes(name)
		b.AddBytes(spki)
	})
	signed := tbs.BytesOrPanic()
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		algorithm(b)
		b.AddASN1BitString(sign(t, key, signed))
	})
	return parse(t, b.BytesOrPanic())
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
