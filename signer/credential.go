package signer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/verifier"
)

// maxSkew is by how much the clocks of this machine and of the certificate
// authority may differ.
const maxSkew = 5 * time.Second

// A Credential is a key with the certificate that binds it to an identity. It
// signs any number of payloads while it is valid, from several goroutines at
// once. The key never leaves it.
type Credential struct {
	NotAfter time.Time // until when it can sign, inclusive

	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
	who  *Claims
}

// Certificate returns the certificate in DER.
func (c *Credential) Certificate() []byte { return slices.Clone(c.leaf.Raw) }

// Allowed returns whom the token spoke for that the key was certified for: it
// allows the identities that its signatures may have, and no others.
func (c *Credential) Allowed() verifier.Allowed { return c.who }

// NewCredential makes a key and has it certified for whoever the token of the
// token source speaks for. Every error is a *StepError.
func (s *Signer) NewCredential(ctx context.Context) (*Credential, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), s.cfg.Rand)
	if err != nil {
		return nil, &StepError{stepKey, err}
	}
	s.cfg.Progress(stepToken)
	token, err := s.cfg.Tokens.Token(ctx)
	if err != nil {
		return nil, &StepError{stepToken, err}
	}
	// A token that no authority would take is sent to none.
	who, err := ReadClaims(token)
	if err == nil {
		err = who.Check(s.cfg.Now(), s.cfg.Audience)
	}
	if err != nil {
		return nil, &StepError{stepToken, err}
	}
	s.cfg.Progress(stepCertify)
	cred, err := s.certify(ctx, key, token, who)
	if err != nil {
		return nil, &StepError{stepCertify, err}
	}
	return cred, nil
}

// certify has the key certified. It checks all of the certificate: at the end
// the log would have recorded a signature that fails, for everyone to see.
func (s *Signer) certify(ctx context.Context, key *ecdsa.PrivateKey, token string, who *Claims) (*Credential, error) {
	digest := sha256.Sum256([]byte(who.challenge()))
	proof, err := ecdsa.SignASN1(s.cfg.Rand, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("proving possession of the key: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	chain, err := s.cfg.CA.Certify(ctx, token, spki, proof)
	if err != nil {
		return nil, err
	}
	if len(chain) == 0 {
		return nil, errors.New("the authority returned no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	if !slices.Equal(leaf.RawSubjectPublicKeyInfo, spki) {
		return nil, errors.New("the certificate is for another key")
	}
	// What people see when an authority mixes them up, before the finer points.
	if email := who.verifiedEmail(); email != "" && !slices.Equal(leaf.EmailAddresses, []string{email}) {
		return nil, fmt.Errorf("the certificate is for %q, the token for %q", leaf.EmailAddresses, email)
	}
	cred := &Credential{NotAfter: leaf.NotAfter, key: key, leaf: leaf, who: who}
	now := s.cfg.Now()
	if err := cred.check(now); err != nil {
		return nil, err
	}
	certificate, err := s.cfg.Verifier.VerifyCertificate(leaf.Raw, cred.within(now), who)
	if err != nil {
		return nil, err
	}
	return cred, who.checkSubject(certificate)
}

// within returns the time in the certificate's validity that is nearest to now,
// which check has found to be near.
func (c *Credential) within(now time.Time) time.Time {
	switch {
	case now.Before(c.leaf.NotBefore):
		return c.leaf.NotBefore
	case now.After(c.NotAfter):
		return c.NotAfter
	}
	return now
}

// check checks that the certificate is valid now.
func (c *Credential) check(now time.Time) error {
	if d := c.leaf.NotBefore.Sub(now); d > maxSkew {
		return fmt.Errorf("the certificate is valid only in %s: this machine's clock is slow, or the authority's is fast", about(d))
	}
	if d := now.Sub(c.NotAfter); d > maxSkew {
		return fmt.Errorf("the certificate expired %s ago (if it is new, this machine's clock is fast)", about(d))
	}
	return nil
}

// about returns d as people say it.
func about(d time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case d >= 48*time.Hour:
		unit, name = 24*time.Hour, "day"
	case d >= 2*time.Hour:
		unit, name = time.Hour, "hour"
	case d >= 2*time.Minute:
		unit, name = time.Minute, "minute"
	}
	if n := d / unit; n != 1 {
		return fmt.Sprintf("%d %ss", n, name)
	}
	return "1 " + name
}
