package fixedkey

import (
	"sync"

	"filippo.io/nistec"
)

// A point is a pointer to one of the point types of nistec.
type point[T any] interface {
	*T
	Add(p, q *T) *T
	Double(p *T) *T
	Negate(p *T) *T
	Set(p *T) *T
	SetBytes([]byte) (*T, error)
	BytesX() ([]byte, error)
}

// half is the largest digit of a scalar. A scalar is written with a digit for
// each byte, from -half+1 to half, which takes half the table that digits from
// 0 to 255 would: the opposite of a point costs next to nothing.
const half = 128

// A table holds multiples of a point P: in row i, at index d-1, the point
// [d·256^i]P, for d from 1 to half. The last row is for the carry out of the
// scalar's first byte, and holds one.
type table[T any, P point[T]] struct {
	rows     [][]T
	infinity func() *T // returns a new point
}

// newTable makes the table of p for scalars of the given number of bytes.
// infinity returns a new point.
func newTable[T any, P point[T]](p *T, size int, infinity func() *T) *table[T, P] {
	t := &table[T, P]{make([][]T, size+1), infinity}
	base := infinity()
	P(base).Set(p)
	for i := range size {
		row := make([]T, half)
		for j := range row {
			row[j] = *infinity()
		}
		P(&row[0]).Set(base)
		for d := 2; d <= half; d++ {
			if d%2 == 0 {
				P(&row[d-1]).Double(&row[d/2-1])
			} else {
				P(&row[d-1]).Add(&row[d-2], base)
			}
		}
		P(base).Double(&row[half-1])
		t.rows[i] = row
	}
	t.rows[size] = []T{*base}
	return t
}

// addTo adds [scalar]P to sum. The scalar is big-endian, of as many bytes as
// the table is for.
func (t *table[T, P]) addTo(sum *T, scalar []byte) {
	opposite := t.infinity()
	carry := 0
	for i, row := range t.rows[:len(scalar)] {
		digit := int(scalar[len(scalar)-1-i]) + carry
		carry = 0
		if digit > half {
			digit -= 256
			carry = 1
		}
		switch {
		case digit > 0:
			P(sum).Add(sum, &row[digit-1])
		case digit < 0:
			P(sum).Add(sum, P(opposite).Negate(&row[-digit-1]))
		}
	}
	if carry == 1 {
		P(sum).Add(sum, &t.rows[len(scalar)][0])
	}
}

// sumP256 returns the function that a Key on P-256 needs. Multiples of the
// generator are nistec's own, whose table is part of the program and faster
// than one of these.
func sumP256(q []byte) (func(u1, u2 []byte) ([]byte, error), error) {
	key, err := nistec.NewP256Point().SetBytes(q)
	if err != nil {
		return nil, err
	}
	multiples := newTable(key, 32, nistec.NewP256Point)
	return func(u1, u2 []byte) ([]byte, error) {
		sum, err := nistec.NewP256Point().ScalarBaseMult(u1)
		if err != nil {
			return nil, err
		}
		multiples.addTo(sum, u2)
		return sum.BytesX()
	}, nil
}

// sumP384 is sumP256 for P-384.
func sumP384(q []byte) (func(u1, u2 []byte) ([]byte, error), error) {
	key, err := nistec.NewP384Point().SetBytes(q)
	if err != nil {
		return nil, err
	}
	generator, multiples := generatorP384(), newTable(key, 48, nistec.NewP384Point)
	return func(u1, u2 []byte) ([]byte, error) {
		sum := nistec.NewP384Point()
		generator.addTo(sum, u1)
		multiples.addTo(sum, u2)
		return sum.BytesX()
	}, nil
}

// generator is the table of P-384's generator.
var generator struct {
	once  sync.Once
	table *table[nistec.P384Point, *nistec.P384Point]
}

// generatorP384 returns the table of P-384's generator, which is made when a
// first key needs it: most processes verify one signature.
func generatorP384() *table[nistec.P384Point, *nistec.P384Point] {
	generator.once.Do(func() {
		generator.table = newTable(nistec.NewP384Point().SetGenerator(), 48, nistec.NewP384Point)
	})
	return generator.table
}
