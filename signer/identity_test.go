package signer

import (
	"context"
	"errors"
	"testing"

	"gitseal/fakeca"
	"gitseal/verifier"
)

// aliceOf is the token source of an authority.
type aliceOf struct{ *fakeca.Authority }

func (a aliceOf) Token(ctx context.Context) (string, error) {
	return a.Authority.Token(ctx, "alice@example.com")
}

// TestFinishedSignatureIsOfTheClaims has a credential whose certificate is for
// somebody else than its token, as none can be that was made here: what is
// emitted is checked all the same, with an entry or without.
func TestFinishedSignatureIsOfTheClaims(t *testing.T) {
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []Defer{DeferNever, DeferAlways} {
		s, err := New(Config{Tokens: aliceOf{a}, CA: a, Logs: []Log{a}, Timestampers: []Timestamper{a}, Verifier: v, Defer: when})
		if err != nil {
			t.Fatal(err)
		}
		cred, err := s.NewCredential(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.SignWith(t.Context(), cred, []byte("x")); err != nil {
			t.Fatalf("%q: %v", when, err)
		}
		other := cred.Claims()
		other.Email = "bob@example.com"
		cred.who = &other
		sig, err := s.SignWith(t.Context(), cred, []byte("x"))
		var verr *verifier.VerifyError
		if sig != nil || !errors.As(err, &verr) || verr.Class != verifier.IdentityNotAllowed {
			t.Errorf("%q: SignWith = %v, %v, want identity-not-allowed", when, sig, err)
		}
	}
}
