package monitor

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Pins are the newest checkpoints of logs that were seen, in a directory that
// is made when it is needed. Processes may use it at the same time.
//
// A pin is a file with the checkpoint as the log signed it, called
//
//	<log id, hex>.checkpoint                of a tiled log
//	<log id, hex>-<tree id>.checkpoint      of each tree of a Rekor v1 log
//
// so that nothing in it is believed without the log's signature. What proves
// that a log contradicted itself is kept in the folder evidence.
type Pins struct {
	Dir string // required
}

// pinSuffix ends the name of a pin.
const pinSuffix = ".checkpoint"

// maxPin bounds a pin's file, as package tlog bounds a signed note.
const maxPin = 1 << 18

// A PinError is a pin that is not a checkpoint signed by its log. It is never
// replaced without somebody's knowledge: it may have been the proof that a log
// was rolled back.
type PinError struct {
	Path string
	Err  error
}

// Error returns the file and what is wrong with it.
func (e *PinError) Error() string { return fmt.Sprintf("pinned checkpoint %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *PinError) Unwrap() error { return e.Err }

// A Change says how what a log shows stands to what was pinned.
type Change string

// The changes.
const (
	FirstSeen Change = "first-seen" // nothing was pinned: the checkpoint is trusted for being the first
	Unchanged Change = "unchanged"
	Grown     Change = "grown" // and what was pinned is its beginning
	Stale     Change = "stale" // the log shows an older checkpoint than it did before; the pin stays
)

// A Sight is one tree of a log as it was shown, in one history with what was
// pinned.
type Sight struct {
	Shown  Seen
	Pinned *Seen // before; nil: nothing
	Change Change
}

// Newest returns the newest checkpoint of the tree that is known: what is
// shown or, where that is older, what was pinned.
func (s Sight) Newest() Seen {
	if s.Change == Stale {
		return *s.Pinned
	}
	return s.Shown
}

// Update asks the log for its checkpoints, checks that each continues what is
// pinned of its tree, and pins it. The first sight is of the current tree.
//
// If the log contradicts a pin the error is a *ForkError, the pin stays as it
// is, and both checkpoints have been saved as evidence. A pin that cannot be
// read is a *PinError.
func (p Pins) Update(ctx context.Context, l *Log) ([]Sight, error) {
	sights, err := p.update(ctx, l)
	var fork *ForkError
	if errors.As(err, &fork) {
		if serr := p.SaveEvidence(fork); serr != nil {
			err = errors.Join(err, serr)
		}
	}
	return sights, err
}

// maxRounds bounds how often Update begins again because another process has
// changed a pin meanwhile.
const maxRounds = 8

func (p Pins) update(ctx context.Context, l *Log) ([]Sight, error) {
	again := false
	for range maxRounds {
		// Nothing is locked while the log is asked: that may take its time.
		pinned, err := p.read(l)
		if err != nil {
			return nil, err
		}
		sights, err := l.compare(ctx, pinned)
		if gone := (*forgotten)(nil); errors.As(err, &gone) && !again {
			// One of several servers may lag behind. A log that has forgotten
			// has done so when it is asked again.
			again = true
			continue
		}
		if err != nil {
			return nil, err
		}
		if done, err := p.store(l, pinned, sights); done || err != nil {
			return sights, err
		}
	}
	return nil, fmt.Errorf("pinning the checkpoint of log %s: other processes change it all the time", l.Name())
}

// compare asks the log for its checkpoints and holds them to what was pinned,
// by tree.
func (l *Log) compare(ctx context.Context, pinned map[string]Seen) ([]Sight, error) {
	shown, err := l.Checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	var sights []Sight
	there := make(map[string]bool)
	for _, s := range shown {
		id, err := l.tree(s.Checkpoint.Origin)
		if err != nil {
			return nil, err
		}
		there[id] = true
		sight := Sight{Shown: s, Change: FirstSeen}
		if pin, ok := pinned[id]; ok {
			if err := l.checkTree(ctx, s, []Seen{pin}, nil); err != nil {
				return nil, err
			}
			sight.Pinned = &pin
			switch {
			case s.Checkpoint.Size == pin.Checkpoint.Size:
				sight.Change = Unchanged
			case s.Checkpoint.Size > pin.Checkpoint.Size:
				sight.Change = Grown
			default:
				sight.Change = Stale
			}
		}
		sights = append(sights, sight)
	}
	for id, pin := range pinned {
		if !there[id] {
			return nil, l.fork(pin, shown[0], errNoTree)
		}
	}
	return sights, nil
}

// Pinned returns what is pinned of the log, in no particular order, without
// asking it.
func (p Pins) Pinned(l *Log) ([]Seen, error) {
	pinned, err := p.read(l)
	var all []Seen
	for _, s := range pinned {
		all = append(all, s)
	}
	return all, err
}

// read returns what is pinned of the log, by tree.
func (p Pins) read(l *Log) (map[string]Seen, error) {
	entries, err := os.ReadDir(p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading pinned checkpoints: %w", err)
	}
	pinned := make(map[string]Seen)
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), pinSuffix)
		if !ok || !strings.HasPrefix(name, l.id()) {
			continue
		}
		path := filepath.Join(p.Dir, entry.Name())
		pin, id, err := l.readPin(path)
		if err == nil && name != pinName(l, id) {
			err = fmt.Errorf("it is of tree %q", id)
		}
		if err != nil {
			return nil, &PinError{path, err}
		}
		pinned[id] = pin
	}
	return pinned, nil
}

