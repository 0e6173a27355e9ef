package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gitseal/internal/transport"
	"gitseal/signer"
)

// cosignFile is where cosign looks for a token: the documented mount point of
// a service account token that is projected for Sigstore.
const cosignFile = "/var/run/sigstore/cosign/oidc-token"

// file is a file that was set, or mounted, for this purpose.
type file struct{ cfg *Config }

// Name implements Source.
func (f file) Name() string { return "filesystem" }

// path returns the file's name, and what it is called in errors.
func (f file) path() (path, from string) {
	if f.cfg.TokenFile != "" {
		return f.cfg.TokenFile, "gitseal.tokenFile"
	}
	return cosignFile, cosignFile
}

// Available implements Source. A file that was set and cannot be read is no
// reason to sign as somebody else.
func (f file) Available() error {
	if f.cfg.TokenFile != "" {
		return nil
	}
	if _, err := f.cfg.readFile(cosignFile); errors.Is(err, fs.ErrNotExist) {
		return unset("gitseal.tokenFile")
	}
	return nil
}

// Key implements Source.
func (f file) Key() string {
	path, _ := f.path()
	return fileKey(f.cfg, f.Name(), path)
}

// Grant implements Source.
func (f file) Grant(context.Context) (*Grant, error) {
	path, from := f.path()
	return fileGrant(f.cfg, from, path)
}

// fileKey returns the Key of the source that reads its token from the file.
func fileKey(cfg *Config, name, path string) string {
	token, err := readTokenFile(cfg, path)
	if err != nil {
		return key(name, "file", path)
	}
	return tokenKey(name, token)
}

// fileGrant returns the token in the file, which is read each time: those who
// write such files replace the token before it expires.
func fileGrant(cfg *Config, from, path string) (*Grant, error) {
	token, err := readTokenFile(cfg, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return cfg.grant(from, token)
}

// readTokenFile returns what is in the file. A relative name would be looked
// for in whatever repository is being worked in, which is its author's.
func readTokenFile(cfg *Config, path string) (string, error) {
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("%q is not the whole path of a file", path)
	}
	token, err := cfg.readFile(path)
	return string(token), err
}

// readRegular returns the content of a regular file of at most maxToken bytes. It
// waits for no pipe and no device.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err == nil && len(data) > maxToken {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("longer than %d bytes", maxToken)}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// foreign says why a token that is there for another purpose, as clouds mount
// theirs, is not one for us: it is for another audience. Only a token that
// says so is passed over; what is wrong otherwise is for Grant to say.
func foreign(cfg *Config, from, path string) error {
	token, err := readTokenFile(cfg, path)
	if err != nil {
		return nil
	}
	return foreignToken(cfg, from, token)
}

// foreignToken is foreign for a token at hand.
func foreignToken(cfg *Config, from, token string) error {
	claims, err := signer.ReadClaims(strings.TrimSpace(token))
	if err != nil {
		return nil
	}
	if slices.Contains(claims.Audience, cfg.audience()) {
		return nil
	}
	return fmt.Errorf("the token of %s is for audience %q, want %q", from, transport.Printable(strings.Join(claims.Audience, ", ")), cfg.audience())
}
