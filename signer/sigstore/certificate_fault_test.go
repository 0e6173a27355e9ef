package sigstore_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"testing"
)

// misissue answers with a certificate for a subject, without asking.
func misissue(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, subject string, key []byte) {
	chain, err := g.authority.Misissue(r.Context(), subject, key)
	if err != nil {
		t.Error(err)
	}
	var texts []string
	for _, der := range chain {
		texts = append(texts, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	certificates(t, w, texts)
}

// certificates answers as Fulcio does.
func certificates(t *testing.T, w http.ResponseWriter, texts []string) {
	type object = map[string]any
	text, err := json.Marshal(object{"signedCertificateEmbeddedSct": object{"chain": object{"certificates": texts}}})
	if err != nil {
		t.Error(err)
	}
	_, _ = w.Write(text) // in memory
}

// keyOf returns the key that is to be certified.
func keyOf(t *testing.T, r *http.Request) []byte {
	var request struct {
		PublicKeyRequest struct {
			PublicKey struct {
				Content string `json:"content"`
			} `json:"publicKey"`
		} `json:"publicKeyRequest"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		t.Error(err)
	}
	block, _ := pem.Decode([]byte(request.PublicKeyRequest.PublicKey.Content))
	if block == nil {
		t.Error("no key in the request")
		return nil
	}
	return block.Bytes
}

func certificateLies() []lie {
	return []lie{
		{
			name: "certificate of another identity", path: fulcioV2, step: certifying, words: `the certificate is for ["mallory@example.test"], the token for "` + alice + `"`,
			answer: func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, _ http.Handler) {
				misissue(t, g, w, r, "mallory@example.test", keyOf(t, r))
			},
		}, {
			name: "certificate of no e-mail address", path: fulcioV2, step: certifying, words: `the certificate is for [], the token for "` + alice + `"`,
			answer: func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, _ http.Handler) {
				misissue(t, g, w, r, "https://example.test/workflow", keyOf(t, r))
			},
		}, {
			name: "certificate of another key", path: fulcioV2, step: certifying, words: "the certificate is for another key",
			answer: func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, _ http.Handler) {
				key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				if err != nil {
					t.Error(err)
				}
				der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
				if err != nil {
					t.Error(err)
				}
				misissue(t, g, w, r, alice, der)
			},
		}, {
			name: "issuer before its certificate", path: fulcioV2, step: certifying, words: "the certificate is for another key",
			answer: func(t *testing.T, g *rig, w http.ResponseWriter, r *http.Request, _ http.Handler) {
				certificates(t, w, []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.authority.CAChain()[0]}))})
			},
		}, {
			name: "no certificate", path: fulcioV2, step: certifying, words: "reading the answer of Fulcio at http://127.0.0.1: certificates: not an array of 1",
			answer: func(t *testing.T, _ *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				certificates(t, w, []string{})
			},
		}, {
			name: "no chain", path: fulcioV2, step: certifying, words: "reading the answer of Fulcio at http://127.0.0.1",
			answer: func(_ *testing.T, _ *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				_, _ = w.Write([]byte(`{}`))
			},
		}, {
			name: "something else for a certificate", path: fulcioV2, step: certifying, words: "reading the certificate",
			answer: func(t *testing.T, _ *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				certificates(t, w, []string{"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"})
			},
		}, {
			name: "certificate beside its SCT", path: fulcioV2, step: certifying, words: "beside it, not in it",
			answer: func(t *testing.T, _ *rig, w http.ResponseWriter, r *http.Request, honest http.Handler) {
				recorded := record(honest, r)
				replay(w, recorded, bytes.Replace(recorded.Body.Bytes(), []byte("EmbeddedSct"), []byte("DetachedSct"), 1))
			},
		},
	}
}
