package server

import (
	"fmt"
	"strings"

	"gitseal/fakeca"
	"gitseal/internal/trust"
)

// SigningConfig returns the authority's Sigstore signing config with the URLs of
// a handler that is mounted at the root of baseURL (http or https, host and
// port). It names no OpenID Connect provider: there is nowhere to log in.
//
// The trusted root stays that of the authority, wherever it is served: it names
// the log by a host name of its own, which is the origin of its checkpoints, and
// not by where somebody reached it.
func SigningConfig(a *fakeca.Authority, baseURL string) ([]byte, error) {
	c, err := trust.ParseSigningConfig(a.SigningConfig())
	if err != nil {
		return nil, fmt.Errorf("configuring for %s: %w", baseURL, err)
	}
	baseURL = strings.TrimSuffix(baseURL, "/")
	for i := range c.CAs {
		c.CAs[i].URL = baseURL
	}
	for i := range c.TLogs {
		c.TLogs[i].URL = baseURL
	}
	for i := range c.TSAs {
		c.TSAs[i].URL = baseURL + "/api/v1/timestamp"
	}
	text, err := c.Marshal()
	if err != nil {
		return nil, fmt.Errorf("configuring for %s: %w", baseURL, err)
	}
	return text, nil
}
