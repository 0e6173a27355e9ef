package verifier

import (
	"crypto"
	"errors"
	"fmt"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
)

// BundleMediaType is the media type of the bundles that Marshal writes.
const BundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// bundleVersions are the media types of the bundles that ParseBundle reads,
// with the minor number of their version.
var bundleVersions = map[string]int{
	"application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
	"application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
	"application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
	BundleMediaType: 3,
}

// Bounds of a bundle. Real ones take 5 to 20 kB, but a statement may have a
// whole bill of materials in it.
const (
	maxBundle       = 32 << 20
	maxEntries      = 8
	maxCertificates = 8
)

// A Bundle is a signature over a file with all that proves it:
// dev.sigstore.bundle.v1.Bundle. Nothing in it is verified.
type Bundle struct {
	// Certificates are the signer's, in DER, and in bundles before 0.3
	// perhaps others above it, which are not trusted for being here. None: a
	// managed key signed, which the verifier has to know.
	Certificates [][]byte
	Hint         string // which managed key; a claim, not looked at

	// Entries are dev.sigstore.rekor.v1.TransparencyLogEntry messages with
	// canonicalized_body.
	Entries [][]byte
	Stamps  [][]byte // TimeStampTokens (RFC 3161) over Signature

	// Either the artifact is signed, by its digest, or an envelope that
	// speaks of it.
	Hash      crypto.Hash // of Digest; 0: the bundle does not say
	Digest    []byte      // of the artifact, as the bundle claims
	Signature []byte      // also of an envelope
	Envelope  *Envelope   // nil: the artifact is signed
}

// An Envelope is a DSSE envelope (the DSSE protocol, v1) with one signature,
// which is in the Bundle.
type Envelope struct {
	PayloadType string
	Payload     []byte
	KeyID       string // a claim, not looked at
}

// ParseBundle reads a bundle of version 0.1, 0.2 or 0.3 in JSON. Names are in
// lower camel case, each at most once, none unknown; bytes are in padded
// standard base64; what is absent may be null. A log entry in a bundle of
// version 0.1 must have a promise, in later ones an inclusion proof with a
// checkpoint; from 0.3 on there is one certificate and no chain. The error is
// a *VerifyError.
func ParseBundle(data []byte) (*Bundle, error) {
	b, err := parseBundle(data)
	if err != nil {
		return nil, &VerifyError{Check: CheckBundle, Class: classOf(err, MalformedSignature), Err: fmt.Errorf("parsing bundle: %w", err)}
	}
	return b, nil
}

func parseBundle(data []byte) (*Bundle, error) {
	if len(data) > maxBundle {
		return nil, fmt.Errorf("longer than %d bytes", maxBundle)
	}
	b := new(Bundle)
	var mediaType string
	var material, message, envelope []byte
	r := newReader(data)
	err := r.whole(func() error {
		return r.Object(
			required("mediaType", r.text(&mediaType)),
			// To be read when the version is known.
			required("verificationMaterial", r.raw(&material)),
			r.optional("messageSignature", r.raw(&message)),
			r.optional("dsseEnvelope", r.raw(&envelope)),
		)
	})
	if err != nil {
		return nil, err
	}
	version, ok := bundleVersions[mediaType]
	if !ok {
		return nil, classed(UnsupportedSignature, "media type %.200q is not one of a bundle, or of an unknown version", mediaType)
	}
	if err := b.readMaterial(newReader(material), version); err != nil {
		return nil, fmt.Errorf("verificationMaterial: %w", err)
	}
	switch {
	case (message == nil) == (envelope == nil):
		return nil, errors.New("not one of messageSignature and dsseEnvelope")
	case message != nil:
		err = b.readMessage(newReader(message))
	default:
		err = b.readEnvelope(newReader(envelope))
	}
	return b, err
}

