package main

import (
	"crypto/x509"
	"fmt"
	"net/http"

	"gitseal/internal/transport"
)

// maxCAFile bounds a file of certificate authorities; a system's has 250 kB.
const maxCAFile = 8 << 20

// caFiles returns what is in the files of gitseal.caFile.
func (s *settings) caFiles() ([][]byte, error) {
	files, err := s.paths("gitseal.caFile")
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, v := range files {
		if err := s.userOnly(v, "say whom to believe that a server is who it says"); err != nil {
			return nil, err
		}
		pem, err := readFile(v.Value, maxCAFile)
		if err != nil {
			return nil, fail(exitUsage, fmt.Errorf("reading gitseal.caFile (set in %s): %w", v.Source, err))
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return nil, fail(exitUsage, fmt.Errorf("reading gitseal.caFile (set in %s): %s holds no PEM certificate", v.Source, v.Value))
		}
		all = append(all, pem)
	}
	return all, nil
}

// client returns the HTTP client of this run. Proxies are those of the
// environment (HTTPS_PROXY, NO_PROXY), servers are authenticated by the
// system's certificate authorities and those of gitseal.caFile.
func (s *settings) client(t *tracer) (*transport.Client, error) {
	files, err := s.caFiles()
	if err != nil {
		return nil, err
	}
	cfg, err := clientConfig(files)
	if err != nil {
		return nil, err
	}
	if t.file != nil {
		cfg.Trace = t.request
	}
	return transport.New(cfg), nil
}

// clientConfig returns how servers are asked. Those are believed who they are
// whom the system's certificate authorities vouch for, or these, in PEM.
func clientConfig(cas [][]byte) (transport.Config, error) {
	cfg := transport.Config{UserAgent: "gitseal/" + version(), Proxy: http.ProxyFromEnvironment}
	if len(cas) == 0 {
		return cfg, nil
	}
	var err error
	if cfg.RootCAs, err = x509.SystemCertPool(); err != nil {
		return cfg, fail(exitUsage, fmt.Errorf("reading the system's certificate authorities: %w", err))
	}
	for _, pem := range cas {
		cfg.RootCAs.AppendCertsFromPEM(pem)
	}
	return cfg, nil
}
