package oidc

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestPagesAreAllowedNothingElse checks the headers of every page, and that
// what is in the page is what its policy allows.
func TestPagesAreAllowedNothingElse(t *testing.T) {
	signedIn := pageSignedIn(&person{subject: "1", email: "dev@example.test"}, "https://issuer.example")
	failed := pageFailed(io.ErrUnexpectedEOF)
	for name, p := range map[string]*page{"refused": pageRefused, "stranger": pageStranger, "used": pageUsed, "signed in": &signedIn, "failed": &failed} {
		t.Run(name, func(t *testing.T) {
			w := &recorder{header: make(http.Header)}
			p.send(w, http.StatusOK)
			for header, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			} {
				if got := w.header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			csp := w.header.Get("Content-Security-Policy")
			if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
			text := w.text.String()
			for _, tag := range []string{"style", "script"} {
				for _, m := range regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(text, -1) {
					if !strings.Contains(csp, tag+"-src '"+hashOf(m[1])+"'") {
						t.Errorf("the policy does not allow the page's own %s", tag)
					}
				}
			}
			if closes := strings.Contains(text, "window.close"); closes != (name == "signed in") {
				t.Errorf("closes by itself: %v", closes)
			}
			if regexp.MustCompile(`(?i)\b(src|href|url|on\w+)\s*[=(]`).MatchString(text) {
				t.Errorf("the page reaches outside: %s", text)
			}
		})
	}
}

// A recorder is a http.ResponseWriter that keeps what is sent.
type recorder struct {
	header http.Header
	text   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.text.Write(p) }

func TestPagesShowMarkupAsText(t *testing.T) {
	const markup = `<script>alert("1")</script>`
	signedIn := pageSignedIn(&person{subject: markup}, "https://issuer.example/"+markup)
	failed := pageFailed(&RefusedError{Code: markup})
	for _, p := range []page{signedIn, failed} {
		text := p.html()
		if strings.Contains(text, "alert(\"") || !strings.Contains(text, "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;") {
			t.Errorf("the page has markup of others: %s", text)
		}
	}
}

func TestPageCallsWhoHasNoAddressByTheSubject(t *testing.T) {
	p := pageSignedIn(&person{subject: "subject-1"}, "https://issuer.example")
	if !strings.Contains(p.html(), "<h1>Signed in as subject-1</h1>") {
		t.Errorf("the page is %s", p.html())
	}
}