// readPin reads a pin and the tree it is of.
func (l *Log) readPin(path string) (Seen, string, error) {
	note, err := readFile(path, maxPin)
	if err != nil {
		return Seen{}, "", err
	}
	pin, err := l.Open(note, "pinned before")
	if err != nil {
		return Seen{}, "", err
	}
	id, err := l.tree(pin.Checkpoint.Origin)
	return pin, id, err
}

func pinName(l *Log, tree string) string {
	if tree == "" {
		return l.id()
	}
	return l.id() + "-" + tree
}

// store pins what is newer, unless the pins are no longer those that it was
// compared with.
func (p Pins) store(l *Log, compared map[string]Seen, sights []Sight) (done bool, err error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return false, fmt.Errorf("pinning a checkpoint: %w", err)
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(p.Dir, l.id()+".lock")).Lock()
	if err != nil {
		return false, fmt.Errorf("pinning a checkpoint: %w", err)
	}
	defer unlock()
	now, err := p.read(l)
	if err != nil {
		return false, err
	}
	if len(now) != len(compared) {
		return false, nil
	}
	for id, pin := range now {
		if !bytes.Equal(pin.Note, compared[id].Note) {
			return false, nil
		}
	}
	for _, s := range sights {
		if s.Change != FirstSeen && s.Change != Grown {
			continue
		}
		id, err := l.tree(s.Shown.Checkpoint.Origin)
		if err == nil {
			err = writeFile(filepath.Join(p.Dir, pinName(l, id)+pinSuffix), s.Shown.Note)
		}
		if err != nil {
			return false, fmt.Errorf("pinning a checkpoint: %w", err)
		}
	}
	return true, nil
}

// SaveEvidence keeps the signed checkpoints of a fork that are at hand, and
// notes the files in it. Saving them again changes nothing.
func (p Pins) SaveEvidence(fork *ForkError) error {
	dir := filepath.Join(p.Dir, "evidence")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("saving evidence: %w", err)
	}
	fork.Evidence = nil
	for _, s := range []Seen{fork.First, fork.Second} {
		if s.Note == nil {
			continue
		}
		name := fmt.Sprintf("%s-%d-%s%s", fileName(s.Checkpoint.Origin), s.Checkpoint.Size, hex.EncodeToString(s.Checkpoint.Root[:8]), pinSuffix)
		path := filepath.Join(dir, name)
		if err := writeFile(path, s.Note); err != nil {
			return fmt.Errorf("saving evidence: %w", err)
		}
		fork.Evidence = append(fork.Evidence, path)
	}
	return nil
}

// fileName returns an origin as a part of a file's name.
func fileName(origin string) string {
	if len(origin) > 100 {
		origin = origin[:100]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, origin)
}
