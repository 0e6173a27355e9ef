package oidc

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gitseal/signer/oidc/oidctest"
)

// claim returns an issuer's mistake: one claim of its tokens is another, or is
// missing if it is nil.
func claim(name string, value any) oidctest.Config {
	return oidctest.Config{Claims: func(claims map[string]any) {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}}
}

// TestBrowserRefusesLogins has one thing wrong in each.
func TestBrowserRefusesLogins(t *testing.T) {
	redirect := func(name, value string) oidctest.Config {
		return oidctest.Config{Redirect: func(query url.Values) {
			if query.Set(name, value); value == "" {
				query.Del(name)
			}
		}}
	}
	answer := func(name string, value any) oidctest.Config {
		return oidctest.Config{Tokens: func(answer map[string]any) { answer[name] = value }}
	}
	namesItself := redirect("iss", "")
	namesItself.Discovery = func(document map[string]any) { document["authorization_response_iss_parameter_supported"] = true }
	plain := oidctest.Config{Discovery: func(document map[string]any) { document["code_challenge_methods_supported"] = []string{"plain"} }}
	weak := oidctest.Config{Discovery: func(document map[string]any) {
		document["id_token_signing_alg_values_supported"] = []string{"HS256", "none"}
	}}
	nowhere := oidctest.Config{Discovery: func(document map[string]any) { delete(document, "authorization_endpoint") }}
	strange := oidctest.Config{Keys: func(set map[string]any) { set["keys"] = []any{} }}
	for name, tt := range map[string]struct {
		cfg  oidctest.Config
		want string
	}{
		"a nonce of another login":     {claim("nonce", "another"), "the identity token has another nonce"},
		"no nonce":                     {claim("nonce", nil), "the identity token has another nonce"},
		"a token for another audience": {claim("aud", "vault"), `expected audience "sigstore" got ["vault"]`},
		"a token by another issuer":    {claim("iss", "https://other.example"), `issued by a different provider`},
		"a token issued to another":    {claim("azp", "vault"), `the identity token was issued to "vault", want "sigstore"`},
		"a token for several":          {claim("aud", []string{"vault", "sigstore"}), "the identity token is for several"},
		"an expired token":             {claim("exp", testTime.Add(-time.Second).Unix()), "the identity token expired on 2026-03-04 05:06:06 UTC"},
		"a token that never expires":   {claim("exp", nil), "the identity token does not say when it expires"},
		"a token of the future":        {claim("nbf", testTime.Add(time.Hour).Unix()), "nbf (not before)"},
		"an unverified address":        {claim("email_verified", false), `the issuer has not verified the e-mail address "dev@example.test"`},
		"an address nobody looked at":  {claim("email_verified", nil), `the issuer has not verified the e-mail address "dev@example.test"`},
		"a token about nobody":         {claim("sub", nil), "the identity token names no subject"},
		"an address not to be shown":   {claim("email", "eve@evil.example\u202e"), "the identity token names somebody in characters that cannot be shown"},
		"a subject not to be shown":    {claim("sub", "a\x1b[2J"), "the identity token names somebody in characters that cannot be shown"},
		"another access token":         {answer("access_token", "another"), "the identity token belongs to another access token"},
		"no access token":              {answer("access_token", nil), "the identity token belongs to another access token"},
		"no identity token":            {answer("id_token", nil), "there is no identity token among them"},
		"an opaque identity token":     {answer("id_token", "opaque"), "not a JSON web token in compact form"},
		"a token in another form":      {answer("id_token", `{"payload":"","protected":"","signature":""}`), "not a JSON web token in compact form"},
		"a token without a proof":      {oidctest.Config{Algorithm: "none"}, "the identity token is not valid"},
		"a token by a public secret":   {oidctest.Config{Algorithm: "HS256"}, "the identity token is not valid"},
		"an unknown key":               {strange, "the identity token is not valid"},
		"algorithms without a proof":   {weak, "the issuer signs its tokens in no way that proves anything"},
		"codes that anybody redeems":   {plain, "the issuer does not bind its codes to who asked for them"},
		"no authorization endpoint":    {nowhere, "the issuer offers no login with a browser"},
		"an answer of another issuer":  {redirect("iss", "https://other.example"), `the browser brings an answer of issuer "https://other.example"`},
		"an answer of nobody":          {namesItself, "the browser brings an answer that does not say whose it is"},
		"a code nobody gave":           {redirect("code", "a-code-of-another-login"), "the issuer refuses: invalid_grant"},
		"no code":                      {redirect("code", ""), "the issuer sent the browser back without a code"},
		"a refusal by the issuer":      {redirect("error", "temporarily_unavailable"), "the issuer refuses: temporarily_unavailable"},
		"a refusal not to be shown":    {redirect("error", "a\x1b[31m\nb"), "the issuer refuses: a [31m b"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, k := newIssuer(t, tt.cfg)
			d := newDesk(t)
			refusal(t, NewBrowser(loginAt(issuer, d)), k, tt.want)
			if issuer.Requests("/auth") == 0 {
				return // nobody was sent to log in
			}
			page := d.page()
			k.check(t, page.Text)
			if !strings.Contains(page.Text, "That did not work") {
				t.Errorf("the person sees %s", page.Text)
			}
		})
	}
}

func TestBrowserSaysThatThePersonRefused(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	d.Denies = true
	err := refusal(t, NewBrowser(loginAt(issuer, d)), k, "the login was refused: access_denied")
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != "access_denied" {
		t.Errorf("got %T %v, want a RefusedError", err, err)
	}
	if page := d.page(); !strings.Contains(page.Text, "That did not work") {
		t.Errorf("the person sees %s", page.Text)
	}
	if n := issuer.Requests("/token"); n != 0 {
		t.Errorf("the issuer was asked %d times for tokens", n)
	}
}

// TestTokenEndpointsWordsHoldNoSecret has the issuer repeat what it was sent.
func TestTokenEndpointsWordsHoldNoSecret(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		text   func(form url.Values) string
		want   string
	}{
		"in a refusal": {http.StatusBadRequest, func(form url.Values) string {
			return `{"error":"invalid_grant","error_description":"code ` + form.Get("code") + ` and verifier ` + form.Get("code_verifier") + `"}`
		}, "the issuer refuses: invalid_grant (code [redacted] and verifier [redacted])"},
		"as a refusal": {http.StatusBadRequest, func(form url.Values) string { return `{"error":"` + form.Get("code") + `"}` },
			"the issuer refuses: [redacted]"},
		"in words of its own":     {http.StatusInternalServerError, func(form url.Values) string { return "no " + form.Encode() }, "status 500 Internal Server Error"},
		"in a broken answer":      {http.StatusOK, func(form url.Values) string { return `{"id_token":"` + form.Get("code") }, "reading the issuer's tokens"},
		"in an unexpected answer": {http.StatusOK, func(form url.Values) string { return `{"id_token":["` + form.Get("code") + `"]}` }, "reading the issuer's tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, k := newIssuer(t, oidctest.Config{Before: func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/token" {
					return false
				}
				text, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				form, err := url.ParseQuery(string(text))
				if err != nil {
					t.Error(err)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.text(form))
				return true
			}})
			d := newDesk(t)
			refusal(t, NewBrowser(loginAt(issuer, d)), k, tt.want)
			k.check(t, d.page().Text)
		})
	}
}
