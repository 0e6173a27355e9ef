package verifier_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"gitseal/fakeca"
	"gitseal/verifier"
)

// only allows one identity, at any time.
type only verifier.Identity

func (o only) Allow(id verifier.Identity, _ time.Time) error {
	if id != verifier.Identity(o) {
		return errors.New("not whom we expect")
	}
	return nil
}

// Verifying a signature, as git stores it, by an identity that is expected.
func ExampleVerifier_Verify() {
	authority, err := fakeca.New(fakeca.Config{})
	if err != nil {
		log.Fatal(err)
	}
	payload := []byte("what was signed\n")
	signature := authority.Sign(payload, fakeca.Fixture{Subject: "alice@example.com"})

	root, err := verifier.ParseTrustedRoot(authority.TrustedRoot())
	if err != nil {
		log.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		log.Fatal(err)
	}
	alice := only{Subject: "alice@example.com", Issuer: authority.Issuer()}
	result, err := v.Verify(payload, signature, alice)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed by", result.Certificate.Identity.Subject)

	// What a signature that does not verify claims is reached only in the error.
	_, err = v.Verify([]byte("something else\n"), signature, alice)
	var verr *verifier.VerifyError
	if errors.As(err, &verr) {
		fmt.Printf("%s: %v\n", verr.Class, verr)
		fmt.Println("claims to be by", verr.Unverified.Certificate.Identity.Subject)
	}
	// Output:
	// signed by alice@example.com
	// bad-signature: checking the payload: message digest does not match
	// claims to be by alice@example.com
}
