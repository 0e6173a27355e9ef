package fakeca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"maps"
	"strings"
	"testing"

	"gitseal/signer/oidc/oidctest"
)

// newForeign returns an issuer, and an authority that takes its tokens.
func newForeign(t *testing.T, algorithm string) (*oidctest.Issuer, *Authority) {
	t.Helper()
	issuer := oidctest.New(oidctest.Config{Algorithm: algorithm, Now: testTime})
	t.Cleanup(issuer.Close)
	return issuer, newTestAuthority(t, Config{Issuers: []Issuer{{URL: issuer.URL, Key: issuer.Key()}}})
}

// person are the claims of a token of a login.
var person = map[string]any{"aud": "sigstore", "sub": "subject-1", "email": "alice@example.com", "email_verified": true, "nonce": "n", "groups": []string{"g"}}

func TestAuthorityCertifiesForOtherIssuers(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			issuer, a := newForeign(t, algorithm)
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			chain, err := a.Certify(t.Context(), issuer.Mint(person), spkiOf(t, key), signDigest(t, key, []byte("alice@example.com")))
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(chain[0])
			if err != nil {
				t.Fatal(err)
			}
			if len(leaf.EmailAddresses) != 1 || leaf.EmailAddresses[0] != "alice@example.com" {
				t.Errorf("names %q, want alice@example.com", leaf.EmailAddresses)
			}
			got := make(map[string]string)
			for _, e := range leaf.Extensions {
				got[e.Id.String()] = string(e.Value)
			}
			for oid, want := range map[string]string{
				"1.3.6.1.4.1.57264.1.1":  issuer.URL,
				"1.3.6.1.4.1.57264.1.8":  issuer.URL,
				"1.3.6.1.4.1.57264.1.24": "subject-1",
			} {
				if !strings.HasSuffix(got[oid], want) {
					t.Errorf("extension %s is %q, want %q", oid, got[oid], want)
				}
			}

			// Its own are taken as before, and are those of its own issuer.
			certify(t, a, "bob@example.com")
		})
	}
}

func TestAuthorityCertifiesSubjectsWithoutAnAddress(t *testing.T) {
	issuer, a := newForeign(t, "")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const job = "https://ci.example/team/project//.ci.yml@refs/heads/main"
	token := issuer.Mint(map[string]any{"aud": "sigstore", "sub": job})
	chain, err := a.Certify(t.Context(), token, spkiOf(t, key), signDigest(t, key, []byte(job)))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != job {
		t.Errorf("names %v, want %s", leaf.URIs, job)
	}
}

// TestAuthorityRefusesTokensOfOtherIssuers has one thing wrong in each.
func TestAuthorityRefusesTokensOfOtherIssuers(t *testing.T) {
	issuer, a := newForeign(t, "")
	stranger := oidctest.New(oidctest.Config{Now: testTime})
	defer stranger.Close()
	without := oidctest.New(oidctest.Config{Now: testTime, Algorithm: "none"})
	defer without.Close()
	symmetric := oidctest.New(oidctest.Config{Now: testTime, Algorithm: "HS256"})
	defer symmetric.Close()

	with := func(name string, value any) map[string]any {
		claims := maps.Clone(person)
		claims[name] = value
		return claims
	}
	cut := func(token string, part int, to string) string {
		parts := strings.Split(token, ".")
		parts[part] = to
		return strings.Join(parts, ".")
	}
	good := issuer.Mint(person)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	proof := signDigest(t, key, []byte("alice@example.com"))
	if _, err := a.Certify(t.Context(), good, spkiOf(t, key), proof); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ token, want string }{
		"an issuer nobody knows":         {stranger.Mint(person), "token"},
		"another issuer's key":           {stranger.Mint(with("iss", issuer.URL)), "not signed by"},
		"no signature":                   {without.Mint(with("iss", issuer.URL)), "not signed by"},
		"a key everybody has":            {symmetric.Mint(with("iss", issuer.URL)), "not signed by"},
		"the name of the authority":      {issuer.Mint(with("iss", a.Issuer())), "token"},
		"another audience":               {issuer.Mint(with("aud", "vault")), `issued for audience "vault"`},
		"an expired token":               {issuer.Mint(with("exp", testTime().Unix()-1)), "expired"},
		"a token of the future":          {issuer.Mint(with("nbf", testTime().Unix()+60)), "not valid yet"},
		"an address nobody verified":     {issuer.Mint(with("email_verified", false)), "its e-mail address is not verified"},
		"an address that is none":        {issuer.Mint(with("email", "alice")), "its e-mail address is not verified"},
		"no subject":                     {issuer.Mint(with("sub", "")), "subject"},
		"another signature":              {cut(good, 2, strings.Split(issuer.Mint(person), ".")[2]+"AA"), "not signed by"},
		"a signature that is not base64": {cut(good, 2, "!"), "malformed signature"},
		"a header that is not base64":    {cut(good, 0, "!"), "malformed base64"},
		"a header that is not JSON":      {cut(good, 0, "eyJ"), "token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := a.Certify(t.Context(), tt.token, spkiOf(t, key), proof)
			if err == nil {
				t.Fatalf("it is certified, want an error with %q", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %q, want one with %q", err, tt.want)
			}
		})
	}
}

// TestAuthorityWantsAProofForOtherIssuersToo: the proof is over whom the token names.
func TestAuthorityWantsAProofForOtherIssuersToo(t *testing.T) {
	issuer, a := newForeign(t, "")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Certify(t.Context(), issuer.Mint(person), spkiOf(t, key), signDigest(t, key, []byte("subject-1")))
	if err == nil || !strings.Contains(err.Error(), "proof of possession") {
		t.Errorf("got error %v, want one about the proof of possession", err)
	}
}

func TestNewChecksOtherIssuers(t *testing.T) {
	large, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, issuer := range map[string]Issuer{
		"no key":      {"https://issuer.example", crypto.PublicKey(nil)},
		"a secret":    {"https://issuer.example", []byte("secret")},
		"a large key": {"https://issuer.example", &large.PublicKey},
		"no name":     {"", &good.PublicKey},
	} {
		if a, err := New(Config{Issuers: []Issuer{issuer}}); err == nil {
			a.Close()
			t.Errorf("%s: there is an authority", name)
		}
	}
}

func TestAuthoritySaysWhoseTokensItTakes(t *testing.T) {
	issuer, a := newForeign(t, "")
	if got := a.Issuers(); len(got) != 1 || got[0] != issuer.URL {
		t.Errorf("issuers %q, want %q", got, issuer.URL)
	}
}
