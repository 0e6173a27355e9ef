package oidc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// A mount is a file that a cluster mounts into its containers, with a service
// account token that is meant for others: the cluster itself, or its cloud.
type mount struct {
	name, variable, path string // one of variable, with the file's name in it, and path
	none                 string // why there is none
}

// Service account tokens, which the kubelet replaces before they expire
// (https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/),
// and the variable that names the one of roles for service accounts
// (https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html).
// They are usable where they are for our audience too: one for the cluster's
// own API server is never given to others.
var (
	kubernetes = &mount{"kubernetes", "", "/var/run/secrets/kubernetes.io/serviceaccount/token", "no service account token is mounted"}
	aws        = &mount{"aws", "AWS_WEB_IDENTITY_TOKEN_FILE", "", "AWS_WEB_IDENTITY_TOKEN_FILE is not set"}
)

// mounted is the token in a mounted file.
type mounted struct {
	cfg   *Config
	mount *mount
}

// Name implements Source.
func (m mounted) Name() string { return m.mount.name }

// path returns the file's name, "" if there is none, and what it is called in
// errors.
func (m mounted) path() (path, from string) {
	if m.mount.variable != "" {
		return m.cfg.getenv(m.mount.variable), m.mount.variable
	}
	return m.mount.path, m.mount.path
}

// Available implements Source.
func (m mounted) Available() error {
	path, from := m.path()
	if path == "" {
		return elsewhere(m.mount.none)
	}
	if m.mount.variable == "" {
		// Clusters mount theirs for everybody, for one user to read.
		switch _, err := m.cfg.readFile(path); {
		case errors.Is(err, fs.ErrNotExist):
			return elsewhere(m.mount.none)
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("%s: the token there is another user's", path)
		}
	}
	return foreign(m.cfg, from, path)
}

// Key implements Source.
func (m mounted) Key() string {
	path, _ := m.path()
	return fileKey(m.cfg, m.Name(), path)
}

// Grant implements Source.
func (m mounted) Grant(context.Context) (*Grant, error) {
	path, from := m.path()
	return fileGrant(m.cfg, from, path)
}
