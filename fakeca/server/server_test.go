package server

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
)

func testTime() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func generations() []fakeca.Generation { return []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} }

// newAuthority returns an authority in memory that is the same each time.
func newAuthority(t testing.TB, cfg fakeca.Config) *fakeca.Authority {
	t.Helper()
	if cfg.Clock == nil {
		cfg.Clock = testTime
	}
	cfg.Rand = mathrand.NewChaCha8([32]byte{1})
	a, err := fakeca.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// A client asks a handler.
type client struct {
	t testing.TB
	a *fakeca.Authority
	http.Client
	header http.Header // of every request
}

func newClient(t testing.TB, a *fakeca.Authority) *client {
	return &client{t: t, a: a, Client: http.Client{Transport: RoundTripper(New(a))}, header: make(http.Header)}
}

// An answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request. What is not bytes is sent as JSON.
func (c *client) ask(method, path string, body any) *answer {
	c.t.Helper()
	data, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	r, err := http.NewRequest(method, "https://authority.test"+path, bytes.NewReader(data))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = c.header.Clone()
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return &answer{resp.StatusCode, resp.Header, got}
}

// decode checks the status and decodes the answer.
func (r *answer) decode(t testing.TB, status int, dst any) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if err := json.Unmarshal(r.body, dst); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// want checks the status and that the answer has the text.
func (r *answer) want(t testing.TB, status int, text string) {
	t.Helper()
	if r.status != status || !strings.Contains(string(r.body), text) {
		t.Errorf("status %d, %s; want %d, %s", r.status, r.body, status, text)
	}
}

// A user is someone with a key and, once certified, a certificate.
type user struct {
	t           testing.TB
	key         *ecdsa.PrivateKey
	certificate []byte
}

func newUser(t testing.TB) *user {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &user{t: t, key: key}
}

// certified returns a user with a certificate.
func certified(t testing.TB, a *fakeca.Authority, subject string) *user {
	t.Helper()
	u := newUser(t)
	token, err := a.Token(context.Background(), subject)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := a.Certify(context.Background(), token, u.spki(), u.sign([]byte(subject)))
	if err != nil {
		t.Fatal(err)
	}
	u.certificate = chain[0]
	return u
}

func (u *user) spki() []byte {
	u.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&u.key.PublicKey)
	if err != nil {
		u.t.Fatal(err)
	}
	return der
}

func (u *user) sign(message []byte) []byte {
	u.t.Helper()
	digest := sha256.Sum256(message)
	signature, err := u.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		u.t.Fatal(err)
	}
	return signature
}

func toPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// An object is one of JSON.
type object map[string]any

func TestUnknownPathsAndMethods(t *testing.T) {
	v1, v2 := newClient(t, newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})), newClient(t, newAuthority(t, fakeca.Config{}))
	v1.ask("GET", "/api/v1/log/nothing", nil).want(t, 404, `{"code":404,"message":"path /api/v1/log/nothing was not found"}`)
	v1.ask("GET", "/nothing", nil).want(t, 404, `{"code":5,"message":"Not Found","details":[]}`)
	v1.ask("DELETE", "/api/v1/log", nil).want(t, 405, `{"code":405,"message":"method DELETE is not allowed, but [GET] are"}`)
	v2.ask("GET", "/api/v2/signingCert", nil).want(t, 501, `{"code":12,"message":"Method Not Allowed","details":[]}`)
	// Each log has its own generation's paths and not the other's.
	v1.ask("POST", "/api/v2/log/entries", nil).want(t, 404, "Not Found")
	v1.ask("GET", "/api/v2/checkpoint", nil).want(t, 404, "Not Found")
	v2.ask("POST", "/api/v1/log/entries", nil).want(t, 404, "was not found")
	v2.ask("POST", "/api/v1/index/retrieve", nil).want(t, 404, "was not found")
}

func TestRequestsAreBounded(t *testing.T) {
	v1, v2 := newClient(t, newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})), newClient(t, newAuthority(t, fakeca.Config{}))
	large := bytes.Repeat([]byte(" "), maxBody+1)
	v1.ask("POST", "/api/v1/log/entries", large).want(t, 413, "more than 1048576 bytes")
	v2.ask("POST", "/api/v2/log/entries", large).want(t, 413, "more than 1048576 bytes")
	v2.ask("POST", "/api/v2/signingCert", large).want(t, 413, "more than 1048576 bytes")
	v2.header.Set("Content-Type", "application/timestamp-query")
	v2.ask("POST", "/api/v1/timestamp", large).want(t, 413, "more than 1048576 bytes")
}

func TestBrokenAuthorityAnswers500(t *testing.T) {
	for _, generation := range generations() {
		a, err := fakeca.New(fakeca.Config{Log: generation})
		if err != nil {
			t.Fatal(err)
		}
		u := certified(t, a, "alice@example.com")
		token, err := a.Token(context.Background(), "alice@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, a)
		c.header.Set("Authorization", "Bearer "+token)
		certify := c.ask("POST", "/api/v2/signingCert", publicKeyRequest(u, "alice@example.com"))
		certify.want(t, 500, "the local authority cannot answer")
		if bytes.Contains(certify.body, []byte(token)) {
			t.Errorf("the answer has the token: %s", certify.body)
		}
		for _, path := range []string{"/api/v1/log", "/api/v1/log/entries?logIndex=0", "/api/v1/log/proof?lastSize=1", "/api/v2/checkpoint", "/api/v2/tile/0/000.p/1"} {
			if strings.HasPrefix(path, "/api/v1") == (generation == fakeca.RekorV1) {
				c.ask("GET", path, nil).want(t, 500, "the local authority cannot answer")
			}
		}
	}
}
