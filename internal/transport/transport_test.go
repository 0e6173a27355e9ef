package transport

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pauses is a Sleep that notes what it was asked for and does not wait.
type pauses struct{ list []time.Duration }

func (p *pauses) sleep(ctx context.Context, d time.Duration) error {
	p.list = append(p.list, d)
	return ctx.Err()
}

// newClient returns a client whose pauses are as long as they may get.
func newClient(change func(*Config)) (*Client, *pauses) {
	p := new(pauses)
	cfg := Config{UserAgent: "gitseal/test", Sleep: p.sleep, Rand: func() float64 { return 1 }}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), p
}

// nobody is the URL of a server that is not there: the port is none that a
// system gives to who asks for any, as that of a server that was closed is.
const nobody = "http://127.0.0.1:1"

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func TestRequestArrivesAsItIs(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing shows in the answer
		w.Header().Set("X-Seen", "yes")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %s %s %s %s %s %s", r.Method, r.URL, r.UserAgent(), r.Header.Get("Content-Type"),
			r.Header.Get("Accept"), r.Header.Get("Authorization"), body)
	})
	c, _ := newClient(nil)
	resp, err := c.Do(context.Background(), &Request{
		Service: "S", URL: s.URL + "/a%2Fb?c=d", ContentType: "text/x", Accept: "text/y", Bearer: "t.o-k~e+n/==", Body: []byte("body"),
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = "POST /a%2Fb?c=d gitseal/test text/x text/y Bearer t.o-k~e+n/== body"
	if resp.Status != 201 || string(resp.Body) != want || resp.Header.Get("X-Seen") != "yes" {
		t.Errorf("answer %d %q, want 201 %q", resp.Status, resp.Body, want)
	}
	if resp, err = c.Do(context.Background(), &Request{Service: "S", URL: s.URL}); err != nil || !strings.HasPrefix(string(resp.Body), "GET ") {
		t.Errorf("a request without body: %v, %v, want GET", resp, err)
	}
}

// TestTokensGoNowhereElse has requests that would show a token to others: no
// attempt is made.
func TestTokensGoNowhereElse(t *testing.T) {
	for _, tt := range []struct{ url, token, want string }{
		{"http://fulcio.example/api", "abc", "over plain http"},
		{"http://127.0.0.1.example/", "abc", "over plain http"},
		{"http://localhost.example/", "abc", "over plain http"},
		{"http://[2001:db8::1]/", "abc", "over plain http"},
		{"https://user:hunter2@fulcio.example/", "", "user name or password"},
		{"https://fulcio.example/", "a\r\nHost: x", "characters that no token has"},
		{"https://fulcio.example/", "===", "characters that no token has"},
		{"ftp://fulcio.example/", "", "not an http"},
		{"https:///path", "", "not an http"},
		{"https://fulcio.example:port/", "", "malformed URL"},
		{"mailto:a@b", "", "not an http"},
	} {
		c, _ := newClient(func(cfg *Config) {
			cfg.RoundTripper = roundTrip(func(*http.Request) (*http.Response, error) {
				t.Errorf("%s: was sent", tt.url)
				return nil, errors.New("sent")
			})
		})
		_, err := c.Do(context.Background(), &Request{Service: "S", URL: tt.url, Bearer: tt.token})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) || e.Attempts != 0 {
			t.Errorf("%s: error %v, want one with %q", tt.url, err, tt.want)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") || tt.token != "" && strings.Contains(fmt.Sprint(err), tt.token) {
			t.Errorf("%s: error %v has a secret", tt.url, err)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/", "http://[::1]:1/", "http://LOCALHOST:1/", "https://fulcio.example/"} {
		sent := 0
		c, _ := newClient(func(cfg *Config) {
			cfg.RoundTripper = roundTrip(func(r *http.Request) (*http.Response, error) {
				sent++
				return nil, errors.New("enough")
			})
		})
		if _, err := c.Do(context.Background(), &Request{Service: "S", URL: url, Bearer: "abc"}); sent != 1 {
			t.Errorf("%s: sent %d times (%v), want once", url, sent, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answers gives one answer after the other; the last for ever.
func answers(t *testing.T, n *atomic.Int32, list ...func(w http.ResponseWriter)) *httptest.Server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		list[min(i, len(list)-1)](w)
	})
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func TestWhatIsRepeated(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	const s = time.Second
	for _, tt := range []struct {
		name       string
		answers    []func(http.ResponseWriter)
		repeatable bool
		attempts   int32
		status     int
		pauses     []time.Duration
	}{
		{"good at once", []func(http.ResponseWriter){status(200)}, true, 1, 200, nil},
		{"bad request", []func(http.ResponseWriter){status(400)}, true, 1, 400, nil},
		{"not implemented", []func(http.ResponseWriter){status(501)}, true, 1, 501, nil},
		{"unavailable, then good", []func(http.ResponseWriter){status(503), status(200)}, true, 2, 200, []time.Duration{s / 2}},
		{"unavailable throughout", []func(http.ResponseWriter){status(503)}, true, 3, 503, []time.Duration{s / 2, s}},
		{"500, 502, good", []func(http.ResponseWriter){status(500), status(502), status(201)}, true, 3, 201, []time.Duration{s / 2, s}},
		{"504, 429, good", []func(http.ResponseWriter){status(504), status(429), status(201)}, true, 3, 201, []time.Duration{s / 2, s}},
		{"told when", []func(http.ResponseWriter){status(429, "Retry-After", "7"), status(200)}, true, 2, 200, []time.Duration{7 * s}},
		{"told a date", []func(http.ResponseWriter){status(503, "Retry-After", now.Add(9*s).Format(http.TimeFormat)), status(200)}, true, 2, 200, []time.Duration{9 * s}},
		{"told a date gone by", []func(http.ResponseWriter){status(503, "Retry-After", now.Add(-s).Format(http.TimeFormat)), status(200)}, true, 2, 200, []time.Duration{s / 2}},
		{"told too long", []func(http.ResponseWriter){status(429, "Retry-After", "31")}, true, 1, 429, nil},
		{"told nonsense", []func(http.ResponseWriter){status(429, "Retry-After", "-1"), status(200)}, true, 2, 200, []time.Duration{s / 2}},
		{"not repeatable", []func(http.ResponseWriter){status(503, "Retry-After", "1")}, false, 1, 503, nil},
		{"hangs up, then good", []func(http.ResponseWriter){hangUp, status(200)}, true, 2, 200, []time.Duration{s / 2}},
		{"hangs up, not repeatable", []func(http.ResponseWriter){hangUp}, false, 1, 0, nil},
		{"redirects", []func(http.ResponseWriter){status(302, "Location", "/x")}, true, 1, 0, nil},
	} {
		var n atomic.Int32
		server := answers(t, &n, tt.answers...)
		c, p := newClient(func(cfg *Config) { cfg.Now = func() time.Time { return now } })
		resp, err := c.Do(context.Background(), &Request{Service: "S", URL: server.URL, Body: []byte("x"), Repeatable: tt.repeatable})
		got := 0
		if err == nil {
			got = resp.Status
		}
		if n.Load() != tt.attempts || got != tt.status || fmt.Sprint(p.list) != fmt.Sprint(tt.pauses) {
			t.Errorf("%s: %d attempts, status %d, pauses %v (%v), want %d, %d, %v", tt.name, n.Load(), got, p.list, err, tt.attempts, tt.status, tt.pauses)
		}
	}
}

func TestRepeatedRequestHasItsBody(t *testing.T) {
	var bodies []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing shows below
		bodies = append(bodies, string(body))
		w.WriteHeader(503)
	})
	c, _ := newClient(nil)
	if _, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL, Body: []byte("same"), Repeatable: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Join(bodies, " ") != "same same same" {
		t.Errorf("bodies %q, want the same three times", bodies)
	}
}

// TestUnsentIsSentAgain: a refused connection is safe to try again whatever
// the request.
func TestUnsentIsSentAgain(t *testing.T) {
	c, p := newClient(nil)
	_, err := c.Do(context.Background(), &Request{Service: "Fulcio", URL: nobody + "/api?token=secretsecret", Body: []byte("x")})
	if len(p.list) != 2 {
		t.Errorf("%d pauses, want 2", len(p.list))
	}
	want := "Fulcio at " + nobody + "/api: nothing listens there: connection refused (3 attempts)"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestJitterIsFull(t *testing.T) {
	for _, r := range []float64{0, 0.25, 0.999} {
		c, p := newClient(func(cfg *Config) {
			cfg.Rand = func() float64 { return r }
			cfg.RoundTripper = roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.EOF })
		})
		if _, err := c.Do(context.Background(), &Request{Service: "S", URL: "http://localhost/", Repeatable: true}); err == nil {
			t.Fatal("no error")
		}
		for i, d := range p.list {
			if want := time.Duration(r * float64(time.Second/2<<i)); d != want {
				t.Errorf("pause %d at %v: %v, want %v", i, r, d, want)
			}
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := 100
		if r.URL.Path == "/endless" {
			n = 1 << 30
		}
		for chunk := bytes.Repeat([]byte("x"), 100); n > 0; n -= len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	c, p := newClient(nil)
	for _, tt := range []struct {
		path string
		max  int64
		want string
	}{
		{"/", 100, ""},
		{"/", 99, "longer than 99 bytes"},
		{"/endless", 0, "longer than 1048576 bytes"},
	} {
		resp, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL + tt.path, MaxBody: tt.max, Repeatable: true})
		if tt.want == "" && (err != nil || len(resp.Body) != 100) {
			t.Errorf("%s up to %d: %v", tt.path, tt.max, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || resp != nil) {
			t.Errorf("%s up to %d: error %v, want one with %q", tt.path, tt.max, err, tt.want)
		}
	}
	if len(p.list) != 0 {
		t.Error("an answer that is too long was asked for again")
	}
}

func TestAttemptsHaveADeadline(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		<-release
	})
	defer close(release)
	c, p := newClient(nil)
	for _, path := range []string{"/", "/body"} {
		_, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL + path, Timeout: 20 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "no answer within 20ms") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want one about time", path, err)
		}
	}
	if len(p.list) != 0 {
		t.Error("a request that may have been acted on was sent again")
	}
	_, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL, Timeout: 20 * time.Millisecond, Repeatable: true})
	if len(p.list) != 2 || err == nil {
		t.Errorf("repeatable: %d pauses, %v, want 2", len(p.list), err)
	}
}

