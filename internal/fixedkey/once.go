package fixedkey

import (
	"crypto/ecdsa"
	"fmt"
	"sync"

	"filippo.io/nistec"
)

// A scalar is also written as a sum of odd digits, each with a power of two:
// in non-adjacent form, of any two of whose digits at least window-1 places lie
// apart (Handbook of Elliptic Curve Cryptography, algorithm 3.35). That needs
// few multiples of a point, and is how a signature is verified by a key that may
// verify no other: crypto/ecdsa first makes a table of P-384's generator, which
// takes as long as three verifications.
const (
	window = 5
	odd    = 1 << (window - 2) // multiples of a point: [1]P, [3]P, …, [2·odd-1]P
)

// newOnceP384 returns a Key on P-384 without a table. q is the public key,
// uncompressed.
func newOnceP384(pub *ecdsa.PublicKey) (*Key, error) {
	q, err := pub.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	key, err := nistec.NewP384Point().SetBytes(q)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	multiples := oddMultiples(key, nistec.NewP384Point)
	return newKey(pub, q, func(u1, u2 []byte) ([]byte, error) {
		return sumOnce(oddGeneratorP384(), multiples, u1, u2, nistec.NewP384Point).BytesX()
	}), nil
}

// oddGeneratorP384 returns the odd multiples of P-384's generator.
var oddGeneratorP384 = sync.OnceValue(func() *[odd]nistec.P384Point {
	return oddMultiples(nistec.NewP384Point().SetGenerator(), nistec.NewP384Point)
})

// oddMultiples returns [1]P, [3]P and so on. infinity returns a new point.
func oddMultiples[T any, P point[T]](p *T, infinity func() *T) *[odd]T {
	m := new([odd]T)
	twice := P(infinity()).Double(p)
	for i := range m {
		m[i] = *infinity()
		if i == 0 {
			P(&m[i]).Set(p)
		} else {
			P(&m[i]).Add(&m[i-1], twice)
		}
	}
	return m
}

// sumOnce returns [u1]P + [u2]Q, of whose odd multiples it is given: both sums
// of digits are worked off together, from the highest power of two down, so that
// there is one doubling for each (Straus).
func sumOnce[T any, P point[T]](p, q *[odd]T, u1, u2 []byte, infinity func() *T) *T {
	terms := []struct {
		multiples *[odd]T
		digits    []int8
	}{{p, nonAdjacent(u1)}, {q, nonAdjacent(u2)}}
	sum, opposite := infinity(), infinity()
	for i := max(len(terms[0].digits), len(terms[1].digits)) - 1; i >= 0; i-- {
		P(sum).Double(sum)
		for _, t := range terms {
			if i >= len(t.digits) {
				continue
			}
			switch d := t.digits[i]; {
			case d > 0:
				P(sum).Add(sum, &t.multiples[d/2])
			case d < 0:
				P(sum).Add(sum, P(opposite).Negate(&t.multiples[-d/2]))
			}
		}
	}
	return sum
}

// nonAdjacent returns the digits of a scalar, which is big-endian, the lowest
// first: 0, or odd and of less than 1<<(window-1) either way. There is one more
// than it has bits, for the carry.
func nonAdjacent(scalar []byte) []int8 {
	digits := make([]int8, 8*len(scalar)+1)
	bit := func(i int) int {
		if i >= 8*len(scalar) {
			return 0
		}
		return int(scalar[len(scalar)-1-i/8]>>(i%8)) & 1
	}
	carry := 0
	for i := 0; i < len(digits); {
		if bit(i)+carry != 1 {
			// What is left is even. Two make one at the next place.
			i++
			continue
		}
		d := carry
		for j := range window {
			d += bit(i+j) << j
		}
		carry = 0
		if d >= 1<<(window-1) {
			d -= 1 << window
			carry = 1
		}
		digits[i] = int8(d)
		i += window
	}
	return digits
}
