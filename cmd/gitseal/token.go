package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// tokenVariable holds the identity token to sign with.
const tokenVariable = "SIGSTORE_ID_TOKEN"

// errNoToken says that nobody vouches for the signer.
var errNoToken = errors.New(tokenVariable + " is not set")

// A tokenError says why an identity token cannot be used. It repeats none of
// it but what people may read: see claims.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// envToken is the identity token in the environment.
type envToken struct {
	getenv   func(string) string
	now      func() time.Time
	audience string
}

// Token implements signer.TokenSource. A token that no authority would take is
// refused here, where it is known whose mistake that is.
func (t envToken) Token(context.Context) (string, error) {
	// A shell leaves no line end behind, the file of a secret store may.
	token := strings.TrimSpace(t.getenv(tokenVariable))
	if token == "" {
		return "", errNoToken
	}
	c, err := readClaims(token)
	if err == nil {
		err = c.check(t.now(), t.audience)
	}
	if err != nil {
		return "", &tokenError{err}
	}
	return token, nil
}

// claims are what an identity token says of itself. Nobody has verified it: it
// is for people to look at, and for finding out early what an authority will
// refuse.
type claims struct {
	Issuer   string
	Subject  string
	Email    string // "": none
	Verified bool   // the issuer says that it has verified Email
	Audience []string
	Expires  time.Time // zero: not said, or not in this age
}

// maxExpires is the end of the year 9999: what is later is no time.
const maxExpires = 253402300800

// readClaims reads the claims of a JSON web token (RFC 7519).
func readClaims(token string) (*claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the identity token is not a JSON web token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("the identity token is not a JSON web token")
	}
	var raw struct {
		Issuer   string          `json:"iss"`
		Subject  string          `json:"sub"`
		Email    string          `json:"email"`
		Verified any             `json:"email_verified"` // a bool; some issuers write a string
		Audience json.RawMessage `json:"aud"`            // a string or several
		Expires  float64         `json:"exp"`
	}
	if err := json.Unmarshal(payload, &raw); err != nil {
		return nil, errors.New("the claims of the identity token are not JSON, or not those of one")
	}
	c := &claims{Issuer: raw.Issuer, Subject: raw.Subject, Email: raw.Email, Verified: raw.Verified == true || raw.Verified == "true"}
	var one string
	if json.Unmarshal(raw.Audience, &one) == nil {
		c.Audience = []string{one}
	} else if json.Unmarshal(raw.Audience, &c.Audience) != nil {
		return nil, errors.New("the identity token names no audience")
	}
	if raw.Expires > 0 && raw.Expires < maxExpires {
		c.Expires = time.Unix(int64(raw.Expires), 0)
	}
	return c, nil
}

// tokenSkew is for how long after its end a token may still be good, where
// clocks differ.
const tokenSkew = 5 * time.Second

// check says why no authority that wants this audience will take the token.
func (c *claims) check(now time.Time, audience string) error {
	if !c.Expires.IsZero() && now.Sub(c.Expires) > tokenSkew {
		return fmt.Errorf("the identity token expired on %s, and this machine's clock says %s", formatTime(c.Expires), formatTime(now))
	}
	if !slices.Contains(c.Audience, audience) {
		return fmt.Errorf("the identity token is for audience %q, want %q", strings.Join(c.Audience, ", "), audience)
	}
	return nil
}

// who says for whom the token is.
func (c *claims) who() string {
	name := c.Subject
	if c.Email != "" {
		name = c.Email
	}
	return fmt.Sprintf("%s (%s)", printable(name), printable(c.Issuer))
}
