package cache

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A diskFile is a file that may be appended to or begun anew.
type diskFile struct {
	*os.File
	header header
	size   int64
	fits   bool // it has values under the key, and is not too large
}

// openFile opens the file. It is nil without an error if there is none, or an
// empty one. What is no cache, or not only ours to write, is an error, and
// left alone.
func (c *Cache) openFile(flag int) (*diskFile, error) {
	if err := c.checkDir(); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	// A named pipe would keep Open waiting, and a link leads to what may be
	// somebody else's to write.
	info, err := os.Lstat(c.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if err := private(info); err != nil {
		return nil, fmt.Errorf("it %w", err)
	}
	file, err := os.OpenFile(c.name, flag, 0)
	if err != nil {
		return nil, err
	}
	f, err := c.readHeader(file)
	if f == nil || err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// checkDir returns an error if others may put files into the directory.
func (c *Cache) checkDir() error {
	info, err := os.Stat(filepath.Dir(c.name))
	if err != nil {
		return err
	}
	if err := private(info); err != nil {
		return fmt.Errorf("its directory %w", err)
	}
	return nil
}

// errForeign means that a file is no cache: it may be of value to somebody.
var errForeign = errors.New("not a verdict cache; remove it if it is not needed")

func (c *Cache) readHeader(file *os.File) (*diskFile, error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return nil, err
	}
	f := &diskFile{File: file, size: info.Size()}
	n, err := file.ReadAt(f.header[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if have := f.header[:min(n, len(magic))]; string(have) != magic[:len(have)] {
		return nil, errForeign
	}
	f.fits = f.header.fits(c.key, c.width) && f.size < c.limit
	return f, nil
}

// What scan says of the rest of a file.
var (
	errCut     = errors.New("the last block is not whole")
	errGarbled = errors.New("garbled")
)

// scan takes in the blocks of the file from where it was read to. The error
// says what is wrong with the rest. The caller holds mu, or is the only one to
// know of the cache.
func (c *Cache) scan() error {
	info, err := c.file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	more := size - c.end
	if more == 0 {
		return nil
	}
	if more < 0 {
		return errCut
	}
	if more > worthCounting {
		c.entries.expect(c.entries.used + c.count(size))
	}
	r := bufio.NewReaderSize(io.NewSectionReader(c.file, c.end, more), int(min(more, 1<<20)))
	buf := make([]byte, headSize+maxPayload)
	b := new(block)
	for c.end < size {
		if size-c.end < headSize {
			return errCut
		}
		if _, err := io.ReadFull(r, buf[:headSize]); err != nil {
			return err
		}
		h := parseHead(buf)
		length := int64(headSize) + int64(h.length)
		if h.kind != 0 && length > size-c.end {
			return errCut
		}
		if _, err := io.ReadFull(r, buf[headSize:length]); err != nil {
			return err
		}
		b.payload = buf[headSize:length]
		if h.kind == 0 || len(c.extents) >= maxExtents || !intact(buf[:length], c.header.sum()) || !c.take(h, b, c.blockHash(buf[:length])) {
			return fmt.Errorf("%w after %d bytes", errGarbled, c.end)
		}
		c.end += length
	}
	return nil
}

// worthCounting is from how many bytes on the index is made large enough before
// it is filled.
const worthCounting = 1 << 20

// count returns about how many entries the rest of the file has. The heads of
// blocks are believed.
func (c *Cache) count(size int64) (entries int) {
	var buf [headSize]byte
	for at := c.end; at < size; {
		if _, err := c.file.ReadAt(buf[:], at); err != nil {
			break
		}
		h := parseHead(buf[:])
		if h.kind == kindEntry {
			entries += min(int(h.count), int(h.length)/c.width)
		} else if h.kind == 0 {
			break
		}
		at += headSize + int64(h.length)
	}
	return entries
}

// take takes in a block of the file, which begins at c.end and has the given
// hash. It takes nothing
// and reports false if the records are not what they must be.
func (c *Cache) take(h head, b *block, hash uint64) bool {
	if h.kind == kindRange {
		n := uint32(0)
		if len(b.payload) == numberSize {
			n = binary.LittleEndian.Uint32(b.payload)
		}
		if h.count != 1 || n < c.ranges || n >= maxRanges {
			return false
		}
		c.ranges = n + 1
		return true
	}
	width := c.keyWidth(h.kind)
	if !b.parse(int(h.count), width) || h.kind == kindString && !c.newNumbers(b) {
		return false
	}
	n := uint32(len(c.extents))
	c.extents = append(c.extents, extent{head: h, offset: c.end, hash: hash})
	for i := range b.ends {
		key, value := b.record(i, width)
		if h.kind == kindString {
			c.indexString(c.hash(value), binary.LittleEndian.Uint32(key), locate(n, i))
		} else if hash := c.hash(key); c.isPending(hash, key) {
			c.dead++ // what was added here is written after it
		} else {
			c.indexEntry(hash, key, locate(n, i))
		}
	}
	return true
}

// isPending reports whether the value of an id is in no file yet.
func (c *Cache) isPending(hash uint64, id []byte) (pending bool) {
	if len(c.pending) == 0 {
		return false
	}
	c.entries.find(hash, func(at location) bool {
		key, _ := c.record(at, c.width)
		pending = string(key) == string(id) && c.extents[at.extent()].pending != nil
		return pending
	})
	return pending
}

// newNumbers reports whether the numbers of a block of strings differ, are from
// reserved ranges, and have not been given before.
func (c *Cache) newNumbers(b *block) bool {
	numbers := make([]uint32, len(b.ends))
	for i := range b.ends {
		key, _ := b.record(i, numberSize)
		n := binary.LittleEndian.Uint32(key)
		if n/rangeSize == 0 || n/rangeSize >= c.ranges || c.place(n) != 0 {
			return false
		}
		numbers[i] = n
	}
	slices.Sort(numbers)
	return len(slices.Compact(numbers)) == len(b.ends)
}

// record returns the record at a place, nothing if it cannot be read. The
// caller holds mu.
func (c *Cache) record(at location, width int) (key, value []byte) {
	b := c.load(at.extent())
	if b == nil || at.record() >= len(b.ends) {
		return nil, nil
	}
	return b.record(at.record(), width)
}

// load returns a block from memory or the file, nil if it is not there as it
// was. The caller holds mu.
func (c *Cache) load(n uint32) *block {
	e := &c.extents[n]
	if e.pending != nil {
		return e.pending
	}
	s := &c.loaded[n%uint32(len(c.loaded))]
	if b := s.numbered.Load(); b != nil && b.number == n {
		return b.block
	}
	s.Lock()
	defer s.Unlock()
	if b := s.numbered.Load(); b != nil && b.number == n {
		return b.block
	}
	if e.offset == 0 || c.file == nil {
		return nil
	}
	buf := make([]byte, headSize+int(e.length))
	if _, err := c.file.ReadAt(buf, e.offset); err != nil {
		return nil
	}
	if c.blockHash(buf) != e.hash {
		return nil
	}
	b := &block{payload: buf[headSize:]}
	if !b.parse(int(e.count), c.keyWidth(e.kind)) {
		return nil
	}
	s.numbered.Store(&numbered{n, b})
	return b
}

// blockHash returns what a block is known by that was found to be good: in a
// tenth of the time that its sum takes, and no worse, for the seed is nobody's
// to know.
func (c *Cache) blockHash(b []byte) uint64 { return maphash.Bytes(c.seed, b[sumSize:]) }

// keyWidth returns how long keys are in blocks of a kind.
func (c *Cache) keyWidth(kind byte) int {
	if kind == kindEntry {
		return c.width
	}
	return numberSize
}
