package oidc

import (
	"context"
	"time"
)

// ciTimeout bounds how long the program of a CI system may take: it asks a
// server, and nobody.
const ciTimeout = time.Minute

// buildkite is the agent of Buildkite, whose program asks for the tokens of the
// job that it runs (https://buildkite.com/docs/agent/v3/cli-oidc).
type buildkite struct{ cfg *Config }

// Name implements Source.
func (b buildkite) Name() string { return "buildkite-agent" }

// Available implements Source.
func (b buildkite) Available() error {
	if b.cfg.getenv("BUILDKITE_AGENT_ACCESS_TOKEN") == "" {
		return elsewhere("BUILDKITE_AGENT_ACCESS_TOKEN is not set: this is no Buildkite job")
	}
	if _, err := b.cfg.lookPath("buildkite-agent"); err != nil {
		return withheld("the job has no program to ask for tokens with: " + err.Error())
	}
	return nil
}

// Key implements Source.
func (b buildkite) Key() string {
	return key(b.Name(), b.cfg.getenv("BUILDKITE_AGENT_ENDPOINT"), b.cfg.getenv("BUILDKITE_JOB_ID"))
}

// Grant implements Source.
func (b buildkite) Grant(ctx context.Context) (*Grant, error) {
	token, err := b.cfg.runWithin(ctx, ciTimeout, "buildkite-agent", "oidc", "request-token", "--audience", b.cfg.audience())
	if err != nil {
		return nil, err
	}
	return b.cfg.grant("buildkite-agent", token)
}
