package main

import (
	"context"
	"errors"

	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/oidc"
	"gitseal/verifier"
)

// openSource finds out where the token comes from.
func (s *session) openSource(name string, in *remoteInstance) error {
	r := &remoteSession{name: name}
	s.remote = r
	var err error
	if s.defers, err = s.settings.deferral(); err != nil {
		return err
	}
	if r.instance, err = s.settings.agentInstance(name, in.RootJSON, s.signing.remote.services); err != nil {
		return err
	}
	r.digest = r.instance.Digest()
	cfg, err := s.settings.tokenConfig(s.env, in.SigningConfig, s.signing.remote.client, s.called)
	if err != nil {
		return err
	}
	if s.provider == "" {
		if s.provider, err = s.settings.provider(); err != nil {
			return err
		}
	}
	r.source, err = s.settings.tokenSource(cfg, s.provider)
	if none := (*oidc.NoSourceError)(nil); errors.As(err, &none) {
		r.none, err = err, nil
	}
	r.person = personKey(cfg.Config, r.source, s.provider)
	return err
}

// openAgent finds out whether there is an agent. Without a token, whoever has
// logged in before can sign all the same.
func (s *session) openAgent(ctx context.Context) (err error) {
	r := s.remote
	if r.person != "" {
		if r.agent, err = s.settings.dialAgent(ctx, s.env, r.source != nil, s.trace.step); err != nil {
			return err
		}
	}
	if r.agent != nil && s.defers != signer.DeferNever {
		// One of another machine records nothing that waits on this one.
		_, ours, err := s.settings.agentSocket()
		if err != nil {
			return err
		}
		if queue, err := s.settings.queue(); err == nil && ours {
			r.queue = queue.Dir
		}
	}
	if r.agent == nil && r.none != nil {
		return s.explain(s.what+": getting a token", r.none)
	}
	return nil
}

// personKey returns the key by which the agent knows who uses a source, nil if
// there is none. A person has the same key on whatever screen they log in, and
// where there is none: they may have logged in before. "": nobody may sign, for
// the source called provider has to give the token, and cannot.
func personKey(cfg oidc.Config, source oidc.Source, provider string) string {
	switch {
	case source != nil && !isInteractive(source):
		return source.Key()
	case source == nil && provider != "" && provider != "browser" && provider != "device":
		return ""
	}
	return oidc.NewBrowser(cfg).Key()
}

// running returns the agent, if there is one.
func (s *session) running() *agent.Client {
	if s.remote == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote.agent
}

// drop goes on without an agent that is gone.
func (s *session) drop(a *agent.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remote.agent == a {
		s.remote.agent = nil
		a.Close()
	}
}

