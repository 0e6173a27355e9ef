package oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gitseal/internal/transport"
	"gitseal/signer/oidc/oidctest"
)

// document is a discovery document with all that is read of it.
const document = `{
  "issuer": "https://issuer.example",
  "authorization_endpoint": "https://issuer.example/auth",
  "token_endpoint": "https://issuer.example/token",
  "device_authorization_endpoint": "https://issuer.example/device/code",
  "jwks_uri": "https://issuer.example/keys",
  "scopes_supported": ["openid", "email", "offline_access"],
  "id_token_signing_alg_values_supported": ["ES256", "HS256", "none", "RS256"],
  "code_challenge_methods_supported": ["S256"],
  "token_endpoint_auth_methods_supported": null,
  "authorization_response_iss_parameter_supported": true,
  "claims_supported": ["iss"],
  "mtls_endpoint_aliases": {"token_endpoint": "http://mtls.issuer.example/token"}
}`

func TestDiscoveryIsRead(t *testing.T) {
	p, err := parseDiscovery([]byte(document), "https://issuer.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ got, want string }{
		"authorization": {p.authorization, "https://issuer.example/auth"},
		"token":         {p.token, "https://issuer.example/token"},
		"device":        {p.device, "https://issuer.example/device/code"},
		"keys":          {p.keys, "https://issuer.example/keys"},
		"scope":         {p.scope(), "openid email offline_access"},
		"algorithms":    {strings.Join(p.algorithms, " "), "ES256 RS256"},
		"challenges":    {strings.Join(p.challenges, " "), "S256"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %q, want %q", name, tt.got, tt.want)
		}
	}
	if !p.namesself || p.secrets != nil {
		t.Errorf("read as %+v", p)
	}
}

func TestDiscoveryHasDefaults(t *testing.T) {
	p, err := parseDiscovery([]byte(`{"issuer":"https://i.example","token_endpoint":"https://i.example/t","jwks_uri":"https://i.example/k"}`), "https://i.example")
	if err != nil {
		t.Fatal(err)
	}
	if p.scope() != "openid email" || !slices.Equal(p.algorithms, []string{"RS256"}) || p.challenges != nil || p.namesself {
		t.Errorf("read as %+v", p)
	}
}

// TestDiscoveryRefuses has one thing wrong in each document.
func TestDiscoveryRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		from, to string
		want     string
	}{
		"another issuer":         {`"https://issuer.example",`, `"https://other.example",`, `it is that of issuer "https://other.example", want "https://issuer.example"`},
		"almost the issuer":      {`"https://issuer.example",`, `"https://issuer.example/",`, `it is that of issuer "https://issuer.example/"`},
		"no issuer":              {`"issuer"`, `"issuers"`, `no member "issuer"`},
		"two issuers":            {`"claims_supported"`, `"issuer"`, `issuer`},
		"no token endpoint":      {`"token_endpoint": "https://issuer.example/token",`, ``, `no member "token_endpoint"`},
		"no keys":                {`"jwks_uri": "https://issuer.example/keys",`, ``, `no member "jwks_uri"`},
		"login over http":        {"https://issuer.example/auth", "http://issuer.example/auth", "an endpoint that is reached over plain http"},
		"tokens over http":       {"https://issuer.example/token", "http://issuer.example/token", "an endpoint that is reached over plain http"},
		"codes over http":        {"https://issuer.example/device/code", "http://issuer.example/device/code", "an endpoint that is reached over plain http"},
		"keys over http":         {"https://issuer.example/keys", "http://issuer.example/keys", "an endpoint that is reached over plain http"},
		"login with a program":   {"https://issuer.example/auth", "file:///bin/sh", "not the URL of an endpoint"},
		"login by a script":      {"https://issuer.example/auth", "javascript:alert(1)", "not the URL of an endpoint"},
		"login with an option":   {"https://issuer.example/auth", "--remote-debugging-port=1", "not the URL of an endpoint"},
		"a password in a URL":    {"https://issuer.example/token", "https://a:b@issuer.example/token", "not the URL of an endpoint"},
		"a fragment in a URL":    {"https://issuer.example/auth", "https://issuer.example/auth#x", "not the URL of an endpoint"},
		"an empty fragment":      {"https://issuer.example/auth", "https://issuer.example/auth#", "not the URL of an endpoint"},
		"a quotation mark":       {"https://issuer.example/auth", `https://issuer.example/auth\" --load-extension=x \"`, "not the URL of an endpoint"},
		"a quoted option":        {"https://issuer.example/auth", `https://issuer.example/auth\"--load-extension=x`, "not the URL of an endpoint"},
		"a backquoted command":   {"https://issuer.example/auth", "https://issuer.example/`id`", "not the URL of an endpoint"},
		"this machine":           {"https://issuer.example/token", "http://127.0.0.1:631/token", "an endpoint on this machine, of an issuer elsewhere"},
		"a space in a URL":       {"https://issuer.example/auth", "https://issuer.example/auth x", "not the URL of an endpoint"},
		"a line break in a URL":  {"https://issuer.example/auth", `https://issuer.example/auth\nx`, "not the URL of an endpoint"},
		"no useful algorithm":    {`["ES256", "HS256", "none", "RS256"]`, `["HS512", "none"]`, "in no way that proves anything"},
		"a list that is none":    {`["S256"]`, `"S256"`, "code_challenge_methods_supported"},
		"a word that is none":    {`["S256"]`, `[1]`, "code_challenge_methods_supported"},
		"neither true nor false": {`: true`, `: "true"`, "neither true nor false"},
		"more after the end":     {`/token"}` + "\n}", `/token"}` + "\n}{}", "document"},
		"no JSON":                {document, "<!doctype html>", "an object is expected"},
		"nothing":                {document, "", "document"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(document, tt.from, tt.to, 1)
			if text == document {
				t.Fatalf("%q is not in the document", tt.from)
			}
			_, err := parseDiscovery([]byte(text), "https://issuer.example")
			if err == nil {
				t.Fatalf("it is read, want an error with %q", tt.want)
			}
			checkError(t, err, tt.want)
		})
	}
}

