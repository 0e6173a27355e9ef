package openpgp_test

import (
	"bytes"
	"slices"
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

// flips calls f with data in which one bit is another, and where that is.
func flips(data []byte, f func(spoilt []byte, at int)) {
	spoilt := bytes.Clone(data)
	for at := range data {
		for bit := range 8 {
			spoilt[at] ^= 1 << bit
			f(spoilt, at)
			spoilt[at] ^= 1 << bit
		}
	}
}

// TestNoFlippedBitVerifies: a bit that is another in the payload or the
// armored signature makes it no good. The checksum sees to it, so the packet
// is tried in an armor of its own as well: there, what nothing depends on may
// change, which is text in armor headers, a packet's first bytes of the
// digest, and subpackets outside the hashed area that do not name a key.
func TestNoFlippedBitVerifies(t *testing.T) {
	ed, rsa := edKey(1, born), rsaKey(t, 2048, born)
	for name, key := range map[string]*testKey{"ed25519": ed, "rsa": rsa, "v6": edKeyV6(1, born)} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, today, ring(t, keyOf(key, "alice")))
			packet := sig{by: key, at: signed}.over(payload)
			signature := armor(packet)
			signature = slices.Concat([]byte("-----BEGIN PGP SIGNATURE-----\nComment: none\n"), signature[len("-----BEGIN PGP SIGNATURE-----\n"):])
			if _, err := v.Verify(payload, signature); err != nil {
				t.Fatal(err)
			}
			flips(payload, func(spoilt []byte, at int) {
				if class, _, _ := verify(t, v, spoilt, signature); class != verifier.BadSignature {
					t.Errorf("byte %d of the payload: %s, want bad-signature", at, class)
				}
			})
			comment := bytes.Index(signature, []byte("Comment"))
			flips(signature, func(spoilt []byte, at int) {
				class, _, _ := verify(t, v, payload, spoilt)
				if class == verifier.Verified && (at < comment || at >= comment+len("Comment: none")) {
					t.Errorf("byte %d of the signature, now %q: verified", at, spoilt[at])
				}
			})

			var harmless []int
			flips(packet, func(spoilt []byte, at int) {
				if class, _, _ := verify(t, v, payload, armor(spoilt)); class == verifier.Verified {
					harmless = append(harmless, at)
				}
			})
			var want []int
			if key.version == 4 {
				id := bytes.LastIndex(packet, key.id())
				want = []int{id - 1, id + 8, id + 9} // the type of the subpacket, the first bytes of the digest
			}
			if got := slices.Compact(harmless); !slices.Equal(got, want) {
				t.Errorf("flips that do not matter are at %v, want %v", got, want)
			}
		})
	}
}

// TestTruncated: no part of a signature is one.
func TestTruncated(t *testing.T) {
	alice := edKey(1, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice")))
	signature := armor(sig{by: alice, at: signed}.over(payload))
	for n := range len(signature) - 1 { // the last newline may be missing
		if _, err := v.Verify(payload, signature[:n]); err == nil {
			t.Errorf("the first %d bytes verify", n)
		}
	}
	ringBytes := keyOf(alice, "alice")
	for n := range ringBytes {
		r, err := openpgp.ReadKeyring("cut", ringBytes[:n])
		if err != nil {
			continue
		}
		if _, err := newVerifier(t, today, r).Verify(payload, signature); err == nil {
			t.Errorf("with the first %d bytes of the keyring it verifies", n)
		}
	}
}

// FuzzVerify: nothing but what alice's keys have signed verifies.
func FuzzVerify(f *testing.F) {
	alice, subkey, six := edKey(1, born), edKey(2, born), edKeyV6(1, born)
	rules := verifier.KeyRules{At: now, Weak: []string{"sha1", "md5", "ripemd160", "rsa1024", "dsa1024"}}
	v := newVerifier(f, rules, ring(f, keyOf(alice, "alice"), bind(alice, subkey, born, flags(2)), keyOf(six, "six")))
	made := []sig{{by: alice}, {by: subkey}, {by: six}, {by: alice, hash: sha1ID}, {by: alice, kind: 1}, {by: alice, version: 3, noIssuer: true},
		{by: alice, hashed: sigLife(9 * year), unhashed: issuerFingerprint(alice)}}
	for _, s := range made {
		s.at = signed
		packet := s.over(payload)
		if s.kind == 1 {
			packet = s.over(bytes.ReplaceAll(payload, []byte("\n"), []byte("\r\n")))
		}
		if _, err := v.Verify(payload, armor(packet)); err != nil {
			f.Fatal(err)
		}
		f.Add(armor(packet))
		f.Add(append(armor(packet), armor(packet)...))
		f.Add(packet) // to be armored below
	}
	f.Add([]byte("text\n" + string(armor()) + opentimestamps))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, signature := range [][]byte{data, armor(data)} {
			result, err := v.Verify(payload, signature)
			if err != nil {
				continue
			}
			if !result.Claimed.Equal(signed) || !slices.Contains([]string{alice.hex(), subkey.hex(), six.hex()}, result.Key) {
				t.Errorf("Verify = %+v: nobody has signed that", result)
			}
			if _, err := v.Verify(append([]byte("x"), payload...), signature); err == nil {
				t.Error("Verify of another payload = nil")
			}
		}
	})
}

// FuzzReadKeyring: whatever is read as a keyring can be used as one.
func FuzzReadKeyring(f *testing.F) {
	alice, subkey, boss := edKey(1, born), edKey(2, born), edKey(4, born)
	revocation := sig{by: alice, kind: 0x20, at: later}.over(alice.hashed())
	full := slices.Concat(alice.primary(), sig{by: alice, kind: 0x1f, at: born, hashed: revoker(boss)}.over(alice.hashed()), revocation,
		keyOf(alice, "alice")[len(alice.primary()):], pkt(17, []byte("image")), bind(alice, subkey, born, flags(2), keyLife(year)))
	f.Add(full)
	f.Add(keyOf(edKeyV6(1, born), "six"))
	f.Add(append(revocation, keyOf(alice, "alice")...))
	f.Add(block("PGP PUBLIC KEY BLOCK", full))
	f.Add(pkt(6, []byte{4, 0, 0, 0, 0, 1, 0, 1, 1, 0, 2, 3}))
	signature := armor(sig{by: subkey, at: signed}.over(payload), sig{by: alice, at: signed}.over(payload))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := openpgp.ReadKeyring("fuzz", data)
		if err != nil {
			return
		}
		r.Keys(now)
		v := newVerifier(t, today, r)
		if result, err := v.Verify(payload, signature); err == nil && result.Signer.Key == "" {
			t.Errorf("Verify = %+v, of nobody", result)
		}
		if v.Digest() != newVerifier(t, today, r, r).Digest() {
			t.Error("Digest of a keyring twice is another")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, key := range map[string]*testKey{"ed25519": edKey(1, born), "rsa2048": rsaKey(b, 2048, born)} {
		b.Run(name, func(b *testing.B) {
			v := newVerifier(b, today, ring(b, keyOf(key, "alice")))
			signature := armor(sig{by: key, at: signed}.over(payload))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(payload, signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