// readMaterial reads a VerificationMaterial.
func (b *Bundle) readMaterial(r *reader, version int) error {
	var key, chain, certificate bool
	readCertificate := func() error {
		var der []byte
		err := r.Object(required("rawBytes", r.bytes(&der)))
		b.Certificates = append(b.Certificates, der)
		return err
	}
	err := r.Object(
		r.optional("publicKey", func() error {
			key = true
			return r.Object(r.optional("hint", r.text(&b.Hint)))
		}),
		r.optional("x509CertificateChain", func() error {
			chain = true
			return r.Object(required("certificates", r.array(maxCertificates, readCertificate)))
		}),
		r.optional("certificate", func() error {
			certificate = true
			return readCertificate()
		}),
		r.optional("tlogEntries", r.array(maxEntries, func() error { return b.readEntry(r, version) })),
		r.optional("timestampVerificationData", func() error {
			return r.Object(r.optional("rfc3161Timestamps", r.array(maxStamps, func() error { return b.readStamp(r) })))
		}),
	)
	switch {
	case err != nil:
		return err
	case key && (chain || certificate) || chain && certificate:
		return errors.New("more than one of publicKey, x509CertificateChain and certificate")
	case !key && len(b.Certificates) == 0:
		return errors.New("neither a certificate nor a public key")
	case chain && version >= 3:
		return errors.New("a bundle of version 0.3 has one certificate, not a chain")
	}
	return nil
}

// readEntry reads a TransparencyLogEntry.
func (b *Bundle) readEntry(r *reader, version int) error {
	data, err := r.Value()
	if err != nil {
		return err
	}
	e, err := tlog.ParseEntryJSON(data)
	if err != nil {
		return err
	}
	switch {
	case version == 1 && (e.Promise == nil || len(e.Promise.SET) == 0):
		return errors.New("no inclusion promise, which a bundle of version 0.1 must have")
	case version > 1 && (e.Proof == nil || len(e.Proof.Checkpoint) == 0):
		return fmt.Errorf("no inclusion proof with a checkpoint, which a bundle of version 0.%d must have", version)
	}
	b.Entries = append(b.Entries, e.Marshal())
	return nil
}

// readStamp reads an RFC3161SignedTimestamp, which is a TimeStampResp.
func (b *Bundle) readStamp(r *reader) error {
	var response []byte
	if err := r.Object(required("signedTimestamp", r.bytes(&response))); err != nil {
		return err
	}
	token, err := cms.ParseTimeStampResponse(response)
	if err != nil {
		return err
	}
	b.Stamps = append(b.Stamps, token)
	return nil
}

// bundleHashes are the hash functions of artifacts, by their names in
// dev.sigstore.common.v1.HashAlgorithm.
var bundleHashes = map[string]crypto.Hash{"SHA2_256": crypto.SHA256, "SHA2_384": crypto.SHA384, "SHA2_512": crypto.SHA512}

// readMessage reads a MessageSignature.
func (b *Bundle) readMessage(r *reader) error {
	err := r.Object(
		r.optional("messageDigest", func() error {
			var name string
			err := r.Object(
				required("algorithm", r.text(&name)),
				required("digest", r.bytes(&b.Digest)),
			)
			if err != nil {
				return err
			}
			var ok bool
			if b.Hash, ok = bundleHashes[name]; !ok {
				return classed(UnsupportedSignature, "hash algorithm %.100q", name)
			}
			if len(b.Digest) != b.Hash.Size() {
				return fmt.Errorf("digest of %d bytes", len(b.Digest))
			}
			return nil
		}),
		required("signature", r.bytes(&b.Signature)),
	)
	if err != nil {
		return fmt.Errorf("messageSignature: %w", err)
	}
	return nil
}

// readEnvelope reads an io.intoto.Envelope.
func (b *Bundle) readEnvelope(r *reader) error {
	b.Envelope = new(Envelope)
	count := 0
	err := r.Object(
		required("payload", r.bytes(&b.Envelope.Payload)),
		required("payloadType", r.text(&b.Envelope.PayloadType)),
		required("signatures", r.array(maxEntries, func() error {
			count++
			return r.Object(
				required("sig", r.bytes(&b.Signature)),
				r.optional("keyid", r.text(&b.Envelope.KeyID)),
			)
		})),
	)
	if err == nil && count != 1 {
		err = fmt.Errorf("%d signatures, want one", count)
	}
	if err != nil {
		return fmt.Errorf("dsseEnvelope: %w", err)
	}
	return nil
}
