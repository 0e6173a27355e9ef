package openpgp_test

import (
	"slices"
	"testing"
	"time"

	"gitseal/verifier"
)

func TestSelfSignature(t *testing.T) {
	alice, mallory := edKey(1, born), edKey(3, born)
	start := slices.Concat(alice.primary(), uid("alice"))
	self := func(s sig) []byte {
		s.by, s.kind, s.at, s.hashed = alice, 0x13, born, append(s.hashed, flags(3)...)
		return slices.Concat(start, s.over(overUID(alice, "alice")))
	}
	none := judgment{want: verifier.UnknownKey, err: "no valid self-signature"}
	for name, key := range map[string][]byte{
		"none":                      start,
		"by another key":            slices.Concat(start, sig{by: mallory, kind: 0x13, at: born, hashed: flags(3)}.over(overUID(alice, "alice"))),
		"of another user id":        slices.Concat(alice.primary(), uid("mallory"), sig{by: alice, kind: 0x13, at: born}.over(overUID(alice, "alice"))),
		"wrong":                     self(sig{breakIt: true}),
		"MD5":                       self(sig{hash: md5ID}),
		"from before the key":       slices.Concat(start, sig{by: alice, kind: 0x13, at: born.Add(-1 * time.Second)}.over(overUID(alice, "alice"))),
		"with an unknown condition": self(sig{hashed: sub(0x80 | 99)}),
		"in two ways":               self(sig{hashed: flags(3)}),
		"of another type":           slices.Concat(start, sig{by: alice, kind: 0x16, at: born}.over(overUID(alice, "alice"))),
		"of a subkey that cannot be read": slices.Concat(start, pkt(14, append([]byte{4}, append(stamp(born), 99)...)),
			sig{by: alice, kind: 0x13, at: born, hashed: flags(3)}.over(overUID(alice, "alice"))),
	} {
		j := none
		j.name, j.rings = name, [][]byte{key}
		j.run(t, alice)
	}
	for name, key := range map[string][]byte{
		"SHA-1":               self(sig{hash: sha1ID}),
		"RIPEMD-160":          self(sig{hash: ripemdID}),
		"generic":             slices.Concat(start, sig{by: alice, kind: 0x10, at: born}.over(overUID(alice, "alice"))),
		"direct, no user id":  slices.Concat(alice.primary(), sig{by: alice, kind: 0x1f, at: born, hashed: flags(3)}.over(alice.hashed())),
		"version 3":           slices.Concat(start, sig{by: alice, version: 3, kind: 0x13, at: born}.over(append(alice.hashed(), "alice"...))),
		"with trust packets":  slices.Concat(start, pkt(12, []byte{1, 2}), self(sig{})[len(start):], pkt(12, []byte{0}), pkt(60, nil)),
		"key id only":         slices.Concat(start, sig{by: alice, kind: 0x13, at: born, noIssuer: true, hashed: issuerID(alice)}.over(overUID(alice, "alice"))),
		"beside a stranger's": slices.Concat(start, sig{by: mallory, kind: 0x13, at: later, hashed: flags(0)}.over(overUID(alice, "alice")), self(sig{})[len(start):]),
	} {
		judgment{name: name, rings: [][]byte{key}, want: verifier.Verified}.run(t, alice)
	}
}

func TestSubject(t *testing.T) {
	alice := edKey(1, born)
	named := func(name string, at time.Time, subpackets ...[]byte) []byte {
		return slices.Concat(uid(name), sig{by: alice, kind: 0x13, at: at, hashed: slices.Concat(append(subpackets, flags(3))...)}.over(overUID(alice, name)))
	}
	revoked := func(name string, at time.Time) []byte {
		return slices.Concat(named(name, born), sig{by: alice, kind: 0x30, at: at}.over(overUID(alice, name)))
	}
	for _, test := range []struct {
		name  string
		names [][]byte
		want  string
	}{
		{"newest", [][]byte{named("new", later), named("old", born)}, "new"},
		{"flagged", [][]byte{named("new", later), named("old", born, primaryUID())}, "old"},
		{"newest flagged", [][]byte{named("new", signed, primaryUID()), named("old", born, primaryUID()), named("last", later)}, "new"},
		{"first of equals that are flagged", [][]byte{named("one", born, primaryUID()), named("other", born, primaryUID())}, "one"},
		{"longest of equals", [][]byte{named("zz", born), named("aaa", born)}, "aaa"},
		{"last of equals of a length", [][]byte{named("aaa", born), named("abc", born)}, "abc"},
		{"revoked", [][]byte{revoked("gone", later), named("here", born)}, "here"},
		{"revoked and taken back", [][]byte{revoked("gone", signed), named("gone", later), named("here", born)}, "gone"},
		{"not signed", [][]byte{uid("much longer"), named("here", born)}, "here"},
		{"not text", [][]byte{pkt(17, []byte("\x01\x01")), named("here", born)}, "here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			result, err := newVerifier(t, today, ring(t, alice.primary(), slices.Concat(test.names...))).Verify(payload, armor(sig{by: alice, at: signed}.over(payload)))
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Signer.Identity.Subject; got != test.want {
				t.Errorf("subject = %q, want %q", got, test.want)
			}
		})
	}
	judgment{name: "all revoked", rings: [][]byte{slices.Concat(alice.primary(), revoked("gone", later))},
		want: verifier.UnknownKey, err: "all its user ids are revoked"}.run(t, alice)
}
