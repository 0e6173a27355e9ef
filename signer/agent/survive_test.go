//go:build unix

package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

func TestPanicEndsOneRequestOnly(t *testing.T) {
	var once sync.Once
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Confirm = func(context.Context, string) error {
			once.Do(func() { panic("refresh-token-value") })
			return nil
		}
	})
	w.login(t, alice, "")
	var gone *UnavailableError
	if _, err := w.client.Sign(t.Context(), w.request("x", ""), nil); !errors.As(err, &gone) {
		t.Errorf("panic: %v, want an UnavailableError", err)
	}
	w.signs(t, "", alice)
	if log := w.log.String(); !strings.Contains(log, "panic") || !strings.Contains(log, "TestPanicEndsOneRequestOnly") || strings.Contains(log, "refresh-token-value") {
		t.Errorf("the log says\n%s", log)
	}
}

// TestBadMessagesEndTheirConnectionOnly sends what is no message.
func TestBadMessagesEndTheirConnectionOnly(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	frame := func(head string, body uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(head)))
		return append(binary.BigEndian.AppendUint32(b, body), head...)
	}
	for name, sent := range map[string][]byte{
		"HTTP":            []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"long head":       {0, 16, 0, 1, 0, 0, 0, 0},
		"long body":       {0, 0, 0, 2, 4, 0, 0, 1, '{', '}'},
		"nothing":         frame("{}", 0),
		"unknown member":  frame(`{"ask":{},"x":1}`, 0),
		"two things":      frame(`{"ask":{},"stop":{}}`, 0),
		"body of another": frame(`{"ask":{}}`, 3),
		"an answer":       frame(`{"go":{}}`, 0),
		"no JSON":         frame(`{`, 0),
	} {
		r := w.raw(t)
		if _, err := r.conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		gone(t, r)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	w.signs(t, "", alice)
}

// TestHangingClientsBlockNobody has many who connect, and say nothing or half of
// something.
func TestHangingClientsBlockNobody(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	for i := range 100 {
		r := w.raw(t)
		if i%2 == 0 {
			if _, err := r.conn.Write([]byte{0, 0, 0, 9, 0}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.signs(t, "", alice)
}

func TestStopForgetsAndEnds(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	var cred *signer.Credential
	for _, sl := range w.server.slots {
		cred = sl.cred
	}
	if err := w.client.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.wait(); err != nil {
		t.Errorf("Serve = %v", err)
	}
	one, err := w.open(w.instance, givenToken(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.SignWith(t.Context(), cred, commit("x")); !errors.Is(err, signer.ErrForgotten) {
		t.Errorf("signing with the key of an agent that ended: %v, want %v", err, signer.ErrForgotten)
	}
	var gone *UnavailableError
	if _, err := Dial(t.Context(), ClientConfig{Path: w.path}); !errors.As(err, &gone) {
		t.Errorf("Dial = %v, want an UnavailableError", err)
	}
}

// TestStopIsAnsweredAtTheEnd: whoever hears of it need not look whether the
// agent is there, which would have a service manager start the next.
func TestStopIsAnsweredAtTheEnd(t *testing.T) {
	var ended atomic.Bool
	begun := make(chan struct{})
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Flush = func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			for range 1000 {
				runtime.Gosched() // it takes a while to end
			}
			ended.Store(true)
			return nil
		}
	})
	w.server.lull = lull{}
	must(t, w.client.Flush(t.Context()))
	<-begun
	must(t, w.client.Stop(t.Context()))
	if _, err := os.Lstat(w.path); !ended.Load() || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what it did has ended: %v; its socket: %v, want true and %v", ended.Load(), err, os.ErrNotExist)
	}
}

// TestFlushIsTriedAgain lets recording fail twice.
func TestFlushIsTriedAgain(t *testing.T) {
	calls := make(chan int, 10)
	n := 0
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Flush = func(context.Context) error {
			n++
			calls <- n
			switch n {
			case 1:
				return errors.New("no network")
			case 2:
				panic("a bug")
			}
			return nil
		}
	})
	w.server.flushPause, w.server.lull = time.Millisecond, lull{}
	if err := w.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 3; want++ {
		if got := <-calls; got != want {
			t.Fatalf("call %d, want %d", got, want)
		}
	}
	without := newWorld(t, nil)
	if err := without.client.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "records nothing") {
		t.Errorf("without Flush: %v", err)
	}
}

// TestLogHasNoSecrets looks for all that was secret.
func TestLogHasNoSecrets(t *testing.T) {
	w := newWorld(t, func(w *world, cfg *Config) {
		cfg.Renew = func(ctx context.Context, _ *Instance, s *oidc.Session) (*oidc.Grant, error) {
			return nil, errors.New("the issuer does not want to")
		}
	})
	var token string
	_, err := w.client.Login(t.Context(), w.instance, source, "", func(ctx context.Context) (*oidc.Grant, error) {
		g, err := w.grant(alice, "refresh-secret")(ctx)
		if err == nil {
			token = g.IDToken
		}
		return g, err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.signs(t, "", alice)
	w.pass(time.Hour)
	w.needsLogin(t, "")
	r := w.raw(t)
	if _, err := r.conn.Write([]byte("\x00\x00\x00\x20\x00\x00\x00\x00{\"grant\":{\"idToken\":\"refresh-secr")); err != nil {
		t.Fatal(err)
	}
	gone(t, r)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	log := w.log.String()
	for _, secret := range append(strings.Split(token, "."), "refresh-secret", "refresh-secr", "shh-") {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q in it:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, "logged in") || !strings.Contains(log, "the login is over") {
		t.Errorf("the log says\n%s", log)
	}
}
