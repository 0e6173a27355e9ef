package oidctest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const verifier = "a-verifier-of-at-least-43-characters-in-all-1"

// post asks an endpoint, and returns the answer's status and members.
func post(t *testing.T, endpoint string, form url.Values) (int, map[string]any) {
	t.Helper()
	resp, err := http.PostForm(endpoint, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return resp.StatusCode, m
}

func newIssuer(t *testing.T, cfg Config) *Issuer {
	t.Helper()
	i := New(cfg)
	t.Cleanup(i.Close)
	return i
}

// TestClientsOfTheFieldLogIn logs in with x/oauth2 and go-oidc, which know
// nothing of this issuer.
func TestClientsOfTheFieldLogIn(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		i := newIssuer(t, Config{Algorithm: algorithm})
		provider, err := goidc.NewProvider(t.Context(), i.URL)
		if err != nil {
			t.Fatal(err)
		}
		cfg := oauth2.Config{ClientID: "client", Endpoint: provider.Endpoint(), RedirectURL: "http://localhost:1/back", Scopes: []string{"openid", "offline_access"}}
		back, err := Person{Email: "alice@example.com"}.Redirect(t.Context(), cfg.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), goidc.Nonce("n")))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(back)
		if err != nil || u.Query().Get("state") != "state" {
			t.Fatalf("sent back to %q, %v", back, err)
		}
		token, err := cfg.Exchange(t.Context(), u.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := provider.Verifier(&goidc.Config{ClientID: "client"}).Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if id.Nonce != "n" || id.Subject != Subject("alice@example.com") || id.VerifyAccessToken(token.AccessToken) != nil {
			t.Errorf("%s: the token is %+v", algorithm, id)
		}
		if token.RefreshToken == "" {
			t.Errorf("%s: there is no refresh token", algorithm)
		}

		// A code counts once.
		if _, err := cfg.Exchange(t.Context(), u.Query().Get("code"), oauth2.VerifierOption(verifier)); err == nil {
			t.Errorf("%s: a code counts twice", algorithm)
		}
	}
}

// code logs in, and returns the code.
func code(t *testing.T, i *Issuer, more url.Values) string {
	t.Helper()
	h := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {"http://localhost:1/back"}, "scope": {"openid offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(h[:])}, "code_challenge_method": {"S256"},
	}
	for name, values := range more {
		q[name] = values
	}
	back, err := Person{}.Redirect(t.Context(), i.URL+"/auth?"+q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("code")
}

// TestCodesAreBoundToTheLogin has one thing wrong in each.
func TestCodesAreBoundToTheLogin(t *testing.T) {
	i := newIssuer(t, Config{})
	form := func() url.Values {
		return url.Values{
			"grant_type": {"authorization_code"}, "code": {code(t, i, nil)}, "client_id": {"client"},
			"redirect_uri": {"http://localhost:1/back"}, "code_verifier": {verifier},
		}
	}
	if status, _ := post(t, i.URL+"/token", form()); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	for _, name := range []string{"code", "client_id", "redirect_uri", "code_verifier"} {
		f := form()
		f.Set(name, "another")
		if status, m := post(t, i.URL+"/token", f); status != http.StatusBadRequest || m["error"] != "invalid_grant" {
			t.Errorf("another %s: status %d, %v", name, status, m)
		}
	}
	for name, more := range map[string]url.Values{
		"no challenge":    {"code_challenge": nil},
		"a plain one":     {"code_challenge_method": {"plain"}},
		"another answer":  {"response_type": {"token"}},
		"no openid scope": {"scope": {"email"}},
		"a refusal":       {"deny": {"1"}},
	} {
		if got := code(t, i, more); got != "" {
			t.Errorf("%s: there is a code", name)
		}
	}
}

func TestRefreshTokensAreRotated(t *testing.T) {
	i := newIssuer(t, Config{})
	_, m := post(t, i.URL+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code(t, i, nil)}, "client_id": {"client"},
		"redirect_uri": {"http://localhost:1/back"}, "code_verifier": {verifier},
	})
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {m["refresh_token"].(string)}, "client_id": {"client"}}
	status, next := post(t, i.URL+"/token", form)
	if status != http.StatusOK || next["refresh_token"] == m["refresh_token"] || next["id_token"] == nil {
		t.Errorf("status %d, %v", status, next)
	}
	if status, _ := post(t, i.URL+"/token", form); status != http.StatusBadRequest {
		t.Errorf("a used one: status %d", status)
	}
	form.Set("refresh_token", next["refresh_token"].(string))
	form.Set("client_id", "another")
	if status, _ := post(t, i.URL+"/token", form); status != http.StatusBadRequest {
		t.Errorf("another client's: status %d", status)
	}
}

func TestDevicesWaitForThePerson(t *testing.T) {
	i := newIssuer(t, Config{})
	h := sha256.Sum256([]byte(verifier))
	begin := func() (form url.Values, m map[string]any) {
		_, m = post(t, i.URL+"/device/code", url.Values{
			"client_id": {"client"}, "scope": {"openid"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(h[:])}, "code_challenge_method": {"S256"},
		})
		return url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {m["device_code"].(string)},
			"client_id": {"client"}, "code_verifier": {verifier},
		}, m
	}
	want := func(form url.Values, refusal string) {
		t.Helper()
		_, m := post(t, i.URL+"/token", form)
		if got, _ := m["error"].(string); got != refusal {
			t.Errorf("got error %q, want %q", got, refusal)
		}
	}
	form, m := begin()
	want(form, "authorization_pending")
	if codes := i.UserCodes(); len(codes) != 1 || codes[0] != m["user_code"] {
		t.Errorf("codes %q, want %q", codes, m["user_code"])
	}
	at := m["verification_uri"].(string)
	if err := (Person{}).Approve(context.Background(), at, "another"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("another code was taken: %v", err)
	}
	if err := (Person{Email: "alice@example.com"}).Approve(t.Context(), at, m["user_code"].(string)); err != nil {
		t.Fatal(err)
	}
	form.Set("code_verifier", "another")
	want(form, "invalid_grant")
	form.Set("code_verifier", verifier)
	want(form, "")
	want(form, "invalid_grant") // counts once

	form, m = begin()
	if err := (Person{Denies: true}).Approve(t.Context(), at, m["user_code"].(string)); err != nil {
		t.Fatal(err)
	}
	want(form, "access_denied")
}

func TestSecretsAreAskedFor(t *testing.T) {
	i := newIssuer(t, Config{Secret: "secret"})
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code(t, i, nil)}, "client_id": {"client"},
		"redirect_uri": {"http://localhost:1/back"}, "code_verifier": {verifier},
	}
	if _, m := post(t, i.URL+"/token", form); m["error"] != "invalid_client" {
		t.Errorf("without the secret: %v", m)
	}
	form.Set("client_secret", "secret")
	if status, m := post(t, i.URL+"/token", form); status != http.StatusOK {
		t.Errorf("with the secret: %v", m)
	}
	if got := i.Requests("/token"); got != 2 {
		t.Errorf("%d requests are counted, want 2", got)
	}
}