func TestCancellationEndsAllAttempts(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c, p := newClient(func(cfg *Config) {
		cfg.RoundTripper = roundTrip(func(*http.Request) (*http.Response, error) { cancel(); return nil, io.EOF })
	})
	if _, err := c.Do(ctx, &Request{Service: "S", URL: "http://localhost/", Repeatable: true}); !errors.Is(err, context.Canceled) || len(p.list) != 0 {
		t.Errorf("error %v after %d pauses, want canceled at once", err, len(p.list))
	}
	ctx, cancel = context.WithCancel(context.Background())
	c, _ = newClient(func(cfg *Config) {
		cfg.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return sleep(ctx, time.Hour) }
		cfg.RoundTripper = roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.EOF })
	})
	if _, err := c.Do(ctx, &Request{Service: "S", URL: "http://localhost/", Repeatable: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the pause to end", err)
	}
}

func TestOtherAnswerers(t *testing.T) {
	page := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(code)
			io.WriteString(w, "<html>please log in")
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter)
		want   string
	}{
		{"redirect", status(302, "Location", "https://login.example/?session=1234567890"), "redirects to login.example, which is not followed: a captive portal?"},
		{"redirect to itself", status(307, "Location", "/elsewhere"), "redirects elsewhere"},
		{"page", page(200), "a web page in place of an answer: a captive portal?"},
		{"login required", status(511), "a captive portal"},
	} {
		var n atomic.Int32
		s := answers(t, &n, tt.answer)
		c, _ := newClient(nil)
		_, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL, Repeatable: true})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "1234567890") || n.Load() != 1 {
			t.Errorf("%s: error %v after %d attempts, want one with %q", tt.name, err, n.Load(), tt.want)
		}
	}
	var n atomic.Int32
	req := &Request{Service: "S", URL: answers(t, &n, page(502)).URL}
	c, _ := newClient(nil)
	resp, err := c.Do(context.Background(), req)
	if err != nil || !strings.Contains(resp.Err(req).Error(), "status 502 Bad Gateway: a web page") {
		t.Errorf("page with status 502: %v, %v", resp, err)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshakes are meant
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	good := func(cfg *Config) { cfg.RootCAs = pool }
	port := s.Listener.Addr().(*net.TCPAddr).Port
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		name, url string
		change    func(*Config)
		want      string
	}{
		{"trusted", s.URL, good, ""},
		{"unknown authority", s.URL, func(cfg *Config) { cfg.RootCAs = x509.NewCertPool() }, "by an unknown authority"},
		{"another host", fmt.Sprintf("https://localhost:%d", port), good, `not for "localhost"`},
		{"no TLS", "https" + strings.TrimPrefix(plain.URL, "http"), good, "does not speak TLS"},
	} {
		c, p := newClient(tt.change)
		_, err := c.Do(context.Background(), &Request{Service: "S", URL: tt.url, Repeatable: true})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
		if len(p.list) != 0 {
			t.Errorf("%s: was sent again", tt.name)
		}
	}
}

