// Package verifier decides whether a keyless git signature is valid, whose it
// is and since when it has existed: a CMS signature by a certificate that
// lived minutes, recorded in a transparency log whose proof travels with it.
//
// The verdict depends on three things only: the signed bytes, the signature
// and the trusted root. The package opens no file or socket and looks at no
// clock. It never returns data that it has not verified, other than inside a
// *VerifyError, and never falls back from a check that failed to another
// that may pass: what is present must be valid, what is absent is named.
//
// Sources: RFC 5652 (CMS), RFC 5280 (certificates), RFC 6962 (certificate
// and log proofs), RFC 3161 (time-stamps), and Sigstore's client
// specification for how they fit together.
package verifier

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/internal/trust"
)

// A TrustedRoot says whom to trust, and when: Sigstore's trusted_root.json.
type TrustedRoot = trust.TrustedRoot

// ParseTrustedRoot reads a trusted_root.json. It accepts nothing it does not
// know.
func ParseTrustedRoot(data []byte) (*TrustedRoot, error) { return trust.Parse(data) }

// Allowed decides whether an identity may have signed at a time. The time is
// proven, in UTC. An error says why not.
type Allowed interface {
	Allow(id Identity, at time.Time) error
}

// AnyIdentity allows whoever a trusted certificate names. It is for callers
// that judge the identity of the Result themselves, and says so at the call.
type AnyIdentity struct{}

// Allow returns nil.
func (AnyIdentity) Allow(Identity, time.Time) error { return nil }

// A Config says how to verify.
type Config struct {
	// TrustedRoots are in force side by side; a signature verifies whole
	// under one of them. At least one is required.
	TrustedRoots []*TrustedRoot
}

// A Verifier verifies signatures under fixed trusted roots. It may be used by
// several goroutines at once.
type Verifier struct {
	roots []*root
}

// New returns a Verifier. It keeps the trusted roots and never changes them.
func New(cfg Config) (*Verifier, error) {
	if len(cfg.TrustedRoots) == 0 {
		return nil, errors.New("making a verifier: no trusted root")
	}
	v := new(Verifier)
	for _, tr := range cfg.TrustedRoots {
		v.roots = append(v.roots, newRoot(tr))
	}
	return v, nil
}

// Verify checks that signature, as git stores it, is a valid signature over
// payload by an identity that allowed allows. err is nil only if every check
// passed; otherwise it is a *VerifyError, which says which check failed and
// holds what the signature claims. A nil allowed is refused.
func (v *Verifier) Verify(payload, signature []byte, allowed Allowed) (*Result, error) {
	if allowed == nil {
		return nil, &VerifyError{Check: CheckIdentity, Class: IdentityNotAllowed,
			Err: errors.New("no identity was said to be allowed")}
	}

	// Is this one well-formed signature, over these bytes, by the key of the
	// certificate it carries? None of this depends on whom we trust.
	s, verr := open(signature)
	if verr != nil {
		return nil, verr
	}
	if verr = s.checkPayload(payload); verr != nil {
		if !v.issued(s) {
			// Whoever made it, it is a stranger's: that it does not even
			// fit says nothing about anyone we trust.
			verr.Class = UntrustedCertificate
			verr.Err = fmt.Errorf("certificate issued by %q, not by an authority of the trusted root, and %w", s.leaf.Issuer, verr.Err)
		}
		return nil, verr
	}
	if verr = s.readProof(); verr != nil {
		return nil, verr
	}

	// Do the log, the time and the certificate hold under one trusted root?
	result, verr := v.verifyTrust(s)
	if verr != nil {
		return nil, verr
	}

	// Is it someone we expect?
	if err := allowed.Allow(result.Certificate.Identity, result.Time); err != nil {
		return nil, &VerifyError{Check: CheckIdentity, Class: IdentityNotAllowed, Err: err,
			Passed: s.passed, Unverified: s.claims(), Valid: result}
	}
	result.Passed = append(slices.Clone(s.passed), CheckIdentity)
	return result, nil
}

// verifyTrust tries the trusted roots in turn. When none holds, the error is
// that of the root under which the signature came furthest.
func (v *Verifier) verifyTrust(s *signature) (*Result, *VerifyError) {
	var furthest *VerifyError
	base := len(s.passed)
	for _, r := range v.roots {
		s.passed = s.passed[:base:base]
		result, verr := r.verify(s)
		if verr == nil {
			return result, nil
		}
		if furthest == nil || len(verr.Passed) > len(furthest.Passed) {
			furthest = verr
		}
	}
	return nil, furthest
}

// issued reports whether a certificate authority of a trusted root issued the
// signer's certificate, judged at the certificate's own beginning, for want
// of a proven time.
func (v *Verifier) issued(s *signature) bool {
	return slices.ContainsFunc(v.roots, func(r *root) bool {
		_, err := r.chain(s, []time.Time{s.leaf.NotBefore})
		return err == nil
	})
}

// verify runs the checks that depend on whom r trusts, in the order of the
// argument: the log knows this signature; that was at a proven time; then the
// certificate was valid, and public.
func (r *root) verify(s *signature) (*Result, *VerifyError) {
	result := &Result{Certificate: s.certificate, SigningTime: s.signingTime, TrustedRoot: r.trusted.Digest(), Notes: slices.Clone(s.notes)}

	// The log entry: its body, rebuilt from the signature, is in the log
	// that the trusted root names.
	logged, verr := r.checkLog(s)
	if verr != nil {
		return nil, verr
	}

	// The time: what the log or a time-stamp authority signed, never what
	// the signer or the commit says.
	times, verr := r.checkTimes(s, logged)
	if verr != nil {
		return nil, verr
	}

	// The certificate: issued by an authority of the trusted root, valid at
	// each of those times.
	instants := make([]time.Time, 0, 2)
	for _, t := range times {
		instants = append(instants, t.Time)
	}
	if logged == nil && len(instants) == 0 {
		// Nothing proves a time. Whether the authority is known at all is
		// still worth saying before "not logged".
		instants = append(instants, s.leaf.NotBefore)
	}
	issuer, err := r.chain(s, instants)
	if err != nil {
		return nil, s.fail(CheckChain, classOf(err, UntrustedCertificate), err)
	}
	s.pass(CheckChain)

	// Its issuance is public: a certificate log promised to include it.
	note, err := r.checkSCT(s.leaf, issuer, instants[0])
	if err != nil {
		return nil, s.fail(CheckSCT, UntrustedCertificate, err)
	}
	if note == "" {
		s.pass(CheckSCT)
	} else {
		result.Notes = append(result.Notes, note)
	}

	if logged == nil {
		return nil, s.fail(CheckLogEntry, NotLogged, errNotLogged)
	}
	if s.identityErr != nil {
		return nil, s.fail(CheckIdentity, UntrustedCertificate, fmt.Errorf("reading the certificate's identity: %w", s.identityErr))
	}
	result.Log = logged.facts
	result.Times = times
	result.Time = slices.MinFunc(times, func(a, b ProvenTime) int { return a.Time.Compare(b.Time) }).Time
	return result, nil
}
