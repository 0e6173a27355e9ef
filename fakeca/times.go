package fakeca

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
)

// A Rekor v1 log says of each entry when it was integrated, and says it again
// whenever the entry is asked for. The times are no part of the entries that the
// tree is made of, and so they are a file of their own: seconds since 1970, eight
// octets big-endian an entry. They are synced before the entries are, so that no
// entry that may have been released lacks its time.

// openTimes opens the file of times.
func (l *merkleLog) openTimes() error {
	if l.times != nil {
		return nil
	}
	f, err := l.disk.Create(filepath.Join(l.dir, "times"))
	if err != nil {
		return err
	}
	if err := l.disk.SyncDir(l.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	l.times = f
	return nil
}

// keepTimes notes the times of entries that are about to be appended.
func (l *merkleLog) keepTimes(first int64, times []int64) error {
	if l.stamp == nil || len(times) == 0 {
		return nil
	}
	if err := l.openTimes(); err != nil {
		return err
	}
	var b []byte
	for _, t := range times {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	if _, err := l.times.WriteAt(b, 8*first); err != nil {
		return err
	}
	return l.times.Sync()
}

// timeOf returns the time of an entry.
func (l *merkleLog) timeOf(index int64) (int64, error) {
	if err := l.openTimes(); err != nil {
		return 0, err
	}
	var b [8]byte
	if _, err := l.times.ReadAt(b[:], 8*index); err != nil {
		return 0, fmt.Errorf("%w: no time of entry %d: %v", ErrCorrupt, index, err)
	}
	return int64(binary.BigEndian.Uint64(b[:])), nil
}
