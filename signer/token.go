package signer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/verifier"
)

// maxToken bounds a token, in bytes. Those of CI systems have about 2 kB.
const maxToken = 1 << 16

// A tokenIdentity is whom an identity token speaks for, as far as can be told
// without verifying it: the authority does that. It allows the identities
// that a certificate for the token may have.
type tokenIdentity struct {
	issuers  []string // at least one
	subject  string
	email    string // "": none that the issuer verified
	audience []string
	expires  time.Time // zero: not said
}

// readToken reads the claims of a JSON web token in compact form (RFC 7519).
// No error repeats any of it.
func readToken(token string) (tokenIdentity, error) {
	var who tokenIdentity
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return who, errors.New("the identity token is not a JSON web token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return who, errors.New("the identity token is not a JSON web token")
	}
	var claims struct {
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
	if err := json.Unmarshal(payload, &claims); err != nil {
		return who, errors.New("the claims of the identity token are not JSON, or not those of one")
	}
	if claims.Issuer == "" {
		return who, errors.New("the identity token names no issuer")
	}
	// Dex, which stands before Sigstore's public instance, names the issuer
	// that it asked in a claim of its own, and Fulcio certifies that one.
	who.issuers = []string{claims.Issuer}
	if claims.Federated.Connector != "" {
		who.issuers = append(who.issuers, claims.Federated.Connector)
	}
	if claims.EmailVerified == true || claims.EmailVerified == "true" {
		who.email = claims.Email
	}
	if who.subject = claims.Subject; who.challenge() == "" {
		return who, errors.New("the identity token names no subject")
	}
	who.audience = claims.Audience
	if claims.Expires > 0 {
		who.expires = time.Unix(int64(claims.Expires), 0)
	}
	return who, nil
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

// challenge returns what a proof of possession is over: the token's e-mail
// address, where it has one that the issuer verified, else its subject.
func (who tokenIdentity) challenge() string {
	if who.email != "" {
		return who.email
	}
	return who.subject
}

// checkUse says why the authority will refuse the token, where that can be
// seen from here: its own answer is only that it does.
func (who tokenIdentity) checkUse(now time.Time, want string) error {
	if d := now.Sub(who.expires); !who.expires.IsZero() && d > maxSkew {
		return fmt.Errorf("the identity token expired %s ago, by this machine's clock", about(d))
	}
	if want != "" && !slices.Contains(who.audience, want) {
		return fmt.Errorf("the identity token is for audience %q, want %q", strings.Join(who.audience, ", "), want)
	}
	return nil
}

// claimTokenSubject is the certificate extension with the subject of the token,
// whatever the authority made of it in the name (Fulcio's oid-info.md).
const claimTokenSubject = 24

// checkSubject checks that the certificate is for this token, not for another
// of the same issuer, where the authority tells.
func (who tokenIdentity) checkSubject(c *verifier.Certificate) error {
	for _, claim := range c.Claims {
		if claim.Number == claimTokenSubject && claim.Value != who.subject {
			return fmt.Errorf("the certificate is for a token with the subject %q, this one has %q", claim.Value, who.subject)
		}
	}
	return nil
}

// Allow implements verifier.Allowed. How an authority names a subject that is
// not an e-mail address (a workflow, a service) is for its configuration to
// say, so there any subject of the issuer will do.
func (who tokenIdentity) Allow(id verifier.Identity, _ time.Time) error {
	if !slices.Contains(who.issuers, id.Issuer) {
		return fmt.Errorf("the certificate is of issuer %q, the token of %q", id.Issuer, who.issuers[0])
	}
	if who.email != "" && id.Subject != who.email {
		return fmt.Errorf("the certificate is for %q, the token for %q", id.Subject, who.email)
	}
	return nil
}
