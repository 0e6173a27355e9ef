package sshsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"gitseal/verifier"
)

// The algorithms of keys (RFC 4253, RFC 5656, RFC 8709, PROTOCOL.u2f).
const (
	algEd25519   = "ssh-ed25519"
	algRSA       = "ssh-rsa"
	algDSA       = "ssh-dss"
	algP256      = "ecdsa-sha2-nistp256"
	algP384      = "ecdsa-sha2-nistp384"
	algP521      = "ecdsa-sha2-nistp521"
	algSKEd25519 = "sk-ssh-ed25519@openssh.com"
	algSKP256    = "sk-ecdsa-sha2-nistp256@openssh.com"
)

// The algorithms of signatures that are not called as those of keys
// (RFC 8332, PROTOCOL.u2f).
const (
	sigRSA256   = "rsa-sha2-256"
	sigRSA512   = "rsa-sha2-512"
	sigRSASHA1  = algRSA
	sigWebAuthn = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
)

// Bits of RSA keys: below minRSA nobody accepts them, and crypto/rsa does not
// verify with them; from strongRSA on they are not weak (NIST SP 800-131A).
const (
	minRSA    = 1024
	strongRSA = 2048
)

// What a security key says of how it came to sign (PROTOCOL.u2f).
const (
	flagPresent  = 1 << 0 // it was touched
	flagVerified = 1 << 2 // by someone who entered a PIN or a fingerprint
)

// A publicKey is a key that signatures can be checked with.
type publicKey struct {
	algorithm   string
	blob        string // its encoding, without a certificate around it
	key         crypto.PublicKey
	application string // of a security key: what it was made for
}

// parseKey reads the encoding of a key that is no certificate.
func parseKey(blob []byte) (*publicKey, error) {
	r := &reader{rest: blob}
	algorithm := r.text()
	if r.bad {
		return nil, fmt.Errorf("key: %w", errTruncated)
	}
	k, err := readKey(algorithm, r)
	if err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("%s key: %w", k.algorithm, err)
	}
	k.blob = string(blob)
	return k, nil
}

// readKey reads the fields of a key, which in a certificate have others around
// them, and leaves its blob to whoever knows where they are:
//
//	ssh-ed25519      string key
//	sk-ssh-ed25519…  string key, string application
//	ecdsa-sha2-C     string C, string point
//	sk-ecdsa-sha2-C… string C, string point, string application
//	ssh-rsa          mpint e, mpint n
func readKey(algorithm string, r *reader) (*publicKey, error) {
	k := &publicKey{algorithm: algorithm}
	var err error
	switch algorithm {
	case algEd25519, algSKEd25519:
		key := r.bytes()
		if !r.bad && len(key) != ed25519.PublicKeySize {
			err = fmt.Errorf("%d bytes", len(key))
		}
		k.key = ed25519.PublicKey(key)
	case algP256, algSKP256:
		k.key, err = readPoint("nistp256", elliptic.P256(), r)
	case algP384:
		k.key, err = readPoint("nistp384", elliptic.P384(), r)
	case algP521:
		k.key, err = readPoint("nistp521", elliptic.P521(), r)
	case algRSA:
		k.key, err = readRSA(r)
	case algDSA:
		return nil, &failure{verifier.WeakAlgorithm, errors.New("DSA keys are too weak for anything")}
	default:
		return nil, &failure{verifier.UnsupportedSignature, fmt.Errorf("unknown kind of key %q", clip(algorithm))}
	}
	if k.isSecurityKey() {
		k.application = r.text()
	}
	if r.bad {
		err = errTruncated
	}
	if err != nil {
		return nil, fmt.Errorf("%s key: %w", algorithm, err)
	}
	return k, nil
}

func readPoint(name string, curve elliptic.Curve, r *reader) (*ecdsa.PublicKey, error) {
	if got := r.text(); !r.bad && got != name {
		return nil, fmt.Errorf("on curve %q", clip(got))
	}
	return ecdsa.ParseUncompressedPublicKey(curve, r.bytes())
}

