package openpgp_test

import (
	"slices"
	"testing"
	"time"

	"gitseal/verifier"
)

func TestRevocation(t *testing.T) {
	alice, mallory := edKey(1, born), edKey(3, born)
	self := keyOf(alice, "alice")[len(alice.primary()):]
	revoked := func(s sig) []byte {
		if s.by == nil {
			s.by = alice
		}
		if s.at.IsZero() {
			s.at = later
		}
		s.kind = 0x20
		return slices.Concat(alice.primary(), s.over(alice.hashed()), self)
	}
	before, after := sig{by: alice, at: signed}.over(payload), sig{by: alice, at: later.Add(time.Hour)}.over(payload)
	for _, j := range []judgment{
		{name: "without reason", rings: [][]byte{revoked(sig{})}, want: verifier.Revoked, err: "key was revoked at 2022", valid: true},
		{name: "for no reason", rings: [][]byte{revoked(sig{hashed: reason(0)})}, want: verifier.Revoked, err: "key was revoked at 2022", valid: true},
		{name: "for no reason, judged when signed", rings: [][]byte{revoked(sig{hashed: reason(0)})}, rules: &then, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "compromised", rings: [][]byte{revoked(sig{hashed: reason(2)})}, rules: &then, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "for a reason that is not known", rings: [][]byte{revoked(sig{hashed: reason(77)})}, rules: &then, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "superseded", rings: [][]byte{revoked(sig{hashed: reason(1)})}, want: verifier.Revoked, err: "retired or superseded", valid: true},
		{name: "superseded, judged when signed", rings: [][]byte{revoked(sig{hashed: reason(1)})}, rules: &then, want: verifier.Verified},
		{name: "retired, judged when signed", rings: [][]byte{revoked(sig{hashed: reason(3)})}, rules: &then, want: verifier.Verified},
		{name: "signed after it was retired", rings: [][]byte{revoked(sig{hashed: reason(3)})}, rules: &then, sig: after, want: verifier.Revoked, err: "retired or superseded", valid: true},
		{name: "retired and compromised", rings: [][]byte{slices.Concat(alice.primary(), sig{by: alice, kind: 0x20, at: later, hashed: reason(3)}.over(alice.hashed()),
			sig{by: alice, kind: 0x20, at: later, hashed: reason(2)}.over(alice.hashed()), self)}, rules: &then, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "reason that the revocation does not cover", rings: [][]byte{revoked(sig{unhashed: reason(3)})}, rules: &then, want: verifier.Revoked, err: "key was revoked", valid: true},

		{name: "dated later than now", rings: [][]byte{revoked(sig{at: now.AddDate(5, 0, 0)})}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "dated before the key", rings: [][]byte{revoked(sig{at: born.AddDate(-5, 0, 0)})}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "by MD5", rings: [][]byte{revoked(sig{hash: md5ID})}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "with a condition that is not known", rings: [][]byte{revoked(sig{hashed: sub(0x80 | 99)})}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "with two reasons", rings: [][]byte{revoked(sig{hashed: slices.Concat(reason(3), reason(3))})}, want: verifier.Revoked, err: "retired", valid: true},
		{name: "certified anew", rings: [][]byte{slices.Concat(revoked(sig{}), sig{by: alice, kind: 0x13, at: now, hashed: flags(3)}.over(overUID(alice, "alice")))},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "after the user id", rings: [][]byte{slices.Concat(keyOf(alice, "alice"), sig{by: alice, kind: 0x20, at: later}.over(alice.hashed()))},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "in another file", rings: [][]byte{keyOf(alice, "alice"), revoked(sig{})}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "in another file, first", rings: [][]byte{revoked(sig{}), keyOf(alice, "alice")}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "on its own in another file", rings: [][]byte{keyOf(alice, "alice"), block("PGP PUBLIC KEY BLOCK", sig{by: alice, kind: 0x20, at: later}.over(alice.hashed()))},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "on its own, by key id", rings: [][]byte{sig{by: alice, kind: 0x20, at: later, noIssuer: true, unhashed: issuerID(alice)}.over(alice.hashed()), keyOf(alice, "alice")},
			want: verifier.Revoked, err: "key was revoked", valid: true},

		{name: "by a stranger", rings: [][]byte{revoked(sig{by: mallory}), keyOf(mallory, "mallory")}, want: verifier.Verified},
		{name: "wrong", rings: [][]byte{revoked(sig{breakIt: true})}, want: verifier.Verified},
		{name: "of another key", rings: [][]byte{slices.Concat(alice.primary(), sig{by: alice, kind: 0x20, at: later}.over(mallory.hashed()), self)}, want: verifier.Verified},
		{name: "on its own, of another key", rings: [][]byte{sig{by: mallory, kind: 0x20, at: later}.over(mallory.hashed()), keyOf(alice, "alice")}, want: verifier.Verified},
	} {
		if j.sig == nil {
			j.sig = before
		}
		j.run(t, alice)
	}
}

