package signer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/internal/strictjson"
	"gitseal/verifier"
)

// maxToken bounds a token, in bytes. Those of CI systems have about 2 kB.
const maxToken = 1 << 16

// A TokenError says why an identity token cannot be used. It repeats of the
// token only what people may read: issuer, subject, e-mail address, audience.
type TokenError struct {
	Err error
}

// Error returns the cause.
func (e *TokenError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TokenError) Unwrap() error { return e.Err }

// Claims are what an identity token says of itself (OpenID Connect Core,
// section 2). Nobody has verified it: the authority does. It is for people to
// look at, and for finding out early what an authority will refuse.
type Claims struct {
	Issuer        string // never ""
	Subject       string
	Email         string // "": none
	EmailVerified bool   // the issuer says that it has verified Email
	Audience      []string
	Expires       time.Time // zero: not said, or not in this age

	connector string // whom the issuer asked; "": nobody
}

// maxExpires is the end of the year 9999: what is later is no time.
const maxExpires = 253402300800

// ReadClaims reads the claims of a JSON web token in compact form (RFC 7519).
// Every error is a *TokenError.
func ReadClaims(token string) (*Claims, error) {
	c, err := readClaims(token)
	if err != nil {
		return nil, &TokenError{err}
	}
	return c, nil
}

func readClaims(token string) (*Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return nil, errors.New("the identity token is not a JSON web token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("the identity token is not a JSON web token")
	}
	var raw struct {
		Issuer        string   `json:"iss"`
		Subject       string   `json:"sub"`
		Audience      audience `json:"aud"`
		Expires       float64  `json:"exp"`
		Email         string   `json:"email"`
		EmailVerified any      `json:"email_verified"` // a bool; some issuers write a string
		Federated     struct {
			Connector string `json:"connector_id"`
		} `json:"federated_claims"`
	}
	if err := json.Unmarshal(payload, &raw); err != nil {
		return nil, errors.New("the claims of the identity token are not JSON, or not those of one")
	}
	if err := oneReading(payload); err != nil {
		return nil, err
	}
	c := &Claims{
		Issuer: raw.Issuer, Subject: raw.Subject, Email: raw.Email, EmailVerified: raw.EmailVerified == true || raw.EmailVerified == "true",
		Audience: raw.Audience, connector: raw.Federated.Connector,
	}
	if raw.Expires > 0 && raw.Expires < maxExpires {
		c.Expires = time.Unix(int64(raw.Expires), 0)
	}
	switch {
	case c.Issuer == "":
		return nil, errors.New("the identity token names no issuer")
	case c.challenge() == "":
		return nil, errors.New("the identity token names no subject")
	}
	return c, nil
}

// maxClaims bounds the members of a token. Those of CI systems have about 40.
const maxClaims = 1 << 10

// oneReading refuses claims that another reader could take for others: that
// occur twice, or in another case of their letters, which encoding/json folds.
// The authority has such a reader, and what it certifies is public before it can
// be compared with what was read here.
func oneReading(payload []byte) error {
	r := &strictjson.Reader{Text: payload, Name: "token"}
	claim := func(known ...string) func(string) error {
		return func(name string) error {
			if slices.ContainsFunc(known, func(k string) bool { return k != name && strings.EqualFold(k, name) }) {
				return errors.New("the name of another claim in another case")
			}
			_, err := r.Value()
			return err
		}
	}
	federated := strictjson.Optional("federated_claims", r.OrNull(func() error { return r.Open(maxClaims, claim("connector_id")) }))
	err := r.Open(maxClaims, claim("iss", "sub", "aud", "exp", "email", "email_verified", "federated_claims"), federated)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return errors.New("the claims of the identity token can be read in two ways") // where is theirs to know
	}
	return nil
}

// audience is the aud claim: a string or an array of strings (RFC 7519,
// section 4.1.3).
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]string)(a))
	}
	*a = make(audience, 1)
	return json.Unmarshal(data, &(*a)[0])
}

// verifiedEmail returns the e-mail address that the issuer verified; "" if
// there is none.
func (c *Claims) verifiedEmail() string {
	if c.EmailVerified {
		return c.Email
	}
	return ""
}

// challenge returns what a proof of possession is over: the token's e-mail
// address, where it has one that the issuer verified, else its subject.
func (c *Claims) challenge() string {
	if email := c.verifiedEmail(); email != "" {
		return email
	}
	return c.Subject
}

// Check says why an authority that wants this audience, or any if it is "",
// will refuse the token, where that can be seen from here: its own answer is
// only that it does. Clocks may differ by five seconds. Every error is a
// *TokenError.
func (c *Claims) Check(now time.Time, audience string) error {
	if d := now.Sub(c.Expires); !c.Expires.IsZero() && d > maxSkew {
		return &TokenError{fmt.Errorf("the identity token expired %s ago, on %s by this machine's clock", about(d), c.Expires.UTC().Format("2006-01-02 15:04:05 UTC"))}
	}
	if audience != "" && !slices.Contains(c.Audience, audience) {
		return &TokenError{fmt.Errorf("the identity token is for audience %q, want %q", strings.Join(c.Audience, ", "), audience)}
	}
	return nil
}

// claimTokenSubject is the certificate extension with the subject of the token,
// whatever the authority made of it in the name (Fulcio's oid-info.md).
const claimTokenSubject = 24

// checkSubject checks that the certificate is for this token, not for another
// of the same issuer, where the authority tells.
func (c *Claims) checkSubject(cert *verifier.Certificate) error {
	for _, claim := range cert.Claims {
		if claim.Number == claimTokenSubject && claim.Value != c.Subject {
			return fmt.Errorf("the certificate is for a token with the subject %q, this one has %q", claim.Value, c.Subject)
		}
	}
	return nil
}

// Allow implements verifier.Allowed: it allows the identities that a
// certificate for the token may have. How an authority names a subject that is
// not an e-mail address (a workflow, a service) is for its configuration to
// say, so there any subject of the issuer will do.
func (c *Claims) Allow(id verifier.Identity, _ time.Time) error {
	// Dex, which stands before Sigstore's public instance, names the issuer
	// that it asked in a claim of its own, and Fulcio certifies that one.
	if id.Issuer != c.Issuer && (c.connector == "" || id.Issuer != c.connector) {
		return fmt.Errorf("the certificate is of issuer %q, the token of %q", id.Issuer, c.Issuer)
	}
	if email := c.verifiedEmail(); email != "" && id.Subject != email {
		return fmt.Errorf("the certificate is for %q, the token for %q", id.Subject, email)
	}
	return nil
}
