package openpgp_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

func TestKeyExpiry(t *testing.T) {
	alice := edKey(1, born)
	self := func(at time.Time, name string, subpackets ...[]byte) []byte {
		return sig{by: alice, kind: 0x13, at: at, hashed: slices.Concat(subpackets...)}.over(overUID(alice, name))
	}
	start := slices.Concat(alice.primary(), uid("alice"))
	direct := sig{by: alice, kind: 0x1f, at: born, hashed: slices.Concat(flags(3), keyLife(2*year))}.over(alice.hashed())
	prolonged := slices.Concat(start, self(born, "alice", flags(3), keyLife(2*year)), self(later, "alice", flags(3), keyLife(5*year)))

	for _, j := range []judgment{
		{name: "never", want: verifier.Verified},
		{name: "in time", rings: [][]byte{keyOf(alice, "alice", flags(3), keyLife(4*year))}, want: verifier.Verified},
		{name: "past", rings: [][]byte{keyOf(alice, "alice", flags(3), keyLife(2*year))},
			want: verifier.ExpiredKey, err: "key expired at 2021-12-31", valid: true},
		{name: "past, judged when signed", rings: [][]byte{keyOf(alice, "alice", flags(3), keyLife(2*year))}, rules: &then, want: verifier.Verified},
		{name: "signed after it", rings: [][]byte{keyOf(alice, "alice", flags(3), keyLife(year/2))}, rules: &then,
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "prolonged", rings: [][]byte{prolonged}, want: verifier.Verified},
		{name: "prolonged in another file", rings: [][]byte{keyOf(alice, "alice", flags(3), keyLife(2*year)), prolonged}, want: verifier.Verified},
		{name: "shortened", rings: [][]byte{slices.Concat(start, self(later, "alice", flags(3), keyLife(2*year)), self(born, "alice", flags(3)))},
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "prolonged by a stranger", rings: [][]byte{slices.Concat(keyOf(alice, "alice", flags(3), keyLife(2*year)),
			sig{by: edKey(9, born), kind: 0x13, at: later, hashed: flags(3)}.over(overUID(alice, "alice")))},
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "prolonged in a stranger's name", rings: [][]byte{slices.Concat(keyOf(alice, "alice", flags(3), keyLife(2*year)),
			sig{by: alice, kind: 0x13, at: later, hashed: flags(3), breakIt: true}.over(overUID(alice, "alice")))},
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "by a direct key signature", rings: [][]byte{slices.Concat(alice.primary(), direct, uid("alice"), self(later, "alice", flags(3), keyLife(5*year)))},
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "by the newest user id that tells", rings: [][]byte{slices.Concat(start, self(born, "alice", flags(3), keyLife(2*year)), uid("bob"), self(later, "bob", flags(3)))},
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "self-signature from the future", rings: [][]byte{slices.Concat(start, self(born, "alice", flags(3)), self(now.AddDate(1, 0, 0), "alice", flags(3), keyLife(2*year)))},
			want: verifier.Verified},
		{name: "self-signature that has expired", rings: [][]byte{slices.Concat(start, self(born, "alice", flags(3), sigLife(year)))},
			want: verifier.UnknownKey, err: "no valid self-signature"},
		{name: "key from the future", rings: [][]byte{keyOf(alice, "alice")}, rules: rulesAt(born.Add(-30 * time.Minute)), sig: sig{by: alice, at: born}.over(payload),
			want: verifier.ExpiredKey, err: "not valid before 2020", valid: true},
	} {
		j.run(t, alice)
	}
}

