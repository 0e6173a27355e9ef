package fakeca

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"fmt"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/proto"
)

// shapes returns the kinds of authority that tests go through.
func shapes() []Config {
	return []Config{
		{Curve: elliptic.P256(), Log: RekorV2},
		{Curve: elliptic.P256(), Log: RekorV1},
		{Curve: elliptic.P384(), Log: RekorV2},
		{Curve: elliptic.P384(), Log: RekorV1},
	}
}

func shapeName(c Config) string { return fmt.Sprintf("%v/%s", c.Log, c.Curve.Params().Name) }

func TestSigstoreAcceptsGoodSignatures(t *testing.T) {
	for _, shape := range shapes() {
		t.Run(shapeName(shape), func(t *testing.T) {
			a := newTestAuthority(t, shape)
			for _, subject := range []string{"alice@example.com", "https://example.com/workflow.yml@refs/heads/main", "bob", "jürgen@example.com"} {
				d := a.draft([]byte("payload"), Fixture{Subject: subject, Timestamp: true})
				if err := sigstoreVerify(a, d, subject); err != nil {
					t.Errorf("signature of %q: %v", subject, err)
				}
			}
			if shape.Log == RekorV1 {
				d := a.draft([]byte("payload"), Fixture{})
				if err := sigstoreVerify(a, d, "alice@example.com"); err != nil {
					t.Errorf("signature without timestamp: %v", err)
				}
			}
		})
	}
}

// TestSigstoreJudgesFaults checks that what we call a fault is one to Sigstore
// too, where it can see it: a bundle has no CMS message.
func TestSigstoreJudgesFaults(t *testing.T) {
	for _, shape := range shapes() {
		t.Run(shapeName(shape), func(t *testing.T) {
			a := newTestAuthority(t, shape)
			for _, s := range faults() {
				inBundle := s.leaf != nil || s.signature != nil || s.entry != nil || s.stamp != nil
				if !s.in(a.generation) || !inBundle {
					continue
				}
				err := sigstoreVerify(a, a.draft([]byte("payload"), Fixture{Fault: s.fault}), "alice@example.com")
				if good := s.class == "verified"; good != (err == nil) && !sigstoreDiffers(s.fault, a.generation) {
					t.Errorf("%s: class is %q, sigstore-go says %v", s.fault, s.class, err)
				}
			}
		})
	}
}

// TestSigstoreJudgesSpoiled has an authority make each mistake that one can make,
// in what its clients ask it for.
func TestSigstoreJudgesSpoiled(t *testing.T) {
	for _, shape := range shapes()[:2] {
		honest := newTestAuthority(t, shape)
		tried := 0
		for _, f := range Faults() {
			a := spoiled(honest, f)
			if a == nil {
				continue
			}
			tried++
			u := certify(t, a, "alice@example.com")
			d := &draft{a: a, certificate: u.chain[0], signer: &signerInfo{signed: [][]byte{octetString([]byte(f))}}}
			d.signer.signature = signDigest(t, u.key, d.signer.message())
			d.entry = must(a.enterOnce(context.Background(), "hashedrekord",
				a.entryBody([32]byte(sum(d.signer.message())), d.signer.signature, d.certificate)))
			d.token = must(a.newTimestamp([32]byte(sum(d.signer.signature))))
			err := sigstoreVerify(honest, d, "alice@example.com")
			if good := f.Class() == "verified"; good != (err == nil) && !sigstoreDiffers(f, shape.Log) && f != NoPromise {
				t.Errorf("%v, %s: class is %q, sigstore-go says %v", shape.Log, f, f.Class(), err)
			}
		}
		if tried < 20 {
			t.Errorf("%v: %d mistakes, want more", shape.Log, tried)
		}
	}
}

// spoiled returns the authority that makes the mistake; nil if none can.
func spoiled(a *Authority, f Fault) (s *Authority) {
	defer func() {
		if recover() != nil {
			s = nil
		}
	}()
	return a.Spoiled(f)
}

// sigstoreDiffers reports whether sigstore-go is known to judge otherwise.
func sigstoreDiffers(f Fault, g Generation) bool {
	switch f {
	case LeafIsCA: // it does not look at the leaf's basic constraints
		return true
	case LabelledV1: // it wants the label to be that of the body
		return true
	case TreeSizeOffByOne, RootHashWrong: // it takes both from a v2 checkpoint, and ignores what the entry says
		return g == RekorV2
	case CheckpointOfOtherLog: // it does not compare the origin of a v1 checkpoint
		return g == RekorV1
	case CheckpointCosigned: // it wants every signature on a v1 checkpoint to be the log's
		return g == RekorV1
	}
	return false
}

// sigstoreVerify lets sigstore-go verify the signature's parts as a bundle.
func sigstoreVerify(a *Authority, d *draft, subject string) error {
	trusted, err := root.NewTrustedRootFromJSON(a.TrustedRoot())
	if err != nil {
		return err
	}
	pb, err := newBundle(a, d)
	if err != nil {
		return err
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		return err
	}
	options := []verify.VerifierOption{
		verify.WithSignedCertificateTimestamps(1),
		verify.WithTransparencyLog(1),
	}
	if d.token != nil {
		options = append(options, verify.WithSignedTimestamps(1))
	} else {
		options = append(options, verify.WithIntegratedTimestamps(1))
	}
	verifier, err := verify.NewVerifier(trusted, options...)
	if err != nil {
		return err
	}
	identity, err := verify.NewShortCertificateIdentity(a.Issuer(), "", subject, "")
	if err != nil {
		return err
	}
	_, err = verifier.Verify(b, verify.NewPolicy(
		verify.WithArtifact(bytes.NewReader(d.signer.message())),
		verify.WithCertificateIdentity(identity)))
	return err
}

func newBundle(a *Authority, d *draft) (*protobundle.Bundle, error) {
	message := d.signer.message()
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{
			Certificate: &protocommon.X509Certificate{RawBytes: d.certificate},
		},
	}
	if d.entry != nil {
		entry := new(protorekor.TransparencyLogEntry)
		if err := proto.Unmarshal(d.entry.marshal(), entry); err != nil {
			return nil, err
		}
		entry.CanonicalizedBody = a.entryBody([32]byte(sum(message)), d.signer.signature, d.certificate)
		material.TlogEntries = append(material.TlogEntries, entry)
	}
	if d.token != nil {
		token, err := d.token.issue()
		if err != nil {
			return nil, err
		}
		response := sequence(sequence(integer(0)), token) // TimeStampResp, granted
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: response}},
		}
	}
	version := "0.3"
	if d.entry != nil && d.entry.proof == nil {
		version = "0.1" // the only one in which a promise suffices
		material.Content = &protobundle.VerificationMaterial_X509CertificateChain{
			X509CertificateChain: &protocommon.X509CertificateChain{
				Certificates: []*protocommon.X509Certificate{{RawBytes: d.certificate}},
			},
		}
	}
	mediaType, err := bundle.MediaTypeString(version)
	if err != nil {
		return nil, err
	}
	return &protobundle.Bundle{
		MediaType:            mediaType,
		VerificationMaterial: material,
		Content: &protobundle.Bundle_MessageSignature{
			MessageSignature: &protocommon.MessageSignature{
				MessageDigest: &protocommon.HashOutput{
					Algorithm: protocommon.HashAlgorithm_SHA2_256,
					Digest:    sum(message),
				},
				Signature: d.signer.signature,
			},
		},
	}, nil
}
