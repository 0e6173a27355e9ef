//go:build unix

package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/signer/oidc"
	"gitseal/verifier"
)

// clocks are the clocks of an agent and its servers.
type clocks struct {
	mu   sync.Mutex
	wall time.Time
	up   time.Duration
}

func newClocks() *clocks { return &clocks{wall: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)} }

func (c *clocks) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clocks) uptime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

// pass lets time pass; jump sets the wall clock.
func (c *clocks) pass(d time.Duration) { c.set(d, d) }
func (c *clocks) jump(d time.Duration) { c.set(d, 0) }

func (c *clocks) set(wall, up time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.up = c.wall.Add(wall), c.up+up
}

// A world is an authority, an agent that signs with it, and a client.
type world struct {
	*clocks
	authority *fakeca.Authority
	verifier  *verifier.Verifier
	instance  *Instance
	server    *Server
	client    *Client
	path      string
	log       *buffer
	stop      func() error // ends the agent
	wait      func() error // until it has ended
}

// A buffer is written to and read by several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newAuthority returns an authority, who verifies what it signs, and it as an
// agent knows it.
func newAuthority(t testing.TB, clock func() time.Time) (*fakeca.Authority, *verifier.Verifier, *Instance) {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	return a, v, &Instance{Name: "test", TrustedRoot: a.TrustedRoot(), SigningConfig: a.SigningConfig(), Audience: "sigstore"}
}

// newWorld returns a world in which change has changed how the agent works.
func newWorld(t testing.TB, change func(*world, *Config)) *world {
	t.Helper()
	w := &world{clocks: newClocks(), log: new(buffer)}
	w.authority, w.verifier, w.instance = newAuthority(t, w.now)
	cfg := Config{
		Open: w.open, Now: w.now, Uptime: w.uptime, Version: "test",
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(w, &cfg)
	}
	var err error
	if w.server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	w.path = filepath.Join(shortDir(t), "d", "agent.sock")
	l, err := Listen(w.path)
	if err != nil {
		t.Fatal(err)
	}
	w.serve(t, l)
	w.client = w.dial(t)
	return w
}

// serve has the agent serve.
func (w *world) serve(t testing.TB, l net.Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, l) }()
	w.wait = sync.OnceValue(func() error { return <-ended })
	w.stop = func() error {
		cancel()
		return w.wait()
	}
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// shortDir returns a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// open returns a signer on the authority.
func (w *world) open(_ *Instance, tokens signer.TokenSource) (*signer.Signer, error) {
	return signer.New(signer.Config{
		Tokens: tokens, CA: w.authority, Logs: []signer.Log{w.authority}, Timestampers: []signer.Timestamper{w.authority},
		Verifier: w.verifier, Audience: "sigstore", Now: w.now,
	})
}

func (w *world) dial(t testing.TB) *Client {
	t.Helper()
	c, err := Dial(t.Context(), ClientConfig{Path: w.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// grant returns a function that logs the subject in, with a session if refresh
// is not "".
func (w *world) grant(subject, refresh string) func(context.Context) (*oidc.Grant, error) {
	return func(ctx context.Context) (*oidc.Grant, error) {
		token, err := w.authority.Token(ctx, subject)
		if err != nil {
			return nil, err
		}
		g := &oidc.Grant{IDToken: token}
		if refresh != "" {
			g.Session = &oidc.Session{
				Issuer: w.authority.Issuer(), ClientID: "sigstore", ClientSecret: "shh-" + refresh, Subject: subject, Email: subject, RefreshToken: refresh,
			}
		}
		return g, nil
	}
}

// noLogin is a login that must not be asked for.
func noLogin(context.Context) (*oidc.Grant, error) { return nil, errors.New("asked to log in") }

// login logs the subject in.
func (w *world) login(t testing.TB, subject, refresh string) *Credential {
	t.Helper()
	cred, err := w.client.Relogin(t.Context(), w.instance, source, "", w.grant(subject, refresh))
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

// request returns a request to sign a commit.
func (w *world) request(message, expect string) *SignRequest {
	return &SignRequest{Instance: w.instance.Digest(), Source: source, Expect: expect, Payload: commit(message)}
}

// signs checks that a commit is signed, and by whom.
func (w *world) signs(t testing.TB, expect, want string) {
	t.Helper()
	r := w.request("signs", expect)
	answer, err := w.client.Sign(t.Context(), r, nil)
	if err != nil {
		t.Errorf("signing as %q: %v", expect, err)
		return
	}
	w.verify(t, r.Payload, answer, want)
}

// verify checks that an answer is a signature of the payload by who is wanted.
func (w *world) verify(t testing.TB, payload []byte, answer *SignAnswer, want string) {
	t.Helper()
	result, err := w.verifier.Verify(payload, answer.Armored, verifier.AnyIdentity{})
	if err != nil {
		t.Error(err)
	} else if got := result.Certificate.Identity.Subject; got != want {
		t.Errorf("signed by %q, want %q", got, want)
	}
}

// needsLogin checks that nothing is signed without a login.
func (w *world) needsLogin(t testing.TB, expect string) {
	t.Helper()
	if answer, err := w.client.Sign(t.Context(), w.request("needs login", expect), nil); !errors.Is(err, ErrNoCredential) {
		t.Errorf("signing as %q = %v, %v, want %v", expect, answer, err, ErrNoCredential)
	}
}

// raw connects to the agent, and takes its greeting.
func (w *world) raw(t testing.TB) *wire {
	t.Helper()
	conn, err := net.Dial("unix", w.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &wire{conn: conn}
	if _, err := r.greeting(t.Context(), quietTime); err != nil {
		t.Fatal(err)
	}
	return r
}

// gone waits until the agent closes the connection, whatever it says before.
func gone(t testing.TB, w *wire) {
	t.Helper()
	err := w.within(10*time.Second, func() error {
		_, err := io.Copy(io.Discard, w.conn)
		return err
	})
	if err == errSlow {
		t.Error("the connection stays open")
	}
}