func TestSignatureTime(t *testing.T) {
	alice := edKey(1, born)
	good := func(at time.Time, subpackets ...[]byte) []byte {
		return sig{by: alice, at: at, hashed: slices.Concat(subpackets...)}.over(payload)
	}
	for _, j := range []judgment{
		{name: "lifetime over", sig: good(signed, sigLife(year/2)), want: verifier.ExpiredKey, err: "the signature expired at 2021", valid: true},
		{name: "lifetime over, judged when signed", sig: good(signed, sigLife(year/2)), rules: &then, want: verifier.ExpiredKey, err: "the signature expired", valid: true},
		{name: "lifetime not over", sig: good(signed, sigLife(3*year)), want: verifier.Verified},
		{name: "lifetime in the unhashed area is nobody's word", sig: sig{by: alice, at: signed, unhashed: sigLife(1)}.over(payload), want: verifier.Verified},
		{name: "before the key", sig: good(born.Add(-time.Second)), want: verifier.ExpiredKey, err: "before the key was", valid: true},
		{name: "before the key, judged when signed", sig: good(born.Add(-time.Second)), rules: &then, want: verifier.ExpiredKey, err: "before the key was", valid: true},
		{name: "from the future", sig: good(now.Add(25 * time.Hour)), want: verifier.ExpiredKey, err: "yet to come", valid: true},
		{name: "from the future, judged when signed", sig: good(now.Add(25 * time.Hour)), rules: &then, want: verifier.ExpiredKey, err: "yet to come", valid: true},
		{name: "by a clock that is fast", sig: good(now.Add(23 * time.Hour)), want: verifier.Verified},
	} {
		j.run(t, alice)
	}
}

func TestLapses(t *testing.T) {
	alice, subkey := edKey(1, born), edKey(2, born)
	soon, next := born.Add(4*year*time.Second), born.Add(5*year*time.Second)
	expires := keyOf(alice, "alice", flags(3), keyLife(5*year))
	for _, test := range []struct {
		name  string
		ring  []byte
		rules verifier.KeyRules
		sig   sig
		want  time.Time
	}{
		{"never", keyOf(alice, "alice"), today, sig{by: alice, at: signed}, time.Time{}},
		{"with the key", expires, today, sig{by: alice, at: signed}, next},
		{"with the key, but it is judged when signed", expires, then, sig{by: alice, at: signed}, time.Time{}},
		{"with the signature", expires, today, sig{by: alice, at: born, hashed: sigLife(4 * year)}, soon},
		{"with the signature, judged when signed", expires, then, sig{by: alice, at: born, hashed: sigLife(4 * year)}, soon},
		{"with the self-signature", slices.Concat(alice.primary(), uid("alice"), sig{by: alice, kind: 0x13, at: born, hashed: sigLife(4 * year)}.over(overUID(alice, "alice"))),
			today, sig{by: alice, at: signed}, soon},
		{"with the subkey", slices.Concat(expires, bind(alice, subkey, born, flags(2), keyLife(4*year))), today, sig{by: subkey, at: signed}, soon},
		{"with the primary key", slices.Concat(expires, bind(alice, subkey, born, flags(2))), today, sig{by: subkey, at: signed}, next},
		{"when a self-signature comes into force", slices.Concat(keyOf(alice, "alice"),
			sig{by: alice, kind: 0x13, at: next, hashed: flags(1)}.over(overUID(alice, "alice"))), today, sig{by: alice, at: signed}, next.Add(-24 * time.Hour)},
		{"when the signature is no longer of the future", keyOf(alice, "alice"), today, sig{by: alice, at: soon}, soon.Add(-24 * time.Hour)},
		{"when the key comes into being", keyOf(alice, "alice"), *rulesAt(born.Add(-time.Hour)), sig{by: alice, at: born}, born},
	} {
		t.Run(test.name, func(t *testing.T) {
			result, err := newVerifier(t, test.rules, ring(t, test.ring)).Verify(payload, armor(test.sig.over(payload)))
			var kerr *verifier.KeyError
			switch {
			case err == nil:
				if !result.Lapses.Equal(test.want) {
					t.Errorf("Lapses = %v, want %v", result.Lapses, test.want)
				}
			case errors.As(err, &kerr):
				if !kerr.Lapses.Equal(test.want) {
					t.Errorf("Lapses = %v (%v), want %v", kerr.Lapses, err, test.want)
				}
			}
			// And so it is: what holds now holds then, and not later.
			if !test.want.IsZero() && err == nil {
				rules := test.rules
				for _, at := range []time.Time{test.want, test.want.Add(time.Second)} {
					rules.At = at
					class, _, _ := verify(t, newVerifier(t, rules, ring(t, test.ring)), payload, armor(test.sig.over(payload)))
					if got := class == verifier.Verified; test.name[:4] == "with" && got != at.Equal(test.want) {
						t.Errorf("at %v it is %s", at, class)
					}
				}
			}
		})
	}
}

