package tlog

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// exhaustive is the size up to which every proof of every tree is tried.
const exhaustive = 70

func TestHashesOfRFC6962(t *testing.T) {
	// Known answers: certificate-transparency test vectors for the empty leaf
	// and the empty tree.
	if got, want := fmt.Sprintf("%x", LeafHash(nil)), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"; got != want {
		t.Errorf("LeafHash(nil) = %s, want %s", got, want)
	}
	if got, want := emptyRoot(), Hash(rfc6962.DefaultHasher.EmptyRoot()); got != want {
		t.Errorf("emptyRoot() = %x, want %x", got, want)
	}
	left, right := LeafHash([]byte("left")), LeafHash([]byte("right"))
	if got, want := left, Hash(rfc6962.DefaultHasher.HashLeaf([]byte("left"))); got != want {
		t.Errorf("LeafHash = %x, want %x", got, want)
	}
	if got, want := NodeHash(left, right), Hash(rfc6962.DefaultHasher.HashChildren(left[:], right[:])); got != want {
		t.Errorf("NodeHash = %x, want %x", got, want)
	}
}

func TestInclusionProofAcceptsReference(t *testing.T) {
	leaves := testLeaves(exhaustive)
	for size := 1; size <= exhaustive; size++ {
		root := refRoot(leaves[:size])
		for i := range size {
			p := InclusionProof{uint64(i), uint64(size), refPath(i, leaves[:size])}
			if err := p.Verify(leaves[i], root); err != nil {
				t.Errorf("leaf %d of %d: %v", i, size, err)
			}
			if err := sumdb.CheckRecord(sumdbHashes(p.Hashes), int64(size), sumdb.Hash(root), int64(i), sumdb.Hash(leaves[i])); err != nil {
				t.Errorf("leaf %d of %d: sumdb: %v", i, size, err)
			}
		}
	}
}

func TestConsistencyProofAcceptsReference(t *testing.T) {
	leaves := testLeaves(exhaustive)
	for second := range exhaustive + 1 {
		for first := range second + 1 {
			var hashes []Hash
			if first > 0 {
				hashes = refProof(first, leaves[:second])
			}
			p := ConsistencyProof{uint64(first), uint64(second), hashes}
			if err := p.Verify(refRoot(leaves[:first]), refRoot(leaves[:second])); err != nil {
				t.Errorf("%d to %d: %v", first, second, err)
			}
		}
	}
}

// corruptions returns lists of hashes each of which differs from hashes in one
// way: a bit flipped, one dropped, one added, two neighbours swapped.
func corruptions(hashes []Hash) map[string][]Hash {
	all := map[string][]Hash{}
	for i := range hashes {
		flipped := slices.Clone(hashes)
		flipped[i][i%len(Hash{})] ^= 1
		all[fmt.Sprintf("flip %d", i)] = flipped
		all[fmt.Sprintf("drop %d", i)] = slices.Delete(slices.Clone(hashes), i, i+1)
		if i > 0 {
			swapped := slices.Clone(hashes)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			all[fmt.Sprintf("swap %d", i)] = swapped
		}
	}
	for i := range len(hashes) + 1 {
		all[fmt.Sprintf("add %d", i)] = slices.Insert(slices.Clone(hashes), i, Hash{})
		if i < len(hashes) {
			all[fmt.Sprintf("double %d", i)] = slices.Insert(slices.Clone(hashes), i, hashes[i])
		}
	}
	return all
}

