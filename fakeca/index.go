package fakeca

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// An index is what a log derives from its entries to answer in O(log n): the
// tree's stored hashes, in the order of golang.org/x/mod/sumdb/tlog, and the
// offset in the entries file at which each entry's frame ends.
//
// Its files are never synced and therefore never believed: a log checks them
// against a signed checkpoint when it opens them, and makes them again from the
// entries when they do not agree.
type index struct {
	hashes, ends file

	size     int64       // entries, in the files and pending
	stored   int64       // hashes in the file
	newHash  []tlog.Hash // hashes that are to follow those
	newEnds  []byte      // ends of the entries that those belong to
	flushed  int64       // entries in the files
	lastEnds int64       // end of the last entry
}

// rewind makes the index one of the first size entries, the last of which ends
// at the given offset.
func (x *index) rewind(size, end int64) {
	x.size, x.flushed, x.lastEnds = size, size, end
	x.stored = tlog.StoredHashCount(size)
	x.newHash, x.newEnds = x.newHash[:0], x.newEnds[:0]
}

// add appends an entry. It stays in memory until flush.
func (x *index) add(leaf tlog.Hash, end int64) error {
	hashes, err := tlog.StoredHashesForRecordHash(x.size, leaf, x)
	if err != nil {
		return err
	}
	x.newHash = append(x.newHash, hashes...)
	x.newEnds = binary.BigEndian.AppendUint64(x.newEnds, uint64(end))
	x.size++
	x.lastEnds = end
	return nil
}

// flush writes what was added to the files.
func (x *index) flush() error {
	b := make([]byte, 0, len(x.newHash)*tlog.HashSize)
	for _, h := range x.newHash {
		b = append(b, h[:]...)
	}
	if _, err := x.hashes.WriteAt(b, x.stored*tlog.HashSize); err != nil {
		return err
	}
	if _, err := x.ends.WriteAt(x.newEnds, x.flushed*8); err != nil {
		return err
	}
	x.rewind(x.size, x.lastEnds)
	return nil
}

// ReadHashes implements tlog.HashReader.
func (x *index) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, n := range indexes {
		if n < x.stored {
			if _, err := x.hashes.ReadAt(hashes[i][:], n*tlog.HashSize); err != nil {
				return nil, fmt.Errorf("reading hash %d: %w", n, err)
			}
			continue
		}
		if n -= x.stored; n >= int64(len(x.newHash)) {
			return nil, fmt.Errorf("no hash %d in a tree of %d entries", indexes[i], x.size)
		}
		hashes[i] = x.newHash[n]
	}
	return hashes, nil
}

// end returns the offset at which the nth entry's frame ends; for n = -1, 0.
func (x *index) end(n int64) (int64, error) {
	if n < 0 {
		return 0, nil
	}
	var b [8]byte
	if _, err := x.ends.ReadAt(b[:], n*8); err != nil {
		return 0, fmt.Errorf("reading end of entry %d: %w", n, err)
	}
	return int64(binary.BigEndian.Uint64(b[:])), nil
}
