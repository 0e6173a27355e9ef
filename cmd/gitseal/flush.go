package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gitseal/gitutil"
	"gitseal/internal/proofs"
	"gitseal/signer/pending"
	"gitseal/verifier"
)

// A flusher has signatures recorded that wait for their log entry, and keeps the
// proofs in the repositories that the objects are in.
type flusher struct {
	env      *env
	settings *settings
	queue    pending.Queue
	here     string // the git directory of the repository that git finds from here; "": none
	repo     *gitutil.Repo

	// From one goroutine: see pending.FlushConfig.
	isHere map[*pending.Record]bool // of an object in the repository at hand
	places map[string]string        // where proofs are kept, by the repository that records name
	opened map[opening]*flushing
}

// An opening is what the services for a record depend on.
type opening struct{ instance, repository string }

// A flushing is an instance that is open to record what was signed under it, or
// why it is not.
type flushing struct {
	signing  *signing
	services *pending.Services
	err      error
}

// flushTimeout is how long a queue may take. What is not recorded then waits for
// the next time.
const flushTimeout = 5 * time.Minute

// openFlusher returns a flusher for the queue of the user. The caller closes it.
// repo is the repository at hand; nil: none.
func (s *settings) openFlusher(e *env, repo *gitutil.Repo) (*flusher, error) {
	queue, err := s.queue()
	if err != nil {
		return nil, err
	}
	f := &flusher{env: e, settings: s, queue: queue, repo: repo, places: make(map[string]string), opened: make(map[opening]*flushing)}
	if repo != nil {
		f.here = realPath(repo.CommonDir())
	}
	return f, nil
}

// realPath returns a path without symbolic links, as records have it.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// close ends what is open.
func (f *flusher) close() {
	for _, o := range f.opened {
		if o.signing != nil {
			o.signing.remote.client.Close() // an agent lives on
			_ = o.signing.Close()           // what was recorded is kept
		}
	}
}

// find finds out which records are of objects in the repository at hand: made
// in it, or made where there is no repository any more, and in it.
func (f *flusher) find(ctx context.Context, all []*pending.Record) error {
	f.isHere = make(map[*pending.Record]bool)
	if f.here == "" {
		return nil
	}
	var lost []*pending.Record
	var objects []gitutil.Ref
	for _, r := range all {
		typ, oid, _ := strings.Cut(r.Object, " ")
		switch {
		case r.Repository != "" && realPath(r.Repository) == f.here:
			f.isHere[r] = true
		case r.Repository != "" && isGitDir(r.Repository):
		case typ != "" && (len(oid) == hex.EncodedLen(sha256.Size)) == (f.repo.ObjectFormat() == gitutil.SHA256):
			lost = append(lost, r)
			objects = append(objects, gitutil.Ref{Name: typ, OID: oid})
		}
	}
	if len(lost) == 0 {
		return nil
	}
	if err := f.repo.Types(ctx, objects); err != nil {
		return fmt.Errorf("looking for objects of repositories that are gone: %w", err)
	}
	for i, o := range objects {
		f.isHere[lost[i]] = o.Type == o.Name
	}
	return nil
}

// choose returns those of all records that are of objects in the repository at
// hand.
func (f *flusher) choose(ctx context.Context, all []*pending.Record) ([]*pending.Record, error) {
	if err := f.find(ctx, all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(r *pending.Record) bool { return !f.isHere[r] }), nil
}

// flush records what waits in the repository at hand, or in all, at once.
func (f *flusher) flush(ctx context.Context, everywhere bool) (*pending.Flushed, error) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	flushed, err := f.queue.Flush(ctx, pending.FlushConfig{
		Services: func(r *pending.Record) (*pending.Services, error) { return f.services(ctx, r) },
		Keep:     f.keep,
		Select: func(all []*pending.Record) ([]*pending.Record, error) {
			if everywhere {
				return all, f.find(ctx, all)
			}
			return f.choose(ctx, all)
		},
		Now: f.env.now,
	})
	return flushed, ofQueue(f.queue, err)
}

