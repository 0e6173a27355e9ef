package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	opened   map[opening]*flushing // from one goroutine: see pending.FlushConfig
}

// An opening is what the services for a record depend on.
type opening struct{ instance, repository string }

// A flushing is an instance that is open to record what was signed under it, or
// why it is not.
type flushing struct {
	signing *signing
	err     error
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
	f := &flusher{env: e, settings: s, queue: queue, repo: repo, opened: make(map[opening]*flushing)}
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

// isHere reports whether a record is of an object in the repository at hand:
// made in it, or made where there is no repository any more, and in it.
func (f *flusher) isHere(ctx context.Context, r *pending.Record) bool {
	if f.here == "" {
		return false
	}
	if r.Repository != "" && realPath(r.Repository) == f.here {
		return true
	}
	if r.Object == "" || r.Repository != "" && isGitDir(r.Repository) {
		return false
	}
	typ, oid, _ := strings.Cut(r.Object, " ")
	o, err := f.repo.Object(ctx, oid)
	return err == nil && o.Type == typ
}

// flush records what select takes, all at once.
func (f *flusher) flush(ctx context.Context, choose func(*pending.Record) bool) (*pending.Flushed, error) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return f.queue.Flush(ctx, pending.FlushConfig{
		Services: func(r *pending.Record) (*pending.Services, error) { return f.services(ctx, r) },
		Keep:     f.keep,
		Select:   choose,
		Now:      f.env.now,
	})
}

// keep keeps proofs in the repository that records name or, where that is no
// more, in the one at hand, which is why they were chosen.
func (f *flusher) keep(ctx context.Context, repository string, more map[[32]byte][]verifier.Proof) error {
	dir := f.place(repository)
	if dir == "" {
		return lostRepository(repository)
	}
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

// place returns where the proofs of a repository's objects are kept; "" if that
// cannot be told.
func (f *flusher) place(repository string) string {
	if repository != "" && isGitDir(repository) {
		return repository
	}
	return f.here
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
	place := f.place(r.Repository)
	if place == "" {
		return nil, lostRepository(r.Repository)
	}
	key := opening{r.Instance, place}
	o := f.opened[key]
	if o == nil {
		o = new(flushing)
		o.signing, o.err = f.open(ctx, r.Instance, place)
		f.opened[key] = o
	}
	if o.err != nil {
		return nil, o.err
	}
	// The log is not told of what its own instance would not believe.
	cfg := &o.signing.config
	leaf, err := x509.ParseCertificate(r.Certificate)
	if err == nil {
		_, err = cfg.Verifier.VerifyCertificate(r.Certificate, leaf.NotBefore, verifier.AnyIdentity{})
	}
	if err != nil {
		return nil, fmt.Errorf("instance %s does not know the certificate that it was signed with: %w", r.Instance, err)
	}
	return &pending.Services{Log: cfg.Logs[0], Timestampers: cfg.Timestampers, Verifier: cfg.Verifier}, nil
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
