package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"gitseal/internal/strictjson"
	"gitseal/internal/transport"
)

// Bounds of what an issuer gives, in bytes.
const (
	maxAnswer  = 4 * maxToken // of which three
	maxCode    = 4096
	maxMessage = 1024
)

// A RefusedError is an issuer's own no: an error of OAuth (RFC 6749, sections
// 4.1.2.1 and 5.2; RFC 8628, section 3.5).
type RefusedError struct {
	Code        string // "access_denied"; printable
	Description string // the issuer's words, or ""; printable
}

// Error returns what the issuer says.
func (e *RefusedError) Error() string {
	s := "the issuer refuses: " + e.Code
	if e.Code == "access_denied" {
		s = "the login was refused: " + e.Code
	}
	if e.Description != "" {
		s += " (" + e.Description + ")"
	}
	return s
}

// A registration is what an issuer knows this program by.
type registration struct {
	id     string
	secret string // "": a public client
}

// tokens are the answer of a token endpoint (RFC 6749, section 5.1; OpenID
// Connect Core, section 3.1.3.3). All of them are secret.
type tokens struct {
	id      string // never ""
	access  string // "": none
	refresh string // "": none
}

// redeem asks the token endpoint for tokens. An error is a *RefusedError if the
// issuer says no.
func (p *provider) redeem(ctx context.Context, who registration, form url.Values) (*tokens, error) {
	body, err := p.post(ctx, p.token, who, form)
	if err != nil {
		return nil, err
	}
	t, err := parseTokens(body)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer's tokens: %w", err)
	}
	return t, nil
}

// post sends a form with secrets in it to an endpoint of the issuer, and says who
// asks. What was not answered is not sent again: a code, or a refresh token,
// counts once.
func (p *provider) post(ctx context.Context, endpoint string, who registration, form url.Values) ([]byte, error) {
	form.Set("client_id", who.id)
	if who.secret != "" {
		if p.secrets != nil && !slices.Contains(p.secrets, "client_secret_post") {
			return nil, errors.New("the issuer takes no client secret in the body of a request")
		}
		form.Set("client_secret", who.secret)
	}
	req := &transport.Request{
		Service: service, URL: endpoint, ContentType: "application/x-www-form-urlencoded", Accept: "application/json",
		Body: []byte(form.Encode()), MaxBody: maxAnswer,
	}
	resp, err := p.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Status == http.StatusOK {
		return resp.Body, nil
	}
	refused, err := parseRefusal(resp.Body)
	// A server that is not there has refused nothing, in whatever words it says
	// so; and whatever else an answer is, it may hold tokens.
	if err != nil || resp.Status >= http.StatusInternalServerError {
		answer := resp.Err(req)
		answer.Message = ""
		return nil, answer
	}
	refused.Code, refused.Description = req.Redact(refused.Code), req.Redact(refused.Description)
	return nil, refused
}

// parseTokens reads the answer of a token endpoint.
func parseTokens(text []byte) (*tokens, error) {
	t := new(tokens)
	r := &strictjson.Reader{Text: text, Name: "answer"}
	secret := func(dst *string) func() error { return r.OrNull(r.String(dst, maxToken)) }
	err := r.Open(maxMembers, func(string) error { _, err := r.Value(); return err },
		strictjson.Optional("id_token", secret(&t.id)),
		strictjson.Optional("access_token", secret(&t.access)),
		strictjson.Optional("refresh_token", secret(&t.refresh)),
	)
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return nil, err
	case t.id == "":
		return nil, errors.New("there is no identity token among them")
	}
	return t, nil
}

// parseRefusal reads the answer of an endpoint that refuses (RFC 6749, section
// 5.2).
func parseRefusal(text []byte) (*RefusedError, error) {
	e := new(RefusedError)
	r := &strictjson.Reader{Text: text, Name: "answer"}
	err := r.Open(maxMembers, func(string) error { _, err := r.Value(); return err },
		strictjson.Required("error", r.String(&e.Code, maxTerm)),
		strictjson.Optional("error_description", r.OrNull(r.String(&e.Description, maxMessage))),
	)
	if err == nil {
		err = r.End()
	}
	if err == nil && !plain(e.Code, maxTerm) {
		err = errors.New("the error is no word")
	}
	if err != nil {
		return nil, err
	}
	e.Description = transport.Printable(e.Description)
	return e, nil
}
