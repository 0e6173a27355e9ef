// Package tuf brings the files of an instance up to date from a TUF repository
// (The Update Framework, specification 1.0.33): trusted_root.json, and the
// signing config where there is one. Both are targets of the top-level targets
// role; delegations are not followed, so no other role can supply them.
//
// The work of a TUF client is go-tuf's. This package gives it what it asks
// for, bounded, and puts its errors into words; it starts from the same root
// metadata each time, so that nothing in the cache is ever an anchor of trust;
// and it installs only files that parse, whole, the record of the update last.
//
// Only the program gitseal-tuf links it, which gitseal runs: a TUF client
// makes every start of a program slower, and git starts gitseal for every
// commit it shows. See Command for how the two talk.
package tuf

import (
	"context"
	"crypto/sha256"
	_ "embed" // for SigstoreRoot
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// SigstoreRoot is the root metadata of the public good instance's repository.
// Where it comes from is in sigstore/README.md.
//
//go:embed sigstore/root.json
var SigstoreRoot []byte

// The targets. The signing config has the name that the public good instance
// gives to version 0.2, which is the one we read, or else its plain name.
const trustedRootTarget = "trusted_root.json"

var signingConfigTargets = []string{"signing_config.v0.2.json", "signing_config.json"}

// The files in an instance directory.
const (
	trustedRootFile   = "trusted_root.json"
	signingConfigFile = "signing_config.json"
	updateFile        = "tuf.json"
)

// maxTarget bounds a target in bytes; the public trusted root has 7 kB.
const maxTarget = 1 << 20

// A Config says what to update, and from where. Everything without a comment
// on its zero value is required.
type Config struct {
	URL    string            // of the repository: its metadata; its targets are below targets/
	Root   []byte            // the root metadata to begin with
	Dir    string            // the instance directory, made if it is missing
	Cache  string            // a directory for metadata of any number of repositories, made if it is missing
	Client *transport.Client // for http and https; nil: such URLs are refused
	Now    func() time.Time  // by which metadata expires; nil: time.Now
}

// Update brings the files in the instance directory up to date. Any number of
// processes may do so at once. Every error is a *trust.Refusal, and leaves the
// files as they were; but one while they are written may leave new files of
// which the record does not know yet.
func Update(ctx context.Context, cfg Config) (*trust.Update, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	u, err := cfg.update(ctx)
	if err != nil {
		refusal := refusalOf(err)
		return nil, &trust.Refusal{Reason: refusal.Reason, Err: fmt.Errorf("TUF repository %s: %w", cfg.URL, refusal.Err)}
	}
	return u, nil
}

func (cfg *Config) update(ctx context.Context) (*trust.Update, error) {
	if _, err := trust.ParseRepositoryURL(cfg.URL); err != nil {
		return nil, &trust.Refusal{Reason: trust.Unusable, Err: err}
	}
	// What is remembered of a repository belongs to its address and its root.
	key := sha256.Sum256(append([]byte(cfg.URL+"\n"), cfg.Root...))
	cache := filepath.Join(cfg.Cache, hex.EncodeToString(key[:16]))
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(cache, "lock")).Lock()
	if err != nil {
		return nil, err
	}
	defer unlock()

	// The metadata: root by root to the newest, then timestamp, snapshot and
	// targets.
	f := &fetcher{ctx: ctx, client: cfg.Client, roots: filepath.Join(cache, "roots"), fetched: make(map[int64][]byte)}
	if err := dropDamaged(cache); err != nil {
		return nil, err
	}
	client, err := cfg.newClient(f, cache)
	if err != nil {
		return nil, &trust.Refusal{Reason: trust.Unusable, Err: fmt.Errorf("the root metadata to begin with is not valid: %w", err)}
	}
	refreshErr := client.Refresh()
	// Also when the rest failed: that a newer root exists must not be forgotten.
	if err := f.keepRoots(client.GetTrustedMetadataSet().Root.Signed.Version); err != nil {
		return nil, err
	}
	if refreshErr != nil {
		return nil, explain(f.last, refreshErr)
	}

	// The targets it names, which must be of use before anything is replaced.
	trustedRoot, err := target(client, f, trustedRootTarget)
	if err != nil {
		return nil, err
	}
	if trustedRoot == nil {
		return nil, &trust.Refusal{Reason: trust.MissingTarget, Err: fmt.Errorf("it has no target %s", trustedRootTarget)}
	}
	if _, err := trust.Parse(trustedRoot); err != nil {
		return nil, malformed(trustedRootTarget, err)
	}
	signingConfig, err := signingConfigOf(client, f)
	if err != nil {
		return nil, err
	}
	u, err := newUpdate(client)
	if err != nil {
		return nil, err
	}
	u.URL, u.UpdatedAt, u.FirstRoot = cfg.URL, cfg.Now().UTC(), sha256.Sum256(cfg.Root)
	if err := follows(u, cfg.Dir); err != nil {
		return nil, err
	}
	return u, install(cfg.Dir, u, trustedRoot, signingConfig)
}

