package transport

import (
	"net/url"
	"strings"
	"testing"
)

func TestPrivateIsHTTPSOrThisMachine(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://issuer.example/token":  true,
		"http://127.0.0.1:8080/token":   true,
		"http://[::1]:8080/token":       true,
		"http://localhost/token":        true,
		"http://issuer.example/token":   false,
		"http://localhost.example/":     false,
		"http://127.0.0.1.example/":     false,
		"http://10.0.0.1/token":         false,
		"ftp://127.0.0.1/":              false,
		"file:///etc/passwd":            false,
		"http://0.0.0.0/token":          false,
		"http://user@127.0.0.1@evil.x/": false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Private(u); got != want {
			t.Errorf("Private(%s) = %v, want %v", raw, got, want)
		}
	}
}

func TestPrintableIsOneBoundedLine(t *testing.T) {
	got := Printable("a\r\n\tb\x1b[31m\u202e" + strings.Repeat("x", 1000))
	if !strings.HasPrefix(got, "a b [31m\ufffd") || len(got) > maxMessage+len("…") {
		t.Errorf("Printable = %q of %d bytes", got, len(got))
	}
}

func TestRedactTakesOutWhatTheRequestKeepsSecret(t *testing.T) {
	r := &Request{ContentType: "application/x-www-form-urlencoded", Body: []byte("client_id=public-client&code=secret-code-1")}
	if got, want := r.Redact("no secret-code-1\nfor public-client"), "no [redacted] for public-client"; got != want {
		t.Errorf("Redact = %q, want %q", got, want)
	}
}