func TestInclusionProofRejectsEachFault(t *testing.T) {
	leaves := testLeaves(exhaustive + 1)
	for size := 1; size <= exhaustive; size++ {
		root := refRoot(leaves[:size])
		for i := range size {
			good := InclusionProof{uint64(i), uint64(size), refPath(i, leaves[:size])}
			reject := func(fault string, p InclusionProof, leaf, root Hash) {
				t.Helper()
				err := p.Verify(leaf, root)
				if err == nil {
					t.Errorf("leaf %d of %d: %s: accepted", i, size, fault)
				}
				checkAgainstMerkle(t, p, leaf, root, err)
			}
			for fault, hashes := range corruptions(good.Hashes) {
				reject(fault, InclusionProof{good.Index, good.Size, hashes}, leaves[i], root)
			}
			reject("next index", InclusionProof{good.Index + 1, good.Size, good.Hashes}, leaves[i], root)
			reject("previous index", InclusionProof{good.Index - 1, good.Size, good.Hashes}, leaves[i], root)
			reject("other leaf", good, leaves[size], root)
			wrong := root
			wrong[31] ^= 0x80
			reject("other root", good, leaves[i], wrong)
			for _, other := range []uint64{good.Size - 1, good.Size + 1} {
				// A path says nothing about what is right of it: under a wrong
				// size of the same shape it still leads to the root. The size
				// is bound by the checkpoint alone.
				if p := (InclusionProof{good.Index, other, good.Hashes}); !sameShape(good, p) {
					reject("other size", p, leaves[i], root)
				} else if err := p.Verify(leaves[i], root); err != nil {
					t.Errorf("leaf %d of %d as of %d: %v", i, size, other, err)
				}
			}
		}
	}
}

// sameShape reports whether the paths of two proofs take the same turns.
func sameShape(p, q InclusionProof) bool {
	return q.Index < q.Size && slices.Equal(turns(p.Index, p.Size), turns(q.Index, q.Size))
}

// turns lists the sides on which PATH(m, D[n]) adds a hash, from the top.
func turns(m, n uint64) []bool {
	if n <= 1 {
		return nil
	}
	k := uint64(refSplit(int(n)))
	if m < k {
		return append(turns(m, k), false)
	}
	return append(turns(m-k, n-k), true)
}

func TestConsistencyProofRejectsEachFault(t *testing.T) {
	const limit = 40
	leaves := testLeaves(limit)
	for second := 1; second <= limit; second++ {
		for first := 1; first <= second; first++ {
			root1, root2 := refRoot(leaves[:first]), refRoot(leaves[:second])
			good := ConsistencyProof{uint64(first), uint64(second), refProof(first, leaves[:second])}
			reject := func(fault string, p ConsistencyProof, root1, root2 Hash) {
				t.Helper()
				err := p.Verify(root1, root2)
				if err == nil {
					t.Errorf("%d to %d: %s: accepted", first, second, fault)
				}
				checkConsistencyAgainstMerkle(t, p, root1, root2, err)
			}
			for fault, hashes := range corruptions(good.Hashes) {
				reject(fault, ConsistencyProof{good.First, good.Second, hashes}, root1, root2)
			}
			wrong1, wrong2 := root1, root2
			wrong1[0] ^= 1
			wrong2[0] ^= 1
			reject("other first root", good, wrong1, root2)
			reject("other second root", good, root1, wrong2)
			for _, p := range []ConsistencyProof{
				{good.First - 1, good.Second, good.Hashes}, {good.First + 1, good.Second, good.Hashes},
				{good.First, good.Second - 1, good.Hashes}, {good.First, good.Second + 1, good.Hashes},
			} {
				checkConsistencyAgainstMerkle(t, p, root1, root2, p.Verify(root1, root2))
			}
			if first != second {
				reject("roots swapped", good, root2, root1)
				reject("sizes swapped", ConsistencyProof{good.Second, good.First, good.Hashes}, root1, root2)
				reject("no hashes", ConsistencyProof{good.First, good.Second, nil}, root1, root2)
			} else {
				reject("smaller second size", ConsistencyProof{good.First, good.Second - 1, good.Hashes}, root1, root2)
				reject("larger second size", ConsistencyProof{good.First, good.Second + 1, good.Hashes}, root1, root2)
			}
		}
	}
}

