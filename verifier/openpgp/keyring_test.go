package openpgp_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

func TestReadKeyring(t *testing.T) {
	alice, bob := edKey(1, born), edKey(2, born)
	a, b := keyOf(alice, "alice"), keyOf(bob, "bob")
	armored := func(packets ...[]byte) string {
		return string(block("PGP PUBLIC KEY BLOCK", slices.Concat(packets...)))
	}
	oldKey := pkt(6, append([]byte{3}, append(stamp(born), 0, 0, 1, 0, 8, 255, 0, 8, 3)...)) // as PGP 2 made them
	newAlgorithm := func(tag byte) []byte { return pkt(tag, slices.Concat([]byte{4}, stamp(born), []byte{99, 1, 2})) }
	foreign := slices.Concat([]byte{4}, stamp(born), []byte{19, 3, 1, 2, 3}, mpi([]byte{4, 1, 1}))
	for _, test := range []struct {
		name    string
		data    string
		keys    []string // user ids
		skipped []string // parts of the reasons
		err     string
	}{
		{name: "binary", data: string(a) + string(b), keys: []string{"alice", "bob"}},
		{name: "armored", data: armored(a, b), keys: []string{"alice", "bob"}},
		{name: "armored twice, with text", data: "Our keys:\n" + armored(a) + "and -----BEGIN\n\n" + armored(b) + "That is all.\n", keys: []string{"alice", "bob"}},
		{name: "twice the same", data: armored(a, a), keys: []string{"alice"}},
		{name: "with what gpg keeps beside it", data: string(slices.Concat(pkt(10, []byte("PGP")), a, pkt(12, []byte{0}), pkt(21, []byte("pad")), pkt(63, nil), b)), keys: []string{"alice", "bob"}},
		{name: "PGP 2", data: string(slices.Concat(oldKey, uid("old"), sig{by: alice, version: 3, kind: 0x10, at: born}.over(nil), a)), keys: []string{"alice"}, skipped: []string{"key of version 3"}},
		{name: "unknown algorithm", data: string(slices.Concat(newAlgorithm(6), uid("new"), newAlgorithm(14), a)), keys: []string{"alice"}, skipped: []string{"key of algorithm 99"}},
		{name: "subkey of an unknown algorithm", data: string(slices.Concat(a, newAlgorithm(14), b)), keys: []string{"alice", "bob"}, skipped: []string{"subkey: key of algorithm 99"}},
		{name: "unknown curve", data: string(append(pkt(6, foreign), a...)), keys: []string{"alice"}, skipped: []string{"unknown curve, 010203"}},
		{name: "curve of another algorithm", data: string(append(pkt(6, bytes.Replace(alice.body, []byte{22, 9}, []byte{19, 9}, 1)), a...)), keys: []string{"alice"}, skipped: []string{"curve ed25519 with algorithm 19"}},
		{name: "key material with leading zeros", data: string(append(pkt(6, bytes.Replace(alice.body, []byte{1, 7, 0x40}, []byte{1, 8, 0x40}, 1)), a...)), keys: []string{"alice"}, skipped: []string{"leading zeros"}},
		{name: "key material and more", data: string(append(pkt(6, append(alice.body, 0)), a...)), keys: []string{"alice"}, skipped: []string{"1 bytes after the key material"}},
		{name: "version 6 with EdDSA of version 4", data: string(append(pkt(6, slices.Concat([]byte{6}, alice.body[1:6], []byte{0, 0, 0, byte(len(alice.body) - 6)}, alice.body[6:])), a...)), keys: []string{"alice"}, skipped: []string{"algorithm of version 4"}},
		{name: "version 6 of another length", data: string(append(pkt(6, slices.Concat([]byte{6}, stamp(born), []byte{27, 0, 0, 0, 33}, make([]byte, 32))), a...)), keys: []string{"alice"}, skipped: []string{"said to be 33"}},
		{name: "key cut short", data: string(append(pkt(6, []byte{4, 0, 0}), a...)), keys: []string{"alice"}, skipped: []string{"cut off"}},
		{name: "version 4 that is too long", data: string(append(pkt(6, slices.Concat(rsaKey(t, 2048, born).body, make([]byte, 0x10000))), a...)), keys: []string{"alice"}, skipped: []string{"key of 65"}},
		{name: "Ed25519 of another length", data: string(append(pkt(6, slices.Concat([]byte{4}, stamp(born), []byte{27}, make([]byte, 31))), a...)), keys: []string{"alice"}, skipped: []string{"point of 31 bytes"}},
		{name: "signature in no form", data: string(append(pkt(2, nil), a...)) + string(pkt(2, []byte{4})), keys: []string{"alice"}, skipped: []string{"cut off"}},
		{name: "certification that belongs to no key", data: string(append(sig{by: bob, kind: 0x10, at: born}.over(nil), a...)), keys: []string{"alice"}, skipped: []string{"signature of type 0x10 that belongs to no key"}},
		{name: "revocation by nobody", data: string(append(sig{by: bob, kind: 0x20, at: born, noIssuer: true}.over(bob.hashed()), a...)), keys: []string{"alice"}, skipped: []string{"0x20 that belongs to no key"}},
		{name: "signature in no form that belongs to no key", data: string(append(pkt(2, []byte{9}), a...)), keys: []string{"alice"}, skipped: []string{"signature of version 9"}},

		{name: "empty", err: "holds no OpenPGP key"},
		{name: "text", data: "hello\n", err: "holds no OpenPGP key"},
		{name: "secret key", data: string(pkt(5, alice.body)), err: "secret key"},
		{name: "secret subkey", data: string(append(a, pkt(7, bob.body)...)), err: "secret key"},
		{name: "secret key after others, armored", data: armored(a) + string(block("PGP PRIVATE KEY BLOCK", pkt(5, bob.body))), err: "secret key"},
		{name: "a signature", data: string(armor(sig{by: alice, at: signed}.over(payload))), err: `armor of "PGP SIGNATURE"`},
		{name: "keybox", data: "\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00\x00\x00\x00", err: "gpg --export"},
		{name: "a message", data: string(append(a, pkt(11, []byte("b"))...)), err: "packet of type 11"},
		{name: "cut off", data: string(a[:len(a)-1]), err: "cut off"},
		{name: "damaged armor", data: strings.Replace(armored(a), "\n=", "\nAAAA\n=", 1), err: "armor: "},
		{name: "armor cut off", data: armored(a)[:100], err: "no END line"},
		{name: "damaged in its armor", data: string(block("PGP PUBLIC KEY BLOCK", a[:len(a)-1])), err: "cut off"},
		{name: "rest", data: string(a) + "\n", err: "no packet"},
		{name: "too large", data: strings.Repeat("\x00", 256<<20+1), err: "more than the limit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ring, err := openpgp.ReadKeyring("keys.gpg", []byte(test.data))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || !strings.HasPrefix(err.Error(), "reading keyring keys.gpg: ") {
					t.Errorf("ReadKeyring = %v, want an error about %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("ReadKeyring = %v", err)
			}
			var got []string
			for _, k := range ring.Keys(now) {
				got = append(got, k.UserIDs...)
			}
			if !slices.Equal(got, test.keys) {
				t.Errorf("keys %q, want %q", got, test.keys)
			}
			if len(ring.Skipped) != len(test.skipped) {
				t.Fatalf("skipped %q, want %q", ring.Skipped, test.skipped)
			}
			for i, s := range ring.Skipped {
				if !strings.Contains(s.Reason, test.skipped[i]) {
					t.Errorf("skipped %q, want %q", s.Reason, test.skipped[i])
				}
			}
		})
	}
}