func TestSubkey(t *testing.T) {
	alice, subkey, thief := edKey(1, born), edKey(2, born), edKey(3, born)
	primary := keyOf(alice, "alice")
	both := slices.Concat(alice.hashed(), subkey.hashed())
	bound := func(by *testKey, area ...[]byte) []byte {
		return slices.Concat(primary, subkey.sub(), sig{by: by, kind: 0x18, at: born, hashed: slices.Concat(area...)}.over(both))
	}
	back := func(s sig) []byte {
		s.kind, s.at = 0x19, born
		return sub(32, s.body(both)...)
	}
	good := sig{by: subkey, at: signed}.over(payload)
	for _, j := range []judgment{
		{name: "good", rings: [][]byte{slices.Concat(primary, bind(alice, subkey, born, flags(2)))}, want: verifier.Verified},
		{name: "of a primary key that only certifies", rings: [][]byte{slices.Concat(keyOf(alice, "alice", flags(1)), bind(alice, subkey, born, flags(2)))}, want: verifier.Verified},
		{name: "cross-signed where the binding does not cover it", rings: [][]byte{slices.Concat(primary, subkey.sub(),
			sig{by: alice, kind: 0x18, at: born, hashed: flags(2), unhashed: back(sig{by: subkey})}.over(both))}, want: verifier.Verified},
		{name: "not cross-signed", rings: [][]byte{bound(alice, flags(2))}, want: verifier.UnknownKey, err: "has not signed for"},
		{name: "cross-signed by another key", rings: [][]byte{bound(alice, flags(2), back(sig{by: thief}))}, want: verifier.UnknownKey, err: "has not signed for"},
		{name: "cross-signed in vain", rings: [][]byte{bound(alice, flags(2), back(sig{by: subkey, breakIt: true}))}, want: verifier.UnknownKey, err: "has not signed for"},
		{name: "cross-signed with MD5", rings: [][]byte{bound(alice, flags(2), back(sig{by: subkey, hash: md5ID}))}, want: verifier.UnknownKey, err: "has not signed for"},
		{name: "cross-signed for another key", rings: [][]byte{slices.Concat(primary, subkey.sub(), sig{by: alice, kind: 0x18, at: born, hashed: slices.Concat(flags(2),
			sub(32, sig{by: subkey, kind: 0x19, at: born}.body(slices.Concat(thief.hashed(), subkey.hashed()))...))}.over(both))},
			want: verifier.UnknownKey, err: "has not signed for"},
		{name: "cross-signed by a signature of another type", rings: [][]byte{slices.Concat(primary, subkey.sub(), sig{by: alice, kind: 0x18, at: born, hashed: slices.Concat(flags(2),
			sub(32, sig{by: subkey, kind: 0x18, at: born}.body(both)...))}.over(both))}, want: verifier.UnknownKey, err: "has not signed for"},
		{name: "bound by a stranger", rings: [][]byte{bound(thief, flags(2), back(sig{by: subkey}))}, want: verifier.UnknownKey, err: "no valid signature binds it"},
		{name: "bound with MD5", rings: [][]byte{slices.Concat(primary, subkey.sub(), sig{by: alice, kind: 0x18, at: born, hash: md5ID,
			hashed: slices.Concat(flags(2), back(sig{by: subkey}))}.over(both))}, want: verifier.UnknownKey, err: "no valid signature binds it"},
		{name: "not bound", rings: [][]byte{slices.Concat(primary, subkey.sub())}, want: verifier.UnknownKey, err: "no valid signature binds it"},
		{name: "for encryption", rings: [][]byte{bound(alice, flags(0x0c))}, want: verifier.UnknownKey, err: openpgp.ErrWrongUsage.Error(), valid: true},
		{name: "that does not say what for, cross-signed", rings: [][]byte{bound(alice, back(sig{by: subkey}))}, want: verifier.Verified},
		{name: "that does not say what for", rings: [][]byte{bound(alice)}, want: verifier.UnknownKey, err: "has not signed for"},
		{name: "expired", rings: [][]byte{slices.Concat(primary, bind(alice, subkey, born, flags(2), keyLife(2*year)))},
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "expired, judged when signed", rings: [][]byte{slices.Concat(primary, bind(alice, subkey, born, flags(2), keyLife(2*year)))}, rules: &then, want: verifier.Verified},
		{name: "prolonged", rings: [][]byte{slices.Concat(primary, bind(alice, subkey, born, flags(2), keyLife(2*year)), bind(alice, subkey, later, flags(2), keyLife(4*year))[len(subkey.sub()):])},
			want: verifier.Verified},
		{name: "twice, prolonged", rings: [][]byte{slices.Concat(primary, bind(alice, subkey, born, flags(2), keyLife(2*year)), bind(alice, subkey, later, flags(2), keyLife(4*year)))},
			want: verifier.Verified},
		{name: "expired with its primary key", rings: [][]byte{slices.Concat(keyOf(alice, "alice", flags(3), keyLife(2*year)), bind(alice, subkey, born, flags(2)))},
			want: verifier.ExpiredKey, err: "key expired", valid: true},
		{name: "of a key without self-signature", rings: [][]byte{slices.Concat(alice.primary(), uid("alice"), bind(alice, subkey, born, flags(2)))},
			want: verifier.UnknownKey, err: "no valid self-signature"},
	} {
		j.sig = good
		j.run(t, subkey)
	}
}

