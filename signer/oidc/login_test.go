package oidc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/internal/transport"
	"gitseal/signer"
	"gitseal/signer/oidc/oidctest"
)

// A desk is where a person sits: a terminal, and a browser.
type desk struct {
	oidctest.Person
	t     testing.TB
	visit func(loginURL string) // what they do with a login; nil: they log in
	seen  chan *oidctest.Page   // the last page of a login
	busy  sync.WaitGroup        // with a login

	mu   sync.Mutex
	text strings.Builder // guarded by mu: what is on the terminal
}

func newDesk(t testing.TB) *desk {
	d := &desk{t: t, seen: make(chan *oidctest.Page, 8)}
	t.Cleanup(d.busy.Wait)
	return d
}

// open is Config.OpenURL.
func (d *desk) open(loginURL string) error {
	d.busy.Add(1)
	defer d.busy.Done()
	if d.visit != nil {
		d.visit(loginURL)
		return nil
	}
	d.logIn(loginURL)
	return nil
}

// logIn logs in, and looks at the last page.
func (d *desk) logIn(loginURL string) {
	page, err := d.Login(context.Background(), loginURL) // people finish what they began
	if err != nil {
		d.t.Errorf("the browser: %v", err)
	}
	d.seen <- page
}

// page returns what the person saw in the end.
func (d *desk) page() *oidctest.Page {
	d.t.Helper()
	select {
	case page := <-d.seen:
		if page == nil {
			d.t.Fatal("the person saw no page")
		}
		return page
	case <-time.After(10 * time.Second):
		d.t.Fatal("the person saw no page")
		return nil
	}
}

// terminal is Config.Terminal.
func (d *desk) terminal() (io.WriteCloser, error) { return &tty{desk: d}, nil }

// told returns what is on the terminal.
func (d *desk) told() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// A tty is the terminal of a desk, opened once.
type tty struct {
	desk   *desk
	closed bool
}

func (w *tty) Write(p []byte) (int, error) {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	if w.closed {
		return 0, errors.New("write to a closed terminal")
	}
	return w.desk.text.Write(p)
}

func (w *tty) Close() error {
	w.closed = true
	return nil
}

// A secretKeeper knows what an issuer and its client must keep to themselves.
type secretKeeper struct {
	mu   sync.Mutex
	list []string // guarded by mu
}

func (k *secretKeeper) add(secrets ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, v := range secrets {
		if s, ok := v.(string); ok && s != "" {
			k.list = append(k.list, s)
		}
	}
}

// check checks that none of the secrets, nor the last part of a token, is in
// what people read, and that it is one line.
func (k *secretKeeper) check(t testing.TB, text string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, secret := range k.list {
		parts := strings.Split(secret, ".")
		if strings.Contains(text, secret) || strings.Contains(text, parts[len(parts)-1]) {
			t.Errorf("a secret is in %q", text)
		}
	}
}

// newIssuer starts an issuer at the time of the tests, and listens to what it
// says and is told.
func newIssuer(t testing.TB, cfg oidctest.Config) (*oidctest.Issuer, *secretKeeper) {
	t.Helper()
	k := new(secretKeeper)
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return testTime }
	}
	redirect, answer, code, before := cfg.Redirect, cfg.Tokens, cfg.Code, cfg.Before
	cfg.Redirect = func(query url.Values) {
		k.add(query.Get("code"))
		if redirect != nil {
			redirect(query)
		}
	}
	cfg.Tokens = func(m map[string]any) {
		k.add(m["id_token"], m["access_token"], m["refresh_token"])
		if answer != nil {
			answer(m)
		}
	}
	cfg.Code = func(m map[string]any) {
		k.add(m["device_code"])
		if code != nil {
			code(m)
		}
	}
	cfg.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("reading a request: %v", err)
			}
			r.Body = io.NopCloser(bytes.NewReader(text))
			form, err := url.ParseQuery(string(text))
			if err != nil {
				t.Errorf("a request that is no form: %v", err)
			}
			k.add(form.Get("code"), form.Get("code_verifier"), form.Get("refresh_token"), form.Get("device_code"), form.Get("client_secret"))
		}
		return before != nil && before(w, r)
	}
	issuer := oidctest.New(cfg)
	t.Cleanup(issuer.Close)
	return issuer, k
}

// loginAt returns how to log in at the issuer from the desk.
func loginAt(issuer *oidctest.Issuer, d *desk) Config {
	return Config{
		Issuer: issuer.URL, ClientID: "sigstore", Display: true, OpenURL: d.open, Terminal: d.terminal, Sleep: noSleep,
		Client: transport.New(transport.Config{UserAgent: "gitseal-test", Sleep: noSleep}),
		Now:    func() time.Time { return testTime },
	}
}

// refusal logs in, which must fail with these words and without a secret.
func refusal(t *testing.T, s Source, k *secretKeeper, want string) error {
	t.Helper()
	g, err := s.Grant(t.Context())
	if err == nil {
		t.Fatalf("got a token for %q, want an error with %q", identityOf(t, g), want)
	}
	checkError(t, err, want)
	k.check(t, err.Error())
	return err
}

// granted logs in, and checks who it is.
func granted(t *testing.T, s Source, want string) *Grant {
	t.Helper()
	g, err := s.Grant(t.Context())
	if err != nil {
		t.Fatalf("logging in: %v", err)
	}
	if got := identityOf(t, g); got != want {
		t.Errorf("logged in as %q, want %q", got, want)
	}
	return g
}

// identityOf returns the e-mail address of a token.
func identityOf(t testing.TB, g *Grant) string {
	t.Helper()
	return claimsOf(t, g).Email
}

// ending is a context that a test ends as a deadline would.
type ending struct {
	context.Context
	done chan struct{}
}

func newEnding(ctx context.Context) *ending { return &ending{ctx, make(chan struct{})} }

func (e *ending) end() { close(e.done) }

func (e *ending) Done() <-chan struct{} { return e.done }

func (e *ending) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func claimsOf(t testing.TB, g *Grant) *signer.Claims {
	t.Helper()
	claims, err := signer.ReadClaims(g.IDToken)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}
