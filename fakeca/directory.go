package fakeca

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"gitseal/internal/trust"
)

// ErrIncomplete says that a directory holds an authority whose creation did not
// finish. Create starts it again.
var ErrIncomplete = errors.New("the creation of the authority did not finish")

// The files of an authority. keys.json comes last and makes it one.
const (
	keysName          = "keys.json"
	trustedRootName   = "trusted_root.json"
	signingConfigName = "signing_config.json"
	lockName          = "lock"

	maxFile = 1 << 20
)

// create makes an authority: first everything it consists of, durably, and then
// its keys under their name, which makes it an authority.
func create(d disk, dir string, cfg Config) (*Authority, error) {
	a, err := tryCreate(d, dir, cfg)
	if err != nil {
		return nil, fmt.Errorf("creating authority %s: %w", dir, err)
	}
	return a, nil
}

func tryCreate(d disk, dir string, cfg Config) (_ *Authority, err error) {
	if cfg, err = cfg.defaults(); err != nil {
		return nil, err
	}
	if err := checkVacant(d, dir); err != nil {
		return nil, err
	}
	if err := d.Mkdir(dir); err != nil {
		return nil, err
	}
	unlock, err := d.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// Again, for another process may have been quicker.
	if err := checkVacant(d, dir); err != nil {
		return nil, err
	}
	keys, err := newKeys(cfg)
	if err != nil {
		return nil, err
	}
	a, err := load(d, dir, cfg, keys)
	if err != nil {
		return nil, err
	}
	if err := a.describe(); err != nil {
		return nil, err
	}
	for _, log := range []*merkleLog{a.log, a.ct} {
		if err := createStore(d, log.dir); err != nil {
			return nil, err
		}
	}
	if err := writeFile(d, filepath.Join(dir, trustedRootName), a.trustedRoot); err != nil {
		return nil, err
	}
	if err := writeFile(d, filepath.Join(dir, signingConfigName), a.signingConfig); err != nil {
		return nil, err
	}
	if err := d.SyncDir(dir); err != nil {
		return nil, err
	}
	data, err := keys.marshal()
	if err != nil {
		return nil, err
	}
	if err := writeFile(d, filepath.Join(dir, keysName), data); err != nil {
		return nil, err
	}
	return a, errors.Join(d.SyncDir(dir), d.SyncDir(filepath.Dir(dir)))
}

// checkVacant checks that there is nothing in the directory but what an
// unfinished Create leaves.
func checkVacant(d disk, dir string) error {
	names, err := d.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if slices.Contains(names, keysName) {
		return fs.ErrExist
	}
	for _, name := range names {
		if !slices.Contains(leftovers(), name) {
			return fmt.Errorf("the directory is not empty: it has %q", name)
		}
	}
	return nil
}

func leftovers() []string {
	return []string{
		lockName, "log", "ct", keysName + ".new",
		trustedRootName, trustedRootName + ".new",
		signingConfigName, signingConfigName + ".new",
	}
}

func open(d disk, dir string, cfg Config) (*Authority, error) {
	a, err := tryOpen(d, dir, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening authority %s: %w", dir, err)
	}
	return a, nil
}

func tryOpen(d disk, dir string, cfg Config) (*Authority, error) {
	cfg, err := cfg.defaults()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, keysName)
	data, err := readFile(d, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		if names, err := d.List(dir); err == nil && len(names) > 0 && checkVacant(d, dir) == nil {
			return nil, ErrIncomplete
		}
	}
	if err != nil {
		return nil, err
	}
	for _, name := range []string{dir, path} {
		if err := d.Private(name); err != nil {
			return nil, err
		}
	}
	keys, err := parseKeyFile(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", keysName, err)
	}
	a, err := load(d, dir, cfg, keys)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", keysName, err)
	}
	if a.trustedRoot, err = readFile(d, filepath.Join(dir, trustedRootName), maxFile); err != nil {
		return nil, err
	}
	if a.signingConfig, err = readFile(d, filepath.Join(dir, signingConfigName), maxFile); err != nil {
		return nil, err
	}
	return a, nil
}

// describe writes the two files by which Sigstore's clients know an instance.
func (a *Authority) describe() error {
	window := trust.Window{Start: a.start}
	log := trust.Log{
		BaseURL: "https://" + a.host("log"), KeyID: a.log.key.id[:], PublicKey: a.logKey.Public(),
		SPKI: a.log.key.spki, KeyDetails: "PKIX_ED25519", ValidFor: window,
	}
	version := uint32(2)
	if a.generation == RekorV1 {
		log.KeyDetails, version = "PKIX_ECDSA_P256_SHA_256", 1
	}
	root := trust.TrustedRoot{
		TLogs: []trust.Log{log},
		CTLogs: []trust.Log{{
			BaseURL: "https://" + a.host("ct"), KeyID: a.ct.key.id[:], PublicKey: a.ctKey.Public(),
			SPKI: a.ct.key.spki, KeyDetails: "PKIX_ECDSA_P256_SHA_256", ValidFor: window,
		}},
		CertificateAuthorities: []trust.Authority{{
			URI: "https://" + a.host("ca"), Organization: organization,
			CommonName: a.caChain[1].Subject.CommonName, Chain: a.caChain, ValidFor: window,
		}},
		TimestampAuthorities: []trust.Authority{{
			URI: "https://" + a.host("tsa"), Organization: organization,
			CommonName: a.tsaChain[1].Subject.CommonName, Chain: a.tsaChain, ValidFor: window,
		}},
	}
	service := func(name string, version uint32) []trust.Service {
		return []trust.Service{{
			URL: "https://" + a.host(name), MajorAPIVersion: version, ValidFor: window, Operator: a.id + ".gitseal.internal",
		}}
	}
	config := trust.SigningConfig{
		CAs:        service("ca", 1),
		TLogs:      service("log", version),
		TSAs:       service("tsa", 1),
		TLogConfig: trust.Selection{Selector: "ANY"},
		TSAConfig:  trust.Selection{Selector: "ANY"},
	}
	var err error
	if a.trustedRoot, err = root.Marshal(); err != nil {
		return err
	}
	a.signingConfig, err = config.Marshal()
	return err
}
