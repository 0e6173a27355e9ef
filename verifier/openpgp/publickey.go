package openpgp

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// The algorithms that are told apart: RFC 9580, section 9.1.
const (
	algRSA         = 1
	algRSAEncrypt  = 2
	algRSASign     = 3
	algElGamal     = 16
	algDSA         = 17
	algECDH        = 18
	algECDSA       = 19
	algEdDSALegacy = 22
	algX25519      = 25
	algX448        = 26
	algEd25519     = 27
	algEd448       = 28
	algMLKEM768    = 35 // RFC 9980, with X25519
	algMLKEM1024   = 36 // RFC 9980, with X448
)

// A publicKey is a primary key or a subkey, without anything that is said
// about it. It shares memory with the keyring.
type publicKey struct {
	version, algorithm byte
	created            int64
	body               []byte // of its packet
	fingerprint        []byte
	id                 uint64

	curve   *curve   // of ECDSA and EdDSA keys
	numbers [][]byte // the rest of the key material; nil if it is no key to sign with

	once  sync.Once // makes check
	check checker
}

// parsePublicKey reads the body of a public key or subkey packet: RFC 9580,
// section 5.5.2. Key material that is not for signing is not looked at.
func parsePublicKey(body []byte) (*publicKey, error) {
	if len(body) < 6 {
		return nil, errCutOff
	}
	k := &publicKey{version: body[0], algorithm: body[5], body: body,
		created: int64(binary.BigEndian.Uint32(body[1:]))}
	material := body[6:]
	switch k.version {
	case 4:
		if len(body) > 0xffff {
			return nil, fmt.Errorf("key of %d bytes", len(body))
		}
	case 6:
		n, rest, err := number(material, 4)
		if err != nil {
			return nil, err
		}
		if n != uint64(len(rest)) {
			return nil, fmt.Errorf("key material of %d bytes, said to be %d", len(rest), n)
		}
		material = rest
	default:
		return nil, fmt.Errorf("key of version %d", k.version)
	}
	if k.version == 4 {
		sum := sha1.Sum(k.hashed())
		k.fingerprint, k.id = sum[:], binary.BigEndian.Uint64(sum[12:])
	} else {
		sum := sha256.Sum256(k.hashed())
		k.fingerprint, k.id = sum[:], binary.BigEndian.Uint64(sum[:])
	}
	return k, k.parseMaterial(material)
}

// hashed returns the key as signatures are made over it: RFC 9580, section
// 5.2.4.
func (k *publicKey) hashed() []byte {
	out := make([]byte, 0, 5+len(k.body))
	if k.version == 4 {
		out = append(out, 0x99)
		out = binary.BigEndian.AppendUint16(out, uint16(len(k.body)))
	} else {
		out = append(out, 0x9b)
		out = binary.BigEndian.AppendUint32(out, uint32(len(k.body)))
	}
	return append(out, k.body...)
}

// parseMaterial reads what is needed to verify signatures: RFC 9580, section
// 5.5.5.
func (k *publicKey) parseMaterial(data []byte) (err error) {
	count := 0
	switch k.algorithm {
	case algRSA, algRSASign:
		count = 2
	case algDSA:
		count = 4
	case algECDSA, algEdDSALegacy:
		if k.curve, data, err = parseCurve(data); err != nil {
			return err
		}
		if k.curve.algorithm != k.algorithm {
			return fmt.Errorf("curve %s with algorithm %d", k.curve.name, k.algorithm)
		}
		if k.version == 6 && k.algorithm == algEdDSALegacy {
			return errors.New("key of version 6 with an algorithm of version 4")
		}
		count = 1
	case algEd25519, algEd448:
		if k.curve = curveEd25519; k.algorithm == algEd448 {
			k.curve = curveEd448
		}
		if len(data) != k.curve.size {
			return fmt.Errorf("point of %d bytes", len(data))
		}
		k.numbers = [][]byte{data}
		return nil
	case algRSAEncrypt, algElGamal, algECDH, algX25519, algX448, algMLKEM768, algMLKEM1024:
		return nil
	default:
		return fmt.Errorf("key of algorithm %d", k.algorithm)
	}
	for range count {
		value, rest, canonical, _, err := mpi(data)
		if err != nil {
			return fmt.Errorf("key material: %w", err)
		}
		if !canonical {
			// It would be of another size than it seems.
			return errors.New("key material with leading zeros")
		}
		k.numbers = append(k.numbers, value)
		data = rest
	}
	if len(data) > 0 {
		return fmt.Errorf("%d bytes after the key material", len(data))
	}
	return nil
}

// name returns the algorithm and size as gpg writes them, such as "ed25519",
// "rsa4096" or "nistp256".
func (k *publicKey) name() string {
	switch k.algorithm {
	case algRSA, algRSASign:
		return fmt.Sprintf("rsa%d", bitLen(k.numbers[0]))
	case algDSA:
		return fmt.Sprintf("dsa%d", bitLen(k.numbers[0]))
	case algECDSA, algEdDSALegacy, algEd25519, algEd448:
		return k.curve.name
	case algRSAEncrypt:
		return "rsa"
	case algElGamal:
		return "elgamal"
	case algX25519:
		return "x25519"
	case algX448:
		return "x448"
	case algECDH:
		return "ecdh"
	}
	return fmt.Sprintf("algorithm %d", k.algorithm)
}

// weak returns the name that KeyRules.Weak has to have for the key to be
// accepted, "" if it needs none.
func (k *publicKey) weak() string {
	switch k.algorithm {
	case algRSA, algRSASign:
		if bitLen(k.numbers[0]) < 2048 {
			return weakRSA1024
		}
	case algDSA:
		if bitLen(k.numbers[0]) < 2048 {
			return weakDSA1024
		}
	}
	return ""
}

// verify checks that k made s, whose digest over what it should be about is
// given.
func (k *publicKey) verify(s *signature, digest []byte) error {
	if s.algorithm != k.algorithm {
		return fmt.Errorf("signature of algorithm %d, key of algorithm %d", s.algorithm, k.algorithm)
	}
	// RFC 9580, section 5.2: version 6 keys make version 6 signatures, and no
	// other keys do.
	if (s.version == 6) != (k.version == 6) {
		return fmt.Errorf("signature of version %d by a key of version %d", s.version, k.version)
	}
	// Older ones repeat the digest's first bytes as well, which serves nothing
	// and is wrong in some that GitHub made.
	if s.version == 6 && !s.repeats(digest) {
		return errors.New("the signature is over something else")
	}
	k.once.Do(func() { k.check = newChecker(k) })
	return k.check(s, digest)
}

// repeats reports whether the first bytes of the digest that s holds are those
// of digest.
func (s *signature) repeats(digest []byte) bool { return [2]byte(digest) == s.left }
