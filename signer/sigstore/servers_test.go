package sigstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
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

// servers are those of an embedded authority, in process, with something
// between them and their client.
type servers struct {
	authority *fakeca.Authority
	honest    http.Handler
	config    sigstore.Config
	verifier  *verifier.Verifier

	mu     sync.Mutex
	asked  []string // guarded by mu: method and path of each request
	pauses int      // guarded by mu: of the client
	// between, where it is not nil, may answer in the place of the servers; it
	// calls honest for what they would have said.
	between func(w http.ResponseWriter, r *http.Request, honest http.Handler)
}

func newServers(t *testing.T, generation fakeca.Generation) *servers {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Log: generation})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	s := &servers{authority: a, honest: server.New(a)}
	const base = "http://127.0.0.1"
	configJSON, err := server.SigningConfig(a, base)
	if err != nil {
		t.Fatal(err)
	}
	if s.config.Signing, err = trust.ParseSigningConfig(configJSON); err != nil {
		t.Fatal(err)
	}
	if s.config.TrustedRoot, err = trust.Parse(a.TrustedRoot()); err != nil {
		t.Fatal(err)
	}
	if s.verifier, err = verifier.New(verifier.Config{TrustedRoots: []*trust.TrustedRoot{s.config.TrustedRoot}}); err != nil {
		t.Fatal(err)
	}
	s.config.Client = transport.New(transport.Config{
		UserAgent: "gitseal/test", RoundTripper: server.RoundTripper(s),
		Sleep: func(ctx context.Context, _ time.Duration) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.pauses++
			return ctx.Err()
		},
	})
	return s
}

func (s *servers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if s.between != nil {
		s.between(w, r, s.honest)
		return
	}
	s.honest.ServeHTTP(w, r)
}

// count returns how often a path was asked.
func (s *servers) count(request string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, asked := range s.asked {
		if strings.HasPrefix(asked, request) {
			n++
		}
	}
	return n
}

