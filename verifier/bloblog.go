package verifier

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// body returns the body that a log entry of a bundle carries, if it is of this
// very signature: the same signature value, certificate or key, and artifact
// or payload. Otherwise an entry of another signature, real as it may be,
// would prove this one logged (CVE-2022-36056).
//
// The generation is the body's, which the log has to have signed. The hash of
// the envelope, in dsse 0.0.1 and intoto entries, is over JSON that only the
// signer's client had: not over anything in the bundle.
func (s *blob) body(log *trust.Log, e *tlog.Entry) ([]byte, int, error) {
	if e.CanonicalizedBody == nil {
		return nil, 0, errors.New("the log entry has no body")
	}
	b, err := tlog.ParseBody(e.CanonicalizedBody)
	if err != nil {
		if unsupported := (*tlog.UnsupportedBodyError)(nil); errors.As(err, &unsupported) {
			return nil, 0, classed(UnsupportedSignature, "%w", err)
		}
		return nil, 0, err
	}
	if e.Kind != b.Kind || e.KindVersion != b.Version {
		return nil, 0, fmt.Errorf("the log entry calls itself %q %q and is %q %q", e.Kind, e.KindVersion, b.Kind, b.Version)
	}
	generation := 1
	if b.Version == "0.0.2" && b.Kind != "intoto" {
		generation = 2
	}
	if generation == 1 && sha256.Sum256(log.SPKI) != [32]byte(log.KeyID) {
		return nil, 0, fmt.Errorf("log %s is a Rekor v2 log, and the entry is one of Rekor v1", log.BaseURL)
	}
	if err := s.checkSubject(b); err != nil {
		return nil, 0, err
	}
	if err := s.checkSigner(b); err != nil {
		return nil, 0, err
	}
	return e.CanonicalizedBody, generation, nil
}

// checkSubject checks that an entry is about what is signed. dsse and intoto
// entries are about an envelope's payload; a hashedrekord is about the signed
// bytes, whatever they are.
//
// So an envelope may stand in a hashedrekord of its pre-authentication
// encoding, of either generation: Sigstore's client specification has it so,
// and Rekor v2 takes nothing else. Who signs files for others must not sign
// one that is such an encoding.
func (s *blob) checkSubject(b *tlog.Body) error {
	if !b.Hash.Available() {
		return classed(UnsupportedSignature, "%s entry of version %s without a digest", b.Kind, b.Version)
	}
	var want []byte
	switch {
	case s.signed == nil && b.Kind != "hashedrekord":
		return fmt.Errorf("the log entry is of kind %q, but an artifact is signed, not an envelope", b.Kind)
	case s.signed == nil && b.Hash != s.hash:
		return fmt.Errorf("the log entry is over %v, the signature over %v", b.Hash, s.hash)
	case s.signed == nil:
		want = s.digest
	case b.Kind == "hashedrekord":
		want = sum(b.Hash, s.signed)
	default:
		want = sum(b.Hash, s.bundle.Envelope.Payload)
	}
	if !bytes.Equal(b.Digest, want) {
		return errors.New("the log entry is of something else that was signed")
	}
	return nil
}

// checkSigner checks that an entry is of this signature, by this certificate
// or key.
func (s *blob) checkSigner(b *tlog.Body) error {
	if len(b.Signatures) != 1 {
		return classed(UnsupportedSignature, "log entry of %d signatures", len(b.Signatures))
	}
	signer := b.Signatures[0]
	if signer.Signature == nil {
		return classed(UnsupportedSignature, "%s entry of version %s, which records no signature", b.Kind, b.Version)
	}
	if !bytes.Equal(signer.Signature, s.value) {
		return errors.New("the log entry is of another signature")
	}
	if s.leaf != nil && !bytes.Equal(signer.Certificate, s.leaf.Raw) {
		return errors.New("the log entry is of a signature with another certificate")
	}
	if s.leaf == nil && !bytes.Equal(signer.PublicKey, s.spki) {
		return errors.New("the log entry is of a signature by another key")
	}
	if signer.KeyDetails == "" {
		return nil
	}
	return s.checkDetails(b, signer.KeyDetails)
}

// checkDetails checks that an entry of Rekor v2 says of the signature how it
// was made.
func (s *blob) checkDetails(b *tlog.Body, details string) error {
	if _, ok := s.key.(ed25519.PublicKey); ok && b.Kind == "dsse" {
		if details != "PKIX_ED25519" {
			return fmt.Errorf("the log entry says the signature to be %s", details)
		}
		return nil
	}
	list, err := algorithms(s.key)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.name == details && (b.Kind == "dsse" || a.hash == b.Hash) {
			return nil
		}
	}
	return fmt.Errorf("the log entry says the signature to be %s", details)
}
