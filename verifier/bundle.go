package verifier

import (
	"crypto"
	"encoding/json"
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
	var material, message, envelope json.RawMessage
	err := readObject(data, nil,
		member{"mediaType", true, readText(&mediaType)},
		member{"verificationMaterial", true, readRaw(&material)},
		member{"messageSignature", false, readRaw(&message)},
		member{"dsseEnvelope", false, readRaw(&envelope)},
	)
	if err != nil {
		return nil, err
	}
	version, ok := bundleVersions[mediaType]
	if !ok {
		return nil, classed(UnsupportedSignature, "media type %.200q is not one of a bundle, or of an unknown version", mediaType)
	}
	if err := b.readMaterial(material, version); err != nil {
		return nil, fmt.Errorf("verificationMaterial: %w", err)
	}
	switch {
	case (message == nil) == (envelope == nil):
		return nil, errors.New("not one of messageSignature and dsseEnvelope")
	case message != nil:
		err = b.readMessage(message)
	default:
		err = b.readEnvelope(envelope)
	}
	return b, err
}

// readMaterial reads a VerificationMaterial.
func (b *Bundle) readMaterial(data []byte, version int) error {
	var key, chain, certificate bool
	readCertificate := func(data []byte) error {
		var der []byte
		err := readObject(data, nil, member{"rawBytes", true, readBytes(&der)})
		b.Certificates = append(b.Certificates, der)
		return err
	}
	err := readObject(data, nil,
		member{"publicKey", false, func(data []byte) error {
			key = true
			return readObject(data, nil, member{"hint", false, readText(&b.Hint)})
		}},
		member{"x509CertificateChain", false, func(data []byte) error {
			chain = true
			return readObject(data, nil, member{"certificates", true, readArray(maxCertificates, readCertificate)})
		}},
		member{"certificate", false, func(data []byte) error {
			certificate = true
			return readCertificate(data)
		}},
		member{"tlogEntries", false, readArray(maxEntries, func(data []byte) error { return b.readEntry(data, version) })},
		member{"timestampVerificationData", false, func(data []byte) error {
			return readObject(data, nil, member{"rfc3161Timestamps", false, readArray(maxStamps, b.readStamp)})
		}},
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
func (b *Bundle) readEntry(data []byte, version int) error {
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
func (b *Bundle) readStamp(data []byte) error {
	var response []byte
	if err := readObject(data, nil, member{"signedTimestamp", true, readBytes(&response)}); err != nil {
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
func (b *Bundle) readMessage(data []byte) error {
	err := readObject(data, nil,
		member{"messageDigest", false, func(data []byte) error {
			var name string
			err := readObject(data, nil,
				member{"algorithm", true, readText(&name)},
				member{"digest", true, readBytes(&b.Digest)},
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
		}},
		member{"signature", true, readBytes(&b.Signature)},
	)
	if err != nil {
		return fmt.Errorf("messageSignature: %w", err)
	}
	return nil
}

// readEnvelope reads an io.intoto.Envelope.
func (b *Bundle) readEnvelope(data []byte) error {
	b.Envelope = new(Envelope)
	count := 0
	err := readObject(data, nil,
		member{"payload", true, readBytes(&b.Envelope.Payload)},
		member{"payloadType", true, readText(&b.Envelope.PayloadType)},
		member{"signatures", true, readArray(maxEntries, func(data []byte) error {
			count++
			return readObject(data, nil,
				member{"sig", true, readBytes(&b.Signature)},
				member{"keyid", false, readText(&b.Envelope.KeyID)},
			)
		})},
	)
	if err == nil && count != 1 {
		err = fmt.Errorf("%d signatures, want one", count)
	}
	if err != nil {
		return fmt.Errorf("dsseEnvelope: %w", err)
	}
	return nil
}