func (s *servers) signer(t *testing.T) *signer.Signer {
	t.Helper()
	in, err := sigstore.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	sg, err := signer.New(signer.Config{
		Tokens: vouched{s.authority}, CA: in.CA(), Logs: in.Logs(), Timestampers: in.Timestampers(), Verifier: s.verifier,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sg
}

type vouched struct{ authority *fakeca.Authority }

func (v vouched) Token(ctx context.Context) (string, error) { return v.authority.Token(ctx, alice) }

var generations = []fakeca.Generation{fakeca.RekorV1, fakeca.RekorV2}

// Paths of the services.
const (
	fulcioV2, fulcioV1 = "POST /api/v2/signingCert", "POST /api/v1/signingCert"
	uploadV1, uploadV2 = "POST /api/v1/log/entries", "POST /api/v2/log/entries"
	stampPath          = "POST /api/v1/timestamp"
)

func upload(g fakeca.Generation) string {
	if g == fakeca.RekorV1 {
		return uploadV1
	}
	return uploadV2
}

func is(r *http.Request, request string) bool { return r.Method+" "+r.URL.Path == request }

// statement is the only kind of payload that sigstore-go takes in an envelope.
var statement = []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":"00"}}],"predicateType":"https://example.test/p","predicate":{}}`)

func TestSignsThroughServers(t *testing.T) {
	for _, generation := range generations {
		s := newServers(t, generation)
		sig, err := s.signer(t).Sign(t.Context(), []byte("payload"))
		if err != nil {
			t.Fatalf("%v: %v", generation, err)
		}
		if got, want := sig.Result.Certificate.Identity, (verifier.Identity{Issuer: s.authority.Issuer(), Subject: alice}); got != want {
			t.Errorf("%v: signed as %v, want %v", generation, got, want)
		}
		if len(s.asked) != 3 || s.count(fulcioV2) != 1 || s.count(upload(generation)) != 1 || s.count(stampPath) != 1 {
			t.Errorf("%v: asked %v, want each service once", generation, s.asked)
		}
		sg := s.signer(t)
		cred, err := sg.NewCredential(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		o := newOracle(t, s.authority.TrustedRoot())
		artifact := []byte("artifact")
		blob, err := sg.SignDigest(t.Context(), cred, sha256.Sum256(artifact))
		if err != nil {
			t.Fatalf("%v: %v", generation, err)
		}
		o.check(t, blob, artifact, s.authority.Issuer(), alice)
		if blob, err = sg.SignDSSE(t.Context(), cred, "application/vnd.in-toto+json", statement); err != nil {
			t.Fatalf("%v: %v", generation, err)
		}
		o.check(t, blob, nil, s.authority.Issuer(), alice)
	}
}

// TestFirstVersionOfFulcio has a server that knows the second one not.
func TestFirstVersionOfFulcio(t *testing.T) {
	s := newServers(t, fakeca.RekorV2)
	detached := false
	s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		if is(r, fulcioV2) {
			http.NotFound(w, r)
			return
		}
		if detached {
			w.Header().Set("SCT", "eyJ9")
		}
		honest.ServeHTTP(w, r)
	}
	if _, err := s.signer(t).Sign(t.Context(), []byte("x")); err != nil || s.count(fulcioV1) != 1 {
		t.Errorf("signing: %v; asked %v", err, s.asked)
	}
	detached = true
	if _, err := s.signer(t).Sign(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "beside it, not in it") {
		t.Errorf("detached SCT: %v", err)
	}
	s.between = func(w http.ResponseWriter, r *http.Request, _ http.Handler) { http.NotFound(w, r) }
	if _, err := s.signer(t).Sign(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "/api/v1/signingCert: status 404") {
		t.Errorf("neither version: %v", err)
	}
}

// TestOnlyNotFoundLeadsToTheFirstVersion: any other answer is the answer.
func TestOnlyNotFoundLeadsToTheFirstVersion(t *testing.T) {
	for _, status := range []int{400, 401, 403, 405, 429, 500, 501, 503, 201, 204} {
		s := newServers(t, fakeca.RekorV2)
		s.between = func(w http.ResponseWriter, r *http.Request, _ http.Handler) { w.WriteHeader(status) }
		_, err := s.signer(t).Sign(t.Context(), []byte("x"))
		var step *signer.StepError
		var answer *transport.StatusError
		if !errors.As(err, &step) || step.Step != "certifying the key" || !errors.As(err, &answer) || answer.Status != status || answer.Service != "Fulcio" {
			t.Errorf("status %d: %v", status, err)
		}
		if len(s.asked) != 1 {
			t.Errorf("status %d: asked %v; a token is sent once", status, s.asked)
		}
	}
}

// TestUploadWhoseAnswerIsLost repeats it, and has the entry that is there
// given out.
func TestUploadWhoseAnswerIsLost(t *testing.T) {
	for _, generation := range generations {
		s := newServers(t, generation)
		lost := 0
		s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
			if is(r, upload(generation)) && lost == 0 {
				lost++
				honest.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			honest.ServeHTTP(w, r)
		}
		sig, err := s.signer(t).Sign(t.Context(), []byte("x"))
		if err != nil || sig.Result.Log.TreeIndex != 0 {
			t.Errorf("%v: %v, want the first entry", generation, err)
		}
		if s.count(upload(generation)) != 2 {
			t.Errorf("%v: asked %v, want two uploads", generation, s.asked)
		}
	}
}

// TestEntryThatIsThereButNotGivenOut: the log says that it has the entry, and
// then does not find it for a while, or for ever.
func TestEntryThatIsThereButNotGivenOut(t *testing.T) {
	for _, generation := range generations {
		for _, missing := range []int{3, 1000} {
			s := newServers(t, generation)
			s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
				if is(r, upload(generation)) {
					honest.ServeHTTP(httptest.NewRecorder(), clone(t, r))
				}
				if r.Method == http.MethodGet && missing > 0 {
					missing--
					http.NotFound(w, r)
					return
				}
				honest.ServeHTTP(w, r)
			}
			_, err := s.signer(t).Sign(t.Context(), []byte("x"))
			// Rekor v2 says that there is an entry when it can prove it.
			if generation == fakeca.RekorV1 && missing == 0 {
				if err != nil || s.pauses != 3 {
					t.Errorf("%v, after a while: %v, %d pauses", generation, err, s.pauses)
				}
				continue
			}
			var step *signer.StepError
			if !errors.As(err, &step) || step.Step != "recording the signature in the log" || !strings.Contains(err.Error(), "log http://127.0.0.1 has the entry already") {
				t.Errorf("%v: %v", generation, err)
			}
		}
	}
}

// clone returns the request with a body of its own, and leaves r as it was.
func clone(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		t.Error(err)
	}
	again := r.Clone(r.Context())
	r.Body, again.Body = io.NopCloser(bytes.NewReader(body.Bytes())), io.NopCloser(bytes.NewReader(body.Bytes()))
	return again
}

func TestBusyServersAreAskedAgain(t *testing.T) {
	for _, generation := range generations {
		for _, path := range []string{upload(generation), stampPath} {
			s := newServers(t, generation)
			failed := false
			s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
				if is(r, path) && !failed {
					failed = true
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				honest.ServeHTTP(w, r)
			}
			if _, err := s.signer(t).Sign(t.Context(), []byte("x")); err != nil || s.count(path) != 2 {
				t.Errorf("%v, %s: %v; asked %v", generation, path, err, s.asked)
			}
		}
	}
}

