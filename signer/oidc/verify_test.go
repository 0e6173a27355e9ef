package oidc

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gitseal/internal/transport"
	"gitseal/signer/oidc/oidctest"
)

func TestLoginTakesWhatIssuersWrite(t *testing.T) {
	for name, cfg := range map[string]oidctest.Config{
		"that the address is verified, as a string": claim("email_verified", "true"),
		"a list of one audience":                    claim("aud", []string{"sigstore"}),
		"whom it is issued to":                      claim("azp", "sigstore"),
		"no hash of the access token":               claim("at_hash", nil),
		"a time with fractions":                     claim("exp", float64(testTime.Unix())+60.5),
		"claims of all kinds":                       claim("federated_claims", map[string]any{"connector_id": "github", "groups": []int{1}}),
		"no algorithms, so RS256": {Algorithm: "RS256", Discovery: func(document map[string]any) {
			delete(document, "id_token_signing_alg_values_supported")
		}},
		"who it is": {Discovery: func(document map[string]any) { document["authorization_response_iss_parameter_supported"] = false }},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, _ := newIssuer(t, cfg)
			granted(t, NewBrowser(loginAt(issuer, newDesk(t))), oidctest.DefaultEmail)
		})
	}
}

// TestLoginWithoutAnAddress: a service account, or a scope that nobody allowed.
func TestLoginWithoutAnAddress(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{Claims: func(claims map[string]any) {
		delete(claims, "email")
		delete(claims, "email_verified")
	}})
	d := newDesk(t)
	g := granted(t, NewBrowser(loginAt(issuer, d)), "")
	if g.Session.Email != "" || g.Session.Subject != oidctest.Subject(oidctest.DefaultEmail) {
		t.Errorf("the session is of %q, %q", g.Session.Subject, g.Session.Email)
	}
	if page := d.page(); !strings.Contains(page.Text, "Signed in as "+oidctest.Subject(oidctest.DefaultEmail)) {
		t.Errorf("the person sees %s", page.Text)
	}
}

// TestLoginRefusesClaimsThatOccurTwice: two readers could see two persons.
func TestLoginRefusesClaimsThatOccurTwice(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{Payload: func(text []byte) []byte {
		return append(text[:len(text)-1], `,"email":"eve@example.com"}`...)
	}})
	refusal(t, NewBrowser(loginAt(issuer, newDesk(t))), k, "reading the claims of the identity token")
}

// TestLoginRefusesClaimsInAnotherCase: the library, the check of who may sign and
// the authority take them for the claims, and the last of them counts.
func TestLoginRefusesClaimsInAnotherCase(t *testing.T) {
	for _, more := range []string{`"Email":"eve@example.com"`, `"SUB":"eve"`, `"\u017fub":"eve"`, `"EXP":99999999999`, `"At_hash":""`, `"Email_Verified":true`} {
		issuer, k := newIssuer(t, oidctest.Config{Payload: func(text []byte) []byte {
			return append(text[:len(text)-1], ","+more+"}"...)
		}})
		refusal(t, NewBrowser(loginAt(issuer, newDesk(t))), k, "the name of another claim in another case")
	}
}

// TestLoginRefusesGooglesOtherName: the library takes it, the authority would not.
func TestLoginRefusesGooglesOtherName(t *testing.T) {
	const google = "https://accounts.google.com"
	cfg := claim("iss", google)
	cfg.Discovery = func(document map[string]any) {
		document["issuer"], document["jwks_uri"] = google, google+"/keys"
		document["authorization_endpoint"], document["token_endpoint"] = google+"/auth", google+"/token"
		delete(document, "device_authorization_endpoint")
	}
	issuer, _ := newIssuer(t, cfg)
	as := func(issuer *oidctest.Issuer) Config {
		d := newDesk(t)
		d.visit = func(loginURL string) { d.logIn(strings.Replace(loginURL, google, issuer.URL, 1)) }
		c := loginAt(issuer, d)
		c.Issuer = google
		c.Client = transport.New(transport.Config{UserAgent: "gitseal-test", Sleep: noSleep, RoundTripper: roundTrip(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(issuer.URL, "http://")
			return http.DefaultTransport.RoundTrip(r)
		})})
		return c
	}
	granted(t, NewBrowser(as(issuer)), oidctest.DefaultEmail)

	cfg.Claims = claim("iss", "accounts.google.com").Claims
	issuer, k := newIssuer(t, cfg)
	refusal(t, NewBrowser(as(issuer)), k, `the identity token is by issuer "accounts.google.com", want "https://accounts.google.com"`)
}

