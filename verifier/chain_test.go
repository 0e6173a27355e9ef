package verifier_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// An office issues and logs whatever it is told to, which the embedded
// authority does not: for certificates with one thing wrong each.
type office struct {
	anchorKey, caKey, leafKey, logKey *ecdsa.PrivateKey

	anchor, ca, leaf *x509.Certificate // templates
	forge            bool              // sign ca with another key than anchor's
	below            *x509.Certificate // template of an authority between ca and leaf; nil: none
	tsa              *stampOffice      // nil: no time-stamp
	prepare          bool              // the verifier, before it verifies
}

func newOffice(t *testing.T) *office {
	t.Helper()
	return &office{
		anchorKey: newKey(t), caKey: newKey(t), leafKey: newKey(t), logKey: newKey(t),
		anchor: &x509.Certificate{Subject: pkix.Name{CommonName: "anchor"}, IsCA: true, BasicConstraintsValid: true},
		ca:     &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true},
		leaf: &x509.Certificate{
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
			EmailAddresses: []string{"alice@example.com"}, ExtraExtensions: []pkix.Extension{fulcioExtension(8, "\x0c\x01i")},
		},
	}
}

// verify signs the payload and says what is wrong with that.
func (o *office) verify(t *testing.T) error {
	t.Helper()
	_, err := o.result(t)
	return err
}

// result signs the payload, logs the signature with a Rekor v1 promise, and
// verifies it.
func (o *office) result(t *testing.T) (*verifier.Result, error) {
	t.Helper()
	leaf, extra, chain := o.certificates(t)
	message, signed := o.message(t, leaf)
	message.Certificates = append(message.Certificates, extra...)
	entry := o.log(t, sha256.Sum256(signed), message.Signer.Signature, leaf)
	entry.CanonicalizedBody = nil
	if err := message.Signer.AddLogEntry(entry.Marshal()); err != nil {
		t.Fatal(err)
	}
	if o.tsa != nil {
		message.Signer.AddTimeStamp(o.tsa.stamp(t, message.Signer.Signature, leaf.NotBefore))
	}
	v := verifierOf(t, o.root(t, chain...))
	if o.prepare {
		v.Prepare()
		v.PrepareTimestamps()
	}
	return v.Verify(payload, armored(t, message), verifier.AnyIdentity{})
}

// certificates issues the leaf. It returns the authority between it and the
// chain too, if there is one.
func (o *office) certificates(t *testing.T) (leaf *x509.Certificate, extra [][]byte, chain []*x509.Certificate) {
	t.Helper()
	anchor := issue(t, o.anchor, nil, &o.anchorKey.PublicKey, o.anchorKey)
	by, key := anchor, o.anchorKey
	if o.forge {
		by, key = &x509.Certificate{Subject: anchor.Subject, SubjectKeyId: anchor.SubjectKeyId}, newKey(t)
	}
	ca := issue(t, o.ca, by, &o.caKey.PublicKey, key)
	issuer, issuerKey := ca, o.caKey
	if o.below != nil {
		issuerKey = newKey(t)
		issuer = issue(t, o.below, ca, &issuerKey.PublicKey, o.caKey)
		extra = append(extra, issuer.Raw)
	}
	leaf = issue(t, o.leaf, issuer, &o.leafKey.PublicKey, issuerKey)
	return leaf, extra, []*x509.Certificate{ca, anchor}
}

// message signs the payload and returns the signed attributes too.
func (o *office) message(t *testing.T, leaf *x509.Certificate) (message *cms.SignedData, signed []byte) {
	t.Helper()
	digest := sha256.Sum256(payload)
	attributes, err := cms.NewSignedAttributes(cms.OIDData, digest[:], leaf.NotBefore)
	if err != nil {
		t.Fatal(err)
	}
	message = cms.NewDetached(leaf, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attributes)
	if signed, err = message.Signer.SignedBytes(); err != nil {
		t.Fatal(err)
	}
	message.Signer.Signature = sign(t, o.leafKey, signed)
	return message, signed
}

// armored returns the message as git stores it.
func armored(t *testing.T, message *cms.SignedData) []byte {
	t.Helper()
	der, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return cms.Armor(der)
}

// log returns an entry that is promised, at the time the certificate begins.
func (o *office) log(t *testing.T, digest [32]byte, signature []byte, leaf *x509.Certificate) *tlog.Entry {
	t.Helper()
	entry := &tlog.Entry{
		LogID: tlog.LogIDv1(o.logSPKI(t)), Kind: "hashedrekord", KindVersion: "0.0.1", IntegratedTime: leaf.NotBefore.Unix(),
		CanonicalizedBody: tlog.HashedRekordV1(digest, signature, leaf.Raw),
	}
	o.promise(t, entry)
	return entry
}

// promise makes the log promise the entry as it is.
func (o *office) promise(t *testing.T, entry *tlog.Entry) {
	t.Helper()
	promise, err := json.Marshal(map[string]any{
		"body": entry.CanonicalizedBody, "integratedTime": entry.IntegratedTime,
		"logID": hex.EncodeToString(entry.LogID), "logIndex": entry.LogIndex,
	})
	if err != nil {
		t.Fatal(err)
	}
	entry.Promise = &tlog.InclusionPromise{SET: sign(t, o.logKey, promise)}
}

