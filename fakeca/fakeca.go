// Package fakeca is the embedded authority: an OpenID Connect token issuer, a
// certificate authority, a certificate transparency log, a transparency log
// and a timestamp authority, in process, over one directory. What it issues has
// the form of what Sigstore's Fulcio, Rekor and timestamp authority issue, so
// that it takes the same path through a verifier.
//
// It vouches for nobody: it certifies whatever identity the owner of its
// directory names. What its signatures prove is that they were made on the
// machine that holds the directory, in the order of its log. Everything it
// issues says "local authority", and its issuer is not a URL but
// "gitseal:local:<id>". (Tests can have one in memory that certifies for the
// tokens of other issuers too.)
//
// The logs keep what they promise, also through a crash: see merkleLog.
//
// It also makes fixtures, good and faulty, for the tests of other packages: see
// Fixture. To be a second opinion on the formats, it shares no code with what
// verifies them.
//
// It is told the time, uses no network, and reads and writes nothing outside
// its directory but where ExportTiles is told to.
package fakeca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A Config says how an authority is to work.
type Config struct {
	Clock func() time.Time // nil: time.Now
	Rand  io.Reader        // nil: crypto/rand. Equal bytes make equal keys and signatures

	// What follows is for tests; only Create and New look at it.

	Curve elliptic.Curve // of the certificate authority: P-256 or P-384; nil: P-256
	Log   Generation     // the zero value is RekorV2

	// Only New looks at it.

	Issuers []Issuer // whose tokens it takes too; nil: nobody's but its own
}

// A Generation says in whose way the transparency log answers.
type Generation int

// RekorV2 is a log of hashedrekord 0.0.2 entries with Ed25519 checkpoints, and
// no time of its own. RekorV1 is one of hashedrekord 0.0.1 entries with ECDSA
// checkpoints and signed entry timestamps.
const (
	RekorV2 Generation = iota
	RekorV1
)

// String returns the name of the generation.
func (g Generation) String() string {
	if g == RekorV1 {
		return "Rekor v1"
	}
	return "Rekor v2"
}

// An Authority is an open authority. Its methods may be called concurrently.
type Authority struct {
	disk   disk
	dir    string
	clock  func() time.Time
	random io.Reader

	id         string
	start      time.Time // since when its keys count
	generation Generation
	treeID     int64 // of a Rekor v1 log

	issuerKey *ecdsa.PrivateKey
	issuers   []Issuer // whose tokens count beside its own

	caKey    *ecdsa.PrivateKey
	caChain  []*x509.Certificate // intermediate, root
	tsaKey   *ecdsa.PrivateKey
	tsaChain []*x509.Certificate // leaf, root

	ctKey  *ecdsa.PrivateKey
	logKey crypto.Signer

	ct  *merkleLog
	log *merkleLog

	catalogue *catalogue // of log
	mistake   *spec      // in all that it issues; nil: none, see Spoiled

	trustedRoot   []byte
	signingConfig []byte
}

// New makes an authority in memory, for tests.
func New(cfg Config) (*Authority, error) {
	for _, issuer := range cfg.Issuers {
		if err := issuer.check(); err != nil {
			return nil, fmt.Errorf("taking tokens of %q: %w", issuer.URL, err)
		}
	}
	a, err := create(newMemDisk(), "authority", cfg)
	if err != nil {
		return nil, err
	}
	a.issuers = slices.Clone(cfg.Issuers)
	return a, nil
}

// Create makes a new authority in the directory, which must not exist, be
// empty, or hold what is left of a Create that did not finish. The directory
// and the keys in it are for its owner only. If there is an authority the error
// is fs.ErrExist.
func Create(dir string, cfg Config) (*Authority, error) {
	return create(osDisk{}, dir, cfg)
}

// Open opens the authority in the directory. The error is fs.ErrNotExist if
// there is none, ErrIncomplete if its creation did not finish, and a
// *PermissionsError if others than its owner may use its keys.
func Open(dir string, cfg Config) (*Authority, error) {
	return open(osDisk{}, dir, cfg)
}

// Close ends the use of the authority. What it has released needs no Close.
func (a *Authority) Close() error {
	return errors.Join(a.ct.close(), a.log.close())
}

// Issuer returns the issuer in the authority's tokens and certificates,
// "gitseal:local:" and eight letters and digits.
func (a *Authority) Issuer() string { return "gitseal:local:" + a.id }

// Generation returns in whose way the authority's log answers.
func (a *Authority) Generation() Generation { return a.generation }

