package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	// The hashes that HashOf names.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"gitseal/internal/fixedkey"
)

var (
	// ErrWeakAlgorithm is in the chain of an error about an algorithm that
	// no longer proves anything, such as SHA-1.
	ErrWeakAlgorithm = errors.New("weak algorithm")
	// ErrUnsupportedAlgorithm is in the chain of an error about an algorithm
	// that this package does not know: nothing was checked.
	ErrUnsupportedAlgorithm = errors.New("unsupported algorithm")
	// ErrMismatch is in the chain of an error about a signature or digest
	// that was computed and does not match.
	ErrMismatch = errors.New("does not match")
)

// minRSAKey is the size of the smallest RSA key that still proves something,
// in bits (NIST SP 800-131A revision 2, section 3).
const minRSAKey = 2048

// derNull is the NULL that some writers put where parameters are absent.
var derNull = []byte{5, 0}

// HashOf returns the hash function that alg names: SHA-256, SHA-384 or
// SHA-512 (RFC 5754, section 2; parameters absent or NULL).
func HashOf(alg AlgorithmIdentifier) (crypto.Hash, error) {
	if alg.Parameters != nil && !bytes.Equal(alg.Parameters, derNull) {
		return 0, fmt.Errorf("digest algorithm %v with parameters: %w", alg.Algorithm, ErrUnsupportedAlgorithm)
	}
	switch alg.Algorithm {
	case OIDSHA256:
		return crypto.SHA256, nil
	case OIDSHA384:
		return crypto.SHA384, nil
	case OIDSHA512:
		return crypto.SHA512, nil
	case OIDSHA1:
		return 0, fmt.Errorf("digest algorithm SHA-1: %w", ErrWeakAlgorithm)
	}
	return 0, fmt.Errorf("digest algorithm %v: %w", alg.Algorithm, ErrUnsupportedAlgorithm)
}

// CheckContent checks that the signed attributes speak of content: that
// contentType is want and messageDigest is the digest of content, computed
// here (RFC 5652, section 5.6). The error's chain tells a digest that does
// not match (ErrMismatch) from attributes that are missing or malformed.
func (si *SignerInfo) CheckContent(want OID, content []byte) error {
	if err := si.checkContentType(want); err != nil {
		return err
	}
	hash, err := HashOf(si.DigestAlgorithm)
	if err != nil {
		return err
	}
	return si.checkDigest(content, hash)
}

// CheckDigest is CheckContent with a hash function that the caller chose for
// the digest algorithm. It is for callers that look at weak ones too, in order
// to say what they found.
func (si *SignerInfo) CheckDigest(want OID, content []byte, hash crypto.Hash) error {
	if err := si.checkContentType(want); err != nil {
		return err
	}
	return si.checkDigest(content, hash)
}

func (si *SignerInfo) checkContentType(want OID) error {
	value, err := si.SignedAttribute(OIDContentType)
	if err != nil {
		return err
	}
	typ := cryptobyte.String(value)
	got, ok := readOID(&typ)
	if !ok || !typ.Empty() {
		return errors.New("contentType attribute missing or malformed")
	}
	if got != want {
		return fmt.Errorf("contentType attribute is %v, want %v", got, want)
	}
	return nil
}

func (si *SignerInfo) checkDigest(content []byte, hash crypto.Hash) error {
	value, err := si.SignedAttribute(OIDMessageDigest)
	if err != nil {
		return err
	}
	in := cryptobyte.String(value)
	var digest cryptobyte.String
	if !in.ReadASN1(&digest, asn1.OCTET_STRING) || !in.Empty() {
		return errors.New("messageDigest attribute missing or malformed")
	}
	h := hash.New()
	h.Write(content)
	if subtle.ConstantTimeCompare(h.Sum(nil), digest) != 1 {
		return fmt.Errorf("message digest %w", ErrMismatch)
	}
	return nil
}

