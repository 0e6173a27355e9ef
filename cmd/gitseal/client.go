package main

import (
	"crypto/x509"
	"fmt"
	"net/http"

	"gitseal/internal/transport"
)

// maxCAFile bounds a file of certificate authorities; a system's has 250 kB.
const maxCAFile = 8 << 20

// client returns the HTTP client of this run. Proxies are those of the
// environment (HTTPS_PROXY, NO_PROXY), servers are authenticated by the
// system's certificate authorities and those of gitseal.caFile.
func (s *settings) client(t *tracer) (*transport.Client, error) {
	files, err := s.paths("gitseal.caFile")
	if err != nil {
		return nil, err
	}
	cfg := transport.Config{UserAgent: "gitseal/" + version(), Proxy: http.ProxyFromEnvironment}
	if t.file != nil {
		cfg.Trace = t.request
	}
	if len(files) > 0 {
		if cfg.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, fail(exitUsage, fmt.Errorf("reading the system's certificate authorities: %w", err))
		}
	}
	for _, v := range files {
		if err := s.userOnly(v, "say whom to believe that a server is who it says"); err != nil {
			return nil, err
		}
		pem, err := readFile(v.Value, maxCAFile)
		if err != nil {
			return nil, fail(exitUsage, fmt.Errorf("reading gitseal.caFile (set in %s): %w", v.Source, err))
		}
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fail(exitUsage, fmt.Errorf("reading gitseal.caFile (set in %s): %s holds no PEM certificate", v.Source, v.Value))
		}
	}
	return transport.New(cfg), nil
}
