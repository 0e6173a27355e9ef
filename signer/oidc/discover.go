package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gitseal/internal/strictjson"
	"gitseal/internal/transport"
)

// service is what errors call the server that people log in at.
const service = "token issuer"

// Bounds of a discovery document.
const (
	maxMembers = 200  // Keycloak's has about 60
	maxList    = 200  // of scopes, of algorithms
	maxTerm    = 256  // one of them
	maxURL     = 2048 // of an endpoint, in bytes
)

// A provider is an OpenID Connect provider as its discovery document describes
// it (OpenID Connect Discovery 1.0, section 3; RFC 8414).
type provider struct {
	client *transport.Client
	issuer string // URL

	authorization string // endpoint; "": none
	token         string // endpoint
	device        string // endpoint (RFC 8628); "": none
	keys          string // jwks_uri

	scopes     []string // nil: not said
	algorithms []string // by which tokens may be signed; never nil
	challenges []string // how a code is bound to who asked for it (RFC 7636); nil: not said
	secrets    []string // how a client authenticates at the token endpoint; nil: not said
	namesself  bool     // says who it is when it sends the browser back (RFC 9207)
}

// discover asks an issuer for its discovery document.
func discover(ctx context.Context, client *transport.Client, issuer string) (*provider, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil, !isURL(issuer), u.Host == "", u.User != nil, strings.ContainsAny(issuer, "?#"):
		return nil, fmt.Errorf("%q is not the URL of an issuer", transport.Printable(issuer))
	case !transport.Private(u):
		return nil, errors.New("the issuer is reached over plain http, where others can read and write")
	}
	req := &transport.Request{
		Service: service, URL: strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration",
		Accept: "application/json", Repeatable: true,
	}
	resp, err := client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, resp.Err(req)
	}
	p, err := parseDiscovery(resp.Body, issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the discovery document: %w", err)
	}
	p.client = client
	return p, nil
}

// parseDiscovery reads the discovery document of the issuer. What it does not
// know it passes over, as it must; nothing may occur twice.
func parseDiscovery(text []byte, issuer string) (*provider, error) {
	p := new(provider)
	r := &strictjson.Reader{Text: text, Name: "document"}
	endpoint := func(name string, required bool, dst *string) strictjson.Member {
		read := func() error {
			if err := r.String(dst, maxURL)(); err != nil {
				return err
			}
			return checkEndpoint(*dst, issuer)
		}
		if required {
			return strictjson.Required(name, read)
		}
		return strictjson.Optional(name, r.OrNull(read))
	}
	words := func(name string, dst *[]string) strictjson.Member {
		return strictjson.Optional(name, r.OrNull(func() error {
			*dst = []string{}
			return r.Array(maxList, func(int) error {
				var word string
				err := r.String(&word, maxTerm)()
				*dst = append(*dst, word)
				return err
			})
		}))
	}
	err := r.Open(maxMembers, func(string) error { _, err := r.Value(); return err },
		strictjson.Required("issuer", r.String(&p.issuer, maxURL)),
		endpoint("authorization_endpoint", false, &p.authorization),
		endpoint("token_endpoint", true, &p.token),
		endpoint("device_authorization_endpoint", false, &p.device),
		endpoint("jwks_uri", true, &p.keys),
		words("scopes_supported", &p.scopes),
		words("id_token_signing_alg_values_supported", &p.algorithms),
		words("code_challenge_methods_supported", &p.challenges),
		words("token_endpoint_auth_methods_supported", &p.secrets),
		strictjson.Optional("authorization_response_iss_parameter_supported", func() error {
			value, err := r.Value()
			p.namesself = string(value) == "true"
			if err == nil && !p.namesself && string(value) != "false" {
				err = errors.New("neither true nor false")
			}
			return err
		}),
	)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	// Section 4.3: identical, or one provider could speak for another.
	if p.issuer != issuer {
		return nil, fmt.Errorf("it is that of issuer %q, want %q", transport.Printable(p.issuer), issuer)
	}
	p.algorithms, err = signing(p.algorithms)
	return p, err
}

// checkEndpoint checks that secrets can be sent to the URL, and a person there.
func checkEndpoint(endpoint, issuer string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil, !isURL(endpoint), u.Host == "", u.Opaque != "", u.User != nil, strings.Contains(endpoint, "#"):
		return errors.New("not the URL of an endpoint")
	case !transport.Private(u):
		return errors.New("an endpoint that is reached over plain http, where others can read and write")
	case u.Scheme == "http" && strings.HasPrefix(strings.ToLower(issuer), "https:"):
		// What listens there is not the issuer's: it would get a request that
		// only this machine can make, or a code.
		return errors.New("an endpoint on this machine, of an issuer elsewhere")
	}
	return nil
}

// isURL reports whether s has but the characters of a URL (RFC 3986, appendix
// A). A program that opens one may put it between quotation marks.
func isURL(s string) bool { return plain(s, maxURL) && !strings.ContainsAny(s, "\"<>\\^`{|}") }

// plain reports whether s is visible ASCII, as URLs and codes are, and so can
// be shown on a terminal.
func plain(s string, limit int) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

// scope returns what to ask for: who it is, and a way to ask again later where
// the issuer has one.
func (p *provider) scope() string {
	if slices.Contains(p.scopes, "offline_access") {
		return "openid email offline_access"
	}
	return "openid email"
}
