package fixedkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"
	"testing"
)

// FuzzVerify holds Verify against crypto/ecdsa: for signatures as they come,
// and for r, s and digest put together into one that has the right form and,
// if forge is set, into one that is right, by the key [d]G.
func FuzzVerify(f *testing.F) {
	n := elliptic.P384().Params().N
	f.Add(false, uint8(0), []byte("digest"), encode(big.NewInt(1), big.NewInt(1)), []byte{1}, []byte{2})
	f.Add(true, uint8(0), []byte{}, encode(n, big.NewInt(0)), n.Bytes(), plus(n, -1).Bytes())
	f.Add(false, uint8(1), []byte{1}, []byte{0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0}, []byte{1}, []byte{1})
	f.Add(true, uint8(2), []byte{0xff}, []byte{0x30, 6, 2, 1, 0x81, 2, 1, 1}, []byte{128}, []byte{129})
	f.Add(true, uint8(3), make([]byte, 64), []byte{0x30, 8, 2, 2, 0, 1, 2, 2, 0, 1}, []byte{1, 0, 0}, []byte{0xff, 0xff})

	// The keys are few: each takes a table. n-1 and 256 are in it.
	type pair struct {
		pub   *ecdsa.PublicKey
		fixed *Key
		once  *Key // nil: on P-256
		d     *big.Int
	}
	keys := make(map[bool][]pair)
	for _, curve := range curves {
		for _, d := range []*big.Int{big.NewInt(1), plus(curve.Params().N, -1), big.NewInt(256), big.NewInt(0x1234567)} {
			pub := publicKey(f, curve, multiple(f, curve, d))
			large := curve == elliptic.P384()
			var once *Key
			if large {
				once = fixOnce(f, pub)
			}
			keys[large] = append(keys[large], pair{pub, fix(f, pub), once, d})
		}
	}
	f.Fuzz(func(t *testing.T, large bool, which uint8, digest, sig, a, b []byte) {
		k := keys[large][int(which)%len(keys[large])]
		same := func(digest, sig []byte) bool {
			want := ecdsa.VerifyASN1(k.pub, digest, sig)
			if got := k.fixed.Verify(digest, sig); got != want {
				t.Errorf("Verify(%x, %x) by [%v]G = %t, crypto/ecdsa says %t", digest, sig, k.d, got, want)
			}
			if k.once != nil && k.once.Verify(digest, sig) != want {
				t.Errorf("without a table: Verify(%x, %x) by [%v]G = %t, crypto/ecdsa says %t", digest, sig, k.d, !want, want)
			}
			return want
		}
		same(digest, sig)
		u1, u2 := new(big.Int).SetBytes(a), new(big.Int).SetBytes(b)
		same(digest, encode(u1, u2))
		same(digest, encode(new(big.Int).Neg(u1), u2))

		n, size := k.fixed.order, k.fixed.size
		if u1.Mod(u1, n); u2.Mod(u2, n).Sign() == 0 {
			return
		}
		R := new(big.Int).Mul(u2, k.d)
		at := multiple(t, k.pub.Curve, R.Add(R, u1))
		x := big.NewInt(1)
		if len(at) > 1 {
			x.SetBytes(at[1 : 1+size])
		}
		digest, sig = forged(n, u1, u2, x, size)
		if right := same(digest, sig); right != (len(at) > 1) {
			t.Errorf("the signature with u1 = %v and u2 = %v by [%v]G verifies: %t", u1, u2, k.d, right)
		}
	})
}
