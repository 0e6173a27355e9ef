package verifier_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/verifier"
)

// A stampOffice is to time-stamps what an office is to certificates.
type stampOffice struct {
	cert  *x509.Certificate // template
	forge bool              // sign cert with another key than the anchor's
	named func(cert []byte) []byte
	by    *ecdsa.PrivateKey // nil: the certificate's key
	certs [][]byte          // the certificates in the token; nil: no such set

	chain []*x509.Certificate // of the last stamp
	key   *ecdsa.PrivateKey   // of the first of chain
}

// stampUsage returns the extended key usage extension for time-stamping, and
// whatever else.
func stampUsage(critical bool, others ...asn1.ObjectIdentifier) []pkix.Extension {
	usages := append([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}, others...)
	value, err := asn1.Marshal(usages)
	if err != nil {
		panic(err) // constant
	}
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical, Value: value}}
}

func newStampOffice() *stampOffice {
	return &stampOffice{
		cert:  &x509.Certificate{Subject: pkix.Name{CommonName: "stamps"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: stampUsage(true)},
		named: func(cert []byte) []byte { return cert },
	}
}

// stamp returns a token over the signature.
func (o *stampOffice) stamp(t *testing.T, signature []byte, at time.Time) []byte {
	t.Helper()
	anchorKey, key := newKey(t), newKey(t)
	anchor := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "stamp anchor"}, IsCA: true, BasicConstraintsValid: true}, nil, &anchorKey.PublicKey, anchorKey)
	by := anchor
	if o.forge {
		by, anchorKey = &x509.Certificate{Subject: anchor.Subject, SubjectKeyId: anchor.SubjectKeyId}, newKey(t)
	}
	cert := issue(t, o.cert, by, &key.PublicKey, anchorKey)
	o.chain, o.key = []*x509.Certificate{cert, anchor}, key
	return o.again(t, signature, at)
}

// again returns a token by the certificate of the last one.
func (o *stampOffice) again(t *testing.T, signature []byte, at time.Time) []byte {
	t.Helper()
	cert, key := o.chain[0], o.key
	if o.by != nil {
		key = o.by
	}
	info := stampInfo(sha256.Sum256(signature), at)
	digest := sha256.Sum256(info)
	attributes, err := cms.NewSignedAttributes(cms.OIDTSTInfo, digest[:], at)
	if err != nil {
		t.Fatal(err)
	}
	if named := o.named(cert.Raw); named != nil {
		attributes = append(attributes, cms.Attribute{Type: cms.OIDSigningCertificateV2, Values: [][]byte{signingCertificate(named)}})
	}
	if err := cms.SortAttributes(attributes); err != nil {
		t.Fatal(err)
	}
	message := cms.NewDetached(cert, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attributes)
	message.Version, message.ContentType, message.Content, message.Certificates = 3, cms.OIDTSTInfo, info, o.certs
	signed, err := message.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}
	message.Signer.Signature = sign(t, key, signed)
	token, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// stampInfo returns a TSTInfo (RFC 3161, section 2.4.2).
func stampInfo(imprint [32]byte, at time.Time) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 3}) // policy
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}) // SHA-256
			})
			b.AddASN1OctetString(imprint[:])
		})
		b.AddASN1Int64(1) // serial number
		b.AddASN1GeneralizedTime(at)
	})
	return b.BytesOrPanic()
}

// signingCertificate returns a SigningCertificateV2 (RFC 5035, section 3).
func signingCertificate(cert []byte) []byte {
	sum := sha256.Sum256(cert)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sum[:]) })
		})
	})
	return b.BytesOrPanic()
}

