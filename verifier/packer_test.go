package verifier_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

var artifact = []byte("an artifact\n")

// A packer packs bundles as told, right or wrong: an office whose log is one
// of Rekor v1 or of Rekor v2, as the entries are.
type packer struct {
	*office
	leaf  *x509.Certificate
	chain []*x509.Certificate
	key   crypto.Signer // that signs; the leaf's, or a managed one
}

const logURL, logOrigin = "https://rekor.test:8080/log", "rekor.test"

func newPacker(t *testing.T) *packer {
	t.Helper()
	p := &packer{office: newOffice(t)}
	p.tsa = newStampOffice()
	p.leaf, _, p.chain = p.certificates(t)
	p.key = p.leafKey
	p.tsa.stamp(t, nil, p.chain[0].NotBefore) // whose certificates the root lists
	return p
}

// manage makes the packer sign with a managed key.
func (p *packer) manage(key crypto.Signer) { p.key, p.leaf = key, nil }

// root returns the trusted root, changed by change if that is not nil.
func (p *packer) root(t *testing.T, change func(*trust.TrustedRoot)) *verifier.TrustedRoot {
	t.Helper()
	root := *p.office.root(t, p.chain...)
	root.TLogs[0].BaseURL = logURL
	if change != nil {
		change(&root)
	}
	return newRoot(t, &root)
}

// at is when everything happens.
func (p *packer) at() time.Time { return p.chain[0].NotBefore }

// sign signs a message with the hash function, or, if that is 0, as it is.
func (p *packer) sign(t *testing.T, hash crypto.Hash, message []byte) []byte {
	t.Helper()
	var opts crypto.SignerOpts = hash
	if hash != 0 {
		h := hash.New()
		h.Write(message)
		message = h.Sum(nil)
		if _, ok := p.key.(ed25519.PrivateKey); ok {
			opts = &ed25519.Options{Hash: hash}
		}
	}
	signature, err := p.key.Sign(rand.Reader, message, opts)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// verifierPEM returns the certificate or the key, as Rekor v1 records it.
func (p *packer) verifierPEM(t *testing.T) []byte {
	t.Helper()
	if p.leaf != nil {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.leaf.Raw})
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: p.spki(t)})
}

func (p *packer) spki(t *testing.T) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return spki
}

type m = map[string]any

// hash1 and hash2 are digests as the two generations write them.
func hash1(hash crypto.Hash, data []byte) m {
	names := map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}
	return m{"algorithm": names[hash], "value": hex.EncodeToString(digestOf(hash, data))}
}

func hash2(hash crypto.Hash, data []byte) m {
	names := map[crypto.Hash]string{crypto.SHA256: "SHA2_256", crypto.SHA384: "SHA2_384", crypto.SHA512: "SHA2_512"}
	return m{"algorithm": names[hash], "digest": digestOf(hash, data)}
}

