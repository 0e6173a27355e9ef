package verifier

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// seenSize is how many signatures of a kind are remembered. An audit that asks
// logs has some hundred objects on the way.
const seenSize = 1024

// seen remembers signatures by authorities and logs that were found to be good,
// the last of them. A commit's signature may be judged more than once: before
// it is recorded and when it is finished, without and with a log entry from
// outside; signers sign several times with one certificate, and logs hand out
// one checkpoint with several entries. The signatures on these are most of the
// cost.
//
// Only that a signature is good is remembered, which nothing changes, by all
// that this depends on. Whether a certificate is valid at a time, and for what,
// and a log's key, is always checked.
type seen[K comparable] struct {
	mu   sync.Mutex // guards what follows
	keys map[K]bool
	ring []K // the same, in a circle; next is the oldest, once it is full
	next int
}

// A seenLeaf is the SHA-256 of a certificate and the index in the authority's
// chain of the one that signed it.
type seenLeaf struct {
	child  [sha256.Size]byte
	parent int
}

// A seenSCT is a certificate log's signature over a digest.
type seenSCT struct {
	log       *trust.Log
	digest    [sha256.Size]byte
	algorithm uint8
	signature [sha256.Size]byte // SHA-256
}

// A seenCheckpoint is the SHA-256 of a checkpoint as it came, with all its
// signature lines, and the log that signed it.
type seenCheckpoint struct {
	log  *trust.Log
	note [sha256.Size]byte
}

// has reports whether k was added, and not too long ago.
func (s *seen[K]) has(k K) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[k]
}

// add remembers k in place of the oldest.
func (s *seen[K]) add(k K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[K]bool)
	}
	switch {
	case s.keys[k]:
		return
	case len(s.ring) < seenSize:
		s.ring = append(s.ring, k)
	default:
		delete(s.keys, s.ring[s.next])
		s.ring[s.next] = k
		s.next = (s.next + 1) % seenSize
	}
	s.keys[k] = true
}

// signed checks that the certificate at index parent of the chain signed
// child.
func (a *authority) signed(child *x509.Certificate, parent int) error {
	key := seenLeaf{fingerprint(child), parent}
	if a.seen.has(key) {
		return nil
	}
	if err := a.signedBy(child, parent); err != nil {
		return err
	}
	a.seen.add(key)
	return nil
}

// checkCheckpoint checks that log signed a checkpoint, which is what note says.
func (r *root) checkCheckpoint(log *trust.Log, checkpoint *tlog.SignedCheckpoint, note []byte) error {
	key := seenCheckpoint{log, sha256.Sum256(note)}
	if r.checkpoints.has(key) {
		return nil
	}
	if err := checkpoint.Verify(r.logKeys[log], log.KeyID); err != nil {
		return err
	}
	r.checkpoints.add(key)
	return nil
}