func readRSA(r *reader) (*rsa.PublicKey, error) {
	e, n := r.integer(), r.integer()
	if r.bad {
		return nil, errTruncated
	}
	if e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0 || n.Bit(0) == 0 {
		return nil, errors.New("not an exponent and modulus that signatures can be checked with")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// fingerprint returns the SHA-256 fingerprint as ssh-keygen writes it.
func (k *publicKey) fingerprint() string { return fingerprint([]byte(k.blob)) }

func fingerprint(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// rsaBits returns the length of an RSA key, and false for others.
func (k *publicKey) rsaBits() (int, bool) {
	if key, ok := k.key.(*rsa.PublicKey); ok {
		return key.N.BitLen(), true
	}
	return 0, false
}

// errBad says that a signature does not verify.
var errBad = errors.New("not made by the key over these bytes")

// verify checks a signature, encoded as the key's algorithm has it, over data.
// It returns the algorithm of the signature and, of a security key, its flags.
// It is errBad if the signature is one by another key, or over other data.
func (k *publicKey) verify(data, signature []byte) (algorithm string, flags byte, err error) {
	r := &reader{rest: signature}
	algorithm = r.text()
	value := r.bytes()
	if k.isSecurityKey() {
		flags = r.byte()
		counter := r.uint32()
		data = skData(k.application, flags, counter, data)
	}
	if algorithm == sigWebAuthn && k.algorithm == algSKP256 {
		return algorithm, 0, &failure{verifier.UnsupportedSignature, fmt.Errorf("signature by way of a browser (%s)", sigWebAuthn)}
	}
	if err := r.end(); err != nil {
		return algorithm, 0, &failure{verifier.MalformedSignature, fmt.Errorf("signature by %s: %w", k.algorithm, err)}
	}
	if !k.makes(algorithm) {
		return algorithm, 0, &failure{verifier.MalformedSignature, fmt.Errorf("%q signature by a key of kind %s", clip(algorithm), k.algorithm)}
	}
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		if !ed25519.Verify(key, data, value) {
			err = errBad
		}
	case *ecdsa.PublicKey:
		err = verifyECDSA(key, data, value)
	case *rsa.PublicKey:
		err = verifyRSA(key, algorithm, data, value)
	}
	return algorithm, flags, err
}

func (k *publicKey) isSecurityKey() bool {
	return k.algorithm == algSKEd25519 || k.algorithm == algSKP256
}

// makes reports whether signatures by the key can be of an algorithm.
func (k *publicKey) makes(algorithm string) bool {
	if k.algorithm == algRSA {
		return algorithm == sigRSA256 || algorithm == sigRSA512 || algorithm == sigRSASHA1
	}
	return algorithm == k.algorithm
}

// skData returns what a security key signs in place of data (PROTOCOL.u2f,
// SSH U2F signatures).
func skData(application string, flags byte, counter uint32, data []byte) []byte {
	forApplication, forData := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	b := append(forApplication[:], flags)
	b = binary.BigEndian.AppendUint32(b, counter)
	return append(b, forData[:]...)
}

// verifyECDSA checks a signature of two mpints, over the hash that belongs to
// the curve (RFC 5656, sections 3.1.2 and 6.2.1).
func verifyECDSA(key *ecdsa.PublicKey, data, value []byte) error {
	inner := &reader{rest: value}
	r, s := inner.integer(), inner.integer()
	if err := inner.end(); err != nil {
		return &failure{verifier.MalformedSignature, fmt.Errorf("ECDSA signature: %w", err)}
	}
	var digest []byte
	switch key.Curve.Params().BitSize {
	case 256:
		digest = sum(crypto.SHA256, data)
	case 384:
		digest = sum(crypto.SHA384, data)
	default:
		digest = sum(crypto.SHA512, data)
	}
	if !ecdsa.Verify(key, digest, r, s) {
		return errBad
	}
	return nil
}

// verifyRSA checks a PKCS #1 v1.5 signature. RFC 4253, section 6.6 has it
// without padding, so some signers leave out the zeros that it begins with.
func verifyRSA(key *rsa.PublicKey, algorithm string, data, value []byte) error {
	bits := key.N.BitLen()
	if bits < minRSA {
		return &failure{verifier.WeakAlgorithm, fmt.Errorf("RSA key of %d bits is too weak for anything", bits)}
	}
	hash := crypto.SHA512
	switch algorithm {
	case sigRSA256:
		hash = crypto.SHA256
	case sigRSASHA1:
		hash = crypto.SHA1
	}
	if missing := key.Size() - len(value); missing > 0 && len(value) > 0 && value[0] != 0 {
		value = append(bytes.Repeat([]byte{0}, missing), value...)
	}
	if err := rsa.VerifyPKCS1v15(key, hash, sum(hash, data), value); err != nil {
		return errBad
	}
	return nil
}

// sum returns the hash of data.
func sum(hash crypto.Hash, data []byte) []byte {
	switch hash {
	case crypto.SHA1:
		h := sha1.Sum(data)
		return h[:]
	case crypto.SHA256:
		h := sha256.Sum256(data)
		return h[:]
	case crypto.SHA384:
		h := sha512.Sum384(data)
		return h[:]
	case crypto.SHA512:
		h := sha512.Sum512(data)
		return h[:]
	}
	panic("sshsig: unknown hash")
}

// certified returns the algorithm of the key in certificates of an algorithm
// (PROTOCOL.certkeys), and false if it is not one of certificates.
func certified(algorithm string) (string, bool) {
	name, ok := strings.CutSuffix(algorithm, "-cert-v01@openssh.com")
	if ok && strings.HasPrefix(name, "sk-") {
		name += "@openssh.com"
	}
	return name, ok
}
