package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

// tokenVariable holds the identity token to sign with.
const tokenVariable = "SIGSTORE_ID_TOKEN"

// sourceTokens has a signer's tokens come from a source.
type sourceTokens struct {
	source  oidc.Source
	spinner *spinner
}

// Token implements signer.TokenSource.
func (t sourceTokens) Token(ctx context.Context) (string, error) {
	grant, err := askFor(ctx, t.source, t.spinner)
	if err != nil {
		return "", err
	}
	return grant.IDToken, nil
}

// loginTimeout is how long a person has to log in.
const loginTimeout = 5 * time.Minute

// askFor gets a token. A person who is asked has the terminal for it, and time.
// They can end a login with Ctrl-C; a program that asks them gets that itself, and
// may have the terminal to put in order.
func askFor(ctx context.Context, source oidc.Source, spinner *spinner) (*oidc.Grant, error) {
	if mayAsk(source) {
		spinner.stop()
	}
	if !isInteractive(source) {
		return source.Grant(ctx)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	return source.Grant(ctx)
}

// tokenOwner says for whom a token is.
func tokenOwner(c *signer.Claims) string {
	name := c.Subject
	if c.Email != "" {
		name = c.Email
	}
	return fmt.Sprintf("%s (%s)", printable(name), printable(c.Issuer))
}