func TestDiscoverAsksOnlyIssuers(t *testing.T) {
	asked := 0
	client := transport.New(transport.Config{UserAgent: "gitseal-test", Sleep: noSleep, RoundTripper: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		return nil, http.ErrServerClosed
	})})
	for issuer, want := range map[string]string{
		"http://issuer.example":      "the issuer is reached over plain http",
		"ftp://issuer.example":       "the issuer is reached over plain http",
		"issuer.example":             "is not the URL of an issuer",
		"https://a:b@issuer.example": "is not the URL of an issuer",
		"https://issuer.example?a=b": "is not the URL of an issuer",
		"https://issuer.example#a":   "is not the URL of an issuer",
		"https://issuer.example?":    "is not the URL of an issuer",
		"https://issuer.example#":    "is not the URL of an issuer",
		"https://issuer.example/`":   "is not the URL of an issuer",
		"https://issuer.example/ a":  "is not the URL of an issuer",
		"https://":                   "is not the URL of an issuer",
		"":                           "is not the URL of an issuer",
	} {
		_, err := discover(t.Context(), client, issuer)
		if err == nil {
			t.Errorf("%q is an issuer", issuer)
			continue
		}
		checkError(t, err, want)
	}
	if asked != 0 {
		t.Errorf("%d requests, want none", asked)
	}
	// The document of one whose name has a path is below the path.
	_, err := discover(t.Context(), client, "https://issuer.example/tenant/")
	if want := "https://issuer.example/tenant/.well-known/openid-configuration"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

// TestLoginShowsNoIssuerThatCannotBe: the setting may be a stranger's.
func TestLoginShowsNoIssuerThatCannotBe(t *testing.T) {
	_, k := newIssuer(t, oidctest.Config{})
	cfg := loginAt(&oidctest.Issuer{URL: "https://issuer.example\x1b[2J\n"}, newDesk(t))
	for _, s := range []Source{NewBrowser(cfg), NewDevice(cfg)} {
		if err := refusal(t, s, k, "is not the URL of an issuer"); strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: the error is %q", s.Name(), err)
		}
	}
	_, err := Renew(t.Context(), cfg.Client, &Session{Issuer: cfg.Issuer, ClientID: "c", Subject: "s", RefreshToken: "r"}, testTime)
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("renewing: the error is %q", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestDiscoverRefusesWhatIsNotTheIssuersAnswer logs in where something else
// answers.
func TestDiscoverRefusesWhatIsNotTheIssuersAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		header http.Header
		text   string
		want   string
	}{
		"not found":       {http.StatusNotFound, nil, "", "status 404 Not Found"},
		"a web page":      {http.StatusOK, http.Header{"Content-Type": {"text/html"}}, "<html>", "a web page in place of an answer"},
		"a redirect":      {http.StatusFound, http.Header{"Location": {"https://other.example/"}}, "", "redirects to other.example"},
		"half a document": {http.StatusOK, nil, document[:100], "reading the discovery document"},
		"a long document": {http.StatusOK, nil, strings.Repeat(" ", 2<<20), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, k := newIssuer(t, oidctest.Config{Before: func(w http.ResponseWriter, _ *http.Request) bool {
				for name, values := range tt.header {
					w.Header()[name] = values
				}
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.text))
				return true
			}})
			refusal(t, NewBrowser(loginAt(issuer, newDesk(t))), k, tt.want)
			refusal(t, NewDevice(loginAt(issuer, newDesk(t))), k, tt.want)
		})
	}
}

// FuzzDiscovery checks that what is read is what the document says, and that
// secrets go nowhere that others can see them.
func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(document))
	for _, text := range []string{
		`{"issuer":"https://issuer.example","token_endpoint":"https://i.example/t","jwks_uri":"https://i.example/k"}`,
		`{"issuer":"https://issuer.example","token_endpoint":"http://127.0.0.1:1/t","jwks_uri":"http://localhost/k","scopes_supported":[]}`,
		`{"issuer":"https://issuer.example","issuer":"x"}`, `[]`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseDiscovery(text, "https://issuer.example")
		if err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%q is read, and is no JSON: %v", text, err)
		}
		if m["issuer"] != "https://issuer.example" {
			t.Errorf("%q is taken for that of another issuer", text)
		}
		for name, got := range map[string]string{
			"authorization_endpoint": p.authorization, "token_endpoint": p.token, "device_authorization_endpoint": p.device, "jwks_uri": p.keys,
		} {
			want, _ := m[name].(string)
			if got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
			if got == "" {
				continue
			}
			if u, err := url.Parse(got); err != nil || u.Scheme != "https" {
				t.Errorf("%s is %q, where others can read", name, got)
			}
		}
		if len(p.algorithms) == 0 || slices.ContainsFunc(p.algorithms, func(a string) bool { return !slices.Contains(asymmetric, a) }) {
			t.Errorf("algorithms %q", p.algorithms)
		}
	})
}
