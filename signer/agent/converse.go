package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"gitseal/signer"
)

// A talk is what is said on one connection.
type talk struct {
	*wire
	in     chan *message // what the client says after its request
	theirs atomic.Bool   // it is for the client to say something
}

// converse answers one request. A client that goes away ends what is done for
// it.
func (s *Server) converse(w *wire, m *message, body []byte) error {
	ctx, cancel := context.WithCancel(s.work)
	defer cancel()
	s.unpark(w.conn)
	w.admit = admitAnswer
	t := &talk{wire: w, in: make(chan *message)}
	go t.listen(ctx, cancel)
	go t.pulse(ctx)

	answer, err := s.answer(ctx, t, m, body)
	if err != nil {
		answer = &message{Failed: failed(err)}
	}
	switch {
	case ctx.Err() != nil:
		return nil // nobody listens, or somebody who will see that we end
	case answer == nil:
		return nil
	}
	err = t.send(answer, nil)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// listen hands on what the client says, and ends the context when it has gone.
func (t *talk) listen(ctx context.Context, cancel func()) {
	defer cancel()
	for {
		m, body, err := t.receive()
		if err != nil || len(body) > 0 {
			return
		}
		select {
		case t.in <- m:
		case <-ctx.Done():
			return
		}
	}
}

// pulse tells the client now and then that it is not forgotten.
func (t *talk) pulse(ctx context.Context) {
	ticker := time.NewTicker(pulseTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if t.theirs.Load() {
				continue // it does not listen
			}
			if t.send(&message{Working: new(workingMessage)}, nil) != nil {
				return // listen sees it as well
			}
		}
	}
}

// step tells the client what is being done.
func (t *talk) step(name string) {
	_ = t.send(&message{Working: &workingMessage{name}}, nil) // listen sees it as well
}

// answer does what was asked.
func (s *Server) answer(ctx context.Context, t *talk, m *message, body []byte) (*message, error) {
	switch {
	case m.Sign != nil:
		return s.sign(ctx, t, m.Sign, body)
	case m.Login != nil:
		return s.login(ctx, t, m.Login)
	case m.Forget != nil:
		n := s.forget((*[32]byte)(m.Forget.Instance), m.Forget.Subject)
		return &message{Done: &doneMessage{n}}, nil
	case m.Ask != nil:
		return &message{Status: s.status()}, nil
	case m.Flush != nil:
		return &message{Done: new(doneMessage)}, s.flush()
	case m.Stop != nil:
		s.stop(t.wire)
		return nil, nil // it has to be true first
	}
	return nil, errors.New("that is nothing to ask an agent")
}

// failed returns what a client is told of an error.
func failed(err error) *failedMessage {
	m := &failedMessage{NoCredential: errors.Is(err, ErrNoCredential), Message: err.Error()}
	var step *signer.StepError
	if errors.As(err, &step) {
		m.Step, m.Message = step.Step, step.Err.Error()
	}
	var u interface{ Unreachable() bool }
	m.Unreachable = errors.As(err, &u) && u.Unreachable()
	var refusal *refusalError
	m.LoginRefused = errors.As(err, &refusal)
	var stranger x509.UnknownAuthorityError
	m.UnknownAuthority = errors.As(err, &stranger)
	return m
}

// sign makes a signature.
func (s *Server) sign(ctx context.Context, t *talk, m *signMessage, payload []byte) (*message, error) {
	s.stir()
	what, err := readObject(payload)
	if err != nil {
		s.cfg.Log.Warn("refused to sign", "reason", err)
		return nil, err
	}
	who, cred, err := s.credential(ctx, t, m.Instance, m.Source, m.Expect)
	if err != nil {
		return nil, err
	}
	if err := s.confirm(ctx, who, what); err != nil {
		s.cfg.Log.Warn("refused to sign", "reason", err)
		return nil, err
	}
	sig, err := s.signWith(ctx, t, who, cred, m, payload)
	if errors.Is(err, signer.ErrForgotten) {
		// Renewed while somebody thought about it.
		var again *slot
		again, cred, err = s.credential(ctx, t, m.Instance, m.Source, who.key.identity.Subject)
		switch {
		case err != nil:
		case again.key != who.key:
			err = ErrNoCredential // a namesake's is not what was agreed to
		default:
			who = again
			sig, err = s.signWith(ctx, t, who, cred, m, payload)
		}
	}
	if err != nil {
		s.cfg.Log.Warn("not signed", "kind", what.kind, "subject", who.key.identity.Subject, "reason", err)
		return nil, err
	}
	answer := &signedMessage{sig.Armored, sig.Pending != nil}
	s.cfg.Log.Info("signed", "kind", what.kind, "subject", who.key.identity.Subject, "pending", answer.Pending)
	return &message{Signed: answer}, nil
}

func (s *Server) signWith(ctx context.Context, t *talk, who *slot, cred *signer.Credential, m *signMessage, payload []byte) (*signer.Signature, error) {
	cfg := who.instance.signer.Config()
	cfg.Defer, cfg.Progress = signer.Defer(m.Defer), t.step
	if s.stampsLater(who, m) {
		cfg.Timestampers = nil
	}
	one, err := signer.New(cfg)
	if err != nil {
		return nil, err
	}
	sig, err := one.SignWith(ctx, cred, payload)
	if err != nil {
		return nil, err
	}
	s.use(who)
	if sig.Pending != nil && s.ownQueue(m) {
		// Long before it begins what was signed is in the queue, or its client
		// says so once it is.
		_ = s.flush() // that the agent ends is no failure
	}
	return sig, nil
}

// StepConfirm is the step of a signer.StepError if it was not agreed to sign.
const StepConfirm = "asking whether to sign"

// confirm asks whether to sign.
func (s *Server) confirm(ctx context.Context, who *slot, what object) error {
	if s.cfg.Confirm == nil {
		return nil
	}
	err := s.aside(func() error {
		s.asking.Lock()
		defer s.asking.Unlock()
		if err := ctx.Err(); err != nil {
			return err // whoever wanted it has gone meanwhile
		}
		return s.cfg.Confirm(ctx, fmt.Sprintf("Sign a git %s as %s?\n\n%s", what.kind, title([]byte(who.key.identity.String())), what.title))
	})
	if err != nil {
		return &signer.StepError{Step: StepConfirm, Err: err}
	}
	return nil
}

// status returns what the agent tells of itself.
func (s *Server) status() *statusMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &statusMessage{
		Version: s.cfg.Version, PID: os.Getpid(), Started: s.started.UTC().Round(0), Ends: s.cfg.Now().Add(s.endsIn()).UTC().Round(0),
		Confirms: s.cfg.Confirm != nil, Locked: s.cfg.Locked, Credentials: []credentialMessage{},
	}
	for _, sl := range s.sorted() {
		m.Credentials = append(m.Credentials, s.tell(sl))
	}
	return m
}
