package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/oidc"
	"gitseal/verifier"
)

// A session signs any number of git objects for one person, who is asked for
// an identity at most once. It may be used by several goroutines at once.
//
// The local authority signs in this process. Where servers sign, the agent
// does it, which has a certificate from the last time; without an agent it is
// this process that gets a certificate, and keeps it as long as it runs.
type session struct {
	*signing
	what     string         // is done, as errors begin
	key      string         // git's name for the signing key
	provider string         // the token source that a command names; "": what the settings say
	called   bool           // by a person, who called a command of ours
	defers   signer.Defer   // when a signature goes without its log entry
	remote   *remoteSession // nil: the local authority signs

	mu     sync.Mutex         // guards what follows, and getting a certificate in this process
	own    *signer.Signer     // signs in this process; nil: none has yet
	cred   *signer.Credential // of own
	who    *verifier.Identity // of the first signature: the others are of the same; nil: there is none
	queued bool               // a signature waits for its log entry, and the agent is still to be told
}

// A remoteSession is what a session has beside where servers sign.
type remoteSession struct {
	name     string // value of gitseal.instance, absolute if a directory
	instance *agent.Instance
	digest   [32]byte
	source   oidc.Source    // nil: there is none
	none     error          // why
	person   string         // Key of the source
	queue    string         // where signatures wait that the agent will have recorded; "": it will not
	agent    *agent.Client  // nil: there is none, or none any more. Guarded by session.mu
	login    *signer.Claims // of the token that the agent was shown; nil: none was. Guarded by session.mu
}

// renewBefore is how long before its end a certificate is no longer used for
// another signature.
const renewBefore = 30 * time.Second

// openSession opens the instance in force to sign with. what is what that is for,
// as errors begin; key is git's name for the signing key, or "". The caller
// closes it. Nobody is asked for anything yet.
func (s *settings) openSession(ctx context.Context, e *env, what, key string) (*session, error) {
	in, err := s.instance()
	if err != nil {
		return nil, err
	}
	if in.hasAuthority() {
		sig, err := s.openLocal(e, in)
		if err != nil {
			return nil, err
		}
		if _, err := s.identity(key); err != nil {
			return nil, errors.Join(err, sig.Close())
		}
		return &session{signing: sig, what: what, key: key}, nil
	}
	remote, err := s.remoteInstance(ctx, e, in)
	if err != nil {
		return nil, err
	}
	sig, err := s.prepare(e, remote)
	if err != nil {
		return nil, err
	}
	ses := &session{signing: sig, what: what, key: key}
	err = ses.openSource(in.name(), remote)
	if err == nil {
		err = ses.openAgent(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, ses.Close())
	}
	return ses, nil
}

// sign returns a signature over payload, as git hands it over. It may be one
// that waits for its log entry: then it is queued for it.
func (s *session) sign(ctx context.Context, payload []byte) (*signer.Signature, error) {
	began := s.env.now()
	made, err := s.make(ctx, payload)
	if err == nil {
		// Whoever the token or the agent says it is for: this is what others see.
		err = s.accept(&made.Result.Certificate, payload)
	}
	if err == nil && made.Pending != nil {
		err = s.enqueue(began, payload, made)
	}
	if err != nil {
		return nil, s.explain(s.what, err)
	}
	return made, nil
}

func (s *session) make(ctx context.Context, payload []byte) (*signer.Signature, error) {
	if a := s.running(); a != nil {
		made, err := s.signByAgent(ctx, a, payload)
		var gone *agent.UnavailableError
		if !errors.As(err, &gone) {
			return made, err
		}
		s.trace.step("going on without the agent: " + gone.Error())
		s.drop(a)
	}
	return s.signHere(ctx, payload)
}

// deferral returns when the signature over payload goes without its log entry. One
// over a push certificate never does: it is judged as it arrives, when no proof
// has.
func (s *session) deferral(payload []byte) signer.Defer {
	if bytes.HasPrefix(payload, []byte("certificate version ")) {
		return signer.DeferNever
	}
	return s.defers
}

// signHere signs in this process.
func (s *session) signHere(ctx context.Context, payload []byte) (*signer.Signature, error) {
	own, cred, err := s.credential(ctx, payload)
	if err != nil {
		return nil, err
	}
	claims := cred.Claims()
	if err := s.settings.mayUse(&claims, payload); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	return own.SignWith(ctx, cred, payload)
}

// credential returns the certificate of this process, or gets one to sign
// payload with.
func (s *session) credential(ctx context.Context, payload []byte) (*signer.Signer, *signer.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cred != nil && s.env.now().Before(s.cred.NotAfter.Add(-renewBefore)) {
		return s.own, s.cred, nil
	}
	wait := signTimeout
	if s.remote != nil {
		if s.remote.source == nil {
			return nil, nil, s.remote.none
		}
		if mayAsk(s.remote.source) {
			wait += loginTimeout
		}
		if s.signing.remote.servers == nil {
			if err := s.connect(ctx); err != nil {
				return nil, nil, err
			}
		}
	}
	cfg := s.config
	cfg.Defer = s.deferral(payload)
	cfg.Accept = func(c *signer.Claims) error { return s.settings.mayUse(c, payload) }
	if s.remote != nil {
		cfg.Tokens = sourceTokens{s.remote.source, s.spinner}
	} else {
		who, err := s.settings.identity(s.key)
		if err != nil {
			return nil, nil, err
		}
		cfg.Tokens = localTokens{s.local, who.Value}
	}
	own, err := signer.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	cred, err := own.NewCredential(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.own, s.cred = own, cred
	return own, cred, nil
}

// accept refuses a signature by somebody else than the settings allow, or than
// the first signature of the session is by.
func (s *session) accept(cert *verifier.Certificate, payload []byte) error {
	if err := s.settings.mayGive(cert, payload); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.who == nil {
		who := cert.Identity
		s.who = &who
	}
	if *s.who != cert.Identity {
		return fmt.Errorf("the signature is by %s, and others before by %s", uid(cert.Identity), uid(*s.who))
	}
	return nil
}

// Close ends what is open. What waits for its log entry is left to the agent.
func (s *session) Close() error {
	if a := s.running(); a != nil {
		if s.queued {
			s.flushByAgent(a)
		}
		a.Close()
	}
	return s.signing.Close()
}
