package sigstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

// A rig signs through servers of which one is at fault, and keeps what may hold
// a secret that got out.
type rig struct {
	generation fakeca.Generation
	authority  *fakeca.Authority
	now        func() time.Time // what the signer's clock says
	transport  transport.Config // RoundTripper is set by who signs

	mu     sync.Mutex
	tokens []string          // guarded by mu
	events []transport.Event // guarded by mu
	pauses []time.Duration   // guarded by mu: between attempts
	asked  map[string]int    // guarded by mu: by method and path
}

func newRig(t *testing.T, generation fakeca.Generation) *rig {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Log: generation})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	g := &rig{generation: generation, authority: a, now: time.Now, asked: make(map[string]int)}
	g.transport = transport.Config{
		UserAgent: "gitseal/test",
		Trace: func(e transport.Event) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.events = append(g.events, e)
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.pauses = append(g.pauses, d)
			return ctx.Err()
		},
	}
	return g
}

// Token implements signer.TokenSource.
func (g *rig) Token(ctx context.Context) (string, error) {
	token, err := g.authority.Token(ctx, alice)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens = append(g.tokens, token)
	return token, err
}

// urls are where the servers are.
type urls struct {
	ca, log string
	tsa     string // "": there is none
}

// sign signs a payload with the servers.
func (g *rig) sign(t *testing.T, ctx context.Context, at urls) (*signer.Signature, error) {
	t.Helper()
	config, err := trust.ParseSigningConfig(g.authority.SigningConfig())
	if err != nil {
		t.Fatal(err)
	}
	config.CAs[0].URL, config.TLogs[0].URL, config.TSAs[0].URL = at.ca, at.log, at.tsa
	if at.tsa == "" {
		config.TSAs, config.TSAConfig = nil, trust.Selection{}
	}
	root, err := trust.Parse(g.authority.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*trust.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := sigstore.New(sigstore.Config{Client: transport.New(g.transport), Signing: config, TrustedRoot: root, Now: g.now})
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.New(signer.Config{
		Tokens: g, CA: in.CA(), Logs: in.Logs(), Timestampers: in.Timestampers(), Verifier: v, Now: g.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Sign(ctx, []byte("payload"))
}

// inProcess has the handler answer for all servers.
func (g *rig) inProcess(h http.Handler) urls {
	g.transport.RoundTripper = server.RoundTripper(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.count(r)
		h.ServeHTTP(w, r)
	}))
	return urls{"http://127.0.0.1", "http://127.0.0.1", "http://127.0.0.1/api/v1/timestamp"}
}

// count returns the how manieth request for its path this is.
func (g *rig) count(r *http.Request) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[r.Method+" "+r.URL.Path]++
	return g.asked[r.Method+" "+r.URL.Path]
}

// refused checks that signing failed at the step with the words, gave nothing
// out, and told no secret.
func (g *rig) refused(t *testing.T, sig *signer.Signature, err error, step, words string) {
	t.Helper()
	if err == nil || sig != nil {
		t.Fatalf("Sign = %v, %v, want an error at %q", sig, err, step)
	}
	var at *signer.StepError
	if !errors.As(err, &at) || at.Step != step || !strings.Contains(err.Error(), words) {
		t.Errorf("Sign: %v\nwant an error at %q with %q", err, step, words)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("an error of several lines: %q", err)
	}
	g.keptSecrets(t, err)
}

// keptSecrets checks that no part of a token is in an error or a trace.
func (g *rig) keptSecrets(t *testing.T, err error) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	told := fmt.Sprintf("%v %+v %#v %+v", err, err, err, g.events)
	if len(g.tokens) == 0 {
		t.Error("no token was asked for: there was no secret to keep")
	}
	for _, token := range g.tokens {
		for i, part := range strings.Split(token, ".") {
			if strings.Contains(told, part) {
				t.Errorf("part %d of a token is in %s", i, told)
			}
		}
	}
}

// record has a handler answer, and returns the answer.
func record(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// replay answers with what was recorded and, if it is not nil, another body.
func replay(w http.ResponseWriter, recorded *httptest.ResponseRecorder, body []byte) {
	for name, values := range recorded.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorded.Code)
	if body == nil {
		body = recorded.Body.Bytes()
	}
	_, _ = w.Write(body) // the client may have gone
}

// edited returns JSON after a change of what it says.
func edited(t *testing.T, text []byte, edit func(o map[string]any)) []byte {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var o map[string]any
	if err := d.Decode(&o); err != nil {
		t.Error(err)
	}
	edit(o)
	text, err := json.Marshal(o)
	if err != nil {
		t.Error(err)
	}
	return text
}

// withBody returns the request with another body.
func withBody(r *http.Request, body []byte) *http.Request {
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return again
}
