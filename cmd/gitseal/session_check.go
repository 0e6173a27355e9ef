package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitseal/internal/cms"
	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/verifier"
)

// check verifies what the agent gave back.
func (s *session) check(ctx context.Context, payload []byte, answer *agent.SignAnswer, who string) (made *signer.Signature, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("checking what the agent signed: %w", err)
		}
	}()
	s.config.Progress("checking the finished signature")
	made = &signer.Signature{Armored: answer.Armored}
	allowed := agentAllowed{who, s.claims(ctx)}
	// Text before the armor, which a verifier passes over, would become part of a
	// tag.
	if der, _, err := cms.Dearmor(answer.Armored); err == nil && !bytes.Equal(cms.Armor(der), answer.Armored) {
		return nil, errors.New("it is not as git stores it")
	}
	if !answer.Pending {
		made.Result, err = s.config.Verifier.Verify(payload, answer.Armored, allowed)
		return made, err
	}
	if s.deferral(payload) == signer.DeferNever {
		return nil, errors.New("it has no log entry, and was not to go without")
	}
	// It is this signature that will be recorded, with all that is in it.
	if made.Pending, err = signer.PendingOf(answer.Armored); err != nil {
		return nil, err
	}
	unlogged, err := s.config.Verifier.VerifyUnlogged(payload, answer.Armored, within(made.Pending.Certificate, s.env.now()), allowed)
	if err != nil {
		return nil, err
	}
	made.Result = &verifier.Result{
		Certificate: unlogged.Certificate, Times: unlogged.Times, SigningTime: unlogged.SigningTime,
		Time: unlogged.Time, TrustedRoot: unlogged.TrustedRoot, Passed: unlogged.Passed, Notes: unlogged.Notes,
	}
	return made, nil
}

// An agentAllowed is whom a signature of the agent's has to be by: the subject
// that was asked for, and whoever the token at hand is for. What settings say
// comes on top. The agent is the user's own, and has what they logged in with.
type agentAllowed struct {
	subject string         // "": anyone
	claims  *signer.Claims // nil: there is no token at hand
}

// Allow implements verifier.Allowed.
func (a agentAllowed) Allow(id verifier.Identity, at time.Time) error {
	if a.subject != "" && id.Subject != a.subject {
		return fmt.Errorf("the signature is by %q, and %q was asked for", id.Subject, a.subject)
	}
	if a.claims != nil {
		return a.claims.Allow(id, at)
	}
	return nil
}

// claims returns what the token says that we logged in with, or that is at hand
// without asking anyone; nil if there is none.
func (s *session) claims(ctx context.Context) *signer.Claims {
	s.mu.Lock()
	login := s.remote.login
	s.mu.Unlock()
	if login != nil {
		return login
	}
	token := ""
	if s.remote.source == nil {
		return nil
	}
	switch s.remote.source.Name() {
	case "envvar", "gitlab-ci":
		token = strings.TrimSpace(s.env.getenv(tokenVariable)) // that it has expired does not matter here
	case "filesystem", "kubernetes", "aws":
		if grant, err := s.remote.source.Grant(ctx); err == nil {
			token = grant.IDToken
		}
	}
	claims, err := signer.ReadClaims(token)
	if err != nil {
		return nil
	}
	return claims
}

// within returns the time in a certificate's validity that is nearest to now, if
// that is near enough for two clocks to differ by; else now.
func within(certificate []byte, now time.Time) time.Time {
	const skew = 5 * time.Second
	leaf, err := x509.ParseCertificate(certificate)
	switch {
	case err != nil:
		return now // which the verifier will say
	case now.Before(leaf.NotBefore) && leaf.NotBefore.Sub(now) <= skew:
		return leaf.NotBefore
	case now.After(leaf.NotAfter) && now.Sub(leaf.NotAfter) <= skew:
		return leaf.NotAfter
	}
	return now
}
