package tlog

import "encoding/binary"

// The definitions of RFC 6962, section 2.1, written down as they stand there,
// slow and without regard for the code under test.

func refRoot(leaves []Hash) Hash {
	switch n := len(leaves); n {
	case 0:
		return emptyRoot()
	case 1:
		return leaves[0]
	default:
		k := refSplit(n)
		return NodeHash(refRoot(leaves[:k]), refRoot(leaves[k:]))
	}
}

// refSplit returns the largest power of two smaller than n.
func refSplit(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

// refPath is PATH(m, D[n]).
func refPath(m int, leaves []Hash) []Hash {
	n := len(leaves)
	if n == 1 {
		return nil
	}
	if k := refSplit(n); m < k {
		return append(refPath(m, leaves[:k]), refRoot(leaves[k:]))
	} else {
		return append(refPath(m-k, leaves[k:]), refRoot(leaves[:k]))
	}
}

// refProof is PROOF(m, D[n]).
func refProof(m int, leaves []Hash) []Hash {
	return refSubProof(m, leaves, true)
}

func refSubProof(m int, leaves []Hash, complete bool) []Hash {
	n := len(leaves)
	if m == n {
		if complete {
			return nil
		}
		return []Hash{refRoot(leaves)}
	}
	if k := refSplit(n); m <= k {
		return append(refSubProof(m, leaves[:k], complete), refRoot(leaves[k:]))
	} else {
		return append(refSubProof(m-k, leaves[k:], false), refRoot(leaves[:k]))
	}
}

// testLeaves returns n different leaf hashes.
func testLeaves(n int) []Hash {
	leaves := make([]Hash, n)
	for i := range leaves {
		leaves[i] = LeafHash(binary.BigEndian.AppendUint32(nil, uint32(i)))
	}
	return leaves
}
