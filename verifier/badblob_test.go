package verifier_test

import (
	"crypto"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"gitseal/internal/tlog"
	"gitseal/verifier"
)

// badBundle is a bundle with one thing wrong.
type badBundle struct {
	name  string
	make  func(*testing.T, *packer) *packet
	class verifier.Class
	check verifier.Check
	words string // of the error
}

// message and statement return makers of good bundles that spoil is then let
// loose on.
func message(spoil func(*testing.T, *packer, *packet)) func(*testing.T, *packer) *packet {
	return func(t *testing.T, p *packer) *packet {
		b := p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
		spoil(t, p, b)
		return b
	}
}

func message2(spoil func(*testing.T, *packer, *packet)) func(*testing.T, *packer) *packet {
	return func(t *testing.T, p *packer) *packet {
		b := p.pack(t, "hashedrekord 0.0.2", crypto.SHA256, "PKIX_ECDSA_P256_SHA_256")
		spoil(t, p, b)
		return b
	}
}

func statement(kind string, spoil func(*testing.T, *packer, *packet)) func(*testing.T, *packer) *packet {
	return func(t *testing.T, p *packer) *packet {
		b := p.packStatement(t, kind, crypto.SHA256, "PKIX_ECDSA_P256_SHA_256", goodStatement)
		spoil(t, p, b)
		return b
	}
}

// otherStatement is about the artifact too.
var otherStatement = strings.Replace(goodStatement, "https://example.com/p", "https://example.com/q", 1)

