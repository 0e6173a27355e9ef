// Package tlog reads, writes and checks what a transparency log hands out:
// inclusion and consistency proofs (RFC 6962, RFC 9162 section 2.1),
// checkpoints (C2SP tlog-checkpoint and signed-note, as Rekor v1 and v2 write
// them), log entries (dev.sigstore.rekor.v1.TransparencyLogEntry in protocol
// buffers) and the bodies that Rekor hashes into its leaves.
//
// Parsing and verifying are apart. What a Parse function returns is well
// formed and nothing more; the Verify methods say what the log really signed.
// The package never reads a file, asks the network or looks at the clock, and
// it chooses no keys: whom to believe is for its caller to know.
package tlog

import "crypto/sha256"

// A Hash is a leaf or a node of a Merkle tree over SHA-256.
type Hash [sha256.Size]byte

// Domain separation of leaves and nodes (RFC 6962, section 2.1).
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// LeafHash returns the hash of the leaf that holds data.
func LeafHash(data []byte) Hash {
	h := sha256.New()
	h.Write([]byte{leafPrefix})
	h.Write(data)
	var sum Hash
	h.Sum(sum[:0])
	return sum
}

// NodeHash returns the hash of the node above left and right.
func NodeHash(left, right Hash) Hash {
	var buf [1 + 2*sha256.Size]byte
	buf[0] = nodePrefix
	copy(buf[1:], left[:])
	copy(buf[1+sha256.Size:], right[:])
	return sha256.Sum256(buf[:])
}

// emptyRoot returns the root of the tree without leaves.
func emptyRoot() Hash { return sha256.Sum256(nil) }
