package fakeca

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A store is the open files of a log, used under the log's lock.
type store struct {
	entries    file
	latest     file      // holds the checkpoint
	checkpoint []byte    // nil: none
	signed     int64     // its size
	root       tlog.Hash // its root

	index         // of all frames in entries
	durable int64 // that many entries are known to be synced
}

// openCheckpoint checks a checkpoint's signature and takes it apart.
type openCheckpoint func(signed []byte) (size int64, root tlog.Hash, err error)

// maxCheckpoint bounds the checkpoint file. One signature needs 300 bytes.
const maxCheckpoint = 4096

// createStore makes the files of an empty log. It refuses one that has entries.
func createStore(d disk, dir string) error {
	if err := d.Mkdir(dir); err != nil {
		return err
	}
	f, err := d.Create(filepath.Join(dir, "entries"))
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil && size != 0 {
		err = fmt.Errorf("%s has entries already", dir)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), d.SyncDir(dir))
}

// openStore opens the files of a log and brings the index up to date. When the
// last checkpoint and the index agree with the entries it looks only at the
// last entry and O(log n) hashes; else it reads all entries.
func openStore(d disk, dir string, open openCheckpoint) (*store, error) {
	s := new(store)
	var err error
	if s.entries, err = d.Open(filepath.Join(dir, "entries")); err != nil {
		return nil, err
	}
	if s.hashes, err = d.Create(filepath.Join(dir, "hashes")); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.ends, err = d.Create(filepath.Join(dir, "ends")); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.latest, err = d.Create(filepath.Join(dir, "checkpoint")); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.restore(open); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close closes the files. Entries that matter have been synced before.
func (s *store) close() error {
	var errs []error
	for _, f := range []file{s.entries, s.hashes, s.ends, s.latest} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// append writes the entries and syncs them, along with any found in the file
// of which nobody knows whether they are synced.
func (s *store) append(entries [][]byte) error {
	if len(entries) == 0 && s.durable == s.size {
		return nil
	}
	var b []byte
	for i, entry := range entries {
		b = frame{index: s.size + int64(i), durable: s.durable, entry: entry}.append(b)
	}
	// If one of these fails, what is in the file then is for the next openStore
	// to find out.
	if _, err := s.entries.WriteAt(b, s.lastEnds); err != nil {
		return err
	}
	if err := s.entries.Sync(); err != nil {
		return err
	}
	for _, entry := range entries {
		f := frame{entry: entry}
		if err := s.add(tlog.RecordHash(entry), s.lastEnds+f.size()); err != nil {
			return err
		}
	}
	s.durable = s.size
	return s.flush()
}

// keep notes the checkpoint just signed.
func (s *store) keep(checkpoint []byte, root tlog.Hash) error {
	if _, err := s.latest.WriteAt(checkpoint, 0); err != nil {
		return err
	}
	if s.checkpoint == nil || len(checkpoint) < len(s.checkpoint) {
		if err := s.latest.Truncate(int64(len(checkpoint))); err != nil {
			return err
		}
	}
	s.checkpoint, s.signed, s.root = checkpoint, s.size, root
	return nil
}

// prove fills in the proof of an entry, after checking it: what the index says
// is believed only where it leads to the signed root. A proof without an entry
// is the checkpoint alone.
func (s *store) prove(l *logged) error {
	l.size, l.root, l.checkpoint = s.signed, s.root, s.checkpoint
	if l.entry == nil {
		return nil
	}
	if s.tryProve(l) == nil {
		return nil
	}
	if err := s.rebuild(); err != nil {
		return err
	}
	return s.tryProve(l)
}

func (s *store) tryProve(l *logged) error {
	proof, err := tlog.ProveRecord(l.size, l.index, &s.index)
	if err != nil {
		return err
	}
	l.proof = proof
	return tlog.CheckRecord(proof, l.size, l.root, l.index, tlog.RecordHash(l.entry))
}

// splitCheckpoint takes apart the text of a checkpoint (C2SP tlog-checkpoint)
// as this package writes it: origin, size and root, and nothing more.
func splitCheckpoint(text string) (origin string, size int64, root string, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return "", 0, "", errors.New("not three lines")
	}
	size, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return "", 0, "", fmt.Errorf("%q is not a size", lines[1])
	}
	return lines[0], size, lines[2], nil
}