// listed returns what waits in the repository at hand, where nothing is recorded
// for the reason why.
func (f *flusher) listed(ctx context.Context, why error) (*pending.Flushed, error) {
	all, _, err := f.queue.List() // log pending names what is no record
	if err == nil {
		all, err = f.choose(ctx, all)
	}
	if err != nil {
		return nil, ofQueue(f.queue, err)
	}
	flushed := new(pending.Flushed)
	for _, r := range all {
		flushed.Failed = append(flushed.Failed, pending.Failure{Record: r, Err: why})
	}
	return flushed, nil
}

// keep keeps proofs in the place that services has found for the repository
// that records name.
func (f *flusher) keep(ctx context.Context, repository string, more map[[32]byte][]verifier.Proof) error {
	dir := f.places[repository]
	if err := f.accept(ctx, dir); err != nil {
		return err
	}
	return proofs.Add(ctx, dir, more)
}

// accept checks that a repository is still one whose configuration may be heard.
func (f *flusher) accept(ctx context.Context, dir string) error {
	if dir == f.here {
		return nil // which is where git was called
	}
	return gitutil.Accept(ctx, os.Environ(), dir)
}

// place returns where the proof of a record is kept: in the repository that it
// names or, where that is no more, in the one at hand if its object is there; ""
// if neither is so.
func (f *flusher) place(r *pending.Record) string {
	switch {
	case r.Repository != "" && isGitDir(r.Repository):
		return r.Repository
	case f.isHere[r]:
		return f.here
	}
	return ""
}

func lostRepository(repository string) error {
	if repository == "" {
		return errors.New("it is not known in which repository it is")
	}
	return fmt.Errorf("there is no repository in %s any more: have it recorded where that is now", repository)
}

// services returns with what a record is recorded: the servers that sign in its
// repository, for the instance that it was signed under.
func (f *flusher) services(ctx context.Context, r *pending.Record) (*pending.Services, error) {
	place := f.place(r)
	if place == "" {
		return nil, lostRepository(r.Repository)
	}
	f.places[r.Repository] = place
	key := opening{r.Instance, place}
	o := f.opened[key]
	if o == nil {
		o = new(flushing)
		f.opened[key] = o
		if o.signing, o.err = f.open(ctx, r.Instance, place); o.err == nil {
			cfg := &o.signing.config
			o.services = &pending.Services{Log: cfg.Logs[0], Timestampers: cfg.Timestampers, Verifier: cfg.Verifier}
		}
	}
	if o.err != nil {
		return nil, o.err
	}
	// The log is not told of what its own instance would not believe.
	leaf, err := x509.ParseCertificate(r.Certificate)
	if err == nil {
		_, err = o.services.Verifier.VerifyCertificate(r.Certificate, leaf.NotBefore, verifier.AnyIdentity{})
	}
	if err != nil {
		return nil, fmt.Errorf("instance %s does not know the certificate that it was signed with: %w", r.Instance, err)
	}
	return o.services, nil
}

// open opens an instance to record what was signed under it in a repository.
func (f *flusher) open(ctx context.Context, name, repository string) (*signing, error) {
	git := f.settings.git
	if repository != f.here {
		err := f.accept(ctx, repository)
		if err != nil {
			return nil, err
		}
		if git, err = gitutil.ReadConfig(ctx, gitutil.Config{Env: gitutil.Pinned(os.Environ(), repository)}); err != nil {
			return nil, unusable(err)
		}
	}
	// The instance was allowed to sign when it did.
	s := &settings{git: git, getenv: func(variable string) string {
		if variable == envName("gitseal.instance") {
			return name
		}
		return f.settings.getenv(variable)
	}}
	in, err := s.instance()
	if err != nil {
		return nil, err
	}
	if in.hasAuthority() {
		return nil, fmt.Errorf("instance %s has a log of its own, in which nothing waits to be recorded", name)
	}
	remote, err := s.remoteInstance(ctx, f.env, in)
	if err != nil {
		return nil, err
	}
	return s.openRemote(ctx, f.env, remote)
}
