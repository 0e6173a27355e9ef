package oidc

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"gitseal/internal/transport"
	"gitseal/signer"
)

// spiffeVariable says where the SPIFFE Workload API is (SPIFFE Workload
// Endpoint, section 4): unix:///path or tcp://IP:port.
const spiffeVariable = "SPIFFE_ENDPOINT_SOCKET"

// spiffe is the SPIFFE Workload API: JWT-SVIDs for the process that asks.
type spiffe struct{ cfg *Config }

// Name implements Source.
func (s spiffe) Name() string { return "spiffe" }

// Available implements Source.
func (s spiffe) Available() error {
	if s.cfg.getenv(spiffeVariable) == "" {
		return elsewhere(spiffeVariable + " is not set")
	}
	return nil
}

// Key implements Source: the endpoint knows who asks by which process it is.
func (s spiffe) Key() string {
	return key(s.Name(), s.cfg.getenv(spiffeVariable), s.cfg.machine())
}

// Grant implements Source.
func (s spiffe) Grant(ctx context.Context) (*Grant, error) {
	network, address, err := spiffeAddress(s.cfg.getenv(spiffeVariable))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spiffeVariable, err)
	}
	svid, err := fetchJWTSVID(ctx, network, address, s.cfg.audience())
	if err != nil {
		return nil, fmt.Errorf("SPIFFE Workload API at %s: %w", transport.Printable(address), err)
	}
	grant, err := s.cfg.grant("SPIFFE Workload API", svid.token)
	if err != nil {
		return nil, err
	}
	// JWT-SVID, section 3.1: the subject is the workload's name.
	if claims, err := signer.ReadClaims(grant.IDToken); err != nil || claims.Subject != svid.id {
		return nil, fmt.Errorf("SPIFFE Workload API: the token is not one for %q", transport.Printable(svid.id))
	}
	return grant, nil
}

// spiffeAddress reads the address of a Workload Endpoint: a URI of scheme unix
// with an absolute path and nothing else, or of scheme tcp with an IP address
// and a port and nothing else.
func spiffeAddress(uri string) (network, address string, err error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", "", fmt.Errorf("%q is not a URI", transport.Printable(uri))
	}
	if u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" {
		switch u.Scheme {
		case "unix":
			if u.Host == "" && strings.HasPrefix(u.Path, "/") {
				return "unix", u.Path, nil
			}
		case "tcp":
			if u.Path == "" && net.ParseIP(u.Hostname()) != nil && u.Port() != "" {
				return "tcp", u.Host, nil
			}
		}
	}
	return "", "", fmt.Errorf("%q is neither unix:///path nor tcp://IP:port", transport.Printable(uri))
}