// signByAgent has the agent sign. What it gives back is verified, under the
// trusted root of this process, like anything else that came from outside.
func (s *session) signByAgent(ctx context.Context, a *agent.Client, payload []byte) (*signer.Signature, error) {
	request := &agent.SignRequest{Instance: s.remote.digest, Source: s.remote.person, Payload: payload, Queue: s.remote.queue, Defer: string(s.deferral(payload))}
	who, unfit, err := s.choose(ctx, a, payload)
	if err != nil {
		return nil, err
	}
	request.Expect = who
	var answer *agent.SignAnswer
	if !unfit {
		answer, err = s.ask(ctx, a, request)
	}
	if unfit || errors.Is(err, agent.ErrNoCredential) {
		cred, err := s.logIn(ctx, a, payload, who, unfit)
		if err != nil {
			return nil, err
		}
		request.Expect = cred.Identity.Subject
		if answer, err = s.ask(ctx, a, request); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return s.check(ctx, payload, answer, request.Expect)
}

// ask asks the agent for a signature.
func (s *session) ask(ctx context.Context, a *agent.Client, r *agent.SignRequest) (*agent.SignAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	return a.Sign(ctx, r, s.config.Progress)
}

// choose returns the subject that has to sign: that of the session's first
// signature, else, where settings say whom the certificate must be for, that of
// a certificate which they allow; "" is whoever logged in last. unfit means that
// the agent has certificates, and none that is allowed.
func (s *session) choose(ctx context.Context, a *agent.Client, payload []byte) (who string, unfit bool, err error) {
	s.mu.Lock()
	first := s.who
	s.mu.Unlock()
	if first != nil {
		return first.Subject, false, nil
	}
	picky, err := s.settings.isPicky()
	if err != nil || !picky {
		return "", false, err
	}
	status, err := a.Status(ctx)
	if err != nil {
		return "", false, err
	}
	var refused error
	for _, c := range status.Credentials {
		if c.Digest != s.remote.digest || c.Source != s.remote.person {
			continue
		}
		cert, err := s.certificateOf(&c)
		if err != nil {
			continue // of no use to us
		}
		if refused = s.settings.mayGive(cert, payload); refused == nil {
			return cert.Identity.Subject, false, nil
		}
	}
	if refused != nil && s.remote.source == nil {
		return "", false, refused
	}
	return "", refused != nil, nil
}

// certificateOf verifies a certificate of the agent's, as of now or, if that
// will be renewed before it signs, as of the time until which it did.
func (s *session) certificateOf(c *agent.Credential) (*verifier.Certificate, error) {
	at := within(c.Certificate, s.env.now())
	if c.Renewable && at.After(c.NotAfter) {
		at = c.NotAfter
	}
	return s.config.Verifier.VerifyCertificate(c.Certificate, at, verifier.AnyIdentity{})
}

// isPicky reports whether settings say who may sign.
func (s *settings) isPicky() (bool, error) {
	lists, err := s.expectIdentity()
	if err != nil {
		return false, err
	}
	for _, list := range lists {
		if list != nil {
			return true, nil
		}
	}
	on, _, err := s.matchCommitter()
	return on, err
}

// logIn has the agent get a certificate with a token that we get; again means
// even if it has one.
func (s *session) logIn(ctx context.Context, a *agent.Client, payload []byte, who string, again bool) (*agent.Credential, error) {
	if s.remote.source == nil {
		return nil, &signer.StepError{Step: "getting a token", Err: s.remote.none}
	}
	login := a.Login
	if again {
		login = a.Relogin
	}
	return login(ctx, s.remote.instance, s.remote.person, who, func(ctx context.Context) (*oidc.Grant, error) {
		return s.grant(ctx, payload)
	})
}

// grant gets a token to sign payload with, and looks at it before anyone else
// does: what comes of it is public.
func (s *session) grant(ctx context.Context, payload []byte) (*oidc.Grant, error) {
	grant, err := s.accepted(ctx, payload)
	if err != nil && isInteractive(s.remote.source) {
		err = &lostLogin{err}
	}
	return grant, err
}

// A lostLogin is a login that came to nothing. Others who wait for it, as in
// a rebase or where several programs commit, do not ask the person again.
type lostLogin struct{ err error }

func (e *lostLogin) Error() string { return e.err.Error() }
func (e *lostLogin) Unwrap() error { return e.err }

// Refused tells package agent.
func (e *lostLogin) Refused() bool { return true }

func (s *session) accepted(ctx context.Context, payload []byte) (*oidc.Grant, error) {
	grant, err := askFor(ctx, s.remote.source, s.spinner)
	if err != nil {
		return nil, &signer.StepError{Step: "getting a token", Err: err}
	}
	claims, err := signer.ReadClaims(grant.IDToken)
	if err == nil {
		err = claims.Check(s.env.now(), s.config.Audience)
	}
	if err != nil {
		return nil, &signer.StepError{Step: "getting a token", Err: err}
	}
	if err := s.settings.mayUse(claims, payload); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.remote.login = claims
	s.mu.Unlock()
	return grant, nil
}
