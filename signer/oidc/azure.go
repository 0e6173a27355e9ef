package oidc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// The variables by which Azure says where tokens are, and for which identity.
const (
	azureFile     = "AZURE_FEDERATED_TOKEN_FILE"        // a projected service account token (AKS)
	azureEndpoint = "IDENTITY_ENDPOINT"                 // App Service, Functions, Container Apps
	azureHeader   = "IDENTITY_HEADER"                   // a secret of theirs
	azureFabric   = "IDENTITY_SERVER_THUMBPRINT"        // set by Service Fabric, which has other rules
	azureHost     = "AZURE_POD_IDENTITY_AUTHORITY_HOST" // in place of the machine's service
	azureClient   = "AZURE_CLIENT_ID"                   // which of several identities; "": the one of the system
)

// azureMachine is where the metadata service of a machine is
// (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
const azureMachine = "http://169.254.169.254"

// azure is Azure: the projected token of a pod, or a token for the managed
// identity of an application or a machine.
//
// Azure gives nobody an ID token for an audience of their choice. A projected
// token is one for Azure's own token service, unless the pod asks otherwise
// (https://azure.github.io/azure-workload-identity/docs/), and then
// gitseal.tokenFile is the better place to say so. A managed identity gets
// access tokens of Entra, whose audience is an application that is registered
// there: they serve with an authority that was set up for that issuer and that
// audience, in gitseal.clientID, and not with Sigstore's public one.
type azure struct{ cfg *Config }

// Name implements Source.
func (a azure) Name() string { return "azure" }

// Available implements Source. The service of a machine is used only by name:
// every machine of Azure has it, and few have an identity that may sign.
func (a azure) Available() error {
	if path := a.cfg.getenv(azureFile); path != "" {
		return foreign(a.cfg, azureFile, path)
	}
	if a.application() {
		return nil
	}
	return elsewhere("neither " + azureFile + " nor " + azureEndpoint + " is set")
}

// AvailableByName implements named.
func (a azure) AvailableByName() error {
	if path := a.cfg.getenv(azureFile); path != "" {
		return foreign(a.cfg, azureFile, path)
	}
	if a.cfg.getenv(azureEndpoint) != "" && !a.application() {
		return errors.New("tokens of Azure Arc and Service Fabric are not supported: gitseal.tokenCommand can get them")
	}
	return nil
}

// application reports whether this is an application with an endpoint of its
// own (https://learn.microsoft.com/azure/app-service/overview-managed-identity).
func (a azure) application() bool {
	return a.cfg.getenv(azureEndpoint) != "" && a.cfg.getenv(azureHeader) != "" && a.cfg.getenv(azureFabric) == ""
}

// Key implements Source.
func (a azure) Key() string {
	if path := a.cfg.getenv(azureFile); path != "" {
		return fileKey(a.cfg, a.Name(), path)
	}
	return key(a.Name(), a.cfg.getenv(azureEndpoint), a.cfg.getenv(azureHost), a.cfg.getenv(azureClient), a.cfg.machine())
}

// Grant implements Source. Where a pod has a token of its own, the machine is
// not asked: its identity is another.
func (a azure) Grant(ctx context.Context) (*Grant, error) {
	if path := a.cfg.getenv(azureFile); path != "" {
		return fileGrant(a.cfg, azureFile, path)
	}
	m, err := a.metadata()
	if err != nil {
		return nil, err
	}
	status, header, body, err := m.ask(ctx)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, m.refused(status, header, body)
	}
	token, err := readMember(body, "access_token")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.service, err)
	}
	return a.cfg.grant(m.service, token)
}

// metadata returns the question to ask: of the application's endpoint, or else
// of the machine's.
func (a azure) metadata() (*metadata, error) {
	m := &metadata{"metadata service of Azure", azureMachine, "Metadata", "true"}
	version := "2018-02-01"
	if host := a.cfg.getenv(azureHost); host != "" {
		m.url = host
	}
	m.url += "/metadata/identity/oauth2/token"
	if a.application() {
		m = &metadata{"identity service of Azure", a.cfg.getenv(azureEndpoint), "X-Identity-Header", a.cfg.getenv(azureHeader)}
		version = "2019-08-01"
	}
	u, err := url.Parse(m.url)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return nil, errors.New(m.service + ": malformed URL")
	}
	if a.application() && !nextDoor(u) {
		return nil, fmt.Errorf("%s: refusing to send a secret to %q, where others can read it", m.service, u.Host)
	}
	query := u.Query()
	query.Set("api-version", version)
	query.Set("resource", a.cfg.audience())
	if client := a.cfg.getenv(azureClient); client != "" {
		query.Set("client_id", client)
	}
	u.RawQuery = query.Encode()
	m.url = u.String()
	return m, nil
}

// nextDoor reports whether what is sent to the URL cannot be read on the way:
// it is encrypted, or stays on this machine and its link.
func nextDoor(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback() || ip.IsLinkLocalUnicast())
}
