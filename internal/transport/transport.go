// Package transport is the HTTP client (RFC 9110) that everything which asks a
// server shares: certificate authorities, logs, time-stamp authorities, token
// issuers, update repositories.
//
// It asks, and gives back the bytes of the answer. It follows no redirect,
// keeps no cookie, reads no answer beyond its bound and sends no token where
// others could read it. What an answer means, and whether to believe it, is
// for its callers.
package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
)

// What a Request without a bound of its own gets.
const (
	defaultMaxBody = 1 << 20
	defaultTimeout = 10 * time.Second
)

// pingTime is how long a connection that is kept for long may be silent, and how
// long the answer to a ping may then take.
const pingTime = 20 * time.Second

// connectTimeout bounds Connect: what takes longer was not ahead of need.
const connectTimeout = 5 * time.Second

// A Config says how servers are asked. UserAgent is required.
type Config struct {
	UserAgent    string                                           // "gitseal/1.0", sent with each request
	RootCAs      *x509.CertPool                                   // whom to believe that a server is who it says; nil: the system's
	Proxy        func(*http.Request) (*url.URL, error)            // nil: none; never asked about this machine itself
	RoundTripper http.RoundTripper                                // what sends; nil: the network. RootCAs and Proxy are for the network
	Idle         time.Duration                                    // for how long a connection is kept open that nobody uses; 0: 90 s
	Trace        func(Event)                                      // told of each attempt; nil: nobody. Called from several goroutines
	Sleep        func(ctx context.Context, d time.Duration) error // between attempts; nil: a timer
	Rand         func() float64                                   // in [0,1), spreads attempts; nil: math/rand/v2
	Now          func() time.Time                                 // for Trace and Retry-After; nil: time.Now
}

// A Client asks servers. It may be used by several goroutines at once; its
// connections are kept open and shared.
type Client struct {
	cfg   Config
	http  *http.Client
	net   *http.Transport // nil: Config.RoundTripper sends
	ahead *ahead          // of net
}

// New returns a Client. It panics without a user agent: servers are owed it.
func New(cfg Config) *Client {
	if cfg.UserAgent == "" {
		panic("transport: no user agent")
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Client{cfg: cfg}
	if cfg.RoundTripper == nil {
		c.net, c.ahead = network(cfg)
		cfg.RoundTripper = c.net
	}
	c.http = &http.Client{
		Transport: cfg.RoundTripper,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			// The answer that says where to go is the answer; Do refuses it.
			return http.ErrUseLastResponse
		},
	}
	return c
}

// network returns what sends requests over the network.
func network(cfg Config) (*http.Transport, *ahead) {
	a := &ahead{
		dialer: net.Dialer{Timeout: defaultTimeout, KeepAlive: 30 * time.Second},
		config: &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		conns:  make(map[string]chan net.Conn),
	}
	t := &http.Transport{
		DialContext:    func(ctx context.Context, _, addr string) (net.Conn, error) { return a.take(ctx, false, addr) },
		DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return a.take(ctx, true, addr) },
		// For what is behind a proxy, where DialTLSContext is not asked.
		TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    defaultTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 1 << 16,
	}
	if cfg.Idle > 0 {
		t.IdleConnTimeout = cfg.Idle
		// What is between forgets connections on which nothing happens, and
		// tells neither side.
		t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingTime, PingTimeout: pingTime}
	}
	if cfg.Proxy != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if loopback(r.URL.Hostname()) {
				return nil, nil
			}
			proxy, err := cfg.Proxy(r)
			if err != nil {
				// The cause repeats the setting, which may hold a password.
				return nil, &plainError{text: "the proxy setting is not usable"}
			}
			return proxy, nil
		}
	}
	return t, a
}

// A Request is one question to a server. Service and URL are required.
type Request struct {
	Service     string        // the name of the server in errors: "Fulcio", "time-stamp authority"
	Method      string        // "": GET, or POST where there is a Body
	URL         string        // http or https
	ContentType string        // of Body; "": not said
	Accept      string        // "": not said
	Bearer      string        // a token, sent in the Authorization header; "": none. Never over plain http but to this machine
	Body        []byte        // nil: none
	MaxBody     int64         // bound of the answer's body in bytes; 0: 1 MiB
	Timeout     time.Duration // of each attempt, the body included; 0: 10 s
	Repeatable  bool          // may be sent again when it is not known whether the server acted on it
}

// A Response is a server's answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // whole
}

