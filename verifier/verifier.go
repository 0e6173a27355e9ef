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

	"gitseal/internal/fixedkey"
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

	// Small leaves out what makes many verifications faster and takes memory,
	// up to 17 MB; false: it is made once it is worth its while.
	Small bool
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
	v, keys := new(Verifier), &fixedkey.Set{NoTables: cfg.Small}
	for _, tr := range cfg.TrustedRoots {
		v.roots = append(v.roots, newRoot(tr, keys))
	}
	return v, nil
}

// TrustedRoots returns those in force. They are not to be changed.
func (v *Verifier) TrustedRoots() []*TrustedRoot {
	all := make([]*TrustedRoot, len(v.roots))
	for i, r := range v.roots {
		all[i] = r.trusted
	}
	return all
}

// Prepare makes checks that depend on the trusted roots alone, and keeps their
// outcome: that the chains of the certificate authorities are signed from the
// top down. The first verification that needs them makes them otherwise, so
// this is for a program that waits for something else first.
func (v *Verifier) Prepare() {
	for _, r := range v.roots {
		prepare(r.cas)
	}
}

// PrepareTimestamps is Prepare for the time-stamp authorities, whom not every
// signature needs.
func (v *Verifier) PrepareTimestamps() {
	for _, r := range v.roots {
		prepare(r.tsas)
	}
}

func prepare(authorities []*authority) {
	for _, a := range authorities {
		_ = a.links() // who needs the chain is told
	}
}

// Verify checks that signature, as git stores it, is a valid signature over
// payload by an identity that allowed allows. err is nil only if every check
// passed; otherwise it is a *VerifyError, which says which check failed and
// holds what the signature claims. A nil allowed is refused.
func (v *Verifier) Verify(payload, signature []byte, allowed Allowed) (*Result, error) {
	s, verr := v.open(payload, signature, allowed)
	if verr != nil {
		return nil, verr
	}
	return v.judge(&s.signature, allowed)
}

// open reads a signature as git stores it, and makes the checks that do not
// depend on whom we trust: is this one well-formed signature, over these
// bytes, by the key of the certificate it carries?
func (v *Verifier) open(payload, signature []byte, allowed Allowed) (*message, *VerifyError) {
	if allowed == nil {
		return nil, errNobody()
	}
	s, verr := open(signature)
	if verr != nil {
		return nil, verr
	}
	if verr = s.checkPayload(payload); verr != nil {
		return nil, v.strange(&s.signature, verr)
	}
	return s, s.readProof()
}

// strange returns verr, which says that a signature does not even fit what it
// is said to be over. Whoever made it: if that is a stranger, then it says
// nothing about anyone we trust.
func (v *Verifier) strange(s *signature, verr *VerifyError) *VerifyError {
	if s.leaf != nil && !v.issued(s) {
		verr.Class = UntrustedCertificate
		verr.Err = fmt.Errorf("certificate issued by %q, not by an authority of the trusted root, and %w", s.leaf.Issuer, verr.Err)
	}
	return verr
}

// errNobody returns the error for a nil Allowed.
func errNobody() *VerifyError {
	return &VerifyError{Check: CheckIdentity, Class: IdentityNotAllowed,
		Err: errors.New("no identity was said to be allowed")}
}

// judge makes the other checks: do the log, the time and the certificate hold
// under one trusted root, and is the signer someone we expect?
func (v *Verifier) judge(s *signature, allowed Allowed) (*Result, error) {
	result, verr := v.verifyTrust(s)
	if verr != nil {
		return nil, verr
	}
	if err := allowed.Allow(result.Certificate.Identity, result.Time); err != nil {
		return nil, &VerifyError{Check: CheckIdentity, Class: IdentityNotAllowed, Err: err,
			Passed: s.passed, Unverified: s.claims(), Valid: result}
	}
	result.Passed = slices.Concat(s.passed, []Check{CheckIdentity})
	return result, nil
}

// verifyTrust tries the trusted roots in turn. When none holds, the error is
// that of the root under which the signature came furthest.
func (v *Verifier) verifyTrust(s *signature) (*Result, *VerifyError) {
	var furthest *VerifyError
	base := len(s.passed)
	for _, r := range v.roots {
		s.passed = s.passed[:base]
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
		_, err := r.chain(s, []ProvenTime{{Time: s.leaf.NotBefore}})
		return err == nil
	})
}

// verify runs the checks that depend on whom r trusts, in the order of the
// argument: the log knows this signature; that was at a proven time; then the
// certificate was valid, and public.
func (r *root) verify(s *signature) (*Result, *VerifyError) {
	result := &Result{Certificate: s.certificate, SigningTime: s.signingTime, Statement: s.statement,
		TrustedRoot: r.trusted.Digest(), Notes: slices.Clone(s.notes)}

	// The log entry: exactly this signature is in a log that the trusted
	// root names.
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
	// each of those times, public, of one identity. A key that the caller
	// trusts needs none.
	if s.leaf != nil {
		if verr := r.checkCertificate(s, result, s.lateEntry(times)); verr != nil {
			return nil, verr
		}
	}
	if len(logged) == 0 && (s.leaf != nil || len(r.trusted.TLogs) > 0) {
		return nil, s.fail(CheckLogEntry, NotLogged, errNotLogged)
	}
	if s.identityErr != nil {
		return nil, s.fail(CheckIdentity, UntrustedCertificate, fmt.Errorf("reading the certificate's identity: %w", s.identityErr))
	}

	for i := range logged {
		if i == 0 {
			result.Log = logged[i].facts
			continue
		}
		result.Notes = append(result.Notes, fmt.Sprintf("logged also in %s as entry %d", logged[i].log.BaseURL, logged[i].entry.LogIndex))
	}
	result.Times = times
	if len(times) > 0 {
		result.Time = earliest(times)
	}
	return result, nil
}

// checkCertificate checks that the signer's certificate was valid at each of
// the times, and that its issuance is public.
func (r *root) checkCertificate(s *signature, result *Result, times []ProvenTime) *VerifyError {
	if len(times) == 0 {
		// Nothing proves a time, so there is no log entry either. Whether the
		// authority is known at all is still worth saying before "not logged".
		times = []ProvenTime{{Time: s.leaf.NotBefore}}
	}
	issuer, err := r.chain(s, times)
	if err != nil {
		return s.fail(CheckChain, classOf(err, UntrustedCertificate), err)
	}
	s.pass(CheckChain)

	// A certificate log promised to include it.
	note, err := r.checkSCT(s.leaf, issuer, times[0].Time)
	if err != nil {
		return s.fail(CheckSCT, UntrustedCertificate, err)
	}
	if note == "" {
		s.pass(CheckSCT)
	} else {
		result.Notes = append(result.Notes, note)
	}
	return nil
}
