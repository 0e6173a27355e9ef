package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
)

func publicKeyRequest(u *user, subject string) object {
	return object{"publicKeyRequest": object{
		"publicKey":         object{"algorithm": "ECDSA", "content": string(toPEM("PUBLIC KEY", u.spki()))},
		"proofOfPossession": u.sign([]byte(subject)),
	}}
}

func legacyRequest(u *user, subject string) object {
	return object{
		"publicKey":                 object{"algorithm": "ecdsa", "content": u.spki()},
		"signedEmailAddress":        u.sign([]byte(subject)),
		"certificateSigningRequest": nil,
	}
}

func signingRequest(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{EmailAddresses: []string{"mallory@example.com"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// signIn gives the client alice's token.
func (c *client) signIn() *client {
	c.t.Helper()
	token, err := c.a.Token(context.Background(), "alice@example.com")
	if err != nil {
		c.t.Fatal(err)
	}
	c.header.Set("Authorization", "Bearer "+token)
	return c
}

// checkChain checks a chain of PEM certificates to the authority's root.
func checkChain(t *testing.T, a *fakeca.Authority, u *user, chain []string) {
	t.Helper()
	if len(chain) != 3 {
		t.Fatalf("%d certificates, want 3", len(chain))
	}
	var certs []*x509.Certificate
	for i, text := range chain {
		block, rest := pem.Decode([]byte(text))
		if block == nil || len(rest) > 0 {
			t.Fatalf("certificate %d is %q", i, text)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	if got := certs[0].EmailAddresses; len(got) != 1 || got[0] != "alice@example.com" || !u.key.PublicKey.Equal(certs[0].PublicKey) {
		t.Errorf("certificate for %q, want one for alice@example.com and her key", got)
	}
	for i := range 2 {
		if err := certs[i].CheckSignatureFrom(certs[i+1]); err != nil {
			t.Errorf("certificate %d: %v", i, err)
		}
		if string(certs[i+1].Raw) != string(a.CAChain()[i]) {
			t.Errorf("certificate %d is not the authority's", i+1)
		}
	}
}

func TestFulcioCertifies(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	u := newUser(t)
	for name, request := range map[string]object{
		"public key":      publicKeyRequest(u, "alice@example.com"),
		"signing request": {"certificateSigningRequest": toPEM("CERTIFICATE REQUEST", signingRequest(t, u.key))},
	} {
		var got struct {
			Signed struct {
				Chain struct {
					Certificates []string `json:"certificates"`
				} `json:"chain"`
			} `json:"signedCertificateEmbeddedSct"`
		}
		t.Run(name, func(t *testing.T) {
			newClient(t, a).signIn().ask("POST", "/api/v2/signingCert", request).decode(t, 200, &got)
			checkChain(t, a, u, got.Signed.Chain.Certificates)
		})
	}
	for name, request := range map[string]object{
		"legacy public key":      legacyRequest(u, "alice@example.com"),
		"legacy signing request": {"certificateSigningRequest": toPEM("CERTIFICATE REQUEST", signingRequest(t, u.key))},
	} {
		t.Run(name, func(t *testing.T) {
			r := newClient(t, a).signIn().ask("POST", "/api/v1/signingCert", request)
			if got := r.header.Get("Content-Type"); r.status != 201 || got != "application/pem-certificate-chain" {
				t.Fatalf("status %d, type %s", r.status, got)
			}
			chain := strings.SplitAfter(string(r.body)+"\n", "-----END CERTIFICATE-----\n")
			checkChain(t, a, u, chain[:len(chain)-1])
		})
	}
}

// TestFulcioRefuses has requests of which one thing each is wrong.
func TestFulcioRefuses(t *testing.T) {
	now := testTime()
	a := newAuthority(t, fakeca.Config{Clock: func() time.Time { return now }})
	u, mallory := newUser(t), newUser(t)
	good := publicKeyRequest(u, "alice@example.com")
	other := newAuthority(t, fakeca.Config{})
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, err := x509.MarshalPKIXPublicKey(&p384.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	flipped := signingRequest(t, u.key)
	flipped[len(flipped)-1] ^= 1
	foreign := publicKeyRequest(u, "alice@example.com")
	foreign["publicKeyRequest"].(object)["publicKey"] = publicKeyRequest(mallory, "")["publicKeyRequest"].(object)["publicKey"]
	curve := publicKeyRequest(u, "alice@example.com")
	curve["publicKeyRequest"].(object)["publicKey"] = object{"content": string(toPEM("PUBLIC KEY", big))}
	twice := publicKeyRequest(u, "alice@example.com")
	twice["publicKeyRequest"].(object)["publicKey"] = object{"content": strings.Repeat(string(toPEM("PUBLIC KEY", u.spki())), 2)}
	both := publicKeyRequest(u, "alice@example.com")
	both["certificateSigningRequest"] = toPEM("CERTIFICATE REQUEST", signingRequest(t, u.key))
	for name, test := range map[string]struct {
		spoil   func(c *client)
		request any
		message string
	}{
		"no token":            {func(c *client) { c.header.Del("Authorization") }, good, badToken},
		"not a bearer token":  {func(c *client) { c.header.Set("Authorization", "Basic "+bearerOf(c)) }, good, badToken},
		"garbage for a token": {func(c *client) { c.header.Set("Authorization", "Bearer garbage") }, good, badToken},
		"token of another authority": {func(c *client) {
			token, err := other.Token(context.Background(), "bob@example.com")
			if err != nil {
				t.Fatal(err)
			}
			c.header.Set("Authorization", "Bearer "+token+"x")
		}, good, badToken},
		"expired token":            {func(*client) { now = now.Add(time.Hour) }, good, badToken},
		"proof over other subject": {nil, publicKeyRequest(u, "bob@example.com"), badSignature},
		"proof by other key":       {nil, foreign, badSignature},
		"key on other curve":       {nil, curve, badPublicKey},
		"two keys":                 {nil, twice, badPublicKey},
		"nothing to certify":       {nil, object{}, badPublicKey},
		"key and signing request":  {nil, both, "both a public key and a certificate signing request"},
		"not a signing request":    {nil, object{"certificateSigningRequest": []byte("x")}, badRequest},
		"signing request flipped":  {nil, object{"certificateSigningRequest": toPEM("CERTIFICATE REQUEST", flipped)}, badSignature},
		"signing request on other curve": {nil, object{
			"certificateSigningRequest": toPEM("CERTIFICATE REQUEST", signingRequest(t, p384))}, badPublicKey},
		"half a request":    {nil, []byte("{"), "unexpected EOF"},
		"unknown field":     {nil, object{"x": 1}, "unknown field"},
		"trailing bytes":    {nil, []byte("{} {}"), "more than one JSON value"},
		"not JSON at all":   {nil, []byte("x"), "invalid character"},
		"proof not base64":  {nil, object{"publicKeyRequest": object{"proofOfPossession": "!"}}, "base64"},
		"no request at all": {nil, nil, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			now = testTime()
			c := newClient(t, a).signIn()
			if test.spoil != nil {
				test.spoil(c)
			}
			r := c.ask("POST", "/api/v2/signingCert", test.request)
			r.want(t, 400, test.message)
			r.want(t, 400, `{"code":3,"message":"`)
			if token := bearerOf(c); token != "" && strings.Contains(string(r.body), token) {
				t.Errorf("the answer has the token: %s", r.body)
			}
		})
	}
	now = testTime()
	newClient(t, a).ask("POST", "/api/v1/signingCert", legacyRequest(u, "alice@example.com")).want(t, 400, badToken)
	newClient(t, a).signIn().ask("POST", "/api/v1/signingCert", legacyRequest(u, "bob@example.com")).want(t, 400, badSignature)
	newClient(t, a).signIn().ask("POST", "/api/v1/signingCert", []byte("{} x")).want(t, 400, "more than one JSON value")
}

// bearerOf returns the token that a client has.
func bearerOf(c *client) string {
	_, token, _ := strings.Cut(c.header.Get("Authorization"), " ")
	return token
}

func TestFulcioDescribesItself(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	var bundle struct {
		Chains []struct {
			Certificates []string `json:"certificates"`
		} `json:"chains"`
	}
	newClient(t, a).ask("GET", "/api/v2/trustBundle", nil).decode(t, 200, &bundle)
	if len(bundle.Chains) != 1 || len(bundle.Chains[0].Certificates) != 2 {
		t.Fatalf("chains %v, want one of two certificates", bundle.Chains)
	}
	for i, der := range a.CAChain() {
		if got, want := bundle.Chains[0].Certificates[i], string(toPEM("CERTIFICATE", der)); got != want {
			t.Errorf("certificate %d is %s, want %s", i, got, want)
		}
	}
	newClient(t, a).ask("GET", "/api/v2/configuration", nil).want(t, 200,
		`{"issuers":[{"issuerUrl":"`+a.Issuer()+`","audience":"sigstore","challengeClaim":"email","spiffeTrustDomain":"","issuerType":"email","subjectDomain":"","skipEmailVerification":false}]}`)
}

func TestFulcioNamesTheOtherIssuersItKnows(t *testing.T) {
	u := newUser(t)
	a := newAuthority(t, fakeca.Config{Issuers: []fakeca.Issuer{{URL: "https://issuer.example", Key: &u.key.PublicKey}}})
	var config struct {
		Issuers []struct {
			URL string `json:"issuerUrl"`
		} `json:"issuers"`
	}
	newClient(t, a).ask("GET", "/api/v2/configuration", nil).decode(t, 200, &config)
	if len(config.Issuers) != 2 || config.Issuers[0].URL != a.Issuer() || config.Issuers[1].URL != "https://issuer.example" {
		t.Errorf("issuers %v, want its own and https://issuer.example", config.Issuers)
	}
}
