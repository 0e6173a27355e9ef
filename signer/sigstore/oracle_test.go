package sigstore_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/proto"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/signer"
)

// An oracle is sigstore-go, which is asked for a second opinion.
type oracle struct{ verifier *verify.Verifier }

func newOracle(t testing.TB, trustedRoot []byte) oracle {
	t.Helper()
	material, err := root.NewTrustedRootFromJSON(trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.NewVerifier(material, verify.WithSignedCertificateTimestamps(1),
		verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	return oracle{v}
}

// check has the oracle verify a blob signature by that identity: over artifact,
// or the envelope in it where that is nil.
func (o oracle) check(t testing.TB, blob *signer.BlobSignature, artifact []byte, issuer, subject string) {
	t.Helper()
	material := &protobundle.VerificationMaterial{
		Content:                   &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: blob.Certificate}},
		TimestampVerificationData: new(protobundle.TimestampVerificationData),
	}
	for _, der := range blob.Entries {
		entry := new(protorekor.TransparencyLogEntry)
		if err := proto.Unmarshal(der, entry); err != nil {
			t.Fatal(err)
		}
		material.TlogEntries = append(material.TlogEntries, entry)
	}
	for _, token := range blob.Tokens {
		granted, err := asn1.Marshal(struct {
			Status struct{ Status int }
			Token  asn1.RawValue
		}{Token: asn1.RawValue{FullBytes: token}})
		if err != nil {
			t.Fatal(err)
		}
		stamps := material.TimestampVerificationData
		stamps.Rfc3161Timestamps = append(stamps.Rfc3161Timestamps, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: granted})
	}
	pb := &protobundle.Bundle{MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", VerificationMaterial: material}
	policy := verify.WithoutArtifactUnsafe()
	if artifact != nil {
		digest := sha256.Sum256(artifact)
		pb.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: digest[:]},
			Signature:     blob.Signature,
		}}
		policy = verify.WithArtifact(bytes.NewReader(artifact))
	} else {
		pb.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: envelope(t, blob)}
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		t.Fatal(err)
	}
	who, err := verify.NewShortCertificateIdentity(issuer, "", subject, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.verifier.Verify(b, verify.NewPolicy(policy, verify.WithCertificateIdentity(who))); err != nil {
		t.Errorf("sigstore-go: %v", err)
	}
}

func envelope(t testing.TB, blob *signer.BlobSignature) *protodsse.Envelope {
	t.Helper()
	var e struct {
		Payload     []byte
		PayloadType string
		Signatures  []struct{ Sig []byte }
	}
	if err := json.Unmarshal(blob.Envelope, &e); err != nil || len(e.Signatures) != 1 || !bytes.Equal(e.Signatures[0].Sig, blob.Signature) {
		t.Fatalf("envelope %s: %v", blob.Envelope, err)
	}
	return &protodsse.Envelope{
		Payload: e.Payload, PayloadType: e.PayloadType, Signatures: []*protodsse.Signature{{Sig: blob.Signature}},
	}
}

// asBlob takes a git signature apart into what a bundle can hold too: a
// signature over the signed attributes.
func asBlob(t testing.TB, armored []byte) (blob *signer.BlobSignature, artifact []byte) {
	t.Helper()
	der, _, err := cms.Dearmor(armored)
	if err != nil {
		t.Fatal(err)
	}
	message, err := cms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if artifact, err = message.Signer.SignedBytes(); err != nil {
		t.Fatal(err)
	}
	blob = &signer.BlobSignature{Signature: message.Signer.Signature, Certificate: message.Certificates[0]}
	for _, attr := range message.Signer.UnsignedAttributes {
		if attr.Type == cms.OIDTimeStampToken {
			blob.Tokens = attr.Values
			continue
		}
		pb, err := cms.OctetString(attr.Values[0])
		if err != nil {
			t.Fatal(err)
		}
		entry, err := tlog.ParseEntry(pb)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(artifact)
		if entry.CanonicalizedBody = tlog.HashedRekordV2(digest, blob.Signature, blob.Certificate); entry.KindVersion == "0.0.1" {
			entry.CanonicalizedBody = tlog.HashedRekordV1(digest, blob.Signature, blob.Certificate)
		}
		blob.Entries = append(blob.Entries, entry.Marshal())
	}
	return blob, artifact
}
