package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gitseal/internal/rekor"
	"gitseal/monitor"
)

// searchIndex brings the index of a tiled log up to date, against a checkpoint
// that continues the pinned one, and searches that.
func (l *logs) searchIndex(ctx context.Context, k *knownLog, q question) ([]*entryJSON, error) {
	pins, err := l.settings.pins()
	if err != nil {
		return nil, err
	}
	sights, err := pins.Update(ctx, k.Log)
	if err != nil {
		return nil, err
	}
	dir, err := l.settings.logIndexes()
	if err != nil {
		return nil, err
	}
	index, err := monitor.OpenIndex(dir, k.Log)
	if err != nil {
		return nil, err
	}
	defer index.Close() // what it has read is durable
	// An older checkpoint than the pinned one must not hide what came since.
	shown := sights[0].Newest()
	update := func() error {
		progress := newProgress(l.env)
		progress.verb = "reading"
		defer progress.clear()
		err := index.Update(ctx, shown, func(size uint64) { progress.update(int(size), int(shown.Checkpoint.Size)) })
		var fork *monitor.ForkError
		if errors.As(err, &fork) {
			return errors.Join(err, pins.SaveEvidence(fork))
		}
		return err
	}
	if err := update(); err != nil {
		return nil, err
	}
	entries, unreadable, err := k.find(ctx, index, shown, &q)
	if errors.Is(err, errDamaged) {
		// It can be made again.
		if err = index.Reset(); err == nil {
			err = update()
		}
		if err == nil {
			entries, unreadable, err = k.find(ctx, index, shown, &q)
		}
	}
	if err != nil {
		return nil, err
	}
	if unreadable > 0 && q.certificate == nil {
		l.env.printError(fmt.Sprintf("log %s: %s could not be read, and may be anyone's", k.Name(), count(unreadable, "entry", "entries")), nil)
	}
	return entries, nil
}

// errDamaged says that an index is not what was written.
var errDamaged = errors.New("the index is damaged")

// find returns the entries that the index says to match, once the log has
// proven that they do, and how many others could not be read whole.
func (k *knownLog) find(ctx context.Context, index *monitor.Index, shown monitor.Seen, q *question) (entries []*entryJSON, unreadable int, err error) {
	records, unreadable, err := scan(index, q)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if entries, err = k.prove(ctx, shown, records); err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		if !q.matches(&e.Record) {
			return nil, 0, fmt.Errorf("%w: entry %d is another", errDamaged, e.Index)
		}
	}
	return entries, unreadable, nil
}

// scan returns the records that match, and how many entries could not be read
// whole.
func scan(index *monitor.Index, q *question) (found []monitor.Record, unreadable int, err error) {
	for r, err := range index.Records() {
		if err != nil {
			return nil, 0, err
		}
		if r.Problem != "" {
			unreadable++
		}
		if out := newRecordJSON(r); q.matches(&out) {
			found = append(found, r)
		}
	}
	return found, unreadable, nil
}

// prove reads the entries of records again, from the log, so that what is
// shown does not rest on the index.
func (k *knownLog) prove(ctx context.Context, shown monitor.Seen, records []monitor.Record) ([]*entryJSON, error) {
	checkpoint := shown.Checkpoint
	tree, err := rekor.NewTree(k.fetch, checkpoint.Size, checkpoint.Root)
	if err != nil {
		return nil, err
	}
	var all []*entryJSON
	var bundle [][]byte
	at := ^uint64(0) // the number of bundle
	for _, r := range records {
		if r.Index >= checkpoint.Size {
			continue // of a later checkpoint than the one that the log shows now
		}
		if n := r.Index / rekor.TileWidth; n != at {
			if bundle, err = tree.Entries(ctx, n); err != nil {
				return nil, fmt.Errorf("log %s: %w", k.Name(), err)
			}
			at = n
		}
		all = append(all, k.newEntry(r.Index, bytes.Clone(bundle[r.Index%rekor.TileWidth]), shown))
	}
	return all, nil
}