func TestLoginNeedsTheIssuersKeys(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{Before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/keys" {
			w.WriteHeader(http.StatusNotFound)
		}
		return r.URL.Path == "/keys"
	}})
	refusal(t, NewBrowser(loginAt(issuer, newDesk(t))), k, "status 404 Not Found")
}

// TestLoginSendsSecretsOnlyAsTheIssuerTakesThem: they go in the body, or not at
// all.
func TestLoginSendsSecretsOnlyAsTheIssuerTakesThem(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{Secret: "a client's s3cret", Discovery: func(document map[string]any) {
		document["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
	}})
	cfg := loginAt(issuer, newDesk(t))
	cfg.ClientSecret = "a client's s3cret"
	refusal(t, NewBrowser(cfg), k, "the issuer takes no client secret in the body of a request")
	refusal(t, NewDevice(cfg), k, "the issuer takes no client secret in the body of a request")
	if got := issuer.Requests("/token") + issuer.Requests("/device/code"); got != 0 {
		t.Errorf("%d requests have been sent", got)
	}
}

func TestLoginNeedsRandomness(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	cfg := loginAt(issuer, newDesk(t))
	cfg.Rand = strings.NewReader("too little")
	refusal(t, NewBrowser(cfg), k, "drawing random bytes")
	refusal(t, NewDevice(cfg), k, "drawing random bytes")
}

// FuzzClaims checks that what is read of a token is what the library reads.
func FuzzClaims(f *testing.F) {
	for _, text := range []string{
		`{"iss":"https://i.example","sub":"s","aud":"sigstore","exp":1,"email":"dev@example.test","email_verified":true,"azp":"sigstore"}`,
		`{"email":null,"email_verified":"true"}`, `{"email":"a@b","email_verified":"false"}`, `{"email":"a","email":"b"}`, `{"email_verified":1}`, `{"email":"a","Email":"b"}`, `{"a\u017fp":"a"}`, `[]`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseClaims(text)
		if err != nil {
			return
		}
		var want struct { // as the library reads it
			Party    string `json:"azp"`
			Email    string `json:"email"`
			Verified any    `json:"email_verified"`
		}
		if err := json.Unmarshal(text, &want); err != nil || c.party != want.Party || c.email != want.Email {
			t.Errorf("%q is read as %+v, the library reads %+v, %v", text, *c, want, err)
		}
		if v := want.Verified; c.verified && v != true && v != "true" {
			t.Errorf("%q is verified", text)
		}
	})
}

// FuzzTokens checks that what is read of a token endpoint's answer is what it
// says.
func FuzzTokens(f *testing.F) {
	for _, text := range []string{
		`{"access_token":"a","token_type":"bearer","expires_in":600,"id_token":"e.y.J","refresh_token":"r"}`,
		`{"id_token":"e.y.J","access_token":null}`, `{"id_token":""}`, `{"id_token":"a","id_token":"b"}`,
		`{"error":"invalid_grant","error_description":"no"}`, `[]`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var m map[string]any
		valid := json.Unmarshal(text, &m) == nil
		str := func(name string) string { s, _ := m[name].(string); return s }
		if got, err := parseTokens(text); err == nil {
			want := tokens{str("id_token"), str("access_token"), str("refresh_token")}
			if !valid || *got != want || got.id == "" {
				t.Errorf("%q is read as %+v, want %+v", text, *got, want)
			}
		}
		if got, err := parseRefusal(text); err == nil {
			if !valid || got.Code != str("error") || got.Code == "" {
				t.Errorf("%q is read as %q, want %q", text, got.Code, str("error"))
			}
			if strings.ContainsAny(got.Error(), "\n\r\x1b\x00") {
				t.Errorf("%q cannot be shown", got.Error())
			}
		}
	})
}
