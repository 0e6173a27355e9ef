//go:build unix

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitseal/signer/oidc"
)

// TestOneLoginForAllWhoWait has 20 callers at once need a certificate.
func TestOneLoginForAllWhoWait(t *testing.T) {
	w := newWorld(t, nil)
	var logins atomic.Int32
	begun, finish := make(chan bool, 20), make(chan bool)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			cred, err := w.dial(t).Login(t.Context(), w.instance, source, "", func(ctx context.Context) (*oidc.Grant, error) {
				logins.Add(1)
				begun <- true
				<-finish
				return w.grant(alice, "")(ctx)
			})
			if err != nil || cred.Identity.Subject != alice {
				t.Errorf("Login = %v, %v", cred, err)
			}
		})
	}
	<-begun
	w.waiting(t, 19)
	close(finish)
	wg.Wait()
	if n := logins.Load(); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
}

// waiting waits until n clients wait for another's login.
func (w *world) waiting(t testing.TB, n int) {
	t.Helper()
	got := 0
	for end := time.Now().Add(10 * time.Second); got != n; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d clients wait, want %d", got, n)
		}
		w.server.mu.Lock()
		for _, turn := range w.server.turns {
			got = turn.others
		}
		w.server.mu.Unlock()
	}
}

// askedInVain is an error of a login that a person was asked for.
type askedInVain struct{ error }

func (askedInVain) Refused() bool { return true }

// TestLoginThatFailsIsTriedByTheNext fails, goes away and is refused in turn.
func TestLoginThatFailsIsTriedByTheNext(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fail  error
		tried int32 // logins, of two callers
		want  string
	}{
		{"failed", errors.New("no browser"), 2, ""},
		{"refused", fmt.Errorf("logging in: %w", &oidc.RefusedError{Code: "access_denied"}), 1, "the login was refused"},
		{"refused otherwise", &oidc.RefusedError{Code: "server_error"}, 2, ""},
		{"broken off", context.Canceled, 1, "the login was refused"},
		{"asked in vain", askedInVain{errors.New("nobody came")}, 1, "the login was refused: nobody came"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			var logins atomic.Int32
			begun, finish := make(chan bool), make(chan bool)
			first := make(chan error)
			go func() {
				_, err := w.dial(t).Login(t.Context(), w.instance, source, "", func(context.Context) (*oidc.Grant, error) {
					logins.Add(1)
					close(begun)
					<-finish
					return nil, tt.fail
				})
				first <- err
			}()
			<-begun
			second := make(chan error)
			go func() {
				_, err := w.client.Login(t.Context(), w.instance, source, "", func(ctx context.Context) (*oidc.Grant, error) {
					logins.Add(1)
					return w.grant(alice, "")(ctx)
				})
				second <- err
			}()
			w.waiting(t, 1)
			close(finish)
			if err := <-first; !errors.Is(err, tt.fail) {
				t.Errorf("who failed got %v, want %v", err, tt.fail)
			}
			err := <-second
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("who waited got %v, want %q", err, tt.want)
			}
			var remote *RemoteError
			if tt.want != "" && (!errors.As(err, &remote) || !remote.LoginRefused) {
				t.Errorf("who waited got %#v, want it to say that the login was refused", err)
			}
			if n := logins.Load(); n != tt.tried {
				t.Errorf("%d logins, want %d", n, tt.tried)
			}
		})
	}
}

func TestLoginOfWhoDisappearsIsTriedByTheNext(t *testing.T) {
	w := newWorld(t, nil)
	r := w.raw(t)
	in := w.instance
	if err := r.send(&message{Login: &loginMessage{
		Name: in.Name, TrustedRoot: in.TrustedRoot, SigningConfig: in.SigningConfig, CAs: in.CAs, Audience: in.Audience, Source: source,
	}}, nil); err != nil {
		t.Fatal(err)
	}
	if m, _, err := r.receive(); err != nil || m.Go == nil {
		t.Fatalf("the answer is %+v, %v, want Go", m, err)
	}
	done := make(chan *Credential)
	go func() {
		cred, err := w.client.Login(t.Context(), in, source, "", w.grant(alice, ""))
		if err != nil {
			t.Error(err)
		}
		done <- cred
	}()
	w.waiting(t, 1)
	if err := r.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if cred := <-done; cred == nil || cred.Identity.Subject != alice {
		t.Errorf("credential %+v", cred)
	}
}

// TestLoginThatNeverComesIsTriedByTheNext has a client say that it will log in,
// and not do it.
func TestLoginThatNeverComesIsTriedByTheNext(t *testing.T) {
	w := newWorld(t, nil)
	synctest.Test(t, func(t *testing.T) {
		cfg := w.server.cfg
		cfg.Log = nil
		s, err := New(cfg)
		must(t, err)
		s.work = t.Context()
		var answering sync.WaitGroup
		login := func(get func(context.Context) (*oidc.Grant, error)) (*Credential, error) {
			here, there := net.Pipe()
			go s.serve(there, &answering, func() {})
			c := &Client{places: make(chan struct{}, 1), first: &wire{conn: here}}
			return c.Login(t.Context(), w.instance, source, "", get)
		}
		begun, finish, first := make(chan bool), make(chan bool), make(chan error)
		go func() {
			_, err := login(func(context.Context) (*oidc.Grant, error) {
				close(begun)
				<-finish
				return nil, errors.New("too late")
			})
			first <- err
		}()
		<-begun
		start := time.Now()
		cred, err := login(w.grant(alice, ""))
		if err != nil || cred.Identity.Subject != alice {
			t.Errorf("the next: %v, %v, want alice", cred, err)
		}
		if took := time.Since(start); took < loginTime {
			t.Errorf("the next logged in after %v, want it to wait for %v", took, loginTime)
		}
		close(finish)
		if err := <-first; err == nil {
			t.Error("who never logged in got a certificate")
		}
		answering.Wait()
	})
}

// TestRefusalByTheAuthorityIsSharedToo: the next would log in to be refused.
func TestRefusalByTheAuthorityIsSharedToo(t *testing.T) {
	w := newWorld(t, nil)
	var logins atomic.Int32
	begun, finish := make(chan bool, 2), make(chan bool)
	get := func(context.Context) (*oidc.Grant, error) {
		logins.Add(1)
		begun <- true
		<-finish
		return &oidc.Grant{IDToken: "no token"}, nil
	}
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := w.dial(t).Login(t.Context(), w.instance, source, "", get)
			errs <- err
		}()
	}
	<-begun
	w.waiting(t, 1)
	close(finish)
	for range 2 {
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "not a JSON web token") {
			t.Errorf("error %v", err)
		}
	}
	if n := logins.Load(); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
}
