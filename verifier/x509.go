package verifier

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A message is a signature in the form in which git stores it: a CMS message,
// armored.
type message struct {
	signature
	cms    *cms.SignedData
	signed []byte // the signed attributes as they were signed
}

// maxStamps bounds the time-stamps that a signature carries. Nobody is known
// to write more than one.
const maxStamps = 8

// open parses a signature as git stores it. It verifies nothing but form.
func open(armored []byte) (*message, *VerifyError) {
	s := new(message)
	s.record = s
	der, leading, err := cms.Dearmor(armored)
	if err != nil {
		return nil, s.fail(CheckArmor, MalformedSignature, err)
	}
	if len(leading) > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%d bytes of text before the armor", len(leading)))
	}
	s.pass(CheckArmor)
	if cms.IsIndefinite(der) {
		if der, err = cms.FromBER(der); err != nil {
			return nil, s.fail(CheckCMS, MalformedSignature, err)
		}
		s.notes = append(s.notes, "encoded as BER, not DER")
	}
	if s.cms, err = cms.Parse(der); err != nil {
		return nil, s.fail(CheckCMS, MalformedSignature, err)
	}
	if err := s.readCMS(); err != nil {
		return nil, s.fail(CheckCMS, classOf(err, MalformedSignature), err)
	}
	return s, nil
}

// readCMS finds the signer's certificate and reads what comes with it.
func (s *message) readCMS() error {
	if s.cms.ContentType != cms.OIDData || s.cms.Version != s.cms.Signer.Version {
		return errors.New("CMS does not sign data, or has another version than its signer")
	}
	if s.cms.Content != nil {
		return errors.New("CMS carries its own content, want a detached signature")
	}
	signer := &s.cms.Signer
	s.value = signer.Signature
	if err := s.readCertificates(); err != nil {
		return err
	}
	if at, ok := signer.SigningTime(); ok {
		s.signingTime = at.UTC()
	}
	return nil
}

// readCertificates picks the certificate that the signer identifier names,
// wherever it stands in the list.
func (s *message) readCertificates() error {
	var unreadable error
	for _, der := range s.cms.Certificates {
		cert, err := parseCertificate(der)
		switch {
		case err != nil:
			unreadable = err
		case !s.cms.Signer.Identifies(cert):
			s.extra = append(s.extra, cert)
		case s.leaf != nil:
			return errors.New("two certificates fit the signer identifier")
		default:
			s.leaf = cert
		}
	}
	if s.leaf == nil && unreadable != nil {
		return fmt.Errorf("reading the certificate: %w", unreadable)
	}
	if s.leaf == nil {
		return errors.New("the signer's certificate is not in the signature")
	}
	s.certificate, s.identityErr = readCertificate(s.leaf)
	return nil
}

// checkPayload checks that the signature is over payload and made by the key
// of its certificate.
func (s *message) checkPayload(payload []byte) *VerifyError {
	signer := &s.cms.Signer
	var err error
	if s.signed, err = signer.SignedBytes(); err != nil {
		return s.fail(CheckCMS, MalformedSignature, err)
	}
	s.pass(CheckCMS)
	if err := signer.CheckContent(cms.OIDData, payload); err != nil {
		return s.fail(CheckDigest, cmsClass(err), fmt.Errorf("checking the payload: %w", err))
	}
	s.pass(CheckDigest)
	if err := signer.CheckSignature(s.leaf.PublicKey, s.signed); err != nil {
		return s.fail(CheckSignature, cmsClass(err), fmt.Errorf("checking the signature: %w", err))
	}
	s.pass(CheckSignature)
	return nil
}

