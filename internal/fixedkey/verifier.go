package fixedkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// repaid is how many signatures a key has verified before its table is
	// made. A table and that of P-384's generator take as long as they save in
	// 24 verifications on P-384, a table on P-256 as long as in 40: however many
	// signatures follow, the time is never much more than twice the least.
	repaid = 32

	// maxTables bounds the tables that a Set makes: 17 MB of them. The trusted
	// root of Sigstore's public instance names eight such keys.
	maxTables = 16

	// maxKeys bounds the keys that a Set knows. Each new one is compared with
	// all before it.
	maxKeys = 64
)

// A Set knows the keys of a trusted root. The zero value is an empty one. It
// may be used by several goroutines at once.
type Set struct {
	NoTables bool // that memory is worth more than time

	mu        sync.Mutex
	verifiers []*Verifier  // guarded by mu
	tables    atomic.Int32 // asked for so far
}

// Key returns the key to verify with in place of key: a Verifier, if key is an
// ECDSA key on P-256 or P-384 and the Set does not know 64 others, otherwise
// key itself. Keys of the same value have the same Verifier. The key must not
// be changed afterwards, and must be one that was chosen, not one that came
// with a signature, for it is remembered.
func (s *Set) Key(key crypto.PublicKey) crypto.PublicKey {
	pub, ok := key.(*ecdsa.PublicKey)
	if !ok || !supported(pub) {
		return key
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.verifiers, func(v *Verifier) bool { return v.pub.Equal(pub) }); i >= 0 {
		return s.verifiers[i]
	}
	if len(s.verifiers) == maxKeys {
		return key
	}
	v := &Verifier{pub: pub, set: s}
	if pub.Curve == elliptic.P384() && !fips140.Enabled() {
		v.once = sync.OnceValue(func() *Key {
			k, err := newOnceP384(pub)
			if err != nil {
				return nil // not a point of the curve: crypto/ecdsa accepts nothing by it
			}
			return k
		})
	}
	s.verifiers = append(s.verifiers, v)
	return v
}

// A Verifier verifies signatures by one public key: the first ones at no cost
// beside, on P-256 as crypto/ecdsa does and on P-384 by a few multiples of the
// key, and by a table from when enough have come for that to be repaid. Its
// answers are those of crypto/ecdsa throughout. It may be used by several
// goroutines at once.
//
// In FIPS 140-3 mode it is crypto/ecdsa that answers: whoever asks for the
// module's ECDSA gets that.
type Verifier struct {
	pub   *ecdsa.PublicKey
	set   *Set
	uses  atomic.Int64
	once  func() *Key         // of the first signatures; nil, or returns nil: crypto/ecdsa verifies them
	table atomic.Pointer[Key] // nil: not made
}

// Curve returns the key's curve, P-256 or P-384.
func (v *Verifier) Curve() elliptic.Curve { return v.pub.Curve }

// Verify reports whether sig, in DER, is the key's signature over digest.
func (v *Verifier) Verify(digest, sig []byte) bool {
	// One goroutine finds itself the one to make the table. The others go on
	// without until it is there.
	if v.table.Load() == nil && v.uses.Add(1) == repaid {
		v.makeTable()
	}
	if k := v.table.Load(); k != nil {
		return k.Verify(digest, sig)
	}
	if v.once != nil {
		if k := v.once(); k != nil {
			return k.Verify(digest, sig)
		}
	}
	return ecdsa.VerifyASN1(v.pub, digest, sig)
}

// VerifyASN1 reports whether sig is the signature over digest of key, which is
// a Verifier or an *ecdsa.PublicKey. Other keys have none.
func VerifyASN1(key crypto.PublicKey, digest, sig []byte) bool {
	switch key := key.(type) {
	case *Verifier:
		return key.Verify(digest, sig)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, sig)
	}
	return false
}

func (v *Verifier) makeTable() {
	if v.set.NoTables || fips140.Enabled() || v.set.tables.Add(1) > maxTables {
		return
	}
	k, err := New(v.pub)
	if err != nil {
		return // not a point of the curve: crypto/ecdsa accepts nothing by it
	}
	v.table.Store(k)
}
