package verifier

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// seenSize is how many certificates an authority remembers. An audit that asks
// logs has some hundred objects on the way.
const seenSize = 1024

// seen remembers certificates that were found to be signed by an authority's
// certificate, the last of them. A signature may be judged more than once:
// before it is recorded and when it is finished, without and with a log entry
// from outside; and signers sign several times with one certificate. The
// authority's signature, P-384 in the public instance, is most of the cost.
//
// Only that the signature is good is remembered, which nothing changes.
// Whether the certificate is valid at a time, and for what, is always checked.
type seen struct {
	mu   sync.Mutex // guards what follows
	has  map[seenKey]bool
	ring [seenSize]seenKey
	next int
}

// A seenKey is the SHA-256 of a certificate and the index in the authority's
// chain of the one that signed it.
type seenKey struct {
	child  [sha256.Size]byte
	parent int
}

// signed checks that the certificate at index parent of the chain signed
// child.
func (a *authority) signed(child *x509.Certificate, parent int) error {
	key := seenKey{fingerprint(child), parent}
	a.seen.mu.Lock()
	known := a.seen.has[key]
	a.seen.mu.Unlock()
	if known {
		return nil
	}
	if err := signedBy(child, a.Chain[parent]); err != nil {
		return err
	}
	a.seen.mu.Lock()
	defer a.seen.mu.Unlock()
	if a.seen.has == nil {
		a.seen.has = make(map[seenKey]bool)
	}
	if !a.seen.has[key] {
		delete(a.seen.has, a.seen.ring[a.seen.next])
		a.seen.ring[a.seen.next] = key
		a.seen.next = (a.seen.next + 1) % seenSize
		a.seen.has[key] = true
	}
	return nil
}
