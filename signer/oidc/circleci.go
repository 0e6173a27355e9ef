package oidc

import (
	"context"
	"strings"

	"gitseal/internal/strictjson"
)

// circleVariable holds a token that every job gets. Its audience is the
// organization, unless that has set another
// (https://circleci.com/docs/openid-connect-tokens/).
const circleVariable = "CIRCLE_OIDC_TOKEN_V2"

// circleci is CircleCI: the token that the job has, if it is for our audience,
// or else what the program of its runner gives
// (https://circleci.com/docs/oidc-tokens-with-custom-claims/).
type circleci struct{ cfg *Config }

// Name implements Source.
func (c circleci) Name() string { return "circleci" }

// Available implements Source.
func (c circleci) Available() error {
	if c.cfg.getenv("CIRCLECI") == "" {
		return elsewhere("CIRCLECI is not set: this is no CircleCI job")
	}
	if c.fits() {
		return nil
	}
	if _, err := c.cfg.lookPath("circleci"); err != nil {
		return withheld("the job has no token for this audience, and no program to ask for one with: " + err.Error())
	}
	return nil
}

// fits reports whether the token that the job has is one for us.
func (c circleci) fits() bool {
	token := c.cfg.getenv(circleVariable)
	return strings.TrimSpace(token) != "" && foreignToken(c.cfg, circleVariable, token) == nil
}

// Key implements Source.
func (c circleci) Key() string {
	return key(c.Name(), c.cfg.getenv("CIRCLE_WORKFLOW_JOB_ID"), c.cfg.getenv("CIRCLE_BUILD_URL"))
}

// Grant implements Source.
func (c circleci) Grant(ctx context.Context) (*Grant, error) {
	if c.fits() {
		return c.cfg.grant(circleVariable, c.cfg.getenv(circleVariable))
	}
	claims := string(strictjson.AppendString([]byte(`{"aud":`), c.cfg.audience())) + "}"
	token, err := c.cfg.runWithin(ctx, ciTimeout, "circleci", "run", "oidc", "get", "--claims", claims)
	if err != nil {
		return nil, err
	}
	return c.cfg.grant("circleci run oidc get", token)
}
