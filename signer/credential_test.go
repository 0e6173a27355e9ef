package signer_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/verifier"
)

// atStep checks that err stopped signing at the step, and says text.
func atStep(t *testing.T, name string, err error, step, text string) {
	t.Helper()
	var e *signer.StepError
	if !errors.As(err, &e) || e.Step != step || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error %v, want one at %q with %q", name, err, step, text)
	}
}

func TestCredentialSignsSeveralPayloads(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	asked := 0
	cfg := config(t, a)
	cfg.Tokens = tokenFunc(func(ctx context.Context) (string, error) {
		asked++
		return a.Token(ctx, alice)
	})
	s, err := signer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(cred.NotAfter); left < 9*time.Minute || left > 11*time.Minute {
		t.Errorf("NotAfter is in %v", left)
	}
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			sig, err := s.SignWith(context.Background(), cred, []byte{byte(i)})
			if err != nil {
				t.Error(err)
			} else if !bytes.Equal(sig.Result.Certificate.DER, cred.Certificate()) {
				t.Error("signed with another certificate")
			}
		})
	}
	wg.Wait()
	if asked != 1 {
		t.Errorf("asked for %d tokens, want 1", asked)
	}
}

type tokenFunc func(context.Context) (string, error)

func (f tokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// TestCertificateMustBeValidNow moves this machine's clock. The authority's
// stands still: its certificates are valid from then for ten minutes.
func TestCertificateMustBeValidNow(t *testing.T) {
	start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	a := newAuthority(t, fakeca.Config{Clock: func() time.Time { return start }})
	now := start
	cfg := config(t, a)
	cfg.Now = func() time.Time { return now }
	s, err := signer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		offset time.Duration
		want   string
	}{
		{0, ""},
		{-5 * time.Second, ""},
		{-6 * time.Second, "the certificate is valid only in 6 seconds: this machine's clock is slow"},
		{-3 * time.Hour, "the certificate is valid only in 3 hours"},
	} {
		now = start.Add(tt.offset)
		if cred, err := s.NewCredential(t.Context()); tt.want != "" {
			atStep(t, tt.offset.String(), err, "certifying the key", tt.want)
		} else if err != nil {
			t.Errorf("%v: %v, %v", tt.offset, cred, err)
		}
	}
	now = start
	cred, err := s.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size := func() uint64 {
		sig, err := s.SignWith(t.Context(), cred, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		return sig.Result.Log.TreeSize
	}
	before := size()
	for _, offset := range []time.Duration{0, 5 * time.Second} {
		now = cred.NotAfter.Add(offset)
		if _, err := s.SignWith(t.Context(), cred, []byte("x")); err != nil {
			t.Errorf("%v after its end: %v", offset, err)
		}
	}
	now = cred.NotAfter.Add(130 * time.Second)
	_, err = s.SignWith(t.Context(), cred, []byte("x"))
	atStep(t, "expired", err, "signing", "the certificate expired 2 minutes ago")
	_, err = s.SignDigest(t.Context(), cred, [32]byte{})
	atStep(t, "expired, digest", err, "signing", "the certificate expired 2 minutes ago")
	_, err = s.SignDSSE(t.Context(), cred, "text/plain", nil)
	atStep(t, "expired, envelope", err, "signing", "the certificate expired 2 minutes ago")
	now = cred.NotAfter
	if after := size(); after != before+3 {
		t.Errorf("the log grew by %d entries, want 3: what is refused must not be recorded", after-before)
	}
}

// unsigned returns a token with those claims that nobody signed.
func unsigned(t *testing.T, claims map[string]any) fixed {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return fixed("e30." + base64.RawURLEncoding.EncodeToString(body) + ".c2lnbmF0dXJl")
}

// lenient is an authority that takes whatever token for the one it would have
// given to a subject.
type lenient struct {
	*fakeca.Authority
	subject string
}

func (l lenient) Certify(ctx context.Context, _ string, key, proof []byte) ([][]byte, error) {
	token, err := l.Token(ctx, l.subject)
	if err != nil {
		return nil, err
	}
	return l.Authority.Certify(ctx, token, key, proof)
}

func TestTokenAndCertificateAgree(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	type claims = map[string]any
	const workflow = "https://ci.example/acme/app/release.yml@refs/heads/main"
	for _, tt := range []struct {
		name    string
		claims  claims
		subject string // of the certificate
		want    string // "": signs
	}{
		{"verified e-mail address", claims{"iss": a.Issuer(), "sub": alice, "email": alice, "email_verified": true}, alice, ""},
		{"verified in a string", claims{"iss": a.Issuer(), "sub": alice, "email": alice, "email_verified": "true"}, alice, ""},
		{"issuer behind another", claims{"iss": "https://dex.example", "sub": alice, "email": alice, "email_verified": true,
			"federated_claims": claims{"connector_id": a.Issuer()}}, alice, ""},
		{"workflow", claims{"iss": a.Issuer(), "sub": workflow}, workflow, ""},
		{"unverified e-mail address", claims{"iss": a.Issuer(), "sub": workflow, "email": alice}, workflow, ""},
		{"several audiences", claims{"iss": a.Issuer(), "sub": workflow, "aud": []string{"x", "sigstore"}}, workflow, ""},
		{"another token", claims{"iss": a.Issuer(), "sub": "1", "email": alice, "email_verified": true}, alice,
			`the certificate is for a token with the subject "alice@example.com", this one has "1"`},
		{"another issuer", claims{"iss": "https://dex.example", "sub": workflow}, workflow, `the certificate is of issuer "` + a.Issuer() + `", the token of "https://dex.example"`},
	} {
		cfg := config(t, a)
		cfg.Tokens, cfg.CA = unsigned(t, tt.claims), lenient{a, tt.subject}
		_, err := sign(t, cfg, []byte("x"))
		if tt.want != "" {
			atStep(t, tt.name, err, "certifying the key", tt.want)
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// impostor certifies any key for one e-mail address.
type impostor struct {
	names []string
}

func (i impostor) Certify(_ context.Context, _ string, spki, _ []byte) ([][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Minute), EmailAddresses: i.names,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	return [][]byte{der}, err
}

// TestCertificateOfSomeoneElseIsNotUsed finds it out before the log records
// anything.
func TestCertificateOfSomeoneElseIsNotUsed(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	for name, names := range map[string][]string{
		"someone else":     {"mallory@example.com"},
		"both":             {alice, "mallory@example.com"},
		"nobody":           nil,
		"in another case":  {"Alice@example.com"},
		"a longer address": {"xalice@example.com"},
	} {
		cfg := config(t, a)
		cfg.CA = impostor{names}
		_, err := sign(t, cfg, []byte("x"))
		atStep(t, name, err, "certifying the key", `the token for "`+alice+`"`)
	}
}

func TestTokensThatTheAuthorityWouldRefuse(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	a := newAuthority(t, fakeca.Config{})
	type claims = map[string]any
	base := func(more claims) claims {
		c := claims{"iss": "https://issuer.example", "sub": "somebody-secret"}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	for _, tt := range []struct {
		name   string
		tokens signer.TokenSource
		want   string
	}{
		{"expired", unsigned(t, base(claims{"exp": now.Unix() - 185})), "the identity token expired 3 minutes ago, on 2026-05-04 02:58:56 UTC by this machine's clock"},
		{"expired a while ago", unsigned(t, base(claims{"exp": now.Unix() - 3*86400})), "expired 3 days ago"},
		{"expired just now", unsigned(t, base(claims{"exp": now.Unix() - 6})), "expired 6 seconds ago"},
		{"another audience", unsigned(t, base(claims{"aud": "kubernetes"})), `the identity token is for audience "kubernetes", want "sigstore"`},
		{"other audiences", unsigned(t, base(claims{"aud": []string{"a", "b"}})), `audience "a, b"`},
		{"no audience", unsigned(t, base(nil)), `audience ""`},
		{"audience of another type", unsigned(t, base(claims{"aud": 1})), "not JSON, or not those of one"},
		{"no subject", unsigned(t, claims{"iss": "https://issuer.example", "email": alice}), "names no subject"},
		{"no issuer", unsigned(t, claims{"sub": "somebody-secret"}), "names no issuer"},
		{"two parts", fixed("e30.e30"), "not a JSON web token"},
		{"not base64", fixed("e30.somebody-secret!.AA"), "not a JSON web token"},
		{"not JSON", fixed("e30.c29tZWJvZHktc2VjcmV0.AA"), "not JSON"},
		{"too long", fixed("e30.e30." + strings.Repeat("A", 1<<16)), "not a JSON web token"},
	} {
		cfg := config(t, a)
		cfg.Now = func() time.Time { return now }
		cfg.Tokens, cfg.Audience = tt.tokens, "sigstore"
		cfg.CA = untouched{t}
		_, err := sign(t, cfg, []byte("x"))
		atStep(t, tt.name, err, "getting a token", tt.want)
		if token, terr := tt.tokens.Token(t.Context()); terr != nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v repeats the token", tt.name, err)
		}
	}
	// Five seconds are the clocks' to differ.
	cfg := config(t, a)
	cfg.Now = func() time.Time { return now }
	cfg.Tokens, cfg.CA = unsigned(t, base(claims{"exp": now.Unix() - 5, "aud": "other"})), failingCA{}
	_, err := sign(t, cfg, []byte("x"))
	atStep(t, "just in time, any audience", err, "certifying the key", errServer.Error())
}

type failingCA struct{}

func (failingCA) Certify(context.Context, string, []byte, []byte) ([][]byte, error) {
	return nil, errServer
}

// untouched is an authority that must not be asked.
type untouched struct{ t *testing.T }

func (u untouched) Certify(context.Context, string, []byte, []byte) ([][]byte, error) {
	u.t.Error("the token was sent")
	return nil, errServer
}

func FuzzToken(f *testing.F) {
	f.Add(`{"iss":"https://issuer.example","sub":"x","aud":["a"],"exp":1,"email":"a@b.c","email_verified":"true"}`)
	f.Add(`{"iss":"i","sub":"s","aud":null,"federated_claims":{"connector_id":"c"}}`)
	a := newAuthority(f, fakeca.Config{})
	f.Fuzz(func(t *testing.T, claims string) {
		cfg := config(t, a)
		cfg.Tokens, cfg.CA = fixed("e30."+base64.RawURLEncoding.EncodeToString([]byte(claims))+".AA"), failingCA{}
		_, err := sign(t, cfg, nil)
		if err == nil {
			t.Error("signed")
		}
		if strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("error %q is not one line", err)
		}
	})
}

// TestForgottenKeySignsNothing, and is not there any more.
func TestForgottenKeySignsNothing(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	s, err := signer.New(config(t, a))
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cred.Identity(), (verifier.Identity{Issuer: a.Issuer(), Subject: alice}); got != want {
		t.Errorf("Identity = %v, want %v", got, want)
	}
	claims := cred.Claims()
	if claims.Email != alice || claims.Issuer != a.Issuer() || len(claims.Audience) != 1 {
		t.Errorf("Claims = %+v", claims)
	}
	claims.Audience[0] = "changed"
	if cred.Claims().Audience[0] == "changed" {
		t.Error("who changes the claims changes the credential")
	}
	if life := cred.NotAfter.Sub(cred.NotBefore()); life != 10*time.Minute {
		t.Errorf("valid for %v, want 10m", life)
	}
	if _, err := s.SignWith(t.Context(), cred, []byte("x")); err != nil {
		t.Fatal(err)
	}
	before, err := a.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	cred.Forget()
	cred.Forget() // there is nothing left to do
	_, err = s.SignWith(t.Context(), cred, []byte("x"))
	atStep(t, "forgotten", err, "signing", "the key was forgotten")
	if !errors.Is(err, signer.ErrForgotten) {
		t.Errorf("error %v, want %v", err, signer.ErrForgotten)
	}
	if after, err := a.Checkpoint(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("something was recorded: %v", err)
	}
	if cred.Identity().Subject != alice || len(cred.Certificate()) == 0 {
		t.Error("the certificate was forgotten too")
	}
}
