package fakeca

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// rekorV1TreeID is the tree id of a Rekor v1 log.
const rekorV1TreeID = 4610020565004865065

// rekorV1Offset is how many entries a Rekor v1 log has in earlier shards: its
// entries' global index and their index in the tree differ by it, as they do in
// every entry of the public log.
const rekorV1Offset = 1 << 20

// Add enters a signature in the transparency log: ECDSA over the SHA-256
// digest, by the P-256 key in the certificate (DER). Once the entry is durable
// Add returns it with its inclusion proof, as protobuf message
// dev.sigstore.rekor.v1.TransparencyLogEntry without canonicalized_body. Like
// Rekor it checks the signature, and does not care who issued the certificate.
func (a *Authority) Add(ctx context.Context, digest [32]byte, signature, certificate []byte) (entry []byte, err error) {
	if err := checkSignature(digest, signature, certificate); err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	e, err := a.enter(ctx, digest, signature, certificate)
	if err != nil {
		return nil, fmt.Errorf("adding entry: %w", err)
	}
	return e.marshal(), nil
}

// enter appends a hashedrekord entry.
func (a *Authority) enter(ctx context.Context, digest [32]byte, signature, certificate []byte) (*logEntry, error) {
	return a.record(ctx, "hashedrekord", a.entryBody(digest, signature, certificate))
}

// entryBody returns the canonical JSON of a hashedrekord entry.
func (a *Authority) entryBody(digest [32]byte, signature, certificate []byte) []byte {
	b64 := base64.StdEncoding.EncodeToString
	if a.generation == RekorV1 {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
		return []byte(`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"` +
			hex.EncodeToString(digest[:]) + `"}},"signature":{"content":"` + b64(signature) +
			`","publicKey":{"content":"` + b64(text) + `"}}}}`)
	}
	return []byte(`{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"` +
		b64(digest[:]) + `"},"signature":{"content":"` + b64(signature) +
		`","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"` + b64(certificate) + `"}}}}}}`)
}

// A logEntry is a dev.sigstore.rekor.v1.TransparencyLogEntry (sigstore
// protobuf-specs, sigstore_rekor.proto). Fixtures change it.
type logEntry struct {
	index          int64
	logID          []byte
	kind, version  string
	body           []byte // not marshalled
	integratedTime int64  // 0: none
	promise        []byte // signed entry timestamp; nil: none
	proof          *inclusionProof
}

type inclusionProof struct {
	index, size int64
	root        []byte
	hashes      [][]byte
	checkpoint  string
}

// promised returns what the signed entry timestamp of a Rekor v1 entry signs.
func (e *logEntry) promised(body []byte) []byte {
	return fmt.Appendf(nil, `{"body":"%s","integratedTime":%d,"logID":"%x","logIndex":%d}`,
		base64.StdEncoding.EncodeToString(body), e.integratedTime, e.logID, e.index)
}

// marshal returns the entry's protobuf encoding.
func (e *logEntry) marshal() []byte {
	b := appendInt(nil, 1, e.index)
	b = appendBytes(b, 2, appendBytes(nil, 1, e.logID))
	b = appendBytes(b, 3, appendBytes(appendBytes(nil, 1, []byte(e.kind)), 2, []byte(e.version)))
	b = appendInt(b, 4, e.integratedTime)
	if e.promise != nil {
		var set []byte
		if len(e.promise) > 0 {
			set = appendBytes(nil, 1, e.promise)
		}
		b = appendBytes(b, 5, set)
	}
	if e.proof != nil {
		b = appendBytes(b, 6, e.proof.marshal())
	}
	return b
}

func (p *inclusionProof) marshal() []byte {
	b := appendInt(nil, 1, p.index)
	b = appendBytes(b, 2, p.root)
	b = appendInt(b, 3, p.size)
	for _, h := range p.hashes {
		b = appendBytes(b, 4, h)
	}
	return appendBytes(b, 5, appendBytes(nil, 1, []byte(p.checkpoint)))
}

// appendInt appends an int64 field; as proto3 has it, not if it is zero.
func appendInt(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

// appendBytes appends a bytes, string or message field.
func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// sum is SHA-256 as a slice.
func sum(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}
