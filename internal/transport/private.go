package transport

import "net/url"

// Private reports whether what is sent to the URL stays between this program
// and the server: it is https, or plain http to this machine. Do sees to it for
// a Bearer; for secrets in a body it is for the caller to ask.
func Private(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

// Printable makes a server's words fit to be shown, as in a StatusError: one
// printable line of bounded length. Secrets in them stay.
func Printable(text string) string { return oneLine(text) }

// Redact is Printable without what of the request nobody else may read: a
// server may repeat it in its answer.
func (r *Request) Redact(text string) string { return oneLine(r.redact(text)) }
