package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/openpgp"
	"gitseal/verifier/policy"
	"gitseal/verifier/smime"
	"gitseal/verifier/sshsig"
)

// This file is about the keys of signatures that are not keyless: OpenPGP
// keyrings, SSH allowed signers, and authorities of X.509 certificates.

// The settings that name files with keys, and the flags that are given in
// their place.
var keySettings = []struct{ flag, key, usage string }{
	{"openpgp-keyring", "gitseal.openpgpKeyring", "verify OpenPGP signatures by the keys in `FILE`, a directory of such files, or REV:PATH; repeat for several"},
	{"allowed-signers", "gitseal.allowedSigners", "verify SSH signatures by `FILE`, an allowed signers file, or REV:PATH; repeat for several"},
	{"ssh-revocations", "gitseal.sshRevocations", "refuse the SSH keys in `FILE`, a key revocation list or public keys; repeat for several"},
	{"x509-roots", "gitseal.x509Roots", "verify X.509 signatures of other authorities by the certificates in `FILE`; repeat for several"},
	{"x509-crl", "gitseal.x509Crl", "refuse the X.509 certificates that the revocation list in `FILE` names; repeat for several"},
}

// keyFlags are the flags that name files with keys.
func keyFlags() []cli.Flag {
	var flags []cli.Flag
	for _, s := range keySettings {
		flags = append(flags, &cli.StringSliceFlag{Name: s.flag, Usage: s.usage})
	}
	return flags
}

// A source is where something that verdicts depend on is read from.
type source struct {
	name string // as it was given, or of a file in the directory that was
	data []byte
}

// maxKeys bounds a file with keys. The keys of a large distribution take 40 MB.
const maxKeys = 256 << 20

// keySources returns the files that a flag names, or else its setting.
func (s *settings) keySources(c *cli.Context, i int) ([]setting, error) {
	k := keySettings[i]
	if c != nil && c.IsSet(k.flag) {
		var all []setting
		for _, v := range c.StringSlice(k.flag) {
			all = append(all, setting{k.key, v, "option --" + k.flag})
		}
		return all, nil
	}
	all, err := s.paths(k.key)
	if err != nil || len(all) > 0 {
		return all, err
	}
	return s.gitsOwn(k.key), nil
}

// gitsKeys are git's own settings that are taken where ours are unset.
var gitsKeys = map[string]string{
	"gitseal.allowedSigners": "gpg.ssh.allowedSignersFile", "gitseal.sshRevocations": "gpg.ssh.revocationFile",
}

// gitsOwn returns the file that git's own setting names in place of ours. A
// relative path is in the work tree, where whoever is to be judged may write:
// it does not count.
func (s *settings) gitsOwn(key string) []setting {
	theirs, ok := gitsKeys[key]
	if !ok {
		return nil
	}
	entry, ok := s.config(theirs).Get(theirs)
	if !ok || entry.Value == "" {
		return nil
	}
	v := setting{theirs, entry.Value, entry.Origin}
	path, err := s.absolute(v)
	if err != nil {
		return nil
	}
	v.Value = path
	return []setting{v}
}

// keys returns the verifiers of the signatures that are not keyless. p, which
// may be nil, says how keys are judged.
func (s *settings) keys(ctx context.Context, c *cli.Context, e *env, repo *gitutil.Repo, v *verifier.Verifier, p *policy.Policy) (keys audit.Keys, err error) {
	rules := verifier.KeyRules{At: e.now()}
	if p != nil {
		rules = p.KeyRules(e.now())
	}
	var files [5][]source
	for i := range keySettings {
		named, err := s.keySources(c, i)
		if err != nil {
			return keys, err
		}
		for _, name := range named {
			found, err := readSources(ctx, repo, name, keySettings[i].flag == "openpgp-keyring")
			if err != nil {
				return keys, err
			}
			files[i] = append(files[i], found...)
		}
	}

	if keys.OpenPGP, err = openPGPKeys(e, files[0], rules); err != nil {
		return keys, fail(exitUsage, err)
	}
	if keys.SSH, err = sshKeys(e, files[1], files[2], rules); err != nil {
		return keys, fail(exitUsage, err)
	}
	keys.X509, err = x509Keys(files[3], files[4], v, rules)
	return keys, err
}

// openPGPKeys returns the verifier of OpenPGP signatures.
func openPGPKeys(e *env, files []source, rules verifier.KeyRules) (audit.KeyVerifier, error) {
	cfg := openpgp.Config{Rules: rules}
	for _, f := range files {
		ring, err := openpgp.ReadKeyring(f.name, f.data)
		if err != nil {
			return nil, err
		}
		cfg.Keyrings = append(cfg.Keyrings, ring)
		if n := len(ring.Skipped); n > 0 {
			first := ring.Skipped[0]
			tellUnused(e, f.name, count(n, "key is", "keys are"), strings.TrimSpace(first.Fingerprint+" "+first.Reason))
		}
	}
	return openpgp.New(cfg)
}