func TestConnectOpensTheConnectionsThatAreUsed(t *testing.T) {
	s := newServers(t, fakeca.RekorV2)
	live := httptest.NewServer(s)
	t.Cleanup(live.Close)
	for _, list := range [][]trust.Service{s.config.Signing.CAs, s.config.Signing.TLogs, s.config.Signing.TSAs} {
		for i := range list {
			list[i].URL = live.URL + strings.TrimPrefix(list[i].URL, "http://127.0.0.1")
		}
	}
	var mu sync.Mutex
	opened := make(map[string]time.Duration) // by service
	s.config.Client = transport.New(transport.Config{UserAgent: "gitseal/test", Trace: func(ev transport.Event) {
		mu.Lock()
		defer mu.Unlock()
		opened[ev.Service] += ev.Connect
	}})
	in, err := sigstore.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	in.Connect(t.Context())
	if _, err := s.signer(t).Sign(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if opened["connection"] <= 0 || opened["Fulcio"] != 0 {
		t.Errorf("time spent opening connections, by service: %v, want Fulcio's to be open", opened)
	}
}

func TestNewSelectsOrSaysWhyNot(t *testing.T) {
	s := newServers(t, fakeca.RekorV2)
	for _, tt := range []struct {
		name   string
		change func(*sigstore.Config, *trust.SigningConfig)
		want   string
	}{
		{"no client", func(c *sigstore.Config, _ *trust.SigningConfig) { c.Client = nil }, "are required"},
		{"no config", func(c *sigstore.Config, _ *trust.SigningConfig) { c.Signing = nil }, "are required"},
		{"no authority", func(_ *sigstore.Config, c *trust.SigningConfig) { c.CAs = nil }, "names no certificate authority"},
		{"no log", func(_ *sigstore.Config, c *trust.SigningConfig) { c.TLogs = nil }, "names no log"},
		{"no time", func(_ *sigstore.Config, c *trust.SigningConfig) { c.TSAs = nil }, "vouches for no time"},
		{"time-stamp authority of another version", func(_ *sigstore.Config, c *trust.SigningConfig) {
			c.TSAs = []trust.Service{{URL: "https://tsa.example", MajorAPIVersion: 2}}
		}, "no usable time-stamp authority in the signing config: https://tsa.example has API version 2"},
	} {
		cfg, signing := s.config, *s.config.Signing
		cfg.Signing = &signing
		tt.change(&cfg, &signing)
		if in, err := sigstore.New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) || in != nil {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	v1 := newServers(t, fakeca.RekorV1)
	v1.config.Signing.TSAs = nil
	in, err := sigstore.New(v1.config)
	if err != nil || in.Timestampers() != nil || fmt.Sprint(in.URLs()) != "[http://127.0.0.1 http://127.0.0.1]" {
		t.Errorf("a log that tells the time needs no time-stamp authority: %v", err)
	}
}

// TestTrustedRootThatHasOutlivedItsServers is refused before anybody is asked.
func TestTrustedRootThatHasOutlivedItsServers(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(root *trust.TrustedRoot, ended trust.Window)
		want   string // "": signs
	}{
		"no logs":        {func(r *trust.TrustedRoot, _ trust.Window) { r.TLogs = nil }, "names no log that is still in use"},
		"log that ended": {func(r *trust.TrustedRoot, ended trust.Window) { r.TLogs[0].ValidFor = ended }, "names no log that is still in use"},
		"one log of two ended": {func(r *trust.TrustedRoot, ended trust.Window) {
			r.TLogs = append([]trust.Log{r.TLogs[0]}, r.TLogs...)
			r.TLogs[0].ValidFor = ended
		}, ""},
		"no time-stamp authorities": {func(r *trust.TrustedRoot, _ trust.Window) { r.TimestampAuthorities = nil }, "names no time-stamp authority that is still in use"},
		"time-stamp authority that ended": {func(r *trust.TrustedRoot, ended trust.Window) { r.TimestampAuthorities[0].ValidFor = ended },
			"names no time-stamp authority that is still in use"},
	} {
		s := newServers(t, fakeca.RekorV2)
		root, err := trust.Parse(s.authority.TrustedRoot())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		tt.change(root, trust.Window{Start: now.Add(-time.Hour), End: now.Add(-time.Minute)})
		s.config.TrustedRoot = root
		if _, err := sigstore.New(s.config); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
	}
}
