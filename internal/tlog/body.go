package tlog

import (
	"crypto"
	"errors"
	"fmt"

	"gitseal/internal/strictjson"
)

// Bounds of a body, besides that of the entry.
const (
	maxDigest         = 64 // SHA-512
	maxPayloadType    = 1024
	maxBodySignatures = 64
)

// A Body is what a log entry records. That a log really recorded it is for the
// entry's proof to say; neither the signatures nor the certificates in it are
// verified, and the certificates not even parsed.
type Body struct {
	Kind, Version string // "hashedrekord", "dsse" or "intoto"; "0.0.1" or "0.0.2"

	// Digest is, with hashedrekord, of the artifact that is signed, and with
	// dsse and intoto of the envelope's payload. It is nil where an old
	// intoto entry does not say; Hash is 0 then.
	Hash   crypto.Hash
	Digest []byte

	// EnvelopeHash is the SHA-256 of the envelope as it was handed to the
	// log, with intoto and dsse 0.0.1; else nil.
	EnvelopeHash []byte

	Signatures []BodySignature // at least one
}

// A BodySignature is a signature that an entry records, and by whom it is:
// either a certificate or a bare key.
type BodySignature struct {
	Signature   []byte // nil in an intoto 0.0.1 entry, which records none
	Certificate []byte // DER; nil: a bare key. Of a chain, the signer's
	PublicKey   []byte // SubjectPublicKeyInfo in DER; nil: a certificate

	// KeyDetails is how the signature was made, by its name in
	// dev.sigstore.common.v1.PublicKeyDetails; only Rekor v2 says it.
	KeyDetails string
}

// An UnsupportedBodyError is a body of a kind that ParseBody does not know.
// It is well formed as far as its kind.
type UnsupportedBodyError struct{ Kind, Version string }

// Error returns the kind.
func (e *UnsupportedBodyError) Error() string {
	return fmt.Sprintf("unsupported log entry of kind %q %q", e.Kind, e.Version)
}

// ParseBody reads a body as logs make it canonical (RFC 8785): hashedrekord,
// dsse and intoto, each in versions 0.0.1 and 0.0.2. The error is an
// *UnsupportedBodyError where it is of another kind. There is one encoding
// only of each body, down to the PEM of certificates (but for the white space
// of those in intoto 0.0.2) and the case of hexadecimal digits. The result shares no memory with body.
func ParseBody(body []byte) (*Body, error) {
	b, err := parseBody(body)
	if err != nil {
		return nil, fmt.Errorf("parsing body of log entry: %w", err)
	}
	return b, nil
}

func parseBody(body []byte) (*Body, error) {
	if len(body) > maxEntry {
		return nil, fmt.Errorf("longer than %d bytes", maxEntry)
	}
	r := &reader{strictjson.Reader{Text: body, Canonical: true}}
	b := new(Body)
	err := r.Object(
		required("apiVersion", r.String(&b.Version, maxString)),
		required("kind", r.String(&b.Kind, maxString)),
		// In this order, so kind and version are known here.
		required("spec", func() error { return r.spec(b) }),
	)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// bodyKind returns what a body of any kind says of itself.
func bodyKind(body []byte) (kind, version string, err error) {
	r := &reader{strictjson.Reader{Text: body, Canonical: true}}
	errEnough := errors.New("read as far as needed")
	err = r.Object(
		required("apiVersion", r.String(&version, maxString)),
		required("kind", r.String(&kind, maxString)),
		required("spec", func() error {
			if kind == "" || version == "" {
				return errors.New("neither kind nor version before it")
			}
			return errEnough
		}),
	)
	if !errors.Is(err, errEnough) {
		return "", "", err
	}
	return kind, version, nil
}

// spec reads the member of that name, after those that say of what kind it is.
func (r *reader) spec(b *Body) error {
	switch b.Kind + " " + b.Version {
	case "hashedrekord 0.0.1":
		return r.hashedRekordV1(b)
	case "hashedrekord 0.0.2":
		return r.hashedRekordV2(b)
	case "dsse 0.0.1":
		return r.dsseV1(b)
	case "dsse 0.0.2":
		return r.dsseV2(b)
	case "intoto 0.0.1":
		return r.intotoV1(b)
	case "intoto 0.0.2":
		return r.intotoV2(b)
	}
	return &UnsupportedBodyError{b.Kind, b.Version}
}
