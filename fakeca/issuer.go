package fakeca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// An Issuer is an OpenID Connect provider whose tokens an authority takes beside
// its own, as Fulcio is configured to take them: for the audience "sigstore",
// signed by one key. The certificate has the issuer of the token, and its e-mail
// address or, where it has none, its subject.
type Issuer struct {
	URL string
	Key crypto.PublicKey // *ecdsa.PublicKey on P-256: ES256; *rsa.PublicKey: RS256
}

// check checks that tokens of the issuer can be told from others, and signed by
// the key.
func (i *Issuer) check() error {
	if i.URL == "" {
		return errors.New("it has no name")
	}
	switch key := i.Key.(type) {
	case *rsa.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return nil
		}
	}
	return fmt.Errorf("a %T signs no tokens here", i.Key)
}

// Issuers returns the URLs of the issuers whose tokens it takes beside its own.
func (a *Authority) Issuers() []string {
	var list []string
	for _, i := range a.issuers {
		list = append(list, i.URL)
	}
	return list
}

// foreign returns the other issuer whose the payload of a token says that it is;
// nil if it is none.
func (a *Authority) foreign(payload string) *Issuer {
	var c struct {
		Issuer string `json:"iss"`
	}
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(data, &c) != nil {
		return nil
	}
	if at := slices.IndexFunc(a.issuers, func(i Issuer) bool { return i.URL == c.Issuer }); at >= 0 {
		return &a.issuers[at]
	}
	return nil
}

// checkToken returns what a token of the issuer says, if it is valid at the time.
// Other than ours they hold claims of all kinds.
func (i *Issuer) checkToken(parts []string, now time.Time) (*claims, error) {
	b64 := base64.RawURLEncoding.Strict()
	signature, err := b64.DecodeString(parts[2])
	if err != nil {
		return nil, errors.New("malformed signature")
	}
	head, err := b64.DecodeString(parts[0])
	if err != nil {
		return nil, errors.New("malformed base64")
	}
	var h struct {
		Algorithm string `json:"alg"`
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return nil, err
	}
	if !i.signed(h.Algorithm, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, fmt.Errorf("not signed by %q", i.URL)
	}
	payload, err := b64.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("malformed base64")
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, err
	}
	switch {
	case c.Issuer != i.URL:
		return nil, fmt.Errorf("issued by %q", c.Issuer)
	case c.Audience != audience:
		return nil, fmt.Errorf("issued for audience %q", c.Audience)
	case now.Unix() < c.NotBefore:
		return nil, errors.New("not valid yet")
	case now.Unix() > c.Expires:
		return nil, errors.New("expired")
	case c.Email != "" && (!c.EmailVerified || !isEmail(c.Email)):
		return nil, errors.New("its e-mail address is not verified")
	}
	return &c, checkSubject(c.Subject)
}

// signed reports whether the signature of a token is by the issuer's key (RFC
// 7518, sections 3.3 and 3.4).
func (i *Issuer) signed(algorithm string, message, signature []byte) bool {
	digest := sha256.Sum256(message)
	switch key := i.Key.(type) {
	case *rsa.PublicKey:
		return algorithm == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		if algorithm != "ES256" || len(signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(key, digest[:], r, s)
	}
	return false
}
