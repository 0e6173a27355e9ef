package rekor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitseal/internal/entries"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// maxInFlight is how many requests a Finder has in flight, over all goroutines
// and logs. A public log serves everyone: an audit of a long history is in no
// hurry.
const maxInFlight = 8

// askAgain is how long an answer that was of no use is remembered: an index
// may be behind its log.
const askAgain = time.Hour

// maxFailures is how many questions in a row may fail before a log is not
// asked any more: it will not answer the thousands that may follow either.
const maxFailures = 3

// maxFound bounds the entries of one certificate that are asked for.
const maxFound = 1000

// A FinderConfig says where to look for log entries.
type FinderConfig struct {
	// Store is looked into first, and keeps what logs answer. Required.
	Store entries.Store

	// Open returns a way to ask a Rekor v1 log that Roots name. It is called
	// once for each base URL, by one goroutine at a time, when there is
	// something to ask. Nil: the store is all there is.
	Open  func(*trust.Log) (*V1, error)
	Roots []*trust.TrustedRoot

	// Now says when a log was asked. Required where there is an Open.
	Now func() time.Time
}

// A Finder finds log entries that do not travel in the signature they are
// about. It may be used by several goroutines at once: certificates that are
// looked for at the same time are asked for once, and entries ten at a time.
type Finder struct {
	cfg   FinderConfig
	logs  map[string]*source // by base URL
	slots chan struct{}      // one for each request in flight

	mu       sync.Mutex
	asking   map[[32]byte]*question // by certificate; guarded by mu
	storeErr error                  // the first; guarded by mu
	recent   []*known               // of the certificates last looked for; guarded by mu

	opening sync.Mutex // held while Open runs
}

// NewFinder returns a Finder.
func NewFinder(cfg FinderConfig) *Finder {
	f := &Finder{
		cfg:    cfg,
		logs:   make(map[string]*source),
		slots:  make(chan struct{}, maxInFlight),
		asking: make(map[[32]byte]*question),
	}
	if cfg.Open == nil {
		return f
	}
	for _, root := range cfg.Roots {
		for i := range root.TLogs {
			if l := &root.TLogs[i]; indexed(l) && f.logs[l.BaseURL] == nil {
				f.logs[l.BaseURL] = &source{finder: f, log: l}
			}
		}
	}
	return f
}

// indexed reports whether a log may be Rekor v1, which has an index to search.
// That a log with an ECDSA key is Rekor v2 shows in its answers only.
func indexed(l *trust.Log) bool {
	return l.BaseURL != "" && sha256.Sum256(l.SPKI) == [32]byte(l.KeyID)
}

// String says where entries are looked for, as the end of "not found in …".
func (f *Finder) String() string {
	if len(f.logs) == 0 {
		return "the entries kept here"
	}
	return "the logs that were asked"
}

// Err returns what kept entries from being kept, if anything did. They were
// found all the same.
func (f *Finder) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.storeErr
}

// Find returns the entries that are known of a certificate, in DER, and of the
// object with that id, whose ASCII they have the digest of: as
// dev.sigstore.rekor.v1.TransparencyLogEntry with canonicalized body. Nothing
// says that a log recorded them; that is for a verifier to check.
//
// The store is enough if it has one that is sound under the trusted roots. Else
// each log of the trusted roots that know the certificate's issuer is asked,
// unless it has been within the last hour. An error says that a log could not
// be asked; what is known is returned with it, and without it if something is
// sound.
func (f *Finder) Find(ctx context.Context, certificate []byte, object string) ([][]byte, error) {
	fingerprint, digest := sha256.Sum256(certificate), sha256.Sum256([]byte(object))
	known := f.known(fingerprint)
	found := known.of[digest]
	if len(f.logs) == 0 || slices.ContainsFunc(found, f.sound) {
		return marshalAll(found), nil
	}
	r := known.Record
	if slices.ContainsFunc(found, f.named) {
		// There is one, and it is false. Whoever put it there may also have
		// noted that the logs were asked.
		r.Asked = nil
	}
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return marshalAll(found), fmt.Errorf("looking for log entries: %w", err)
	}
	all, err := f.ask(ctx, cert, fingerprint, r)
	found = byDigest(all)[digest]
	if slices.ContainsFunc(found, f.sound) {
		err = nil
	}
	return marshalAll(found), err
}

// named reports whether a trusted root names the log that an entry does.
func (f *Finder) named(e *tlog.Entry) bool {
	return slices.ContainsFunc(f.cfg.Roots, func(root *trust.TrustedRoot) bool {
		return slices.ContainsFunc(root.TLogs, func(l trust.Log) bool { return bytes.Equal(l.KeyID, e.LogID) })
	})
}

