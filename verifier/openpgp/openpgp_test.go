package openpgp_test

import (
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

func TestResult(t *testing.T) {
	alice, subkey := edKey(1, born), edKey(2, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice <a@example.com>"), bind(alice, subkey, born, flags(2))))
	result, err := v.Verify(payload, armor(sig{by: subkey, hash: sha512ID, at: signed}.over(payload)))
	if err != nil {
		t.Fatal(err)
	}
	want := verifier.Signer{Kind: verifier.OpenPGP, Key: alice.hex(), Identity: verifier.Identity{Subject: "alice <a@example.com>"}}
	if result.Signer != want || result.Key != subkey.hex() || result.Algorithm != "ed25519" || result.Hash != "sha512" ||
		!result.Claimed.Equal(signed) || !result.Time.IsZero() || len(result.Notes) != 0 {
		t.Errorf("Verify = %+v", result)
	}

	// What is not verified is only a claim.
	_, _, kerr := verify(t, v, []byte("else"), armor(sig{by: subkey, hash: sha512ID, at: signed}.over(payload)))
	if u := kerr.Unverified; u.Key != subkey.hex() || u.Hash != "sha512" || !u.Claimed.Equal(signed) || u.Signer.Kind != verifier.OpenPGP ||
		u.Signer.Key != "" || u.Signer.Identity.Subject != "" {
		t.Errorf("Verify: Unverified = %+v", u)
	}
}

func TestNew(t *testing.T) {
	if _, err := openpgp.New(openpgp.Config{}); err == nil {
		t.Error("New without a time = nil, want an error")
	}
	class, _, err := verify(t, newVerifier(t, today), payload, armor(sig{by: edKey(1, born), at: signed}.over(payload)))
	if class != verifier.UnknownKey {
		t.Errorf("Verify without keyrings = %s (%v), want unknown-key", class, err)
	}
}

func TestDigest(t *testing.T) {
	alice, bob := edKey(1, born), edKey(2, born)
	a, b := ring(t, keyOf(alice, "alice")), ring(t, keyOf(bob, "bob"))
	both := ring(t, block("PGP PUBLIC KEY BLOCK", append(keyOf(bob, "bob"), keyOf(alice, "alice")...)))
	revocation := ring(t, sig{by: alice, kind: 0x20, at: later}.over(alice.hashed()))
	digest := func(rules verifier.KeyRules, rings ...*openpgp.Keyring) [32]byte {
		return newVerifier(t, rules, rings...).Digest()
	}
	want := digest(today, a, b)
	for name, got := range map[string][32]byte{
		"other order":   digest(today, b, a),
		"in one file":   digest(today, both),
		"twice":         digest(today, a, b, both),
		"at other time": digest(verifier.KeyRules{At: later, Weak: []string{}}, a, b),
	} {
		if got != want {
			t.Errorf("Digest, %s, is another", name)
		}
	}
	weak := func(names ...string) verifier.KeyRules { return verifier.KeyRules{At: now, Weak: names} }
	if digest(weak("sha1", "md5"), a) != digest(weak("md5", "sha1", "md5"), a) {
		t.Error("Digest, Weak in another order, is another")
	}
	seen := map[[32]byte]string{want: "alice and bob"}
	for name, got := range map[string][32]byte{
		"alice": digest(today, a), "bob": digest(today, b), "nobody": digest(today), "judged when signed": digest(then, a, b),
		"sha1": digest(weak("sha1"), a, b), "md5": digest(weak("md5"), a, b), "revoked": digest(today, a, b, revocation),
		"another user id": digest(today, ring(t, keyOf(alice, "alina")), b),
	} {
		if other, ok := seen[got]; ok {
			t.Errorf("Digest, %s, is that of %s", name, other)
		}
		seen[got] = name
	}
}
