package verifier

import (
	"crypto/x509"
	"slices"
	"time"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A signature is what the checks of trust are about, in whatever form it came:
// the signature value, the certificate of the key that made it, and what came
// along to prove when that was.
type signature struct {
	value       []byte // the signature value, which time-stamps are over
	record      record
	leaf        *x509.Certificate   // nil: the key is one that the caller trusts
	extra       []*x509.Certificate // other certificates it carries, untrusted
	certificate Certificate
	identityErr error // why certificate.Identity is not to be had
	signingTime time.Time
	entries     []*tlog.Entry // all must hold; none: nothing proves that it is logged
	tokens      []*cms.Token  // all must hold
	stamps      [][]byte      // what readStamps read them from
	late        bool          // the entries are of a proof, and may have come late: see lateEntry
	statement   *Statement    // nil: none
	passed      []Check
	notes       []string
}

// A record knows what a log must have taken down of a signature.
type record interface {
	// body returns the body of the entry as the log hashed it, if it is this
	// signature's, and for which generation of Rekor it is one. The error may
	// carry a class; if not, the log's proof is bad.
	body(log *trust.Log, e *tlog.Entry) (body []byte, generation int, err error)
}

// pass notes that a check passed. Of several entries each may pass the same.
func (s *signature) pass(c Check) {
	if s.passed == nil {
		s.passed = make([]Check, 0, checkCount)
	}
	if !slices.Contains(s.passed, c) {
		s.passed = append(s.passed, c)
	}
}

// fail returns the error for a check that failed, with all that the
// signature claims. Of several entries one may have passed the check that another did
// not.
func (s *signature) fail(check Check, class Class, err error) *VerifyError {
	passed := slices.DeleteFunc(slices.Clone(s.passed), func(c Check) bool { return c == check })
	return &VerifyError{Check: check, Class: class, Err: err, Passed: passed, Unverified: s.claims()}
}

// claims collects what can be read of the signature, for the error.
func (s *signature) claims() Unverified {
	u := Unverified{SigningTime: s.signingTime, Notes: slices.Clone(s.notes)}
	if s.leaf != nil {
		c := s.certificate
		u.Certificate = &c
	}
	if len(s.entries) > 0 {
		e := s.entries[0]
		u.Log = &LogEntry{LogID: [32]byte(e.LogID), Index: e.LogIndex, IndexKnown: true}
		if e.IntegratedTime > 0 {
			u.LogTime = time.Unix(e.IntegratedTime, 0).UTC()
		}
		if p := e.Proof; p != nil {
			u.Log.TreeIndex, u.Log.TreeSize, u.Log.RootHash = uint64(p.LogIndex), uint64(p.TreeSize), p.RootHash
		}
	}
	if len(s.tokens) > 0 {
		u.StampTime = s.tokens[0].Info.GenTime
	}
	return u
}
