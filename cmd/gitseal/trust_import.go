package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
)

// An importFile is a file given to trust import, which parsed.
type importFile struct {
	name   string
	data   []byte
	root   *verifier.TrustedRoot // nil: a signing config
	digest string
}

func runTrustImport(c *cli.Context, e *env) error {
	if !c.Args().Present() {
		return fail(exitUsage, errors.New("trust import wants files"), "gitseal trust import trusted_root.json")
	}
	scope := "--global"
	if c.Bool("local") {
		scope = "--local"
		if _, err := openRepository(c.Context); err != nil {
			return err
		}
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	// Everything is read before anything is believed.
	var roots, configs []importFile
	for _, name := range c.Args().Slice() {
		f, err := readImport(name)
		if err != nil {
			return err
		}
		if f.root != nil {
			roots = append(roots, f)
		} else {
			configs = append(configs, f)
		}
	}
	if len(configs) > 0 && (len(configs) != 1 || len(roots) != 1) {
		return usage("a signing config goes with exactly one trusted root, not %d with %d: they make one instance", len(configs), len(roots))
	}
	w := &configWriter{ctx: c.Context, env: e, scope: scope}
	for _, f := range roots {
		if err := s.importRoot(e, w, f); err != nil {
			return err
		}
	}
	if len(configs) == 0 {
		return nil
	}
	dir, err := s.dataDir("instances", "imported-"+instanceDigest(roots[0], configs[0]))
	if err != nil {
		return err
	}
	if err := keepFile(filepath.Join(dir, trustedRootFile), roots[0].data); err != nil {
		return err
	}
	if err := keepFile(filepath.Join(dir, signingConfigFile), configs[0].data); err != nil {
		return err
	}
	e.printf("made an instance of both; to sign with it: gitseal init --instance %s\n", shellWord(dir))
	return nil
}

// readImport reads a trusted root or a signing config.
func readImport(name string) (importFile, error) {
	data, err := readFile(name, maxTrustedRoot)
	if err != nil {
		return importFile{}, fail(exitUsage, err)
	}
	sum := sha256.Sum256(data)
	f := importFile{name: name, data: data, digest: hex.EncodeToString(sum[:])}
	root, rootErr := verifier.ParseTrustedRoot(data)
	if rootErr == nil {
		f.root = root
		return f, nil
	}
	_, configErr := sigstore.ParseSigningConfig(data)
	if configErr == nil {
		return f, nil
	}
	if strings.Contains(string(data), "signingconfig") { // only to choose the better error
		rootErr = configErr
	}
	return importFile{}, fail(exitUsage, fmt.Errorf("%s: %w", name, rootErr), wantFiles)
}

// importRoot keeps a copy of a trusted root under the name of its digest, and
// adds it to those in force.
func (s *settings) importRoot(e *env, w *configWriter, f importFile) error {
	file, err := s.dataDir("trust", f.digest+".json")
	if err != nil {
		return err
	}
	if err := keepFile(file, f.data); err != nil {
		return err
	}
	e.printf("%s", joinLines(newRootJSON(f.root, f.name, nil).lines()))
	in, err := w.get("gitseal.trustedRoot")
	if err != nil {
		return err
	}
	if slices.Contains(in, file) {
		e.printf("it is in force already\n")
		return nil
	}
	if err := w.git("--add", "gitseal.trustedRoot", file); err != nil {
		return err
	}
	e.printf("git config %s --add gitseal.trustedRoot %s\n", w.scope, shellWord(file))
	return nil
}

// keepFile writes a file that anybody may read, and its directory, unless it is
// there.
func keepFile(name string, data []byte) error {
	if old, err := readFile(name, maxTrustedRoot); err == nil && string(old) == string(data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fail(exitUsage, err)
	}
	if err := replaceFile(name, data); err != nil {
		return err
	}
	if err := os.Chmod(name, 0o644); err != nil {
		return fail(exitUsage, err)
	}
	return nil
}

// instanceDigest names an instance by its two files.
func instanceDigest(root, config importFile) string {
	sum := sha256.Sum256([]byte(root.digest + config.digest))
	return hex.EncodeToString(sum[:4])
}
