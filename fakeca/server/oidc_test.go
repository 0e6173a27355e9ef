package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"gitseal/fakeca"
)

// TestTokensVerifyWithPublishedKeys goes from the discovery document to the keys,
// and checks a token with them.
func TestTokensVerifyWithPublishedKeys(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	c := newClient(t, a)
	var document struct {
		Issuer string   `json:"issuer"`
		KeySet string   `json:"jwks_uri"`
		Algs   []string `json:"id_token_signing_alg_values_supported"`
	}
	c.ask("GET", "/.well-known/openid-configuration", nil).decode(t, 200, &document)
	path, ok := strings.CutPrefix(document.KeySet, "https://authority.test")
	if document.Issuer != a.Issuer() || !ok || len(document.Algs) != 1 || document.Algs[0] != "ES256" {
		t.Fatalf("discovery says %+v", document)
	}
	var set struct {
		Keys []struct{ Kty, Crv, X, Y, Use, Alg, Kid string }
	}
	c.ask("GET", path, nil).decode(t, 200, &set)
	if len(set.Keys) != 1 || set.Keys[0].Kty != "EC" || set.Keys[0].Crv != "P-256" || set.Keys[0].Alg != "ES256" || set.Keys[0].Use != "sig" {
		t.Fatalf("keys %+v", set.Keys)
	}
	token, err := a.Token(context.Background(), "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	var header struct{ Alg, Kid string }
	if err := json.Unmarshal(decode64(t, parts[0]), &header); err != nil {
		t.Fatal(err)
	}
	if header.Kid != set.Keys[0].Kid {
		t.Errorf("token by key %q, want %q", header.Kid, set.Keys[0].Kid)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(),
		append(append([]byte{4}, decode64(t, set.Keys[0].X)...), decode64(t, set.Keys[0].Y)...))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature := decode64(t, parts[2])
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		t.Error("the token is not by the published key")
	}
}

func decode64(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
