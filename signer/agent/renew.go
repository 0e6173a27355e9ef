package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

// When certificates are renewed.
const (
	renewTime  = time.Minute      // for a renewal
	renewEarly = 75 * time.Second // before its end: the next signature then does not wait
	renewPause = 15 * time.Second // after one that failed, where nobody waits for it
)

// A renewal gets a slot a new certificate by its session.
type renewal struct {
	done chan struct{} // closed when it is over
	err  error         // set then: ErrNoCredential if it takes a login
}

// renew begins to renew, unless that is under way. It returns nil if it cannot
// be. The caller holds s.mu.
func (s *Server) renew(sl *slot, now moment) *renewal {
	if sl.renewal != nil {
		return sl.renewal
	}
	if s.ended || s.renewable(sl, now) == 0 {
		return nil
	}
	r := &renewal{done: make(chan struct{})}
	sl.renewal = r
	session, was := *sl.session, sl.claims
	s.background.Go(func() { s.runRenewal(sl, r, &session, &was) })
	return r
}

func (s *Server) runRenewal(sl *slot, r *renewal, session *oidc.Session, was *signer.Claims) {
	var next *oidc.Session
	var cred *signer.Credential
	err := errors.New("broken off")
	defer func() { s.renewed(sl, r, cred, next, err) }()
	defer s.survive("renewing a certificate")
	ctx, cancel := context.WithTimeout(s.work, renewTime)
	defer cancel()
	grant, rerr := s.cfg.Renew(ctx, sl.instance.Instance, session)
	if rerr != nil {
		err = rerr
		return
	}
	next = grant.Session
	cred, err = s.certify(ctx, sl.instance, grant.IDToken, nil, func(c *signer.Claims) error { return samePerson(c, was) })
	if err == nil && cred.Identity() != sl.key.identity {
		cred.Forget()
		err = fmt.Errorf("the new certificate is for %s", cred.Identity())
	}
}

// samePerson refuses a token for somebody else than the last one was for, before
// any authority sees it.
func samePerson(c, was *signer.Claims) error {
	if c.Issuer != was.Issuer || c.Subject != was.Subject || c.Email != was.Email || c.EmailVerified != was.EmailVerified {
		return errors.New("the new token is for another person than the last")
	}
	return nil
}

// renewed takes in what came of a renewal. The session ends with whatever
// failed, unless it was that somebody could not be reached.
func (s *Server) renewed(sl *slot, r *renewal, cred *signer.Credential, next *oidc.Session, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.poke()
	defer close(r.done)
	sl.renewal = nil
	if s.ended || s.slots[sl.key] != sl {
		// Forgotten meanwhile.
		if err == nil {
			cred.Forget()
		}
		r.err = ErrNoCredential
		return
	}
	if next != nil {
		sl.session = next // the last one may not count any more
	}
	switch {
	case err == nil:
		s.put(sl, cred)
		s.cfg.Log.Info("certificate renewed", "subject", sl.key.identity.Subject)
	case unreachable(err):
		sl.retry = s.cfg.Uptime() + renewPause
		s.cfg.Log.Warn("certificate not renewed", "subject", sl.key.identity.Subject, "reason", err)
		r.err = err
	default:
		sl.session = nil
		s.cfg.Log.Warn("certificate not renewed, and the login is over", "subject", sl.key.identity.Subject, "reason", err)
		r.err = ErrNoCredential
	}
}

// unreachable reports whether err says that nobody answered, or not in time.
func unreachable(err error) bool {
	var u interface{ Unreachable() bool }
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &u) && u.Unreachable()
}

// certify makes a key and has it certified for whoever the token is for, unless
// accept refuses that. progress is told the steps; nil: nobody.
func (s *Server) certify(ctx context.Context, in *instance, token string, progress func(string), accept func(*signer.Claims) error) (*signer.Credential, error) {
	cfg := in.signer.Config()
	cfg.Tokens, cfg.Accept, cfg.Progress = givenToken(token), accept, progress
	one, err := signer.New(cfg)
	if err != nil {
		return nil, err
	}
	return one.NewCredential(ctx)
}

// A givenToken is a token that somebody brought.
type givenToken string

// Token implements signer.TokenSource.
func (t givenToken) Token(context.Context) (string, error) {
	if t == "" {
		return "", errors.New("nobody has brought a token")
	}
	return string(t), nil
}
