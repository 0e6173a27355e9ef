package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"gitseal/internal/transport"
)

// Renew gets another token by the session, without asking anyone (RFC 6749,
// section 6; OpenID Connect Core, section 12). It is verified as that of a
// login, and is for the same person. The Session of the Grant replaces s: its
// refresh token may be the only one that counts from now on. An error is a
// *RefusedError if the issuer says that the session is over.
func Renew(ctx context.Context, client *transport.Client, s *Session, now time.Time) (*Grant, error) {
	g, err := renew(ctx, client, s, now)
	if err != nil {
		return nil, fmt.Errorf("renewing the login at %s: %w", transport.Printable(s.Issuer), err)
	}
	return g, nil
}

func renew(ctx context.Context, client *transport.Client, s *Session, now time.Time) (*Grant, error) {
	if s.RefreshToken == "" || s.Subject == "" || s.ClientID == "" {
		return nil, errors.New("the session is incomplete")
	}
	p, err := discover(ctx, client, s.Issuer)
	if err != nil {
		return nil, err
	}
	// What fails after the next question may cost the session: with the answer
	// the refresh token counts no more.
	keys, err := p.keySet(ctx)
	if err != nil {
		return nil, err
	}
	who := registration{s.ClientID, s.ClientSecret}
	t, err := p.redeem(ctx, who, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.RefreshToken}})
	if err != nil {
		return nil, err
	}
	owner, err := p.verify(ctx, keys, t, who.id, "", now)
	if err != nil {
		return nil, err
	}
	switch {
	case owner.subject != s.Subject:
		return nil, errors.New("the issuer's new token is for another subject than the session")
	case owner.email != s.Email:
		return nil, fmt.Errorf("the issuer's new token is for %q, the session for %q", transport.Printable(owner.email), transport.Printable(s.Email))
	}
	if t.refresh == "" {
		t.refresh = s.RefreshToken // it still counts
	}
	return p.grant(who, t, owner), nil
}
