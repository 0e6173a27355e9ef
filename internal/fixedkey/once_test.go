package fixedkey

import (
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"testing"

	"filippo.io/nistec"
)

// TestNonAdjacentDigits adds up the digits of scalars, and holds them against
// their form.
func TestNonAdjacentDigits(t *testing.T) {
	n := elliptic.P384().Params().N
	all := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 384), big.NewInt(1))
	scalars := []*big.Int{new(big.Int), all, n, plus(n, -1), plus(n, 1)}
	for i := range int64(600) {
		scalars = append(scalars, big.NewInt(i), new(big.Int).Sub(all, big.NewInt(i)))
		r, err := rand.Int(rand.Reader, n)
		if err != nil {
			t.Fatal(err)
		}
		scalars = append(scalars, r)
	}
	for _, k := range scalars {
		sum, last := new(big.Int), -window
		for i, d := range nonAdjacent(k.FillBytes(make([]byte, 48))) {
			if d == 0 {
				continue
			}
			if d%2 == 0 || d >= 1<<(window-1) || d <= -1<<(window-1) || i-last < window {
				t.Fatalf("digit %d of %v is %d, %d after the one before", i, k, d, i-last)
			}
			last = i
			sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(d)), uint(i)))
		}
		if sum.Cmp(k) != 0 {
			t.Errorf("the digits of %v are those of %v", k, sum)
		}
	}
}

// TestSumOnce has every pair of small and of large scalars, so that sums meet
// points that are equal, opposite and at infinity.
func TestSumOnce(t *testing.T) {
	n := elliptic.P384().Params().N
	var scalars []*big.Int
	for i := range int64(18) {
		scalars = append(scalars, big.NewInt(i), plus(n, -i-1), new(big.Int).Lsh(big.NewInt(i+1), 379))
	}
	for _, key := range []int64{1, 2, 3, -1, -2, 32} {
		q, err := nistec.NewP384Point().SetBytes(multiple(t, elliptic.P384(), big.NewInt(key)))
		if err != nil {
			t.Fatal(err)
		}
		multiples := oddMultiples(q, nistec.NewP384Point)
		for _, u1 := range scalars {
			for _, u2 := range scalars {
				got := sumOnce(oddGeneratorP384(), multiples, u1.FillBytes(make([]byte, 48)), u2.FillBytes(make([]byte, 48)), nistec.NewP384Point)
				want := new(big.Int).Mul(u2, big.NewInt(key))
				if string(got.Bytes()) != string(multiple(t, elliptic.P384(), want.Add(want, u1))) {
					t.Fatalf("[%v]G + [%v][%d]G is another point", u1, u2, key)
				}
			}
		}
	}
}
