package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"gitseal/internal/strictjson"
	"gitseal/internal/transport"
)

// asymmetric are the algorithms by which a token may be signed (RFC 7518,
// section 3.1; RFC 8037): none of them has a key that is a secret of both sides.
var asymmetric = []string{
	goidc.RS256, goidc.RS384, goidc.RS512, goidc.ES256, goidc.ES384, goidc.ES512,
	goidc.PS256, goidc.PS384, goidc.PS512, goidc.EdDSA,
}

// A person is who an identity token is about.
type person struct {
	subject string // never ""
	email   string // the issuer has verified it; "": none
}

// String returns what to call the person.
func (p *person) String() string {
	if p.email != "" {
		return p.email
	}
	return p.subject
}

// verify checks an identity token by the issuer's keys as OpenID Connect Core
// 1.0, section 3.1.3.7, has it, and who it is about. nonce is what the token was
// asked for with; "": nothing, and the token's is not looked at.
func (p *provider) verify(ctx context.Context, keys goidc.KeySet, t *tokens, clientID, nonce string, now time.Time) (*person, error) {
	// One form only: the JOSE library would take others.
	if !compact(t.id) {
		return nil, errors.New("the identity token is not a JSON web token in compact form")
	}

	// The signature is by a key of the issuer's, by an algorithm it announces,
	// and the token is by that issuer, for us, and has not expired.
	token, err := goidc.NewVerifier(p.issuer, keys, &goidc.Config{
		ClientID: clientID, SupportedSigningAlgs: p.algorithms, Now: func() time.Time { return now },
	}).Verify(ctx, t.id)
	if err != nil {
		return nil, plainly(ctx, err)
	}
	c, err := readClaims(token)
	if err != nil {
		return nil, fmt.Errorf("reading the claims of the identity token: %w", err)
	}
	switch {
	case token.Issuer != p.issuer: // the library lets one spelling of Google's pass
		return nil, fmt.Errorf("the identity token is by issuer %q, want %q", transport.Printable(token.Issuer), p.issuer)
	case token.Subject == "":
		return nil, errors.New("the identity token names no subject")
	case !printable(token.Subject), !printable(c.email):
		return nil, errors.New("the identity token names somebody in characters that cannot be shown")
	case c.party != "" && c.party != clientID:
		return nil, fmt.Errorf("the identity token was issued to %q, want %q", transport.Printable(c.party), clientID)
	case c.party == "" && len(token.Audience) > 1:
		return nil, errors.New("the identity token is for several, and does not say whom it was issued to")
	}

	// It is the answer to this login, and belongs to what came with it.
	if nonce != "" && token.Nonce != nonce {
		return nil, errors.New("the identity token has another nonce: it belongs to another login")
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(t.access); err != nil {
			return nil, errors.New("the identity token belongs to another access token than it came with")
		}
	}

	// Nobody certifies an address that its issuer did not verify.
	if c.email != "" && !c.verified {
		return nil, fmt.Errorf("the issuer has not verified the e-mail address %q", transport.Printable(c.email))
	}
	return &person{token.Subject, c.email}, nil
}

// printable reports whether s looks like what it is: it has no character that
// moves others about, or that nobody sees.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}

// compact reports whether the token has the three parts of a JWS in compact
// serialization (RFC 7515, section 3.1), and no character besides.
func compact(token string) bool {
	parts := strings.Split(token, ".")
	return len(token) <= maxToken && len(parts) == 3 && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || strings.ContainsFunc(part, func(c rune) bool {
			return (c < 'a' || 'z' < c) && (c < 'A' || 'Z' < c) && (c < '0' || '9' < c) && c != '-' && c != '_'
		})
	})
}

// signing returns by which of the algorithms that an issuer names its tokens may
// be signed.
func signing(names []string) ([]string, error) {
	if names == nil {
		return []string{goidc.RS256}, nil // OpenID Connect Core, section 15.1: what all have
	}
	var list []string
	for _, name := range names {
		if slices.Contains(asymmetric, name) {
			list = append(list, name)
		}
	}
	if list == nil {
		return nil, fmt.Errorf("the issuer signs its tokens in no way that proves anything: %q", transport.Printable(strings.Join(names, ", ")))
	}
	return list, nil
}

// keySet returns the issuer's keys.
func (p *provider) keySet(ctx context.Context) (goidc.KeySet, error) {
	req := &transport.Request{Service: service, URL: p.keys, Accept: "application/json", Repeatable: true}
	resp, err := p.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, resp.Err(req)
	}
	// What is fetched is within our bounds; what to make of it the library knows.
	return goidc.NewRemoteKeySet(goidc.ClientContext(ctx, &http.Client{Transport: fetched(resp.Body)}), p.keys), nil
}

// fetched is a http.RoundTripper that asks nobody: it has the answer.
type fetched []byte

// RoundTrip returns the answer.
func (f fetched) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(f)), Body: io.NopCloser(bytes.NewReader(f)),
	}, nil
}

// plainly puts what the library finds into this package's words.
func plainly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // the library gave up for that
	}
	if expired := (*goidc.TokenExpiredError)(nil); errors.As(err, &expired) {
		if expired.Expiry.IsZero() {
			return errors.New("the identity token does not say when it expires")
		}
		return fmt.Errorf("the identity token expired on %s, by this machine's clock", expired.Expiry.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	text := strings.TrimPrefix(err.Error(), "failed to verify signature: ")
	return fmt.Errorf("the identity token is not valid: %s", transport.Printable(strings.TrimPrefix(text, "oidc: ")))
}

// claims are what of a token the library does not read.
type claims struct {
	party    string // azp: whom it was issued to; "": not said
	email    string // "": none
	verified bool   // the issuer says that it has verified email
}

// readClaims reads the claims of a token whose signature is verified.
func readClaims(token *goidc.IDToken) (*claims, error) {
	var text rawClaims
	if err := token.Claims(&text); err != nil {
		return nil, err
	}
	return parseClaims(text)
}

// known are the claims that anybody reads on the way to a certificate: this
// package, the library, package signer, the authority.
var known = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "at_hash", "azp", "email", "email_verified",
	"federated_claims", "_claim_names", "_claim_sources",
}

// parseClaims reads the payload of a token. No claim may occur twice: the
// library, and the authority, could have read the other. They use encoding/json,
// which takes names in any case of their letters.
func parseClaims(text []byte) (*claims, error) {
	c := new(claims)
	r := &strictjson.Reader{Text: text, Name: "token"}
	other := func(name string) error {
		if slices.ContainsFunc(known, func(k string) bool { return k != name && strings.EqualFold(k, name) }) {
			return errors.New("the name of another claim in another case")
		}
		_, err := r.Value()
		return err
	}
	err := r.Open(maxMembers, other,
		strictjson.Optional("azp", r.OrNull(r.String(&c.party, maxTerm))),
		strictjson.Optional("email", r.OrNull(r.String(&c.email, maxTerm))),
		strictjson.Optional("email_verified", func() error {
			value, err := r.Value()
			c.verified = string(value) == "true" || string(value) == `"true"` // some issuers write a string
			return err
		}),
	)
	if err == nil {
		err = r.End()
	}
	return c, err
}

// rawClaims are the claims of a token as they are.
type rawClaims []byte

// UnmarshalJSON keeps the text.
func (c *rawClaims) UnmarshalJSON(text []byte) error {
	*c = bytes.Clone(text)
	return nil
}
