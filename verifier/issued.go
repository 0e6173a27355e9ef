package verifier

import (
	"fmt"
	"time"
)

// VerifyCertificate checks a signer's certificate, in DER, that no signature
// comes with yet: an authority of one of the trusted roots issued it, it is
// valid at that time, a certificate log promised to include it, and it is of
// one identity, which allowed allows. It is for who is about to sign: a log
// must not be given what is known to be worthless. at is by the clock of the
// caller, so it proves nothing about any signature; Verify does.
//
// err is nil only if every check passed; otherwise it is a *VerifyError. A nil
// allowed is refused.
func (v *Verifier) VerifyCertificate(der []byte, at time.Time, allowed Allowed) (*Certificate, error) {
	if allowed == nil {
		return nil, errNobody()
	}
	s := new(signature)
	leaf, err := parseCertificate(der)
	if err != nil {
		return nil, s.fail(CheckChain, UntrustedCertificate, fmt.Errorf("reading the certificate: %w", err))
	}
	s.leaf = leaf
	s.certificate, s.identityErr = readCertificate(leaf)

	// Whole under one trusted root, as in verifyTrust.
	times := []ProvenTime{{Time: at.UTC()}}
	var furthest *VerifyError
	for _, r := range v.roots {
		s.passed = nil
		verr := r.checkCertificate(s, new(Result), times)
		if verr == nil {
			furthest = nil
			break
		}
		if furthest == nil || len(verr.Passed) > len(furthest.Passed) {
			furthest = verr
		}
	}
	if furthest != nil {
		return nil, furthest
	}

	// Whom it is for.
	if s.identityErr != nil {
		return nil, s.fail(CheckIdentity, UntrustedCertificate, fmt.Errorf("reading the certificate's identity: %w", s.identityErr))
	}
	if err := allowed.Allow(s.certificate.Identity, at); err != nil {
		return nil, s.fail(CheckIdentity, IdentityNotAllowed, err)
	}
	return &s.certificate, nil
}