// TestExplainTellsFailuresApart feeds the errors that no test can make for
// real.
func TestExplainTellsFailuresApart(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://x/?secret", Err: &net.OpError{Op: "dial", Err: err}}
	}
	for _, tt := range []struct {
		err   error
		want  string
		final bool
	}{
		{dial(&net.DNSError{Name: "fulcio.example", IsNotFound: true}), `no host is called "fulcio.example"`, true},
		{dial(&net.DNSError{Name: "fulcio.example", IsTimeout: true}), "the name server does not answer", false},
		{dial(timeout{}), "no answer in time", false},
		{&url.Error{Err: io.EOF}, "closed before the answer was whole", false},
		{&url.Error{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "expired or is not valid yet", true},
		{&url.Error{Err: x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}}, "TLS certificate is not valid", true},
		{&url.Error{URL: "https://x/?secret", Err: errors.New("new to us")}, "new to us", false},
		{&url.Error{Err: &net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}}, "the proxy: nothing listens there", false},
		{&url.Error{Err: &net.OpError{Op: "proxyconnect", Err: &net.DNSError{Name: "proxy", IsNotFound: true}}}, `the proxy: no host is called "proxy"`, true},
	} {
		got := new(Request).explain(tt.err)
		if !strings.Contains(got.Error(), tt.want) || strings.Contains(got.Error(), "secret") || isFinal(got) != tt.final {
			t.Errorf("explain(%v) = %v, final %v, want %q, %v", tt.err, got, isFinal(got), tt.want, tt.final)
		}
		if outer := (*url.Error)(nil); !errors.As(tt.err, &outer) || !errors.Is(got, outer.Err) && got != outer.Err {
			t.Errorf("explain(%v) loses the cause", tt.err)
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestProxy(t *testing.T) {
	var asked atomic.Int32
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "by proxy: ", r.URL)
	})
	direct := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "direct") })
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := newClient(func(cfg *Config) { cfg.Proxy = http.ProxyURL(at) })
	resp, err := c.Do(context.Background(), &Request{Service: "S", URL: "http://rekor.example/x"})
	if err != nil || string(resp.Body) != "by proxy: http://rekor.example/x" {
		t.Errorf("through the proxy: %v, %v", resp, err)
	}
	// Or a token for this machine would leave it in the clear.
	resp, err = c.Do(context.Background(), &Request{Service: "S", URL: direct.URL, Bearer: "abc"})
	if err != nil || string(resp.Body) != "direct" || asked.Load() != 1 {
		t.Errorf("to this machine: %v, %v", resp, err)
	}
	c, _ = newClient(func(cfg *Config) {
		cfg.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("bad proxy http://user:password@") }
	})
	if _, err := c.Do(context.Background(), &Request{Service: "S", URL: "http://rekor.example/x"}); err == nil ||
		!strings.Contains(err.Error(), "proxy setting") || strings.Contains(err.Error(), "password") {
		t.Errorf("bad proxy setting: %v", err)
	}
}

