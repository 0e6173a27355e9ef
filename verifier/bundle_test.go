package verifier_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"google.golang.org/protobuf/proto"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/verifier"
)

// parts are a git signature taken apart into what a Sigstore bundle can hold
// too. The bundle's artifact is the signed attributes: it knows nothing of
// what they are about.
type parts struct {
	message     cms.SignedData // all of it
	generation  fakeca.Generation
	signed      []byte // the signed attributes
	certificate []byte
	signature   []byte
	entry       []byte // TransparencyLogEntry without its body; nil: none
	token       []byte // TimeStampToken; nil: none
}

// takeApart takes apart a signature as git stores it.
func takeApart(armored []byte) (*parts, error) {
	der, _, err := cms.Dearmor(armored)
	if err != nil {
		return nil, err
	}
	message, err := cms.Parse(der)
	if err != nil {
		return nil, err
	}
	p := &parts{message: *message, signature: message.Signer.Signature, generation: fakeca.RekorV2}
	if p.signed, err = message.Signer.SignedBytes(); err != nil {
		return nil, err
	}
	for _, der := range message.Certificates {
		if cert, err := x509.ParseCertificate(der); err == nil && message.Signer.Identifies(cert) {
			p.certificate = der
		}
	}
	if p.certificate == nil {
		return nil, errors.New("the signer's certificate is missing")
	}
	if p.token, err = message.Signer.UnsignedAttribute(cms.OIDTimeStampToken); err != nil {
		return nil, err
	}
	value, err := message.Signer.UnsignedAttribute(cms.OIDLogEntry)
	if err != nil || value == nil {
		return p, err
	}
	if p.entry, err = cms.OctetString(value); err != nil {
		return nil, err
	}
	// A bundle says by its body which log it is of. Only a Rekor v1 log
	// promises, and only its origins have the number of a tree.
	entry := new(protorekor.TransparencyLogEntry)
	if err := proto.Unmarshal(p.entry, entry); err != nil {
		return nil, err
	}
	origin, _, _ := strings.Cut(entry.GetInclusionProof().GetCheckpoint().GetEnvelope(), "\n")
	if len(entry.GetInclusionPromise().GetSignedEntryTimestamp()) > 0 || strings.Contains(origin, " - ") {
		p.generation = fakeca.RekorV1
	}
	return p, nil
}

// armor puts the parts together as git stores them.
func (p *parts) armor() ([]byte, error) {
	message := p.message
	message.Certificates = [][]byte{p.certificate}
	signer := &message.Signer
	signer.Signature = p.signature
	signer.UnsignedAttributes = nil
	if p.entry != nil {
		if err := signer.AddLogEntry(p.entry); err != nil {
			return nil, err
		}
	}
	if p.token != nil {
		signer.AddTimeStamp(p.token)
	}
	der, err := message.Marshal()
	return cms.Armor(der), err
}

// bundle puts the parts together as a Sigstore bundle.
func (p *parts) bundle() (*bundle.Bundle, error) {
	digest := sha256.Sum256(p.signed)
	certificate := &protocommon.X509Certificate{RawBytes: p.certificate}
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{Certificate: certificate},
	}
	version := "0.3"
	if p.entry != nil {
		entry := new(protorekor.TransparencyLogEntry)
		if err := proto.Unmarshal(p.entry, entry); err != nil {
			return nil, err
		}
		if entry.CanonicalizedBody == nil {
			entry.CanonicalizedBody = p.body()
		}
		if entry.InclusionProof == nil {
			// The only version in which a promise suffices wants a chain.
			version = "0.1"
			material.Content = &protobundle.VerificationMaterial_X509CertificateChain{
				X509CertificateChain: &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{certificate}},
			}
		}
		material.TlogEntries = []*protorekor.TransparencyLogEntry{entry}
	}
	if p.token != nil {
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: timeStampResp(p.token)}},
		}
	}
	mediaType, err := bundle.MediaTypeString(version)
	if err != nil {
		return nil, err
	}
	return bundle.NewBundle(&protobundle.Bundle{
		MediaType:            mediaType,
		VerificationMaterial: material,
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: digest[:]},
			Signature:     p.signature,
		}},
	})
}

