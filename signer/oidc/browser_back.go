package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"gitseal/internal/transport"
)

// callbackPath is where browsers are sent back to. Sigstore's issuers know it.
const callbackPath = "/auth/callback"

// Bounds of what a browser may take and send: anything on this machine can
// connect, and pages on the web can have the browser do it.
const (
	maxHeader   = 1 << 14 // bytes; issuers put more than a kilobyte into a code
	readTime    = 10 * time.Second
	writeTime   = 2 * time.Minute // the page waits for the issuer's tokens
	deliverTime = 2 * time.Second // for the page, when it is there
	maxTries    = 16              // at finding a port that is free on both loopback addresses
)

// An authResponse is what an issuer sends back with the browser (RFC 6749, sections
// 4.1.2 and 4.1.2.1; RFC 9207).
type authResponse struct {
	state   string
	code    string        // secret
	refused *RefusedError // nil: there is a code
	issuer  string        // "": not said
}

// parseAuthResponse reads the query of a URL that a browser was sent back to.
func parseAuthResponse(query string) (*authResponse, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("not a query")
	}
	one := make(map[string]string)
	for _, name := range []string{"state", "code", "error", "error_description", "iss"} {
		switch list := values[name]; {
		case len(list) > 1:
			return nil, fmt.Errorf("%s twice", name) // RFC 6749, section 3.1
		case len(list) == 1:
			one[name] = list[0]
		}
	}
	a := &authResponse{state: one["state"], code: one["code"], issuer: one["iss"]}
	if one["error"] != "" {
		a.refused = &RefusedError{transport.Printable(one["error"]), transport.Printable(one["error_description"])}
	}
	return a, nil
}

// A callback is the page of this machine that the issuer sends the browser back
// to: one path, for one login.
type callback struct {
	state     string
	port      string
	listeners []net.Listener
	server    *http.Server
	answers   chan *authResponse // gets the first that knows the state
	taken     atomic.Bool        // that one has come
	strangers atomic.Int64       // requests that do not know it
	over      chan struct{}      // closed when result is set
	result    page               // that the one gets
	delivered chan struct{}      // closed when it has got it
}

// listen opens a port of this machine. The browser looks for it under the name
// localhost, so it is held on both addresses of that name where there are two:
// on the other one, somebody else could listen.
func listen(ctx context.Context, state string) (*callback, error) {
	var listeners []net.Listener
	var lc net.ListenConfig
	var err error
	for range maxTries {
		address := "127.0.0.1:0"
		v6, err6 := lc.Listen(ctx, "tcp6", "[::1]:0")
		if err6 == nil {
			address = net.JoinHostPort("127.0.0.1", portOf(v6))
			listeners = append(listeners, v6)
		}
		var v4 net.Listener
		if v4, err = lc.Listen(ctx, "tcp4", address); err == nil {
			listeners = append(listeners, v4)
			break
		}
		if err6 != nil {
			break // it was not for the port
		}
		_ = v6.Close() // nobody has heard of it
		listeners = nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening a port for the browser to come back to: %w", err)
	}
	c := &callback{
		state: state, port: portOf(listeners[0]), listeners: listeners, answers: make(chan *authResponse, 1),
		over: make(chan struct{}), delivered: make(chan struct{}),
	}
	c.server = &http.Server{
		Handler: c, ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: writeTime, MaxHeaderBytes: maxHeader,
		ErrorLog: silent,
	}
	c.server.SetKeepAlivesEnabled(false)
	for _, l := range listeners {
		go c.server.Serve(l) //nolint:errcheck // it ends when finish closes the server, and says so
	}
	return c, nil
}

func portOf(l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		panic("oidc: a listener without a port")
	}
	return port
}

// url returns where the browser is sent back to.
func (c *callback) url() string { return "http://localhost:" + c.port + callbackPath }

// ServeHTTP answers a browser.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A page of the web whose name was made to lead here has that name in the
	// Host (DNS rebinding).
	if r.Host != "localhost:"+c.port && r.Host != "127.0.0.1:"+c.port {
		pageRefused.send(w, http.StatusMisdirectedRequest)
		return
	}
	if r.URL.Path != callbackPath {
		pageRefused.send(w, http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		pageRefused.send(w, http.StatusMethodNotAllowed)
		return
	}
	if !navigates(r.Header) {
		pageRefused.send(w, http.StatusForbidden)
		return
	}
	// Who does not know the state is not from this login. It goes on: else
	// anybody could end it.
	a, err := parseAuthResponse(r.URL.RawQuery)
	if err != nil || subtle.ConstantTimeCompare([]byte(a.state), []byte(c.state)) != 1 {
		c.strangers.Add(1)
		pageStranger.send(w, http.StatusBadRequest)
		return
	}
	if c.taken.Swap(true) {
		pageUsed.send(w, http.StatusGone)
		return
	}
	c.answers <- a
	select {
	case <-c.over:
		c.result.send(w, http.StatusOK)
	case <-r.Context().Done(): // the page was closed; the login goes on
	}
	close(c.delivered)
}

// navigates reports whether a person comes, by following a link: not a picture,
// a frame, a script or its socket, nor a browser that guesses where the person
// will go (Fetch Metadata; browsers that do not say it have the state).
func navigates(h http.Header) bool {
	mode, dest := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	return (mode == "" || mode == "navigate") && (dest == "" || dest == "document") && h.Get("Sec-Purpose") == "" && h.Get("Upgrade") == ""
}

// wait waits for the browser to come back. What comes from failed ends it.
func (c *callback) wait(ctx context.Context, failed <-chan error) (*authResponse, error) {
	select {
	case a := <-c.answers:
		if a.code == "" && a.refused == nil {
			return a, errors.New("the issuer sent the browser back without a code")
		}
		return a, nil
	case err := <-failed:
		return nil, err
	case <-ctx.Done():
	}
	others := ""
	if n := c.strangers.Load(); n > 0 {
		others = fmt.Sprintf(" (requests that are not of this login, and were refused: %d)", n)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("the login was given up%s: %w", others, ctx.Err())
	}
	return nil, fmt.Errorf("%w: the page was closed, or left alone%s", ErrNobody, others)
}

// finish shows the person how it went, and closes the port.
func (c *callback) finish(who *person, issuer string, err error) {
	if err != nil {
		c.result = pageFailed(err)
	} else {
		c.result = pageSignedIn(who, issuer)
	}
	close(c.over)
	if c.taken.Load() {
		timer := time.NewTimer(deliverTime)
		defer timer.Stop()
		select {
		case <-c.delivered:
		case <-timer.C:
		}
	}
	c.stop()
}

// stop closes the port.
func (c *callback) stop() {
	// The server knows of a listener only once it serves it.
	for _, l := range c.listeners {
		_ = l.Close() // there is nothing left to be lost
	}
	_ = c.server.Close() // likewise
}
