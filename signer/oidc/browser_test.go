package oidc

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gitseal/signer/oidc/oidctest"
)

func TestBrowserLogsIn(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			issuer, _ := newIssuer(t, oidctest.Config{Algorithm: algorithm})
			d := newDesk(t)
			d.Email = "alice@example.com"
			g := granted(t, NewBrowser(loginAt(issuer, d)), "alice@example.com")
			if c := claimsOf(t, g); c.Issuer != issuer.URL || c.Audience[0] != "sigstore" {
				t.Errorf("the token is by %q for %q, want %q for sigstore", c.Issuer, c.Audience, issuer.URL)
			}
			want := Session{Issuer: issuer.URL, ClientID: "sigstore", Subject: oidctest.Subject("alice@example.com"), Email: "alice@example.com"}
			got := *g.Session
			if got.RefreshToken == "" {
				t.Error("the session has no refresh token")
			}
			if got.RefreshToken = ""; got != want {
				t.Errorf("session %+v, want %+v", got, want)
			}
			page := d.page()
			if page.Status != http.StatusOK || !strings.Contains(page.Text, "Signed in as alice@example.com") {
				t.Errorf("the person sees, with status %d: %s", page.Status, page.Text)
			}
		})
	}
}

// TestBrowserAsksSafely looks at the URL that the person is sent to.
func TestBrowserAsksSafely(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	var asked []*url.URL
	d.visit = func(loginURL string) {
		u, err := url.Parse(loginURL)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, u)
		d.logIn(loginURL)
	}
	cfg := loginAt(issuer, d)
	cfg.ConnectorID = "https://github.com/login/oauth"
	for range 2 {
		granted(t, NewBrowser(cfg), "dev@example.test")
		d.page()
	}
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "sigstore", "scope": "openid email offline_access", "code_challenge_method": "S256",
		"connector_id": "https://github.com/login/oauth",
	} {
		if got := asked[0].Query()[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge", "redirect_uri"} {
		first, second := asked[0].Query().Get(name), asked[1].Query().Get(name)
		if first == "" || first == second && name != "redirect_uri" {
			t.Errorf("%s is %q, then %q", name, first, second)
		}
	}
	back, err := url.Parse(asked[0].Query().Get("redirect_uri"))
	if err != nil || back.Scheme != "http" || back.Hostname() != "localhost" || back.Port() == "" || back.Path != "/auth/callback" {
		t.Errorf("the browser is sent back to %s, %v", back, err)
	}
	if got, want := strings.Count(d.told(), "\n"), 2; got != want {
		t.Errorf("%d lines on the terminal, want %d: %s", got, want, d.told())
	}
	if want := "gitseal: log in at " + asked[0].String() + "\n"; !strings.HasPrefix(d.told(), want) {
		t.Errorf("the terminal says %q, want %q", d.told(), want)
	}
}

func TestBrowserKeepsTheQueryOfTheEndpoint(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{Discovery: func(document map[string]any) {
		document["authorization_endpoint"] = document["authorization_endpoint"].(string) + "?user=tenant@example.com"
	}})
	granted(t, NewBrowser(loginAt(issuer, newDesk(t))), "tenant@example.com")
}

func TestBrowserHasNoSessionWhereTheIssuerHasNone(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{Discovery: func(document map[string]any) {
		document["scopes_supported"] = []string{"openid", "email"}
	}})
	if g := granted(t, NewBrowser(loginAt(issuer, newDesk(t))), oidctest.DefaultEmail); g.Session != nil {
		t.Error("there is a session, and nobody asked for one")
	}
}

func TestBrowserProvesItsClientSecret(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{Secret: "a client's s3cret"})
	cfg := loginAt(issuer, newDesk(t))
	refusal(t, NewBrowser(cfg), k, "the issuer refuses: invalid_client")
	cfg.ClientSecret = "a client's s3cret"
	g := granted(t, NewBrowser(cfg), oidctest.DefaultEmail)
	if g.Session.ClientSecret != cfg.ClientSecret {
		t.Error("the session cannot be renewed without the client's secret")
	}
}

// TestBrowserTimesOut: the person closes the page of the issuer.
func TestBrowserTimesOut(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	ctx := newEnding(t.Context())
	d.visit = func(loginURL string) {
		u, err := url.Parse(loginURL)
		if err != nil {
			t.Error(err)
		}
		if _, err := oidctest.Open(t.Context(), u.Query().Get("redirect_uri")+"?state=guessed&code=theirs"); err != nil {
			t.Error(err)
		}
		ctx.end()
	}
	_, err := NewBrowser(loginAt(issuer, d)).Grant(ctx)
	if !errors.Is(err, ErrNobody) {
		t.Fatalf("got error %v, want one that nobody logged in", err)
	}
	checkError(t, err, "nobody logged in in time: the page was closed, or left alone (requests that are not of this login, and were refused: 1)")
	k.check(t, err.Error())
}

