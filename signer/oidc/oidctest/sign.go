package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"
)

// keyID is the name of every issuer's key.
const keyID = "key-1"

// A signer signs tokens, or pretends to.
type signer struct {
	name  string
	ecdsa *ecdsa.PrivateKey
	rsa   *rsa.PrivateKey
}

// rsaKey is the key of all issuers of the process that sign by RS256: it takes
// long to make one.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("oidctest: " + err.Error())
	}
	return key
})

func newSigner(algorithm string) signer {
	s := signer{name: algorithm}
	switch algorithm {
	case "RS256":
		s.rsa = rsaKey()
	case "":
		s.name = "ES256"
		fallthrough
	case "ES256", "HS256", "none":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic("oidctest: " + err.Error())
		}
		s.ecdsa = key
	default:
		panic("oidctest: no tokens are signed by " + algorithm)
	}
	return s
}

// algorithm returns what the discovery document says.
func (s *signer) algorithm() string {
	if s.rsa != nil {
		return "RS256"
	}
	return "ES256"
}

func (s *signer) public() crypto.PublicKey {
	if s.rsa != nil {
		return &s.rsa.PublicKey
	}
	return &s.ecdsa.PublicKey
}

// point returns the coordinates of the key.
func (s *signer) point() (x, y []byte) {
	b, err := s.ecdsa.PublicKey.Bytes()
	if err != nil {
		panic("oidctest: " + err.Error())
	}
	return b[1:33], b[33:]
}

// keys returns the JSON Web Key Set (RFC 7517).
func (s *signer) keys() map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	key := map[string]any{"use": "sig", "kid": keyID, "alg": s.algorithm()}
	if s.rsa != nil {
		key["kty"], key["n"], key["e"] = "RSA", b64(s.rsa.N.Bytes()), b64(big.NewInt(int64(s.rsa.E)).Bytes())
	} else {
		x, y := s.point()
		key["kty"], key["crv"], key["x"], key["y"] = "EC", "P-256", b64(x), b64(y)
	}
	return map[string]any{"keys": []any{key}}
}

// token returns a JSON web token.
func (s *signer) token(payload []byte) string {
	b64 := base64.RawURLEncoding.EncodeToString
	head, err := json.Marshal(map[string]string{"alg": s.name, "kid": keyID, "typ": "JWT"})
	if err != nil {
		panic("oidctest: " + err.Error())
	}
	message := b64(head) + "." + b64(payload)
	return message + "." + b64(s.sign(message))
}

func (s *signer) sign(message string) []byte {
	digest := sha256.Sum256([]byte(message))
	switch s.name {
	case "RS256":
		signature, err := rsa.SignPKCS1v15(rand.Reader, s.rsa, crypto.SHA256, digest[:])
		if err != nil {
			panic("oidctest: " + err.Error())
		}
		return signature
	case "ES256":
		r, t, err := ecdsa.Sign(rand.Reader, s.ecdsa, digest[:])
		if err != nil {
			panic("oidctest: " + err.Error())
		}
		var signature [64]byte
		r.FillBytes(signature[:32])
		t.FillBytes(signature[32:])
		return signature[:]
	case "HS256": // with what everybody has, as in the attack on who does not look at the algorithm
		x, _ := s.point()
		mac := hmac.New(sha256.New, x)
		mac.Write([]byte(message))
		return mac.Sum(nil)
	}
	return []byte("none")
}
