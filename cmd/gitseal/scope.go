package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gitseal/gitutil"
	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
)

// This file is about settings in a repository's own configuration
// (.git/config). Whoever packed the repository may have written it: it comes
// with an archive, or lies in a checkout as a bare repository. Git runs
// programs that it names, but not for the commands of gitseal that people run
// themselves. So it may choose among what the user has set up, and not bring
// along where tokens go, whom to believe that a server is who it says, or what
// file is written to.

// fromRepository reports whether a setting is from the repository's own
// configuration.
func (s *settings) fromRepository(v setting) bool {
	return slices.ContainsFunc(s.config(v.Key).GetAll(v.Key), func(entry gitutil.ConfigEntry) bool {
		return entry.Origin == v.Source && ofRepository(entry)
	})
}

func ofRepository(entry gitutil.ConfigEntry) bool {
	return entry.Scope == "local" || entry.Scope == "worktree"
}

// userOnly refuses a setting that only the user may make. why begins with the
// repository.
func (s *settings) userOnly(v setting, why string) error {
	if !s.fromRepository(v) {
		return nil
	}
	return fail(exitUsage, fmt.Errorf("reading %s (set in %s): a repository may not %s", v.Key, v.Source, why),
		fmt.Sprintf("git config --global %s %s   # if you trust it", v.Key, shellWord(v.Value)))
}

// checkInstance refuses to sign with an instance that only the repository
// names: its servers get the user's identity token, and its trusted root says
// that all is well. The user has named it where it was set up for the user, by
// gitseal init, or is in configuration outside the repository.
func (s *settings) checkInstance(in *instance) error {
	if !s.fromRepository(in.setting) {
		return nil
	}
	if own, err := s.isOwn(in); own || err != nil {
		return err
	}
	for _, entry := range s.config(in.setting.Key).GetAll(in.setting.Key) {
		if !ofRepository(entry) && entry.Value == in.setting.Value {
			return nil
		}
	}
	file, err := s.knownInstance(in.dir)
	if err != nil {
		return err
	}
	if data, err := readFile(file, maxKnown); err == nil && string(data) == in.dir+"\n" {
		return nil
	}
	return fail(exitUsage, fmt.Errorf("reading gitseal.instance (set in %s): only the repository names the instance %s, whose servers would get your identity token", in.setting.Source, in.dir),
		"gitseal init --instance "+shellWord(in.dir)+"   # if you trust it with your identity")
}

// isOwn reports whether the instance has a name or is among the user's data,
// where nobody else puts one.
func (s *settings) isOwn(in *instance) (bool, error) {
	if in.setting.Value == localName || in.setting.Value == sigstoreName {
		return true, nil
	}
	dir, err := s.dataDir("instances")
	return strings.HasPrefix(in.dir, dir+string(filepath.Separator)), err
}

// maxKnown bounds a file with the path of an instance.
const maxKnown = 1 << 16

// knownInstance returns the file that is there if the user has set up the
// instance in dir. It holds the path.
func (s *settings) knownInstance(dir string) (string, error) {
	sum := sha256.Sum256([]byte(dir))
	return s.dataDir("instances", "known", hex.EncodeToString(sum[:8]))
}

// know remembers that the user has set up an instance.
func (s *settings) know(in *instance) error {
	if own, err := s.isOwn(in); own || err != nil {
		return err
	}
	file, err := s.knownInstance(in.dir)
	if err != nil {
		return err
	}
	return keepFile(file, []byte(in.dir+"\n"))
}

// checkFulcio refuses a certificate authority, which gets the identity token,
// that only the repository names: neither the instance's signing config, which
// may be nil, nor its trusted root does.
func (s *settings) checkFulcio(v setting, config *sigstore.SigningConfig, root *verifier.TrustedRoot) error {
	same := func(url string) bool { return strings.TrimRight(url, "/") == strings.TrimRight(v.Value, "/") }
	if config != nil && slices.ContainsFunc(config.CAs, func(s sigstore.Service) bool { return same(s.URL) }) {
		return nil
	}
	if slices.ContainsFunc(root.CertificateAuthorities, func(a sigstore.Authority) bool { return same(a.URI) }) {
		return nil
	}
	return s.userOnly(v, "have identity tokens sent to "+v.Value+", which the instance does not name")
}
