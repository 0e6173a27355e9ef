package tlog

import (
	"errors"
	"fmt"
	"math/bits"
)

// A RootMismatchError says that a proof of the right shape leads to another
// root than the expected one.
type RootMismatchError struct {
	Computed, Expected Hash
}

func (e *RootMismatchError) Error() string {
	return fmt.Sprintf("proof leads to root %x, not %x", e.Computed[:], e.Expected[:])
}

// An InclusionProof is the audit path from a leaf to the root of a tree
// (RFC 9162, section 2.1.3).
type InclusionProof struct {
	Index  uint64 // of the leaf within the tree, from 0
	Size   uint64 // of the tree, in leaves
	Hashes []Hash // from the leaf upwards
}

// Verify checks that leaf is at p.Index in the tree of p.Size leaves with the
// given root. The error is a *RootMismatchError, or says what is wrong with
// the proof's shape.
func (p InclusionProof) Verify(leaf, root Hash) error {
	if p.Index >= p.Size {
		return fmt.Errorf("inclusion proof: index %d outside a tree of %d leaves", p.Index, p.Size)
	}
	// RFC 9162, section 2.1.3.2: fn and sn are the positions, on the level
	// reached so far, of our node and of the last node.
	fn, sn, computed := p.Index, p.Size-1, leaf
	for _, h := range p.Hashes {
		if sn == 0 {
			return errors.New("inclusion proof: too long")
		}
		if fn&1 == 1 || fn == sn {
			computed = NodeHash(h, computed)
			fn, sn = skipUnpaired(fn, sn)
		} else {
			computed = NodeHash(computed, h)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 {
		return errors.New("inclusion proof: too short")
	}
	if computed != root {
		return &RootMismatchError{Computed: computed, Expected: root}
	}
	return nil
}

// A ConsistencyProof shows that a tree is the beginning of another (RFC 9162,
// section 2.1.4).
type ConsistencyProof struct {
	First, Second uint64 // sizes of the trees, in leaves; First <= Second
	Hashes        []Hash
}

// Verify checks that the tree of p.First leaves with root first is the
// beginning of the tree of p.Second leaves with root second. The error is a
// *RootMismatchError, about first if both are wrong, or says what is wrong
// with the proof's shape.
func (p ConsistencyProof) Verify(first, second Hash) error {
	if p.First > p.Second {
		return fmt.Errorf("consistency proof: from %d leaves to %d", p.First, p.Second)
	}
	// Both trees of one size are one tree, and the empty tree is the beginning
	// of every tree. The RFC leaves these cases out.
	if p.First == 0 || p.First == p.Second {
		return p.verifyTrivial(first, second)
	}

	// A first tree that is complete is itself the node where the paths start,
	// and is not sent.
	start, path := first, p.Hashes
	if p.First&(p.First-1) != 0 {
		if len(path) == 0 {
			return errors.New("consistency proof: too short")
		}
		start, path = path[0], path[1:]
	}
	fn, sn := p.First-1, p.Second-1
	level := bits.TrailingZeros64(^fn)
	fn, sn = fn>>level, sn>>level

	// RFC 9162, section 2.1.4.2: both roots from one path.
	firstRoot, secondRoot := start, start
	for _, h := range path {
		if sn == 0 {
			return errors.New("consistency proof: too long")
		}
		if fn&1 == 1 || fn == sn {
			firstRoot = NodeHash(h, firstRoot)
			secondRoot = NodeHash(h, secondRoot)
			fn, sn = skipUnpaired(fn, sn)
		} else {
			secondRoot = NodeHash(secondRoot, h)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 {
		return errors.New("consistency proof: too short")
	}
	if firstRoot != first {
		return &RootMismatchError{Computed: firstRoot, Expected: first}
	}
	if secondRoot != second {
		return &RootMismatchError{Computed: secondRoot, Expected: second}
	}
	return nil
}

// verifyTrivial checks a proof that needs no hashes.
func (p ConsistencyProof) verifyTrivial(first, second Hash) error {
	if len(p.Hashes) != 0 {
		return errors.New("consistency proof: too long")
	}
	if empty := emptyRoot(); p.First == 0 && first != empty {
		return &RootMismatchError{Computed: empty, Expected: first}
	}
	if p.First == p.Second && first != second {
		return &RootMismatchError{Computed: first, Expected: second}
	}
	return nil
}

// skipUnpaired moves up from a last node without a right sibling to the level
// where it is the right one of a pair, for it is not hashed on the way. There
// is such a level: fn is not 0.
func skipUnpaired(fn, sn uint64) (uint64, uint64) {
	level := bits.TrailingZeros64(fn)
	return fn >> level, sn >> level
}
