package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"gitseal/internal/strictjson"
	"gitseal/internal/transport"
)

// deviceGrant is the grant type of a login on another device.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// How often is asked whether the person is done, and for how long at most.
const (
	defaultInterval = 5 * time.Second  // RFC 8628, section 3.2
	slowDown        = 5 * time.Second  // section 3.5
	maxInterval     = 60 * time.Second // longer makes people think that it hangs
	maxWait         = 30 * time.Minute
	maxFailures     = 3 // of the way to the issuer, one after the other
)

// device has a person log in on another device (RFC 8628).
type device struct {
	cfg Config
}

// NewDevice returns the source that has a person log in with a browser on any
// other device: it is available where there is a terminal to show a code on.
func NewDevice(cfg Config) Source { return &device{cfg} }

// Name returns "device".
func (d *device) Name() string { return "device" }

// Key is that of NewBrowser: it is the same login.
func (d *device) Key() string { return d.cfg.loginKey() }

// Available implements Source.
func (d *device) Available() error {
	if err := d.cfg.canLogIn(); err != nil {
		return err
	}
	return d.cfg.canTell()
}

// Grant implements Source. It ends when the code does: after half an hour at
// most.
func (d *device) Grant(ctx context.Context) (*Grant, error) {
	if err := d.Available(); err != nil {
		return nil, err
	}
	g, err := d.logIn(ctx)
	if err != nil {
		return nil, fmt.Errorf("logging in at %s: %w", transport.Printable(d.cfg.Issuer), err)
	}
	return g, nil
}

func (d *device) logIn(ctx context.Context) (*Grant, error) {
	p, err := discover(ctx, d.cfg.Client, d.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	if p.device == "" {
		return nil, errors.New("the issuer offers no login on another device (it names no device_authorization_endpoint)")
	}
	verifier, err := d.cfg.secret()
	if err != nil {
		return nil, err
	}
	who := d.cfg.registration()
	body, err := p.post(ctx, p.device, who, url.Values{
		"scope": {p.scope()}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
	})
	if err != nil {
		return nil, err
	}
	code, err := parseCode(body, d.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer's code: %w", err)
	}
	if err := d.cfg.tell(code.instruction()); err != nil {
		return nil, err
	}
	pctx, cancel := context.WithTimeout(ctx, code.lasts)
	defer cancel()
	t, err := d.poll(pctx, p, who, code, verifier)
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fmt.Errorf("the login was given up: %w", ctx.Err())
	case pctx.Err() != nil: // the code's end, or the caller's
		return nil, errExpired
	default:
		return nil, err
	}
	keys, err := p.keySet(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := p.verify(ctx, keys, t, who.id, "", d.cfg.now())
	if err != nil {
		return nil, err
	}
	return p.grant(who, t, owner), nil
}

// poll asks the issuer until the person has logged in (section 3.4).
func (d *device) poll(ctx context.Context, p *provider, who registration, code *deviceCode, verifier string) (*tokens, error) {
	interval, failures := code.interval, 0
	for waited := interval; waited <= code.lasts; waited += interval {
		if err := d.pause(ctx, interval); err != nil {
			return nil, err
		}
		t, err := p.redeem(ctx, who, url.Values{"grant_type": {deviceGrant}, "device_code": {code.device}, "code_verifier": {verifier}})
		var refused *RefusedError
		var away interface{ Unreachable() bool }
		switch {
		case err == nil:
			return t, nil
		case errors.As(err, &refused) && refused.Code == "authorization_pending":
			failures = 0
		case errors.As(err, &refused) && refused.Code == "slow_down":
			failures = 0
			interval += slowDown
		case errors.As(err, &refused) && refused.Code == "expired_token":
			return nil, errExpired
		case errors.As(err, &away) && away.Unreachable() && ctx.Err() == nil && failures < maxFailures-1:
			failures++
			interval = max(interval, min(2*interval, maxInterval)) // section 3.5 wants it
		default:
			return nil, err
		}
	}
	return nil, errExpired
}

// errExpired is what becomes of a code that nobody entered.
var errExpired = fmt.Errorf("%w: the code was not entered", ErrNobody)

// pause waits between two questions.
func (d *device) pause(ctx context.Context, t time.Duration) error {
	if d.cfg.Sleep != nil {
		return d.cfg.Sleep(ctx, t)
	}
	return d.cfg.Client.Pause(ctx, t)
}

// A deviceCode is the answer of a device authorization endpoint (section 3.2).
type deviceCode struct {
	device   string // secret
	user     string // what the person enters
	at       string // URL, where
	complete string // URL with the code in it; "": none
	lasts    time.Duration
	interval time.Duration
}

// parseCode reads such an answer of the issuer.
func parseCode(text []byte, issuer string) (*deviceCode, error) {
	c := new(deviceCode)
	var lasts, interval int64
	var older string // Google's name of verification_uri, from a draft
	r := &strictjson.Reader{Text: text, Name: "answer"}
	page := func(dst *string) func() error {
		return func() error {
			if err := r.String(dst, maxURL)(); err != nil {
				return err
			}
			return checkEndpoint(*dst, issuer)
		}
	}
	err := r.Open(maxMembers, func(string) error { _, err := r.Value(); return err },
		strictjson.Required("device_code", r.String(&c.device, maxCode)),
		strictjson.Required("user_code", r.String(&c.user, maxTerm)),
		strictjson.Optional("verification_uri", page(&c.at)),
		strictjson.Optional("verification_url", page(&older)),
		strictjson.Optional("verification_uri_complete", r.OrNull(page(&c.complete))),
		strictjson.Required("expires_in", r.Number(&lasts, 31)),
		strictjson.Optional("interval", r.OrNull(r.Number(&interval, 31))),
	)
	if err == nil {
		err = r.End()
	}
	if c.at == "" {
		c.at = older
	}
	switch {
	case err != nil:
		return nil, err
	case c.at == "":
		return nil, errors.New("it does not say where to enter the code")
	case !plain(c.device, maxCode), !plain(c.user, 64):
		return nil, errors.New("a code that cannot be shown")
	case lasts == 0:
		return nil, errors.New("the code is of no use any more")
	}
	c.lasts = min(time.Duration(lasts)*time.Second, maxWait)
	c.interval = min(time.Duration(interval)*time.Second, maxInterval)
	if c.interval == 0 {
		c.interval = defaultInterval
	}
	return c, nil
}

// instruction returns what the person is told. The code is in it in any case:
// who compares it with what the other device shows knows that it is this login
// they allow (section 3.3.1).
func (c *deviceCode) instruction() string {
	s := fmt.Sprintf("gitseal: log in at %s with the code %s\n", c.at, c.user)
	if c.complete != "" {
		s += fmt.Sprintf("gitseal: or open %s\n", c.complete)
	}
	return s
}
