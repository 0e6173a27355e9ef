// Package monitor watches whether transparency logs keep their word: that a
// log only ever grows, and shows everybody the same history.
//
// It remembers the newest checkpoint of each log that it has seen, and checks
// that checkpoints from anywhere lie in one history with it (Pins). It keeps
// an index of what a tiled log holds (Index). A checkpoint counts only
// under the signature of the log, by the key that a trusted root names; a
// tree counts as the beginning of another only by a proof (RFC 9162, section
// 2.1.4) or by tiles that hash to both roots.
//
// A log that contradicts itself is a *ForkError, which holds both checkpoints
// as the log signed them: together with its key they prove the fact to
// anyone. That a log does not answer is another error.
package monitor

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A Log is a transparency log that a trusted root names, and a way to ask it.
type Log struct {
	trusted *trust.Log
	tiled   bool
	server  server
}

// A server answers for a log. What it says is not believed.
type server interface {
	// checkpoints returns signed checkpoints: that of the current tree, then
	// the last ones of the trees that came before it.
	checkpoints(ctx context.Context) ([][]byte, error)

	// consistent asks whether each of a tree's checkpoints, of ascending
	// size and at least one leaf, is the beginning of the next. If not the
	// error is a *mismatch. It is lost if the log does not have the last.
	// progress may be nil.
	consistent(ctx context.Context, chain []tlog.Checkpoint, progress func(done, total int)) error
}

// A mismatch says that two checkpoints of a chain are of two histories.
type mismatch struct {
	first, second int // in the chain
	err           error
}

func (e *mismatch) Error() string { return e.err.Error() }
func (e *mismatch) Unwrap() error { return e.err }

// A lost error says that the log does not have a tree that it is asked about.
type lost struct{ err error }

func (e *lost) Error() string { return e.err.Error() }
func (e *lost) Unwrap() error { return e.err }

// NewTiled returns a log that serves C2SP tlog-tiles, as Rekor v2 does.
func NewTiled(log *trust.Log, fetch rekor.Fetch) *Log {
	return &Log{log, true, tiles{fetch}}
}

// Name returns the log's base URL, or its id if the trusted root gives none.
func (l *Log) Name() string {
	if l.trusted.BaseURL != "" {
		return l.trusted.BaseURL
	}
	return l.id()
}

func (l *Log) id() string { return hex.EncodeToString(l.trusted.KeyID) }

// A Seen is a checkpoint that the log signed, and where it was seen.
type Seen struct {
	Checkpoint tlog.Checkpoint
	Note       []byte // as it was signed; nil: not at hand
	Where      string // for people: "pinned", "commit 1234…"
}

// Open reads a signed checkpoint and checks that the log signed it: by its
// key, and under its name. where is the Seen's.
func (l *Log) Open(note []byte, where string) (Seen, error) {
	signed, err := tlog.ParseCheckpoint(note)
	if err == nil {
		err = signed.Verify(l.trusted.PublicKey, l.trusted.KeyID)
	}
	if err != nil {
		return Seen{}, err
	}
	c := signed.Checkpoint
	if _, err := l.tree(c.Origin); err != nil {
		return Seen{}, err
	}
	return Seen{c, bytes.Clone(note), where}, nil
}

// tree returns the part of an origin that tells a log's trees apart: Rekor
// v1's tree id; nothing for a tiled log, which has one tree.
func (l *Log) tree(origin string) (string, error) {
	if l.tiled {
		if origin != l.trusted.Origin() {
			return "", fmt.Errorf("checkpoint is of %q, want %q", origin, l.trusted.Origin())
		}
		return "", nil
	}
	i := strings.LastIndex(origin, " - ")
	if i < 0 || strings.Trim(origin[i+3:], "0123456789") != "" || origin[i+3:] == "" || len(origin)-i-3 > 20 {
		return "", fmt.Errorf("checkpoint is of %q, which names no tree", origin)
	}
	return origin[i+3:], nil
}

// Checkpoints asks the log for its checkpoints: that of its current tree
// first, then the last ones of the trees that came before it. Each is signed
// by the log, and each of another tree.
func (l *Log) Checkpoints(ctx context.Context) ([]Seen, error) {
	notes, err := l.server.checkpoints(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading checkpoint of log %s: %w", l.Name(), err)
	}
	var all []Seen
	trees := make(map[string]bool)
	for i, note := range notes {
		s, err := l.Open(note, "shown by the log")
		if errors.Is(err, tlog.ErrNoSignature) && i > 0 {
			continue // an earlier tree under an earlier key: another log to us
		}
		if err != nil {
			return nil, fmt.Errorf("reading checkpoint of log %s: %w", l.Name(), err)
		}
		id, err := l.tree(s.Checkpoint.Origin)
		if err != nil {
			return nil, fmt.Errorf("reading checkpoint of log %s: %w", l.Name(), err)
		}
		if trees[id] {
			// Under two names, perhaps, of which only one could be pinned.
			return nil, fmt.Errorf("reading checkpoint of log %s: it shows two of %q", l.Name(), s.Checkpoint.Origin)
		}
		trees[id] = true
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("reading checkpoint of log %s: it shows none", l.Name())
	}
	return all, nil
}

// A ForkError says that a log contradicts itself: it signed two checkpoints
// that cannot both be of one history that only grows.
type ForkError struct {
	Log           string // its base URL or id
	First, Second Seen   // the smaller first
	Err           error  // what does not fit
	Evidence      []string
}

// Error names both checkpoints.
func (e *ForkError) Error() string {
	return fmt.Sprintf("log %s contradicts itself: %s and %s: %v", e.Log, e.First, e.Second, e.Err)
}

// Unwrap returns what does not fit.
func (e *ForkError) Unwrap() error { return e.Err }

// String returns size, root and where the checkpoint was seen.
func (s Seen) String() string {
	return fmt.Sprintf("%s with root %x (%s)", leaves(s.Checkpoint.Size), s.Checkpoint.Root[:], s.Where)
}

func leaves(n uint64) string {
	if n == 1 {
		return "1 leaf"
	}
	return fmt.Sprintf("%d leaves", n)
}

// fork returns the ForkError for two checkpoints.
func (l *Log) fork(a, b Seen, err error) *ForkError {
	if a.Checkpoint.Size > b.Checkpoint.Size {
		a, b = b, a
	}
	return &ForkError{Log: l.Name(), First: a, Second: b, Err: err}
}
