package sshsig

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"

	"gitseal/verifier"
)

// magic is what signatures, and what they are made over, begin with.
const magic = "SSHSIG"

// version is the only one there is.
const version = 1

// hashes are those that the message may be hashed with first.
var hashes = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha512": crypto.SHA512}

// A signature is an SSHSIG that was read, and whose key and certificate are
// claims until check has returned nil.
type signature struct {
	key       *publicKey
	cert      *certificate // nil: none
	algorithm string       // of the key, or the certificate
	namespace string
	hash      string
	value     []byte // with its algorithm
	flags     byte   // of a security key; set by check
}

// read reads an armored signature, and writes down in result what it claims.
func (v *Verifier) read(armored []byte, result *verifier.KeyResult) (*signature, error) {
	blob, leading, err := dearmor(armored)
	if len(leading) > 0 {
		result.Notes = append(result.Notes, fmt.Sprintf("%d bytes of text before the armor", len(leading)))
	}
	if err != nil {
		return nil, fmt.Errorf("reading armor: %w", err)
	}
	s, err := parseSignature(blob, result)
	if err != nil {
		return nil, fmt.Errorf("reading SSH signature: %w", err)
	}
	return s, nil
}

// parseSignature reads a signature (PROTOCOL.sshsig, section 2):
//
//	byte[6] "SSHSIG"
//	uint32  version
//	string  public key
//	string  namespace
//	string  reserved
//	string  hash algorithm
//	string  signature
//
// Verifiers are told to ignore what is reserved, which ssh-keygen does in a
// way that lets anyone change it. Whoever writes something there means
// something, so it is not ignored here.
func parseSignature(blob []byte, result *verifier.KeyResult) (*signature, error) {
	rest, ok := bytes.CutPrefix(blob, []byte(magic))
	if !ok {
		return nil, fmt.Errorf("does not begin with %q", magic)
	}
	r := &reader{rest: rest}
	if got := r.uint32(); got > version {
		return nil, &failure{verifier.UnsupportedSignature, fmt.Errorf("version %d", got)}
	} else if got != version {
		return nil, errors.New("no version")
	}
	keyBlob := r.bytes()
	s := &signature{namespace: r.text()}
	reserved := r.bytes()
	s.hash = r.text()
	s.value = r.bytes()
	if err := r.end(); err != nil {
		return nil, err
	}
	if err := s.parseKey(keyBlob, result); err != nil {
		return nil, err
	}
	result.Hash = s.hash
	if _, ok := hashes[s.hash]; !ok {
		return nil, &failure{verifier.UnsupportedSignature, fmt.Errorf("over a hash by %q", clip(s.hash))}
	}
	if len(reserved) > 0 {
		return nil, &failure{verifier.UnsupportedSignature, errors.New("with something in a field that is reserved")}
	}
	return s, nil
}

// parseKey reads the key, which may be in a certificate.
func (s *signature) parseKey(blob []byte, result *verifier.KeyResult) (err error) {
	r := &reader{rest: blob}
	s.algorithm = r.text()
	result.Algorithm = clip(s.algorithm)
	if name, ok := certified(s.algorithm); ok {
		if s.key, s.cert, err = parseCertificate(name, blob); err != nil {
			return err
		}
		// As ssh-keygen has it, that of the key alone.
		result.Key = s.key.fingerprint()
	} else {
		// Also of a key that is of no kind that we know.
		result.Key = fingerprint(blob)
		s.key, err = parseKey(blob)
	}
	result.Signer.Key = result.Key
	return err
}

// check checks that the signature was made for a namespace, over payload, by
// the key that it carries, and that the authority of its certificate signed
// that.
func (s *signature) check(namespace string, payload []byte) error {
	if s.namespace != namespace {
		return fmt.Errorf("made for namespace %q, want %q", clip(s.namespace), namespace)
	}
	signed := appendString([]byte(magic), s.namespace)
	signed = appendString(signed, "") // reserved
	signed = appendString(signed, s.hash)
	signed = appendString(signed, sum(hashes[s.hash], payload))
	algorithm, flags, err := s.key.verify(signed, s.value)
	if err != nil {
		return fmt.Errorf("signature with key %s: %w", s.key.fingerprint(), err)
	}
	if algorithm == sigRSASHA1 {
		return &failure{verifier.WeakAlgorithm, errors.New("signed with RSA and SHA-1, which SSH signatures may not be (PROTOCOL.sshsig)")}
	}
	s.flags = flags
	if s.cert != nil {
		return s.cert.checkAuthority()
	}
	return nil
}

// note writes down what is odd about a signature that is right.
func (s *signature) note(result *verifier.KeyResult) {
	if s.key.isSecurityKey() && s.flags&(flagPresent|flagVerified) == 0 {
		// ssh-keygen accepts it, for a key may have been made so.
		result.Notes = append(result.Notes, "made without a touch of the security key")
	}
}

// checkStrength checks that no weak algorithm vouches for anything, but for
// those that are accepted.
func (v *Verifier) checkStrength(s *signature) error {
	if err := v.checkKeyStrength(s.key); err != nil {
		return err
	}
	if s.cert == nil {
		return nil
	}
	if s.cert.sha1 && !v.weak[weakSHA1] {
		return fmt.Errorf("%s is signed with RSA and SHA-1, which is too weak", s.cert)
	}
	if err := v.checkKeyStrength(s.cert.ca); err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	return nil
}

func (v *Verifier) checkKeyStrength(k *publicKey) error {
	if bits, ok := k.rsaBits(); ok && bits < strongRSA && !v.weak[weakRSA] {
		return fmt.Errorf("RSA key %s of %d bits is too weak", k.fingerprint(), bits)
	}
	return nil
}
