package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
)

// A remoteInstance is an instance whose servers sign for us.
type remoteInstance struct {
	Dir           string
	TrustedRoot   *verifier.TrustedRoot
	RootJSON      []byte                  // what TrustedRoot was read from
	SigningConfig *sigstore.SigningConfig // nil: none, and settings name the servers
}

// signingInstance returns the instance in force, which has no embedded
// authority, to sign with. Nothing is signed with trust that has expired: that
// of a TUF repository is updated first, which asks it, and refused where it
// cannot be.
func (s *settings) signingInstance(ctx context.Context, e *env) (*remoteInstance, error) {
	in, err := s.instance()
	if err != nil {
		return nil, err
	}
	if err := s.checkInstance(in); err != nil {
		return nil, err
	}
	stale, err := in.stale(e.now())
	if err != nil {
		return nil, err
	}
	if stale != "" {
		if _, err := s.update(ctx, e, in); err != nil {
			return nil, fmt.Errorf("signing with instance %s, whose %s: %w", in.dir, stale, err)
		}
	}
	return s.readRemote(in)
}

// readRemote reads the instance as it is.
func (s *settings) readRemote(in *instance) (*remoteInstance, error) {
	root, text, _, err := in.readTrustedRoot()
	if err != nil {
		return nil, err
	}
	remote := &remoteInstance{Dir: in.dir, TrustedRoot: root, RootJSON: text}
	remote.SigningConfig, err = in.signingConfig()
	if errors.Is(err, fs.ErrNotExist) && s.namesServers() {
		err = nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(exitUsage, fmt.Errorf("instance %s has %w, and no %s that names servers", in.dir, errNoAuthority, signingConfigFile),
			"git config gitseal.instance local   # sign with the local authority")
	}
	return remote, err
}

// namesServers reports whether settings say which servers to sign with.
func (s *settings) namesServers() bool {
	return slices.ContainsFunc(serviceSettings, func(key string) bool {
		v, err := s.lookup(key, "")
		return err != nil || v.Value != "" // an error is for who reads the setting to report
	})
}

// trustedRoot reads the instance's trusted root, and says where it is.
func (in *instance) trustedRoot() (root *verifier.TrustedRoot, source string, err error) {
	root, _, source, err = in.readTrustedRoot()
	return root, source, err
}

// readTrustedRoot is trustedRoot, and returns the text.
func (in *instance) readTrustedRoot() (root *verifier.TrustedRoot, text []byte, source string, err error) {
	source = filepath.Join(in.dir, trustedRootFile)
	text, err = readFile(source, maxTrustedRoot)
	if in.isBuiltIn(err) {
		root, err = verifier.ParseTrustedRoot([]byte(builtInTrustedRoot))
		return root, []byte(builtInTrustedRoot), builtInSource, err
	}
	if err != nil {
		return nil, nil, source, fail(exitUsage, err)
	}
	if root, err = verifier.ParseTrustedRoot(text); err != nil {
		return nil, nil, source, fail(exitUsage, fmt.Errorf("%s: %w", source, err), in.mend())
	}
	return root, text, source, nil
}

// builtInSource says where the trusted root comes from that is built in.
const builtInSource = "the copy of " + builtInDate + " that is built in"

// isBuiltIn reports whether err, of reading the instance's trusted root, means
// that the one built in stands in its place.
func (in *instance) isBuiltIn(err error) bool {
	return in.setting.Value == sigstoreName && errors.Is(err, fs.ErrNotExist)
}

// repository returns the TUF repository that the instance comes from; "" if it
// is from none.
func (in *instance) repository() (string, error) {
	if in.setting.Value == sigstoreName {
		return sigstoreURL, nil
	}
	last, err := in.lastUpdate()
	if last == nil || err != nil {
		return "", err
	}
	return last.URL, nil
}

// mend is the hint for files of the instance that do not parse.
func (in *instance) mend() string {
	switch url, err := in.repository(); {
	case url != "" || err != nil:
		return updateTrust
	case in.setting.Value == localName:
		return replaceAuthority
	}
	return wantFiles
}

// signingConfig reads the instance's signing config. The error is
// fs.ErrNotExist if it has none.
func (in *instance) signingConfig() (*sigstore.SigningConfig, error) {
	file := filepath.Join(in.dir, signingConfigFile)
	data, err := readFile(file, maxTrustedRoot)
	if errors.Is(err, fs.ErrNotExist) {
		// One is built in only to go with the trusted root that is.
		if _, rootErr := os.Stat(filepath.Join(in.dir, trustedRootFile)); in.isBuiltIn(rootErr) {
			return sigstore.ParseSigningConfig([]byte(builtInSigningConfig))
		}
	}
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	config, err := sigstore.ParseSigningConfig(data)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("%s: %w", file, err), in.mend())
	}
	return config, nil
}

// lastUpdate returns what the last update by TUF brought; nil if there was
// none.
func (in *instance) lastUpdate() (*sigstore.Update, error) {
	file := filepath.Join(in.dir, tufFile)
	data, err := readFile(file, maxTrustedRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	update, err := sigstore.ParseUpdate(data)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("%s: %w", file, err), "move that file away, and set the instance up again: gitseal init --instance URL --root FILE")
	}
	return update, nil
}

// maxClockError is by how much a clock may be set back without notice, as time
// servers do.
const maxClockError = 5 * time.Minute

// stale says why the instance's trust has to be updated before anything is
// signed with it; "" if it is fresh, or if there is nothing to update it from.
func (in *instance) stale(now time.Time) (string, error) {
	update, err := in.lastUpdate()
	switch {
	case err != nil:
		return "", err
	case update == nil && in.setting.Value == sigstoreName:
		return "trust is only " + builtInSource, nil
	case update == nil:
		if _, err := os.Lstat(filepath.Join(in.dir, tufRootFile)); !errors.Is(err, fs.ErrNotExist) {
			return "", fail(exitUsage, fmt.Errorf("instance %s is from a TUF repository, but %s, which says how fresh it is, is not there", in.dir, tufFile), setUpRepository)
		}
		return "", nil
	case update.UpdatedAt.Sub(now) > maxClockError:
		// Set back, a clock makes what has expired look fresh.
		return "trust was updated on " + formatTime(update.UpdatedAt) + ", which this machine's clock has not reached", nil
	case now.After(update.Expires):
		return "trust expired on " + formatTime(update.Expires), nil
	}
	// Both files are those of the update: it was not cut short between them,
	// and nobody has put others in their place.
	for _, file := range []struct {
		name   string
		digest [32]byte
	}{{trustedRootFile, update.TrustedRoot}, {signingConfigFile, update.SigningConfig}} {
		data, err := readFile(filepath.Join(in.dir, file.name), maxTrustedRoot)
		absent := errors.Is(err, fs.ErrNotExist) && file.digest == [32]byte{}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fail(exitUsage, err)
		}
		if !absent && sha256.Sum256(data) != file.digest {
			return file.name + " is not the one that the last update brought", nil
		}
	}
	return "", nil
}
