package fakeca

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrCorrupt says that a log's files lack or contradict what the log has
// signed. Nothing is appended to such a log.
var ErrCorrupt = errors.New("the log contradicts itself")

// errClosed says that the authority was closed.
var errClosed = errors.New("the authority is closed")

// A merkleLog is an append-only log over one directory: an entries file, which
// is the log, and an index and the latest checkpoint, which are derived from it.
//
// Its promise is that nothing it has signed is ever lost or contradicted. So an
// entry is written and synced before a checkpoint that covers it is signed, and
// entries leave the file again only when they were never covered. One process
// at a time appends, under a lock on a file. Within a process, appends that
// come together are written together: one write, one sync, one checkpoint.
type merkleLog struct {
	disk   disk
	dir    string
	origin string // first line of checkpoints
	key    *noteKey
	stamp  func() int64 // nil: entries have no time; else what it is

	mu     sync.Mutex
	queue  []*request // guarded by mu
	busy   bool       // guarded by mu: a commit is running
	closed bool       // guarded by mu

	// What follows belongs to the commit that is running.
	store *store // nil: not open
	times file   // of the entries, see timeOf; nil: not open
}

// A request is one caller's wish to append an entry.
type request struct {
	ctx   context.Context
	entry func(index int64) []byte // nil: only the checkpoint is wanted
	look  func(*store) error       // nil: nothing is; else called when all that is in the store is signed
	done  chan struct{}            // closed when what follows is set

	logged *logged
	err    error
}

// logged is an entry that is durable, with the proof of it.
type logged struct {
	index      int64
	entry      []byte
	time       int64 // at which it was appended, if the log notes that
	size       int64 // of the tree the proof is for
	root       tlog.Hash
	proof      tlog.RecordProof
	checkpoint []byte
}

// append makes the entry that the function returns for its index durable, and
// returns it with a proof. When ctx ends first, the entry may or may not be in
// the log later, as with any log that is asked over a network.
func (l *merkleLog) append(ctx context.Context, entry func(index int64) []byte) (*logged, error) {
	return l.enqueue(&request{ctx: ctx, entry: entry, done: make(chan struct{})})
}

// enqueue has a request served and waits for it.
func (l *merkleLog) enqueue(r *request) (*logged, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errClosed
	}
	l.queue = append(l.queue, r)
	lead := !l.busy
	l.busy = true
	l.mu.Unlock()
	if lead {
		// Not in this goroutine: the caller may give up while another process
		// holds the lock.
		go l.commit()
	}
	select {
	case <-r.done:
		return r.logged, r.err
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
}

// close ends the log. It does not wait for a commit that is running, which may
// be waiting for another process: that closes the files when it is done.
func (l *merkleLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.busy {
		return nil
	}
	return l.forget()
}

// commit commits groups until nobody waits.
func (l *merkleLog) commit() {
	for {
		l.commitGroup()
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.busy = false
			if l.closed {
				// Everything that was promised has been synced.
				_ = l.forget()
			}
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// commitGroup commits whatever waits once the lock is ours.
func (l *merkleLog) commitGroup() {
	unlock, err := l.disk.Lock(filepath.Join(l.dir, "lock"))
	group := l.take()
	if err == nil {
		if err = l.write(group); err != nil {
			err = errors.Join(err, l.forget())
		}
		err = errors.Join(err, unlock())
	}
	for _, r := range group {
		if r.err == nil && err != nil {
			r.logged, r.err = nil, fmt.Errorf("appending to %s: %w", l.dir, err)
		}
		close(r.done)
	}
}

// take returns the waiting requests that somebody still waits for.
func (l *merkleLog) take() []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	var group []*request
	for _, r := range l.queue {
		if err := r.ctx.Err(); err != nil {
			r.err = err
			close(r.done)
			continue
		}
		group = append(group, r)
	}
	l.queue = nil
	return group
}

// write appends the group's entries, syncs them, signs the checkpoint that
// covers them, and only then fills in the answers.
func (l *merkleLog) write(group []*request) error {
	if l.store == nil {
		s, err := openStore(l.disk, l.dir, l.openCheckpoint)
		if err != nil {
			return err
		}
		l.store = s
	} else if err := l.store.refresh(l.openCheckpoint); err != nil {
		return err
	}
	s := l.store
	var entries [][]byte
	var times []int64
	for _, r := range group {
		if r.entry == nil {
			continue
		}
		index := s.size + int64(len(entries))
		entry := r.entry(index)
		if len(entry) == 0 || len(entry) > maxEntry {
			r.err = fmt.Errorf("an entry of %d bytes, where at most %d fit", len(entry), maxEntry)
			continue
		}
		r.logged = &logged{index: index, entry: entry}
		if l.stamp != nil {
			r.logged.time = l.stamp()
		}
		entries, times = append(entries, entry), append(times, r.logged.time)
	}
	if err := l.keepTimes(s.size, times); err != nil {
		return err
	}
	if err := s.append(entries); err != nil {
		return err
	}
	if s.checkpoint == nil || s.signed < s.size {
		if err := l.sign(s); err != nil {
			return err
		}
	}
	for _, r := range group {
		if r.err != nil {
			continue
		}
		if r.logged == nil {
			r.logged = new(logged)
		}
		if err := s.prove(r.logged); err != nil {
			return err
		}
		if r.look != nil {
			r.err = r.look(s)
		}
	}
	return nil
}

// sign signs and stores the checkpoint of all that is in the store, all of
// which is durable.
func (l *merkleLog) sign(s *store) error {
	root, err := tlog.TreeHash(s.size, &s.index)
	if err != nil {
		return err
	}
	checkpoint, err := l.signNote(fmt.Sprintf("%s\n%d\n%s\n", l.origin, s.size, root))
	if err != nil {
		return err
	}
	return s.keep(checkpoint, root)
}

func (l *merkleLog) signNote(text string) ([]byte, error) {
	return note.Sign(&note.Note{Text: text}, l.key)
}

// openCheckpoint returns the size and root of a checkpoint of ours.
func (l *merkleLog) openCheckpoint(signed []byte) (size int64, root tlog.Hash, err error) {
	n, err := note.Open(signed, note.VerifierList(l.key))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	var origin, hash string
	if origin, size, hash, err = splitCheckpoint(n.Text); err != nil {
		return 0, tlog.Hash{}, err
	}
	if origin != l.origin {
		return 0, tlog.Hash{}, fmt.Errorf("checkpoint of %q", origin)
	}
	root, err = tlog.ParseHash(hash)
	return size, root, err
}

// forget closes the store, to be opened and checked again.
func (l *merkleLog) forget() error {
	if l.store == nil {
		return nil
	}
	err := l.store.close()
	l.store = nil
	if l.times != nil {
		err = errors.Join(err, l.times.Close())
		l.times = nil
	}
	return err
}
