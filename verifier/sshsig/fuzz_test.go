package sshsig

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

// What verifies is a signature that its key made, to the bit.
func FuzzVerify(f *testing.F) {
	ca := newEd25519(f)
	var allowed strings.Builder
	allowed.WriteString(line("*", "cert-authority", ca.PublicKey()))
	made := make(map[string]bool) // the blobs that may verify
	for _, key := range newKeys() {
		allowed.WriteString(line("alice", "", key.PublicKey()))
		for _, cert := range []*ssh.Certificate{nil, certify(f, ca, key, nil)} {
			armored := recipe{key: key, cert: cert}.make(f, payload)
			blob, _, err := dearmor(armored)
			if err != nil {
				f.Fatal(err)
			}
			made[string(blob)] = true
			f.Add(armored)
		}
	}
	stranger := newEd25519(f)
	f.Add(recipe{key: stranger}.make(f, payload))
	f.Add([]byte("text\n" + armorBegin + "\n" + armorEnd + "\n"))
	v := newVerifier(f, allowed.String(), func(cfg *Config) { cfg.Rules.Weak = []string{"rsa1024"} })
	f.Fuzz(func(t *testing.T, armored []byte) {
		result, err := v.Verify(payload, armored)
		if err == nil {
			if blob, _, err := dearmor(armored); err != nil || !made[string(blob)] || result.Signer.Identity.Subject == "" {
				t.Fatalf("%q verified as %+v", armored, result)
			}
			return
		}
		kerr := (*verifier.KeyError)(nil)
		if !errors.As(err, &kerr) || result != nil || kerr.Class == verifier.Verified || kerr.Class == "" || strings.Contains(err.Error(), "\n") {
			t.Fatalf("Verify = %v, %v", result, err)
		}
		if kerr.Unverified.Signer.Identity != (verifier.Identity{}) {
			t.Errorf("an identity in Unverified: %+v", kerr.Unverified)
		}
	})
}

// isUseless reports whether an RSA key has numbers by which nothing can be
// checked, or a security key an application with a NUL in it:
// golang.org/x/crypto/ssh reads them all the same.
func isUseless(key ssh.PublicKey) bool {
	var ed25519 struct{ Name, Key, Application string }
	var ecdsa struct{ Name, Curve, Key, Application string }
	if ssh.Unmarshal(key.Marshal(), &ed25519) == nil && strings.HasPrefix(key.Type(), "sk-") {
		return strings.IndexByte(ed25519.Application, 0) >= 0
	}
	if ssh.Unmarshal(key.Marshal(), &ecdsa) == nil && strings.HasPrefix(key.Type(), "sk-") {
		return strings.IndexByte(ecdsa.Application, 0) >= 0
	}
	k, ok := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey)
	return ok && (k.N.Sign() <= 0 || k.N.Bit(0) == 0 || k.E < 3 || k.E%2 == 0)
}

