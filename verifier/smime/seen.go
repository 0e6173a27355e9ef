package smime

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// maxSeen is how many sets of chains are remembered. Each holds the
// certificates of one signature.
const maxSeen = 256

// seen remembers chains that crypto/x509 found: people sign many commits with
// one certificate, and the signatures on certificates are most of the cost.
// That there are none is not remembered; strangers would fill it.
type seen struct {
	mu     sync.Mutex // guards chains
	chains map[moment][][]*x509.Certificate
}

// A moment is all that decides which chains there are, for one Verifier: the
// certificates that a signature carries, in their order, and how many of these
// and those named have begun by then, and ended. crypto/x509 only asks of each
// whether it has begun and not ended, and which have follows from how many.
type moment struct {
	certs        [sha256.Size]byte
	begun, ended int
}

// momentOf returns the moment of a time.
func (v *Verifier) momentOf(m *message, at time.Time) moment {
	var now moment
	h := sha256.New()
	for _, cert := range slices.Concat([]*x509.Certificate{m.leaf}, m.carried) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(cert.Raw))))
		h.Write(cert.Raw)
		now.count(cert, at)
	}
	for _, cert := range v.named {
		now.count(cert, at)
	}
	h.Sum(now.certs[:0])
	return now
}

func (now *moment) count(cert *x509.Certificate, at time.Time) {
	if !at.Before(cert.NotBefore) {
		now.begun++
	}
	if at.After(cert.NotAfter) {
		now.ended++
	}
}

// get returns the chains of a moment, nil if they are not remembered. They may
// not be changed.
func (s *seen) get(now moment) [][]*x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chains[now]
}

// add remembers the chains of a moment. Where there are too many it begins
// anew.
func (s *seen) add(now moment, chains [][]*x509.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chains == nil || len(s.chains) >= maxSeen {
		s.chains = make(map[moment][][]*x509.Certificate)
	}
	s.chains[now] = chains
}
