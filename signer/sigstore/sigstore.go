// Package sigstore signs with the servers of a Sigstore instance: Fulcio,
// Rekor v1 and v2, and RFC 3161 time-stamp authorities, as its signing config
// names them (application/vnd.dev.sigstore.signingconfig.v0.2+json).
//
// It reads answers strictly and checks that they answer what was asked: the
// entry is for this signature, the time-stamp has this nonce. Whether
// certificates, entries and time-stamps are to be believed it leaves to the
// verifier that every signature goes through before it is used.
package sigstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"gitseal/internal/rekor"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/signer"
)

// A Config says with which servers to sign. Client and Signing are required.
type Config struct {
	Client  *transport.Client
	Signing *trust.SigningConfig
	// TrustedRoot is what signatures are verified with in the end. It also
	// knows the ids of logs, which a Rekor v2 log does not tell of an entry
	// that it has already. nil: such an entry is an error.
	TrustedRoot *trust.TrustedRoot
	Rand        io.Reader        // nil: crypto/rand
	Now         func() time.Time // nil: time.Now
}

// An Instance is the servers that were selected. It may be used by several
// goroutines at once.
type Instance struct {
	client   *transport.Client
	ca       *fulcio
	logs     []signer.Log
	stampers []signer.Timestamper
	urls     []string
}

// New selects from the signing config what is in service now and speaks a
// version that this package knows: a certificate authority, and as many logs
// and time-stamp authorities as it asks for.
func New(cfg Config) (*Instance, error) {
	if cfg.Client == nil || cfg.Signing == nil {
		return nil, errors.New("selecting servers: client and signing config are required")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	now, config := cfg.Now(), cfg.Signing
	cas, err := choose("certificate authority", config.CAs, trust.Selection{Selector: "ANY"}, fulcioVersions, now)
	if err != nil {
		return nil, err
	}
	logs, err := choose("log", config.TLogs, config.TLogConfig, rekorVersions, now)
	if err != nil {
		return nil, err
	}
	var stampers []trust.Service
	if len(config.TSAs) > 0 {
		if stampers, err = choose("time-stamp authority", config.TSAs, config.TSAConfig, tsaVersions, now); err != nil {
			return nil, err
		}
	} else if logs[0].MajorAPIVersion == 2 {
		// Found out now, or at the end by a signature that fails.
		return nil, fmt.Errorf("selecting servers: log %s vouches for no time, and the signing config has no time-stamp authority", logs[0].URL)
	}
	if cfg.TrustedRoot != nil {
		if err := outlived(cfg.TrustedRoot, len(stampers) > 0, now); err != nil {
			return nil, err
		}
	}
	in := &Instance{client: cfg.Client, ca: &fulcio{cfg.Client, base(cas[0].URL)}, urls: []string{cas[0].URL}}
	for _, s := range logs {
		in.urls = append(in.urls, s.URL)
		if s.MajorAPIVersion == 1 {
			in.logs = append(in.logs, &rekorV1{rekor.V1{Client: cfg.Client, URL: base(s.URL)}})
		} else {
			in.logs = append(in.logs, &rekorV2{rekor.V2{Client: cfg.Client, URL: base(s.URL)}, cfg.TrustedRoot})
		}
	}
	for _, s := range stampers {
		in.urls = append(in.urls, s.URL)
		in.stampers = append(in.stampers, &tsa{cfg.Client, s.URL, cfg.Rand, cfg.Now})
	}
	return in, nil
}

// CA returns the certificate authority.
func (in *Instance) CA() signer.CertificateAuthority { return in.ca }

// Logs returns the logs, at least one. Those of Rekor v1 are signer.DSSELogs.
func (in *Instance) Logs() []signer.Log { return append([]signer.Log(nil), in.logs...) }

// Timestampers returns the time-stamp authorities, in the order of the signing
// config; nil: it has none.
func (in *Instance) Timestampers() []signer.Timestamper {
	return append([]signer.Timestamper(nil), in.stampers...)
}

// URLs returns the addresses of the selected servers: the certificate
// authority's, the logs' and the time-stamp authorities'.
func (in *Instance) URLs() []string { return append([]string(nil), in.urls...) }

// Connect begins to open connections to all servers, ahead of need, and
// returns.
func (in *Instance) Connect(ctx context.Context) {
	for _, url := range in.urls {
		in.client.Connect(ctx, url)
	}
}
