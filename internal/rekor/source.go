package rekor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A source is a log that a Finder asks.
type source struct {
	finder *Finder
	log    *trust.Log

	open    sync.Once // sets the next two
	v1      *V1
	openErr error

	mu       sync.Mutex
	waiting  []*want // in the order of asking; guarded by mu
	failures int     // in a row; guarded by mu
	lastErr  error   // the last failure; guarded by mu
}

// A want is an entry to be retrieved.
type want struct {
	id      string
	done    chan struct{} // closed when entries and err are there
	entries []tlog.RekorV1Entry
	err     error
}

// find returns the entries that the log has of a certificate.
func (s *source) find(ctx context.Context, certificate []byte) ([]*tlog.Entry, error) {
	s.open.Do(func() {
		s.finder.opening.Lock()
		defer s.finder.opening.Unlock()
		s.v1, s.openErr = s.finder.cfg.Open(s.log)
	})
	if s.openErr != nil {
		return nil, s.openErr
	}
	if err := s.gaveUp(); err != nil {
		return nil, err
	}
	ids, err := s.search(ctx, certificate)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it has no index: not Rekor v1
	}
	if err == nil && len(ids) > maxFound {
		err = fmt.Errorf("searching Rekor at %s: more than %d entries of one certificate", s.v1.URL, maxFound)
	}
	var found []*tlog.Entry
	if err == nil {
		found, err = s.retrieve(ctx, ids, certificate)
	}
	s.note(err)
	return found, err
}

// gaveUp returns the error of the last question, if too many have failed.
func (s *source) gaveUp() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures >= maxFailures {
		return s.lastErr
	}
	return nil
}

// note counts the failures.
func (s *source) note(err error) {
	if canceled(err) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	if s.lastErr = err; err == nil {
		s.failures = 0
	}
}

func (s *source) search(ctx context.Context, certificate []byte) ([]string, error) {
	select {
	case s.finder.slots <- struct{}{}:
		defer func() { <-s.finder.slots }()
		return s.v1.Search(ctx, Query{Certificate: certificate})
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// retrieve returns the entries with these ids that are of the certificate: an
// index may name others.
func (s *source) retrieve(ctx context.Context, ids []string, certificate []byte) ([]*tlog.Entry, error) {
	var mine []*want
	for _, id := range ids {
		mine = append(mine, &want{id: id, done: make(chan struct{})})
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, mine...)
	s.mu.Unlock()
	var found []*tlog.Entry
	for _, w := range mine {
		if err := s.wait(ctx, w); err != nil {
			s.forget(mine)
			return nil, err
		}
		for _, e := range w.entries {
			if isBy(e.Entry, certificate) {
				found = append(found, e.Entry)
			}
		}
	}
	return found, nil
}

// isBy reports whether an entry is of a signature by the certificate.
func isBy(e *tlog.Entry, certificate []byte) bool {
	b, err := tlog.ParseBody(e.CanonicalizedBody)
	return err == nil && slices.ContainsFunc(b.Signatures, func(s tlog.BodySignature) bool { return bytes.Equal(s.Certificate, certificate) })
}

// wait waits until w is there. Whoever gets a slot first asks for the next
// entries that are waiting, its own and others', so that few questions carry
// many ids when the slots are taken, and no question waits for more when they
// are not.
func (s *source) wait(ctx context.Context, w *want) error {
	for {
		select {
		case <-w.done:
			return w.err
		case <-ctx.Done():
			return ctx.Err()
		case s.finder.slots <- struct{}{}:
			s.askNext(ctx)
			<-s.finder.slots
		}
	}
}

// askNext asks for the entries that have waited longest. If ctx ends meanwhile
// they wait on, for others to ask: their contexts may not have ended.
func (s *source) askNext(ctx context.Context) {
	s.mu.Lock()
	batch := slices.Clone(s.waiting[:min(maxRetrieve, len(s.waiting))])
	s.waiting = s.waiting[len(batch):]
	s.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	var ids []string
	for _, w := range batch {
		ids = append(ids, w.id)
	}
	all, err := s.v1.ByIDs(ctx, ids)
	if err != nil && ctx.Err() != nil {
		s.mu.Lock()
		s.waiting = append(batch, s.waiting...)
		s.mu.Unlock()
		return
	}
	for _, w := range batch {
		w.err = err
		for _, e := range all {
			if sameEntry(w.id, e.ID) {
				w.entries = append(w.entries, e)
			}
		}
		close(w.done)
	}
}

// forget takes what nobody waits for any more out of the queue.
func (s *source) forget(wants []*want) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(w *want) bool { return slices.Contains(wants, w) })
}