// TestBrowserTimesOutByItself: the caller sets no end.
func TestBrowserTimesOutByItself(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	d.visit = func(string) {} // the person is elsewhere
	b := NewBrowser(loginAt(issuer, d)).(*browser)
	if b.patience != 5*time.Minute {
		t.Errorf("a person has %s, want five minutes", b.patience)
	}
	b.patience = 50 * time.Millisecond
	// On a slow machine the issuer may not even have been asked by then.
	if _, err := b.Grant(t.Context()); !errors.Is(err, ErrNobody) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want one that nobody logged in", err)
	}
}

func TestBrowserCanBeInterrupted(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	var back *url.URL
	d.visit = func(loginURL string) {
		u, err := url.Parse(loginURL)
		if err != nil {
			t.Error(err)
		}
		back, err = url.Parse(u.Query().Get("redirect_uri"))
		if err != nil {
			t.Error(err)
		}
		cancel()
	}
	_, err := NewBrowser(loginAt(issuer, d)).Grant(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want one about the interruption", err)
	}
	checkError(t, err, "the login was given up")
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", back.Port())); err == nil {
		conn.Close()
		t.Error("somebody still waits for the browser")
	}
}

func TestBrowserWithoutADisplayIsForWhoNamesIt(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	cfg := loginAt(issuer, d)
	for name, cannot := range map[string]func(cfg *Config){
		"no display": func(cfg *Config) { cfg.Display = false },
		"no program": func(cfg *Config) { cfg.OpenURL = nil },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			cannot(&cfg)
			// The person reads the URL, and types it in.
			cfg.Terminal = func() (io.WriteCloser, error) { return typist{d}, nil }
			s := NewBrowser(cfg)
			err := s.Available()
			if err == nil {
				t.Fatal("the browser is available")
			}
			checkError(t, err, "no browser can be shown")
			granted(t, s, oidctest.DefaultEmail)
			d.page()

			if err = s.(named).AvailableByName(); err != nil {
				t.Errorf("with a terminal: %v", err)
			}
			cfg.Terminal = nil
			_, err = NewBrowser(cfg).Grant(t.Context())
			if err == nil {
				t.Fatal("nobody was told, and somebody logged in")
			}
			checkError(t, err, "no browser can be shown, and there is no terminal")
		})
	}
}

// A typist types URLs that they read into a browser.
type typist struct{ desk *desk }

func (w typist) Write(p []byte) (int, error) {
	if _, u, ok := strings.Cut(string(p), "log in at "); ok {
		go w.desk.open(strings.TrimSpace(u))
	}
	return len(p), nil
}

func (typist) Close() error { return nil }

func TestBrowserThatDoesNotOpen(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	cfg := loginAt(issuer, d)
	cfg.OpenURL = func(string) error { return errors.New("exit status 3") }

	// The person has the URL on the terminal.
	cfg.Terminal = func() (io.WriteCloser, error) { return typist{d}, nil }
	granted(t, NewBrowser(cfg), oidctest.DefaultEmail)

	cfg.Terminal = func() (io.WriteCloser, error) { return nil, errors.New("there is no terminal") }
	refusal(t, NewBrowser(cfg), k, "opening the browser: exit status 3; and there is no terminal")
}

func TestLoginNeedsAnIssuerAndAClient(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	good := loginAt(issuer, newDesk(t))
	for _, s := range []func(Config) Source{NewBrowser, NewDevice} {
		if err := s(good).Available(); err != nil {
			t.Errorf("%s: %v", s(good).Name(), err)
		}
		for want, cfg := range map[string]Config{
			"no issuer is set to log in at": func(c Config) Config { c.Issuer = ""; return c }(good),
			"no server may be asked":        func(c Config) Config { c.Client = nil; return c }(good),
		} {
			err := s(cfg).Available()
			if err == nil {
				t.Errorf("%s is available, want an error with %q", s(cfg).Name(), want)
				continue
			}
			checkError(t, err, want)
			if _, err := s(cfg).Grant(t.Context()); err == nil {
				t.Errorf("%s gives a token, want an error with %q", s(cfg).Name(), want)
			}
		}
	}
}

// TestLoginKeyIsOfTheLogin: with a browser or on another device it is the same.
func TestLoginKeyIsOfTheLogin(t *testing.T) {
	cfg := Config{Issuer: "https://issuer.example", ClientID: "sigstore"}
	want := NewBrowser(cfg).Key()
	if got := NewDevice(cfg).Key(); got != want {
		t.Errorf("the device has key %s, the browser %s", got, want)
	}
	shown := cfg
	shown.Display, shown.Audience = true, "sigstore"
	if got := NewBrowser(shown).Key(); got != want {
		t.Errorf("with a display the key is %s, without %s", got, want)
	}
	seen := map[string]string{want: "itself"}
	for name, change := range map[string]func(c *Config){
		"issuer":    func(c *Config) { c.Issuer = "https://other.example" },
		"client":    func(c *Config) { c.ClientID = "other" },
		"connector": func(c *Config) { c.ConnectorID = "github" },
	} {
		other := cfg
		change(&other)
		got := NewBrowser(other).Key()
		if seen[got] != "" {
			t.Errorf("another %s has the key of %s", name, seen[got])
		}
		seen[got] = name
	}
}
