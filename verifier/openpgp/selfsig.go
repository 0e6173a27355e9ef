package openpgp

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// judge finds out what the key says of its primary key.
func (k *key) judge() {
	st := &k.state
	direct := k.newest(&st.partState, slices.DeleteFunc(slices.Clone(k.direct), func(s *signature) bool {
		return s.kind != sigDirectKey
	}), over(k.primary.hashed()))

	// The user ids, each with the newest self-signature.
	revoked := 0
	for _, u := range k.uids {
		certs := slices.DeleteFunc(slices.Clone(u.sigs), func(s *signature) bool {
			return s.kind != sigCertRevocation && (s.kind < sigGenericCert || s.kind > sigPositiveCert)
		})
		if s := k.newest(&st.partState, certs, k.overUserID(u)); s != nil {
			if s.kind == sigCertRevocation {
				revoked++
			} else {
				u.newest = s
			}
		}
	}
	k.judgeRevocations()
	k.chooseSubject()

	tells := slices.DeleteFunc(slices.Clone(k.uids), func(u *userID) bool { return u.newest == nil })
	slices.SortStableFunc(tells, func(a, b *userID) int { return cmp.Compare(b.newest.created, a.newest.created) })
	switch {
	case direct == nil && len(tells) == 0 && revoked > 0:
		st.bound = errors.New("all its user ids are revoked")
	case direct == nil && len(tells) == 0:
		st.bound = errors.New("it has no valid self-signature")
	}
	candidates := make([]*signature, 0, 1+len(tells))
	if direct != nil {
		candidates = append(candidates, direct)
	}
	for _, u := range tells {
		candidates = append(candidates, u.newest)
	}
	st.flags = defaultFlags(k.primary)
	if i := slices.IndexFunc(candidates, func(s *signature) bool { return s.hasFlags }); i >= 0 {
		st.flags = candidates[i].flags
	}
	if i := slices.IndexFunc(candidates, func(s *signature) bool { return s.keyLifetime != 0 }); i >= 0 {
		st.expires = k.primary.created + int64(candidates[i].keyLifetime)
	}
}

// chooseSubject finds the primary user id as gpg does: the newest of those that
// say that they are it, of equals the first; or else the newest, of equals the
// longest, of these the one that sorts last.
func (k *key) chooseSubject() {
	var best *userID
	for _, u := range k.uids {
		if u.newest == nil || u.attribute {
			continue
		}
		if best == nil || less(best, u) {
			best = u
		}
	}
	if best != nil {
		k.state.subject = string(best.value)
	}
}

// less reports whether b is rather the primary user id than a.
func less(a, b *userID) bool {
	if a.newest.primaryUID != b.newest.primaryUID {
		return b.newest.primaryUID
	}
	if a.newest.created != b.newest.created {
		return a.newest.created < b.newest.created
	}
	if a.newest.primaryUID {
		return false
	}
	return cmp.Or(cmp.Compare(len(a.value), len(b.value)), bytes.Compare(a.value, b.value)) < 0
}

// judgeRevocations collects the revocations of the primary key: those by
// itself, and those by keys that it has named for that.
func (k *key) judgeRevocations() {
	named := k.revokers()
	for _, s := range k.direct {
		switch {
		case s.kind != sigKeyRevocation:
		case s.by(k.primary):
			k.addRevocation(s, k.primary)
		default:
			for _, revoker := range named {
				if other := k.index.primary(revoker.fingerprint, revoker.id); other != nil {
					k.addRevocation(s, other.primary)
				} else {
					k.suspect(s, revoker)
				}
			}
		}
	}
	// Those that stand alone do not say what they revoke, other than by being
	// right.
	for _, revoker := range named {
		other := k.index.primary(revoker.fingerprint, revoker.id)
		for _, r := range k.index.revocations {
			if other != nil {
				k.addRevocation(r.signature, other.primary)
			} else if !r.behind {
				k.suspect(r.signature, revoker)
			}
		}
	}
}

// suspect notes that s, if it is said to be by a revoker that is not known, may
// revoke the key.
func (k *key) suspect(s *signature, revoker issuer) {
	if slices.ContainsFunc(s.issuers, func(i issuer) bool { return i.id == revoker.id }) {
		k.state.revokers = append(k.state.revokers, hexFingerprint(revoker.fingerprint))
	}
}

// addRevocation notes that s revokes the key, if by made it.
func (k *key) addRevocation(s *signature, by *publicKey) {
	if s.by(by) && k.made(s, by, k.primary.hashed()) {
		k.state.revocations = append(k.state.revocations, revocation{s.created, s.soft()})
	}
}

