package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"
)

const (
	// maxPending is how many bytes of records are kept back.
	maxPending = 1 << 20
	// wastable is how large a file has to be for waste to matter.
	wastable = 1 << 20
	// fewBlocks is how many blocks are no waste however small they are.
	fewBlocks = 1 << 10
	// smallBlock is the average below which it pays to put blocks together: at
	// the limit of a file, maxExtents have less.
	smallBlock = 1 << 13
)

// Save writes what was added, and takes in what other processes wrote; it waits
// while one of them writes. What was saved survives the death of the process at
// any time. Once something could not be written, which the error of every Save
// says from then on, nothing more is kept: what the file has is still found.
func (c *Cache) Save() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if len(c.pending) > 0 {
		return c.flush(false)
	}
	return c.err
}

// Close closes the file without saving. Afterwards nothing is found; values
// that were stay as they are.
func (c *Cache) Close() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = fmt.Errorf("saving verdicts to %s: %w", c.name, fs.ErrClosed)
	}
	c.reset()
	for i := range c.recent {
		c.recent[i].Store(nil)
	}
	return c.setFile(nil)
}

// setFile makes another file the one that is read. The caller holds mu.
func (c *Cache) setFile(f *os.File) error {
	old := c.file
	c.file = f
	if old == nil {
		return nil
	}
	return old.Close()
}

// flush writes what is pending, and reserves another range of numbers if it is
// asked to. The caller holds writing.
func (c *Cache) flush(reserve bool) error {
	if c.err != nil {
		return c.err
	}
	err := c.write(reserve)
	if err != nil {
		c.err = fmt.Errorf("saving verdicts to %s: %w", c.name, err)
	}
	if err != nil || c.full {
		c.drop()
	}
	return c.err
}

// drop forgets what is pending.
func (c *Cache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.pending {
		c.extents[n].pending = nil
	}
	c.pending, c.entry, c.string, c.waiting = nil, 0, 0, 0
}

func (c *Cache) write(reserve bool) error {
	if err := os.MkdirAll(filepath.Dir(c.name), 0o700); err != nil {
		return err
	}
	if err := c.checkDir(); err != nil {
		return err
	}
	lock, err := lockedfile.OpenFile(c.name+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = c.writeLocked(reserve)
	return errors.Join(err, lock.Close())
}

// writeLocked is write under the lock of all processes.
func (c *Cache) writeLocked(reserve bool) error {
	anew, err := c.join()
	if err != nil {
		return err
	}
	c.full = !anew && c.end >= c.limit
	if c.full {
		return nil
	}
	reserved := uint32(0)
	if reserve {
		if reserved = c.ranges; reserved >= maxRanges {
			return errors.New("too many strings; remove the file")
		}
	}
	if anew {
		err = c.replace(max(reserved, c.ranges-1))
	} else {
		err = c.appendPending(reserved)
	}
	if err == nil && reserve {
		c.next = reserved * rangeSize
		c.last = c.next + rangeSize
	}
	return err
}

// errLost means that the file is not the one that values were made for: another
// process began it anew, by another key or because it was damaged or wasteful.
// The numbers of strings given out may be others' there.
var errLost = errors.New("another audit began the file anew, or it was removed or damaged")

// join makes the file at hand the one to write to, and takes in what others
// appended. It reports whether the file must be written anew.
func (c *Cache) join() (anew bool, err error) {
	f, err := c.openFile(os.O_RDWR)
	if err != nil {
		return false, err
	}
	bound := c.header != header{}
	switch {
	case f == nil && !bound:
		return true, nil
	case f == nil:
		return false, errLost
	case bound && f.header != c.header:
		return false, errors.Join(errLost, f.Close())
	case !bound && !f.fits:
		return true, f.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.setFile(f.File); err != nil {
		return false, err
	}
	c.header = f.header
	if err := c.scan(); err != nil {
		if c.next != 0 {
			return false, errLost // what is lost may be where numbers were reserved
		}
		return true, nil
	}
	return c.wasteful(), nil
}

// wasteful reports whether it is worth it to write the file anew: more than
// half of the entries are dead, or most blocks are small.
func (c *Cache) wasteful() bool {
	blocks := int64(len(c.extents))
	return c.end > wastable && c.dead > c.entries.used ||
		blocks > fewBlocks && c.end < blocks*smallBlock
}

// appendPending appends what is pending to the file, after the reservation of
// a range unless that is 0.
func (c *Cache) appendPending(reserved uint32) error {
	var buf []byte
	if reserved != 0 {
		n := number(reserved)
		buf = appendBlock(buf, c.header.sum(), kindRange, 1, n[:])
	}
	// Strings first, so that a value is never there without them.
	offsets := make(map[uint32]int64)
	for _, kind := range []byte{kindString, kindEntry} {
		for _, n := range c.pending {
			if e := &c.extents[n]; e.kind == kind {
				offsets[n] = c.end + int64(len(buf))
				buf = appendBlock(buf, c.header.sum(), kind, len(e.pending.ends), e.pending.payload)
			}
		}
	}
	// Until they are in the file, they are read from memory.
	if _, err := c.file.WriteAt(buf, c.end); err != nil {
		// Whether or not this helps, what is left is no block.
		return errors.Join(err, c.file.Truncate(c.end))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, offset := range offsets {
		e := &c.extents[n]
		b := buf[offset-c.end:][:headSize+len(e.pending.payload)]
		e.head, e.pending, e.offset, e.hash = parseHead(b), nil, offset, c.blockHash(b)
	}
	c.pending, c.entry, c.string, c.waiting = nil, 0, 0, 0
	c.end += int64(len(buf))
	c.ranges = max(c.ranges, reserved+1)
	return nil
}
