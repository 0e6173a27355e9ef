package signer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"gitseal/internal/tlog"
)

// A BlobSignature is a signature with all that a Sigstore bundle has beside
// it. Nothing in it was verified.
type BlobSignature struct {
	Signature   []byte   // ECDSA, DER
	Certificate []byte   // DER
	Entries     [][]byte // of each log, a protocol buffers TransparencyLogEntry with canonicalized body
	Tokens      [][]byte // of each time-stamp authority, DER
	Envelope    []byte   // with SignDSSE, the DSSE envelope in JSON; else nil
}

// SignDigest signs a SHA-256 digest and has the signature recorded, as a
// hashedrekord, and time-stamped. Every error is a *StepError.
func (s *Signer) SignDigest(ctx context.Context, cred *Credential, digest [32]byte) (*BlobSignature, error) {
	signature, err := s.signDigest(cred, digest)
	if err != nil {
		return nil, err
	}
	return s.proveBlob(ctx, cred, digest, signature, func(ctx context.Context, log Log) ([]byte, error) {
		return log.Add(ctx, digest, signature, cred.leaf.Raw)
	})
}

// SignDSSE signs a payload in a DSSE envelope (https://github.com/secure-systems-lab/dsse)
// and has the signature recorded, by a DSSELog as the envelope, and
// time-stamped. Every error is a *StepError.
func (s *Signer) SignDSSE(ctx context.Context, cred *Credential, payloadType string, payload []byte) (*BlobSignature, error) {
	digest := sha256.Sum256(preAuthEncoding(payloadType, payload))
	signature, err := s.signDigest(cred, digest)
	if err != nil {
		return nil, err
	}
	type dsseSignature struct {
		Sig []byte `json:"sig"`
	}
	envelope, err := json.Marshal(struct {
		PayloadType string          `json:"payloadType"`
		Payload     []byte          `json:"payload"`
		Signatures  []dsseSignature `json:"signatures"`
	}{payloadType, append([]byte{}, payload...), []dsseSignature{{signature}}}) // nil would be null
	if err != nil {
		return nil, &StepError{stepSign, err}
	}
	blob, err := s.proveBlob(ctx, cred, digest, signature, func(ctx context.Context, log Log) ([]byte, error) {
		if dsse, ok := log.(DSSELog); ok {
			return dsse.AddDSSE(ctx, envelope, cred.leaf.Raw)
		}
		return log.Add(ctx, digest, signature, cred.leaf.Raw)
	})
	if err != nil {
		return nil, err
	}
	blob.Envelope = envelope
	return blob, nil
}

// preAuthEncoding returns what DSSE signs: "DSSEv1", and type and payload, each
// after its length.
func preAuthEncoding(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

func (s *Signer) signDigest(cred *Credential, digest [32]byte) ([]byte, error) {
	s.cfg.Progress(stepSign)
	if err := cred.check(s.cfg.Now()); err != nil {
		return nil, &StepError{stepSign, err}
	}
	signature, err := cred.sign(s.cfg.Rand, digest)
	if err != nil {
		return nil, &StepError{stepSign, err}
	}
	return signature, nil
}

// proveBlob returns signature with its proof. Bundles have the bodies of the
// entries, which a log may leave out.
func (s *Signer) proveBlob(ctx context.Context, cred *Credential, digest [32]byte, signature []byte, add func(context.Context, Log) ([]byte, error)) (*BlobSignature, error) {
	p, err := s.prove(ctx, signature, add)
	if err != nil {
		return nil, err
	}
	blob := &BlobSignature{Signature: signature, Certificate: cred.Certificate(), Tokens: p.tokens}
	for _, entry := range p.entries {
		switch kind := entry.Kind + " " + entry.KindVersion; {
		case len(entry.CanonicalizedBody) > 0:
		case kind == "hashedrekord 0.0.1":
			entry.CanonicalizedBody = tlog.HashedRekordV1(digest, signature, cred.leaf.Raw)
		case kind == "hashedrekord 0.0.2":
			entry.CanonicalizedBody = tlog.HashedRekordV2(digest, signature, cred.leaf.Raw)
		default:
			return nil, &StepError{stepEntry, fmt.Errorf("entry of kind %q without its body", kind)}
		}
		blob.Entries = append(blob.Entries, entry.Marshal())
	}
	return blob, nil
}
