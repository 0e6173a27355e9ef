package monitor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"gitseal/internal/tlog"
)

// What does not fit between two checkpoints.
var (
	errTwoRoots = errors.New("one size has two roots")
	errNotEmpty = errors.New("no leaves, but not the root of the empty tree")
	errNoTree   = errors.New("the log no longer shows this tree")
)

// emptyRoot is the root of a tree without leaves (RFC 9162, section 2.1.1).
var emptyRoot tlog.Hash = sha256.Sum256(nil)

// CheckAll checks that all checkpoints that were seen of the log lie in one
// history, together with those that it shows now, which it pins as Update
// does. They must have been opened by Open, or verified as it does. It asks
// for the checkpoints once for both: a log that shows one history to be pinned
// and another to be compared with would pass two checks, each by itself.
//
// The error is a *ForkError if the log contradicts itself, and of checkpoints
// that were seen the evidence is for the caller to save: it may have their
// notes elsewhere. Any other says that it could not be told.
//
// Of a Rekor v1 log it asks for a proof between each two neighbours, of a
// tiled one for the tiles that each root is made of, at most eight at a time.
// progress, if it is not nil, is told how many checkpoints of a tree are done;
// it is called by one goroutine at a time.
func (p Pins) CheckAll(ctx context.Context, l *Log, seen []Seen, progress func(done, total int)) error {
	for again := false; ; again = true {
		sights, err := p.Update(ctx, l)
		if err != nil {
			return err
		}
		err = l.checkAll(ctx, sights, seen, progress)
		if gone := (*forgotten)(nil); errors.As(err, &gone) && !again {
			continue // one of several servers may lag behind
		}
		return err
	}
}

// checkAll checks that what was seen lies in one history with what the log
// shows.
func (l *Log) checkAll(ctx context.Context, sights []Sight, seen []Seen, progress func(done, total int)) error {
	trees := make(map[string][]Seen)
	var order []string
	for _, s := range seen {
		id, err := l.tree(s.Checkpoint.Origin)
		if err != nil {
			return fmt.Errorf("checking checkpoints of log %s: %w", l.Name(), err)
		}
		if trees[id] == nil {
			order = append(order, id)
		}
		trees[id] = append(trees[id], s)
	}
	for _, sight := range sights {
		newest := sight.Newest()
		id, err := l.tree(newest.Checkpoint.Origin)
		if err != nil {
			return fmt.Errorf("checking checkpoints of log %s: %w", l.Name(), err)
		}
		if len(trees[id]) == 0 {
			continue
		}
		if err := l.checkTree(ctx, newest, trees[id], progress); err != nil {
			return err
		}
		delete(trees, id)
	}
	for _, id := range order {
		if rest := trees[id]; len(rest) > 0 {
			return l.fork(rest[0], sights[0].Shown, errNoTree)
		}
	}
	return nil
}

// checkTree checks that the checkpoints of one tree lie in one history with
// the one that the log shows of it.
func (l *Log) checkTree(ctx context.Context, shown Seen, seen []Seen, progress func(done, total int)) error {
	all := append(slices.Clone(seen), shown)
	slices.SortStableFunc(all, func(a, b Seen) int { return cmp.Compare(a.Checkpoint.Size, b.Checkpoint.Size) })

	// Those of one size are one; without leaves there is nothing to prove.
	var chain []Seen
	for _, s := range all {
		if s.Checkpoint.Size == 0 {
			if s.Checkpoint.Root != emptyRoot {
				return l.fork(s, shown, errNotEmpty)
			}
			continue
		}
		if n := len(chain); n > 0 && chain[n-1].Checkpoint.Size == s.Checkpoint.Size {
			if chain[n-1].Checkpoint.Root != s.Checkpoint.Root {
				return l.fork(chain[n-1], s, errTwoRoots)
			}
			continue
		}
		chain = append(chain, s)
	}
	if len(chain) == 0 {
		return nil
	}
	last := chain[len(chain)-1]
	if shown.Checkpoint.Size == 0 {
		return l.fork(shown, last, &forgotten{last.Checkpoint.Size})
	}
	if len(chain) == 1 {
		return nil
	}

	sizes := make([]tlog.Checkpoint, len(chain))
	for i, s := range chain {
		sizes[i] = s.Checkpoint
	}
	err := l.server.consistent(ctx, sizes, progress)
	var wrong *mismatch
	var gone *lost
	switch {
	case errors.As(err, &wrong):
		return l.fork(chain[wrong.first], chain[wrong.second], wrong.err)
	case errors.As(err, &gone) && last.Checkpoint.Size > shown.Checkpoint.Size:
		// It signed a tree that it cannot show: it has forgotten leaves.
		return l.fork(shown, last, &forgotten{last.Checkpoint.Size})
	case err != nil:
		return fmt.Errorf("checking the consistency of log %s: %w", l.Name(), err)
	}
	return nil
}

// A forgotten error says that the log cannot show a tree that it signed.
type forgotten struct{ size uint64 }

func (e *forgotten) Error() string {
	return fmt.Sprintf("the log no longer has the %s that it signed", leaves(e.size))
}
