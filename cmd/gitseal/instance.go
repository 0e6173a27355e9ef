package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gitseal/fakeca"
	"gitseal/verifier/policy"
)

// The files of an instance directory. The first two have Sigstore's names.
const (
	trustedRootFile   = "trusted_root.json"
	signingConfigFile = "signing_config.json"
	tufRootFile       = "root.json" // where the chain of a TUF repository's roots begins
	tufFile           = "tuf.json"  // what the last update by TUF brought
	authorityFile     = "keys.json" // of an embedded authority: what makes it one
)

// maxTrustedRoot bounds a trusted root file; the public one has 7 kB.
const maxTrustedRoot = 4 << 20

// maxPolicy bounds a policy file.
const maxPolicy = 16 << 20

// An instance is the authority and the logs that sign for us.
type instance struct {
	setting setting // gitseal.instance
	dir     string
}

// The instances that have names.
const (
	localName    = "local"    // the embedded authority
	sigstoreName = "sigstore" // the public good instance
)

// instance returns the instance in force: one with a name, or a directory.
func (s *settings) instance() (*instance, error) {
	v, err := s.lookup("gitseal.instance", localName)
	if err != nil {
		return nil, err
	}
	return s.instanceOf(v)
}

// instanceOf returns the instance that a value of gitseal.instance stands for.
func (s *settings) instanceOf(v setting) (*instance, error) {
	switch v.Value {
	case localName:
		dir, err := s.authorityDir()
		if err != nil {
			return nil, err
		}
		return &instance{v, dir.Value}, nil
	case sigstoreName:
		dir, err := s.dataDir("instances", sigstoreName)
		if err != nil {
			return nil, err
		}
		return &instance{v, dir}, nil
	}
	dir, err := s.absolute(v)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("reading gitseal.instance (set in %s): %q is neither %q nor %q nor an absolute path", v.Source, v.Value, localName, sigstoreName))
	}
	return &instance{v, dir}, nil
}

// hasAuthority reports whether the instance signs with an embedded authority,
// not through servers: it is the local one, whether made already or not, or
// another directory that one was made in.
func (in *instance) hasAuthority() bool {
	if in.setting.Value == localName || in.setting.Value == sigstoreName {
		return in.setting.Value == localName
	}
	_, err := os.Lstat(filepath.Join(in.dir, authorityFile))
	return !errors.Is(err, fs.ErrNotExist) // what cannot be looked at is for authority to report
}

// Hints for a machine on which nothing has been set up, or no longer.
const (
	setUp            = "gitseal init"
	trustOthers      = "or, to verify what others sign: git config --global --add gitseal.trustedRoot sigstore   # or /path/to/their/trusted_root.json"
	wantTrustedRoot  = "want a trusted_root.json, version 0.1, as a Sigstore instance or gitseal init writes it"
	wantFiles        = "want a trusted_root.json and a signing_config.json as a Sigstore instance publishes them"
	replaceAuthority = "put the authority back from a copy, or move what is left of it away and make another: gitseal init"
)

// errNoAuthority says that an instance can verify, but not sign.
var errNoAuthority = errors.New("no authority of its own to sign with")

// authority opens the embedded authority of the instance. The caller closes
// it.
func (in *instance) authority(e *env) (*fakeca.Authority, error) {
	a, err := fakeca.Open(in.dir, fakeca.Config{Clock: e.now})
	var perm *fakeca.PermissionsError
	var lost *fs.PathError
	switch {
	case err == nil:
		return a, nil
	case in.setting.Value != localName && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fakeca.ErrIncomplete)):
		return nil, fail(exitUsage, fmt.Errorf("instance %s has %w", in.dir, errNoAuthority),
			"git config gitseal.instance local   # sign with the local authority")
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &lost) && isInstanceFile(lost.Path):
		return nil, fail(exitUsage, err, replaceAuthority) // its keys are there
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitUsage, fmt.Errorf("there is no local authority in %s yet", in.dir), setUp)
	case errors.Is(err, fakeca.ErrIncomplete):
		return nil, fail(exitUsage, err, setUp+"   # finishes it")
	case errors.As(err, &perm):
		return nil, fail(exitUsage, perm, "chmod -R go= "+shellWord(in.dir))
	case errors.Is(err, fakeca.ErrCorrupt):
		return nil, fail(exitEquivocation, err, replaceAuthority)
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitUsage, err, "chmod -R u+rwX "+shellWord(in.dir))
	}
	return nil, fail(exitUsage, err, replaceAuthority)
}

// isInstanceFile reports whether a file is one of the two of an instance.
func isInstanceFile(path string) bool {
	name := filepath.Base(path)
	return name == trustedRootFile || name == signingConfigFile
}

// policy reads the policy in force: the file named on the command line, else
// the user's. It is nil when there is none: the user's default file does not
// exist.
func (s *settings) policy(file string) (*policy.Policy, string, error) {
	v := setting{Value: file, Source: "--policy"}
	if file == "" {
		var err error
		if v, err = s.policyFile(); err != nil {
			return nil, "", err
		}
	}
	data, err := readFile(v.Value, maxPolicy)
	if errors.Is(err, fs.ErrNotExist) && v.isDefault() {
		if _, lerr := os.Lstat(v.Value); errors.Is(lerr, fs.ErrNotExist) {
			return nil, "", nil
		}
		// A link that leads nowhere is a policy that cannot be read.
	}
	if err != nil {
		return nil, "", fail(exitUsage, err)
	}
	p, err := policy.Parse(v.Value, data)
	if err != nil {
		return nil, "", fail(exitUsage, err, correctPolicy(v.Value))
	}
	return p, v.Value, nil
}

// readFile reads a regular file of bounded size.
func readFile(name string, limit int64) ([]byte, error) {
	// Before it is opened: to open a pipe is to wait for its other end.
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	return readLimited(f, limit, name)
}

// localTokens is the token source of the embedded authority: it vouches for
// whoever its owner says.
type localTokens struct {
	authority *fakeca.Authority
	subject   string
}

func (t localTokens) Token(ctx context.Context) (string, error) {
	return t.authority.Token(ctx, t.subject)
}

// issuerLabel returns how lines for people name an issuer. The local
// authority vouches for nobody, and is called what it is.
func issuerLabel(issuer string) string {
	if isLocal(issuer) {
		return printable(issuer) + ", local authority"
	}
	return printable(issuer)
}

// dataDir returns a place among the user's data, where instances and imported
// trusted roots are.
func (s *settings) dataDir(elem ...string) (string, error) {
	dir, err := s.baseDir("XDG_DATA_HOME", filepath.Join(".local", "share"))
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{dir, "gitseal"}, elem...)...), nil
}

func isLocal(issuer string) bool { return strings.HasPrefix(issuer, "gitseal:local:") }