// TestKeyFromSeveralFiles: what is said of a key in several files is said of one
// key.
func TestKeyFromSeveralFiles(t *testing.T) {
	alice, one, two := edKey(1, born), edKey(2, born), edKey(3, born)
	a := ring(t, keyOf(alice, "alice"), bind(alice, one, born, flags(2)))
	b := ring(t, alice.primary(), uid("also alice"), sig{by: alice, kind: 0x13, at: later, hashed: flags(3)}.over(overUID(alice, "also alice")), bind(alice, two, born, flags(2)))
	for _, rings := range [][]*openpgp.Keyring{{a, b}, {b, a}} {
		for _, k := range []*testKey{alice, one, two} {
			result, err := newVerifier(t, today, rings...).Verify(payload, armor(sig{by: k, at: signed}.over(payload)))
			if err != nil || result.Signer.Key != alice.hex() || result.Signer.Identity.Subject != "also alice" {
				t.Errorf("Verify = %+v (%v), want also alice's", result, err)
			}
		}
	}
}

// TestBadPoint: a key whose material is none fails when it is used.
func TestBadPoint(t *testing.T) {
	oids := map[string][]byte{
		"nistp256":        {8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
		"brainpoolP256r1": {9, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07},
		"secp256k1":       {5, 0x2b, 0x81, 0x04, 0x00, 0x0a},
	}
	keys := map[string][]byte{
		"ed25519, uncompressed": slices.Concat([]byte{22, 9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01}, mpi(append([]byte{4}, make([]byte, 64)...))),
		"RSA, even exponent":    slices.Concat([]byte{1}, mpi(bytes.Repeat([]byte{0xff}, 256)), mpi([]byte{2})),
		"RSA, exponent of one":  slices.Concat([]byte{1}, mpi(bytes.Repeat([]byte{0xff}, 256)), mpi([]byte{1})),
		"RSA, large exponent":   slices.Concat([]byte{1}, mpi(bytes.Repeat([]byte{0xff}, 256)), mpi(bytes.Repeat([]byte{0xff}, 5))),
		"RSA, even modulus":     slices.Concat([]byte{1}, mpi(append(bytes.Repeat([]byte{0xff}, 255), 0)), mpi([]byte{3})),
		"RSA, no modulus":       slices.Concat([]byte{1}, mpi(nil), mpi([]byte{3})),
		"DSA, no numbers":       slices.Concat([]byte{17}, mpi(nil), mpi(nil), mpi(nil), mpi(nil)),
		"DSA, generator of one": slices.Concat([]byte{17}, mpi(bytes.Repeat([]byte{0xff}, 256)), mpi(bytes.Repeat([]byte{0xff}, 20)), mpi([]byte{1}), mpi([]byte{2})),
		"DSA, public key of one": slices.Concat([]byte{17}, mpi(bytes.Repeat([]byte{0xff}, 256)), mpi(bytes.Repeat([]byte{0xff}, 20)),
			mpi([]byte{2}), mpi([]byte{1})),
	}
	for name, oid := range oids {
		keys[name+", not on the curve"] = slices.Concat([]byte{19}, oid, mpi(append([]byte{4}, bytes.Repeat([]byte{1}, 64)...)))
		keys[name+", of another length"] = slices.Concat([]byte{19}, oid, mpi(append([]byte{4}, bytes.Repeat([]byte{1}, 63)...)))
		keys[name+", beyond the field"] = slices.Concat([]byte{19}, oid, mpi(append([]byte{4}, bytes.Repeat([]byte{0xff}, 64)...)))
		keys[name+", compressed"] = slices.Concat([]byte{19}, oid, mpi(append([]byte{2}, bytes.Repeat([]byte{1}, 32)...)))
	}
	for name, material := range keys {
		t.Run(name, func(t *testing.T) {
			values := 2
			if material[0] == 1 {
				values = 1
			}
			key := &testKey{4, material[0], slices.Concat([]byte{4}, stamp(born), material), func(byte, []byte) []byte {
				return bytes.Repeat(mpi(bytes.Repeat([]byte{1}, 16)), values)
			}}
			class, _, err := verify(t, newVerifier(t, today, ring(t, keyOf(key, "x"))), payload, armor(sig{by: key, at: signed}.over(payload)))
			if class != verifier.UnsupportedSignature && class != verifier.WeakAlgorithm {
				t.Errorf("Verify = %s (%v), want unsupported-signature", class, err)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	alice, sign, old, boss := edKey(1, born), edKey(2, born), edKey(3, born), edKey(4, born)
	revoked := slices.Concat(bind(alice, old, born, flags(0x20)),
		sig{by: alice, kind: 0x28, at: later}.over(slices.Concat(alice.hashed(), old.hashed())))
	got := ring(t,
		keyOf(alice, "alice", flags(1), keyLife(5*year)), uid("primary"),
		sig{by: alice, kind: 0x13, at: born, hashed: slices.Concat(primaryUID(), flags(1))}.over(overUID(alice, "primary")),
		bind(alice, sign, born, flags(2), keyLife(year)), revoked, boss.sub(),
		boss.primary(), sig{by: boss, kind: 0x20, at: later}.over(boss.hashed()), keyOf(boss, "boss")[len(boss.primary()):],
		sign.primary(),
		old.primary(), sig{by: old, kind: 0x1f, at: born, hashed: revoker(edKey(9, born))}.over(old.hashed()), sig{by: edKey(9, born), kind: 0x20, at: born}.over(old.hashed()),
	).Keys(now)
	want := []openpgp.Key{
		{Part: openpgp.Part{Fingerprint: alice.hex(), Algorithm: "ed25519", Usage: "C", Created: born, Expires: born.Add(5 * year * time.Second)},
			UserIDs: []string{"primary", "alice"}, Subkeys: []openpgp.Part{
				{Fingerprint: sign.hex(), Algorithm: "ed25519", Usage: "S", Created: born, Expires: born.Add(year * time.Second)},
				{Fingerprint: old.hex(), Algorithm: "ed25519", Usage: "A", Created: born, Revoked: true}}},
		{Part: openpgp.Part{Fingerprint: boss.hex(), Algorithm: "ed25519", Usage: "SC", Created: born, Revoked: true}, UserIDs: []string{"boss"}, Problem: "it is revoked"},
		{Part: openpgp.Part{Fingerprint: sign.hex(), Algorithm: "ed25519", Usage: "SCA", Created: born}, Problem: "it has no valid self-signature"},
		{Part: openpgp.Part{Fingerprint: old.hex(), Algorithm: "ed25519", Usage: "SCA", Created: born}, Problem: "it may have been revoked by " + edKey(9, born).hex()},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Keys =\n%+v, want\n%+v", got, want)
	}
}

// TestConcurrentVerify: the first verifications by a key read it together.
func TestConcurrentVerify(t *testing.T) {
	alice, subkey := edKey(1, born), edKey(2, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice"), bind(alice, subkey, born, flags(2))))
	errs := make(chan error)
	const n = 8
	for i := range n {
		go func() {
			by := []*testKey{alice, subkey}[i%2]
			_, err := v.Verify(payload, armor(sig{by: by, at: signed}.over(payload)))
			if err != nil {
				err = fmt.Errorf("by key %d: %w", i%2, err)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestKeyCutShort: what is left of a key is none, of each algorithm, and it
// does not spoil the others.
func TestKeyCutShort(t *testing.T) {
	alice := edKey(1, born)
	nist := slices.Concat([]byte{4}, stamp(born), []byte{19, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, mpi(append([]byte{4}, make([]byte, 64)...)))
	for name, body := range map[string][]byte{"eddsa": alice.body, "v6": edKeyV6(1, born).body, "rsa": rsaKey(t, 2048, born).body, "ecdsa": nist} {
		for n := range body {
			r := ring(t, pkt(6, body[:n]), keyOf(alice, "alice"))
			if len(r.Skipped) != 1 {
				t.Errorf("%s: %d bytes of %d: skipped %q, want one key", name, n, len(body), r.Skipped)
			}
		}
	}
}

// TestEncryptionKeys: what they are is listed, and that is all.
func TestEncryptionKeys(t *testing.T) {
	alice := edKey(1, born)
	for algorithm, want := range map[byte]string{2: "rsa", 16: "elgamal", 18: "ecdh", 25: "x25519", 26: "x448", 35: "algorithm 35"} {
		subkey := &testKey{version: 4, body: slices.Concat([]byte{4}, stamp(born), []byte{algorithm, 1, 2, 3})}
		keys := ring(t, keyOf(alice, "alice"), subkey.sub(),
			sig{by: alice, kind: 0x18, at: born}.over(slices.Concat(alice.hashed(), subkey.hashed()))).Keys(now)
		if len(keys) != 1 || len(keys[0].Subkeys) != 1 || keys[0].Subkeys[0].Algorithm != want || keys[0].Subkeys[0].Usage != "E" {
			t.Errorf("Keys with a subkey of algorithm %d = %+v, want %s for encryption", algorithm, keys, want)
		}
		// Nor is a signature by it one, be it said to be of that algorithm or
		// another.
		v := newVerifier(t, today, ring(t, keyOf(alice, "alice"), subkey.sub()))
		for _, test := range []struct {
			algorithm byte
			want      verifier.Class
		}{{22, verifier.BadSignature}, {algorithm, verifier.UnsupportedSignature}} {
			s := sig{by: alice, at: signed, noIssuer: true, hashed: issuerFingerprint(subkey), algorithm: test.algorithm}
			if class, _, err := verify(t, v, payload, armor(s.over(payload))); class != test.want {
				t.Errorf("Verify by an encryption key of algorithm %d, said to be %d = %s (%v), want %s", algorithm, test.algorithm, class, err, test.want)
			}
		}
	}
}
