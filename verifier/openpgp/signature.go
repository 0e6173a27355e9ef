package openpgp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of signatures that are told apart: RFC 9580, section 5.2.1.
const (
	sigBinary           = 0x00
	sigText             = 0x01
	sigGenericCert      = 0x10
	sigPositiveCert     = 0x13
	sigSubkeyBinding    = 0x18
	sigPrimaryBinding   = 0x19
	sigDirectKey        = 0x1f
	sigKeyRevocation    = 0x20
	sigSubkeyRevocation = 0x28
	sigCertRevocation   = 0x30
)

// A signature is a signature packet, taken apart. Only what stands in the
// hashed area is read into it, but for who may have made it (issuers) and
// backSignatures, which are verified themselves.
type signature struct {
	version, kind, algorithm, hash byte

	hashed []byte  // what is hashed after the data: all up to the end of the hashed area
	left   [2]byte // the first bytes of the digest
	salt   []byte  // version 6
	values [][]byte

	created     int64
	lifetime    uint32 // of the signature, in seconds; 0: for ever
	keyLifetime uint32 // of the key, in seconds; 0: for ever
	hasFlags    bool
	flags       byte
	primaryUID  bool
	reason      byte     // of a revocation; 0 where there is none
	revokers    []issuer // keys that may revoke the one that this is about
	issuers     []issuer
	// backSignatures are the bodies of embedded signatures.
	backSignatures [][]byte

	// What is wrong with it, but leaves it readable. A revocation counts all
	// the same, for one that were passed over would be no revocation.
	odd      error // it could be read in two ways
	critical error // its maker wants nobody to go by it who does not know a part of it
}

// An issuer is a name of the key that made a signature.
type issuer struct {
	id          uint64
	fingerprint []byte // nil: only the id
}

// is reports whether i may stand for k.
func (i issuer) is(k *publicKey) bool {
	return i.id == k.id && (i.fingerprint == nil || string(i.fingerprint) == string(k.fingerprint))
}

// by reports whether all names that the signature has for its key may stand
// for k, and it has one.
func (s *signature) by(k *publicKey) bool {
	for _, i := range s.issuers {
		if !i.is(k) {
			return false
		}
	}
	return len(s.issuers) > 0
}

// parseSignature reads the body of a signature packet: RFC 9580, section
// 5.2, and for version 3 RFC 4880, section 5.2.2. The result shares memory
// with it.
func parseSignature(body []byte) (*signature, error) {
	if len(body) == 0 {
		return nil, errCutOff
	}
	s := &signature{version: body[0]}
	var rest []byte
	var err error
	switch s.version {
	case 3:
		rest, err = s.parseV3(body)
	case 4, 6:
		rest, err = s.parseV4(body)
	default:
		return nil, unsupported("signature of version %d", s.version)
	}
	if err != nil {
		return nil, err
	}
	return s, s.parseValues(rest)
}

// parseV3 reads the beginning of a version 3 signature: RFC 4880, section
// 5.2.2.
func (s *signature) parseV3(body []byte) ([]byte, error) {
	const size = 1 + 1 + 5 + 8 + 2 + 2
	if len(body) < size {
		return nil, errCutOff
	}
	if body[1] != 5 {
		return nil, fmt.Errorf("%d hashed octets in a signature of version 3", body[1])
	}
	s.hashed = body[2:7]
	s.kind = body[2]
	s.created = int64(binary.BigEndian.Uint32(body[3:]))
	s.issuers = []issuer{{id: binary.BigEndian.Uint64(body[7:])}}
	s.algorithm, s.hash = body[15], body[16]
	s.left = [2]byte(body[17:])
	return body[size:], nil
}

// parseV4 reads the beginning of a signature of version 4 or 6: RFC 9580,
// section 5.2.3.
func (s *signature) parseV4(body []byte) ([]byte, error) {
	if len(body) < 4 {
		return nil, errCutOff
	}
	s.kind, s.algorithm, s.hash = body[1], body[2], body[3]
	areaSize := 2
	if s.version == 6 {
		areaSize = 4
	}
	n, rest, err := number(body[4:], areaSize)
	if err != nil {
		return nil, err
	}
	hashed, rest, err := take(rest, n)
	if err != nil {
		return nil, err
	}
	s.hashed = body[:len(body)-len(rest)]
	if n, rest, err = number(rest, areaSize); err != nil {
		return nil, err
	}
	unhashed, rest, err := take(rest, n)
	if err != nil {
		return nil, err
	}
	left, rest, err := take(rest, 2)
	if err != nil {
		return nil, err
	}
	s.left = [2]byte(left)
	if s.version == 6 {
		if n, rest, err = number(rest, 1); err != nil {
			return nil, err
		}
		if s.salt, rest, err = take(rest, n); err != nil {
			return nil, err
		}
		if want := hashes[s.hash].salt; want != 0 && len(s.salt) != want {
			return nil, fmt.Errorf("salt of %d bytes, want %d", len(s.salt), want)
		}
	}
	if err := s.parseHashed(hashed); err != nil {
		return nil, err
	}
	return rest, s.parseUnhashed(unhashed)
}

// parseValues reads the numbers that are the signature proper.
func (s *signature) parseValues(rest []byte) error {
	count := 0
	switch s.algorithm {
	case algRSA, algRSASign:
		count = 1
	case algDSA, algECDSA, algEdDSALegacy:
		count = 2
	case algEd25519:
		return s.parseFixed(rest, ed25519SignatureSize)
	case algEd448:
		return s.parseFixed(rest, ed448SignatureSize)
	default:
		// What follows is in a form that is not known; who makes the
		// signature is, and its type.
		s.values = nil
		return nil
	}
	for range count {
		value, after, canonical, whole, err := mpi(rest)
		if err != nil {
			return fmt.Errorf("signature value: %w", err)
		}
		if !canonical && !whole {
			s.odd = errors.New("signature value of another length than it says")
		}
		s.values = append(s.values, value)
		rest = after
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes after the signature value", len(rest))
	}
	return nil
}

func (s *signature) parseFixed(rest []byte, size int) error {
	if len(rest) != size {
		return fmt.Errorf("signature value of %d bytes, want %d", len(rest), size)
	}
	s.values = [][]byte{rest}
	return nil
}
