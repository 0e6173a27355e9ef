package fakeca

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// What follows is what the services of an instance publish about themselves.

// CAChain returns the certificates of the certificate authority in DER:
// intermediate, root.
func (a *Authority) CAChain() [][]byte {
	return [][]byte{bytes.Clone(a.caChain[0].Raw), bytes.Clone(a.caChain[1].Raw)}
}

// TSAChain returns the certificates of the timestamp authority in DER: that of
// its key, root.
func (a *Authority) TSAChain() [][]byte {
	return [][]byte{bytes.Clone(a.tsaChain[0].Raw), bytes.Clone(a.tsaChain[1].Raw)}
}

// LogKey returns the public key of the transparency log as DER
// SubjectPublicKeyInfo.
func (a *Authority) LogKey() []byte { return bytes.Clone(a.log.key.spki) }

// KeySet returns the key that the issuer signs tokens with, as JWK Set
// (RFC 7517).
func (a *Authority) KeySet() ([]byte, error) {
	point, err := a.issuerKey.PublicKey.Bytes() // 4 x y
	if err != nil {
		return nil, err
	}
	type key struct {
		KeyType   string `json:"kty"`
		Curve     string `json:"crv"`
		X         string `json:"x"`
		Y         string `json:"y"`
		Use       string `json:"use"`
		Algorithm string `json:"alg"`
		ID        string `json:"kid"`
	}
	b64 := base64.RawURLEncoding.EncodeToString
	size := len(point) / 2
	return json.Marshal(struct {
		Keys []key `json:"keys"`
	}{[]key{{
		KeyType: "EC", Curve: "P-256", X: b64(point[1 : 1+size]), Y: b64(point[1+size:]),
		Use: "sig", Algorithm: "ES256", ID: a.id,
	}}})
}
