package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// ErrTooLong is the cause of an Error about an answer beyond its bound.
var ErrTooLong = errors.New("answer too long")

// An Error says that a server gave no answer.
type Error struct {
	Service  string
	URL      string // without query
	Attempts int    // 0: not sent
	Err      error  // in plain words; the cause is wrapped
}

// Error returns the service, where it was looked for, and what went wrong.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s at %s: %v", e.Service, e.URL, e.Err)
	if e.Attempts > 1 {
		s += fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Unreachable reports whether nobody answered: there is no such host, nothing
// listens there, the connection broke, no answer came in time, or the network
// wants a login first. It is what passes by itself, and what whoever can cut a
// wire can bring about anyway. An answer that was refused is not that, be it for
// who gave it (TLS, a redirect, a page of somebody else), its form or its
// length; nor is a request that was not sent, or that its caller broke off.
func (e *Error) Unreachable() bool {
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	switch {
	case e.Attempts == 0, e.Err == context.DeadlineExceeded, errors.Is(e.Err, context.Canceled):
		return false
	case errors.As(e.Err, &dns), errors.Is(e.Err, errPortal):
		return true
	case isFinal(e.Err):
		return false
	case errors.As(e.Err, &op):
		// The others are the alerts of TLS.
		return op.Op == "dial" || op.Op == "read" || op.Op == "write" || op.Op == "proxyconnect"
	case errors.As(e.Err, &timeout) && timeout.Timeout():
		return true
	}
	return errors.Is(e.Err, io.EOF) || errors.Is(e.Err, io.ErrUnexpectedEOF) || errors.Is(e.Err, syscall.ECONNRESET)
}

// errPortal is the cause where a network says that it is none yet.
var errPortal = errors.New("network authentication required")

// fail returns the Error for r.
func (r *Request) fail(u *url.URL, attempts int, err error) *Error {
	return &Error{r.Service, plainURL(u), attempts, err}
}

// plainURL returns what of a URL may be shown.
func plainURL(u *url.URL) string {
	if u == nil {
		return "a malformed URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// A plainError puts an error of the standard library in the words of this
// package and keeps it as the cause.
type plainError struct {
	text  string
	cause error
	final bool // another attempt would only repeat it
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.cause }

// final returns an error that another attempt would only repeat.
func final(text string, cause error) error { return &plainError{text, cause, true} }

// isFinal reports whether another attempt would only repeat err.
func isFinal(err error) bool {
	var plain *plainError
	return errors.As(err, &plain) && plain.final
}

// explain puts the failures that people meet into plain words and tells them
// apart. Others keep the standard library's words, but not the URL that comes
// with them, nor what else of the request: the words may quote an answer, and
// the answer the request.
func (r *Request) explain(err error) error {
	var plain *plainError
	if errors.As(err, &plain) {
		return plain
	}
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "proxyconnect" {
		// It is not the server of the request that this is about.
		inner := r.explain(op.Err)
		return &plainError{"the proxy: " + inner.Error(), err, isFinal(inner)}
	}
	if e := explainTLS(err); e != nil {
		return e
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return final(fmt.Sprintf("no host is called %q", dns.Name), err)
	case errors.As(err, &dns):
		return &plainError{text: fmt.Sprintf("looking up host %q: the name server does not answer", dns.Name), cause: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &plainError{text: "nothing listens there: connection refused", cause: err}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &plainError{text: "no answer in time", cause: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return &plainError{text: "the connection was closed before the answer was whole", cause: err}
	}
	return &plainError{text: oneLine(r.redact(err.Error())), cause: err}
}

// explainTLS explains what can be wrong with who answers, or returns nil.
// None of it changes by asking again.
func explainTLS(err error) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var text string
	switch {
	case errors.As(err, &unknown):
		text = "its TLS certificate is by an unknown authority (a proxy that reads along, or a private authority that is not configured)"
	case errors.As(err, &host):
		text = fmt.Sprintf("its TLS certificate is not for %q", host.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		text = "its TLS certificate has expired or is not valid yet, by this machine's clock"
	case errors.As(err, &invalid):
		text = "its TLS certificate is not valid: " + invalid.Error()
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		text = "what listens there does not speak TLS"
	default:
		return nil
	}
	return final(text, err)
}

// checkPortal refuses answers that do not come from the service that was
// asked: networks that want a login answer for every server with a redirect
// or a page of their own.
func (r *Response) checkPortal() error {
	switch {
	case r.Status == http.StatusNetworkAuthenticationRequired:
		return final("the network wants a login first: a captive portal", errPortal)
	case r.Status >= 300 && r.Status < 400:
		to := "elsewhere"
		if u, err := url.Parse(r.Header.Get("Location")); err == nil && u.Hostname() != "" {
			to = "to " + oneLine(u.Host)
		}
		return final(fmt.Sprintf("the answer redirects %s, which is not followed: a captive portal?", to), nil)
	case r.Status < 300 && r.isHTML():
		return final("a web page in place of an answer: a captive portal?", nil)
	}
	return nil
}

func (r *Response) isHTML() bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml")
}

// A StatusError is an answer whose status the caller did not want.
type StatusError struct {
	Service string
	URL     string // without query
	Status  int
	Message string // the server's own words, or "": one printable line of bounded length, without secrets of the request
}

// Error returns the service, the status and the server's words.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s at %s: status %d", e.Service, e.URL, e.Status)
	if text := http.StatusText(e.Status); text != "" {
		s += " " + text
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Unreachable reports whether the answer was a gateway's, that whoever is behind
// it is not there or has no room: 502, 503 or 504. A server that answers 500 or
// 429 was reached.
func (e *StatusError) Unreachable() bool {
	switch e.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Err returns the answer to req as an error.
func (r *Response) Err(req *Request) *StatusError {
	u, err := url.Parse(req.URL)
	if err != nil {
		u = nil
	}
	return &StatusError{req.Service, plainURL(u), r.Status, r.message(req)}
}

// message returns what the server says about its status: the message of an
// error of Sigstore's servers, that of an OAuth error (RFC 6749, section
// 5.2), or the text itself.
func (r *Response) message(req *Request) string {
	if r.isHTML() {
		return "a web page, not the service's own words"
	}
	text := string(r.Body)
	var body struct {
		Message     string `json:"message"`
		Error       any    `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(r.Body, &body) == nil {
		code, _ := body.Error.(string)
		switch {
		case body.Message != "":
			text = body.Message
		case code != "" && body.Description != "":
			text = code + ": " + body.Description
		case code != "":
			text = code
		}
	}
	return oneLine(req.redact(text))
}
