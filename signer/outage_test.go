package signer_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
)

// hanging answers only when nobody waits any more, or when it is told to.
type hanging struct {
	*fakeca.Authority
	asked *atomic.Int32
}

func (h hanging) Add(ctx context.Context, _ [32]byte, _, _ []byte) ([]byte, error) {
	h.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

func (h hanging) Timestamp(ctx context.Context, _ [32]byte) ([]byte, error) {
	h.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestPatience has servers that never answer: the first signature waits for as
// long as it is told, those after it for nothing, until the time is over.
func TestPatience(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	h := hanging{a, new(atomic.Int32)}
	now := time.Now()
	cfg := config(t, a)
	cfg.Logs, cfg.Timestampers = []signer.Log{h}, []signer.Timestamper{h}
	cfg.Defer, cfg.Patience = signer.DeferUnreachable, 20*time.Millisecond
	cfg.Now = func() time.Time { return now }
	s, cred := newCredential(t, cfg)
	for i, want := range []int32{2, 2, 2, 4} {
		if i == 3 {
			now = now.Add(cfg.Patience)
		}
		sig, err := s.SignWith(t.Context(), cred, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if sig.Pending == nil || h.asked.Load() != want {
			t.Errorf("signature %d: %d questions, want %d; pending %v", i, h.asked.Load(), want, sig.Pending != nil)
		}
	}
	// Another Signer on the same servers knows of it.
	again, err := signer.New(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.SignWith(t.Context(), cred, []byte("x")); err != nil || h.asked.Load() != 4 {
		t.Errorf("another Signer: %d questions, %v, want 4", h.asked.Load(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	now = now.Add(time.Second)
	if sig, err := s.SignWith(ctx, cred, []byte("x")); !errors.Is(err, context.Canceled) || sig != nil {
		t.Errorf("SignWith with a cancelled context = %v, %v", sig, err)
	}
}

// ending is a log that is gone when its caller is.
type ending struct {
	*fakeca.Authority
	end *func() // ends the caller's context; nil: the log answers
}

func (e ending) Add(ctx context.Context, digest [32]byte, signature, certificate []byte) ([]byte, error) {
	if *e.end != nil {
		(*e.end)()
		return nil, errGone{}
	}
	return e.Authority.Add(ctx, digest, signature, certificate)
}

// TestWhatIsBrokenOffIsNotDeferred ends a signing in the middle. That is no
// outage either: the next one asks again.
func TestWhatIsBrokenOffIsNotDeferred(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	ctx, cancel := context.WithCancel(t.Context())
	end := (func())(cancel)
	cfg := config(t, a)
	cfg.Logs, cfg.Timestampers, cfg.Defer = []signer.Log{ending{a, &end}}, nil, signer.DeferUnreachable
	s, cred := newCredential(t, cfg)
	if sig, err := s.SignWith(ctx, cred, []byte("x")); err == nil || sig != nil {
		t.Errorf("SignWith = %v, %v, want an error where the caller gave up", sig, err)
	}
	end = nil
	if sig, err := s.SignWith(t.Context(), cred, []byte("x")); err != nil || sig.Pending != nil {
		t.Errorf("SignWith afterwards = %+v, %v, want a recorded signature", sig, err)
	}
}

// TestBackInReach has a log that comes back: it is asked again as before.
func TestBackInReach(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	now, there := time.Now(), false
	cfg := config(t, a)
	cfg.Logs = []signer.Log{fakes{Authority: a, add: func(entry []byte) ([]byte, error) {
		if !there {
			return nil, errGone{}
		}
		return entry, nil
	}}}
	cfg.Defer, cfg.Now = signer.DeferUnreachable, func() time.Time { return now }
	s, cred := newCredential(t, cfg)
	for i, want := range []bool{true, true, false, false} { // pending?
		there = i > 0
		if i == 2 {
			now = now.Add(10 * time.Second)
		}
		sig, err := s.SignWith(t.Context(), cred, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if (sig.Pending != nil) != want {
			t.Errorf("signature %d: pending %v, want %v", i, sig.Pending != nil, want)
		}
	}
}
