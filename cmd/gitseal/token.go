package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gitseal/signer"
)

// tokenVariable holds the identity token to sign with.
const tokenVariable = "SIGSTORE_ID_TOKEN"

// errNoToken says that nobody vouches for the signer.
var errNoToken = errors.New(tokenVariable + " is not set")

// envToken is the identity token in the environment.
type envToken struct {
	getenv func(string) string
}

// Token implements signer.TokenSource.
func (t envToken) Token(context.Context) (string, error) {
	// A shell leaves no line end behind, the file of a secret store may.
	token := strings.TrimSpace(t.getenv(tokenVariable))
	if token == "" {
		return "", errNoToken
	}
	return token, nil
}

// tokenOwner says for whom a token is.
func tokenOwner(c *signer.Claims) string {
	name := c.Subject
	if c.Email != "" {
		name = c.Email
	}
	return fmt.Sprintf("%s (%s)", printable(name), printable(c.Issuer))
}