// CheckSignature checks the signature over signed, the bytes SignedBytes
// returns, with key. The signature algorithm must agree with the key and
// with the digest algorithm; the bare key algorithms (rsaEncryption,
// id-ecPublicKey), which some writers name, stand for it. An ECDSA key may come
// as a *fixedkey.Verifier.
func (si *SignerInfo) CheckSignature(key crypto.PublicKey, signed []byte) error {
	hash, err := HashOf(si.DigestAlgorithm)
	if err != nil {
		return err
	}
	alg := si.SignatureAlgorithm
	if p := alg.Parameters; p != nil && !bytes.Equal(p, derNull) {
		return fmt.Errorf("signature algorithm %v with parameters: %w", alg.Algorithm, ErrUnsupportedAlgorithm)
	}
	h := hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	switch key := key.(type) {
	case *ecdsa.PublicKey, *fixedkey.Verifier:
		if want := ecdsaWith(hash); alg.Algorithm != want && alg.Algorithm != OIDECPublicKey {
			return fmt.Errorf("signature algorithm %v with an ECDSA key: %w", alg.Algorithm, ErrUnsupportedAlgorithm)
		}
		if !fixedkey.VerifyASN1(key, digest, si.Signature) {
			return fmt.Errorf("ECDSA signature %w", ErrMismatch)
		}
		return nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSAKey {
			return fmt.Errorf("RSA key of %d bits: %w", bits, ErrWeakAlgorithm)
		}
		if want := rsaWith(hash); alg.Algorithm != want && alg.Algorithm != OIDRSAEncryption {
			return fmt.Errorf("signature algorithm %v with an RSA key: %w", alg.Algorithm, ErrUnsupportedAlgorithm)
		}
		if rsa.VerifyPKCS1v15(key, hash, digest, si.Signature) != nil {
			return fmt.Errorf("RSA signature %w", ErrMismatch)
		}
		return nil
	}
	return fmt.Errorf("public key of type %T: %w", key, ErrUnsupportedAlgorithm)
}

func ecdsaWith(hash crypto.Hash) OID {
	switch hash {
	case crypto.SHA384:
		return OIDECDSAWithSHA384
	case crypto.SHA512:
		return OIDECDSAWithSHA512
	}
	return OIDECDSAWithSHA256
}

func rsaWith(hash crypto.Hash) OID {
	switch hash {
	case crypto.SHA384:
		return OIDSHA384WithRSA
	case crypto.SHA512:
		return OIDSHA512WithRSA
	}
	return OIDSHA256WithRSA
}

// Identifies reports whether the signer identifier names cert.
func (si *SignerInfo) Identifies(cert *x509.Certificate) bool {
	if si.SubjectKeyID != nil {
		return bytes.Equal(si.SubjectKeyID, cert.SubjectKeyId)
	}
	return bytes.Equal(si.Issuer, cert.RawIssuer) && bytes.Equal(si.Serial, serialContents(cert))
}

// serialContents returns the contents octets of the certificate's serial
// number. x509 keeps only the number, so they are written again; x509 has
// checked that they were minimal.
func serialContents(cert *x509.Certificate) []byte {
	b := cryptobyte.NewBuilder(make([]byte, 0, 24))
	b.AddASN1BigInt(cert.SerialNumber)
	var body cryptobyte.String
	in := cryptobyte.String(b.BytesOrPanic())
	in.ReadASN1(&body, asn1.INTEGER)
	return body
}

// SigningTime returns the signer's claim of when it signed, and whether it
// made one that can be read. It is never evidence of anything.
func (si *SignerInfo) SigningTime() (time.Time, bool) {
	value, err := si.SignedAttribute(OIDSigningTime)
	if err != nil {
		return time.Time{}, false
	}
	in := cryptobyte.String(value)
	var t time.Time
	if in.PeekASN1Tag(asn1.GeneralizedTime) {
		return t, in.ReadASN1GeneralizedTime(&t) && in.Empty()
	}
	ok := in.ReadASN1UTCTime(&t) && in.Empty()
	return t, ok
}

// IsSignedAttributes reports whether data is what a signature over signed
// attributes is made over (RFC 5652, section 5.4): the DER of a set of
// attributes with a message digest. Who signs such data as a file, with
// SHA-256, makes a CMS signature of whatever that digest is of.
func IsSignedAttributes(data []byte) bool {
	in := cryptobyte.String(data)
	var set cryptobyte.String
	if !in.ReadASN1(&set, asn1.SET) || !in.Empty() {
		return false
	}
	attrs, err := parseAttributes(set)
	return err == nil && find(attrs, OIDMessageDigest) != nil
}
