package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestUnreachableIsNoRefusal has servers that nobody can reach, and servers
// that were reached and answer what no one wants.
func TestUnreachableIsNoRefusal(t *testing.T) {
	release := make(chan struct{})
	silent := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake is meant
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	var n atomic.Int32
	page := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html"); w.WriteHeader(200) }
	long := func(w http.ResponseWriter) { w.Write(make([]byte, 200)) }
	for _, tt := range []struct {
		name, url string
		want      bool
	}{
		{"nothing listens", nobody, true},
		{"hangs up", answers(t, &n, hangUp).URL, true},
		{"the network wants a login", answers(t, &n, status(511)).URL, true},
		{"by an unknown authority", untrusted.URL, false},
		{"no TLS", "https" + strings.TrimPrefix(answers(t, &n, status(200)).URL, "http"), false},
		{"redirects", answers(t, &n, status(302, "Location", "/x")).URL, false},
		{"a page", answers(t, &n, page).URL, false},
		{"too long", answers(t, &n, long).URL, false},
		{"not to be sent", "http://user:word@localhost/", false},
	} {
		c, _ := newClient(func(cfg *Config) { cfg.RootCAs = x509.NewCertPool() })
		_, err := c.Do(t.Context(), &Request{Service: "S", URL: tt.url, MaxBody: 100})
		var e *Error
		if !errors.As(err, &e) || e.Unreachable() != tt.want {
			t.Errorf("%s: error %v, unreachable is not %v", tt.name, err, tt.want)
		}
	}
	var e *Error
	c, _ := newClient(nil)
	if _, err := c.Do(t.Context(), &Request{Service: "S", URL: silent.URL, Timeout: 20 * time.Millisecond}); !errors.As(err, &e) || !e.Unreachable() {
		t.Errorf("says nothing: error %v, unreachable is not true", err)
	}
	for code, want := range map[int]bool{400: false, 401: false, 403: false, 404: false, 409: false, 422: false, 429: false, 500: false, 501: false,
		502: true, 503: true, 504: true} {
		req := &Request{Service: "S", URL: answers(t, &n, status(code)).URL}
		c, _ := newClient(nil)
		resp, err := c.Do(t.Context(), req)
		if err != nil || resp.Err(req).Unreachable() != want {
			t.Errorf("status %d: %v, %v, unreachable is not %v", code, resp, err, want)
		}
	}
}

// TestUnreachableByCause has the errors that no test can make for real.
func TestUnreachableByCause(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, true},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsTimeout: true}}, true},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsNotFound: true}}, true},
		{&net.OpError{Op: "read", Err: syscall.ETIMEDOUT}, true},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, true},
		{&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, true},
		{&net.OpError{Op: "proxyconnect", Err: x509.UnknownAuthorityError{}}, false},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(40)}, false},
		{io.ErrUnexpectedEOF, true},
		{errors.New("malformed HTTP response"), false},
		{errors.New("Proxy Authentication Required"), false},
	} {
		c, _ := newClient(func(cfg *Config) {
			cfg.RoundTripper = roundTrip(func(*http.Request) (*http.Response, error) { return nil, tt.err })
		})
		_, err := c.Do(t.Context(), &Request{Service: "S", URL: "http://localhost/"})
		var e *Error
		if !errors.As(err, &e) || e.Unreachable() != tt.want {
			t.Errorf("%v: error %v, unreachable is not %v", &url.Error{Err: tt.err}, err, tt.want)
		}
	}
}

// TestWhatTheCallerBreaksOffIsNotUnreachable: the pause between attempts and
// the attempt itself, each ended by the caller.
func TestWhatTheCallerBreaksOffIsNotUnreachable(t *testing.T) {
	for name, limited := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		},
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(ctx, time.Unix(1, 0))
		},
	} {
		ctx, cancel := limited(t.Context())
		defer cancel()
		var e *Error
		c, _ := newClient(nil)
		_, err := c.Do(ctx, &Request{Service: "S", URL: "http://localhost/", Repeatable: true})
		if !errors.As(err, &e) || e.Unreachable() {
			t.Errorf("%s: error %v is one of reach", name, err)
		}
		c, _ = newClient(func(cfg *Config) {
			cfg.Sleep = func(context.Context, time.Duration) error { return ctx.Err() }
			cfg.RoundTripper = roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.EOF })
		})
		_, err = c.Do(t.Context(), &Request{Service: "S", URL: "http://localhost/", Repeatable: true})
		if !errors.As(err, &e) || e.Unreachable() {
			t.Errorf("%s in a pause: error %v is one of reach", name, err)
		}
	}
}