func marshalAll(all []*tlog.Entry) (pbs [][]byte) {
	for _, e := range all {
		pbs = append(pbs, e.Marshal())
	}
	return pbs
}

// A question is a certificate that is being asked for.
type question struct {
	done  chan struct{} // closed when found and err are there
	found []*tlog.Entry
	err   error
}

// ask asks the logs for the entries of a certificate, once at a time, and
// returns them with those known.
func (f *Finder) ask(ctx context.Context, cert *x509.Certificate, fingerprint [32]byte, known entries.Record) ([]*tlog.Entry, error) {
	for {
		f.mu.Lock()
		q, asked := f.asking[fingerprint]
		if !asked {
			q = &question{done: make(chan struct{})}
			f.asking[fingerprint] = q
		}
		f.mu.Unlock()
		if !asked {
			// Who asked while this one was on its way here may have found it.
			if now := f.known(fingerprint); len(now.Entries) > len(known.Entries) {
				known = now.Record
			}
			q.found, q.err = f.askLogs(ctx, cert, fingerprint, known)
			f.mu.Lock()
			delete(f.asking, fingerprint)
			f.mu.Unlock()
			close(q.done)
			return q.found, q.err
		}
		select {
		case <-q.done:
		case <-ctx.Done():
			return known.Entries, ctx.Err()
		}
		// Who asked may have given up; that is no answer.
		if !canceled(q.err) || ctx.Err() != nil {
			return q.found, q.err
		}
	}
}

func canceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// askLogs asks each log that may have entries of the certificate and has not
// been asked just now, and keeps what it answers.
func (f *Finder) askLogs(ctx context.Context, cert *x509.Certificate, fingerprint [32]byte, known entries.Record) ([]*tlog.Entry, error) {
	all := known.Entries
	var failed error
	for _, l := range logsOf(f.cfg.Roots, cert) {
		now := f.cfg.Now()
		if last, ok := known.Asked[l.BaseURL]; ok && !last.After(now) && now.Sub(last) < askAgain {
			continue
		}
		found, err := f.logs[l.BaseURL].find(ctx, cert.Raw)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		all = append(slices.Clip(all), found...)
		f.keep(fingerprint, l, found, now)
	}
	return all, failed
}

// logsOf returns the logs to ask, each URL once: those of the trusted roots
// that name the certificate's issuer, so that no log is told of certificates
// that are none of its business; those of all, if no root names it, as it may
// be an intermediate that came with the signature.
func logsOf(roots []*trust.TrustedRoot, cert *x509.Certificate) []*trust.Log {
	issued := func(root *trust.TrustedRoot) bool {
		return slices.ContainsFunc(root.CertificateAuthorities, func(a trust.Authority) bool {
			return slices.ContainsFunc(a.Chain, func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, cert.RawIssuer) })
		})
	}
	all := !slices.ContainsFunc(roots, issued)
	var logs []*trust.Log
	for _, root := range roots {
		if !all && !issued(root) {
			continue
		}
		for i := range root.TLogs {
			l := &root.TLogs[i]
			in := l.ValidFor.Contains(cert.NotBefore) || l.ValidFor.Contains(cert.NotAfter)
			if in && indexed(l) && !slices.ContainsFunc(logs, func(o *trust.Log) bool { return o.BaseURL == l.BaseURL }) {
				logs = append(logs, l)
			}
		}
	}
	return logs
}

// keep stores what a log answered, if all of it is sound: what is not may be
// another answer the next time.
func (f *Finder) keep(fingerprint [32]byte, l *trust.Log, found []*tlog.Entry, asked time.Time) {
	if slices.ContainsFunc(found, func(e *tlog.Entry) bool { return !f.sound(e) }) {
		return
	}
	_, err := f.cfg.Store.Renew(fingerprint, entries.Record{Entries: found, Asked: map[string]time.Time{l.BaseURL: asked.UTC()}})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = slices.DeleteFunc(f.recent, func(k *known) bool { return k.fingerprint == fingerprint })
	if f.storeErr == nil {
		f.storeErr = err
	}
}

// sound reports whether the log that an entry names promised to have taken it
// in, and everything in it holds.
func (f *Finder) sound(e *tlog.Entry) bool {
	return slices.ContainsFunc(f.cfg.Roots, func(root *trust.TrustedRoot) bool {
		return Promised(root, e)
	})
}
