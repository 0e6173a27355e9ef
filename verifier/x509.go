package verifier

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
)

// A signature is a parsed X.509 signature on its way through the checks.
type signature struct {
	cms         *cms.SignedData
	signed      []byte // the signed attributes as they were signed
	leaf        *x509.Certificate
	extra       []*x509.Certificate // other certificates it carries, untrusted
	certificate Certificate
	identityErr error // why certificate.Identity is not to be had
	signingTime time.Time
	entry       *tlog.Entry // nil: none embedded
	token       *cms.Token  // nil: none embedded
	passed      []Check
	notes       []string
}

// Kind is the first line of armor of the signatures this package verifies.
const Kind = "-----BEGIN SIGNED MESSAGE-----"

// open parses a signature as git stores it. It verifies nothing but form.
func open(armored []byte) (*signature, *VerifyError) {
	s := new(signature)
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
func (s *signature) readCMS() error {
	if s.cms.ContentType != cms.OIDData || s.cms.Version != s.cms.Signer.Version {
		return errors.New("CMS does not sign data, or has another version than its signer")
	}
	if s.cms.Content != nil {
		return errors.New("CMS carries its own content, want a detached signature")
	}
	signer := &s.cms.Signer
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
func (s *signature) readCertificates() error {
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
func (s *signature) checkPayload(payload []byte) *VerifyError {
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
func (s *signature) readProof() *VerifyError {
	signer := &s.cms.Signer
	for _, attr := range signer.UnsignedAttributes {
		if attr.Type.LegacyLogEntry() {
			return s.fail(CheckLogEntry, UnsupportedSignature,
				fmt.Errorf("log entry in the pre-release layout of January 2023 (attribute %v)", attr.Type))
		}
	}
	value, err := signer.UnsignedAttribute(cms.OIDLogEntry)
	if err == nil && value != nil {
		s.entry, err = parseEntry(value)
	}
	if err != nil {
		return s.fail(CheckLogEntry, MalformedSignature, fmt.Errorf("reading the log entry: %w", err))
	}
	value, err = signer.UnsignedAttribute(cms.OIDTimeStampToken)
	if err == nil && value != nil {
		s.token, err = cms.ParseToken(value)
	}
	if err != nil {
		return s.fail(CheckTimestamp, MalformedSignature, fmt.Errorf("reading the time-stamp: %w", err))
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

func (s *signature) pass(c Check) { s.passed = append(s.passed, c) }

// fail returns the error for a check that failed, with all that the
// signature claims.
func (s *signature) fail(check Check, class Class, err error) *VerifyError {
	return &VerifyError{Check: check, Class: class, Err: err, Passed: slices.Clone(s.passed), Unverified: s.claims()}
}

// claims collects what can be read of the signature, for the error.
func (s *signature) claims() Unverified {
	u := Unverified{SigningTime: s.signingTime, Notes: slices.Clone(s.notes)}
	if s.leaf != nil {
		c := s.certificate
		u.Certificate = &c
	}
	if e := s.entry; e != nil {
		u.Log = &LogEntry{LogID: [32]byte(e.LogID), Index: e.LogIndex, IndexKnown: true}
		if e.IntegratedTime > 0 {
			u.LogTime = time.Unix(e.IntegratedTime, 0).UTC()
		}
		if p := e.Proof; p != nil {
			u.Log.TreeIndex, u.Log.TreeSize, u.Log.RootHash = uint64(p.LogIndex), uint64(p.TreeSize), p.RootHash
		}
	}
	if s.token != nil {
		u.StampTime = s.token.Info.GenTime
	}
	return u
}

// fingerprint returns the SHA-256 of a certificate.
func fingerprint(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }
