package verifier

import (
	"bytes"
	"crypto"
	"encoding/json"
	"fmt"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
)

// The types below are the messages as ProtoJSON writes them: names in
// lowerCamelCase, zero values left out.
type (
	jsonBundle struct {
		MediaType string        `json:"mediaType"`
		Material  jsonMaterial  `json:"verificationMaterial"`
		Message   *jsonMessage  `json:"messageSignature,omitempty"`
		Envelope  *jsonEnvelope `json:"dsseEnvelope,omitempty"`
	}
	jsonMaterial struct {
		Certificate *jsonCertificate  `json:"certificate,omitempty"`
		PublicKey   *jsonHint         `json:"publicKey,omitempty"`
		Entries     []json.RawMessage `json:"tlogEntries,omitempty"`
		Stamps      *jsonStamps       `json:"timestampVerificationData,omitempty"`
	}
	jsonCertificate struct {
		RawBytes []byte `json:"rawBytes"`
	}
	jsonHint struct {
		Hint string `json:"hint,omitempty"`
	}
	jsonStamps struct {
		Stamps []jsonStamp `json:"rfc3161Timestamps"`
	}
	jsonStamp struct {
		SignedTimestamp []byte `json:"signedTimestamp"`
	}
	jsonMessage struct {
		Digest    *jsonDigest `json:"messageDigest,omitempty"`
		Signature []byte      `json:"signature"`
	}
	jsonDigest struct {
		Algorithm string `json:"algorithm"`
		Digest    []byte `json:"digest"`
	}
	jsonEnvelope struct {
		Payload     []byte          `json:"payload"`
		PayloadType string          `json:"payloadType"`
		Signatures  []jsonSignature `json:"signatures"`
	}
	jsonSignature struct {
		Sig   []byte `json:"sig"`
		KeyID string `json:"keyid,omitempty"`
	}
)

// Marshal returns the bundle in JSON, of BundleMediaType, with a newline at its
// end. Of the certificates it writes the signer's: others belong in the
// trusted root. What ParseBundle would refuse is an error.
func (b *Bundle) Marshal() ([]byte, error) {
	text, err := b.marshal()
	if err == nil {
		_, err = parseBundle(text)
	}
	if err != nil {
		return nil, fmt.Errorf("writing bundle: %w", err)
	}
	return text, nil
}

func (b *Bundle) marshal() ([]byte, error) {
	bundle := jsonBundle{MediaType: BundleMediaType}
	material := &bundle.Material
	if len(b.Certificates) > 0 {
		material.Certificate = &jsonCertificate{b.Certificates[0]}
	} else {
		material.PublicKey = &jsonHint{b.Hint}
	}
	for _, pb := range b.Entries {
		e, err := tlog.ParseEntry(pb)
		if err != nil {
			return nil, err
		}
		text, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		material.Entries = append(material.Entries, text)
	}
	for _, token := range b.Stamps {
		response, err := cms.MarshalTimeStampResponse(token)
		if err != nil {
			return nil, err
		}
		if material.Stamps == nil {
			material.Stamps = new(jsonStamps)
		}
		material.Stamps.Stamps = append(material.Stamps.Stamps, jsonStamp{response})
	}
	if e := b.Envelope; e != nil {
		bundle.Envelope = &jsonEnvelope{e.Payload, e.PayloadType, []jsonSignature{{b.Signature, e.KeyID}}}
	} else {
		bundle.Message = &jsonMessage{Signature: b.Signature}
		if b.Hash != 0 {
			name, err := bundleHash(b.Hash)
			if err != nil {
				return nil, err
			}
			bundle.Message.Digest = &jsonDigest{name, b.Digest}
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(bundle)
	return out.Bytes(), err
}

// bundleHash returns the name of a hash function in a bundle.
func bundleHash(hash crypto.Hash) (string, error) {
	for name, h := range bundleHashes {
		if h == hash {
			return name, nil
		}
	}
	return "", fmt.Errorf("digest by %v", hash)
}

// Bundle verifies a git signature as Verify does and returns it as a bundle,
// for tools that know no git. A bundle signs an artifact; here that is the
// signed attributes of the CMS message in DER, which hold the digest of the
// payload: artifact. That the payload has this digest is not for the bundle's
// verifier to see.
//
// The entry is the one that is embedded or, where none is, that of the first of
// the proofs that verifies, as for VerifyDetached. It has to have an inclusion
// proof.
func (v *Verifier) Bundle(payload, signature []byte, allowed Allowed, proofs ...Proof) (b *Bundle, artifact []byte, err error) {
	s, verr := v.open(payload, signature, allowed)
	if verr != nil {
		return nil, nil, verr
	}
	if len(s.entries) > 0 {
		proofs = nil // what is embedded decides alone
	}
	proven, result, err := v.first(append(v.proofs(s, proofs), &s.signature), allowed)
	if err != nil {
		return nil, nil, err
	}
	b = &Bundle{
		Certificates: [][]byte{bytes.Clone(s.leaf.Raw)},
		Hash:         crypto.SHA256, // that of the log entry
		Digest:       sum(crypto.SHA256, s.signed),
		Signature:    bytes.Clone(s.value),
	}
	for _, r := range v.roots {
		if r.trusted.Digest() != result.TrustedRoot {
			continue
		}
		entry := *proven.entries[0]
		if entry.CanonicalizedBody, _, err = s.body(findLogByID(r.trusted.TLogs, entry.LogID), &entry); err != nil {
			return nil, nil, fmt.Errorf("rebuilding the log entry: %w", err)
		}
		entry.KindVersion = "0.0.1"
		if result.Log.Generation == 2 {
			entry.KindVersion, entry.Promise = "0.0.2", nil // gitsign writes others
		}
		if len(proven.lateEntry(result.Times)) < len(result.Times) {
			// A bundle cannot say that the entry came late. Without the
			// promise it tells no time, and the time-stamp does.
			entry.Promise, entry.IntegratedTime = nil, 0
		}
		b.Entries = [][]byte{entry.Marshal()}
		break
	}
	for _, token := range proven.stamps {
		b.Stamps = append(b.Stamps, bytes.Clone(token))
	}
	return b, bytes.Clone(s.signed), nil
}
