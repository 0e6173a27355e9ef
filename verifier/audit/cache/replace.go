package cache

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
)

// replace writes everything that is found, pending or not, to a new file in
// which ranges up to reserved are taken, and puts it in the place of the old
// one. Nobody appends to that any more: its header is another.
func (c *Cache) replace(reserved uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := c.name + ".new"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	h := newHeader(c.key, c.width)
	err = c.writeAll(f, &h, reserved)
	// Some systems rename no file that is open.
	if err := errors.Join(err, f.Close(), c.setFile(nil)); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	if err := os.Rename(name, c.name); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	c.reset()
	file, err := c.openFile(os.O_RDWR)
	if err != nil {
		return err
	}
	if file == nil || file.header != h {
		return errLost // somebody heeds no lock
	}
	c.file, c.header = file.File, h
	return c.scan()
}

// writeAll writes a file of everything that is found.
func (c *Cache) writeAll(f *os.File, h *header, reserved uint32) error {
	w := &fileWriter{w: bufio.NewWriterSize(f, 1<<20), sum: h.sum()}
	w.write(h[:])
	if reserved != 0 {
		n := number(reserved)
		w.write(appendBlock(nil, w.sum, kindRange, 1, n[:]))
	}
	for _, kind := range []byte{kindString, kindEntry} {
		width := c.keyWidth(kind)
		for n := range c.extents {
			if c.extents[n].kind != kind {
				continue
			}
			b := c.load(uint32(n))
			if b == nil {
				continue // what cannot be read is not found either
			}
			for i := range b.ends {
				if key, value := b.record(i, width); c.live(kind, key, locate(uint32(n), i)) {
					w.add(kind, key, value)
				}
			}
		}
		w.end(kind)
	}
	if w.err == nil {
		w.err = w.w.Flush()
	}
	if w.err == nil {
		w.err = f.Sync() // lest the old file go and the new one not come
	}
	return w.err
}

// live reports whether a record is the one that is found.
func (c *Cache) live(kind byte, key []byte, at location) bool {
	if kind == kindString {
		return c.place(binary.LittleEndian.Uint32(key)) == at
	}
	return c.entries.holds(c.hash(key), at)
}

// A fileWriter writes the blocks of a new file.
type fileWriter struct {
	w     *bufio.Writer
	sum   []byte // of the header
	block block
	buf   []byte
	err   error
}

func (w *fileWriter) write(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

func (w *fileWriter) add(kind byte, key, value []byte) {
	if !w.block.room(len(key) + len(value)) {
		w.end(kind)
	}
	w.block.add(key, value)
}

// end ends the block.
func (w *fileWriter) end(kind byte) {
	if len(w.block.ends) == 0 {
		return
	}
	w.buf = appendBlock(w.buf[:0], w.sum, kind, len(w.block.ends), w.block.payload)
	w.write(w.buf)
	w.block.payload, w.block.ends = w.block.payload[:0], w.block.ends[:0]
}
