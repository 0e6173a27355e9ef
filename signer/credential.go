package signer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"gitseal/verifier"
)

// maxSkew is by how much the clocks of this machine and of the certificate
// authority may differ.
const maxSkew = 5 * time.Second

// ErrForgotten means that the key of a Credential was forgotten.
var ErrForgotten = errors.New("the key was forgotten")

// A Credential is a key with the certificate that binds it to an identity. It
// signs any number of payloads while it is valid, from several goroutines at
// once. The key never leaves it.
type Credential struct {
	NotAfter time.Time // until when it can sign, inclusive

	mu       sync.RWMutex      // guards key
	key      *ecdsa.PrivateKey // nil: forgotten
	leaf     *x509.Certificate
	who      *Claims
	identity verifier.Identity
}

// Certificate returns the certificate in DER.
func (c *Credential) Certificate() []byte { return slices.Clone(c.leaf.Raw) }

// NotBefore returns since when it can sign.
func (c *Credential) NotBefore() time.Time { return c.leaf.NotBefore }

// Identity returns whom the certificate names, which was verified when it was
// issued.
func (c *Credential) Identity() verifier.Identity { return c.identity }

// Claims returns what the token said that the key was certified for.
func (c *Credential) Claims() Claims {
	who := *c.who
	who.Audience = slices.Clone(who.Audience)
	return who
}

// Forget ends the use of the key, and overwrites it: signatures that have
// begun are finished, others are refused. What the Go runtime copied of it to
// sign, on stacks and in a cache, is out of reach, and goes with the next
// garbage collections.
func (c *Credential) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key == nil {
		return
	}
	//lint:ignore SA1019 a key that is to be invalid afterwards is what this is for
	clear(c.key.D.Bits())
	c.key = nil
}

// sign returns the signature of a SHA-256 digest, in DER.
func (c *Credential) sign(rand io.Reader, digest [32]byte) ([]byte, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.key == nil {
		return nil, ErrForgotten
	}
	return ecdsa.SignASN1(rand, c.key, digest[:])
}

// Allowed returns whom the token spoke for that the key was certified for: it
// allows the identities that its signatures may have, and no others.
func (c *Credential) Allowed() verifier.Allowed { return c.who }

// Config returns what the Signer signs with: one that differs in a little from
// it shares its servers and their open connections.
func (s *Signer) Config() Config {
	cfg := s.cfg
	cfg.Logs, cfg.Timestampers = slices.Clone(cfg.Logs), slices.Clone(cfg.Timestampers)
	return cfg
}

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
	// Nor is one whose certificate must not become public.
	if err == nil && s.cfg.Accept != nil {
		err = s.cfg.Accept(who)
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
	if err := who.checkSubject(certificate); err != nil {
		return nil, err
	}
	cred.identity = certificate.Identity
	return cred, nil
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
