package openpgp_test

import (
	"bytes"
	"crypto"
	"fmt"
	"testing"
	"time"

	theirs "github.com/ProtonMail/go-crypto/openpgp"
	theirarmor "github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"gitseal/verifier"
)

// TestGoCrypto verifies what another implementation makes, with each algorithm
// and version, and has it verify what is made here.
func TestGoCrypto(t *testing.T) {
	clock := func(at time.Time) func() time.Time { return func() time.Time { return at } }
	for _, test := range []struct {
		name string
		cfg  packet.Config
		want string // algorithm
	}{
		{"rsa", packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}, "rsa2048"},
		{"eddsa", packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}, "ed25519"},
		{"ed25519", packet.Config{Algorithm: packet.PubKeyAlgoEd25519}, "ed25519"},
		{"ed448", packet.Config{Algorithm: packet.PubKeyAlgoEd448}, "ed448"},
		{"nistp256", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP256}, "nistp256"},
		{"nistp384", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP384}, "nistp384"},
		{"nistp521", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP521}, "nistp521"},
		{"secp256k1", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveSecP256k1}, "secp256k1"},
		{"brainpoolP256r1", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveBrainpoolP256}, "brainpoolP256r1"},
		{"brainpoolP384r1", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveBrainpoolP384}, "brainpoolP384r1"},
		{"brainpoolP512r1", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveBrainpoolP512}, "brainpoolP512r1"},
		{"v6 ed25519", packet.Config{Algorithm: packet.PubKeyAlgoEd25519, V6Keys: true}, "ed25519"},
		{"v6 ed448", packet.Config{Algorithm: packet.PubKeyAlgoEd448, V6Keys: true}, "ed448"},
		{"v6 rsa", packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048, V6Keys: true}, "rsa2048"},
		{"v6 nistp256", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP256, V6Keys: true}, "nistp256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := test.cfg
			cfg.Time = clock(born)
			entity, err := theirs.NewEntity("alice", "", "a@example.com", &cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := entity.AddSigningSubkey(&cfg); err != nil {
				t.Fatal(err)
			}
			var key bytes.Buffer
			if err := entity.Serialize(&key); err != nil {
				t.Fatal(err)
			}
			v := newVerifier(t, today, ring(t, key.Bytes()))
			cfg.Time = clock(signed)
			for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256} {
				cfg.DefaultHash = hash
				var signature bytes.Buffer
				if err := theirs.ArmoredDetachSign(&signature, entity, bytes.NewReader(payload), &cfg); err != nil {
					t.Fatal(err)
				}
				result, err := v.Verify(payload, signature.Bytes())
				if err != nil {
					t.Fatalf("Verify with %v = %v\n%s", hash, err, signature.Bytes())
				}
				subkey := entity.Subkeys[len(entity.Subkeys)-1].PublicKey
				if want := fmt.Sprintf("%X", subkey.Fingerprint); result.Key != want {
					t.Errorf("key %s, want the subkey %s", result.Key, want)
				}
				if want := fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint); result.Signer.Key != want {
					t.Errorf("signer's key %s, want %s", result.Signer.Key, want)
				}
				if result.Algorithm != test.want || result.Signer.Identity.Subject != "alice <a@example.com>" || !result.Claimed.Equal(signed) {
					t.Errorf("Verify = %+v", result)
				}
				if class, _, _ := verify(t, v, []byte("else"), signature.Bytes()); class != verifier.BadSignature {
					t.Errorf("Verify of another payload = %s, want bad-signature", class)
				}
			}
		})
	}
}

// TestPostQuantum: keys of RFC 9980 are named as what is not known, as are
// their signatures.
func TestPostQuantum(t *testing.T) {
	cfg := &packet.Config{Algorithm: packet.PubKeyAlgoMldsa65Ed25519, V6Keys: true, Time: func() time.Time { return born }}
	entity, err := theirs.NewEntity("alice", "", "", cfg)
	if err != nil {
		t.Fatal(err)
	}
	var key, signature bytes.Buffer
	if err := entity.Serialize(&key); err != nil {
		t.Fatal(err)
	}
	if err := theirs.ArmoredDetachSign(&signature, entity, bytes.NewReader(payload), cfg); err != nil {
		t.Fatal(err)
	}
	r := ring(t, key.Bytes())
	if len(r.Skipped) == 0 || r.Skipped[0].Reason != "key of algorithm 30" {
		t.Errorf("skipped %q, want the key of algorithm 30", r.Skipped)
	}
	if class, _, err := verify(t, newVerifier(t, today, r), payload, signature.Bytes()); class != verifier.UnknownKey {
		t.Errorf("Verify = %s (%v), want unknown-key", class, err)
	}
}

// TestGoCryptoAgrees has the other implementation judge what the maker of
// these tests makes, so that a mistake in both halves of a test shows.
func TestGoCryptoAgrees(t *testing.T) {
	alice, subkey := edKey(1, born), edKey(2, born)
	six := edKeyV6(1, born)
	for name, test := range map[string]struct {
		key []byte
		sig sig
	}{
		"primary key": {keyOf(alice, "alice"), sig{by: alice}},
		"subkey":      {append(keyOf(alice, "alice"), bind(alice, subkey, born, flags(2))...), sig{by: subkey}},
		"SHA-512":     {keyOf(alice, "alice"), sig{by: alice, hash: sha512ID}},
		"rsa":         {keyOf(rsaKey(t, 2048, born), "alice"), sig{by: rsaKey(t, 2048, born)}},
		"v6": {append(append(six.primary(), sig{by: six, kind: 0x1f, at: born, hashed: flags(3)}.over(six.hashed())...),
			keyOf(six, "alice")[len(six.primary()):]...), sig{by: six}},
	} {
		test.sig.at = signed
		signature := armor(test.sig.over(payload))
		entities, err := theirs.ReadKeyRing(bytes.NewReader(test.key))
		if err != nil {
			t.Errorf("%s: go-crypto reads the key: %v", name, err)
			continue
		}
		decoded, err := theirarmor.Decode(bytes.NewReader(signature))
		if err != nil {
			t.Errorf("%s: go-crypto reads the armor: %v", name, err)
			continue
		}
		cfg := &packet.Config{Time: func() time.Time { return now }}
		if _, err := theirs.CheckDetachedSignature(entities, bytes.NewReader(payload), decoded.Body, cfg); err != nil {
			t.Errorf("%s: go-crypto: %v", name, err)
		}
		if _, err := newVerifier(t, today, ring(t, test.key)).Verify(payload, signature); err != nil {
			t.Errorf("%s: we: %v", name, err)
		}
	}
}