// body returns the body of the log entry. That it is canonical comes of
// encoding/json's sorting of maps.
func (p *parts) body() []byte {
	type m = map[string]any
	digest := sha256.Sum256(p.signed)
	version, spec := "0.0.1", m{
		"data": m{"hash": m{"algorithm": "sha256", "value": hex.EncodeToString(digest[:])}},
		"signature": m{"content": p.signature, "publicKey": m{
			"content": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate}),
		}},
	}
	if p.generation == fakeca.RekorV2 {
		version, spec = "0.0.2", m{"hashedRekordV002": m{
			"data": m{"algorithm": "SHA2_256", "digest": digest[:]},
			"signature": m{"content": p.signature, "verifier": m{
				"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": m{"rawBytes": p.certificate},
			}},
		}}
	}
	body, err := json.Marshal(m{"apiVersion": version, "kind": "hashedrekord", "spec": spec})
	if err != nil {
		panic(err) // strings, bytes and maps
	}
	return body
}

// timeStampResp returns the answer in which a token was given:
//
//	TimeStampResp ::= SEQUENCE { status PKIStatusInfo, timeStampToken TimeStampToken OPTIONAL }
//	PKIStatusInfo ::= SEQUENCE { status PKIStatus, ... }
func timeStampResp(token []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(0) }) // granted
		b.AddBytes(token)
	})
	return b.BytesOrPanic()
}

// A pair is two verifiers that trust the same root.
type pair struct {
	ours   *verifier.Verifier
	theirs *verify.Verifier
}

func newPair(t testing.TB, trustedRoot []byte) *pair {
	t.Helper()
	our, err := verifier.ParseTrustedRoot(trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	their, err := root.NewTrustedRootFromJSON(trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	// What ours always asks for: a certificate log's promise, a log entry,
	// and a time by the log or a time-stamp authority.
	theirs, err := verify.NewVerifier(their, verify.WithSignedCertificateTimestamps(1),
		verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	return &pair{verifierOf(t, our), theirs}
}

// verifyParts lets sigstore-go verify the parts as a bundle.
func (v *pair) verifyParts(p *parts) error {
	b, err := p.bundle()
	if err != nil {
		return err
	}
	_, err = v.theirs.Verify(b, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(p.signed)), verify.WithoutIdentitiesUnsafe()))
	return err
}

// compare verifies a signature both ways. It returns which of the two alone
// accepts it, "" if they agree, and both errors.
func (v *pair) compare(signature []byte, p *parts, payload []byte) (accept who, ours, theirs error) {
	_, ours = v.ours.Verify(payload, signature, verifier.AnyIdentity{})
	theirs = v.verifyParts(p)
	switch {
	case ours == nil && theirs != nil:
		accept = we
	case ours != nil && theirs == nil:
		accept = they
	}
	return accept, ours, theirs
}

// bundleDifferences are of generation and part, where our own verdict on a
// bundle is another than that on a git signature.
var bundleDifferences = map[string]bool{
	"Rekor v1 entry unknown field": true, // the way into the bundle passes over it
}

// verifyOurs has us verify the parts as a bundle. ok is false if they make
// none.
func (v *pair) verifyOurs(t testing.TB, p *parts) (err error, ok bool) {
	t.Helper()
	b, err := p.bundle()
	if err != nil {
		return nil, false
	}
	text, err := b.MarshalJSON()
	if err != nil {
		return nil, false
	}
	ours, err := verifier.ParseBundle(text)
	if err != nil {
		return err, true
	}
	a, err := ours.Artifact(bytes.NewReader(p.signed))
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.ours.VerifyBundle(ours, a, verifier.AnyIdentity{})
	return err, true
}
