package pending

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gitseal/internal/filelock"
	"gitseal/verifier"
)

// defaultParallel is how many records are recorded at once: as many as the logs
// take from one client without making it wait.
const defaultParallel = 16

// Flush has the records of the queue recorded: each gets a log entry and, where
// it has none and can still have one that is of use, a time-stamp. What comes of
// that is verified as it will be by whoever sees the proof, then kept, and only
// then is the record removed. Where that ends early, whatever the cause, the
// next flush begins again: a log gives out the entry that it has.
//
// A second flush waits for the first. The error is about the queue; what is
// wrong with a record, and what ctx brought to its end, is in the Flushed.
func (q Queue) Flush(ctx context.Context, cfg FlushConfig) (*Flushed, error) {
	flushed, err := q.flush(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("flushing queue %s: %w", q.Dir, err)
	}
	return flushed, nil
}

func (q Queue) flush(ctx context.Context, cfg FlushConfig) (flushed *Flushed, err error) {
	if cfg.Services == nil || cfg.Keep == nil {
		return nil, errors.New("services and what keeps proofs are required")
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = defaultParallel
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	root, err := q.open(false)
	if errors.Is(err, fs.ErrNotExist) {
		return new(Flushed), nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	unlock, err := filelock.Lock(ctx, filepath.Join(q.Dir, lockName))
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("waiting for another flush: %w", err)
	}
	if err != nil {
		return nil, err
	}
	defer unlock()
	sweep(root, cfg.Now())
	records, bad, err := q.list()
	if err != nil {
		return nil, err
	}
	if cfg.Select != nil {
		if records, err = cfg.Select(records); err != nil {
			return nil, err
		}
	}
	f := &flush{FlushConfig: cfg, root: root, servers: make(map[*Services]*servers)}
	for _, r := range records {
		f.add(r)
	}
	f.run(ctx)
	return f.flushed(bad), nil
}

// A flush is one on its way.
type flush struct {
	FlushConfig
	root     *os.Root
	servers  map[*Services]*servers
	attempts []*attempt
	done     chan *attempt // with a proof, which is to be kept
}

// add adds a record.
func (f *flush) add(r *Record) {
	a := &attempt{root: f.root, record: r, now: f.Now}
	f.attempts = append(f.attempts, a)
	s, err := f.Services(r)
	if err == nil && (s == nil || s.Log == nil || s.Verifier == nil) {
		err = errors.New("there is no log or no verifier to record it with")
	}
	if a.err = err; err != nil {
		return
	}
	if f.servers[s] == nil {
		f.servers[s] = &servers{Services: s, log: reach{most: f.Parallel}, stampers: reach{most: f.Parallel}}
	}
	a.services = f.servers[s]
}

// run makes the attempts, some at once, and keeps what comes of them as it
// comes.
func (f *flush) run(ctx context.Context) {
	todo := make(chan *attempt)
	f.done = make(chan *attempt, len(f.attempts))
	var workers sync.WaitGroup
	for range min(f.Parallel, len(f.attempts)) {
		workers.Go(func() {
			for a := range todo {
				a.proof, a.err = a.run(ctx)
				a.leaf = nil // there may be thousands of them
				if a.err == nil {
					f.done <- a
				}
			}
		})
	}
	go func() {
		for _, a := range f.attempts {
			if a.err == nil {
				todo <- a
			}
		}
		close(todo)
		workers.Wait()
		close(f.done)
	}()
	for a := range f.done {
		batch := []*attempt{a}
		for more := true; more; {
			select {
			case a, ok := <-f.done:
				if more = ok; ok {
					batch = append(batch, a)
				}
			default:
				more = false
			}
		}
		f.keep(ctx, batch)
	}
}

// keep makes proofs durable, those of a repository together, and removes their
// records.
func (f *flush) keep(ctx context.Context, batch []*attempt) {
	var order []string
	byRepository := make(map[string][]*attempt)
	for _, a := range batch {
		where := a.record.Repository
		if byRepository[where] == nil {
			order = append(order, where)
		}
		byRepository[where] = append(byRepository[where], a)
	}
	for _, where := range order {
		more := make(map[[32]byte][]verifier.Proof)
		for _, a := range byRepository[where] {
			more[a.record.Key()] = []verifier.Proof{a.proof}
		}
		err := f.Keep(ctx, where, more)
		for _, a := range byRepository[where] {
			if a.err = err; err == nil {
				// What a crash brings back is flushed again.
				a.err = ignoreAbsent(f.root.Remove(a.record.name()))
			}
			a.proof = verifier.Proof{} // likewise
		}
	}
}

// flushed says what became of the attempts.
func (f *flush) flushed(bad []BadFile) *Flushed {
	out := &Flushed{Bad: bad}
	for _, a := range f.attempts {
		var lost *lostError
		switch {
		case a.err == nil:
			out.Recorded = append(out.Recorded, a.record)
		case errors.As(a.err, &lost):
			out.Lost = append(out.Lost, Failure{a.record, a.err})
		default:
			out.Failed = append(out.Failed, Failure{a.record, a.err})
		}
	}
	return out
}
