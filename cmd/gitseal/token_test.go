package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gitseal/internal/transport"
	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/oidc"
)

// A watchedSource tells when it is asked.
type watchedSource struct {
	fakeSource
	asked func()
}

func (w watchedSource) Grant(ctx context.Context) (*oidc.Grant, error) {
	w.asked()
	return w.fakeSource.Grant(ctx)
}

// TestWhoAsksHasTheTerminal: what is waited for is not drawn over a question, not
// even over that of a program.
func TestWhoAsksHasTheTerminal(t *testing.T) {
	for name, want := range map[string]bool{"browser": true, "device": true, "command": true, "github-actions": false} {
		p := &spinner{delay: time.Hour, open: func() (*os.File, error) { return nil, os.ErrNotExist }}
		p.show("getting a token")
		free := false
		source := watchedSource{fakeSource{name: name, token: "token"}, func() {
			p.mu.Lock()
			free = p.timer == nil
			p.mu.Unlock()
		}}
		if _, err := askFor(t.Context(), source, p); err != nil {
			t.Fatal(err)
		}
		if free != want {
			t.Errorf("%s has the terminal for itself: %t, want %t", name, free, want)
		}
		p.stop()
	}
}

// TestWhatTheAgentMetHasTheSameHints: doctor would find nothing wrong with a
// login that nobody came to, and the agent's servers are ours.
func TestWhatTheAgentMetHasTheSameHints(t *testing.T) {
	unknown := fmt.Errorf("Fulcio at https://f: %w", x509.UnknownAuthorityError{})
	for _, tt := range []struct {
		err  error
		hint string
	}{
		{oidc.ErrNobody, "gitseal login "},
		{&agent.RemoteError{Message: oidc.ErrNobody.Error(), LoginRefused: true}, "gitseal login "},
		{&transport.Error{Service: "Fulcio", URL: "https://f", Attempts: 1, Err: unknown}, "git config --global --add gitseal.caFile "},
		{&agent.RemoteError{Message: unknown.Error(), UnknownAuthority: true}, "git config --global --add gitseal.caFile "},
	} {
		err := new(signing).explain("logging in", tt.err)
		code, message, hints := exitCode(err)
		if code != exitUnknown || message != "logging in: "+tt.err.Error() || len(hints) != 1 || !strings.HasPrefix(hints[0], tt.hint) {
			t.Errorf("%#v: exit code %d, %q, hints %q, want %q", tt.err, code, message, hints, tt.hint)
		}
	}
}

func TestTokenOwner(t *testing.T) {
	for _, test := range []struct {
		claims signer.Claims
		want   string
	}{
		{signer.Claims{Issuer: "https://i", Subject: "s", Email: "a@b"}, "a@b (https://i)"},
		{signer.Claims{Issuer: "https://i", Subject: "repo:o/r"}, "repo:o/r (https://i)"},
		{signer.Claims{Issuer: "https://i", Subject: "a\nb"}, `a\x0ab (https://i)`},
	} {
		if got := tokenOwner(&test.claims); got != test.want {
			t.Errorf("tokenOwner(%+v) = %q, want %q", test.claims, got, test.want)
		}
	}
}

func TestWhatAnAuthorityWillRefuse(t *testing.T) {
	email := issuer{URL: "https://i", Challenge: "email"}
	for _, test := range []struct {
		name    string
		claims  signer.Claims
		issuers []issuer
		want    string // "": nothing
	}{
		{"it does not tell whose tokens it takes", signer.Claims{Issuer: "https://i"}, nil, ""},
		{"a verified address", signer.Claims{Issuer: "https://i", Email: "a@b", EmailVerified: true}, []issuer{email}, ""},
		{"an unverified one", signer.Claims{Issuer: "https://i", Email: "a@b"}, []issuer{email}, "has not verified"},
		{"an unverified one that is enough", signer.Claims{Issuer: "https://i", Email: "a@b"}, []issuer{{URL: "https://i", Challenge: "email", AnyEmail: true}}, ""},
		{"no address", signer.Claims{Issuer: "https://i", Subject: "s"}, []issuer{email}, "no e-mail address"},
		{"a subject", signer.Claims{Issuer: "https://i", Subject: "s"}, []issuer{{URL: "https://i", Challenge: "sub"}}, ""},
		{"another issuer", signer.Claims{Issuer: "https://j"}, []issuer{email}, "takes no tokens of issuer https://j"},
		{"another issuer, perhaps", signer.Claims{Issuer: "https://j"}, []issuer{email, {Wildcard: "https://*"}}, ""},
		{"an issuer beside a pattern", signer.Claims{Issuer: "https://i", Email: "a@b"}, []issuer{{Wildcard: "https://*"}, email}, "has not verified"},
	} {
		hint, err := refusal(&test.claims, test.issuers)
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || hint == "") {
			t.Errorf("%s: %v, hint %q, want %q", test.name, err, hint, test.want)
		}
	}
	many := make([]issuer, 1000)
	for i := range many {
		many[i] = email
	}
	if hint, _ := refusal(&signer.Claims{Issuer: "https://j"}, many); !strings.HasSuffix(hint, " and 988 more") || len(hint) > 500 {
		t.Errorf("hint for a thousand issuers: %q", hint)
	}
}
