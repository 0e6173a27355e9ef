package openpgp_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
)

func TestSignatureForm(t *testing.T) {
	alice, bob := edKey(1, born), edKey(3, born)
	good := func(s sig) []byte {
		s.by, s.at = alice, signed
		return s.over(payload)
	}
	known := good(sig{})
	body := func(change func(b []byte) []byte) []byte {
		_, b, _ := bytes.Cut(known, known[1:6]) // after the header
		return pkt(2, change(bytes.Clone(b)))
	}
	value := bytes.Index(known, mpi(known[len(known)-32:])) // where the second number begins
	for _, j := range []judgment{
		{name: "named by key id", sig: good(sig{noIssuer: true, hashed: issuerID(alice)}), want: verifier.Verified},
		{name: "named by fingerprint", sig: good(sig{noIssuer: true, hashed: issuerFingerprint(alice)}), want: verifier.Verified},
		{name: "named where it is not covered", sig: good(sig{noIssuer: true, unhashed: issuerFingerprint(alice)}), want: verifier.Verified},
		{name: "named three times", sig: good(sig{hashed: issuerID(alice), unhashed: issuerFingerprint(alice)}), want: verifier.Verified},
		{name: "key not named", sig: good(sig{noIssuer: true}), want: verifier.UnknownKey, err: "does not say which key"},
		{name: "key not known", sig: sig{by: bob, at: signed}.over(payload), want: verifier.UnknownKey, err: bob.hex() + ", which is in no keyring"},
		{name: "key not known by its id", sig: sig{by: bob, at: signed, noIssuer: true, hashed: issuerID(bob)}.over(payload), want: verifier.UnknownKey, err: bob.hex()[24:] + ", which is in no keyring"},
		{name: "two keys named", sig: good(sig{hashed: issuerFingerprint(bob)}), rings: [][]byte{keyOf(alice, "alice"), keyOf(bob, "bob")}, want: verifier.MalformedSignature, err: "more than one key"},
		{name: "two keys named, one where it is not covered", sig: good(sig{unhashed: issuerID(bob)}), want: verifier.MalformedSignature, err: "more than one key"},
		{name: "id of one key, fingerprint of another", sig: good(sig{noIssuer: true, hashed: sub(33, append([]byte{4}, append(make([]byte, 12), alice.id()...)...)...)}), want: verifier.UnknownKey, err: "in no keyring"},
		{name: "another's signature", sig: sig{by: bob, at: signed, noIssuer: true, hashed: issuerFingerprint(alice)}.over(payload), want: verifier.BadSignature, err: "the signature value is wrong"},
		{name: "wrong value", sig: good(sig{breakIt: true}), want: verifier.BadSignature, err: "the signature value is wrong"},
		{name: "another algorithm", sig: good(sig{algorithm: 19}), want: verifier.BadSignature, err: "signature of algorithm 19, key of algorithm 22"},
		{name: "another payload", sig: sig{by: alice, at: signed}.over([]byte("else")), want: verifier.BadSignature, err: "the signature value is wrong"},

		{name: "certification", sig: good(sig{kind: 0x10}), want: verifier.MalformedSignature, err: "type 0x10"},
		{name: "standalone", sig: good(sig{kind: 0x02}), want: verifier.MalformedSignature, err: "type 0x02"},
		{name: "timestamp", sig: good(sig{kind: 0x40}), want: verifier.MalformedSignature, err: "type 0x40"},
		{name: "no time", sig: good(sig{noTime: true}), want: verifier.MalformedSignature, err: "no creation time"},
		{name: "time that is not covered", sig: good(sig{noTime: true, unhashed: sub(2, stamp(signed)...)}), want: verifier.MalformedSignature, err: "no creation time"},
		{name: "two times", sig: good(sig{hashed: sub(2, stamp(signed)...)}), want: verifier.MalformedSignature, err: "two subpackets of type 2"},
		{name: "two lifetimes", sig: good(sig{hashed: append(sigLife(0), sigLife(0)...)}), want: verifier.MalformedSignature, err: "two subpackets of type 3"},
		{name: "short lifetime", sig: good(sig{hashed: sub(3, 0)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "long time", sig: good(sig{noTime: true, hashed: sub(2, 0, 0, 0, 0, 0)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "long primary user id", sig: good(sig{hashed: sub(25, 0, 0)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "no reason", sig: good(sig{hashed: sub(29)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "revoker of no length", sig: good(sig{hashed: sub(12, 0x80, 22)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "revoker of no class", sig: good(sig{hashed: sub(12, make([]byte, 22)...)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "short key id", sig: good(sig{hashed: sub(16, 0)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "fingerprint of no version", sig: good(sig{hashed: sub(33, append([]byte{5}, alice.fingerprint()...)...)}), want: verifier.MalformedSignature, err: "wrong size"},
		{name: "empty subpacket", sig: good(sig{hashed: []byte{0}}), want: verifier.MalformedSignature, err: "empty"},
		{name: "subpacket that is too long", sig: good(sig{hashed: []byte{200, 200}}), want: verifier.MalformedSignature, err: "cut off"},

		{name: "critical, unknown", sig: good(sig{hashed: sub(0x80 | 99)}), want: verifier.UnsupportedSignature, err: "type 99 that must not be ignored"},
		{name: "critical notation", sig: good(sig{hashed: sub(0x80|20, 0x80, 0, 0, 0, 0, 3, 0, 1, 'x', '@', 'y', 'z')}), want: verifier.UnsupportedSignature, err: "type 20 that must not be ignored"},
		{name: "unknown", sig: good(sig{hashed: sub(99)}), want: verifier.Verified},
		{name: "notation", sig: good(sig{hashed: sub(20, 0x80, 0, 0, 0, 0, 3, 0, 1, 'x', '@', 'y', 'z')}), want: verifier.Verified},
		{name: "critical, known", sig: good(sig{noTime: true, hashed: sub(0x80|2, stamp(signed)...)}), want: verifier.Verified},

		{name: "unknown hash", sig: body(func(b []byte) []byte { b[3] = 99; return b }), want: verifier.UnsupportedSignature, err: "hash algorithm 99"},
		{name: "version 5", sig: body(func(b []byte) []byte { b[0] = 5; return b }), want: verifier.UnsupportedSignature, err: "version 5"},
		{name: "version 2", sig: body(func(b []byte) []byte { b[0] = 2; return b }), want: verifier.UnsupportedSignature, err: "version 2"},
		{name: "version 3 of version 4's layout", sig: body(func(b []byte) []byte { b[0] = 3; return b }), want: verifier.MalformedSignature, err: "hashed octets"},
		{name: "bytes after the value", sig: body(func(b []byte) []byte { return append(b, 0) }), want: verifier.MalformedSignature, err: "1 bytes after the signature value"},
		{name: "cut off", sig: body(func(b []byte) []byte { return b[:len(b)-1] }), want: verifier.MalformedSignature, err: "cut off"},
		{name: "empty", sig: pkt(2, nil), want: verifier.MalformedSignature, err: "cut off"},
		{name: "half that is too long", sig: pkt(2, append(sig{by: alice, at: signed}.body(payload)[:value-6], mpi(bytes.Repeat([]byte{1}, 33))...)),
			want: verifier.BadSignature, err: "value is wrong"},
		{name: "number that is too long", sig: body(func(b []byte) []byte { return append(b[:value-6], 0xff, 0xff) }), want: verifier.MalformedSignature, err: "number of 65535 bits"},
		{name: "number of another length", sig: body(func(b []byte) []byte { b[value-6+1]++; return b }), want: verifier.MalformedSignature, err: "signature value"},
	} {
		j.run(t, alice)
	}

	// GitHub has made some of these: gpg does not look either.
	result, err := newVerifier(t, today, ring(t, keyOf(alice, "alice"))).Verify(payload,
		armor(body(func(b []byte) []byte { b[value-6-36]++; return b })))
	if err != nil || len(result.Notes) != 1 || !strings.Contains(result.Notes[0], "first bytes of the digest") {
		t.Errorf("Verify where other bytes of the digest are repeated = %+v (%v), want a note", result, err)
	}
}

// TestLeadingZeros: GitHub writes RSA values as long as the key. Other lengths
// than that and the right one are refused.
func TestLeadingZeros(t *testing.T) {
	alice := rsaKey(t, 2048, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice")))
	for n := range 10000 {
		body := sig{by: alice, at: signed, hashed: sub(99, byte(n), byte(n>>8))}.body(payload)
		at := len(body) - 256 - 2
		if string(body[at:at+2]) != "\x07\xfe" {
			continue // 2046 bits are wanted
		}
		for bits, want := range map[uint16]verifier.Class{2046: verifier.Verified, 2048: verifier.Verified,
			2045: verifier.MalformedSignature, 2047: verifier.MalformedSignature} {
			binary.BigEndian.PutUint16(body[at:], bits)
			if class, _, err := verify(t, v, payload, armor(pkt(2, body))); class != want {
				t.Errorf("Verify of 2046 bits, said to be %d = %s (%v), want %s", bits, class, err, want)
			}
		}
		return
	}
	t.Error("no signature with two leading zeros was made")
}

// TestValueLongerThanKey: RSA has no value that long.
func TestValueLongerThanKey(t *testing.T) {
	alice := rsaKey(t, 2048, born)
	long := *alice
	long.sign = func(byte, []byte) []byte { return mpi(bytes.Repeat([]byte{1}, 257)) }
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice")))
	class, _, err := verify(t, v, payload, armor(sig{by: &long, at: signed}.over(payload)))
	if class != verifier.BadSignature {
		t.Errorf("Verify = %s (%v), want bad-signature", class, err)
	}
}

func TestVersion3(t *testing.T) {
	alice := rsaKey(t, 2048, born)
	good := sig{by: alice, version: 3, at: signed}
	for _, j := range []judgment{
		{name: "good", sig: good.over(payload), want: verifier.Verified},
		{name: "as text", sig: sig{by: alice, version: 3, kind: 1, at: signed}.over(bytes.ReplaceAll(payload, []byte("\n"), []byte("\r\n"))), want: verifier.Verified},
		{name: "SHA-1", sig: sig{by: alice, version: 3, at: signed, hash: sha1ID}.over(payload), want: verifier.WeakAlgorithm, err: "sha1", valid: true},
		{name: "wrong", sig: sig{by: alice, version: 3, at: signed, breakIt: true}.over(payload), want: verifier.BadSignature, err: "value is wrong"},
		{name: "by an unknown key", rings: [][]byte{keyOf(edKey(1, born), "else")}, sig: good.over(payload), want: verifier.UnknownKey, err: alice.hex()[24:]},
		{name: "before the key", sig: sig{by: alice, version: 3, at: born.AddDate(-1, 0, 0)}.over(payload), want: verifier.ExpiredKey, err: "before the key was", valid: true},
	} {
		j.run(t, alice)
	}
}

func TestVersion6(t *testing.T) {
	alice, old := edKeyV6(1, born), edKey(1, born)
	direct := slices.Concat(alice.primary(), sig{by: alice, kind: 0x1f, at: born, hashed: flags(3)}.over(alice.hashed()))
	good := func(s sig) []byte {
		s.by, s.at = alice, signed
		return s.over(payload)
	}
	body := func(change func(b []byte)) []byte {
		b := good(sig{})[6:]
		change(b)
		return pkt(2, b)
	}
	for _, j := range []judgment{
		{name: "good", sig: good(sig{}), want: verifier.Verified},
		{name: "no user id", rings: [][]byte{direct}, sig: good(sig{}), want: verifier.Verified},
		{name: "SHA-512", sig: good(sig{hash: sha512ID}), want: verifier.Verified},
		{name: "SHA3-256", sig: good(sig{hash: 12}), want: verifier.Verified},
		{name: "SHA-1", sig: good(sig{hash: sha1ID, salt: []byte{}}), want: verifier.MalformedSignature, err: "version 6 with sha1"},
		{name: "short salt", sig: good(sig{salt: []byte("short")}), want: verifier.MalformedSignature, err: "salt of 5 bytes, want 16"},
		{name: "repeats other bytes of the digest", sig: body(func(b []byte) { b[len(b)-64-16-3]++ }), want: verifier.BadSignature, err: "over something else"},
		{name: "another salt", sig: body(func(b []byte) { b[len(b)-64-1]++ }), want: verifier.BadSignature, err: "over something else"},
		{name: "of version 4", sig: good(sig{version: 4}), want: verifier.BadSignature, err: "signature of version 4 by a key of version 6"},
		{name: "by a key of version 4", rings: [][]byte{keyOf(old, "old")}, sig: sig{by: old, version: 6, at: signed}.over(payload),
			want: verifier.BadSignature, err: "signature of version 6 by a key of version 4"},
	} {
		j.run(t, alice)
	}
	result, err := newVerifier(t, today, ring(t, direct)).Verify(payload, armor(good(sig{})))
	if err != nil || result.Key != alice.hex() || len(result.Key) != 64 || result.Signer.Key != alice.hex() || result.Algorithm != "ed25519" {
		t.Errorf("Verify = %+v (%v), want key %s", result, err, alice.hex())
	}
}

func TestText(t *testing.T) {
	alice := edKey(1, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice")))
	signature := armor(sig{by: alice, kind: 1, at: signed}.over([]byte("one\r\n two \r\n\r\nend")))
	for text, want := range map[string]verifier.Class{
		"one\n two \n\nend":         verifier.Verified,
		"one\r\n two \r\n\r\nend":   verifier.Verified,
		"one\r\r\n two \r\n\nend\r": verifier.Verified, // as gpg has it
		"one\n two \n\nend\n":       verifier.BadSignature,
		"one\n two\n\nend":          verifier.BadSignature,
		"one\r two \n\nend":         verifier.BadSignature,
		"one\n two \nend":           verifier.BadSignature,
	} {
		class, result, err := verify(t, v, []byte(text), signature)
		if class != want {
			t.Errorf("Verify(%q) = %s (%v), want %s", text, class, err, want)
		}
		if result != nil && !slices.ContainsFunc(result.Notes, func(n string) bool { return strings.Contains(n, "as text") }) {
			t.Errorf("Verify(%q): notes %q, want one about text", text, result.Notes)
		}
	}
}

func TestSeveralSignatures(t *testing.T) {
	alice, bob, mallory := edKey(1, born), edKey(2, born), edKey(3, born)
	good := func(k *testKey) []byte { return sig{by: k, at: signed}.over(payload) }
	revoked := slices.Concat(bob.primary(), sig{by: bob, kind: 0x20, at: later}.over(bob.hashed()), keyOf(bob, "bob")[len(bob.primary()):])
	expired := keyOf(mallory, "mallory", flags(3), keyLife(2*year))
	both := [][]byte{keyOf(alice, "alice"), keyOf(bob, "bob")}
	bad := sig{by: alice, at: signed, breakIt: true}.over(payload)
	for _, j := range []judgment{
		{name: "both good", rings: both, sig: append(good(alice), good(bob)...), want: verifier.Verified},
		{name: "twice the same", sig: append(good(alice), good(alice)...), want: verifier.Verified},
		{name: "second unknown", sig: append(good(alice), good(bob)...), want: verifier.UnknownKey, err: "signature 2 of 2: signature by key " + bob.hex()},
		{name: "first unknown", sig: append(good(bob), good(alice)...), want: verifier.UnknownKey, err: "signature 1 of 2"},
		{name: "second bad", sig: append(good(alice), bad...), want: verifier.BadSignature, err: "signature 2 of 2"},
		{name: "bad, then unknown", sig: append(bad, good(bob)...), want: verifier.BadSignature, err: "signature 1 of 2"},
		{name: "unknown, then bad", sig: append(good(bob), bad...), want: verifier.BadSignature, err: "signature 2 of 2"},
		{name: "second of a version that is not known", sig: append(good(alice), pkt(2, []byte{7, 0, 0})...), want: verifier.UnsupportedSignature, err: "signature 2 of 2"},
		{name: "second in no form", sig: append(good(alice), pkt(2, []byte{4})...), want: verifier.MalformedSignature, err: "signature 2 of 2"},
		{name: "second weak", sig: append(good(alice), sig{by: alice, hash: sha1ID, at: signed}.over(payload)...), want: verifier.WeakAlgorithm, err: "signature 2 of 2", valid: true},
		{name: "revoked and expired", rings: [][]byte{revoked, expired}, sig: append(good(mallory), good(bob)...), want: verifier.Revoked, err: "signature 2 of 2", valid: true},
		{name: "expired and unknown", rings: [][]byte{expired}, sig: append(good(alice), good(mallory)...), want: verifier.ExpiredKey, err: "signature 2 of 2", valid: true},
		{name: "followed by something else", sig: append(good(alice), uid("alice")...), want: verifier.MalformedSignature, err: "packet of type 13"},
		{name: "too many", sig: bytes.Repeat(good(alice), 17), want: verifier.MalformedSignature, err: "more than 16"},
		{name: "as many as there may be", sig: bytes.Repeat(good(alice), 16), want: verifier.Verified},
		{name: "none", sig: []byte{}, want: verifier.MalformedSignature, err: "the armor is empty"},
	} {
		j.run(t, alice)
	}

	// In blocks of their own they are judged alike.
	v := newVerifier(t, today, ring(t, both[0]), ring(t, both[1]))
	result, err := v.Verify(payload, append(armor(good(bob)), armor(good(alice))...))
	if err != nil || result.Signer.Identity.Subject != "bob" || len(result.Notes) != 1 || !strings.Contains(result.Notes[0], "signed also by "+alice.hex()) {
		t.Errorf("Verify of two blocks = %+v (%v), want bob's with a note about alice's", result, err)
	}
	if class, _, err := verify(t, v, payload, append(armor(good(alice)), armor(bad)...)); class != verifier.BadSignature {
		t.Errorf("Verify of a good block and a bad one = %s (%v), want bad-signature", class, err)
	}
}

// TestSignatureCutShort: whatever is left of a packet is said to be malformed,
// in each version.
func TestSignatureCutShort(t *testing.T) {
	old, six := edKey(1, born), edKeyV6(1, born)
	v := newVerifier(t, today, ring(t, keyOf(old, "old")), ring(t, keyOf(six, "six")))
	for name, s := range map[string]sig{"version 3": {by: old, version: 3}, "version 4": {by: old}, "version 6": {by: six}} {
		s.at = signed
		body := s.body(payload)
		for n := 1; n < len(body); n++ {
			if class, _, err := verify(t, v, payload, armor(pkt(2, body[:n]))); class != verifier.MalformedSignature {
				t.Errorf("%s: Verify of %d bytes of %d = %s (%v), want malformed-signature", name, n, len(body), class, err)
			}
		}
	}
}
