package openpgp_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"gitseal/verifier"
)

// TestMisplacedRevocation: a copy of a key in which a revocation stands where it
// means nothing takes nothing away from the copy in which it stands right,
// whichever is read first.
func TestMisplacedRevocation(t *testing.T) {
	alice, subkey := edKey(1, born), edKey(2, born)
	key := keyOf(alice, "alice")
	ofSubkey := sig{by: alice, kind: 0x28, at: later}.over(slices.Concat(alice.hashed(), subkey.hashed()))
	ofUID := sig{by: alice, kind: 0x30, at: later}.over(overUID(alice, "alice"))
	subkeyRevoked := slices.Concat(key, bind(alice, subkey, born, flags(2)), ofSubkey)
	uidRevoked := slices.Concat(key, ofUID)
	for _, j := range []judgment{
		{name: "of a subkey, first", rings: [][]byte{slices.Concat(key, ofSubkey), subkeyRevoked},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "of a subkey, last", rings: [][]byte{subkeyRevoked, slices.Concat(key, ofSubkey)},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "of a user id, first", rings: [][]byte{slices.Concat(alice.primary(), ofUID, key[len(alice.primary()):]), uidRevoked},
			want: verifier.UnknownKey, err: "all its user ids are revoked"},
	} {
		by := subkey
		if j.want == verifier.UnknownKey {
			by = alice
		}
		j.sig = sig{by: by, at: signed}.over(payload)
		j.run(t, by)
	}
}

// TestRevocationBehindAnotherKey: a revocation that was appended to a binary
// keyring stands among what is said of the last key there.
func TestRevocationBehindAnotherKey(t *testing.T) {
	alice, bob, boss := edKey(1, born), edKey(3, born), edKey(4, born)
	key, bobs := keyOf(alice, "alice"), keyOf(bob, "bob")
	revoked := func(by *testKey) []byte { return sig{by: by, kind: 0x20, at: later}.over(alice.hashed()) }
	named := slices.Concat(alice.primary(), sig{by: alice, kind: 0x1f, at: born, hashed: revoker(boss)}.over(alice.hashed()), key[len(alice.primary()):])
	unread := pkt(6, append([]byte{3}, bob.body[1:]...)) // a key of version 3
	for _, j := range []judgment{
		{name: "its own", rings: [][]byte{slices.Concat(key, bobs, revoked(alice))}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "behind a key that is skipped", rings: [][]byte{slices.Concat(key, unread, revoked(alice))}, want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "by who was named for that", rings: [][]byte{slices.Concat(named, keyOf(boss, "boss"), bobs, revoked(boss))},
			want: verifier.Revoked, err: "key was revoked", valid: true},
		{name: "by a stranger", rings: [][]byte{slices.Concat(key, bobs, revoked(bob))}, want: verifier.Verified},
		{name: "on its own, by who is not known", rings: [][]byte{named, revoked(boss)},
			want: verifier.UnknownKey, err: "may have been revoked by " + boss.hex(), valid: true},
	} {
		j.run(t, alice)
	}
}

// TestSubkeyOfAWeakKey: who has broken a primary key makes subkeys for it.
func TestSubkeyOfAWeakKey(t *testing.T) {
	primary, subkey := rsaKey(t, 1024, born), edKey(2, born)
	key := slices.Concat(keyOf(primary, "alice"), bind(primary, subkey, born, flags(2)))
	accepting := today
	accepting.Weak = []string{"rsa1024"}
	for _, j := range []judgment{
		{name: "refused", rings: [][]byte{key}, want: verifier.WeakAlgorithm, err: "its primary key relies on rsa1024", valid: true},
		{name: "accepted", rings: [][]byte{key}, rules: &accepting, want: verifier.Verified},
	} {
		j.sig = sig{by: subkey, at: signed}.over(payload)
		j.run(t, subkey)
	}
}

// TestKeyThatOthersAddedTo: everyone can add user ids to a key, and some have
// added a hundred thousand. The time grows with their number, not its square.
func TestKeyThatOthersAddedTo(t *testing.T) {
	alice := edKey(1, born)
	var b bytes.Buffer
	b.Write(keyOf(alice, "alice"))
	for i := range 300_000 {
		b.Write(uid(fmt.Sprintf("mallory %06d", i)))
	}
	result, err := newVerifier(t, today, ring(t, b.Bytes())).Verify(payload, armor(sig{by: alice, at: signed}.over(payload)))
	if err != nil || result.Signer.Identity.Subject != "alice" {
		t.Errorf("Verify = %+v (%v), want alice's", result, err)
	}
}

// TestManyBlocks: a note says once what many armored blocks have in common.
func TestManyBlocks(t *testing.T) {
	alice := edKey(1, born)
	text := slices.Concat(armor(sig{by: alice, at: signed}.over(payload)), bytes.Repeat(block("PGP MESSAGE", nil), 1000))
	result, err := newVerifier(t, today, ring(t, keyOf(alice, "alice"))).Verify(payload, text)
	if err != nil || len(result.Notes) != 1 {
		t.Errorf("Verify = %+v (%v), want it to be good, with one note", result, err)
	}
}
