package fakeca

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// audience is whom tokens are for.
const audience = "sigstore"

// tokenLifetime is how long a token can be exchanged for a certificate.
const tokenLifetime = 5 * time.Minute

// maxSubject bounds a subject, in bytes. Workflow URIs take a few hundred.
const maxSubject = 4096

// claims is the payload of a token (OpenID Connect Core, section 2).
type claims struct {
	Issuer        string `json:"iss"`
	Subject       string `json:"sub"`
	Audience      string `json:"aud"`
	IssuedAt      int64  `json:"iat"`
	NotBefore     int64  `json:"nbf"`
	Expires       int64  `json:"exp"`
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"email_verified,omitempty"`
}

// header is the header of a token (RFC 7515).
type header struct {
	Algorithm string `json:"alg"` // "ES256"
	KeyID     string `json:"kid"`
	Type      string `json:"typ"` // "JWT"
}

// Token returns an identity token for the subject: a JWT (RFC 7519) signed by
// the issuer, that can be exchanged for a certificate for five minutes. The
// subject is an e-mail address, a URI or any other name. Its owner is whoever
// can open the authority: nothing else is checked.
func (a *Authority) Token(ctx context.Context, subject string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := checkSubject(subject); err != nil {
		return "", fmt.Errorf("issuing token: %w", err)
	}
	token, err := a.claim(subject).sign(header{Algorithm: "ES256", KeyID: a.id, Type: "JWT"}, a.issuerKey)
	if err != nil {
		return "", fmt.Errorf("issuing token: %w", err)
	}
	return token, nil
}

// claim returns what a token says that is issued now.
func (a *Authority) claim(subject string) *claims {
	now := a.now()
	c := &claims{
		Issuer:    a.Issuer(),
		Subject:   subject,
		Audience:  audience,
		IssuedAt:  now.Unix(),
		NotBefore: now.Unix(),
		Expires:   now.Add(tokenLifetime).Unix(),
	}
	if isEmail(subject) {
		c.Email, c.EmailVerified = subject, true
	}
	return c
}

// name returns what a certificate calls whom the token is about, and what a
// proof of possession is over.
func (c *claims) name() string {
	if c.Email != "" {
		return c.Email
	}
	return c.Subject
}

// sign returns the token in compact serialization.
func (c *claims) sign(h header, key *ecdsa.PrivateKey) (string, error) {
	head, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString(head) + "." + b64.EncodeToString(payload)
	der, err := sign(key, []byte(signed))
	if err != nil {
		return "", err
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return "", err
	}
	var signature [64]byte // RFC 7518, section 3.4
	rs.R.FillBytes(signature[:32])
	rs.S.FillBytes(signature[32:])
	return signed + "." + b64.EncodeToString(signature[:]), nil
}

// checkToken returns what a token says, if it is one of ours, or of an issuer
// that counts too, and is valid now.
func (a *Authority) checkToken(token string) (*claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 8*maxSubject {
		return nil, errors.New("not a token")
	}
	if issuer := a.foreign(parts[1]); issuer != nil {
		return issuer.checkToken(parts, a.now())
	}
	b64 := base64.RawURLEncoding.Strict()
	signature, err := b64.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return nil, errors.New("malformed signature")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(&a.issuerKey.PublicKey, digest[:], r, s) {
		return nil, errors.New("not signed by this authority")
	}
	var h header
	if err := decodePart(b64, parts[0], &h); err != nil {
		return nil, err
	}
	var c claims
	if err := decodePart(b64, parts[1], &c); err != nil {
		return nil, err
	}
	switch now := a.now().Unix(); {
	case h != header{Algorithm: "ES256", KeyID: a.id, Type: "JWT"}:
		return nil, errors.New("unknown header")
	case c.Issuer != a.Issuer():
		return nil, fmt.Errorf("issued by %q", c.Issuer)
	case c.Audience != audience:
		return nil, fmt.Errorf("issued for audience %q", c.Audience)
	case now < c.NotBefore:
		return nil, errors.New("not valid yet")
	case now > c.Expires:
		return nil, errors.New("expired")
	case c.Email != "" && (!c.EmailVerified || c.Email != c.Subject):
		return nil, errors.New("its e-mail address is not verified")
	}
	return &c, checkSubject(c.Subject)
}

// decodePart decodes one part of a token strictly.
func decodePart(b64 *base64.Encoding, part string, dst any) error {
	data, err := b64.DecodeString(part)
	if err != nil {
		return errors.New("malformed base64")
	}
	return decodeJSON(data, dst)
}

// checkSubject checks that a subject is text that can be shown on one line.
func checkSubject(subject string) error {
	if subject == "" || len(subject) > maxSubject {
		return fmt.Errorf("a subject of %d bytes, where 1 to %d are allowed", len(subject), maxSubject)
	}
	if !utf8.ValidString(subject) || strings.ContainsFunc(subject, unicode.IsControl) {
		return fmt.Errorf("subject %q is not a line of text", subject)
	}
	return nil
}

// isEmail reports whether the subject can stand in a certificate as rfc822Name,
// which is ASCII (RFC 5280, section 4.2.1.6).
func isEmail(subject string) bool {
	local, domain, ok := strings.Cut(subject, "@")
	return ok && local != "" && domain != "" && isVisibleASCII(subject) && !strings.ContainsAny(subject, `/:<>"(),;\[]`) && !strings.Contains(domain, "@")
}

// isURI reports whether the subject can stand in a certificate as
// uniformResourceIdentifier.
func isURI(subject string) bool {
	if !isVisibleASCII(subject) {
		return false
	}
	u, err := url.Parse(subject)
	return err == nil && u.Scheme != "" && u.Host != ""
}

func isVisibleASCII(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