// TrustedRoot returns the Sigstore trusted root that trusts this authority, and
// nothing else. It is the file trusted_root.json in its directory.
func (a *Authority) TrustedRoot() []byte { return append([]byte(nil), a.trustedRoot...) }

// SigningConfig returns the Sigstore signing config that names this authority's
// services. It is the file signing_config.json in its directory. Nothing
// answers at the URLs in it: where package fakeca/server answers, its
// SigningConfig does.
func (a *Authority) SigningConfig() []byte { return append([]byte(nil), a.signingConfig...) }

// Checkpoint returns the signed checkpoint of all entries in the transparency
// log (C2SP tlog-checkpoint).
func (a *Authority) Checkpoint() ([]byte, error) {
	l, err := a.log.append(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), l.checkpoint...), nil
}

// host returns the host name of one of the authority's services. None exists:
// .internal is reserved for private use.
func (a *Authority) host(service string) string {
	return service + "." + a.id + ".gitseal.internal"
}

// now returns the time, in the whole seconds that certificates and timestamps
// are made of.
func (a *Authority) now() time.Time { return a.clock().UTC().Truncate(time.Second) }

// defaults returns a copy of the config in which nothing is nil.
func (cfg Config) defaults() (Config, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	cfg.Rand = &lockedReader{r: cfg.Rand}
	switch cfg.Curve {
	case nil:
		cfg.Curve = elliptic.P256()
	case elliptic.P256(), elliptic.P384():
	default:
		return cfg, fmt.Errorf("no certificate authority on curve %s", cfg.Curve.Params().Name)
	}
	if cfg.Log != RekorV2 && cfg.Log != RekorV1 {
		return cfg, fmt.Errorf("no log of generation %d", cfg.Log)
	}
	return cfg, nil
}

// A lockedReader lets one goroutine at a time read random bytes.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader // guarded by mu
}

func (r *lockedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.Read(p)
}

// load makes an authority of its keys.
func load(d disk, dir string, cfg Config, f *keyFile) (*Authority, error) {
	a := &Authority{
		disk: d, dir: dir, clock: cfg.Clock, random: cfg.Rand,
		id: f.ID, start: f.Created.Add(-slack), treeID: f.TreeID, catalogue: new(catalogue),
	}
	for _, k := range []struct {
		key *(*ecdsa.PrivateKey)
		der []byte
	}{{&a.issuerKey, f.IssuerKey}, {&a.caKey, f.CAKey}, {&a.ctKey, f.CTKey}, {&a.tsaKey, f.TSAKey}} {
		var err error
		if *k.key, err = parseECDSAKey(k.der); err != nil {
			return nil, err
		}
	}
	for _, c := range []struct {
		chain *[]*x509.Certificate
		der   [][]byte
	}{{&a.caChain, f.CAChain}, {&a.tsaChain, f.TSAChain}} {
		for _, der := range c.der {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, err
			}
			*c.chain = append(*c.chain, cert)
		}
	}
	if !a.caKey.PublicKey.Equal(a.caChain[0].PublicKey) || !a.tsaKey.PublicKey.Equal(a.tsaChain[0].PublicKey) {
		return nil, errors.New("the certificates are not those of the keys")
	}
	return a, a.loadLogs(f.LogKey)
}

// loadLogs makes the two logs, which open their files when they are first used.
func (a *Authority) loadLogs(logKey []byte) error {
	key, err := x509.ParsePKCS8PrivateKey(logKey)
	if err != nil {
		return err
	}
	origin := a.host("log")
	switch key := key.(type) {
	case ed25519.PrivateKey:
		a.generation, a.logKey = RekorV2, key
	case *ecdsa.PrivateKey:
		a.generation, a.logKey = RekorV1, key
		origin = fmt.Sprintf("%s - %d", origin, a.treeID)
	default:
		return fmt.Errorf("a %T cannot be a log's key", key)
	}
	logNote, err := newNoteKey(a.host("log"), a.logKey)
	if err != nil {
		return err
	}
	ctNote, err := newNoteKey(a.host("ct"), a.ctKey)
	if err != nil {
		return err
	}
	a.log = &merkleLog{disk: a.disk, dir: filepath.Join(a.dir, "log"), origin: origin, key: logNote}
	if a.generation == RekorV1 {
		a.log.stamp = func() int64 { return a.now().Unix() }
	}
	a.ct = &merkleLog{disk: a.disk, dir: filepath.Join(a.dir, "ct"), origin: a.host("ct"), key: ctNote}
	return nil
}