var badBundles = []badBundle{
	// The signature.
	{"signature flipped", message(func(t *testing.T, p *packer, b *packet) { b.Signature[20] ^= 1 }),
		verifier.BadSignature, verifier.CheckSignature, "does not verify"},
	{"message digest of another artifact", message(func(t *testing.T, p *packer, b *packet) { b.Digest[0] ^= 1 }),
		verifier.BadSignature, verifier.CheckDigest, "message digest does not match"},
	{"digest by another hash function", message(func(t *testing.T, p *packer, b *packet) {
		b.Hash, b.Digest = crypto.SHA384, digestOf(crypto.SHA384, artifact)
	}), verifier.UnsupportedSignature, verifier.CheckSignature, "SHA-384"},
	{"no signature", message(func(t *testing.T, p *packer, b *packet) { b.Signature = nil }),
		verifier.MalformedSignature, verifier.CheckBundle, "no signature"},
	{"certificate unreadable", message(func(t *testing.T, p *packer, b *packet) { b.Certificates[0] = []byte("certificate") }),
		verifier.MalformedSignature, verifier.CheckBundle, "reading certificate 0"},
	{"signed with a managed key", message(func(t *testing.T, p *packer, b *packet) { b.Certificates = nil }),
		verifier.UntrustedCertificate, verifier.CheckBundle, "managed key"},
	{"signature of another artifact", func(t *testing.T, p *packer) *packet {
		b := p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
		b.Signature = p.sign(t, crypto.SHA256, []byte("another"))
		return b
	}, verifier.BadSignature, verifier.CheckSignature, "does not verify"},

	// What the log recorded.
	{"entry of another signature (CVE-2022-36056)", message(func(t *testing.T, p *packer, b *packet) {
		b.entry = p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "").entry
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "of another signature"},
	{"entry of another artifact", message(func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, "hashedrekord 0.0.1", p.body(t, "hashedrekord 0.0.1", crypto.SHA256, []byte("another"), b.Signature, ""))
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "something else"},
	{"entry with another certificate", message(func(t *testing.T, p *packer, b *packet) {
		leaf := p.leaf
		p.leaf, _, _ = p.certificates(t)
		b.entry = p.enter(t, "hashedrekord 0.0.1", p.body(t, "hashedrekord 0.0.1", crypto.SHA256, artifact, b.Signature, ""))
		p.leaf = leaf
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "another certificate"},
	{"entry with the key alone", message(func(t *testing.T, p *packer, b *packet) {
		leaf := p.leaf
		p.leaf = nil
		b.entry = p.enter(t, "hashedrekord 0.0.1", p.body(t, "hashedrekord 0.0.1", crypto.SHA256, artifact, b.Signature, ""))
		p.leaf = leaf
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "another certificate"},
	{"entry of an envelope", message(func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, "dsse 0.0.1", p.body(t, "dsse 0.0.1", crypto.SHA256, artifact, b.Signature, ""))
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, `of kind "dsse"`},
	{"entry over another hash function", message(func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, "hashedrekord 0.0.1", p.body(t, "hashedrekord 0.0.1", crypto.SHA512, artifact, b.Signature, ""))
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "over SHA-512"},
	{"entry of another algorithm", message2(func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, "hashedrekord 0.0.2", p.body(t, "hashedrekord 0.0.2", crypto.SHA256, artifact, b.Signature, "PKIX_ECDSA_P384_SHA_256"))
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "PKIX_ECDSA_P384_SHA_256"},
	{"entry of an unknown kind", message(func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, "rekord 0.0.1", []byte(`{"apiVersion":"0.0.1","kind":"rekord","spec":{}}`))
		b.put()
	}), verifier.UnsupportedSignature, verifier.CheckLogEntry, `"rekord"`},
	{"entry with another label", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.KindVersion = "0.0.2"
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "calls itself"},
	{"entry without a body", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.CanonicalizedBody = nil
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "no body"},
	{"body not canonical", message(func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, "hashedrekord 0.0.1", append([]byte(" "), b.body...))
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "parsing body"},
	{"no entry", message(func(t *testing.T, p *packer, b *packet) { b.Entries = nil }),
		verifier.NotLogged, verifier.CheckLogEntry, "no transparency-log proof"},
	{"entry twice", message(func(t *testing.T, p *packer, b *packet) { b.Entries = append(b.Entries, b.Entries[0]) }),
		verifier.MalformedSignature, verifier.CheckBundle, "occurs twice"},
	{"second entry bad", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.LogIndex++
		b.Entries = append(b.Entries, b.entry.Marshal())
	}), verifier.BadLogProof, verifier.CheckPromise, "signed entry timestamp"},
	{"nine entries", message(func(t *testing.T, p *packer, b *packet) {
		for range 8 {
			b.entry.LogIndex++
			b.Entries = append(b.Entries, b.entry.Marshal())
		}
	}), verifier.MalformedSignature, verifier.CheckBundle, "too many"},

	// The log's proof.
	{"promise flipped", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.Promise.SET[20] ^= 1
		b.put()
	}), verifier.BadLogProof, verifier.CheckPromise, "signature is wrong"},
	{"inclusion proof too long", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.Proof.Hashes = append(b.entry.Proof.Hashes, tlog.Hash{})
		b.put()
	}), verifier.BadLogProof, verifier.CheckInclusion, "too long"},
	{"checkpoint of another root", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.Proof.RootHash[0] ^= 1
		b.put()
	}), verifier.BadLogProof, verifier.CheckInclusion, "different root hashes"},
	{"checkpoint of another tree", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.Proof.RootHash[0] ^= 1
		p.check(t, b.entry, logOrigin+" - 1")
		b.put()
	}), verifier.BadLogProof, verifier.CheckInclusion, "leads to root"},
	{"checkpoint by another key", message(func(t *testing.T, p *packer, b *packet) {
		key := p.logKey
		p.logKey = newKey(t)
		p.check(t, b.entry, logOrigin+" - 1")
		p.logKey = key
		b.put()
	}), verifier.BadLogProof, verifier.CheckCheckpoint, "signature is wrong"},
	{"checkpoint of another origin", message2(func(t *testing.T, p *packer, b *packet) {
		p.check(t, b.entry, logOrigin+" - 2")
		b.put()
	}), verifier.BadLogProof, verifier.CheckCheckpoint, "rekor.test - 2"},
	{"neither proof nor promise", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.Proof, b.entry.Promise = nil, nil
		b.put()
	}), verifier.NotLogged, verifier.CheckLogEntry, "no transparency-log proof"},
	{"Rekor v2 with a promise", message2(func(t *testing.T, p *packer, b *packet) {
		p.promise(t, b.entry)
		b.put()
	}), verifier.BadLogProof, verifier.CheckPromise, "no signed entry timestamp"},

	// The time.
	{"Rekor v2 without a time-stamp", message2(func(t *testing.T, p *packer, b *packet) { b.Stamps = nil }),
		verifier.BadTime, verifier.CheckTime, "nothing proves a time"},
	{"time-stamp over another signature", message2(func(t *testing.T, p *packer, b *packet) {
		b.Stamps[0] = p.stampOver(t, artifact)
	}), verifier.BadTime, verifier.CheckTimestamp, "another signature"},
	{"second time-stamp when its own certificate had expired", message2(func(t *testing.T, p *packer, b *packet) {
		b.Stamps = append(b.Stamps, p.tsa.again(t, b.Signature, p.at().Add(2*time.Hour)))
	}), verifier.BadTime, verifier.CheckTimestamp, "not valid at"},
	{"time-stamp twice", message2(func(t *testing.T, p *packer, b *packet) { b.Stamps = append(b.Stamps, b.Stamps[0]) }),
		verifier.MalformedSignature, verifier.CheckBundle, "occurs twice"},
	{"promised when the certificate had expired", message(func(t *testing.T, p *packer, b *packet) {
		b.entry.IntegratedTime += 7200
		p.promise(t, b.entry)
		b.put()
	}), verifier.BadTime, verifier.CheckChain, "not valid at"},

	// Envelopes.
	{"envelope of another payload", statement("dsse 0.0.1", func(t *testing.T, p *packer, b *packet) {
		b.Envelope.Payload = []byte(otherStatement)
	}), verifier.BadSignature, verifier.CheckSignature, "does not verify"},
	{"envelope of another type", statement("dsse 0.0.1", func(t *testing.T, p *packer, b *packet) { b.Envelope.PayloadType += "x" }),
		verifier.BadSignature, verifier.CheckSignature, "does not verify"},
	{"dsse entry of another payload", statement("dsse 0.0.1", relogged("dsse 0.0.1")),
		verifier.BadLogProof, verifier.CheckLogEntry, "something else"},
	{"intoto entry of another payload", statement("intoto 0.0.2", relogged("intoto 0.0.2")),
		verifier.BadLogProof, verifier.CheckLogEntry, "something else"},
	{"dsse 0.0.2 entry of another payload", statement("dsse 0.0.2", relogged("dsse 0.0.2")),
		verifier.BadLogProof, verifier.CheckLogEntry, "something else"},
	{"hashedrekord of another envelope", statement("hashedrekord 0.0.2", relogged("hashedrekord 0.0.2")),
		verifier.BadLogProof, verifier.CheckLogEntry, "something else"},
	{"hashedrekord of the payload alone", statement("hashedrekord 0.0.2", func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, "hashedrekord 0.0.2", p.body(t, "hashedrekord 0.0.2", crypto.SHA256, b.Envelope.Payload, b.Signature, ""))
		b.put()
	}), verifier.BadLogProof, verifier.CheckLogEntry, "something else"},
	{"dsse entry of another signature", statement("dsse 0.0.1", resigned("dsse 0.0.1")),
		verifier.BadLogProof, verifier.CheckLogEntry, "another signature"},
	{"intoto entry of another signature", statement("intoto 0.0.2", resigned("intoto 0.0.2")),
		verifier.BadLogProof, verifier.CheckLogEntry, "another signature"},
	{"dsse 0.0.2 entry of another signature", statement("dsse 0.0.2", resigned("dsse 0.0.2")),
		verifier.BadLogProof, verifier.CheckLogEntry, "another signature"},
	{"intoto entry that records no signature", statement("intoto 0.0.1", func(*testing.T, *packer, *packet) {}),
		verifier.UnsupportedSignature, verifier.CheckLogEntry, "records no signature"},

	// Statements.
	{"payload that is no statement", func(t *testing.T, p *packer) *packet {
		return p.packEnvelope(t, "dsse 0.0.1", crypto.SHA256, "", &verifier.Envelope{PayloadType: "text/plain", Payload: artifact})
	}, verifier.UnsupportedSignature, verifier.CheckStatement, "text/plain"},
	{"statement that is no JSON", packed("statement"), verifier.MalformedSignature, verifier.CheckStatement, "not a JSON object"},
	{"statement without a type", packed(strings.Replace(goodStatement, `"_type":"`+statementV1+`",`, "", 1)),
		verifier.MalformedSignature, verifier.CheckStatement, `no "_type"`},
	{"statement of an unknown type", packed(statementOf("https://in-toto.io/Statement/v2", `"sha256":"`+hexDigest+`"`)),
		verifier.UnsupportedSignature, verifier.CheckStatement, "unknown type"},
	{"statement with two types", packed(strings.Replace(goodStatement, `{"_type"`, `{"_type":"`+statementV1+`","_type"`, 1)),
		verifier.MalformedSignature, verifier.CheckStatement, "occurs twice"},
	{"statement without a subject", packed(`{"_type":"` + statementV1 + `","subject":[],"predicateType":"p"}`),
		verifier.MalformedSignature, verifier.CheckStatement, "no subject"},
	{"statement about another artifact", packed(statementOf(statementV1, `"sha256":"`+strings.Repeat("1", 64)+`"`)),
		verifier.BadSignature, verifier.CheckDigest, "no subject of the statement"},
	{"statement with two digests that differ", packed(statementOf(statementV1, `"sha256":"`+hexDigest+`","sha512":"`+strings.Repeat("1", 128)+`"`)),
		verifier.BadSignature, verifier.CheckDigest, "no subject of the statement"},
	{"digest in capitals", packed(statementOf(statementV1, `"sha256":"`+strings.ToUpper(hexDigest)+`"`)),
		verifier.MalformedSignature, verifier.CheckStatement, "lower-case"},
}

var hexDigest = hex.EncodeToString(digestOf(crypto.SHA256, artifact))

// packed returns a maker of a bundle with that statement.
func packed(statement string) func(*testing.T, *packer) *packet {
	return func(t *testing.T, p *packer) *packet {
		return p.packStatement(t, "dsse 0.0.1", crypto.SHA256, "", statement)
	}
}

// relogged returns what puts the entry of another envelope, with the same
// signature value, in place of the right one.
func relogged(kind string) func(*testing.T, *packer, *packet) {
	return func(t *testing.T, p *packer, b *packet) {
		b.entry = p.enter(t, kind, p.body(t, kind, crypto.SHA256, []byte(otherStatement), b.Signature, "PKIX_ECDSA_P256_SHA_256"))
		b.put()
	}
}

// resigned puts the entry of another signature over the same in place of the
// right one.
func resigned(kind string) func(*testing.T, *packer, *packet) {
	return func(t *testing.T, p *packer, b *packet) {
		b.entry = p.packStatement(t, kind, crypto.SHA256, "PKIX_ECDSA_P256_SHA_256", goodStatement).entry
		b.put()
	}
}
