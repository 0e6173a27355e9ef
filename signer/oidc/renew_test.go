package oidc

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/internal/transport"
	"gitseal/signer/oidc/oidctest"
)

// loggedIn logs in, and returns the session and what is needed to renew it.
func loggedIn(t *testing.T, issuer *oidctest.Issuer) (*Session, *transport.Client) {
	t.Helper()
	cfg := loginAt(issuer, newDesk(t))
	g := granted(t, NewBrowser(cfg), oidctest.DefaultEmail)
	if g.Session == nil {
		t.Fatal("there is no session")
	}
	return g.Session, cfg.Client
}

func TestRenewGetsAnotherToken(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	s, client := loggedIn(t, issuer)
	first := *s
	for range 3 {
		g, err := Renew(t.Context(), client, s, testTime)
		if err != nil {
			t.Fatal(err)
		}
		if got := identityOf(t, g); got != oidctest.DefaultEmail {
			t.Errorf("renewed for %q, want %q", got, oidctest.DefaultEmail)
		}
		if g.Session.RefreshToken == s.RefreshToken {
			t.Error("the issuer's new refresh token was not kept")
		}
		want := *s
		want.RefreshToken = g.Session.RefreshToken
		if *g.Session != want {
			t.Errorf("the session is another, but for its refresh token: %+v, want %+v", *g.Session, want)
		}
		s = g.Session
	}

	// One that was used counts no more.
	_, err := Renew(t.Context(), client, &first, testTime)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != "invalid_grant" {
		t.Fatalf("got error %v, want a RefusedError", err)
	}
	checkError(t, err, "renewing the login at "+issuer.URL+": the issuer refuses: invalid_grant")
	k.check(t, err.Error())
}

