package tuf

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"gitseal/internal/trust"
)

// install puts the files into the instance directory, each whole or not at
// all. The record, which has their digests, comes last: until it is there, a
// reader sees files that the record does not know.
func install(dir string, u *trust.Update, trustedRoot, signingConfig []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	u.TrustedRoot = sha256.Sum256(trustedRoot)
	if err := writeFile(filepath.Join(dir, trustedRootFile), trustedRoot); err != nil {
		return err
	}
	config := filepath.Join(dir, signingConfigFile)
	if signingConfig == nil {
		// The repository has one no longer: its servers are not to be asked.
		if err := os.Remove(config); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else {
		u.SigningConfig = sha256.Sum256(signingConfig)
		if err := writeFile(config, signingConfig); err != nil {
			return err
		}
	}
	record, err := u.Marshal()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, updateFile), record)
}

// follows checks that an update does not bring the instance back to an earlier
// state. The cache remembers the versions too, but caches get deleted.
func follows(u *trust.Update, dir string) error {
	data, err := readFile(filepath.Join(dir, updateFile), maxTarget)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	before, err := trust.ParseUpdate(data)
	if err != nil {
		return nil // says nothing, and this update replaces it
	}
	if err := u.Follows(before); err != nil {
		return &trust.Refusal{Reason: trust.RolledBack, Err: err}
	}
	return nil
}

// writeFile writes a file beside its place, syncs it and moves it there,
// unless it is there already.
func writeFile(name string, data []byte) (err error) {
	if old, err := readFile(name, int64(len(data))); err == nil && bytes.Equal(old, data) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