func (o *office) logSPKI(t *testing.T) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&o.logKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return spki
}

func (o *office) root(t *testing.T, chain ...*x509.Certificate) *verifier.TrustedRoot {
	t.Helper()
	root := &trust.TrustedRoot{
		CertificateAuthorities: []trust.Authority{{Chain: chain, ValidFor: trust.Window{Start: chain[0].NotBefore}}},
		TLogs: []trust.Log{{
			KeyID: tlog.LogIDv1(o.logSPKI(t)), PublicKey: &o.logKey.PublicKey, SPKI: o.logSPKI(t),
			KeyDetails: "PKIX_ECDSA_P256_SHA_256", ValidFor: trust.Window{Start: chain[0].NotBefore},
		}},
	}
	if o.tsa != nil {
		root.TimestampAuthorities = []trust.Authority{{Chain: o.tsa.chain, ValidFor: trust.Window{Start: chain[0].NotBefore}}}
	}
	return newRoot(t, root)
}

// newRoot returns a trusted root as it is read from a file.
func newRoot(t testing.TB, r *trust.TrustedRoot) *verifier.TrustedRoot {
	t.Helper()
	text, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	root, err := trust.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// fulcioExtension returns one of Fulcio's extensions, by its number.
func fulcioExtension(number int, value string) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, number}, Value: []byte(value)}
}

// TestCertificatesWithOneThingWrong has certificates that are signed as they
// should be and say one thing that they should not.
func TestPrepareChangesNoVerdict(t *testing.T) {
	o := newOffice(t)
	o.prepare = true
	if err := o.verify(t); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	o.forge = true
	prepared := o.verify(t)
	o.prepare = false
	if err := o.verify(t); err == nil || prepared == nil || err.Error() != prepared.Error() {
		t.Errorf("under an authority whose chain does not hold: %v, prepared %v", err, prepared)
	}
}

func TestCertificatesWithOneThingWrong(t *testing.T) {
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	for _, tt := range []struct {
		name  string
		spoil func(*office)
		check verifier.Check // "": verifies
	}{
		{"nothing", func(*office) {}, ""},
		{"an authority in between", func(o *office) { o.below = o.authority() }, ""},
		{"both issuers, the same", func(o *office) { o.leaf.ExtraExtensions = append(o.leaf.ExtraExtensions, fulcioExtension(1, "i")) }, ""},
		{"the old issuer alone", func(o *office) { o.leaf.ExtraExtensions[0] = fulcioExtension(1, "i") }, ""},

		{"key not for signatures", func(o *office) { o.leaf.KeyUsage = x509.KeyUsageKeyAgreement }, verifier.CheckChain},
		{"not for code signing", func(o *office) { o.leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, verifier.CheckChain},
		{"unknown critical extension", func(o *office) { o.leaf.ExtraExtensions = append(o.leaf.ExtraExtensions, unknown) }, verifier.CheckChain},
		{"authority not for code signing", func(o *office) { o.ca.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping} }, verifier.CheckChain},
		{"authority with unknown critical extension", func(o *office) { o.ca.ExtraExtensions = []pkix.Extension{unknown} }, verifier.CheckChain},
		{"authority with name constraints", func(o *office) {
			o.ca.PermittedDNSDomainsCritical, o.ca.PermittedEmailAddresses = true, []string{"example.com"}
		}, verifier.CheckChain},
		{"authority not signed by the anchor", func(o *office) { o.forge = true }, verifier.CheckChain},
		{"path too long", func(o *office) { o.below, o.ca.MaxPathLenZero = o.authority(), true }, verifier.CheckChain},

		{"two subjects", func(o *office) { o.leaf.EmailAddresses = append(o.leaf.EmailAddresses, "bob@example.com") }, verifier.CheckIdentity},
		{"no subject", func(o *office) { o.leaf.EmailAddresses = nil }, verifier.CheckIdentity},
		{"a host as subject", func(o *office) { o.leaf.EmailAddresses, o.leaf.DNSNames = nil, []string{"example.com"} }, verifier.CheckIdentity},
		{"no issuer", func(o *office) { o.leaf.ExtraExtensions = nil }, verifier.CheckIdentity},
		{"empty issuer", func(o *office) { o.leaf.ExtraExtensions[0] = fulcioExtension(8, "\x0c\x00") }, verifier.CheckIdentity},
		{"issuer not a UTF8String", func(o *office) { o.leaf.ExtraExtensions[0] = fulcioExtension(8, "i") }, verifier.CheckIdentity},
		{"two issuers", func(o *office) { o.leaf.ExtraExtensions = append(o.leaf.ExtraExtensions, fulcioExtension(1, "j")) }, verifier.CheckIdentity},
	} {
		o := newOffice(t)
		tt.spoil(o)
		err := o.verify(t)
		if tt.check == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || verr.Class != verifier.UntrustedCertificate || verr.Check != tt.check {
			t.Errorf("%s: error %v, want untrusted-certificate at %s", tt.name, err, tt.check)
		}
	}
}

// authority returns a template of an authority below ca.
func (o *office) authority() *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: "below"}, IsCA: true, BasicConstraintsValid: true}
}