func TestStatusErrorTellsTheServersWordsButNoSecret(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.c29tZSBjbGFpbXM.c2lnbmF0dXJl"
	form := "application/x-www-form-urlencoded"
	for _, tt := range []struct{ name, body, want string }{
		{"Fulcio", `{"code":3,"message":"There was an error processing the identity token"}`, "There was an error processing the identity token"},
		{"OAuth", `{"error":"invalid_grant","error_description":"the code authorization_code is old"}`, "invalid_grant: the code authorization_code is old"},
		{"OAuth, bare", `{"error":"slow_down"}`, "slow_down"},
		{"text", "no such\r\n\tlog\n", "no such log"},
		{"nothing", "", ""},
		{"escape sequences", "a\x1b[31mb\u202ec\xff", "a [31mb\ufffdc\ufffd"},
		{"long", strings.Repeat("é ", 1000), strings.Repeat("é ", 100) + "é…"},
		{"token", "bad token " + token + ".", "bad token [redacted]."},
		{"part of the token", `cannot read "c29tZSBjbGFp"`, `cannot read "[redacted]"`},
		{"two parts of the token", "token=c29tZSBjbGFpbXM.c2lnbmF0dX", "token=[redacted].[redacted]"},
		{"token in a word", "x" + token + "y", "x[redacted]y"},
		{"another token", "eyJhbGciOiJub25lIn0", "[redacted]"},
		{"refresh token", "unknown refresh-0123456789", "unknown [redacted]"},
		{"parameter of the query", "key topsecretkey is bad", "key [redacted] is bad"},
	} {
		req := &Request{Service: "S", URL: "https://s.example/p?key=topsecretkey", Bearer: token, ContentType: form,
			Body: []byte("grant_type=authorization_code&refresh_token=refresh-0123456789")}
		err := (&Response{Status: 400, Body: []byte(tt.body)}).Err(req)
		if err.Message != tt.want {
			t.Errorf("%s: message %q, want %q", tt.name, err.Message, tt.want)
		}
		if want := "S at https://s.example/p: status 400 Bad Request"; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, want)
		}
	}
}

