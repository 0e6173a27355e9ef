package openpgp

import (
	"encoding/binary"
	"sync"
)

// The key flags that are told apart: RFC 9580, section 5.2.3.29.
const (
	flagCertify = 0x01
	flagSign    = 0x02
	flagEncrypt = 0x04 | 0x08
	flagAuth    = 0x20
)

// A key is a primary key with its user ids and subkeys, from all keyrings. It
// is read when it is first needed.
//
// What holds of it is what its newest self-signatures say at the time of the
// judging, as gpg has it (merge_selfsigs_main in g10/getkey.c): usage and
// expiry of the primary key come from its newest direct key signature, or
// else from the newest of the user ids' signatures that tells; those of a
// subkey from its newest binding. Whether the key had expired is then asked
// of the expiry known today: keys are prolonged, and what they said before is
// often not kept.
type key struct {
	primary *publicKey
	raw     []*rawKey
	index   *index
	at      int64

	once   sync.Once // fills what follows
	direct []*signature
	uids   []*userID
	parts  []*part
	state  primaryState
}

// A userID is a user id with the signatures that follow it.
type userID struct {
	value     []byte
	attribute bool // an image, say
	sigs      []*signature

	newest *signature // the self-signature in force; nil: none, or it is a revocation
}

// A part is a subkey, with the signatures that follow it.
type part struct {
	publicKey *publicKey
	sigs      []*signature

	once  sync.Once // fills what follows
	state partState
}

// A primaryState is what a key says about its primary key.
type primaryState struct {
	partState
	subject string // the primary user id
	// revokers are keys that may have revoked this one: it named them, there
	// is a revocation that is said to be theirs, and they are not known.
	revokers []string
}

// A partState is what a key says about one of its parts.
type partState struct {
	// bound says why the part does not belong to the key. Nil: it does.
	bound       error
	flags       byte
	expires     int64 // 0: never
	revocations []revocation
	changes     int64 // when any of this may become different; 0: never
}

// A revocation of a key or subkey.
type revocation struct {
	at   int64
	soft bool // what was signed before it stays good
}

// load reads the key once.
func (k *key) load() {
	k.once.Do(func() {
		k.gather()
		k.judge()
	})
}

// gather sorts the packets of all copies of the key by what they are about.
// Signatures that can be of no use are dropped: keys carry thousands by other
// people.
func (k *key) gather() {
	// A signature that a copy of the key has in a wrong place is not that in
	// the right one: who may add to a keyring could hide a revocation so.
	type placed struct {
		among *[]*signature
		body  string
	}
	seen := make(map[placed]bool)
	// Anyone can add thousands of user ids and subkeys to a key.
	uids, parts := make(map[string]*userID), make(map[string]*part)
	for _, raw := range k.raw {
		sigs := &k.direct
		for data := raw.packets; len(data) > 0; {
			p, rest, err := nextPacket(data)
			if err != nil {
				panic("openpgp: a packet that was read before: " + err.Error())
			}
			data = rest
			switch p.tag {
			case tagUserID, tagUserAttribute:
				sigs = &k.userID(p, uids).sigs
			case tagPublicSubkey:
				subkey, err := parsePublicKey(p.body)
				if err != nil {
					sigs = new([]*signature) // of a subkey that is skipped
					continue
				}
				sigs = &k.part(subkey, parts).sigs
			case tagSignature:
				s, err := parseSignature(p.body)
				if err != nil {
					continue
				}
				among := sigs
				switch s.kind {
				case sigKeyRevocation, sigDirectKey:
					among = &k.direct // wherever they stand
				default:
					if !s.by(k.primary) {
						continue
					}
				}
				if here := (placed{among, string(p.body)}); !seen[here] {
					seen[here] = true
					*among = append(*among, s)
				}
			}
		}
	}
	for _, r := range k.index.revocations {
		if r.signature.by(k.primary) {
			k.direct = append(k.direct, r.signature)
		}
	}
}

// userID returns the user id in a packet, a new one where named has none.
func (k *key) userID(p packet, named map[string]*userID) *userID {
	name := string(append([]byte{p.tag}, p.body...))
	u := named[name]
	if u == nil {
		u = &userID{value: p.body, attribute: p.tag == tagUserAttribute}
		named[name] = u
		k.uids = append(k.uids, u)
	}
	return u
}

// part returns the part that is a subkey, a new one where named has none.
func (k *key) part(subkey *publicKey, named map[string]*part) *part {
	p := named[string(subkey.fingerprint)]
	if p == nil {
		p = &part{publicKey: subkey}
		named[string(subkey.fingerprint)] = p
		k.parts = append(k.parts, p)
	}
	return p
}

// hashed returns the user id as signatures are made over it: RFC 9580,
// section 5.2.4.
func (u *userID) hashed(version byte) []byte {
	if version == 3 {
		return u.value
	}
	prefix := byte(0xb4)
	if u.attribute {
		prefix = 0xd1
	}
	out := append(make([]byte, 0, 5+len(u.value)), prefix)
	out = binary.BigEndian.AppendUint32(out, uint32(len(u.value)))
	return append(out, u.value...)
}
