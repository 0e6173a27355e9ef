// Package oidc gets OpenID Connect identity tokens: from the environment of a
// job, from files and programs, from the metadata services of clouds, or by
// having a person log in with a browser or on another device.
//
// Tokens are secrets: they are in no error, no log and no argument of a
// program. What a person brings back is verified here as OpenID Connect Core
// has it; what the surroundings give is for the certificate authority to judge.
package oidc

import (
	"context"
	"errors"
	"fmt"
)

// A Source gets tokens in one way. It may be used by several goroutines at once.
type Source interface {
	// Name is what gitseal.tokenProvider calls it: "github-actions".
	Name() string
	// Available says why tokens cannot be had in this way here; nil: it can be
	// tried. It opens no socket and runs no program.
	Available() error
	// Key is the same for two sources that speak for the same person or job,
	// and differs otherwise, as far as can be seen without asking: it is by
	// this that a certificate is kept for the next signature. It is no secret:
	// what it depends on is hashed.
	Key() string
	// Grant gets a token. Asking people takes as long as ctx allows.
	Grant(ctx context.Context) (*Grant, error)
}

// A Grant is what a Source gives. All of it is secret.
type Grant struct {
	IDToken string   // a JSON web token in compact form
	Session *Session // with which to get another without asking anyone; nil: none
}

// A Session is a login that lasts longer than its token (RFC 6749, section
// 1.5). It is kept in memory only.
type Session struct {
	Issuer       string // URL
	ClientID     string
	ClientSecret string // "": a public client
	Subject      string // of the token it began with: a renewed one has to have the same
	Email        string // of that token, and likewise; "": it had none
	RefreshToken string // the newest
}

// ErrNobody says that a person was asked, and has not logged in in the time that
// there was.
var ErrNobody = errors.New("nobody logged in in time")

// A NoSourceError says that no source can be used here, and why not each.
type NoSourceError struct {
	Tried []Unavailable
}

// Unavailable is a source that cannot be used, and why.
type Unavailable struct {
	Name string
	Err  error
}

// Error returns one line with all of it, in few words where there are several
// sources: that no variable is set which only some clouds set is one reason.
func (e *NoSourceError) Error() string {
	const text = "there is nowhere to get an identity token from"
	switch len(e.Tried) {
	case 0:
		return text
	case 1:
		return fmt.Sprintf("%s: %s: %v", text, e.Tried[0].Name, e.Tried[0].Err)
	}
	return text + ": " + summary(e.Tried)
}
