package openpgp_test

import (
	"bytes"
	//lint:ignore SA1019 old signatures were made with it
	"crypto/dsa"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
)

func TestWeakAlgorithms(t *testing.T) {
	ed, rsa1024, rsa2048, dsaKey := edKey(1, born), rsaKey(t, 1024, born), rsaKey(t, 2048, born), dsaKey(t)
	for _, test := range []struct {
		key  *testKey
		hash byte
		weak []string // what has to be accepted
		algo string
		name string
	}{
		{ed, md5ID, []string{"md5"}, "ed25519", "md5"},
		{ed, sha1ID, []string{"sha1"}, "ed25519", "sha1"},
		{ed, ripemdID, []string{"ripemd160"}, "ed25519", "ripemd160"},
		{rsa2048, sha1ID, []string{"sha1"}, "rsa2048", "sha1"},
		{rsa2048, md5ID, []string{"md5"}, "rsa2048", "md5"},
		{rsa2048, ripemdID, []string{"ripemd160"}, "rsa2048", "ripemd160"},
		{rsa1024, sha256ID, []string{"rsa1024"}, "rsa1024", "sha256"},
		{rsa1024, sha1ID, []string{"rsa1024", "sha1"}, "rsa1024", "sha1"},
		{dsaKey, sha256ID, []string{"dsa1024"}, "dsa1024", "sha256"},
		{dsaKey, sha1ID, []string{"dsa1024", "sha1"}, "dsa1024", "sha1"},
	} {
		t.Run(test.algo+" "+test.name, func(t *testing.T) {
			signature := armor(sig{by: test.key, hash: test.hash, at: signed}.over(payload))
			r := ring(t, keyOf(test.key, "alice"))
			// One that is missing is enough to refuse it.
			for i := range test.weak {
				rules := today
				rules.Weak = slices.Delete(slices.Clone(test.weak), i, i+1)
				class, valid, err := verify(t, newVerifier(t, rules, r), payload, signature)
				if class != verifier.WeakAlgorithm || valid == nil || valid.Signer.Identity.Subject != "alice" || !strings.Contains(err.Error(), test.weak[i]) {
					t.Errorf("Verify with %q = %s (%v, valid %v), want weak-algorithm for %s", rules.Weak, class, err, valid, test.weak[i])
				}
			}
			rules := today
			rules.Weak = test.weak
			class, result, err := verify(t, newVerifier(t, rules, r), payload, signature)
			if class != verifier.Verified || result.Algorithm != test.algo || result.Hash != test.name {
				t.Errorf("Verify with %q = %s (%v), %+v, want verified, %s and %s", rules.Weak, class, err, result, test.algo, test.name)
			}
			// Weak or not, it has to be right.
			if class, _, _ := verify(t, newVerifier(t, rules, r), []byte("else"), signature); class != verifier.BadSignature {
				t.Errorf("Verify of another payload = %s, want bad-signature", class)
			}
			if class, _, _ := verify(t, newVerifier(t, today, r), []byte("else"), signature); class != verifier.BadSignature {
				t.Errorf("Verify of another payload, weak = %s, want bad-signature", class)
			}
		})
	}
}

// TestTinyRSA: a key that can be factored over night is refused whatever the
// rules say.
func TestTinyRSA(t *testing.T) {
	p, q := prime(t, 256), prime(t, 256)
	n, e := new(big.Int).Mul(p, q), big.NewInt(65537)
	one := big.NewInt(1)
	d := new(big.Int).ModInverse(e, new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)))
	key := &testKey{4, 1, slices.Concat([]byte{4}, stamp(born), []byte{1}, mpi(n.Bytes()), mpi(e.Bytes())), func(_ byte, digest []byte) []byte {
		der := append([]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}, digest...)
		padded := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 64-3-len(der)), []byte{0}, der)
		return mpi(new(big.Int).Exp(new(big.Int).SetBytes(padded), d, n).Bytes())
	}}
	rules := today
	rules.Weak = []string{"rsa1024", "rsa512"}
	class, valid, err := verify(t, newVerifier(t, rules, ring(t, keyOf(key, "alice"))), payload, armor(sig{by: key, at: signed}.over(payload)))
	if class != verifier.WeakAlgorithm || valid != nil || !strings.Contains(err.Error(), "RSA key of 51") {
		t.Errorf("Verify = %s (%v), want weak-algorithm and nothing valid", class, err)
	}
}

func prime(t *testing.T, bits int) *big.Int {
	t.Helper()
	for {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		if new(big.Int).Mod(p, big.NewInt(65537)).Cmp(big.NewInt(1)) != 0 {
			return p
		}
	}
}

// dsaKey returns a DSA key of 1024 bits.
func dsaKey(t *testing.T) *testKey {
	t.Helper()
	private := new(dsa.PrivateKey)
	if err := dsa.GenerateParameters(&private.Parameters, rand.Reader, dsa.L1024N160); err != nil {
		t.Fatal(err)
	}
	if err := dsa.GenerateKey(private, rand.Reader); err != nil {
		t.Fatal(err)
	}
	body := slices.Concat([]byte{4}, stamp(born), []byte{17}, mpi(private.P.Bytes()), mpi(private.Q.Bytes()), mpi(private.G.Bytes()), mpi(private.Y.Bytes()))
	return &testKey{4, 17, body, func(_ byte, digest []byte) []byte {
		r, s, err := dsa.Sign(rand.Reader, private, digest[:min(20, len(digest))])
		if err != nil {
			t.Fatal(err)
		}
		return append(mpi(r.Bytes()), mpi(s.Bytes())...)
	}}
}

// shattered is the part of the first SHAttered document (https://shattered.io,
// head -c 320 shattered-1.pdf | base64) that collides with the second's.
const shattered = `
JVBERi0xLjMKJeLjz9MKCgoxIDAgb2JqCjw8L1dpZHRoIDIgMCBSL0hlaWdodCAzIDAgUi9UeXBlIDQgMCBSL1N1YnR5cGUgNSAw
IFIvRmlsdGVyIDYgMCBSL0NvbG9yU3BhY2UgNyAwIFIvTGVuZ3RoIDggMCBSL0JpdHNQZXJDb21wb25lbnQgOD4+CnN0cmVhbQr/
2P/+ACRTSEEtMSBpcyBkZWFkISEhISGFL+wJIzl1nDmxocY8TJfh//4Bc0bckWa2fhGPApq2IbJWD/nKZ8yox/hbqEx5AwwrPeIY
+G2zqQkB1d9FwU8m/t+z3DjpasIv571yjw5FvOBG0jxXD+sUE5i7VS71oKgr4zH+pIA3uLXXHw4zLt+TrDUA603cDezBqGR5DHgs
diFWYN0wl5HQa9CvP5jNpLxGKbE=`

func TestCollisionIsWeakWhateverTheRules(t *testing.T) {
	data, err := base64.StdEncoding.DecodeString(shattered)
	if err != nil {
		t.Fatal(err)
	}
	alice := edKey(1, born)
	rules := today
	rules.Weak = []string{"sha1"}
	v := newVerifier(t, rules, ring(t, keyOf(alice, "alice")))
	for _, test := range []struct {
		hash byte
		want verifier.Class
	}{{sha1ID, verifier.WeakAlgorithm}, {sha256ID, verifier.Verified}} {
		signature := armor(sig{by: alice, hash: test.hash, at: signed}.over(data))
		if class, _, err := verify(t, v, data, signature); class != test.want {
			t.Errorf("Verify of a collision with hash %d = %s (%v), want %s", test.hash, class, err, test.want)
		}
	}
}
