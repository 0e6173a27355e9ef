package oidc

import "context"

// tokenVariable holds a token, as all of Sigstore's clients have it.
const tokenVariable = "SIGSTORE_ID_TOKEN"

// envvar is a token in the environment.
type envvar struct{ cfg *Config }

// Name implements Source.
func (e envvar) Name() string { return "envvar" }

// Available implements Source. A variable with something else than a token in
// it is no reason to sign as somebody else.
func (e envvar) Available() error {
	if e.cfg.getenv(tokenVariable) == "" {
		return unset(tokenVariable)
	}
	return nil
}

// Key implements Source.
func (e envvar) Key() string { return tokenKey(e.Name(), e.cfg.getenv(tokenVariable)) }

// Grant implements Source.
func (e envvar) Grant(context.Context) (*Grant, error) {
	return e.cfg.grant(tokenVariable, e.cfg.getenv(tokenVariable))
}
