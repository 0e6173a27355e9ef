package verifier

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Unlogged holds what can be said of a git signature that no log is known to
// have recorded: everything but that. It is no Result, and never becomes one:
// such a signature does not verify, and its key may have been used in secret.
// It is for who has just made the signature, and will have it recorded.
type Unlogged struct {
	Certificate Certificate
	Times       []ProvenTime // by time-stamps; none: nothing proves when it was signed
	Time        time.Time    // the earliest of Times; zero: none
	SigningTime time.Time    // what the signer claimed; zero: nothing; never evidence
	TrustedRoot [32]byte     // digest of the trusted root under which the rest holds
	Passed      []Check
	Notes       []string // harmless oddities
}

// VerifyUnlogged checks all of a signature but its log entry, of which it must
// have none: that it is over payload, by the key of its certificate, which an
// authority issued, a certificate log promised to include, and an identity has
// that allowed allows; and that the certificate was valid at the time of each
// time-stamp in it, or, without one, at that time, which is by the clock of the
// caller and proves nothing.
//
// err is nil only if all of that holds; otherwise it is a *VerifyError. A nil
// allowed is refused. A signature with a log entry is for Verify.
func (v *Verifier) VerifyUnlogged(payload, signature []byte, at time.Time, allowed Allowed) (*Unlogged, error) {
	s, verr := v.open(payload, signature, allowed)
	if verr != nil {
		return nil, verr
	}
	if len(s.entries) > 0 {
		return nil, s.fail(CheckLogEntry, UnsupportedSignature, errors.New("the signature has a log entry, which is not looked at here"))
	}

	// Whole under one trusted root, as in verifyTrust.
	var furthest *VerifyError
	base := len(s.passed)
	for _, r := range v.roots {
		s.passed = s.passed[:base]
		u, verr := r.verifyUnlogged(&s.signature, at)
		if verr == nil {
			return s.allowUnlogged(u, allowed)
		}
		if furthest == nil || len(verr.Passed) > len(furthest.Passed) {
			furthest = verr
		}
	}
	return nil, furthest
}

// verifyUnlogged runs the checks of verify that need no log entry.
func (r *root) verifyUnlogged(s *signature, at time.Time) (*Unlogged, *VerifyError) {
	times, verr := r.checkTimes(s, nil)
	if verr != nil {
		return nil, verr
	}
	valid := times
	if len(valid) == 0 {
		valid = []ProvenTime{{Source: ClaimedTime, Time: at.UTC()}}
	}
	facts := &Result{Notes: slices.Clone(s.notes)}
	if verr := r.checkCertificate(s, facts, valid); verr != nil {
		return nil, verr
	}
	if s.identityErr != nil {
		return nil, s.fail(CheckIdentity, UntrustedCertificate, fmt.Errorf("reading the certificate's identity: %w", s.identityErr))
	}
	u := &Unlogged{Certificate: s.certificate, Times: times, SigningTime: s.signingTime,
		TrustedRoot: r.trusted.Digest(), Notes: facts.Notes}
	if len(times) > 0 {
		u.Time = earliest(times)
	}
	return u, nil
}

// allowUnlogged asks whether the signer is someone we expect.
func (s *signature) allowUnlogged(u *Unlogged, allowed Allowed) (*Unlogged, error) {
	at := u.Time
	if at.IsZero() {
		at = s.certificate.NotBefore // for want of a proven time
	}
	if err := allowed.Allow(u.Certificate.Identity, at); err != nil {
		return nil, s.fail(CheckIdentity, IdentityNotAllowed, err)
	}
	u.Passed = slices.Concat(s.passed, []Check{CheckIdentity})
	return u, nil
}

// earliest returns the first of times, of which there is one at least.
func earliest(times []ProvenTime) time.Time {
	return slices.MinFunc(times, func(a, b ProvenTime) int { return a.Time.Compare(b.Time) }).Time
}