func TestEmptyTreeIsTheBeginningOfEveryTree(t *testing.T) {
	leaves := testLeaves(3)
	root, other := refRoot(leaves), refRoot(leaves[:2])
	var mismatch *RootMismatchError
	if err := (ConsistencyProof{0, 3, nil}).Verify(emptyRoot(), root); err != nil {
		t.Error(err)
	}
	if err := (ConsistencyProof{0, 3, nil}).Verify(other, root); !errors.As(err, &mismatch) {
		t.Errorf("first root not empty: %v", err)
	}
	if err := (ConsistencyProof{0, 0, nil}).Verify(emptyRoot(), other); !errors.As(err, &mismatch) {
		t.Errorf("two empty trees with different roots: %v", err)
	}
	if err := (ConsistencyProof{0, 3, leaves[:1]}).Verify(emptyRoot(), root); err == nil {
		t.Error("hashes accepted where none are needed")
	}
	if err := (InclusionProof{0, 0, nil}).Verify(leaves[0], emptyRoot()); err == nil {
		t.Error("leaf accepted in the empty tree")
	}
}

func TestRootMismatchErrorCarriesBothRoots(t *testing.T) {
	leaves := testLeaves(5)
	root, wrong := refRoot(leaves), leaves[4]
	want := RootMismatchError{Computed: root, Expected: wrong}
	var mismatch *RootMismatchError
	err := InclusionProof{2, 5, refPath(2, leaves)}.Verify(leaves[2], wrong)
	if !errors.As(err, &mismatch) || *mismatch != want {
		t.Errorf("inclusion: %v, want %v", err, &want)
	}
	err = ConsistencyProof{3, 5, refProof(3, leaves)}.Verify(refRoot(leaves[:3]), wrong)
	if !errors.As(err, &mismatch) || *mismatch != want {
		t.Errorf("consistency: %v, want %v", err, &want)
	}
}

func TestProofsInBigTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	leaves := testLeaves(3000)
	for range 30 {
		second := 1 + rng.IntN(len(leaves))
		first := 1 + rng.IntN(second)
		i := rng.IntN(second)
		root1, root2 := refRoot(leaves[:first]), refRoot(leaves[:second])
		p := InclusionProof{uint64(i), uint64(second), refPath(i, leaves[:second])}
		if err := p.Verify(leaves[i], root2); err != nil {
			t.Errorf("leaf %d of %d: %v", i, second, err)
		}
		c := ConsistencyProof{uint64(first), uint64(second), refProof(first, leaves[:second])}
		if err := c.Verify(root1, root2); err != nil {
			t.Errorf("%d to %d: %v", first, second, err)
		}
		if first < second {
			if err := sumdb.CheckTree(sumdbHashes(c.Hashes), int64(second), sumdb.Hash(root2), int64(first), sumdb.Hash(root1)); err != nil {
				t.Errorf("%d to %d: sumdb: %v", first, second, err)
			}
		}
	}
}

// Trees too large to build: any hashes make a proof of some root, which
// transparency-dev/merkle computes.
func TestInclusionProofInHugeTrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		size := 1 + rng.Uint64()>>rng.IntN(64)
		if rng.IntN(4) == 0 {
			size = 1 << rng.IntN(63)
		}
		if size == 0 || size > math.MaxInt64 {
			continue
		}
		p := InclusionProof{Index: rng.Uint64N(size), Size: size}
		if rng.IntN(4) == 0 {
			p.Index = size - 1
		}
		leaf := randomHash(rng)
		for range pathLen(p.Index, size) {
			p.Hashes = append(p.Hashes, randomHash(rng))
		}
		root, err := proof.RootFromInclusionProof(rfc6962.DefaultHasher, p.Index, size, leaf[:], merkleHashes(p.Hashes))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Verify(leaf, Hash(root)); err != nil {
			t.Errorf("leaf %d of %d: %v", p.Index, size, err)
		}
		for _, hashes := range [][]Hash{append(slices.Clone(p.Hashes), leaf), p.Hashes[:max(1, len(p.Hashes))-1]} {
			if len(hashes) == len(p.Hashes) {
				continue
			}
			if err := (InclusionProof{p.Index, size, hashes}).Verify(leaf, Hash(root)); err == nil {
				t.Errorf("leaf %d of %d: %d hashes accepted", p.Index, size, len(hashes))
			}
		}
	}
	// The largest size there is: no arithmetic may wrap around.
	p := InclusionProof{Index: math.MaxUint64 - 1, Size: math.MaxUint64}
	if err := p.Verify(Hash{}, Hash{}); err == nil {
		t.Error("empty proof accepted in the largest tree")
	}
	c := ConsistencyProof{First: math.MaxUint64 - 1, Second: math.MaxUint64}
	if err := c.Verify(Hash{}, Hash{}); err == nil {
		t.Error("empty consistency proof accepted in the largest tree")
	}
}

