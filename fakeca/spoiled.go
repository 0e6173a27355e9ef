package fakeca

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Spoiled returns the authority as it would be if it made a mistake in all that
// it issues: certificates, log entries as it gives them out, or timestamps,
// whichever the fault is of. It shares the logs with a, which are not at fault,
// and which a closes.
//
// Spoiled is for tests. It panics where an authority that works as its protocols
// have it cannot make that mistake: where it is the client's, or leaves out what
// there is no leaving out.
func (a *Authority) Spoiled(f Fault) *Authority {
	s := findFault(f)
	client := s.leaf == nil && s.entry == nil && s.stamp == nil
	omission := []Fault{NoEntry, NoProof, PromiseOnly, SignatureComplement, NoTimestamp, ClaimedTime}
	if !s.in(a.generation) || client || slices.Contains(omission, f) {
		panic(fmt.Sprintf("fakeca: no authority with %v makes the mistake %q", a.generation, f))
	}
	spoiled := *a
	spoiled.mistake = s
	return &spoiled
}

// Misissue certifies the public key (DER SubjectPublicKeyInfo) for the subject as
// Certify does, but asks for neither token nor proof. It is for tests, of those
// who have to notice. Whoever has the authority could have had the token too.
func (a *Authority) Misissue(ctx context.Context, subject string, publicKey []byte) (chain [][]byte, err error) {
	return a.certify(ctx, a.claim(subject), publicKey)
}

// unspoiled returns the authority as it is otherwise: what mistakes are made of.
func (a *Authority) unspoiled() *Authority {
	honest := *a
	honest.mistake = nil
	return &honest
}

func (a *Authority) spoilLeaf(l *leaf) {
	if a.mistake != nil {
		a.mistake.leaf.spoil(&draft{a: a.unspoiled(), leaf: l})
	}
}

func (a *Authority) spoilTimestamp(t *timestamp) {
	if a.mistake != nil {
		l := &leaf{certificate: certificate{notBefore: a.now().Add(-time.Minute)}} // as if certified a while ago
		a.mistake.stamp.spoil(&draft{a: a.unspoiled(), leaf: l, token: t})
	}
}

func (a *Authority) spoilEntry(e *logEntry) *logEntry {
	if a.mistake == nil {
		return e
	}
	d := &draft{a: a.unspoiled(), body: e.body, entry: e, certificate: a.caChain[0].Raw}
	a.mistake.entry.spoil(d)
	return d.entry
}