// sshKeys returns the verifier of SSH signatures.
func sshKeys(e *env, files, revocations []source, rules verifier.KeyRules) (audit.KeyVerifier, error) {
	cfg := sshsig.Config{Rules: rules}
	for _, f := range files {
		signers, err := sshsig.ReadAllowedSigners(f.name, f.data)
		if err != nil {
			return nil, err
		}
		cfg.AllowedSigners = append(cfg.AllowedSigners, signers)
		if n := len(signers.Skipped); n > 0 {
			tellUnused(e, f.name, count(n, "line is", "lines are"), signers.Skipped[0].Error())
		}
	}
	for _, f := range revocations {
		revoked, err := sshsig.ReadRevocations(f.name, f.data)
		if err != nil {
			return nil, err
		}
		cfg.Revoked = append(cfg.Revoked, revoked)
	}
	return sshsig.New(cfg)
}

// tellUnused says that not all of a file with keys counts, and why not the
// first of what does not.
func tellUnused(e *env, file, what, why string) {
	fmt.Fprintf(e.stderr, "gitseal: %s: %s not used: %s\n", printable(file), what, printable(oneLine(why)))
}

// x509Keys returns the verifier of signatures by other authorities' certificates,
// nil if none were named. Their time-stamps are v's to check.
func x509Keys(roots, lists []source, v *verifier.Verifier, rules verifier.KeyRules) (audit.KeyVerifier, error) {
	if len(roots) == 0 {
		return nil, nil
	}
	cfg := smime.Config{Rules: rules, Timestamps: v.Timestamp, TrustedRoots: v.TrustedRoots()}
	for _, f := range roots {
		found, err := smime.ReadCertificates(f.name, f.data)
		if err != nil {
			return nil, fail(exitUsage, err)
		}
		cfg.Roots = append(cfg.Roots, found...)
	}
	for _, f := range lists {
		found, err := smime.ReadLists(f.name, f.data)
		if err != nil {
			return nil, fail(exitUsage, err)
		}
		cfg.Lists = append(cfg.Lists, found...)
	}
	keys, err := smime.New(cfg)
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	return keys, nil
}

// isRevisionPath reports whether a name is REV:PATH, or a revision that names a
// blob, and not a file's. A file whose name has a colon is written with "./"
// before it: what is in the work tree is never taken for what is in a commit.
func isRevisionPath(name string) bool {
	if filepath.IsAbs(name) || strings.HasPrefix(name, "."+string(filepath.Separator)) || strings.HasPrefix(name, "./") {
		return false
	}
	return strings.Contains(name, ":") || strings.HasSuffix(name, "^{blob}")
}

// readSources reads what a setting or flag names: a file, where dirs is set a
// directory of files, or a blob of the repository, which may be nil.
func readSources(ctx context.Context, repo *gitutil.Repo, v setting, dirs bool) ([]source, error) {
	if strings.HasPrefix(v.Source, "option ") && isRevisionPath(v.Value) {
		if repo == nil {
			return nil, usage("%s: %s is in a repository, and there is none here", v.Source, v.Value)
		}
		data, err := readBlob(ctx, repo, v.Value, maxKeys)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Source, err)
		}
		return []source{{name: v.Value, data: data}}, nil
	}
	names := []string{v.Value}
	if info, err := os.Stat(v.Value); err == nil && info.IsDir() && dirs {
		entries, err := os.ReadDir(v.Value)
		if err != nil {
			return nil, fail(exitUsage, err)
		}
		names = nil
		for _, entry := range entries {
			if !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
				names = append(names, filepath.Join(v.Value, entry.Name()))
			}
		}
		slices.Sort(names)
		if len(names) == 0 {
			return nil, usage("%s: %s holds no file", describeSource(v), v.Value)
		}
	}
	var all []source
	for _, name := range names {
		data, err := readFile(name, maxKeys)
		if err != nil {
			return nil, fail(exitUsage, fmt.Errorf("%s: %w", describeSource(v), err))
		}
		all = append(all, source{name: name, data: data})
	}
	return all, nil
}

// describeSource says where a file was named.
func describeSource(v setting) string {
	if strings.HasPrefix(v.Source, "option ") {
		return v.Source
	}
	return fmt.Sprintf("reading %s (set in %s)", v.Key, v.Source)
}

// readBlob returns the content of a blob that a revision such as REV:PATH
// names; a tag of a blob is peeled.
func readBlob(ctx context.Context, repo *gitutil.Repo, rev string, limit int64) ([]byte, error) {
	oid, typ, err := repo.Resolve(ctx, rev)
	if err == nil && typ == "tag" {
		oid, typ, err = repo.Resolve(ctx, oid+"^{}")
	}
	if errors.Is(err, gitutil.ErrMissing) {
		return nil, fail(exitUsage, fmt.Errorf("%s is not in this repository", rev), "git ls-tree -r --name-only REV   # shows what is there")
	}
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	if typ != "blob" {
		return nil, usage("%s is a %s, and not a file", rev, typ)
	}
	o, err := repo.Object(ctx, oid)
	if err != nil {
		return nil, err
	}
	if int64(len(o.Data)) > limit {
		return nil, usage("%s is larger than %d bytes", rev, limit)
	}
	return o.Data, nil
}