// newClient returns go-tuf's client, which trusts the given root and tells the
// time by our clock.
func (cfg *Config) newClient(f *fetcher, cache string) (*updater.Updater, error) {
	c, err := config.New(cfg.URL, cfg.Root)
	if err != nil {
		return nil, err
	}
	c.Fetcher = f
	c.LocalMetadataDir = cache
	c.LocalTargetsDir = filepath.Join(cache, "targets")
	client, err := updater.New(c)
	if err != nil {
		return nil, err
	}
	client.UnsafeSetRefTime(cfg.Now()) // unsafe because a test's clock would let expired metadata pass
	return client, nil
}

// signingConfigOf returns the repository's signing config; nil if it has none.
func signingConfigOf(client *updater.Updater, f *fetcher) ([]byte, error) {
	for _, name := range signingConfigTargets {
		data, err := target(client, f, name)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		if _, err := trust.ParseSigningConfig(data); err != nil {
			return nil, malformed(name, err)
		}
		return data, nil
	}
	return nil, nil
}

// target returns a target, from the cache where it is there; nil if the
// repository has none of that name.
func target(client *updater.Updater, f *fetcher, name string) ([]byte, error) {
	info, ok := client.GetTopLevelTargets()[name]
	if !ok {
		return nil, nil
	}
	if info.Length > maxTarget {
		return nil, &trust.Refusal{Reason: trust.TooLarge, Err: fmt.Errorf("target %s has %d bytes, more than %d", name, info.Length, maxTarget)}
	}
	if _, data, err := client.FindCachedTarget(info, ""); err != nil || data != nil {
		return data, err
	}
	_, data, err := client.DownloadTarget(info, "", "")
	if err != nil {
		return nil, explain(f.last, err)
	}
	return data, nil
}

// newUpdate returns what there is to say of the metadata: its versions, and
// when the first of it expires.
func newUpdate(client *updater.Updater) (*trust.Update, error) {
	set := client.GetTrustedMetadataSet()
	targets := set.Targets[metadata.TARGETS].Signed
	u := &trust.Update{Expires: set.Root.Signed.Expires}
	for _, t := range []time.Time{set.Timestamp.Signed.Expires, set.Snapshot.Signed.Expires, targets.Expires} {
		if t.Before(u.Expires) {
			u.Expires = t
		}
	}
	for _, v := range []struct {
		dst     *uint32
		version int64
	}{
		{&u.Root, set.Root.Signed.Version}, {&u.Timestamp, set.Timestamp.Signed.Version},
		{&u.Snapshot, set.Snapshot.Signed.Version}, {&u.Targets, targets.Version},
	} {
		if v.version < 0 || v.version > math.MaxUint32 {
			return nil, malformed("metadata", fmt.Errorf("version %d", v.version))
		}
		*v.dst = uint32(v.version)
	}
	return u, nil
}

// refusalOf returns err as a refusal. What is none already is about files of
// this machine.
func refusalOf(err error) *trust.Refusal {
	var refusal *trust.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return &trust.Refusal{Reason: trust.Unusable, Err: err}
}

// explain puts an error of go-tuf, met while file was read, into words.
func explain(file string, err error) error {
	var refusal *trust.Refusal
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &refusal) {
		return refusal
	}
	if errors.As(err, &path) || errors.As(err, &link) {
		return err
	}
	var (
		expired    *metadata.ErrExpiredMetadata
		version    *metadata.ErrBadVersionNumber
		unsigned   *metadata.ErrUnsignedMetadata
		mismatched *metadata.ErrLengthOrHashMismatch
	)
	refuse := func(reason trust.Reason, words, cause string) error {
		return &trust.Refusal{Reason: reason, Err: fmt.Errorf("%s: %s: %s", file, words, cause)}
	}
	switch {
	case errors.As(err, &expired):
		return refuse(trust.Expired, "metadata is out of date", expired.Msg)
	case errors.As(err, &version):
		return refuse(trust.RolledBack, "metadata is older than what was seen before, or does not fit the rest", version.Msg)
	case errors.As(err, &unsigned):
		return refuse(trust.NotSigned, "metadata is not signed by those who may", unsigned.Msg)
	case errors.As(err, &mismatched):
		return refuse(trust.Mismatch, "not what signed metadata says it is", mismatched.Msg)
	}
	return malformed(file, err)
}

func malformed(file string, err error) error {
	return &trust.Refusal{Reason: trust.Malformed, Err: fmt.Errorf("%s: not valid: %w", file, err)}
}