func TestTrace(t *testing.T) {
	const token = "c2VjcmV0LXRva2Vu"
	var n atomic.Int32
	s := answers(t, &n, status(503), func(w http.ResponseWriter) { io.WriteString(w, "12345") })
	var mu sync.Mutex
	var events []Event
	c, _ := newClient(func(cfg *Config) {
		cfg.Trace = func(e Event) { mu.Lock(); defer mu.Unlock(); events = append(events, e) }
	})
	if _, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL + "/p?q=" + token, Bearer: token, Repeatable: true}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL + "/p?q=" + token, Bearer: token}); err == nil {
		t.Fatal("no error")
	}
	if len(events) != 5 {
		t.Fatalf("%d events, want 5: %+v", len(events), events)
	}
	first, second, third := events[0], events[1], events[2]
	if first.Service != "S" || first.Method != "GET" || first.Path != "/p" || "http://"+first.Host != s.URL || first.Attempt != 1 || first.Status != 503 ||
		first.Reused || first.Connect <= 0 || first.Wait <= 0 || first.Duration < first.Wait || first.Err != "" {
		t.Errorf("first attempt: %+v", first)
	}
	if second.Attempt != 2 || second.Status != 200 || second.Bytes != 5 || !second.Reused || second.Connect != 0 {
		t.Errorf("second attempt: %+v", second)
	}
	if third.Attempt != 1 || third.Status != 0 || !strings.Contains(third.Err, "refused") {
		t.Errorf("attempt without an answer: %+v", third)
	}
	if strings.Contains(fmt.Sprintf("%+v", events), token) {
		t.Errorf("a token is in the trace: %+v", events)
	}
}

func TestConnectOpensTheConnectionThatIsUsed(t *testing.T) {
	for _, test := range []struct {
		name  string
		start func(*httptest.Server)
	}{
		{"plain", (*httptest.Server).Start},
		{"TLS", (*httptest.Server).StartTLS},
		{"HTTP/2", func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests, conns atomic.Int32
			var proto atomic.Value
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				proto.Store(r.Proto)
			}))
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					conns.Add(1)
				}
			}
			test.start(s)
			defer s.Close()
			var pool *x509.CertPool
			if s.Certificate() != nil {
				pool = x509.NewCertPool()
				pool.AddCert(s.Certificate())
			}
			traced := make(chan Event, 10)
			c := New(Config{UserAgent: "test", RootCAs: pool, Trace: func(ev Event) {
				if ev.Service == "connection" {
					traced <- ev
				}
			}})
			c.Connect(context.Background(), s.URL+"/api/v1?x=y")
			c.Connect(context.Background(), s.URL) // there is one
			for range 2 {
				if _, err := c.Do(context.Background(), &Request{Service: "server", URL: s.URL}); err != nil {
					t.Fatal(err)
				}
			}
			if requests.Load() != 2 || conns.Load() != 1 {
				t.Errorf("%d requests on %d connections, want 2 on 1", requests.Load(), conns.Load())
			}
			if want := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[test.name == "HTTP/2"]; proto.Load() != want {
				t.Errorf("asked by %v, want %s", proto.Load(), want)
			}
			ev := <-traced
			if len(traced) != 0 || ev.Connect <= 0 || ev.Path != "" || (ev.TLS > 0) != (pool != nil) {
				t.Errorf("Connect traced %+v, and %d more", ev, len(traced))
			}
		})
	}
}

