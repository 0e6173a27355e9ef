package fixedkey

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"testing"

	"filippo.io/nistec"
)

// multiple returns [k]G, uncompressed.
func multiple(t testing.TB, curve elliptic.Curve, k *big.Int) []byte {
	t.Helper()
	n := curve.Params().N
	scalar := new(big.Int).Mod(k, n).FillBytes(make([]byte, (n.BitLen()+7)/8))
	var out []byte
	var err error
	if curve == elliptic.P256() {
		var p *nistec.P256Point
		if p, err = nistec.NewP256Point().ScalarBaseMult(scalar); err == nil {
			out = p.Bytes()
		}
	} else {
		var p *nistec.P384Point
		if p, err = nistec.NewP384Point().ScalarBaseMult(scalar); err == nil {
			out = p.Bytes()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// forged returns a signature over a digest, both made to fit a public key of
// which nobody need know the private key: R = [u1]G + [u2]Q.
func forged(n, u1, u2, x *big.Int, size int) (digest, sig []byte) {
	r := new(big.Int).Mod(x, n)
	s := new(big.Int).ModInverse(u2, n)
	s.Mod(s.Mul(s, r), n)
	e := new(big.Int).Mul(u1, s)
	return e.Mod(e, n).FillBytes(make([]byte, size)), encode(r, s)
}

// TestXCoordinateIsReduced verifies a signature whose R has an x-coordinate
// of n or more, which is one in 2^128 on P-256 and in 2^190 on P-384. r is
// the rest modulo n; r+n, which is x itself, is out of range.
func TestXCoordinateIsReduced(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		n, size := curve.Params().N, (curve.Params().BitSize+7)/8
		for i, tried := int64(1), 0; tried < 8; i++ {
			// The first numbers beyond n that are x-coordinates of points.
			x := plus(n, i)
			compressed := append([]byte{2}, x.FillBytes(make([]byte, size))...)
			R, ok := decompress(curve, compressed)
			if !ok {
				continue
			}
			tried++
			// With u1 = 0 and u2 = 1, Q is R itself.
			pub := publicKey(t, curve, R)
			fixed := fix(t, pub)
			digest, sig := forged(n, new(big.Int), big.NewInt(1), x, size)
			agree(t, pub, fixed, digest, sig, true)
			_, s := decode(t, sig)
			agree(t, pub, fixed, digest, encode(x, s), false)
			agree(t, pub, fixed, digest, encode(plus(big.NewInt(i), 1), s), false)
		}
	})
}

// decompress returns a point in uncompressed form.
func decompress(curve elliptic.Curve, compressed []byte) ([]byte, bool) {
	if curve == elliptic.P256() {
		p, err := nistec.NewP256Point().SetBytes(compressed)
		if err != nil {
			return nil, false
		}
		return p.Bytes(), true
	}
	p, err := nistec.NewP384Point().SetBytes(compressed)
	if err != nil {
		return nil, false
	}
	return p.Bytes(), true
}

// TestEqualAndOppositePoints has additions meet points that are equal,
// opposite or at infinity: by keys that are small multiples of the generator
// or of its multiples in the table, and small or related scalars.
func TestEqualAndOppositePoints(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		n, size := curve.Params().N, (curve.Params().BitSize+7)/8
		one := big.NewInt(1)
		row := new(big.Int).Lsh(one, 8)
		ds := []*big.Int{one, plus(n, -1), big.NewInt(2), big.NewInt(128), big.NewInt(129), row, new(big.Int).Sub(n, row),
			new(big.Int).Lsh(one, uint(8*size-8))}
		us := []*big.Int{new(big.Int), one, plus(n, -1), big.NewInt(2), big.NewInt(128), big.NewInt(129), row,
			new(big.Int).Sub(n, row), new(big.Int).Rsh(n, 1), plus(new(big.Int).Rsh(n, 1), 1)}
		infinite := 0
		for _, d := range ds {
			pub := publicKey(t, curve, multiple(t, curve, d))
			fixed := fix(t, pub)
			for _, u1 := range us {
				for _, u2 := range us[1:] {
					// R = [u1 + u2·d]G
					k := new(big.Int).Mul(u2, d)
					k.Mod(k.Add(k, u1), n)
					if k.Sign() == 0 {
						// Infinity has no x-coordinate: whatever r is, it is not that.
						infinite++
						for _, x := range []*big.Int{one, big.NewInt(0x1234), plus(n, -1)} {
							digest, sig := forged(n, u1, u2, x, size)
							agree(t, pub, fixed, digest, sig, false)
						}
						continue
					}
					x := new(big.Int).SetBytes(multiple(t, curve, k)[1 : 1+size])
					digest, sig := forged(n, u1, u2, x, size)
					agree(t, pub, fixed, digest, sig, true)
				}
			}
		}
		if infinite < len(ds) {
			t.Errorf("%d signatures have R at infinity, want at least one for each of %d keys", infinite, len(ds))
		}
	})
}

// TestTableHoldsMultiples checks the sums that tables give against the
// constant-time multiplication of nistec.
func TestTableHoldsMultiples(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, _, _ := signed(t, curve)
		q, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		size := (len(q) - 1) / 2
		scalars := [][]byte{make([]byte, size)}
		for _, b := range []byte{0x01, 0x7f, 0x80, 0x81, 0xff} {
			scalars = append(scalars, bytes.Repeat([]byte{b}, size))
			for i := range size {
				scalar := make([]byte, size)
				scalar[i] = b
				scalars = append(scalars, scalar)
			}
		}
		for range 20 {
			scalar := make([]byte, size)
			rand.Read(scalar) // never returns an error
			scalars = append(scalars, scalar)
		}
		if curve == elliptic.P256() {
			holdsMultiples(t, nistec.NewP256Point, q, scalars)
		} else {
			holdsMultiples(t, nistec.NewP384Point, q, scalars)
		}
	})
}

func holdsMultiples[T any, P interface {
	point[T]
	ScalarMult(*T, []byte) (*T, error)
	Bytes() []byte
}](t *testing.T, infinity func() *T, q []byte, scalars [][]byte) {
	t.Helper()
	key, err := P(infinity()).SetBytes(q)
	if err != nil {
		t.Fatal(err)
	}
	multiples := newTable[T, P](key, len(scalars[0]), infinity)
	for _, scalar := range scalars {
		sum := infinity()
		multiples.addTo(sum, scalar)
		want, err := P(infinity()).ScalarMult(key, scalar)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := P(sum).Bytes(), P(want).Bytes(); !bytes.Equal(got, want) {
			t.Errorf("[%x]Q = %x, want %x", scalar, got, want)
		}
	}
}
