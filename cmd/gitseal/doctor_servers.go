package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	sigstore "gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/verifier"
)

// A remoteSigning is the servers that sign, and what is needed to ask them
// something else.
type remoteSigning struct {
	dir      string // of the instance
	client   *transport.Client
	config   *sigstore.SigningConfig // of the instance; nil: it has none
	services *sigstore.SigningConfig // as the settings changed it
	root     *verifier.TrustedRoot
	servers  []string // the URLs of those selected: certificate authority, logs, time-stamp authorities
}

// A probe asks one server something that changes nothing, and returns what it
// found out.
type probe func(ctx context.Context) (found string, err error)

// servers looks at the identity token and asks each server that would sign
// whether it is there, and is the one that is trusted.
func (d *doctor) servers(ctx context.Context, s *settings, sig *signing) {
	r := sig.remote
	ca := &authorityProbe{remote: r, now: d.env.now}
	probes := []probe{ca.ask}
	logs := len(sig.config.Logs)
	for _, url := range r.servers[1 : 1+logs] {
		probes = append(probes, func(ctx context.Context) (string, error) { return r.askLog(ctx, url) })
	}
	for i, url := range r.servers[1+logs:] {
		probes = append(probes, func(ctx context.Context) (string, error) {
			return askStamper(ctx, url, sig.config.Timestampers[i])
		})
	}
	found, errs := make([]string, len(probes)), make([]error, len(probes))
	var wg sync.WaitGroup
	for i, ask := range probes {
		wg.Go(func() { found[i], errs[i] = ask(ctx) })
	}
	wg.Wait()
	defers, _ := s.deferral() // what is wrong with the settings was said before
	for i, err := range errs {
		var away interface{ Unreachable() bool }
		switch {
		case err == nil:
			d.ok("would sign with %s", found[i])
		// A certificate cannot be had later. Time-stamps are done without where
		// entries are never waited for.
		case (i > 0 && i <= logs && defers != signer.DeferNever || i > logs && defers == signer.DeferAlways) && errors.As(err, &away) && away.Unreachable():
			d.line("note", "signatures are made without, and not-logged until they are recorded: %v", err)
		default:
			d.err(sig.explain("signing does not work", err))
		}
	}
	d.clock(ca.skew)
	d.token(ctx, s, sig, ca.issuers)
	d.agent(ctx, s)
}

// clock compares this machine's clock with the authority's. One that is further
// off than signing allows for makes certificates look as if they were not valid
// yet.
func (d *doctor) clock(skew time.Duration) {
	const most = 5 * time.Second
	if skew.Abs() > most {
		d.fail("set the clock", "this machine's clock says %s, the certificate authority's %s", formatTime(d.env.now()), formatTime(d.env.now().Add(-skew)))
	}
}

// shownIssuers is how many issuers a hint names.
const shownIssuers = 12

// refusal says why an authority that takes tokens of issuers, all of them if
// there are none, will refuse one with these claims, and what to do about it.
func refusal(c *signer.Claims, issuers []issuer) (hint string, err error) {
	i := slices.IndexFunc(issuers, func(i issuer) bool { return i.URL == c.Issuer })
	if i < 0 {
		var names []string
		for _, one := range issuers {
			if one.Wildcard != "" {
				return "", nil // it may stand for this one
			}
			names = append(names, shellWord(one.URL))
		}
		if names == nil {
			return "", nil
		}
		if n := len(names) - shownIssuers; n > 0 {
			names = append(names[:shownIssuers], fmt.Sprintf("and %d more", n))
		}
		return "get a token of one of these: " + strings.Join(names, " "), fmt.Errorf("the certificate authority takes no tokens of issuer %s", c.Issuer)
	}
	switch {
	case issuers[i].Challenge != "email":
		return "", nil
	case c.Email == "":
		return wantToken, fmt.Errorf("the identity token has no e-mail address in it, as the certificate authority wants of issuer %s", c.Issuer)
	case !c.EmailVerified && !issuers[i].AnyEmail:
		return "have it verified there, and get a new token", fmt.Errorf("issuer %s has not verified the e-mail address %s", c.Issuer, c.Email)
	}
	return "", nil
}