// Do sends the request and returns the answer, whatever its status. The error
// is an *Error when there is none: the server was not reached, it did not
// answer in time, its answer is beyond the bound, or what answered is not the
// server (a redirect, or a web page in place of an answer).
//
// A request that surely was not sent is sent again, and a Repeatable one also
// after a failure on the way and after the statuses 429, 500, 502, 503 and
// 504: three attempts in all, with growing random pauses, or the pause that
// the server asks for if that is no longer than 30 seconds.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	u, err := r.check()
	if err != nil {
		return nil, r.fail(u, 0, err)
	}
	for attempt := 1; ; attempt++ {
		resp, err := c.attempt(ctx, r, u, attempt)
		if ctx.Err() != nil {
			return nil, r.fail(u, attempt, ctx.Err())
		}
		pause, again := c.again(r, resp, err, attempt)
		if !again {
			if err != nil {
				return nil, r.fail(u, attempt, err)
			}
			return resp, nil
		}
		if err := c.cfg.Sleep(ctx, pause); err != nil {
			return nil, r.fail(u, attempt, err)
		}
	}
}

// Close closes the connections that nobody uses. The Client can be used on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Connect begins to open a connection to the server of rawURL, and returns. The
// next request to it finds it open, or waits for it rather than open another.
// Connect asks the server nothing. It does nothing where a proxy is between, and has
// no result: what is wrong the request will meet.
func (c *Client) Connect(ctx context.Context, rawURL string) {
	r := &Request{Service: "connection", Method: http.MethodConnect, URL: rawURL}
	u, err := r.check()
	if err != nil || c.net == nil {
		return
	}
	if c.net.Proxy != nil {
		if proxy, err := c.net.Proxy(&http.Request{URL: u}); proxy != nil || err != nil {
			return
		}
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // net knows "http" and "https"
	}
	done := func(error) {}
	if c.cfg.Trace != nil {
		t := c.newTracer(r, &url.URL{Host: u.Host}, 1)
		ctx = httptrace.WithClientTrace(ctx, t.hooks())
		done = func(err error) { c.cfg.Trace(t.event(nil, err)) }
	}
	c.ahead.open(ctx, u.Scheme == "https", net.JoinHostPort(u.Hostname(), port), done)
}

// check returns the URL of the request, or why it must not be sent.
func (r *Request) check() (*url.URL, error) {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		// The cause repeats the URL, which may hold a secret.
		return nil, &plainError{text: "malformed URL"}
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
		return u, errors.New("not an http or https URL")
	case u.User != nil:
		return u, errors.New("the URL has a user name or password in it")
	case r.Bearer == "":
		return u, nil
	case !token68(r.Bearer):
		return u, errors.New("the token has characters that no token has")
	case u.Scheme != "https" && !loopback(u.Hostname()):
		return u, errors.New("refusing to send a token over plain http, where others can read it")
	}
	return u, nil
}

// token68 reports whether s is one or more of the characters of a bearer
// token (RFC 6750, section 2.1).
func token68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && !strings.ContainsRune("-._~+/", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// loopback reports whether host is this machine.
func loopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// attempt sends the request once and reads the whole answer.
func (c *Client) attempt(ctx context.Context, r *Request, u *url.URL, attempt int) (resp *Response, err error) {
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	actx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if c.cfg.Trace != nil {
		t := c.newTracer(r, u, attempt)
		actx = httptrace.WithClientTrace(actx, t.hooks())
		defer func() { c.cfg.Trace(t.event(resp, err)) }()
	}
	if resp, err = c.send(actx, r, u); err != nil {
		if actx.Err() != nil && ctx.Err() == nil {
			err = &plainError{text: fmt.Sprintf("no answer within %v", timeout), cause: err}
		}
		return nil, r.explain(err)
	}
	return resp, nil
}

func (c *Client) send(ctx context.Context, r *Request, u *url.URL) (*Response, error) {
	method := r.Method
	if method == "" && r.Body != nil {
		method = http.MethodPost
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"User-Agent": c.cfg.UserAgent, "Content-Type": r.ContentType, "Accept": r.Accept,
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if r.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.Bearer)
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	resp := &Response{Status: answer.StatusCode, Header: answer.Header}
	if resp.Body, err = readBody(answer.Body, r.MaxBody); err != nil {
		return nil, err
	}
	return resp, resp.checkPortal()
}

// readBody reads a body to its end, which limit bytes must reach.
func readBody(body io.Reader, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = defaultMaxBody
	}
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, final(fmt.Sprintf("the answer is longer than %d bytes", limit), ErrTooLong)
	}
	return data, nil
}
