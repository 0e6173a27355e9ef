// Package oidctest is an OpenID Connect provider for tests, on a loopback port,
// and a person with a browser who logs in there.
//
// It behaves as Dex does, which stands before Sigstore's public instance: codes
// count once and only with their verifier, refresh tokens are rotated, logins
// on other devices wait until somebody enters the code. Its Config has it do
// wrong what a client must notice.
package oidctest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultEmail is who logs in where nobody says who.
const DefaultEmail = "dev@example.test"

// A Config says what an issuer does otherwise than well. The functions change
// what they are given before it is sent; nil: they do not.
type Config struct {
	Algorithm string           // "ES256", "RS256", or without a proof "HS256" and "none"; "": ES256
	Lifetime  time.Duration    // of tokens; 0: ten minutes
	Now       func() time.Time // nil: time.Now
	Secret    string           // that clients must have; "": they are public

	Discovery func(document map[string]any)
	Keys      func(set map[string]any)
	Redirect  func(query url.Values)       // that the browser is sent back with
	Claims    func(claims map[string]any)  // of an identity token, before it is signed
	Payload   func(json []byte) []byte     // of it, before it is signed
	Tokens    func(answer map[string]any)  // of the token endpoint
	Code      func(answer map[string]any)  // of the device authorization endpoint
	Poll      func(n int) (refusal string) // of the n-th question, from 1, whether a person is done; "": as it is
	Before    func(http.ResponseWriter, *http.Request) (answered bool)
}

// An Issuer is a running issuer.
type Issuer struct {
	URL string

	cfg    Config
	server *httptest.Server
	signer signer

	mu       sync.Mutex
	codes    map[string]*login // guarded by mu, as all below: by authorization code
	devices  map[string]*login // by device code
	sessions map[string]*login // by refresh token
	requests map[string]int    // by path
}

// A login is what becomes of one person's request.
type login struct {
	email               string // "": has not logged in yet
	client, nonce       string
	redirect, challenge string
	offline             bool // gets a refresh token
	user                string
	denied              bool
	polls               int
}

// New starts an issuer.
func New(cfg Config) *Issuer {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 10 * time.Minute
	}
	i := &Issuer{
		cfg: cfg, signer: newSigner(cfg.Algorithm),
		codes: make(map[string]*login), devices: make(map[string]*login), sessions: make(map[string]*login), requests: make(map[string]int),
	}
	i.server = httptest.NewServer(i)
	i.URL = i.server.URL
	return i
}

// Close stops the issuer.
func (i *Issuer) Close() { i.server.Close() }

// Key returns the public key of the issuer's tokens; nil if they have none.
func (i *Issuer) Key() crypto.PublicKey { return i.signer.public() }

// Requests returns how often the path was asked for.
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

// UserCodes returns the codes that nobody has entered yet.
func (i *Issuer) UserCodes() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var list []string
	for _, l := range i.devices {
		if l.email == "" && !l.denied {
			list = append(list, l.user)
		}
	}
	slices.Sort(list)
	return list
}

// Mint returns a token with the claims, and those that every token has: issuer,
// time of issue, expiry.
func (i *Issuer) Mint(claims map[string]any) string {
	now := i.cfg.Now()
	all := map[string]any{"iss": i.URL, "iat": now.Unix(), "exp": now.Add(i.cfg.Lifetime).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	if i.cfg.Claims != nil {
		i.cfg.Claims(all)
	}
	payload, err := json.Marshal(all)
	if err != nil {
		panic("oidctest: " + err.Error()) // the claims are the test's
	}
	if i.cfg.Payload != nil {
		payload = i.cfg.Payload(payload)
	}
	return i.signer.token(payload)
}

// Subject returns the subject that the issuer's tokens have for an e-mail
// address.
func Subject(email string) string {
	h := sha256.Sum256([]byte(email))
	return base64.RawURLEncoding.EncodeToString(h[:15])
}

// identity returns the identity token of a login.
func (i *Issuer) identity(l *login, access string) string {
	h := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"sub": Subject(l.email), "aud": l.client, "email": l.email, "email_verified": true, "name": l.email,
		"at_hash": base64.RawURLEncoding.EncodeToString(h[:16]),
	}
	if l.nonce != "" {
		claims["nonce"] = l.nonce
	}
	return i.Mint(claims)
}

// ServeHTTP answers a client, or a browser.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.requests[r.URL.Path]++
	i.mu.Unlock()
	if i.cfg.Before != nil && i.cfg.Before(w, r) {
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, "invalid_request")
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /.well-known/openid-configuration":
		i.discovery(w)
	case "GET /keys":
		set := i.signer.keys()
		if i.cfg.Keys != nil {
			i.cfg.Keys(set)
		}
		writeJSON(w, http.StatusOK, set)
	case "GET /auth":
		i.authorize(w, r)
	case "POST /device/code":
		i.deviceCode(w, r)
	case "GET /device":
		i.enter(w, r)
	case "POST /token":
		i.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) discovery(w http.ResponseWriter) {
	document := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token",
		"jwks_uri": i.URL + "/keys", "userinfo_endpoint": i.URL + "/userinfo", "device_authorization_endpoint": i.URL + "/device/code",
		"grant_types_supported":                 []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{i.signer.algorithm()},
		"code_challenge_methods_supported":      []string{"S256", "plain"},
		"scopes_supported":                      []string{"openid", "email", "groups", "profile", "offline_access"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"claims_supported":                      []string{"iss", "sub", "aud", "iat", "exp", "email", "email_verified", "name", "at_hash"},
	}
	if i.cfg.Discovery != nil {
		i.cfg.Discovery(document)
	}
	writeJSON(w, http.StatusOK, document)
}

// authorize is the page on which a person logs in. They do it by the parameters
// user and deny.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.Form
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Scheme != "http" || back.Hostname() != "localhost" && back.Hostname() != "127.0.0.1" {
		refuse(w, "invalid_request")
		return
	}
	answer := url.Values{"state": {q.Get("state")}}
	scopes := strings.Fields(q.Get("scope"))
	switch {
	case q.Get("response_type") != "code", q.Get("client_id") == "", len(q.Get("code_challenge")) != 43, q.Get("code_challenge_method") != "S256":
		answer.Set("error", "invalid_request")
	case !slices.Contains(scopes, "openid"):
		answer.Set("error", "invalid_scope")
	case q.Get("deny") != "":
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The resource owner or authorization server denied the request")
	default:
		code := random()
		i.codes[code] = &login{
			email: who(q), client: q.Get("client_id"), nonce: q.Get("nonce"), redirect: q.Get("redirect_uri"),
			challenge: q.Get("code_challenge"), offline: slices.Contains(scopes, "offline_access"),
		}
		answer.Set("code", code)
	}
	if i.cfg.Redirect != nil {
		i.cfg.Redirect(answer)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

// who returns the person that a browser's request is of.
func who(q url.Values) string {
	if email := q.Get("user"); email != "" {
		return email
	}
	return DefaultEmail
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("oidctest: " + err.Error()) // every v is made of strings, numbers, lists and maps
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s\n", data)
}

// refuse answers with an error (RFC 6749, section 5.2).
func refuse(w http.ResponseWriter, code string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": "refused: " + code})
}

// random returns a secret.
func random() string { return base64.RawURLEncoding.EncodeToString([]byte(rand.Text())) }