// revokers returns the keys that may revoke this one, by any
// self-signature, however old: who was named is not unnamed by who has
// stolen the key.
func (k *key) revokers() []issuer {
	var named []issuer
	for _, s := range k.direct {
		if len(s.revokers) > 0 && s.kind == sigDirectKey && s.by(k.primary) && k.made(s, k.primary, k.primary.hashed()) {
			named = append(named, s.revokers...)
		}
	}
	for _, u := range k.uids {
		for _, s := range u.sigs {
			if len(s.revokers) > 0 && k.made(s, k.primary, k.overUserID(u)(s)...) {
				named = append(named, s.revokers...)
			}
		}
	}
	return named
}

// subkey returns what the key says of one of its subkeys.
func (k *key) subkey(p *part) *partState {
	p.once.Do(func() {
		st := &p.state
		both := [][]byte{k.primary.hashed(), p.publicKey.hashed()}
		for _, s := range p.sigs {
			if s.kind == sigSubkeyRevocation && k.made(s, k.primary, both...) {
				st.revocations = append(st.revocations, revocation{s.created, s.soft()})
			}
		}
		binding := k.newest(st, slices.DeleteFunc(slices.Clone(p.sigs), func(s *signature) bool {
			return s.kind != sigSubkeyBinding
		}), over(both...))
		if binding == nil {
			st.bound = fmt.Errorf("no valid signature binds it to %s", hexFingerprint(k.primary.fingerprint))
			return
		}
		st.flags = defaultFlags(p.publicKey)
		if binding.hasFlags {
			st.flags = binding.flags
		}
		if binding.keyLifetime != 0 {
			st.expires = p.publicKey.created + int64(binding.keyLifetime)
		}
		if st.flags&flagSign != 0 && !k.crossSigned(p.publicKey, binding, both) {
			st.bound = fmt.Errorf("it has not signed for %s", hexFingerprint(k.primary.fingerprint))
		}
	})
	return &p.state
}

// crossSigned reports whether a subkey for signing has signed that it belongs
// to the primary key. Without that anybody could add it to a key of their
// own, and have its signatures for theirs: RFC 9580, section 10.1.5.
func (k *key) crossSigned(subkey *publicKey, binding *signature, both [][]byte) bool {
	for _, body := range binding.backSignatures {
		s, err := parseSignature(body)
		if err != nil || s.kind != sigPrimaryBinding || !s.sound() {
			continue
		}
		if (len(s.issuers) == 0 || s.by(subkey)) && k.made(s, subkey, both...) {
			return true
		}
	}
	return false
}

// newest returns the newest of the primary key's signatures that is in force,
// nil if there is none, and notes in st when that may change. Only as many are
// verified as it takes.
func (k *key) newest(st *partState, sigs []*signature, over func(*signature) [][]byte) *signature {
	sorted := slices.Clone(sigs)
	slices.Reverse(sorted) // of equals the last counts
	slices.SortStableFunc(sorted, func(a, b *signature) int { return cmp.Compare(b.created, a.created) })
	for _, s := range sorted {
		if !s.sound() || !s.by(k.primary) || s.created < k.primary.created || !k.made(s, k.primary, over(s)...) {
			continue
		}
		if s.created > k.at+skew {
			st.changesAt(s.created - skew)
			continue
		}
		if s.lifetime != 0 {
			end := s.created + int64(s.lifetime)
			if end < k.at {
				return nil // and what was said before it no longer holds
			}
			st.changesAt(end)
		}
		return s
	}
	return nil
}

// over returns what signatures of any version are made over.
func over(data ...[]byte) func(*signature) [][]byte {
	return func(*signature) [][]byte { return data }
}

// overUserID returns what signatures that bind u to the key are made over.
func (k *key) overUserID(u *userID) func(*signature) [][]byte {
	return func(s *signature) [][]byte { return [][]byte{k.primary.hashed(), u.hashed(s.version)} }
}

// made reports whether by made s over data.
func (k *key) made(s *signature, by *publicKey, data ...[]byte) bool {
	digest, err := s.digest(data...)
	return err == nil && by.verify(s, digest) == nil
}

// sound reports whether a self-signature may be gone by. SHA-1 will do there:
// who is tricked into signing is the owner, about the own key. MD5 will not.
func (s *signature) sound() bool {
	return s.odd == nil && s.critical == nil && hashes[s.hash].name != weakMD5
}

// soft reports whether a revocation says only that the key is no longer used:
// RFC 9580, section 5.2.3.31. One without a reason may mean anything.
func (s *signature) soft() bool {
	return s.reason == 1 || s.reason == 3 // superseded, retired
}

// defaultFlags returns what a key is for that does not say so: all that its
// algorithm can do, as gpg has it.
func defaultFlags(k *publicKey) byte {
	switch {
	case k.numbers == nil:
		return flagEncrypt
	case k.algorithm == algRSA:
		return flagCertify | flagSign | flagEncrypt | flagAuth
	}
	return flagCertify | flagSign | flagAuth
}

// changesAt notes that the state may be different after t.
func (st *partState) changesAt(t int64) {
	if st.changes == 0 || t < st.changes {
		st.changes = t
	}
}
