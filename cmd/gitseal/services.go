package main

import (
	"bytes"
	"crypto/sha256"
	"net/url"
	"strings"
	"time"

	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
)

// services returns the servers to sign with: those of the instance's signing
// config, each kind replaced by the one server that a setting names. config
// is nil where the instance has none.
func (s *settings) services(config *sigstore.SigningConfig, root *verifier.TrustedRoot) (*sigstore.SigningConfig, error) {
	merged := new(sigstore.SigningConfig)
	if config != nil {
		*merged = *config
	}
	any := sigstore.Selection{Selector: "ANY"}
	one := func(key string, version uint32) ([]sigstore.Service, error) {
		v, err := s.lookup(key, "")
		if err != nil || v.Value == "" {
			return nil, err
		}
		if u, err := url.Parse(v.Value); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return nil, usage("reading %s (set in %s): %q is not an http or https URL", v.Key, v.Source, v.Value)
		}
		if key == "gitseal.fulcio" {
			if err := s.checkFulcio(v, config, root); err != nil {
				return nil, err
			}
		}
		return []sigstore.Service{{URL: v.Value, MajorAPIVersion: version, ValidFor: always}}, nil
	}
	fulcio, err := one("gitseal.fulcio", 1)
	if err != nil {
		return nil, err
	}
	if fulcio != nil {
		merged.CAs = fulcio
	}
	rekor, err := one("gitseal.rekor", 0)
	if err != nil {
		return nil, err
	}
	if rekor != nil {
		if rekor[0].MajorAPIVersion, err = s.rekorVersion(rekor[0].URL, root); err != nil {
			return nil, err
		}
		merged.TLogs, merged.TLogConfig = rekor, any
	}
	stamp, err := one("gitseal.timestampServerURL", 1)
	if err != nil {
		return nil, err
	}
	if stamp != nil {
		merged.TSAs, merged.TSAConfig = stamp, any
	}
	return merged, nil
}

// always is when a server is there that a setting names.
var always = sigstore.Window{Start: time.Unix(0, 0).UTC()}

// rekorVersion returns the API version that a log named by a setting speaks:
// what gitseal.rekorVersion says, else what the trusted root tells of the log
// at that address, else 1.
func (s *settings) rekorVersion(address string, root *verifier.TrustedRoot) (uint32, error) {
	v, err := s.lookup("gitseal.rekorVersion", "")
	if err != nil {
		return 0, err
	}
	switch v.Value {
	case "":
	case "1":
		return 1, nil
	case "2":
		return 2, nil
	default:
		return 0, usage("reading %s (set in %s): %q is neither 1 nor 2", v.Key, v.Source, v.Value)
	}
	for _, log := range root.TLogs {
		// The id of a Rekor v1 log is the hash of its key alone.
		if id := sha256.Sum256(log.SPKI); strings.TrimRight(log.BaseURL, "/") == strings.TrimRight(address, "/") && !bytes.Equal(log.KeyID, id[:]) {
			return 2, nil
		}
	}
	return 1, nil
}

// serviceSettings are the settings that services reads, for doctor.
var serviceSettings = []string{"gitseal.fulcio", "gitseal.rekor", "gitseal.rekorVersion", "gitseal.timestampServerURL"}
