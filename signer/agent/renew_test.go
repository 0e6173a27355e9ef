//go:build unix

package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

// An issuer renews sessions of one world.
type issuer struct {
	mu    sync.Mutex
	as    string        // subject of new tokens
	err   error         // instead of one
	asked []string      // refresh tokens that it was given
	calls atomic.Int32  // of it, also under way
	wait  chan struct{} // closed or nil: it answers
	world *world
}

func (i *issuer) renew(ctx context.Context, in *Instance, s *oidc.Session) (*oidc.Grant, error) {
	i.calls.Add(1)
	if i.wait != nil {
		<-i.wait
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, s.RefreshToken)
	if in.Digest() != i.world.instance.Digest() || s.ClientSecret == "" {
		return nil, errors.New("not as handed over")
	}
	if i.err != nil {
		return nil, i.err
	}
	return i.world.grant(i.as, s.RefreshToken+"+")(ctx)
}

// renewing returns a world in which alice is logged in with the refresh token
// "r".
func renewing(t testing.TB) (*world, *issuer) {
	t.Helper()
	i := &issuer{as: alice}
	w := newWorld(t, func(w *world, cfg *Config) {
		i.world = w
		cfg.Renew = i.renew
	})
	if cred := w.login(t, alice, "r"); !cred.Renewable {
		t.Error("the credential is not renewable")
	}
	return w, i
}

// given checks which refresh tokens the issuer was given.
func (i *issuer) given(t testing.TB, want string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if got := strings.Join(i.asked, " "); got != want {
		t.Errorf("the issuer was given %q, want %q", got, want)
	}
}

func TestExpiredCertificateIsRenewed(t *testing.T) {
	w, i := renewing(t)
	w.signs(t, "", alice)
	i.given(t, "")
	w.pass(8*time.Minute + 40*time.Second)
	w.signs(t, "", alice)
	i.given(t, "")
	w.pass(51 * time.Second) // 29 seconds are left
	w.signs(t, "", alice)
	i.given(t, "r")
	w.pass(time.Hour)
	w.server.sweep()
	status, err := w.client.Status(t.Context())
	if err != nil || len(status.Credentials) != 1 || !status.Credentials[0].Renewable || status.Credentials[0].NotAfter.After(w.now()) {
		t.Errorf("status %+v, %v: want an expired, renewable credential", status, err)
	}
	w.signs(t, alice, alice)
	i.given(t, "r r+") // each refresh token once
}

// TestOneRenewalForAllWhoSign has 20 signatures at once need a new certificate.
func TestOneRenewalForAllWhoSign(t *testing.T) {
	w, i := renewing(t)
	w.pass(time.Hour)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { w.signs(t, "", alice) })
	}
	wg.Wait()
	i.given(t, "r")
}

// TestRenewedTokenOfAnotherPerson is refused, before an authority sees it, and
// ends the session.
func TestRenewedTokenOfAnotherPerson(t *testing.T) {
	w, i := renewing(t)
	i.as = bob
	w.pass(time.Hour)
	w.needsLogin(t, "")
	w.needsLogin(t, "")
	i.given(t, "r")
	w.needsLogin(t, bob)
	if log := w.log.String(); !strings.Contains(log, "getting a token: the new token is for another person") {
		t.Errorf("the log says\n%s", log)
	}
	w.login(t, alice, "")
	w.signs(t, "", alice)
}

// TestSamePerson: each differs in one thing.
func TestSamePerson(t *testing.T) {
	was := signer.Claims{Issuer: "i", Subject: "s", Email: alice, EmailVerified: true, Audience: []string{"sigstore"}}
	if err := samePerson(&signer.Claims{Issuer: "i", Subject: "s", Email: alice, EmailVerified: true}, &was); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*signer.Claims){
		"issuer":             func(c *signer.Claims) { c.Issuer = "j" },
		"subject":            func(c *signer.Claims) { c.Subject = "t" },
		"e-mail address":     func(c *signer.Claims) { c.Email = bob },
		"unverified address": func(c *signer.Claims) { c.EmailVerified = false },
	} {
		c := was
		change(&c)
		if samePerson(&c, &was) == nil {
			t.Errorf("another %s is not noticed", name)
		}
	}
}

