package trust

import (
	"errors"
	"fmt"
)

// ConfigMediaType is the media type of the signing config format read and
// written here.
const ConfigMediaType = "application/vnd.dev.sigstore.signingconfig.v0.2+json"

// A SigningConfig says which servers to ask for a signature. Any list may be
// empty: the file is also used by clients that need only some of them.
type SigningConfig struct {
	CAs           []Service // base URLs, Fulcio API
	OIDCProviders []Service // base URLs, OpenID Connect discovery
	TLogs         []Service // base URLs, Rekor API
	TSAs          []Service // full URLs, RFC 3161
	TLogConfig    Selection // how many of TLogs to write to
	TSAConfig     Selection // how many of TSAs to ask
}

// A Service is one server of a SigningConfig.
type Service struct {
	URL             string // http or https
	MajorAPIVersion uint32 // 0: not released yet
	ValidFor        Window
	Operator        string // host-like name of who runs it; "" if the file gives none
}

// A Selection says how many services to use out of those that are valid and
// speak a known version. The zero Selection belongs to an empty list.
type Selection struct {
	Selector string // "ANY" one, "EXACT" Count of them, "ALL"
	Count    uint32 // for "EXACT" at least 1 and at most the length of the list, else 0
}

// ParseSigningConfig reads a signing config of media type ConfigMediaType.
func ParseSigningConfig(data []byte) (*SigningConfig, error) {
	config, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("parsing signing config: %w", err)
	}
	return config, nil
}

func parseConfig(data []byte) (*SigningConfig, error) {
	r, err := newReader(data)
	if err != nil {
		return nil, err
	}
	c := new(SigningConfig)
	var mediaType string
	err = r.Object(
		required("mediaType", r.text(&mediaType)),
		optional("caUrls", r.services(&c.CAs)),
		optional("oidcUrls", r.services(&c.OIDCProviders)),
		optional("rekorTlogUrls", r.services(&c.TLogs)),
		optional("rekorTlogConfig", r.selection(&c.TLogConfig)),
		optional("tsaUrls", r.services(&c.TSAs)),
		optional("tsaConfig", r.selection(&c.TSAConfig)),
	)
	if err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if mediaType != ConfigMediaType {
		return nil, at("mediaType", fmt.Errorf("unsupported media type %q", mediaType))
	}
	if err := c.TLogConfig.check(len(c.TLogs)); err != nil {
		return nil, at("rekorTlogConfig", err)
	}
	if err := c.TSAConfig.check(len(c.TSAs)); err != nil {
		return nil, at("tsaConfig", err)
	}
	return c, nil
}

// check checks the selection against the number of services it selects from.
func (s Selection) check(services int) error {
	switch s.Selector {
	case "":
		if services != 0 {
			return at("selector", errors.New("missing"))
		}
	case "ANY", "ALL":
	case "EXACT":
		if s.Count == 0 || int64(s.Count) > int64(services) {
			return at("count", fmt.Errorf("%d of %d services", s.Count, services))
		}
		return nil
	default:
		return at("selector", fmt.Errorf("unknown selector %q", s.Selector))
	}
	if s.Count != 0 {
		return at("count", errors.New("only for EXACT"))
	}
	return nil
}

// services reads a list of dev.sigstore.trustroot.v1.Service.
func (r *reader) services(dst *[]Service) func() error {
	return func() error {
		return r.Array(maxList, func(i int) error {
			var s Service
			err := r.Object(
				required("url", r.text(&s.URL)),
				optional("majorApiVersion", r.uint32(&s.MajorAPIVersion)),
				required("validFor", r.window(&s.ValidFor)),
				optional("operator", r.text(&s.Operator)),
			)
			if err != nil {
				return err
			}
			host, err := checkURL(s.URL)
			if err == nil && host == "" {
				err = errors.New("empty")
			}
			if err != nil {
				return at("url", err)
			}
			*dst = append(*dst, s)
			return nil
		})
	}
}

// selection reads a dev.sigstore.trustroot.v1.ServiceConfiguration.
func (r *reader) selection(dst *Selection) func() error {
	return func() error {
		return r.Object(
			required("selector", r.text(&dst.Selector)),
			optional("count", r.uint32(&dst.Count)),
		)
	}
}
