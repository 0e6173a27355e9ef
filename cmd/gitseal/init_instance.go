package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/fakeca"
	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
	"gitseal/verifier/policy"
)

// setUpInstance sets up the instance that the flags name, or else the one in
// force, and returns the configuration that selects it, and whether it can
// sign.
func setUpInstance(c *cli.Context, e *env, s *settings) (changes [][2]string, signs bool, err error) {
	in, err := s.instance()
	if err != nil {
		return nil, false, err
	}
	var chosen *instance
	switch name := c.String("instance"); {
	case c.Bool("local") || name == localName:
		chosen, err = s.instanceOf(setting{"gitseal.instance", localName, "--local"})
	case isURL(name):
		chosen, err = s.setUpRepository(c.Context, e, name, c.String("root"))
	case name == sigstoreName:
		chosen, err = s.instanceOf(setting{"gitseal.instance", name, "--instance"})
	case c.IsSet("instance"):
		var dir string
		if dir, err = filepath.Abs(name); err == nil {
			chosen, err = s.instanceOf(setting{"gitseal.instance", dir, "--instance"})
		}
	}
	if err != nil {
		return nil, false, err
	}
	if chosen != nil {
		// The local instance is the default, which needs no entry.
		if chosen.setting.Value != localName || in.setting.Value != localName {
			changes = append(changes, [2]string{"gitseal.instance", chosen.setting.Value})
		}
		in = chosen
	}
	if in.hasAuthority() {
		return changes, true, s.setUpAuthority(e, in)
	}
	signs, err = s.setUpServers(c.Context, e, in)
	if err == nil && chosen != nil {
		err = s.know(chosen)
	}
	return changes, signs, err
}

// setUpAuthority makes the local authority if it is missing, and allows the
// user's own identity on it.
func (s *settings) setUpAuthority(e *env, in *instance) error {
	who, err := s.identity("")
	if err != nil {
		return err
	}
	if in.setting.Value == localName {
		if err := createAuthority(e, in.dir); err != nil {
			return err
		}
	}
	a, err := in.authority(e)
	if err != nil {
		return err
	}
	defer a.Close() // only read from
	id := verifier.Identity{Subject: who.Value, Issuer: a.Issuer()}
	file, added, err := allowEntry(s, policy.Entry{Subject: id.Subject, Issuer: id.Issuer})
	if err != nil {
		return err
	}
	if added {
		e.printf("allowed %s (%s) in %s\n", printable(id.Subject), issuerLabel(id.Issuer), printable(file))
	}
	return nil
}

// createAuthority makes the local authority unless there is one.
func createAuthority(e *env, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fail(exitUsage, err)
	}
	a, err := fakeca.Create(dir, fakeca.Config{Clock: e.now})
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fail(exitUsage, err, replaceAuthority)
	}
	e.printf("made a local authority in %s (%s)\n", printable(dir), a.Issuer())
	return a.Close()
}

// setUpServers brings the trust of an instance up to date whose servers sign,
// and returns whether it can sign. Nobody is allowed: whom its servers vouch
// for is not ours to say.
func (s *settings) setUpServers(ctx context.Context, e *env, in *instance) (signs bool, err error) {
	stale, err := in.stale(e.now())
	if err != nil {
		return false, err
	}
	if stale != "" {
		if err := s.tryUpdate(ctx, e, in); err != nil {
			return false, err
		}
	}
	if _, _, err := in.trustedRoot(); err != nil {
		return false, err
	}
	_, err = in.signingConfig()
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.namesServers():
		fmt.Fprintf(e.stderr, "gitseal: instance %s has no authority of its own: it can verify, but not sign\n", printable(in.dir))
		return false, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if p, _, err := s.policy(""); err != nil {
		return false, err
	} else if p == nil {
		fmt.Fprintf(e.stderr, "hint: no policy says who may sign; allow yourself: gitseal policy allow SUBJECT --issuer ISSUER   # gitseal show tells both, once you have signed\n")
	}
	return true, nil
}

// tryUpdate updates the instance's trust. Where that is not possible now, and
// the instance can be verified with as it is, that is said, and is enough:
// signing will ask again. What was refused is never passed over.
func (s *settings) tryUpdate(ctx context.Context, e *env, in *instance) error {
	update, err := s.update(ctx, e, in)
	var refusal *sigstore.Refusal
	switch {
	case err == nil:
		e.printf("updated the trusted root in %s from %s\n", printable(in.dir), printable(update.URL))
		return nil
	case errors.As(err, &refusal) && refusal.Reason == sigstore.Unreachable, errors.Is(err, exec.ErrNotFound):
	default:
		return err
	}
	_, source, rootErr := in.trustedRoot()
	if rootErr != nil {
		return errors.Join(err, rootErr)
	}
	_, message, hints := exitCode(err)
	e.printError(message, hints)
	fmt.Fprintf(e.stderr, "hint: until then signatures are verified with %s, and none can be made\n", printable(source))
	return nil
}

// isURL reports whether an argument is a URL, not the path of a directory.
func isURL(s string) bool { return strings.Contains(s, "://") }

// setUpRepository makes the directory of an instance that comes from a TUF
// repository, and brings it up to date: a directory of its own for each
// repository and root to begin with.
func (s *settings) setUpRepository(ctx context.Context, e *env, rawURL, rootFile string) (*instance, error) {
	u, err := sigstore.ParseRepositoryURL(rawURL)
	if err != nil {
		return nil, usage("--instance: %v", err)
	}
	if rootFile == "" {
		return nil, fail(exitUsage, errors.New("--instance URL wants --root FILE: the repository's root metadata, from somebody you trust, is where trust in it begins"), setUpRepository)
	}
	root, err := readFile(rootFile, maxTrustedRoot)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("reading --root: %w", err))
	}
	dir, err := s.dataDir("instances", repositoryName(u, root))
	if err != nil {
		return nil, err
	}
	_, statErr := os.Lstat(dir)
	made := errors.Is(statErr, fs.ErrNotExist)
	if err := s.beginRepository(ctx, e, dir, rawURL, root); err != nil {
		if made { // a directory without trust in it is of no use
			err = errors.Join(err, os.RemoveAll(dir))
		}
		return nil, err
	}
	if made {
		e.printf("made an instance in %s from %s\n", printable(dir), printable(rawURL))
	}
	return &instance{setting{"gitseal.instance", dir, "--instance"}, dir}, nil
}

// beginRepository puts the root to begin with into an instance directory, and
// updates it.
func (s *settings) beginRepository(ctx context.Context, e *env, dir, rawURL string, root []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(exitUsage, err)
	}
	file := filepath.Join(dir, tufRootFile)
	if old, err := readFile(file, maxTrustedRoot); err != nil || !bytes.Equal(old, root) {
		if err := replaceFile(file, root); err != nil {
			return err
		}
	}
	_, err := s.runTUF(ctx, e, dir, []string{"-url", rawURL, "-root", file})
	return err
}

// repositoryName returns the name of the instance directory for a TUF
// repository and the root that trust in it begins with.
func repositoryName(u *url.URL, root []byte) string {
	host := "file"
	if u.Scheme != "file" {
		host = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
				return r
			}
			return '-' // the colon before a port, and those of IPv6
		}, strings.ToLower(u.Host))
	}
	sum := sha256.Sum256(append([]byte(u.String()+"\n"), root...))
	return host + "-" + hex.EncodeToString(sum[:4])
}