func TestSessionSurvivesAnOutage(t *testing.T) {
	w, i := renewing(t)
	i.err = errAway{}
	w.pass(time.Hour)
	_, err := w.client.Sign(t.Context(), w.request("x", ""), nil)
	var remote *RemoteError
	if !errors.As(err, &remote) || !remote.Unreachable() || errors.Is(err, ErrNoCredential) {
		t.Errorf("error %v, want one that says that nobody answers", err)
	}
	i.mu.Lock()
	i.err = nil
	i.mu.Unlock()
	w.signs(t, "", alice)
	i.given(t, "r r")
}

func TestSessionEndsWhenTheIssuerSaysSo(t *testing.T) {
	w, i := renewing(t)
	i.err = &oidc.RefusedError{Code: "invalid_grant"}
	w.pass(time.Hour)
	w.needsLogin(t, "")
	w.needsLogin(t, "")
	i.given(t, "r")
}

// TestRenewsAheadOfNeed: once, and only what was in use.
func TestRenewsAheadOfNeed(t *testing.T) {
	w, i := renewing(t)
	w.signs(t, "", alice) // in the first half
	w.pass(9 * time.Minute)
	w.server.sweep()
	w.server.background.Wait()
	i.given(t, "")

	w.signs(t, "", alice) // in the last half
	w.server.sweep()
	w.server.background.Wait()
	i.given(t, "r")
	w.signs(t, "", alice)

	for range 40 {
		w.pass(time.Minute)
		w.server.sweep()
		w.server.background.Wait()
	}
	i.given(t, "r") // nobody has signed since
	w.signs(t, "", alice)
	i.given(t, "r r+")
}

// TestEarlyRenewalThatFailsIsNotRushed looks every second, in an outage.
func TestEarlyRenewalThatFailsIsNotRushed(t *testing.T) {
	w, i := renewing(t)
	i.err = errAway{}
	w.pass(8*time.Minute + 50*time.Second)
	w.signs(t, "", alice)
	for range 30 {
		w.server.sweep()
		w.server.background.Wait()
		w.pass(time.Second)
	}
	i.given(t, "r r")
	w.signs(t, "", alice) // 40 seconds are left
}

// TestForgottenWhileItIsRenewed does not come back.
func TestForgottenWhileItIsRenewed(t *testing.T) {
	w, i := renewing(t)
	i.wait = make(chan struct{})
	w.pass(9*time.Minute + 31*time.Second)
	var was *slot
	for _, was = range w.server.slots {
	}
	failed := make(chan error)
	go func() {
		_, err := w.dial(t).Sign(t.Context(), w.request("x", ""), nil)
		failed <- err
	}()
	for end := time.Now().Add(10 * time.Second); i.calls.Load() == 0; {
		if time.Now().After(end) {
			t.Fatal("nobody renews")
		}
	}
	if n, err := w.client.Forget(t.Context(), nil, ""); n != 1 || err != nil {
		t.Errorf("Forget = %d, %v, want 1", n, err)
	}
	close(i.wait)
	w.server.background.Wait()
	one, err := w.open(w.instance, givenToken(""))
	must(t, err)
	if _, err := one.SignWith(t.Context(), was.cred, commit("x")); !errors.Is(err, signer.ErrForgotten) {
		t.Errorf("signing with what was renewed: %v, want %v", err, signer.ErrForgotten)
	}
	if err := <-failed; !errors.Is(err, ErrNoCredential) {
		t.Errorf("error %v, want %v", err, ErrNoCredential)
	}
	w.needsLogin(t, "")
}

// TestSignatureOverWhichTheCertificateIsRenewed is made with the new one: while a
// person thinks about it the old key is forgotten.
func TestSignatureOverWhichTheCertificateIsRenewed(t *testing.T) {
	var w *world
	once := sync.OnceFunc(func() { w.login(t, alice, "") })
	w = newWorld(t, func(_ *world, cfg *Config) {
		cfg.Confirm = func(context.Context, string) error {
			once()
			return nil
		}
	})
	w.login(t, alice, "")
	w.signs(t, "", alice)
}

// TestAnAgentWithoutRenewTellsSo: it keeps no session that it has no use for.
func TestAnAgentWithoutRenewTellsSo(t *testing.T) {
	w := newWorld(t, nil)
	if cred := w.login(t, alice, "r"); cred.Renewable {
		t.Error("renewable")
	}
	w.server.sweep()
	for _, sl := range w.server.slots {
		if sl.session != nil {
			t.Error("the session is kept")
		}
	}
}
