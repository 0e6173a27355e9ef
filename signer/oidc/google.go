package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Where Google's metadata service is: everywhere on the same address, unless
// this variable names another host
// (https://cloud.google.com/docs/authentication/get-id-token).
const (
	googleHost         = "169.254.169.254"
	googleHostVariable = "GCE_METADATA_HOST"
)

// google is the metadata service of Google Cloud, for the service account of
// a machine, a container or a function.
type google struct{ cfg *Config }

// Name implements Source.
func (g google) Name() string { return "google-workload-identity" }

// Available implements Source. Nobody is asked: the environment of a container
// or a function tells. On a machine of Google's the service has to be named, for
// a person may be sitting at it who is not its service account.
func (g google) Available() error {
	for _, name := range []string{googleHostVariable, "K_SERVICE", "CLOUD_RUN_JOB"} {
		if g.cfg.getenv(name) != "" {
			return nil
		}
	}
	return elsewhere("nothing says that this is Google Cloud")
}

// AvailableByName implements named.
func (g google) AvailableByName() error { return nil }

// host returns where the service is.
func (g google) host() string {
	if host := g.cfg.getenv(googleHostVariable); host != "" {
		return host
	}
	return googleHost
}

// Key implements Source: the service is at the same address everywhere, and
// knows who asks by where that is.
func (g google) Key() string {
	return key(g.Name(), g.host(), g.cfg.machine(), g.cfg.getenv("K_SERVICE"), g.cfg.getenv("CLOUD_RUN_JOB"))
}

// Grant implements Source.
func (g google) Grant(ctx context.Context) (*Grant, error) {
	u, err := url.Parse("http://" + g.host())
	if err != nil || u.Host != g.host() || u.Hostname() == "" {
		return nil, errors.New(googleHostVariable + ": neither a host nor a host and a port")
	}
	u.Path = "/computeMetadata/v1/instance/service-accounts/default/identity"
	u.RawQuery = url.Values{"audience": {g.cfg.audience()}, "format": {"full"}}.Encode()

	// The header is asked for so that no web page can ask, and comes back from
	// nobody else.
	const flavor = "Metadata-Flavor"
	m := &metadata{"metadata service of Google Cloud at " + u.Host, u.String(), flavor, "Google"}
	status, header, body, err := m.ask(ctx)
	switch {
	case err != nil:
		return nil, err
	case header.Get(flavor) != "Google":
		return nil, errors.New(m.service + ": what answers there is something else")
	case status == http.StatusNotFound:
		return nil, errors.New(m.service + ": there is no service account here")
	case status != http.StatusOK:
		return nil, m.refused(status, header, body)
	}
	return g.cfg.grant(m.service, string(body))
}
