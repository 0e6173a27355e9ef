package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

// A turn is a login under way: of all that need one for the same, one client
// logs in, and the others wait for what comes of it.
type turn struct {
	done chan struct{} // closed when it is over
	slot *slot         // set then, if there is a certificate
	err  error         // set then, if who waits is not to try it again

	others int // who wait. Guarded by Server.mu
}

// login has one client log in.
func (s *Server) login(ctx context.Context, t *talk, m *loginMessage) (*message, error) {
	in := &Instance{Name: m.Name, TrustedRoot: m.TrustedRoot, SigningConfig: m.SigningConfig, CAs: m.CAs, Audience: m.Audience}
	key := loginKey{in.Digest(), m.Source}
	for {
		if !m.Again {
			// That it could not be renewed is no reason not to log in.
			if sl, _, err := s.credential(ctx, t, key.instance, key.source, m.Expect); err == nil {
				return s.answerLogin(sl), nil
			}
		}
		mine, theirs := s.takeTurn(key)
		if mine != nil {
			return s.lead(ctx, t, in, key, m, mine)
		}
		if err := s.aside(func() error { return theirs.wait(ctx) }); err != nil {
			return nil, err
		}
		if theirs.err != nil {
			return nil, theirs.err
		}
		if sl := theirs.slot; sl != nil && (m.Expect == "" || sl.key.identity.Subject == m.Expect) {
			return s.answerLogin(sl), nil
		}
	}
}

// wait waits until the turn is over.
func (t *turn) wait(ctx context.Context) error {
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) answerLogin(sl *slot) *message {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.tell(sl)
	return &message{Credential: &m}
}

// takeTurn begins a turn, or returns the one under way.
func (s *Server) takeTurn(key loginKey) (mine, theirs *turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if theirs = s.turns[key]; theirs != nil {
		theirs.others++
		return nil, theirs
	}
	mine = &turn{done: make(chan struct{})}
	s.turns[key] = mine
	return mine, nil
}

// lead has the client log in whose turn it is.
func (s *Server) lead(ctx context.Context, t *talk, in *Instance, key loginKey, m *loginMessage, mine *turn) (*message, error) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.turns, key)
		close(mine.done)
		s.cfg.Log.Info("login over", "good", mine.slot != nil, "waited", mine.others)
		s.poke()
	}()
	// What can fail without a person does so before one is asked.
	inst, err := s.open(in, key.instance)
	if err != nil {
		return nil, err
	}
	var grant *grantMessage
	err = s.aside(func() (err error) {
		late := fmt.Errorf("nobody has logged in within %v", loginTime)
		limited, cancel := context.WithTimeoutCause(ctx, loginTime, late)
		defer cancel()
		grant, err = t.wantGrant(limited)
		return err
	})
	if err != nil {
		var no *refusalError
		if errors.As(err, &no) {
			mine.err = err
		}
		return nil, err
	}
	cred, err := s.certify(ctx, inst, grant.IDToken, t.step, func(c *signer.Claims) error { return expected(c, m.Expect) })
	if err != nil {
		if ctx.Err() == nil {
			mine.err = err // it would be the same for the next
		}
		return nil, err
	}
	sl, err := s.keep(key, inst, cred, grant.session())
	if err != nil {
		return nil, err
	}
	mine.slot = sl
	s.cfg.Log.Info("logged in", "subject", sl.key.identity.Subject, "issuer", sl.key.identity.Issuer, "renewable", grant.Session != nil)
	if m.Expect != "" && sl.key.identity.Subject != m.Expect {
		return nil, fmt.Errorf("the login is by %q, and %q is to sign", sl.key.identity.Subject, m.Expect)
	}
	return s.answerLogin(sl), nil
}

// expected refuses a token for somebody else than who is to sign, where that
// can be seen before a certificate makes it public.
func expected(c *signer.Claims, subject string) error {
	if subject != "" && c.EmailVerified && c.Email != "" && c.Email != subject {
		return fmt.Errorf("the login is by %q, and %q is to sign", c.Email, subject)
	}
	return nil
}

// open returns the instance, with what signs there.
func (s *Server) open(in *Instance, digest [32]byte) (*instance, error) {
	s.mu.Lock()
	for _, sl := range s.slots {
		if sl.key.instance == digest {
			defer s.mu.Unlock()
			return sl.instance, nil
		}
	}
	s.mu.Unlock()
	one, err := s.cfg.Open(in, givenToken(""))
	if err != nil {
		return nil, fmt.Errorf("preparing to sign: %w", err)
	}
	return &instance{in, one}, nil
}

// A refusalError says that a person does not want to log in.
type refusalError struct{ text string }

func (e *refusalError) Error() string { return e.text }

// loginTime is how long others wait for a client to log in, which has five
// minutes from its person.
const loginTime = 6 * time.Minute

// wantGrant has the client log in within that time.
func (t *talk) wantGrant(ctx context.Context) (*grantMessage, error) {
	t.theirs.Store(true)
	defer t.theirs.Store(false)
	if err := t.send(&message{Go: new(struct{})}, nil); err != nil {
		return nil, err
	}
	select {
	case m := <-t.in:
		switch {
		case m.Grant != nil:
			return m.Grant, nil
		case m.GaveUp != nil && m.GaveUp.Refused:
			return nil, &refusalError{"the login was refused: " + line(m.GaveUp.Message)}
		case m.GaveUp != nil:
			return nil, errors.New("the client could not log in: " + line(m.GaveUp.Message))
		}
		return nil, errors.New("that is not what comes of a login")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// session returns the session of a grant; nil: there is none.
func (m *grantMessage) session() *oidc.Session {
	if m.Session == nil {
		return nil
	}
	s := oidc.Session(*m.Session)
	return &s
}
