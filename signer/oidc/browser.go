package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"gitseal/internal/transport"
)

// loginTime is how long a person has to log in with a browser, where the
// caller sets no end.
const loginTime = 5 * time.Minute

// browser has a person log in with a browser on this machine: an authorization
// code (RFC 6749, section 4.1) that only who asked for it can redeem (RFC 7636),
// sent to a port of this machine (RFC 8252, section 7.3).
type browser struct {
	cfg      Config
	patience time.Duration // with the person
}

// NewBrowser returns the source that has a person log in with a browser on this
// machine. It is available where Config.OpenURL can show one. Who names it can
// also use it where only a terminal shows the URL: the browser has to be one
// that reaches this machine as localhost.
func NewBrowser(cfg Config) Source { return &browser{cfg, loginTime} }

// Name returns "browser".
func (b *browser) Name() string { return "browser" }

// Key is that of every login of the same kind, with a browser or on another
// device.
func (b *browser) Key() string { return b.cfg.loginKey() }

// Available implements Source.
func (b *browser) Available() error {
	if err := b.cfg.canLogIn(); err != nil {
		return err
	}
	if !b.cfg.canShow() {
		return errors.New("no browser can be shown: there is no display")
	}
	return nil
}

// AvailableByName implements named.
func (b *browser) AvailableByName() error {
	if err := b.cfg.canLogIn(); err != nil {
		return err
	}
	if b.cfg.canShow() {
		return nil
	}
	if err := b.cfg.canTell(); err != nil {
		return fmt.Errorf("no browser can be shown, and %w", err)
	}
	return nil
}

// Grant implements Source. It ends five minutes from now where ctx has no
// deadline.
func (b *browser) Grant(ctx context.Context) (*Grant, error) {
	if err := b.AvailableByName(); err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.patience)
		defer cancel()
	}
	g, err := b.logIn(ctx)
	if err != nil {
		return nil, fmt.Errorf("logging in at %s: %w", transport.Printable(b.cfg.Issuer), err)
	}
	return g, nil
}

