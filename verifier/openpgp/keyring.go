package openpgp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// maxKeyring bounds a keyring file, in bytes: ten times Debian's, the largest
// that is in common use.
const maxKeyring = 256 << 20

// A Keyring is the keys of one file, as they stand there: what they say of
// themselves is verified when a key is first needed, for most never are.
type Keyring struct {
	// Skipped are keys that cannot be used, and signatures that belong to
	// none.
	Skipped []Skipped

	keys []*rawKey
	// revocations stand alone, as "gpg --gen-revoke" writes them, or behind
	// another key, where they are in a binary file that one was appended to.
	revocations []looseRevocation
}

// A Skipped is part of a keyring that is not used.
type Skipped struct {
	Fingerprint string // upper case hexadecimal; empty where it is not known
	Reason      string
}

// A looseRevocation is a signature that revokes the key that made it, or one
// that has named its maker for that.
type looseRevocation struct {
	body      []byte
	signature *signature
	behind    bool // another key, which it may be about as well
}

// A rawKey is a primary key with all that follows it in one keyring.
type rawKey struct {
	primary *publicKey
	subkeys []*publicKey // those that can be read
	packets []byte       // after that of the primary key; well-formed
}

// ReadKeyring reads a keyring, armored or binary, as "gpg --export" writes it:
// any number of keys, in any number of armored blocks with text between them.
// name is what errors call it. The Keyring shares memory with data, which must
// not be changed.
//
// Keys that cannot be read do not fail the others, but a file that holds
// secret keys is refused, as is one that is damaged: what it lost may be a
// revocation.
func ReadKeyring(name string, data []byte) (*Keyring, error) {
	ring := new(Keyring)
	if err := ring.read(data); err != nil {
		return nil, fmt.Errorf("reading keyring %s: %w", name, err)
	}
	return ring, nil
}

func (ring *Keyring) read(data []byte) error {
	switch {
	case len(data) > maxKeyring:
		return fmt.Errorf("%d bytes, more than the limit of %d", len(data), maxKeyring)
	case len(data) > 12 && string(data[8:12]) == "KBXf":
		return errors.New("a keybox of gpg, not a keyring: write one with gpg --export")
	case len(data) > 0 && data[0]&0x80 != 0:
		return ring.readPackets(data)
	}
	start := nextBlock(data)
	if start < 0 {
		return errors.New("holds no OpenPGP key, armored or not")
	}
	for start >= 0 {
		b, rest, err := readBlock(data[start:])
		if err != nil {
			return fmt.Errorf("armor: %w", err)
		}
		switch b.label {
		case "PGP PUBLIC KEY BLOCK":
		case "PGP PRIVATE KEY BLOCK":
			return errSecret
		default:
			return fmt.Errorf("armor of %q, want PGP PUBLIC KEY BLOCK", clip(b.label))
		}
		if err := ring.readPackets(b.data); err != nil {
			return err
		}
		data, start = rest, nextBlock(rest)
	}
	return nil
}

var errSecret = errors.New("holds a secret key: a keyring is for public keys, write one with gpg --export")

// readPackets takes a sequence of packets apart into keys: RFC 9580, section
// 10.1.
func (ring *Keyring) readPackets(data []byte) error {
	var key *rawKey // nil: none, or one that is skipped
	skipping := false
	var start []byte // of the packets after key's
	end := func(rest []byte) {
		if key != nil {
			key.packets = start[: len(start)-len(rest) : len(start)-len(rest)]
		}
	}
	for len(data) > 0 {
		p, rest, err := nextPacket(data)
		if err != nil {
			return err
		}
		switch p.tag {
		case tagPublicKey:
			end(data)
			key, skipping, start = nil, false, rest
			primary, err := parsePublicKey(p.body)
			if err != nil {
				skipping = true
				ring.skip(primary, err)
				break
			}
			key = &rawKey{primary: primary}
			ring.keys = append(ring.keys, key)
		case tagSecretKey, tagSecretSubkey:
			return errSecret
		case tagPublicSubkey:
			if key == nil {
				break
			}
			subkey, err := parsePublicKey(p.body)
			if err != nil {
				ring.skip(subkey, fmt.Errorf("subkey: %w", err))
				break
			}
			key.subkeys = append(key.subkeys, subkey)
		case tagSignature:
			if key == nil && !skipping {
				ring.readLoose(p.body)
			} else {
				ring.readBehind(key, p.body)
			}
		case tagUserID, tagUserAttribute, tagTrust, tagMarker, tagPadding:
		default:
			if p.tag < tagPrivate {
				return fmt.Errorf("a packet of type %d, which is no part of a key", p.tag)
			}
		}
		data = rest
	}
	end(nil)
	return nil
}