// TestSubkeyOfTwoKeys: whoever adds somebody's subkey to an own key neither
// takes over its signatures nor spoils them. A subkey that does belong to two
// keys is good only where both are.
func TestSubkeyOfTwoKeys(t *testing.T) {
	alice, bob, subkey := edKey(1, born), edKey(3, born), edKey(2, born)
	hers := slices.Concat(keyOf(alice, "alice"), bind(alice, subkey, born, flags(2)))
	both := slices.Concat(bob.hashed(), subkey.hashed())
	claimed := slices.Concat(keyOf(bob, "bob"), subkey.sub(), sig{by: bob, kind: 0x18, at: later, hashed: flags(2)}.over(both))
	shared := slices.Concat(keyOf(bob, "bob"), bind(bob, subkey, born, flags(2)))
	revoked := slices.Concat(bob.primary(), sig{by: bob, kind: 0x20, at: later}.over(bob.hashed()), shared[len(bob.primary()):])
	signature := armor(sig{by: subkey, at: signed}.over(payload))
	for _, rings := range [][]*openpgp.Keyring{{ring(t, hers), ring(t, claimed)}, {ring(t, claimed), ring(t, hers)}} {
		result, err := newVerifier(t, today, rings...).Verify(payload, signature)
		if err != nil || result.Signer.Identity.Subject != "alice" {
			t.Errorf("Verify = %v, %v, want alice's", result, err)
		}
	}
	if _, err := newVerifier(t, today, ring(t, hers), ring(t, shared)).Verify(payload, signature); err != nil {
		t.Errorf("Verify with a shared subkey = %v, want nil", err)
	}
	for _, rings := range [][]*openpgp.Keyring{{ring(t, hers), ring(t, revoked)}, {ring(t, revoked), ring(t, hers)}} {
		class, _, err := verify(t, newVerifier(t, today, rings...), payload, signature)
		if class != verifier.Revoked {
			t.Errorf("Verify with a shared subkey of a revoked key = %s (%v), want revoked", class, err)
		}
	}
}

func TestUsage(t *testing.T) {
	alice := edKey(1, born)
	wrong := judgment{want: verifier.UnknownKey, err: openpgp.ErrWrongUsage.Error(), valid: true}
	for name, area := range map[string][]byte{"certifies only": flags(1), "nothing": flags(0), "empty flags": sub(27)} {
		j := wrong
		j.name, j.rings = name, [][]byte{keyOf(alice, "alice", area)}
		j.run(t, alice)
		_, err := newVerifier(t, today, ring(t, j.rings[0])).Verify(payload, armor(sig{by: alice, at: signed}.over(payload)))
		if !errors.Is(err, openpgp.ErrWrongUsage) {
			t.Errorf("%s: Verify = %v, want ErrWrongUsage", name, err)
		}
	}
	judgment{name: "not said", rings: [][]byte{keyOf(alice, "alice", primaryUID())}, want: verifier.Verified}.run(t, alice)
	j := wrong
	j.name = "taken back"
	j.rings = [][]byte{slices.Concat(keyOf(alice, "alice"), sig{by: alice, kind: 0x13, at: later, hashed: flags(1)}.over(overUID(alice, "alice")))}
	j.run(t, alice)
}