// logIn sends the person to the issuer, and waits for their return.
func (b *browser) logIn(ctx context.Context) (*Grant, error) {
	p, err := discover(ctx, b.cfg.Client, b.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	a, err := b.ask(p)
	if err != nil {
		return nil, err
	}
	back, err := listen(ctx, a.state)
	if err != nil {
		return nil, err
	}
	a.redirect = back.url()
	failed, err := b.show(a.url(&b.cfg))
	if err != nil {
		back.stop()
		return nil, err
	}
	answer, err := back.wait(ctx, failed)
	var g *Grant
	var who *person
	if err == nil {
		g, who, err = a.redeem(ctx, &b.cfg, answer)
	}
	// Only now does the page say how it went: what it says is true.
	back.finish(who, b.cfg.Issuer, err)
	return g, err
}

// An asking is one authorization request: what of it is secret, and must come
// back, or prove that it was us who asked.
type asking struct {
	provider *provider
	state    string // comes back with the browser
	nonce    string // comes back in the token
	verifier string // goes with the code
	redirect string // where the browser is sent back to
}

// ask prepares a request, if the issuer can answer it safely.
func (b *browser) ask(p *provider) (*asking, error) {
	if p.authorization == "" {
		return nil, errors.New("the issuer offers no login with a browser")
	}
	if p.challenges != nil && !slices.Contains(p.challenges, "S256") {
		return nil, errors.New("the issuer does not bind its codes to who asked for them (PKCE with S256)")
	}
	a := &asking{provider: p}
	for _, dst := range []*string{&a.state, &a.nonce, &a.verifier} {
		var err error
		if *dst, err = b.cfg.secret(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// url returns where the person logs in.
func (a *asking) url(cfg *Config) string {
	query := url.Values{
		"response_type": {"code"}, "client_id": {cfg.registration().id}, "redirect_uri": {a.redirect},
		"scope": {a.provider.scope()}, "state": {a.state}, "nonce": {a.nonce},
		"code_challenge": {challenge(a.verifier)}, "code_challenge_method": {"S256"},
	}
	if cfg.ConnectorID != "" {
		query.Set("connector_id", cfg.ConnectorID)
	}
	u := a.provider.authorization
	if strings.Contains(u, "?") {
		return u + "&" + query.Encode()
	}
	return u + "?" + query.Encode()
}

// redeem exchanges what the browser brought back for tokens, and verifies them.
func (a *asking) redeem(ctx context.Context, cfg *Config, back *authResponse) (*Grant, *person, error) {
	p := a.provider
	// An answer of another issuer would have us redeem its code at this one
	// (RFC 9207, section 2.4).
	switch {
	case back.issuer != "" && back.issuer != p.issuer:
		return nil, nil, fmt.Errorf("the browser brings an answer of issuer %q", back.issuer)
	case back.issuer == "" && p.namesself:
		return nil, nil, errors.New("the browser brings an answer that does not say whose it is, as this issuer's do")
	case back.refused != nil:
		return nil, nil, back.refused
	}
	who := cfg.registration()
	t, err := p.redeem(ctx, who, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.code}, "redirect_uri": {a.redirect}, "code_verifier": {a.verifier},
	})
	if err != nil {
		return nil, nil, err
	}
	keys, err := p.keySet(ctx)
	if err != nil {
		return nil, nil, err
	}
	owner, err := p.verify(ctx, keys, t, who.id, a.nonce, cfg.now())
	if err != nil {
		return nil, nil, err
	}
	return p.grant(who, t, owner), owner, nil
}

// grant returns verified tokens as a Grant.
func (p *provider) grant(who registration, t *tokens, owner *person) *Grant {
	g := &Grant{IDToken: t.id}
	if t.refresh != "" {
		g.Session = &Session{
			Issuer: p.issuer, ClientID: who.id, ClientSecret: who.secret,
			Subject: owner.subject, Email: owner.email, RefreshToken: t.refresh,
		}
	}
	return g
}

// show puts the URL on the terminal, and opens a browser. Failed gets what goes
// wrong with that if nobody can have seen the URL.
func (b *browser) show(u string) (failed <-chan error, err error) {
	told := b.cfg.tell("gitseal: log in at " + u + "\n")
	if !b.cfg.canShow() {
		return nil, told
	}
	// Some browsers return when they are closed.
	opened := make(chan error, 1)
	go func() {
		if err := b.cfg.OpenURL(u); err != nil && told != nil {
			opened <- fmt.Errorf("opening the browser: %w; and %w", err, told)
		}
	}()
	return opened, nil
}

// canLogIn says why nobody can log in.
func (c *Config) canLogIn() error {
	switch {
	case c.Issuer == "":
		return errors.New("no issuer is set to log in at")
	case c.Client == nil:
		return errors.New("no server may be asked")
	}
	return nil
}

// canShow reports whether a browser can be opened that the person sees.
func (c *Config) canShow() bool { return c.Display && c.OpenURL != nil }

// canTell says why the person cannot be told anything.
func (c *Config) canTell() error {
	if c.Terminal == nil {
		return errors.New("there is no terminal")
	}
	tty, err := c.Terminal()
	if err != nil {
		return err
	}
	return tty.Close()
}

// tell writes to the person's terminal.
func (c *Config) tell(text string) error {
	if c.Terminal == nil {
		return errors.New("there is no terminal")
	}
	tty, err := c.Terminal()
	if err != nil {
		return err
	}
	_, err = io.WriteString(tty, text)
	return errors.Join(err, tty.Close())
}

// loginKey is the Key of the sources that have a person log in.
func (c *Config) loginKey() string {
	who := c.registration()
	return key("login", c.Issuer, who.id, c.ConnectorID)
}

// registration returns what the issuer knows this program by.
func (c *Config) registration() registration {
	id := c.ClientID
	if id == "" {
		id = c.audience()
	}
	return registration{id, c.ClientSecret}
}

// secret returns 256 random bits, in as many characters as a code verifier has
// at least (RFC 7636, section 4.1).
func (c *Config) secret() (string, error) {
	random := c.Rand
	if random == nil {
		random = rand.Reader
	}
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// challenge returns the code challenge of a verifier (RFC 7636, section 4.2).
func challenge(verifier string) string {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