// FuzzKey compares keys and signatures with golang.org/x/crypto/ssh.
func FuzzKey(f *testing.F) {
	for _, key := range newKeys() {
		sig, err := key.Sign(nil, payload)
		if err != nil {
			continue // rsa-sha1, which golang.org/x/crypto/ssh may refuse to make
		}
		f.Add(key.PublicKey().Marshal(), ssh.Marshal(sig))
	}
	even := make([]byte, 256)
	even[0] = 0xc0
	f.Add(ssh.Marshal(struct {
		Name string
		E, N *big.Int
	}{"ssh-rsa", big.NewInt(65537), new(big.Int).SetBytes(even)}), []byte{})
	f.Fuzz(func(t *testing.T, blob, signature []byte) {
		theirs, theirErr := ssh.ParsePublicKey(blob)
		ours, err := parseKey(blob)
		if err != nil {
			// What we take for no key is one of another kind there, or has
			// numbers that we read strictly.
			if theirErr == nil {
				if again := theirs.Marshal(); bytes.Equal(again, blob) && isKeyType(theirs.Type()) && theirs.Type() != algDSA && !isUseless(theirs) {
					t.Errorf("parseKey(%q): %v, but it is a key", blob, err)
				}
			}
			return
		}
		if theirErr != nil {
			if key, ok := ours.key.(*rsa.PublicKey); ok && (key.E >= 1<<24 || key.N.BitLen() > 8192 || key.N.BitLen() < minRSA) {
				return // which golang.org/x/crypto/ssh does not read
			}
			t.Fatalf("parseKey(%q) = %+v, but %v", blob, ours, theirErr)
		}
		if ours.blob != string(blob) || ours.algorithm != theirs.Type() || ours.fingerprint() != ssh.FingerprintSHA256(theirs) {
			t.Fatalf("parseKey(%q) = %+v, want %+v", blob, ours, theirs)
		}
		if _, _, err := ours.verify(payload, signature); err == nil {
			var sig ssh.Signature
			if err := ssh.Unmarshal(signature, &sig); err != nil {
				t.Fatal(err)
			}
			if err := theirs.Verify(payload, &sig); err != nil {
				t.Errorf("verify(%q, %q) succeeds, but %v", blob, signature, err)
			}
		}
	})
}

// FuzzClaimedTime checks that dates come from nowhere but their header.
func FuzzClaimedTime(f *testing.F) {
	f.Add(payload)
	f.Add([]byte("object x\ntype commit\ntag v1\ntagger A <a@b> 1700000000 -0700\n\ntext"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		at := claimedTime(payload)
		if at.IsZero() {
			return
		}
		if at.Unix() < 0 || at.Unix() > maxUnix || at.Nanosecond() != 0 {
			t.Fatalf("claimedTime(%q) = %v", payload, at)
		}
		header, _, _ := bytes.Cut(payload, []byte("\n\n"))
		if !bytes.Contains(header, []byte("\ncommitter ")) && !bytes.Contains(header, []byte("\ntagger ")) {
			t.Fatalf("claimedTime(%q) = %v without a header", payload, at)
		}
	})
}

func TestBitFlipNeverVerifies(t *testing.T) {
	ca := newEd25519(t)
	signatures := map[string]recipe{"certificate": {key: newKey(t, algP256), cert: certify(t, ca, newKey(t, algP256), nil)}}
	allowed := line("*", "cert-authority", ca.PublicKey())
	for _, name := range []string{algEd25519, algP256, "rsa2048", algSKEd25519, algSKP256} {
		key := newKey(t, name)
		allowed += line("alice", "", key.PublicKey())
		signatures[name] = recipe{key: key}
	}
	v := newVerifier(t, allowed, nil)
	for name, recipe := range signatures {
		armored := recipe.make(t, payload)
		if _, err := v.Verify(payload, armored); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := slices.Clone(payload)
		for _, b := range [][]byte{text, armored} {
			for i := range 8 * len(b) {
				b[i/8] ^= 1 << (i % 8)
				if _, err := v.Verify(text, armored); err == nil {
					t.Errorf("%s: verified with bit %d of %q changed", name, i, b)
				}
				b[i/8] ^= 1 << (i % 8)
			}
		}
		for n := range len(armored) - 1 { // all but the newline at the end
			if _, err := v.Verify(payload, armored[:n]); err == nil {
				t.Errorf("%s: verified with %d bytes of %d", name, n, len(armored))
			}
		}
	}
}

func TestVerifyByManyAtOnce(t *testing.T) {
	ca, key := newEd25519(t), newEd25519(t)
	r, err := ReadRevocations("revoked", krl(certSection(ca.PublicKey(), section(krlSerialList, numbers(9)))))
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, line("*", "cert-authority", ca.PublicKey()), func(cfg *Config) { cfg.Revoked = []*Revocations{r} })
	armored := recipe{key: key, cert: certify(t, ca, key, nil)}.make(t, payload)
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 20 {
				if _, e := v.Verify(payload, armored); e != nil {
					err = e
				}
				_ = v.Digest() // only that it may be called beside Verify
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