// readProof reads the log entry and the time-stamp token among the unsigned
// attributes. Absent is not an error here; present and unreadable is.
func (s *message) readProof() *VerifyError {
	signer := &s.cms.Signer
	for _, attr := range signer.UnsignedAttributes {
		if attr.Type.LegacyLogEntry() {
			return s.fail(CheckLogEntry, UnsupportedSignature,
				fmt.Errorf("log entry in the pre-release layout of January 2023 (attribute %v)", attr.Type))
		}
	}
	value, err := signer.UnsignedAttribute(cms.OIDLogEntry)
	if err == nil && value != nil {
		var entry *tlog.Entry
		entry, err = parseEntry(value)
		s.entries = append(s.entries, entry)
	}
	if err != nil {
		s.entries = nil
		return s.fail(CheckLogEntry, MalformedSignature, fmt.Errorf("reading the log entry: %w", err))
	}
	for _, attr := range signer.UnsignedAttributes {
		if attr.Type != cms.OIDTimeStampToken {
			continue
		}
		if err := s.readStamps(attr.Values); err != nil {
			return s.fail(CheckTimestamp, MalformedSignature, fmt.Errorf("reading the time-stamp: %w", err))
		}
	}
	return nil
}

// readStamps reads time-stamp tokens, beside those that were read already. To
// repeat one is to make one look like two.
func (s *signature) readStamps(values [][]byte) error {
	if n := len(s.stamps) + len(values); n > maxStamps {
		return fmt.Errorf("%d of them, more than the limit of %d", n, maxStamps)
	}
	for _, der := range values {
		if slices.ContainsFunc(s.stamps, func(other []byte) bool { return bytes.Equal(other, der) }) {
			return errors.New("it occurs twice")
		}
		token, err := cms.ParseToken(der)
		if err != nil {
			return err
		}
		s.stamps, s.tokens = append(s.stamps, der), append(s.tokens, token)
	}
	return nil
}

// parseEntry reads a TransparencyLogEntry from the OCTET STRING it is
// wrapped in.
func parseEntry(value []byte) (*tlog.Entry, error) {
	message, err := cms.OctetString(value)
	if err != nil {
		return nil, err
	}
	return tlog.ParseEntry(message)
}

// body rebuilds the entry that the log must have recorded for this signature.
// An entry that carries its body must carry this one.
func (s *message) body(log *trust.Log, e *tlog.Entry) ([]byte, int, error) {
	generation := generationOf(log, e)
	if !labelled(e, generation) {
		return nil, 0, classed(UnsupportedSignature, "log entry of kind %q %q", e.Kind, e.KindVersion)
	}
	if s.cms.Signer.DigestAlgorithm.Algorithm != cms.OIDSHA256 {
		return nil, 0, classed(UnsupportedSignature, "log entries are over SHA-256, this signature is not")
	}
	body, err := rebuild(sha256.Sum256(s.signed), s.value, s.leaf, generation)
	if err != nil {
		return nil, 0, err
	}
	if own := e.CanonicalizedBody; own != nil && !bytes.Equal(own, body) {
		return nil, 0, errors.New("the log entry embedded is for another signature")
	}
	return body, generation, nil
}

// rebuild returns the body that a log of that generation writes of a signature
// by leaf's key over a digest.
func rebuild(digest [32]byte, signature []byte, leaf *x509.Certificate, generation int) ([]byte, error) {
	if generation == 1 {
		return tlog.HashedRekordV1(digest, signature, leaf.Raw), nil
	}
	if keyBits(leaf) != 256 {
		return nil, classed(UnsupportedSignature, "Rekor v2 entry for a key that is not P-256")
	}
	return tlog.HashedRekordV2(digest, signature, leaf.Raw), nil
}

// labelled reports whether the entry is called a hashedrekord of its log's
// generation. gitsign calls those of Rekor v2 by the number of Rekor v1's. The
// label decides nothing; it may not say anything else, though.
func labelled(entry *tlog.Entry, generation int) bool {
	return entry.Kind == "hashedrekord" &&
		(entry.KindVersion == "0.0.1" || generation == 2 && entry.KindVersion == "0.0.2")
}

// cmsClass maps an error of package cms to the class it means.
func cmsClass(err error) Class {
	switch {
	case errors.Is(err, cms.ErrMismatch):
		return BadSignature
	case errors.Is(err, cms.ErrWeakAlgorithm):
		return WeakAlgorithm
	case errors.Is(err, cms.ErrUnsupportedAlgorithm):
		return UnsupportedSignature
	}
	return MalformedSignature
}

// fingerprint returns the SHA-256 of a certificate.
func fingerprint(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }
