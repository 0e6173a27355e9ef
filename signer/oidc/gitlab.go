package oidc

import (
	"context"
	"fmt"
)

// gitlab is the token of a GitLab CI job. GitLab has no way to ask for one:
// the pipeline says which variables hold tokens, and for whom
// (https://docs.gitlab.com/ci/secrets/id_token_authentication/).
type gitlab struct{ cfg *Config }

// Name implements Source.
func (g gitlab) Name() string { return "gitlab-ci" }

// Available implements Source. With the token in its variable, that of the
// environment comes first, unless a person names this one.
func (g gitlab) Available() error {
	switch {
	case g.cfg.getenv("GITLAB_CI") == "":
		return elsewhere("GITLAB_CI is not set: this is no GitLab job")
	case g.cfg.getenv(tokenVariable) == "":
		return withheld(fmt.Sprintf("the job has no token: .gitlab-ci.yml must have \"id_tokens: {%s: {aud: %s}}\" in it", tokenVariable, g.cfg.audience()))
	}
	return nil
}

// Key implements Source.
func (g gitlab) Key() string { return tokenKey(g.Name(), g.cfg.getenv(tokenVariable)) }

// Grant implements Source.
func (g gitlab) Grant(context.Context) (*Grant, error) {
	return g.cfg.grant(tokenVariable, g.cfg.getenv(tokenVariable))
}
