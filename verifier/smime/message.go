package smime

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/internal/cms"
	"gitseal/verifier"
)

// What a signature brings along is bounded before it is used: checking with an
// RSA key costs the square of its size, and building chains the square of the
// number of certificates. Real signatures carry three certificates at most, of
// 3 kB each; crypto/tls knows the same bound for keys.
const (
	maxCertificate  = 1 << 15 // bytes
	maxCertificates = 16
	maxRSAKey       = 8192 // bits
)

// oidSigstore is the arc of Sigstore's certificate extensions
// (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
var oidSigstore = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1}

// A message is a signature in the form in which git stores it.
type message struct {
	cms     *cms.SignedData
	leaf    *x509.Certificate
	carried []*x509.Certificate // other certificates in it, untrusted
	// authentic are those of carried that lead to an authority; nil until
	// Verifier.authentic has looked.
	authentic []*x509.Certificate

	// facts are those of the verdict. Until every check has passed they are
	// claims.
	facts verifier.KeyResult
	right bool // leaf's key signed the payload, and no time-stamp is wrong
	weak  []weakness
}

// Takes reports whether a signature, as git stores it, is one for this package
// rather than for package verifier: it is CMS, and the certificate that its
// signer identifier names is none of Sigstore's kind, or not in it. It says
// nothing about who made the signature.
func Takes(signature []byte) bool {
	m := new(message)
	if kerr := m.read(signature); kerr != nil {
		return false
	}
	return m.pick(nil) == nil && !isKeyless(m.leaf)
}

// isKeyless reports whether a certificate, which may be nil, is of Sigstore's
// kind.
func isKeyless(cert *x509.Certificate) bool {
	return cert != nil && slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool {
		return len(e.Id) >= len(oidSigstore) && e.Id[:len(oidSigstore)].Equal(oidSigstore)
	})
}

// open parses a signature and finds the signer's certificate, which may be one
// of those named. It verifies nothing but form.
func open(armored []byte, named []*x509.Certificate) (*message, *verifier.KeyError) {
	m := new(message)
	if kerr := m.read(armored); kerr != nil {
		return nil, kerr
	}
	if kerr := m.pick(named); kerr != nil {
		return nil, kerr
	}
	if m.leaf == nil {
		return nil, m.fail(verifier.UnknownKey, errors.New("the signer's certificate is not in the signature, nor among those that were named"))
	}
	m.describe()
	return m, nil
}

// fail returns the error for a check that failed, with all that the signature
// claims.
func (m *message) fail(class verifier.Class, err error) *verifier.KeyError {
	claims := m.facts
	claims.Lapses = time.Time{} // KeyError has its own
	claims.Notes = slices.Clone(m.facts.Notes)
	return &verifier.KeyError{Class: class, Err: err, Unverified: claims}
}

func (m *message) note(format string, args ...any) {
	m.facts.Notes = append(m.facts.Notes, fmt.Sprintf(format, args...))
}

// lapses says that the verdict may be another one after t.
func (m *message) lapses(t time.Time) {
	if m.facts.Lapses.IsZero() || t.Before(m.facts.Lapses) {
		m.facts.Lapses = t.UTC()
	}
}

// read reads armor and CMS.
func (m *message) read(armored []byte) *verifier.KeyError {
	der, leading, err := cms.Dearmor(armored)
	if err != nil {
		return m.fail(verifier.MalformedSignature, err)
	}
	if len(leading) > 0 {
		m.note("%d bytes of text before the armor", len(leading))
	}
	if cms.IsIndefinite(der) {
		if der, err = cms.FromBER(der); err != nil {
			return m.fail(verifier.MalformedSignature, err)
		}
		m.note("encoded as BER, not DER")
	}
	if m.cms, err = cms.Parse(der); err != nil {
		return m.fail(verifier.MalformedSignature, err)
	}
	if m.cms.ContentType != cms.OIDData || m.cms.Version != m.cms.Signer.Version {
		return m.fail(verifier.MalformedSignature, errors.New("CMS does not sign data, or has another version than its signer"))
	}
	if m.cms.Content != nil {
		return m.fail(verifier.MalformedSignature, errors.New("CMS carries its own content, want a detached signature"))
	}
	if at, ok := m.cms.Signer.SigningTime(); ok {
		m.facts.Claimed = at.UTC()
	}
	return nil
}

// pick finds the certificate that the signer identifier names: among those in
// the message, wherever it stands, or, if it is not there, those named.
func (m *message) pick(named []*x509.Certificate) *verifier.KeyError {
	if n := len(m.cms.Certificates); n > maxCertificates {
		return m.fail(verifier.MalformedSignature, fmt.Errorf("%d certificates, more than the limit of %d", n, maxCertificates))
	}
	var unreadable error
	for _, der := range m.cms.Certificates {
		cert, err := parseCertificate(der)
		switch {
		case err != nil:
			unreadable = err
		case !m.cms.Signer.Identifies(cert):
			m.carried = append(m.carried, cert)
		case m.leaf != nil:
			return m.fail(verifier.MalformedSignature, errors.New("two certificates fit the signer identifier"))
		default:
			m.leaf = cert
		}
	}
	if m.leaf == nil && unreadable != nil {
		return m.fail(verifier.MalformedSignature, fmt.Errorf("reading the certificate: %w", unreadable))
	}
	if m.leaf != nil {
		return nil
	}
	for _, cert := range named {
		switch {
		case !m.cms.Signer.Identifies(cert):
		case m.leaf != nil && !m.leaf.Equal(cert):
			m.leaf = nil
			return m.fail(verifier.UnknownKey, errors.New("the signer's certificate is not in the signature, and of those that were named several fit"))
		default:
			m.leaf = cert
		}
	}
	return nil
}

// parseCertificate reads a certificate that nobody vouches for yet.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("certificate of %d bytes, more than the limit of %d", len(der), maxCertificate)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSAKey {
		return nil, fmt.Errorf("RSA key of %d bits, more than the limit of %d", key.N.BitLen(), maxRSAKey)
	}
	return cert, nil
}

// describe fills in what the signer's certificate says.
func (m *message) describe() {
	key := fmt.Sprintf("%X", sha256.Sum256(m.leaf.Raw))
	m.facts.Key = key
	m.facts.Signer = verifier.Signer{Kind: verifier.X509, Key: key,
		Identity: verifier.Identity{Subject: subject(m.leaf), Issuer: name(m.leaf.RawIssuer)}}
	if n := len(m.leaf.EmailAddresses); n > 1 {
		m.note("the certificate names %d e-mail addresses, of which the first stands for the signer", n)
	}
	m.facts.Algorithm = keyName(m.leaf.PublicKey)
	m.facts.Hash = hashName(m.cms.Signer.DigestAlgorithm)
}

// subject returns the first e-mail address among a certificate's alternative
// names or, without one, its distinguished name. An address in the
// distinguished name alone, as they were written in the last century, does not
// count: nothing constrains what an authority may put there.
func subject(cert *x509.Certificate) string {
	if len(cert.EmailAddresses) > 0 && cert.EmailAddresses[0] != "" {
		return cert.EmailAddresses[0]
	}
	return name(cert.RawSubject)
}

// name writes a distinguished name that crypto/x509 has parsed, all of it, as
// RFC 4514 has it. pkix.Name does not: it keeps the last of several common names
// and serial numbers, and puts the rest in an order of its own, so that two
// people can have one.
func name(der []byte) string {
	var parts pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &parts); err != nil || len(rest) > 0 {
		return fmt.Sprintf("#%x", der) // RFC 4514, section 2.4, for what has no other form
	}
	return parts.String()
}