func TestConnectThatFailsIsMetByTheRequest(t *testing.T) {
	c := New(Config{UserAgent: "test", Sleep: func(context.Context, time.Duration) error { return nil }})
	c.Connect(context.Background(), "not a URL")
	c.Connect(context.Background(), nobody)
	if _, err := c.Do(context.Background(), &Request{Service: "server", URL: nobody}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Do = %v, want a refused connection", err)
	}
	New(Config{UserAgent: "test", RoundTripper: http.DefaultTransport}).Connect(context.Background(), nobody) // nothing to open
}

func TestConnectLeavesProxiesAlone(t *testing.T) {
	var asked bool
	c := New(Config{UserAgent: "test", Proxy: func(*http.Request) (*url.URL, error) {
		asked = true
		return url.Parse("http://proxy.invalid:1")
	}, Trace: func(ev Event) { t.Errorf("Connect traced %+v", ev) }})
	c.Connect(context.Background(), "https://server.invalid/")
	if !asked {
		t.Error("Connect did not ask for a proxy")
	}
}

func TestNewWantsAUserAgent(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New without a user agent returns")
		}
	}()
	New(Config{})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"message":"bad token abcdefgh.ijklmnop"}`), "application/json", "abcdefgh.ijklmnop")
	f.Add([]byte(`{"error":{"message":"x"},"message":1}`), "", "x")
	f.Add([]byte("<html>"), "text/html", "")
	f.Fuzz(func(t *testing.T, body []byte, kind, token string) {
		resp := &Response{Status: 400, Header: http.Header{"Content-Type": {kind}}, Body: body}
		msg := resp.Err(&Request{Service: "S", URL: "https://s.example", Bearer: token}).Message
		if len(msg) > maxMessage+10 || strings.ContainsAny(msg, "\r\n\t\x1b") {
			t.Errorf("message %q", msg)
		}
		if len(token) >= minSecret && token68(token) && strings.Contains(msg, token) && !strings.Contains(redacted+"a web page, not the service's own words", token) {
			t.Errorf("message %q has the token", msg)
		}
	})
}

// TestMalformedAnswersTellNoSecret has servers repeat the token where the
// standard library quotes what it cannot read.
func TestMalformedAnswersTellNoSecret(t *testing.T) {
	const token = "eyJhbGciOiJub25lIn0.c29tZSBjbGFpbXM.c2lnbmF0dXJl"
	for _, answer := range []string{
		token + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nAuthorization Bearer " + token + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + token + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + token + "\r\n\r\n",
		"HTTP/1.1 2x0 " + token + "\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return // closed
				}
				_, _ = conn.Read(make([]byte, 1<<12)) // the client sees what comes back
				_, _ = conn.Write([]byte(answer))
				_ = conn.Close()
			}
		}()
		var events []Event
		c, _ := newClient(func(cfg *Config) { cfg.Trace = func(e Event) { events = append(events, e) } })
		_, err = c.Do(t.Context(), &Request{Service: "Fulcio", URL: "http://" + l.Addr().String(), Bearer: token, Body: []byte("{}")})
		if err == nil || !strings.Contains(err.Error(), "malformed") && !strings.Contains(err.Error(), redacted) {
			t.Errorf("%q: error %v, want one about the answer", answer, err)
			continue
		}
		told := fmt.Sprintf("%v %+v", err, events)
		for _, part := range strings.Split(token, ".") {
			if strings.Contains(told, part) {
				t.Errorf("%q: %s tells part of the token", answer, told)
			}
		}
	}
}