// TestStampsWithOneThingWrong has time-stamps that are signed as they should
// be, by whom they should not, and the like.
func TestStampsWithOneThingWrong(t *testing.T) {
	codeSigning := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	for _, tt := range []struct {
		name  string
		spoil func(*stampOffice)
		good  bool
	}{
		{"nothing", func(*stampOffice) {}, true},
		{"an empty set of certificates", func(o *stampOffice) { o.certs = [][]byte{} }, true},
		{"usage not critical", func(o *stampOffice) { o.cert.ExtraExtensions = stampUsage(false) }, false},
		{"another usage too", func(o *stampOffice) { o.cert.ExtraExtensions = stampUsage(true, codeSigning) }, false},
		{"an unknown usage too", func(o *stampOffice) { o.cert.ExtraExtensions = stampUsage(true, asn1.ObjectIdentifier{1, 2, 3}) }, false},
		{"no usage", func(o *stampOffice) { o.cert.ExtraExtensions = nil }, false},
		{"key not for signatures", func(o *stampOffice) { o.cert.KeyUsage = x509.KeyUsageKeyAgreement }, false},
		{"certificate not signed by the anchor", func(o *stampOffice) { o.forge = true }, false},
		{"by another key", func(o *stampOffice) { o.by = newKey(t) }, false},
		{"names another certificate", func(o *stampOffice) { o.named = func([]byte) []byte { return []byte("another") } }, false},
		{"names no certificate", func(o *stampOffice) { o.named = func([]byte) []byte { return nil } }, false},
	} {
		o := newOffice(t)
		o.tsa = newStampOffice()
		tt.spoil(o.tsa)
		err := o.verify(t)
		if tt.good {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || verr.Class != verifier.BadTime || verr.Check != verifier.CheckTimestamp {
			t.Errorf("%s: error %v, want bad-time at the time-stamp", tt.name, err)
		}
	}
}

// TestSeveralStamps has signatures with more than one time-stamp: all must
// hold, and each is told.
func TestSeveralStamps(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, fakeca.Config{Clock: func() time.Time { return now }})
	v := verifierOf(t, rootOf(t, a, nil))
	p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{}))
	first := now.UTC().Truncate(time.Second)
	stamp := func(after time.Duration, over []byte) []byte {
		now = now.Add(after)
		defer func() { now = now.Add(-after) }()
		token, err := a.Timestamp(t.Context(), sha256.Sum256(over))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	many := [][]byte{p.token}
	for len(many) <= 8 {
		many = append(many, stamp(0, p.signature))
	}
	for _, tt := range []struct {
		name   string
		stamps [][]byte
		class  verifier.Class // "": verifies
		check  verifier.Check
	}{
		{"two", [][]byte{p.token, stamp(time.Minute, p.signature)}, "", ""},
		{"the later first", [][]byte{stamp(time.Minute, p.signature), p.token}, "", ""},
		{"eight", many[:8], "", ""},
		{"nine", many, verifier.MalformedSignature, verifier.CheckTimestamp},
		{"one twice", [][]byte{p.token, p.token}, verifier.MalformedSignature, verifier.CheckTimestamp},
		{"second unreadable", [][]byte{p.token, {5, 0}}, verifier.MalformedSignature, verifier.CheckTimestamp},
		{"second over another signature", [][]byte{p.token, stamp(0, payload)}, verifier.BadTime, verifier.CheckTimestamp},
		{"second when the certificate had expired", [][]byte{p.token, stamp(time.Hour, p.signature)}, verifier.BadTime, verifier.CheckChain},
	} {
		message := p.message
		message.Signer.UnsignedAttributes = slices.Clone(message.Signer.UnsignedAttributes)
		for i := range message.Signer.UnsignedAttributes {
			if attr := &message.Signer.UnsignedAttributes[i]; attr.Type == cms.OIDTimeStampToken {
				attr.Values = tt.stamps
			}
		}
		result, err := v.Verify(payload, armored(t, &message), verifier.AnyIdentity{})
		if tt.class != "" {
			wantClass(t, tt.name, err, tt.class, tt.check)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if len(result.Times) != len(tt.stamps) || !result.Time.Equal(first) {
			t.Errorf("%s: times %v, earliest %v, want %d of which the earliest is %v", tt.name, result.Times, result.Time, len(tt.stamps), first)
		}
	}
}
