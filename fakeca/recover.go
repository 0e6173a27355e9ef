package fakeca

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// restore finds out what is in the files.
func (s *store) restore(open openCheckpoint) error {
	if err := s.readCheckpoint(open); err != nil {
		return err
	}
	if end, err := s.checkIndex(); err == nil {
		s.rewind(s.signed, end)
		return s.follow()
	}
	return s.rebuild()
}

// rebuild makes the index again, from the entries alone.
func (s *store) rebuild() error {
	if err := errors.Join(s.hashes.Truncate(0), s.ends.Truncate(0)); err != nil {
		return err
	}
	s.rewind(0, 0)
	if err := s.follow(); err != nil {
		return err
	}
	if s.signed > s.size {
		return fmt.Errorf("%w: %d entries of %d are left", ErrCorrupt, s.size, s.signed)
	}
	root, err := tlog.TreeHash(s.signed, &s.index)
	if err != nil {
		return err
	}
	if s.checkpoint != nil && root != s.root {
		return fmt.Errorf("%w: the first %d entries are not those of its checkpoint", ErrCorrupt, s.signed)
	}
	return nil
}

// readCheckpoint reads the checkpoint on file. The file is written without
// sync, so it may be missing or torn, and then says nothing; but what carries
// our signature is a promise.
func (s *store) readCheckpoint(open openCheckpoint) error {
	signed, err := readAll(s.latest, maxCheckpoint)
	if err != nil {
		return err
	}
	size, root, err := open(signed)
	if err != nil {
		s.checkpoint, s.signed, s.root = nil, 0, tlog.Hash{}
		return nil
	}
	s.checkpoint, s.signed, s.root = signed, size, root
	s.durable = max(s.durable, size)
	return nil
}

// checkIndex checks the index against the checkpoint and the last entry it
// covers, and returns where that ends.
func (s *store) checkIndex() (int64, error) {
	n := s.signed
	s.rewind(n, 0)
	root, err := tlog.TreeHash(n, &s.index)
	if err != nil {
		return 0, err
	}
	if s.checkpoint == nil || root != s.root {
		return 0, errors.New("the hashes are not those of the checkpoint")
	}
	if n == 0 {
		return 0, nil
	}
	start, err1 := s.end(n - 2)
	end, err2 := s.end(n - 1)
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	if start < 0 || end-start < 0 || end-start > maxFrame {
		return 0, errors.New("the ends are not those of frames")
	}
	b := make([]byte, end-start)
	if _, err := s.entries.ReadAt(b, start); err != nil {
		return 0, err
	}
	f, err := parseFrame(b)
	if err != nil {
		return 0, err
	}
	leaf, err := s.ReadHashes([]int64{tlog.StoredHashIndex(0, n-1)})
	if err != nil {
		return 0, err
	}
	if f.index != n-1 || f.size() != end-start || leaf[0] != tlog.RecordHash(f.entry) {
		return 0, errors.New("the last entry is not that of the checkpoint")
	}
	return end, nil
}

// refresh takes in what other processes have appended, and checks that the
// index still agrees with the checkpoint: what is signed next builds on it.
func (s *store) refresh(open openCheckpoint) error {
	size, err := s.entries.Size()
	if err != nil {
		return err
	}
	if size < s.lastEnds {
		return fmt.Errorf("%w: its entries were cut short", ErrCorrupt)
	}
	if size > s.lastEnds {
		if err := s.readCheckpoint(open); err != nil {
			return err
		}
		if err := s.follow(); err != nil {
			return err
		}
	}
	root, err := tlog.TreeHash(s.signed, &s.index)
	if err != nil || s.checkpoint != nil && root != s.root {
		return s.rebuild()
	}
	return nil
}

// follow indexes the frames after the indexed ones, and cuts off a tail that is
// not a frame and cannot have been released.
func (s *store) follow() error {
	total, err := s.entries.Size()
	if err != nil || total == s.lastEnds {
		return err
	}
	r := newFrameReader(s.entries, s.lastEnds, total)
	for s.lastEnds < total {
		f, err := r.next()
		if errors.Is(err, errNoFrame) {
			if err := s.cut(r); err != nil {
				return err
			}
			break
		}
		if err != nil {
			return err
		}
		if f.index != s.size {
			return fmt.Errorf("%w: entry %d where %d should be", ErrCorrupt, f.index, s.size)
		}
		if err := s.add(tlog.RecordHash(f.entry), s.lastEnds+f.size()); err != nil {
			return err
		}
		s.durable = max(s.durable, f.durable)
		if len(s.newEnds) >= 1<<16 {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.rewrite()
}

// rewrite writes the entries again of which nothing tells that they were
// synced. Whoever wrote them died before that, or the sync failed; and after a
// failed sync the system may take what it could not write for written, and
// report success the next time. What is written again it must write.
func (s *store) rewrite() error {
	if s.durable >= s.size {
		return nil
	}
	start, err := s.end(s.durable - 1)
	if err != nil {
		return err
	}
	b := make([]byte, s.lastEnds-start)
	if _, err := s.entries.ReadAt(b, start); err != nil {
		return err
	}
	_, err = s.entries.WriteAt(b, start)
	return err
}

// cut ends the entries after the last one indexed. It refuses if the next one
// can have been released: if a checkpoint covers it, or a later frame tells
// that it was synced.
func (s *store) cut(r *frameReader) error {
	claimed, err := r.claims(s.size)
	if err != nil {
		return err
	}
	if claimed || s.size < s.signed {
		return fmt.Errorf("%w: entry %d is damaged", ErrCorrupt, s.size)
	}
	return s.entries.Truncate(s.lastEnds)
}
