// Package tuftest makes TUF repositories for tests: good ones, and ones with a
// single fault. It signs by itself and leaves only the form of the metadata to
// go-tuf.
package tuftest

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// A Role is what is published of one of the four top-level roles.
type Role struct {
	Version   int64
	Expires   time.Time
	Threshold int
	Keys      []ed25519.PrivateKey // those whose signatures count
	Signers   []ed25519.PrivateKey // those who sign; nil: Keys
}

// A Repo is a repository with consistent snapshots. Publish makes its files of
// what the fields say then.
type Repo struct {
	Root, Timestamp, Snapshot, Targets Role

	Files map[string][]byte // targets, by name

	Bare bool // leave lengths and hashes of metadata out, as the public good instance does

	published map[string][]byte // by path
	seed      byte
}

// New returns a repository whose metadata, all version 1, expires in a year
// from now, and publishes it. Equal arguments make equal repositories.
func New(now time.Time, files map[string][]byte) *Repo {
	r := &Repo{Files: maps.Clone(files), published: make(map[string][]byte)}
	for _, role := range r.roles() {
		*role.Role = Role{Version: 1, Expires: now.AddDate(1, 0, 0).UTC().Truncate(time.Second), Threshold: 1, Keys: []ed25519.PrivateKey{r.Key()}}
	}
	r.Publish()
	return r
}

type namedRole struct {
	name string
	*Role
}

func (r *Repo) roles() []namedRole {
	return []namedRole{
		{metadata.ROOT, &r.Root}, {metadata.TIMESTAMP, &r.Timestamp}, {metadata.SNAPSHOT, &r.Snapshot}, {metadata.TARGETS, &r.Targets},
	}
}

// Key returns a new key.
func (r *Repo) Key() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	r.seed++
	seed[0] = r.seed
	return ed25519.NewKeyFromSeed(seed)
}

// Next publishes the repository again, as its next version in all but the
// root.
func (r *Repo) Next() {
	r.Timestamp.Version++
	r.Snapshot.Version++
	r.Targets.Version++
	r.Publish()
}

// RootJSON returns the first root, with which a client begins.
func (r *Repo) RootJSON() []byte { return r.published["1.root.json"] }

// Published returns what the repository serves, by path. To change it is to
// tamper.
func (r *Repo) Published() map[string][]byte { return r.published }

// Write writes what the repository serves into a directory.
func (r *Repo) Write(dir string) error {
	for name, data := range r.published {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Publish makes the files of the repository as it is now. What was published
// before under other names stays.
func (r *Repo) Publish() {
	root := metadata.Root(r.Root.Expires)
	root.Signed.Version = r.Root.Version
	for _, role := range r.roles() {
		root.Signed.Roles[role.name].Threshold = role.Threshold
		for _, key := range role.Keys {
			public, err := metadata.KeyFromPublicKey(key.Public())
			must(err)
			must(root.Signed.AddKey(public, role.name))
		}
	}
	r.put(fmt.Sprintf("%d.root.json", r.Root.Version), sign(root, &r.Root))

	targets := metadata.Targets(r.Targets.Expires)
	targets.Signed.Version = r.Targets.Version
	for name, data := range r.Files {
		info, err := metadata.TargetFile().FromBytes(name, data, "sha256")
		must(err)
		targets.Signed.Targets[name] = info
		r.put(path.Join("targets", fmt.Sprintf("%s.%s", info.Hashes["sha256"], name)), data)
	}
	targetsJSON := sign(targets, &r.Targets)
	r.put(fmt.Sprintf("%d.targets.json", r.Targets.Version), targetsJSON)

	snapshot := metadata.Snapshot(r.Snapshot.Expires)
	snapshot.Signed.Version = r.Snapshot.Version
	snapshot.Signed.Meta["targets.json"] = r.meta(r.Targets.Version, targetsJSON)
	snapshotJSON := sign(snapshot, &r.Snapshot)
	r.put(fmt.Sprintf("%d.snapshot.json", r.Snapshot.Version), snapshotJSON)

	timestamp := metadata.Timestamp(r.Timestamp.Expires)
	timestamp.Signed.Version = r.Timestamp.Version
	timestamp.Signed.Meta["snapshot.json"] = r.meta(r.Snapshot.Version, snapshotJSON)
	r.put("timestamp.json", sign(timestamp, &r.Timestamp))
}

func (r *Repo) put(name string, data []byte) { r.published[name] = data }

// meta returns what one role says of the metadata of another.
func (r *Repo) meta(version int64, data []byte) *metadata.MetaFiles {
	meta := metadata.MetaFile(version)
	if r.Bare {
		return meta
	}
	info, err := metadata.TargetFile().FromBytes("", data, "sha256")
	must(err)
	meta.Length, meta.Hashes = info.Length, info.Hashes
	return meta
}

// sign returns metadata with the signatures of a role.
func sign[T metadata.Roles](m *metadata.Metadata[T], role *Role) []byte {
	payload, err := cjson.EncodeCanonical(m.Signed)
	must(err)
	signers := role.Signers
	if signers == nil {
		signers = role.Keys
	}
	for _, key := range signers {
		public, err := metadata.KeyFromPublicKey(key.Public())
		must(err)
		id, err := public.ID()
		must(err)
		m.Signatures = append(m.Signatures, metadata.Signature{KeyID: id, Signature: ed25519.Sign(key, payload)})
	}
	text, err := m.ToBytes(false)
	must(err)
	return text
}

// must panics: what is made here is ours.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("tuftest: %v", err))
	}
}