// readLoose reads a signature that stands before any key.
func (ring *Keyring) readLoose(body []byte) {
	s, err := parseSignature(body)
	switch {
	case err != nil:
		ring.skip(nil, fmt.Errorf("signature that belongs to no key: %w", err))
	case s.kind != sigKeyRevocation || len(s.issuers) == 0:
		ring.skip(nil, fmt.Errorf("signature of type 0x%02x that belongs to no key", s.kind))
	default:
		ring.revocations = append(ring.revocations, looseRevocation{body, s, false})
	}
}

// readBehind reads a signature that stands behind a key, nil for one that is
// skipped, in case it revokes another.
func (ring *Keyring) readBehind(key *rawKey, body []byte) {
	if len(body) < 3 || body[1] != sigKeyRevocation && body[2] != sigKeyRevocation {
		return // most are not, and need not be read now
	}
	s, err := parseSignature(body)
	if err != nil || s.kind != sigKeyRevocation || len(s.issuers) == 0 || key != nil && s.by(key.primary) {
		return
	}
	ring.revocations = append(ring.revocations, looseRevocation{body, s, true})
}

func (ring *Keyring) skip(k *publicKey, err error) {
	s := Skipped{Reason: err.Error()}
	if k != nil {
		s.Fingerprint = hexFingerprint(k.fingerprint)
	}
	ring.Skipped = append(ring.Skipped, s)
}

// An index finds the keys of several keyrings. It is not changed once it is
// made.
type index struct {
	byID map[uint64][]*key
	keys []*key // in the order in which they were read

	revocations []looseRevocation
}

// newIndex indexes all keys by the ids of all their parts. The same primary
// key from several places is one key, of which all is true that is said of it
// anywhere: a revocation counts from whichever file it comes. What keys say of
// themselves is judged at the time at, in Unix seconds.
func newIndex(rings []*Keyring, at int64) *index {
	n := 0
	for _, ring := range rings {
		n += len(ring.keys)
	}
	x := &index{byID: make(map[uint64][]*key, 3*n), keys: make([]*key, 0, n)}
	for _, ring := range rings {
		for _, raw := range ring.keys {
			k := x.primary(raw.primary.fingerprint, raw.primary.id)
			if k == nil {
				k = &key{primary: raw.primary, index: x, at: at}
				x.keys = append(x.keys, k)
				x.add(raw.primary.id, k)
			}
			k.raw = append(k.raw, raw)
			for _, subkey := range raw.subkeys {
				x.add(subkey.id, k)
			}
		}
	}
	for _, ring := range rings {
		x.revocations = append(x.revocations, ring.revocations...)
	}
	return x
}

func (x *index) add(id uint64, k *key) {
	if !slices.Contains(x.byID[id], k) {
		x.byID[id] = append(x.byID[id], k)
	}
}

// primary returns the key with a primary key of that fingerprint, nil if
// there is none.
func (x *index) primary(fingerprint []byte, id uint64) *key {
	for _, k := range x.byID[id] {
		if bytes.Equal(k.primary.fingerprint, fingerprint) {
			return k
		}
	}
	return nil
}

// digests returns one for all that is said of each key, each once and in
// order.
func (x *index) digests() [][32]byte {
	var all [][32]byte
	for _, k := range x.keys {
		for _, raw := range k.raw {
			h := sha256.New()
			fmt.Fprintf(h, "key %d\n", len(raw.primary.body))
			h.Write(raw.primary.body)
			h.Write(raw.packets)
			all = append(all, [32]byte(h.Sum(nil)))
		}
	}
	for _, r := range x.revocations {
		all = append(all, sha256.Sum256(append([]byte("revocation\n"), r.body...)))
	}
	slices.SortFunc(all, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(all)
}
