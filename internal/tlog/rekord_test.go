package tlog

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
)

func TestHashedRekordBodies(t *testing.T) {
	digest := sha256.Sum256([]byte("artifact"))
	// All remainders of base64 and of PEM lines.
	for n := range 200 {
		signature, certificate := testBytes(n%75), testBytes(n)
		var v1 struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Spec       struct {
				Data struct {
					Hash struct {
						Algorithm string `json:"algorithm"`
						Value     string `json:"value"`
					} `json:"hash"`
				} `json:"data"`
				Signature struct {
					Content   []byte `json:"content"`
					PublicKey struct {
						Content []byte `json:"content"`
					} `json:"publicKey"`
				} `json:"signature"`
			} `json:"spec"`
		}
		v1.APIVersion, v1.Kind = "0.0.1", "hashedrekord"
		v1.Spec.Data.Hash.Algorithm, v1.Spec.Data.Hash.Value = "sha256", hex.EncodeToString(digest[:])
		v1.Spec.Signature.Content = signature
		v1.Spec.Signature.PublicKey.Content = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
		checkBody(t, fmt.Sprintf("HashedRekordV1 of %d bytes", n), HashedRekordV1(digest, signature, certificate), v1)

		var v2 struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Spec       struct {
				HashedRekordV002 struct {
					Data struct {
						Algorithm string `json:"algorithm"`
						Digest    []byte `json:"digest"`
					} `json:"data"`
					Signature struct {
						Content  []byte `json:"content"`
						Verifier struct {
							KeyDetails      string `json:"keyDetails"`
							X509Certificate struct {
								RawBytes []byte `json:"rawBytes"`
							} `json:"x509Certificate"`
						} `json:"verifier"`
					} `json:"signature"`
				} `json:"hashedRekordV002"`
			} `json:"spec"`
		}
		v2.APIVersion, v2.Kind = "0.0.2", "hashedrekord"
		spec := &v2.Spec.HashedRekordV002
		spec.Data.Algorithm, spec.Data.Digest = "SHA2_256", digest[:]
		spec.Signature.Content = signature
		spec.Signature.Verifier.KeyDetails = "PKIX_ECDSA_P256_SHA_256"
		spec.Signature.Verifier.X509Certificate.RawBytes = certificate
		checkBody(t, fmt.Sprintf("HashedRekordV2 of %d bytes", n), HashedRekordV2(digest, signature, certificate), v2)
	}
}

// checkBody checks that body is the JSON of v, and that its size was known.
func checkBody(t *testing.T, name string, body []byte, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(body, want) {
		t.Errorf("%s = %s, want %s", name, body, want)
	}
	if limit := len(want) + len(want)/4 + 64; cap(body) > limit {
		t.Errorf("%s: %d bytes with room for %d", name, len(body), cap(body))
	}
}

func testBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

func TestVerifySET(t *testing.T) {
	body := []byte(`{"kind":"hashedrekord"}`)
	for kind, l := range testLogs(t) {
		key := l.signer.Public()
		id, err := KeyID("log.example", key)
		if err != nil {
			t.Fatal(err)
		}
		set := l.sign(t, fmt.Appendf(nil, `{"body":"%s","integratedTime":1785272080,"logID":"%x","logIndex":2276584560}`,
			base64.StdEncoding.EncodeToString(body), id))
		if err := VerifySET(key, body, 1785272080, id, 2276584560, set); err != nil {
			t.Errorf("%s: %v", kind, err)
		}

		reject := func(what string, key crypto.PublicKey, body []byte, time int64, id []byte, index int64, set []byte) {
			t.Helper()
			if err := VerifySET(key, body, time, id, index, set); !errors.Is(err, ErrBadSignature) {
				t.Errorf("%s: %s: %v, want ErrBadSignature", kind, what, err)
			}
		}
		otherID := bytes.Clone(id)
		otherID[31] ^= 1
		otherSET := bytes.Clone(set)
		otherSET[len(set)-1] ^= 1
		reject("body", key, append(bytes.Clone(body), ' '), 1785272080, id, 2276584560, set)
		reject("no body", key, nil, 1785272080, id, 2276584560, set)
		reject("later", key, body, 1785272081, id, 2276584560, set)
		reject("earlier", key, body, 1785272079, id, 2276584560, set)
		reject("log id", key, body, 1785272080, otherID, 2276584560, set)
		reject("next index", key, body, 1785272080, id, 2276584561, set)
		reject("previous index", key, body, 1785272080, id, 2276584559, set)
		reject("signature", key, body, 1785272080, id, 2276584560, otherSET)
		reject("no signature", key, body, 1785272080, id, 2276584560, nil)
		reject("signature and more", key, body, 1785272080, id, 2276584560, append(bytes.Clone(set), 0))
	}
	if err := VerifySET(nil, body, 0, nil, 0, nil); err == nil {
		t.Error("accepted without a key")
	}
}
