package oidc

import (
	"context"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/signer/oidc/oidctest"
	"gitseal/verifier"
)

// loggingIn is a signer.TokenSource: a person who logs in.
type loggingIn struct{ source Source }

func (l loggingIn) Token(ctx context.Context) (string, error) {
	g, err := l.source.Grant(ctx)
	if err != nil {
		return "", err
	}
	return g.IDToken, nil
}

// TestALoginSigns goes from a person with a browser to a signature that is
// verified to be theirs.
func TestALoginSigns(t *testing.T) {
	now := time.Now()
	issuer := oidctest.New(oidctest.Config{Now: func() time.Time { return now }})
	defer issuer.Close()
	authority, err := fakeca.New(fakeca.Config{Issuers: []fakeca.Issuer{{URL: issuer.URL, Key: issuer.Key()}}})
	if err != nil {
		t.Fatal(err)
	}
	root, err := verifier.ParseTrustedRoot(authority.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	d.Email = "alice@example.com"
	cfg := loginAt(issuer, d)
	cfg.Now = func() time.Time { return now }
	s, err := signer.New(signer.Config{
		Tokens: loggingIn{NewBrowser(cfg)}, CA: authority, Verifier: v, Audience: "sigstore",
		Logs: []signer.Log{authority}, Timestampers: []signer.Timestamper{authority},
	})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign(t.Context(), []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := v.Verify([]byte("payload"), signature.Armored, verifier.AnyIdentity{})
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Certificate.Identity; got.Subject != "alice@example.com" || got.Issuer != issuer.URL {
		t.Errorf("signed by %+v, want alice@example.com of %s", got, issuer.URL)
	}
}