// pathLen returns the length of the audit path of a leaf: a hash for each
// level below the one where the leaf's path meets the last leaf's, and one for
// each left sibling above.
func pathLen(index, size uint64) int {
	inner := bits.Len64(index ^ (size - 1))
	return inner + bits.OnesCount64(index>>inner)
}

// FuzzConsistencyProof compares verdicts with transparency-dev/merkle on
// arbitrary sizes and hashes.
func FuzzConsistencyProof(f *testing.F) {
	f.Add(uint64(3), uint64(7), []byte("0123456789abcdef"))
	f.Add(uint64(4), uint64(8), []byte{1})
	f.Add(uint64(0), uint64(8), []byte{})
	f.Add(uint64(1)<<40, uint64(1)<<40+5, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, first, second uint64, seed []byte) {
		// merkle computes roots from the proof in its error, so that proofs
		// of the right shape come to be accepted too.
		p := ConsistencyProof{First: first, Second: second}
		for _, b := range seed {
			p.Hashes = append(p.Hashes, LeafHash([]byte{b}))
		}
		var root1, root2 Hash
		if len(p.Hashes) > 0 {
			root1 = p.Hashes[0]
		}
		for range 3 {
			err := p.Verify(root1, root2)
			checkConsistencyAgainstMerkle(t, p, root1, root2, err)
			var mismatch *RootMismatchError
			if !errors.As(err, &mismatch) {
				return
			}
			if mismatch.Expected == root1 {
				root1 = mismatch.Computed
			} else {
				root2 = mismatch.Computed
			}
		}
	})
}

// checkAgainstMerkle checks that transparency-dev/merkle comes to the verdict
// err about the proof.
func checkAgainstMerkle(t *testing.T, p InclusionProof, leaf, root Hash, err error) {
	t.Helper()
	theirs := proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, p.Size, leaf[:], merkleHashes(p.Hashes), root[:])
	compareVerdicts(t, p, err, theirs)
}

func checkConsistencyAgainstMerkle(t *testing.T, p ConsistencyProof, root1, root2 Hash, err error) {
	t.Helper()
	if p.First == 0 {
		return // merkle accepts any root of the empty tree
	}
	theirs := proof.VerifyConsistency(rfc6962.DefaultHasher, p.First, p.Second, merkleHashes(p.Hashes), root1[:], root2[:])
	compareVerdicts(t, p, err, theirs)
}

func compareVerdicts(t *testing.T, p any, ours, theirs error) {
	t.Helper()
	var ourMismatch *RootMismatchError
	var theirMismatch proof.RootMismatchError
	if (ours == nil) != (theirs == nil) || errors.As(ours, &ourMismatch) != errors.As(theirs, &theirMismatch) {
		t.Errorf("%+v: got %v, merkle says %v", p, ours, theirs)
	}
}

func sumdbHashes(hashes []Hash) []sumdb.Hash {
	list := make([]sumdb.Hash, len(hashes))
	for i, h := range hashes {
		list[i] = sumdb.Hash(h)
	}
	return list
}

func merkleHashes(hashes []Hash) [][]byte {
	list := make([][]byte, len(hashes))
	for i := range hashes {
		list[i] = hashes[i][:]
	}
	return list
}

func randomHash(rng *rand.Rand) (h Hash) {
	for i := range h {
		h[i] = byte(rng.Uint32())
	}
	return h
}
