package fixedkey

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"math/big"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
)

func verifierOf(t testing.TB, s *Set, key *ecdsa.PrivateKey) *Verifier {
	t.Helper()
	v, ok := s.Key(&key.PublicKey).(*Verifier)
	if !ok {
		t.Fatalf("Key = %T, want a Verifier", s.Key(&key.PublicKey))
	}
	return v
}

// noTables skips a test of what there is not in FIPS 140-3 mode.
func noTables(t *testing.T) {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("no table is made in FIPS 140-3 mode")
	}
}

func TestTableIsMadeWhenItIsRepaid(t *testing.T) {
	noTables(t)
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		wrong := bytes.Clone(sig)
		wrong[len(wrong)-1] ^= 1
		v := verifierOf(t, new(Set), key)
		for i := 1; i <= 2*repaid; i++ {
			// Right and wrong signatures alike count, and are told apart throughout.
			good := i%2 == 0
			if got := v.Verify(digest, map[bool][]byte{true: sig, false: wrong}[good]); got != good {
				t.Fatalf("verification %d = %t, want %t", i, got, good)
			}
			if made := v.table.Load() != nil; made != (i >= repaid) {
				t.Fatalf("after %d verifications there is a table: %t", i, made)
			}
		}
	})
}

func TestNoTablesAreMadeWhereNoneAreWanted(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		v := verifierOf(t, &Set{NoTables: true}, key)
		for range 2 * repaid {
			if !v.Verify(digest, sig) {
				t.Fatal("a good signature does not verify")
			}
		}
		if v.table.Load() != nil {
			t.Error("there is a table")
		}
	})
}

func TestKeyOfTheSameValueIsTheSame(t *testing.T) {
	var s Set
	a, _, _ := signed(t, elliptic.P256())
	b, _, _ := signed(t, elliptic.P256())
	again := publicKey(t, elliptic.P256(), func() []byte {
		point, err := a.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return point
	}())
	if s.Key(&a.PublicKey) != s.Key(again) {
		t.Error("a key that is named twice has two Verifiers")
	}
	if s.Key(&a.PublicKey) == s.Key(&b.PublicKey) {
		t.Error("two keys have the same Verifier")
	}
	if new(Set).Key(&a.PublicKey) == s.Key(&a.PublicKey) {
		t.Error("two Sets have the same Verifier")
	}
}

func TestOtherKeysStayAsTheyAre(t *testing.T) {
	var s Set
	p521 := unchecked(elliptic.P521(), elliptic.P521().Params().Gx, elliptic.P521().Params().Gy)
	if got := s.Key(p521); got != p521 {
		t.Errorf("Key of a key on P-521 = %T, want the key", got)
	}
	public := ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))
	if got, ok := s.Key(public).(ed25519.PublicKey); !ok || !got.Equal(public) {
		t.Errorf("Key of an Ed25519 key = %T, want the key", s.Key(public))
	}
	if got := s.Key(nil); got != nil {
		t.Errorf("Key(nil) = %T, want nil", got)
	}
	if got := s.Key((*ecdsa.PublicKey)(nil)); got != (*ecdsa.PublicKey)(nil) {
		t.Errorf("Key of no ECDSA key = %T, want as it was", got)
	}
}

func TestKeysAndTablesAreBounded(t *testing.T) {
	noTables(t)
	var s Set
	var verifiers []*Verifier
	key, digest, sig := signed(t, elliptic.P256())
	for i := range int64(maxKeys) {
		// Their signatures do not matter: all that verify count.
		pub := publicKey(t, elliptic.P256(), multiple(t, elliptic.P256(), big.NewInt(i+2)))
		verifiers = append(verifiers, s.Key(pub).(*Verifier))
	}
	if got := s.Key(&key.PublicKey); got != &key.PublicKey {
		t.Errorf("Key of key %d = %T, want the key", maxKeys+1, got)
	}
	if s.Key(verifiers[0].pub) != verifiers[0] {
		t.Error("a key is forgotten when there are many")
	}
	made := 0
	for _, v := range verifiers[:maxTables+2] {
		for range repaid + 1 {
			if v.Verify(digest, sig) {
				t.Fatal("another key's signature verifies")
			}
		}
		if v.table.Load() != nil {
			made++
		}
	}
	if made != maxTables {
		t.Errorf("%d tables were made, want %d", made, maxTables)
	}
}

// TestKeyOffTheCurveVerifiesNothing has a key of which there can be no table.
func TestKeyOffTheCurveVerifiesNothing(t *testing.T) {
	_, digest, sig := signed(t, elliptic.P256())
	params := elliptic.P256().Params()
	v := new(Set).Key(unchecked(elliptic.P256(), params.Gx, plus(params.Gy, 1))).(*Verifier)
	for range 2 * repaid {
		if v.Verify(digest, sig) {
			t.Fatal("a signature verifies by a key that is not a point of its curve")
		}
	}
	if v.table.Load() != nil {
		t.Error("there is a table of a key that is not a point of its curve")
	}
}

func TestGoroutinesShareAVerifier(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		wrong := bytes.Clone(sig)
		wrong[len(wrong)-1] ^= 1
		var s Set
		var running sync.WaitGroup
		var bad atomic.Int32
		for range 8 {
			running.Go(func() {
				for range repaid {
					v := s.Key(&key.PublicKey).(*Verifier)
					if !v.Verify(digest, sig) || v.Verify(digest, wrong) {
						bad.Add(1)
					}
				}
			})
		}
		running.Wait()
		if n := bad.Load(); n > 0 {
			t.Errorf("%d of %d verdicts are wrong", n, 8*repaid)
		}
		if got := s.tables.Load(); got != 1 && !fips140.Enabled() {
			t.Errorf("%d tables were made, want 1", got)
		}
	})
}

// TestNoTableInFIPSMode runs itself in FIPS 140-3 mode, which a process has
// from its start or never.
func TestNoTableInFIPSMode(t *testing.T) {
	if !fips140.Enabled() {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.run=^TestNoTableInFIPSMode$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=on")
		out, err := cmd.CombinedOutput()
		if bytes.Contains(out, []byte("incompatible with the purego build tag")) {
			t.Skip("built with the tag purego, which FIPS 140-3 mode refuses")
		}
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestNoTableInFIPSMode")) {
			t.Errorf("in FIPS 140-3 mode: %v\n%s", err, out)
		}
		return
	}
	key, digest, sig := signed(t, elliptic.P384())
	v := verifierOf(t, new(Set), key)
	for range 2 * repaid {
		if !v.Verify(digest, sig) {
			t.Fatal("a good signature does not verify")
		}
	}
	if v.table.Load() != nil {
		t.Error("there is a table in FIPS 140-3 mode")
	}
}
