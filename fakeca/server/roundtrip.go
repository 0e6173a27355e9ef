package server

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// RoundTripper returns a transport that has every request, to whatever host,
// answered by the handler, in process and without a socket. A handler that
// panics with http.ErrAbortHandler makes the request fail, as it breaks the
// connection of a real one.
func RoundTripper(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		// The contract of http.RoundTripper: the body is closed, also on errors.
		if r.Body != nil {
			_ = r.Body.Close() // the handler has read what it wanted of it
		}
	}()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if r.URL.Scheme == "https" {
		in.TLS = new(tls.ConnectionState) // all that a handler sees of it is that it is there
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &recorder{header: make(http.Header)}
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			resp, err = nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Redacted(), io.ErrUnexpectedEOF)
		}
	}()
	t.h.ServeHTTP(w, in)
	w.WriteHeader(http.StatusOK) // if it has not been
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status:     strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        w.sent,
		Body:          io.NopCloser(&w.body),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}, nil
}

// A recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int         // 0: not written
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
