package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"gitseal/internal/strictjson"
	"gitseal/internal/transport"
)

// The variables that the runner sets for jobs that may have tokens
// (https://docs.github.com/en/actions/reference/security/oidc).
const (
	githubURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	githubToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN" // a secret
)

// github is the service that gives tokens to jobs of GitHub Actions, and of
// forges that run the same workflows.
type github struct{ cfg *Config }

// Name implements Source.
func (g github) Name() string { return "github-actions" }

// Available implements Source.
func (g github) Available() error {
	switch {
	case g.cfg.getenv(githubURL) != "" && g.cfg.getenv(githubToken) != "":
	case g.cfg.getenv("GITHUB_ACTIONS") != "":
		return withheld("the job may not ask for tokens: the workflow must have \"permissions: {id-token: write}\" in it, which forks do not get")
	default:
		return elsewhere("GITHUB_ACTIONS is not set: this is no job of GitHub Actions")
	}
	if g.cfg.Client == nil {
		return errors.New("there is no client to ask servers with")
	}
	return nil
}

// Key implements Source: the URL is of the job.
func (g github) Key() string {
	parts := []string{g.Name()}
	for _, name := range []string{githubURL, "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"} {
		parts = append(parts, g.cfg.getenv(name))
	}
	return key(parts...)
}

// Grant implements Source.
func (g github) Grant(ctx context.Context) (*Grant, error) {
	u, err := url.Parse(g.cfg.getenv(githubURL))
	if err != nil {
		return nil, fmt.Errorf("%s: malformed URL", githubURL)
	}
	// The URL comes with parameters of its own.
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%s: malformed query", githubURL)
	}
	query.Set("audience", g.cfg.audience())
	u.RawQuery = query.Encode()
	req := &transport.Request{
		Service: "token service of GitHub Actions", Method: http.MethodGet, URL: u.String(), Accept: "application/json",
		Bearer: g.cfg.getenv(githubToken), MaxBody: 2 * maxToken, Repeatable: true,
	}
	resp, err := g.cfg.Client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, resp.Err(req)
	}
	token, err := readMember(resp.Body, "value")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.Service, err)
	}
	return g.cfg.grant(req.Service, token)
}

// readMember returns the string that a JSON object has by the name, among
// members that do not matter.
func readMember(text []byte, name string) (value string, err error) {
	r := &strictjson.Reader{Text: text, Name: "answer"}
	skip := func(string) error {
		_, err := r.Value()
		return err
	}
	// In words of our own: a name in the answer may be anything.
	r.AtMember = func(member string, err error) error {
		if member == name {
			return fmt.Errorf("%q: %w", member, err)
		}
		return fmt.Errorf("a member beside %q: %w", name, err)
	}
	if err = r.Open(64, skip, strictjson.Required(name, r.String(&value, maxToken))); err == nil {
		err = r.End()
	}
	return value, err
}