// An issuer is one whose tokens an authority takes (Fulcio's API, message
// OIDCIssuer).
type issuer struct {
	URL       string `json:"issuerUrl"`
	Wildcard  string `json:"wildcardIssuerUrl"` // in place of URL: an address with * in it
	Challenge string `json:"challengeClaim"`    // "email" or "sub": what a proof of possession is over
	AnyEmail  bool   `json:"skipEmailVerification"`
}

// An authorityProbe asks a certificate authority, and keeps what it found out
// beside that it is there.
type authorityProbe struct {
	remote  *remoteSigning
	now     func() time.Time
	skew    time.Duration // by how much our clock is before its
	issuers []issuer
}

func (p *authorityProbe) ask(ctx context.Context) (string, error) {
	address := strings.TrimRight(p.remote.servers[0], "/")
	if u, err := url.Parse(address); err == nil && u.Scheme != "https" && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("certificate authority %s: no token is sent over plain http, where others can read it", address)
	}
	resp, err := p.get(ctx, address+"/api/v2/configuration")
	var status *transport.StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		// A server that knows only the first version, which tells nothing, has
		// this path, if not for reading.
		_, err := p.get(ctx, address+"/api/v1/signingCert")
		if errors.As(err, &status) && (status.Status == http.StatusMethodNotAllowed || status.Status == http.StatusNotImplemented) {
			return fmt.Sprintf("Fulcio at %s, which speaks the first version of its API", address), nil
		}
		return "", err
	}
	if err != nil {
		return "", err
	}
	var answer struct {
		Issuers []issuer `json:"issuers"`
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil {
		return "", fmt.Errorf("reading the answer of Fulcio at %s: it is not JSON", address)
	}
	p.issuers = answer.Issuers
	return fmt.Sprintf("Fulcio at %s, which takes tokens of %s", address, count(len(p.issuers), "issuer", "issuers")), nil
}

// isLoopback reports whether a host is this machine, to which a token may be
// sent in the open.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// get asks a question whose answer is wanted with status 200, and compares
// clocks.
func (p *authorityProbe) get(ctx context.Context, address string) (*transport.Response, error) {
	req := &transport.Request{Service: "Fulcio", URL: address, Repeatable: true}
	resp, err := p.remote.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		p.skew = p.now().Sub(at)
	}
	if resp.Status != http.StatusOK {
		return nil, resp.Err(req)
	}
	return resp, nil
}

// askLog reads the checkpoint of a log, which has to be by one that the trusted
// root names.
func (r *remoteSigning) askLog(ctx context.Context, address string) (string, error) {
	var version uint32
	for _, s := range r.services.TLogs {
		if s.URL == address {
			version = s.MajorAPIVersion
		}
	}
	var note []byte
	var err error
	if version == 1 {
		var tree tlog.RekorV1Tree
		tree, _, err = (&rekor.V1{Client: r.client, URL: strings.TrimRight(address, "/")}).Info(ctx)
		note = tree.Checkpoint
	} else {
		note, err = (&rekor.V2{Client: r.client, URL: address}).Fetch(ctx, "checkpoint")
	}
	var status *transport.StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		return "", fmt.Errorf("no log with the API of Rekor v%d is there (gitseal.rekorVersion, or the signing config, says which it has): %w", version, status)
	}
	if err != nil {
		return "", err
	}
	checkpoint, err := tlog.ParseCheckpoint(note)
	if err != nil {
		return "", fmt.Errorf("reading the checkpoint of %s: %w", address, err)
	}
	head := checkpoint.Checkpoint
	known := slices.ContainsFunc(r.root.TLogs, func(log sigstore.Log) bool {
		return checkpoint.Verify(log.PublicKey, log.KeyID) == nil
	})
	if !known {
		return "", &verifier.VerifyError{Class: verifier.UntrustedLog, Err: fmt.Errorf("the checkpoint of Rekor at %s, of log %q, is not signed by a log of the trusted root", address, head.Origin)}
	}
	return fmt.Sprintf("Rekor v%d at %s, which has %s", version, address, count(int(head.Size), "entry", "entries")), nil
}

// askStamper gets a time-stamp over something that is nothing.
func askStamper(ctx context.Context, url string, stamper signer.Timestamper) (string, error) {
	if _, err := stamper.Timestamp(ctx, sha256.Sum256([]byte("gitseal doctor\n"))); err != nil {
		return "", err
	}
	return fmt.Sprintf("time-stamp authority %s, which answers", url), nil
}