func TestSubkeyRevocation(t *testing.T) {
	alice, subkey := edKey(1, born), edKey(2, born)
	both := slices.Concat(alice.hashed(), subkey.hashed())
	bound := slices.Concat(keyOf(alice, "alice"), bind(alice, subkey, born, flags(2)))
	revoked := func(s sig) []byte {
		s.kind, s.at = 0x28, later
		if s.by == nil {
			s.by = alice
		}
		return slices.Concat(bound, s.over(both))
	}
	primary := slices.Concat(alice.primary(), sig{by: alice, kind: 0x20, at: later}.over(alice.hashed()), bound[len(alice.primary()):])
	retired := slices.Concat(alice.primary(), sig{by: alice, kind: 0x20, at: later, hashed: reason(3)}.over(alice.hashed()), bound[len(alice.primary()):])
	for _, j := range []judgment{
		{name: "without reason", rings: [][]byte{revoked(sig{})}, rules: &then, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "superseded", rings: [][]byte{revoked(sig{hashed: reason(1)})}, want: verifier.Revoked, err: "retired or superseded", valid: true},
		{name: "superseded, judged when signed", rings: [][]byte{revoked(sig{hashed: reason(1)})}, rules: &then, want: verifier.Verified},
		{name: "bound anew", rings: [][]byte{slices.Concat(revoked(sig{}), bind(alice, subkey, now, flags(2)))}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "with the primary key", rings: [][]byte{primary}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "retired with the primary key", rings: [][]byte{retired}, want: verifier.Revoked, err: "retired or superseded", valid: true},
		{name: "retired with the primary key, judged when signed", rings: [][]byte{retired}, rules: &then, want: verifier.Verified},
		{name: "wrong", rings: [][]byte{revoked(sig{breakIt: true})}, want: verifier.Verified},
		{name: "by itself", rings: [][]byte{revoked(sig{by: subkey})}, want: verifier.Verified},
	} {
		j.sig = sig{by: subkey, at: signed}.over(payload)
		j.run(t, subkey)
	}
	// The primary key's signatures are another matter.
	judgment{name: "not of the primary key", rings: [][]byte{revoked(sig{})}, want: verifier.Verified}.run(t, alice)
}

func TestDesignatedRevoker(t *testing.T) {
	alice, boss, mallory := edKey(1, born), edKey(4, born), edKey(3, born)
	bossKey := keyOf(boss, "boss")
	by := func(s sig) []byte {
		s.kind, s.at = 0x20, later
		return s.over(alice.hashed())
	}
	named := sig{by: alice, kind: 0x1f, at: born, hashed: revoker(boss)}.over(alice.hashed())
	self := keyOf(alice, "alice")[len(alice.primary()):]
	key := func(direct ...[]byte) []byte {
		return slices.Concat(alice.primary(), slices.Concat(direct...), self)
	}
	for _, j := range []judgment{
		{name: "revoked", rings: [][]byte{key(named, by(sig{by: boss})), bossKey}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "named by a user id", rings: [][]byte{slices.Concat(alice.primary(), by(sig{by: boss}), keyOf(alice, "alice", flags(3), revoker(boss))[len(alice.primary()):]), bossKey},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "named, and then no more", rings: [][]byte{key(named, sig{by: alice, kind: 0x1f, at: later}.over(alice.hashed()), by(sig{by: boss})), bossKey},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "not known", rings: [][]byte{key(named, by(sig{by: boss}))}, want: verifier.UnknownKey, err: "may have been revoked by " + boss.hex(), valid: true},
		{name: "did not", rings: [][]byte{key(named), bossKey}, want: verifier.Verified},
		{name: "not named", rings: [][]byte{key(by(sig{by: boss})), bossKey}, want: verifier.Verified},
		{name: "named by a stranger", rings: [][]byte{key(sig{by: mallory, kind: 0x1f, at: born, hashed: revoker(boss)}.over(alice.hashed()), by(sig{by: boss})), bossKey}, want: verifier.Verified},
		{name: "named in vain", rings: [][]byte{key(sig{by: alice, kind: 0x1f, at: born, hashed: revoker(boss), breakIt: true}.over(alice.hashed()), by(sig{by: boss})), bossKey}, want: verifier.Verified},
		{name: "wrong", rings: [][]byte{key(named, by(sig{by: boss, breakIt: true})), bossKey}, want: verifier.Verified},
		{name: "by a stranger", rings: [][]byte{key(named, by(sig{by: mallory})), bossKey, keyOf(mallory, "mallory")}, want: verifier.Verified},
		{name: "on its own", rings: [][]byte{key(named), by(sig{by: boss}), bossKey}, want: verifier.Revoked, err: "key was revoked", valid: true},
	} {
		j.run(t, alice)
	}
}
