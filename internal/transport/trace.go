package transport

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// An Event is what a person who debugs the network wants to know of one
// attempt. It has no header and no body, and of the URL no query: those may
// hold secrets.
type Event struct {
	Service  string // as in the Request; "connection": see Connect
	Method   string
	Host     string // with the port, if the URL has one
	Path     string
	Attempt  int // from 1
	Start    time.Time
	Duration time.Duration // until the whole answer was read
	Status   int           // 0: no answer
	Bytes    int64         // of the answer's body
	Reused   bool          // the connection was open already
	// Phases of the attempt; 0: did not happen, as where a connection was
	// reused. Wait is from the request's last byte to the answer's first.
	DNS, Connect, TLS, Wait time.Duration
	Err                     string // "": there is an answer
}

// A tracer takes the times of one attempt. The standard library calls its
// hooks from several goroutines, and some of them after the answer: a
// connection that was opened but not needed goes on opening.
type tracer struct {
	now   func() time.Time
	mu    sync.Mutex
	ev    Event // guarded by mu, as are the times
	dns   time.Time
	dial  time.Time
	shake time.Time
	wrote time.Time
}

func (c *Client) newTracer(r *Request, u *url.URL, attempt int) *tracer {
	method := r.Method
	if method == "" && r.Body != nil {
		method = http.MethodPost
	} else if method == "" {
		method = http.MethodGet
	}
	return &tracer{now: c.cfg.Now, ev: Event{
		Service: r.Service, Method: method, Host: u.Host, Path: u.EscapedPath(), Attempt: attempt, Start: c.cfg.Now(),
	}}
}

// start returns a function for a hook that begins a phase.
func (t *tracer) start(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.IsZero() {
		*at = t.now()
	}
}

// end ends a phase that began at the time.
func (t *tracer) end(at *time.Time, phase *time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !at.IsZero() && *phase == 0 {
		*phase = t.now().Sub(*at)
	}
}

func (t *tracer) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.start(&t.dns) },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.end(&t.dns, &t.ev.DNS) },
		ConnectStart:         func(string, string) { t.start(&t.dial) },
		ConnectDone:          func(string, string, error) { t.end(&t.dial, &t.ev.Connect) },
		TLSHandshakeStart:    func() { t.start(&t.shake) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.end(&t.shake, &t.ev.TLS) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.start(&t.wrote) },
		GotFirstResponseByte: func() { t.end(&t.wrote, &t.ev.Wait) },
		GotConn: func(info httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.ev.Reused = info.Reused
		},
	}
}

// event returns the Event of the finished attempt.
func (t *tracer) event(resp *Response, err error) Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	ev := t.ev
	ev.Duration = t.now().Sub(ev.Start)
	if err != nil {
		ev.Err = err.Error()
	}
	if resp != nil {
		ev.Status, ev.Bytes = resp.Status, int64(len(resp.Body))
	}
	return ev
}
