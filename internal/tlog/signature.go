package tlog

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"gitseal/internal/fixedkey"
)

// What can be wrong with the signature of a log.
var (
	ErrNoSignature    = errors.New("no signature by this log")
	ErrOriginMismatch = errors.New("key name and origin do not agree")
	ErrBadSignature   = errors.New("signature is wrong")
)

// LogIDv1 returns the id of a Rekor v1 or certificate log: the SHA-256 of its
// key as SubjectPublicKeyInfo (RFC 6962, section 3.2).
func LogIDv1(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return sum[:]
}

// KeyID returns the untruncated note key id of a log's key, by which Rekor v2
// logs are known. The origin is the log's name. For Ed25519 that is C2SP
// signed-note; for RSA its rule for unassigned algorithms; an ECDSA key has the
// same id under every name.
func KeyID(origin string, key crypto.PublicKey) ([]byte, error) {
	if key, ok := key.(ed25519.PublicKey); ok {
		return noteKeyID(origin, "\x01", key), nil
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("note key id: %w", err)
	}
	switch key.(type) {
	case *ecdsa.PublicKey:
		return LogIDv1(spki), nil
	case *rsa.PublicKey:
		return noteKeyID(origin, "\xffPKIX-RSA-PKCS#1v1.5", spki), nil
	}
	return nil, fmt.Errorf("note key id: unsupported key %T", key)
}

func noteKeyID(origin, algorithm string, key []byte) []byte {
	h := sha256.New()
	h.Write([]byte(origin))
	h.Write([]byte{'\n'})
	h.Write([]byte(algorithm))
	h.Write(key)
	return h.Sum(nil)
}

// Verify checks that the log with the given key and id signed the checkpoint:
// exactly one signature line has the beginning of the id and a name that
// agrees with the origin, and it is right. Other lines do not matter. The
// error is ErrNoSignature, ErrOriginMismatch or ErrBadSignature, or wraps
// one, or says that there are two such lines or that the key is of an unknown
// kind.
func (s *SignedCheckpoint) Verify(key crypto.PublicKey, logID []byte) error {
	if len(logID) != sha256.Size {
		return fmt.Errorf("verifying checkpoint: log id of %d bytes", len(logID))
	}
	var found *NoteSignature
	err := ErrNoSignature
	for i := range s.Signatures {
		sig := &s.Signatures[i]
		if sig.KeyID != [4]byte(logID) {
			continue
		}
		if !agree(sig.Name, s.Checkpoint.Origin) {
			err = ErrOriginMismatch
			continue
		}
		if found != nil {
			return errors.New("verifying checkpoint: two signatures by this log")
		}
		found = sig
	}
	if found != nil {
		err = verifySignature(key, s.Text, found.Signature)
	}
	if err != nil {
		return fmt.Errorf("verifying checkpoint of %q: %w", s.Checkpoint.Origin, err)
	}
	return nil
}

// agree reports whether a log of that name signs checkpoints of that origin.
// Rekor v1 appends the id of the tree.
func agree(name, origin string) bool {
	rest, ok := strings.CutPrefix(origin, name)
	if !ok || rest == "" {
		return ok
	}
	id, ok := strings.CutPrefix(rest, " - ")
	return ok && id != "" && strings.Trim(id, "0123456789") == ""
}

// verifySignature checks a log's signature over message. A key is used with
// one algorithm only: Ed25519, RSA PKCS #1 v1.5 with SHA-256, or ECDSA, DER,
// with the hash of the curve's size, as the names of
// dev.sigstore.common.v1.PublicKeyDetails pair them. An ECDSA key may come as a
// *fixedkey.Verifier.
func verifySignature(key crypto.PublicKey, message, sig []byte) error {
	ok := false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return verifyECDSA(key, key.Curve, message, sig)
	case *fixedkey.Verifier:
		return verifyECDSA(key, key.Curve(), message, sig)
	case ed25519.PublicKey:
		// Verify panics if the key has another length.
		ok = len(key) == ed25519.PublicKeySize && ed25519.Verify(key, message, sig)
	case *rsa.PublicKey:
		sum := sha256.Sum256(message)
		ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
	default:
		return fmt.Errorf("unsupported key %T", key)
	}
	if !ok {
		return ErrBadSignature
	}
	return nil
}

func verifyECDSA(key crypto.PublicKey, curve elliptic.Curve, message, sig []byte) error {
	ok := false
	switch bits := curve.Params().BitSize; bits {
	case 256:
		sum := sha256.Sum256(message)
		ok = fixedkey.VerifyASN1(key, sum[:], sig)
	case 384:
		sum := sha512.Sum384(message)
		ok = fixedkey.VerifyASN1(key, sum[:], sig)
	case 521:
		sum := sha512.Sum512(message)
		ok = fixedkey.VerifyASN1(key, sum[:], sig)
	default:
		return fmt.Errorf("unsupported curve of %d bits", bits)
	}
	if !ok {
		return ErrBadSignature
	}
	return nil
}