func TestRenewKeepsTheRefreshTokenThatStillCounts(t *testing.T) {
	first := ""
	issuer, _ := newIssuer(t, oidctest.Config{Tokens: func(answer map[string]any) {
		if first == "" {
			first = answer["refresh_token"].(string)
			return
		}
		delete(answer, "refresh_token")
	}})
	s, client := loggedIn(t, issuer)
	g, err := Renew(t.Context(), client, s, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if g.Session.RefreshToken != first {
		t.Error("the refresh token was lost")
	}
}

// TestRenewRefuses has one thing wrong in each, once the person has logged in.
func TestRenewRefuses(t *testing.T) {
	later := func(name string, value any) func(renewing *bool) oidctest.Config {
		return func(renewing *bool) oidctest.Config {
			return oidctest.Config{Claims: func(claims map[string]any) {
				if *renewing {
					if claims[name] = value; value == nil {
						delete(claims, name)
					}
				}
			}}
		}
	}
	answer := func(change func(map[string]any)) func(renewing *bool) oidctest.Config {
		return func(renewing *bool) oidctest.Config {
			return oidctest.Config{Tokens: func(answer map[string]any) {
				if *renewing {
					change(answer)
				}
			}}
		}
	}
	for name, tt := range map[string]struct {
		cfg  func(renewing *bool) oidctest.Config
		want string
	}{
		"another subject":       {later("sub", "another"), "the issuer's new token is for another subject than the session"},
		"another address":       {later("email", "eve@example.com"), `the issuer's new token is for "eve@example.com", the session for "dev@example.test"`},
		"no address":            {later("email", nil), `the issuer's new token is for "", the session for "dev@example.test"`},
		"an unverified address": {later("email_verified", false), "the issuer has not verified the e-mail address"},
		"another audience":      {later("aud", "vault"), `expected audience "sigstore"`},
		"another issuer":        {later("iss", "https://other.example"), "issued by a different provider"},
		"an expired token":      {later("exp", testTime.Add(-time.Second).Unix()), "the identity token expired"},
		"no identity token":     {answer(func(m map[string]any) { delete(m, "id_token") }), "there is no identity token among them"},
		"another access token":  {answer(func(m map[string]any) { m["access_token"] = "another" }), "the identity token belongs to another access token"},
	} {
		t.Run(name, func(t *testing.T) {
			renewing := false
			issuer, k := newIssuer(t, tt.cfg(&renewing))
			s, client := loggedIn(t, issuer)
			renewing = true
			g, err := Renew(t.Context(), client, s, testTime)
			if err == nil {
				t.Fatalf("got a token for %q, want an error with %q", identityOf(t, g), tt.want)
			}
			checkError(t, err, tt.want)
			k.check(t, err.Error())
		})
	}
}

func TestRenewsWordsHoldNoSecret(t *testing.T) {
	renewing := false
	issuer, k := newIssuer(t, oidctest.Config{Before: func(w http.ResponseWriter, r *http.Request) bool {
		if !renewing || r.URL.Path != "/token" {
			return false
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(text))
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":"invalid_grant","error_description":"nobody has `+form.Get("refresh_token")+`"}`)
		return true
	}})
	s, client := loggedIn(t, issuer)
	renewing = true
	_, err := Renew(t.Context(), client, s, testTime)
	if err == nil {
		t.Fatal("the login was renewed")
	}
	checkError(t, err, "(nobody has [redacted])")
	k.check(t, err.Error())
}

// TestRenewTellsAbsenceFromRefusal: a session outlasts a server that is not
// there, whatever the words in which a gateway says so.
func TestRenewTellsAbsenceFromRefusal(t *testing.T) {
	renewing := false
	issuer, k := newIssuer(t, oidctest.Config{Before: func(w http.ResponseWriter, r *http.Request) bool {
		if !renewing || r.URL.Path != "/token" {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"error":"temporarily_unavailable","error_description":"come back later"}`)
		return true
	}})
	s, client := loggedIn(t, issuer)
	renewing = true
	_, err := Renew(t.Context(), client, s, testTime)
	if err == nil {
		t.Fatal("the login was renewed")
	}
	checkError(t, err, "status 503 Service Unavailable")
	k.check(t, err.Error())
	var away interface{ Unreachable() bool }
	if !errors.As(err, &away) || !away.Unreachable() {
		t.Errorf("got error %v, want one that says that nobody is there", err)
	}
}

// TestRenewSpendsNothingWithoutTheIssuersKeys: a refresh token that was rotated,
// for a token that could not be verified, would end the session.
func TestRenewSpendsNothingWithoutTheIssuersKeys(t *testing.T) {
	var away atomic.Bool
	issuer, _ := newIssuer(t, oidctest.Config{Before: func(_ http.ResponseWriter, r *http.Request) bool {
		if away.Load() && r.URL.Path == "/keys" {
			panic(http.ErrAbortHandler)
		}
		return false
	}})
	s, client := loggedIn(t, issuer)
	away.Store(true)
	if _, err := Renew(t.Context(), client, s, testTime); err == nil {
		t.Fatal("renewed without the issuer's keys")
	}
	away.Store(false)
	if _, err := Renew(t.Context(), client, s, testTime); err != nil {
		t.Errorf("once the keys are there again: %v", err)
	}
}

func TestRenewNeedsAWholeSession(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	s, client := loggedIn(t, issuer)
	asked := issuer.Requests("/token")
	for name, lose := range map[string]func(s *Session){
		"refresh token": func(s *Session) { s.RefreshToken = "" },
		"subject":       func(s *Session) { s.Subject = "" },
		"client":        func(s *Session) { s.ClientID = "" },
	} {
		broken := *s
		lose(&broken)
		if _, err := Renew(t.Context(), client, &broken, testTime); err == nil {
			t.Errorf("renewed without %s", name)
		} else {
			checkError(t, err, "the session is incomplete")
		}
	}
	if got := issuer.Requests("/token"); got != asked {
		t.Errorf("the issuer was asked %d times for tokens", got-asked)
	}
}
