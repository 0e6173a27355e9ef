package fakeca

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// An Entry is an entry of the transparency log, with the proof that it is there.
type Entry struct {
	Index   int64 // in the log: of Rekor v1 after the entries of its earlier shards
	LogID   [32]byte
	Kind    string // "hashedrekord" or "dsse"
	Version string // of the kind
	Body    []byte // canonical JSON, which is what the leaf hash is over

	ID             string // Rekor v1: tree id and leaf hash in hexadecimal; else ""
	IntegratedTime int64  // Rekor v1: seconds since 1970; else 0
	Promise        []byte // Rekor v1: signed entry timestamp; else nil

	TreeIndex  int64 // in the tree that the proof is for
	TreeSize   int64
	Root       [32]byte
	Hashes     [][]byte
	Checkpoint []byte // signed note of that tree
}

// Enter enters a signature as Add does, and returns the entry whole. Unlike Add
// it enters nothing twice: the error for an entry that is in the log already is
// a *DuplicateError. Two processes at once may still both enter it.
func (a *Authority) Enter(ctx context.Context, digest [32]byte, signature, certificate []byte) (*Entry, error) {
	if err := checkSignature(digest, signature, certificate); err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	e, err := a.enterOnce(ctx, "hashedrekord", a.entryBody(digest, signature, certificate))
	if err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	return e.export(a), nil
}

// EnterDSSE enters the signature of a DSSE envelope, in JSON, by the P-256 key
// in the certificate, and is otherwise as Enter. Rekor v1 records a dsse entry.
// Rekor v2 knows no such kind: as Sigstore's clients do with it, the signature
// is recorded as a hashedrekord over the envelope's pre-authentication encoding.
func (a *Authority) EnterDSSE(ctx context.Context, envelope, certificate []byte) (*Entry, error) {
	kind, body, err := a.envelopeBody(envelope, certificate)
	if err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	e, err := a.enterOnce(ctx, kind, body)
	if err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	return e.export(a), nil
}

// AddDSSE is EnterDSSE for those who want the entry as protobuf message
// dev.sigstore.rekor.v1.TransparencyLogEntry, here with canonicalized_body, and
// who do not sign the same twice.
func (a *Authority) AddDSSE(ctx context.Context, envelope, certificate []byte) (entry []byte, err error) {
	kind, body, err := a.envelopeBody(envelope, certificate)
	if err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	e, err := a.record(ctx, kind, body)
	if err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	return appendBytes(e.marshal(), 7, body), nil
}

// checkSignature checks that the signature is over the digest by the P-256 key
// in the certificate. Like Rekor it does not care who issued that.
func checkSignature(digest [32]byte, signature, certificate []byte) error {
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return &RequestError{"certificate", err}
	}
	key, err := parseP256(cert.RawSubjectPublicKeyInfo)
	if err != nil {
		return &RequestError{"certificate", fmt.Errorf("reading key of certificate: %w", err)}
	}
	if !ecdsa.VerifyASN1(key, digest[:], signature) {
		return &RequestError{"signature", errors.New("the signature is not over the digest by the certificate's key")}
	}
	return nil
}

// maxEnvelope bounds a DSSE envelope, in bytes. It is not kept.
const maxEnvelope = 1 << 20

// An envelope is a DSSE envelope with one signature (the DSSE protocol, envelope.md).
type envelope struct {
	PayloadType string `json:"payloadType"`
	Payload     []byte `json:"payload"`
	Signatures  []struct {
		KeyID string `json:"keyid"`
		Sig   []byte `json:"sig"`
	} `json:"signatures"`
}

// envelopeBody checks a DSSE envelope and returns the kind and body of the entry
// for it.
func (a *Authority) envelopeBody(text, certificate []byte) (kind string, body []byte, err error) {
	if len(text) > maxEnvelope {
		return "", nil, &RequestError{"envelope", fmt.Errorf("%d bytes, where %d are allowed", len(text), maxEnvelope)}
	}
	var e envelope
	if err := decodeJSON(text, &e); err != nil {
		return "", nil, &RequestError{"envelope", err}
	}
	if len(e.Signatures) != 1 {
		return "", nil, &RequestError{"envelope", fmt.Errorf("%d signatures, where one is expected", len(e.Signatures))}
	}
	// The pre-authentication encoding (the DSSE protocol, protocol.md).
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
	digest, signature := sha256.Sum256(pae), e.Signatures[0].Sig
	if err := checkSignature(digest, signature, certificate); err != nil {
		return "", nil, err
	}
	if a.generation == RekorV2 {
		return "hashedrekord", a.entryBody(digest, signature, certificate), nil
	}
	return "dsse", dsseBody(text, e.Payload, signature, certificate), nil
}

// dsseBody returns the canonical JSON of a dsse 0.0.1 entry.
func dsseBody(envelope, payload, signature, certificate []byte) []byte {
	b64 := base64.StdEncoding.EncodeToString
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	return []byte(`{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":"` +
		hex.EncodeToString(sum(envelope)) + `"},"payloadHash":{"algorithm":"sha256","value":"` + hex.EncodeToString(sum(payload)) +
		`"},"signatures":[{"signature":"` + b64(signature) + `","verifier":"` + b64(text) + `"}]}}`)
}

// record appends an entry with a body.
func (a *Authority) record(ctx context.Context, kind string, body []byte) (*logEntry, error) {
	if a.mistake != nil && a.mistake.entry != nil {
		a.unspoiled().fill()
	}
	l, err := a.log.append(ctx, func(int64) []byte { return body })
	if err != nil {
		return nil, err
	}
	return a.newEntry(kind, l)
}

// newEntry makes an entry of what is in the log.
func (a *Authority) newEntry(kind string, l *logged) (*logEntry, error) {
	e := &logEntry{
		index:   l.index,
		logID:   a.log.key.id[:],
		kind:    kind,
		version: "0.0.2",
		body:    l.entry,
		proof: &inclusionProof{
			index:      l.index,
			root:       l.root[:],
			size:       l.size,
			checkpoint: string(l.checkpoint),
		},
	}
	for _, h := range l.proof {
		e.proof.hashes = append(e.proof.hashes, h[:])
	}
	if a.generation == RekorV1 {
		e.version = "0.0.1"
		e.index += rekorV1Offset
		e.integratedTime = l.time
		var err error
		if e.promise, err = a.log.key.sign(e.promised(l.entry)); err != nil {
			return nil, err
		}
	}
	return a.spoilEntry(e), nil
}

// export returns the entry as others see it.
func (e *logEntry) export(a *Authority) *Entry {
	out := &Entry{
		Index: e.index, LogID: [32]byte(e.logID), Kind: e.kind, Version: e.version, Body: e.body,
		IntegratedTime: e.integratedTime, Promise: e.promise,
		TreeIndex: e.proof.index, TreeSize: e.proof.size, Root: [32]byte(e.proof.root),
		Hashes: e.proof.hashes, Checkpoint: []byte(e.proof.checkpoint),
	}
	if a.generation == RekorV1 {
		out.ID = a.entryID(tlog.RecordHash(e.body))
	}
	return out
}

// entryID returns the name of an entry in a Rekor v1 log.
func (a *Authority) entryID(leaf tlog.Hash) string { return fmt.Sprintf("%016x%x", a.treeID, leaf[:]) }

// bodyKind returns the kind that an entry's body names.
func bodyKind(body []byte) (string, error) {
	var b struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return "", err
	}
	return b.Kind, nil
}