func digestOf(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// body returns the body of an entry over data: the artifact's bytes or the
// envelope's pre-authentication encoding for a hashedrekord, else the payload.
func (p *packer) body(t *testing.T, kind string, hash crypto.Hash, data, signature []byte, details string) []byte {
	t.Helper()
	envelopeHash := hash1(crypto.SHA256, []byte("JSON"))
	signature2 := m{"content": signature, "verifier": m{"keyDetails": details, "publicKey": m{"rawBytes": p.spki(t)}}}
	if p.leaf != nil {
		signature2["verifier"] = m{"keyDetails": details, "x509Certificate": m{"rawBytes": p.leaf.Raw}}
	}
	var spec m
	switch kind {
	case "hashedrekord 0.0.1":
		spec = m{"data": m{"hash": hash1(hash, data)}, "signature": m{"content": signature, "publicKey": m{"content": p.verifierPEM(t)}}}
	case "hashedrekord 0.0.2":
		spec = m{"hashedRekordV002": m{"data": hash2(hash, data), "signature": signature2}}
	case "dsse 0.0.1":
		spec = m{"envelopeHash": envelopeHash, "payloadHash": hash1(hash, data),
			"signatures": []m{{"signature": signature, "verifier": p.verifierPEM(t)}}}
	case "dsse 0.0.2":
		spec = m{"dsseV002": m{"payloadHash": hash2(hash, data), "signatures": []m{signature2}}}
	case "intoto 0.0.1":
		spec = m{"content": m{"hash": envelopeHash, "payloadHash": hash1(hash, data)}, "publicKey": p.verifierPEM(t)}
	case "intoto 0.0.2":
		sig := []byte(base64.StdEncoding.EncodeToString(signature))
		spec = m{"content": m{"hash": envelopeHash, "payloadHash": hash1(hash, data), "envelope": m{
			"payloadType": verifier.StatementPayloadType, "signatures": []m{{"publicKey": p.verifierPEM(t), "sig": sig}},
		}}}
	}
	name, version, _ := strings.Cut(kind, " ")
	body, err := json.Marshal(m{"apiVersion": version, "kind": name, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// enter enters a body in a log of its own, and returns the entry: of Rekor v2
// if the body is, else with a promise.
func (p *packer) enter(t *testing.T, kind string, body []byte) *tlog.Entry {
	t.Helper()
	name, version, _ := strings.Cut(kind, " ")
	e := &tlog.Entry{
		LogID: tlog.LogIDv1(p.logSPKI(t)), Kind: name, KindVersion: version, CanonicalizedBody: body,
		Proof: &tlog.EntryProof{TreeSize: 1, RootHash: tlog.LeafHash(body)},
	}
	origin := logOrigin
	if version == "0.0.1" || name == "intoto" {
		e.LogIndex, e.IntegratedTime = 1000, p.at().Unix()
		p.promise(t, e)
		origin += " - 1"
	}
	p.check(t, e, origin)
	return e
}

// check makes the log sign the checkpoint of the entry's tree.
func (p *packer) check(t *testing.T, e *tlog.Entry, origin string) {
	t.Helper()
	c := tlog.Checkpoint{Origin: origin, Size: uint64(e.Proof.TreeSize), Root: e.Proof.RootHash}
	note := tlog.SignedCheckpoint{Text: c.Marshal(), Signatures: []tlog.NoteSignature{{
		Name: logOrigin, KeyID: [4]byte(e.LogID), Signature: sign(t, p.logKey, c.Marshal()),
	}}}
	e.Proof.Checkpoint = note.Marshal()
}

// stampOver returns a time-stamp over a signature.
func (p *packer) stampOver(t *testing.T, signature []byte) []byte {
	t.Helper()
	return p.tsa.again(t, signature, p.at())
}

// A packet is a bundle with what it is made of.
type packet struct {
	*verifier.Bundle
	body  []byte
	entry *tlog.Entry
}

// put puts the entry, as it is now, into the bundle.
func (b *packet) put() { b.Entries = [][]byte{b.entry.Marshal()} }

// pack signs the artifact. Of Rekor v2 the bundle has a time-stamp.
func (p *packer) pack(t *testing.T, kind string, hash crypto.Hash, details string) *packet {
	t.Helper()
	signature := p.sign(t, hash, artifact)
	b := p.wrap(t, kind, p.body(t, kind, hash, artifact, signature, details), signature)
	b.Hash, b.Digest = hash, digestOf(hash, artifact)
	return b
}

// packStatement signs a statement; hash 0 is for Ed25519.
func (p *packer) packStatement(t *testing.T, kind string, hash crypto.Hash, details, statement string) *packet {
	t.Helper()
	return p.packEnvelope(t, kind, hash, details, &verifier.Envelope{PayloadType: verifier.StatementPayloadType, Payload: []byte(statement)})
}

func (p *packer) packEnvelope(t *testing.T, kind string, hash crypto.Hash, details string, e *verifier.Envelope) *packet {
	t.Helper()
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
	signature := p.sign(t, hash, pae)
	logged := e.Payload
	if strings.HasPrefix(kind, "hashedrekord") {
		logged = pae
	}
	b := p.wrap(t, kind, p.body(t, kind, crypto.SHA256, logged, signature, details), signature)
	b.Envelope = e
	return b
}

func (p *packer) wrap(t *testing.T, kind string, body, signature []byte) *packet {
	t.Helper()
	b := &packet{Bundle: &verifier.Bundle{Signature: signature}, body: body, entry: p.enter(t, kind, body)}
	if p.leaf != nil {
		b.Certificates = [][]byte{p.leaf.Raw}
	}
	if b.entry.Promise == nil {
		b.Stamps = [][]byte{p.stampOver(t, signature)}
	}
	b.put()
	return b
}

// statementOf returns a statement about the artifact with that digest.
func statementOf(kind, digests string) string {
	return fmt.Sprintf(`{"_type":%q,"subject":[{"name":"other","digest":{"sha256":"%064d"}},{"name":"a","digest":{%s}}],`+
		`"predicateType":"https://example.com/p","predicate":{"a":[1,{"b":null}]}}`, kind, 0, digests)
}

const statementV1 = "https://in-toto.io/Statement/v1"

var goodStatement = statementOf(statementV1, fmt.Sprintf(`"sha256":"%x","gitCommit":"%040d"`, sha256.Sum256(artifact), 1))

// verify verifies the bundle, through JSON if that can be.
func (p *packer) verify(t *testing.T, b *packet, change func(*trust.TrustedRoot)) (*verifier.Result, error) {
	t.Helper()
	bundle := b.Bundle
	if text, err := bundle.Marshal(); err == nil {
		if bundle, err = verifier.ParseBundle(text); err != nil {
			t.Fatalf("parsing what Marshal wrote: %v", err)
		}
	}
	a, err := bundle.Artifact(bytes.NewReader(artifact))
	if err != nil {
		t.Fatal(err)
	}
	v := verifierOf(t, p.root(t, change))
	if p.leaf == nil {
		return v.VerifyBundleKey(bundle, a, p.key.Public())
	}
	return v.VerifyBundle(bundle, a, verifier.AnyIdentity{})
}
