package openpgp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of subpackets that are read: RFC 9580, section 5.2.3.7.
const (
	subCreated       = 2
	subLifetime      = 3
	subKeyLifetime   = 9
	subRevoker       = 12 // RFC 4880, section 5.2.3.15
	subIssuer        = 16
	subNotation      = 20
	subPrimaryUID    = 25
	subFlags         = 27
	subReason        = 29
	subEmbedded      = 32
	subFingerprint   = 33
	subpacketTypes   = 128
	subpacketCrucial = 0x80
)

// understood are the types that may be critical: those that are read, and
// those that say nothing about whether a signature over a document, or of a
// key about itself, is valid. Trust and regular expressions are about other
// people's keys, notations may mean anything, and recipients are those of
// messages.
var understood = [subpacketTypes]bool{
	subCreated: true, subLifetime: true, subKeyLifetime: true, subRevoker: true, subIssuer: true,
	subPrimaryUID: true, subFlags: true, subReason: true, subEmbedded: true, subFingerprint: true,
	4: true, 7: true, // exportable, revocable
	11: true, 21: true, 22: true, 34: true, 39: true, // preferences
	23: true, 24: true, // key servers
	26: true, 28: true, 30: true, // policy URI, signer's user id, features
}

// single are the types that can be read in two ways if they are there twice.
var single = [subpacketTypes]bool{
	subCreated: true, subLifetime: true, subKeyLifetime: true, subPrimaryUID: true, subFlags: true, subReason: true,
}

// eachSubpacket calls f for each subpacket of an area: RFC 9580, section
// 5.2.3.7.
func eachSubpacket(area []byte, f func(kind byte, critical bool, value []byte) error) error {
	for len(area) > 0 {
		n, rest, err := length(area)
		if err != nil {
			return fmt.Errorf("subpacket: %w", err)
		}
		body, rest, err := take(rest, n)
		if err != nil {
			return fmt.Errorf("subpacket: %w", err)
		}
		if len(body) == 0 {
			return errors.New("subpacket: empty")
		}
		area = rest
		kind := body[0] &^ subpacketCrucial
		if err := f(kind, body[0]&subpacketCrucial != 0, body[1:]); err != nil {
			return fmt.Errorf("subpacket of type %d: %w", kind, err)
		}
	}
	return nil
}

// parseHashed reads the area that the signature is over.
func (s *signature) parseHashed(area []byte) error {
	var seen [subpacketTypes]bool
	err := eachSubpacket(area, func(kind byte, critical bool, value []byte) error {
		if critical && !understood[kind] {
			s.critical = fmt.Errorf("a subpacket of type %d that must not be ignored, and is not known", kind)
		}
		if seen[kind] && single[kind] {
			s.odd = fmt.Errorf("two subpackets of type %d", kind)
		}
		seen[kind] = true
		return s.parseSubpacket(kind, value)
	})
	if err == nil && !seen[subCreated] {
		err = errors.New("no creation time")
	}
	return err
}

func (s *signature) parseSubpacket(kind byte, value []byte) error {
	switch kind {
	case subCreated:
		n, err := seconds(value)
		s.created = int64(n)
		return err
	case subLifetime:
		n, err := seconds(value)
		s.lifetime = n
		return err
	case subKeyLifetime:
		n, err := seconds(value)
		s.keyLifetime = n
		return err
	case subPrimaryUID:
		if len(value) != 1 {
			return errSize
		}
		s.primaryUID = value[0] != 0
	case subFlags:
		s.hasFlags = true
		if len(value) > 0 {
			s.flags = value[0]
		}
	case subReason:
		if len(value) == 0 {
			return errSize
		}
		s.reason = value[0]
	case subRevoker:
		// Class, algorithm, fingerprint; the class has its highest bit set.
		if len(value) != 22 && len(value) != 34 || value[0]&0x80 == 0 {
			return errSize
		}
		s.revokers = append(s.revokers, named(value[2:]))
	default:
		return s.parseSelfProving(kind, value)
	}
	return nil
}

// parseUnhashed reads the area that the signature is not over, in which
// anyone can write: from there come only names of keys, of which one is going
// to verify the signature or not, and signatures.
func (s *signature) parseUnhashed(area []byte) error {
	return eachSubpacket(area, func(kind byte, _ bool, value []byte) error {
		return s.parseSelfProving(kind, value)
	})
}

func (s *signature) parseSelfProving(kind byte, value []byte) error {
	switch kind {
	case subIssuer:
		if len(value) != 8 {
			return errSize
		}
		s.issuers = append(s.issuers, issuer{id: binary.BigEndian.Uint64(value)})
	case subFingerprint:
		if !(len(value) == 21 && value[0] == 4 || len(value) == 33 && value[0] == 6) {
			return errSize
		}
		s.issuers = append(s.issuers, named(value[1:]))
	case subEmbedded:
		s.backSignatures = append(s.backSignatures, value)
	}
	return nil
}

// named returns the key with a fingerprint, of 20 bytes in version 4 and of 32
// in version 6.
func named(fingerprint []byte) issuer {
	id := fingerprint
	if len(id) == 20 {
		id = id[12:]
	}
	return issuer{binary.BigEndian.Uint64(id), fingerprint}
}

var errSize = errors.New("wrong size")

func seconds(value []byte) (uint32, error) {
	if len(value) != 4 {
		return 0, errSize
	}
	return binary.BigEndian.Uint32(value), nil
}
