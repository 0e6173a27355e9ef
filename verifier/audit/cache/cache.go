// Package cache keeps what an audit found out about objects, so that the next
// one need not find it out again: small values by object id, one file for each
// repository.
//
// Everything in a file was found under one Key, the digest of all that values
// depend on beside the object. A file of another key is begun anew, as is one
// of another object format or version, and one that has grown over the limit.
// Where a file was cut off or garbled, what comes before is used. A value is
// found as it was added or not at all, whatever happened to the file, and no
// state of it is an error that an audit must stop for. What others could have
// written is not read: whoever writes the file decides what is valid.
//
// Any number of processes may use one file at once. They append under a lock;
// the first of them to begin the file anew keeps it, and the others save no
// more.
//
// # Format
//
// Numbers are little-endian. The file is a header and blocks:
//
//	magic    16 bytes   "gitseal verdicts"
//	version   4 bytes   1
//	width     4 bytes   of an object id: 20 or 32
//	nonce    16 bytes   random, anew with each file
//	key      32 bytes
//	sum      16 bytes   of SHA-256 over the above
//
// and a block is
//
//	sum      16 bytes   of SHA-256 over the sum of the header and the rest
//	length    4 bytes   of the records, 1 to 65536
//	count     2 bytes   of the records, 1 to 1024
//	kind      1 byte    'e', 's' or 'r'
//	zero      1 byte
//	records   an entry: its id, the length of the value as a minimal varint, the value
//	          a string: its number in 4 bytes, its length likewise, the string
//	          a range: its number in 4 bytes
//
// A later entry of an id replaces an earlier one. Strings are numbered in
// ranges of 256, each reserved by one process under the lock, so that numbers
// which two processes give out at once differ. A number is given once in a
// file, and with the nonce never again: no process appends to a file that it
// did not number the strings of its values for.
//
// The sum is cryptographic since parts of values are chosen by whoever made
// the objects, and a CRC is easily made to fit. It costs half a millisecond
// for a megabyte. Against those who may write the file it is no help, nor is
// it meant to be.
package cache

import (
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"sync"
	"sync/atomic"
)

// A Config says which file to use, and for what. Everything without a comment
// on its zero value is required.
type Config struct {
	File   string   // made with its directory when something is saved; File + ".lock" and File + ".new" are used too
	Key    [32]byte // the digest of all that values depend on beside the object; zero is a key like others
	Format string   // of the object ids: "sha1" or "sha256"
	Limit  int64    // in bytes: a file as large is added nothing to, and begun anew by the next Cache; 0: 4 GiB, which is also the most
}

const maxLimit = 4 << 30

// A Cache is an open file of values. Lookup, String and Len may be called by
// any number of goroutines; Add, Intern, Save and Close wait for each other.
type Cache struct {
	name  string
	key   [32]byte
	width int // of an object id, in bytes
	limit int64
	seed  maphash.Seed // of all hashes, some of which are made before mu is taken

	writing sync.Mutex // taken before mu
	err     error      // guarded by writing: why nothing is kept any more
	full    bool       // guarded by writing: the file has reached the limit
	pending []uint32   // guarded by writing: the extents that are in no file yet
	entry   uint32     // guarded by writing: which of them entries go to; 0: none yet
	string  uint32     // guarded by writing: likewise for strings
	waiting int        // guarded by writing: the bytes of their records
	next    uint32     // guarded by writing: the number of the next string, from last on to be reserved
	last    uint32     // guarded by writing

	mu      sync.RWMutex // guards what follows; values and blocks in memory never change
	file    *os.File     // nil: none
	header  header       // of the file that values are of; zero: none yet
	end     int64        // of the blocks that were read or written
	extents []extent     // the first is none
	entries index        // entries by id
	strings index        // strings by content
	numbers map[uint32]*[rangeSize]location
	ranges  uint32 // the next range to reserve
	dead    int    // entries that later ones replaced

	loaded [64]slot                  // blocks of the file, by number modulo 64
	recent [1024]atomic.Pointer[one] // strings, by number modulo 1024
}

// A slot holds one block. Its lock is held while one is loaded.
type slot struct {
	sync.Mutex
	numbered atomic.Pointer[numbered]
}

type numbered struct {
	number uint32
	*block
}

// Open opens a cache. It reads the whole file, if there is one, and makes
// none. With an error, which says why a file is not used as it is, comes a
// Cache nonetheless: it has what comes before damage, or nothing. Save says
// whether it can be written.
func Open(cfg Config) (*Cache, error) {
	c := &Cache{name: cfg.File, key: cfg.Key, limit: cfg.Limit}
	if c.limit <= 0 || c.limit > maxLimit {
		c.limit = maxLimit
	}
	switch cfg.Format {
	case "sha1":
		c.width = 20
	case "sha256":
		c.width = 32
	}
	c.seed = maphash.MakeSeed() // ids are chosen by whoever makes the objects
	c.reset()
	if c.width == 0 || c.name == "" {
		c.err = fmt.Errorf("opening verdict cache: no file, or unknown object format %q", cfg.Format)
		return c, c.err
	}
	f, err := c.openFile(os.O_RDONLY)
	if err == nil && f != nil && f.fits {
		c.file, c.header = f.File, f.header
		if err = c.scan(); errors.Is(err, errCut) {
			err = nil // an audit that was killed while it wrote, or one that writes now
		}
	} else if f != nil {
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return c, fmt.Errorf("opening verdict cache %s: %w", c.name, err)
	}
	return c, nil
}

// reset makes the cache one of nothing.
func (c *Cache) reset() {
	c.entries, c.strings = index{}, index{}
	c.header, c.end, c.dead, c.extents = header{}, headerSize, 0, make([]extent, 1)
	c.pending, c.entry, c.string, c.waiting = nil, 0, 0, 0
	c.numbers, c.ranges = make(map[uint32]*[rangeSize]location), 1
	for i := range c.loaded {
		c.loaded[i].numbered.Store(nil)
	}
}

// Len returns how many objects there are values of.
func (c *Cache) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries.used
}

// Lookup returns the value that was added last for an object id, in lower-case
// hexadecimal. The value must not be changed, and is best not held for long: it
// holds some 64 KiB. What was found once need not be found again: the file may
// have become unreadable.
func (c *Cache) Lookup(oid string) (value []byte, ok bool) {
	var buf [maxWidth]byte
	id, ok := c.id(buf[:0], oid)
	if !ok {
		return nil, false
	}
	hash := c.hash(id)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.find(hash, id)
}

// find returns the value of an id. The caller holds mu.
func (c *Cache) find(hash uint64, id []byte) (value []byte, ok bool) {
	c.entries.find(hash, func(at location) bool {
		key, v := c.record(at, c.width)
		if ok = string(key) == string(id); ok {
			value = v
		}
		return ok
	})
	return value, ok
}

// Add keeps a value for an object id, in place of any other. It is written
// with the next Save, or when there is much of it. An id that is none, and a
// value of more than 32 KiB, are not kept.
func (c *Cache) Add(oid string, value []byte) {
	var buf [maxWidth]byte
	id, ok := c.id(buf[:0], oid)
	if !ok || len(value) > maxValue {
		return
	}
	hash := c.hash(id)
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.err != nil || c.full {
		return
	}
	// Only who holds writing changes what mu guards.
	if v, ok := c.find(hash, id); ok && string(v) == string(value) {
		return
	}
	c.mu.Lock()
	at := c.append(&c.entry, kindEntry, id, value)
	c.indexEntry(hash, id, at)
	c.mu.Unlock()
	if c.waiting >= maxPending {
		_ = c.flush(false) // Save says why it failed
	}
}

// indexEntry makes at the place of an id. The caller holds mu.
func (c *Cache) indexEntry(hash uint64, id []byte, at location) {
	replaced := c.entries.put(hash, at, func(at location) bool {
		key, _ := c.record(at, c.width)
		return string(key) == string(id)
	})
	if replaced {
		c.dead++
	}
}

// append adds a record to the pending extent *n, or to a new one if that has
// no room. The caller holds writing and mu.
func (c *Cache) append(n *uint32, kind byte, key, value []byte) location {
	if *n == 0 || !c.extents[*n].pending.room(len(key)+len(value)) {
		*n = uint32(len(c.extents))
		c.extents = append(c.extents, extent{head: head{kind: kind}, pending: new(block)})
		c.pending = append(c.pending, *n)
	}
	b := c.extents[*n].pending
	b.add(key, value)
	c.waiting += len(key) + len(value)
	return locate(*n, len(b.ends)-1)
}

func (c *Cache) hash(key []byte) uint64 { return maphash.Bytes(c.seed, key) }

// id appends an object id in binary to b.
func (c *Cache) id(b []byte, oid string) ([]byte, bool) {
	if c.width == 0 || len(oid) != 2*c.width {
		return nil, false
	}
	for i := 0; i < len(oid); i += 2 {
		high, low := nibbles[oid[i]], nibbles[oid[i+1]]
		if high == 0 || low == 0 {
			return nil, false
		}
		b = append(b, (high-1)<<4|(low-1))
	}
	return b, true
}

// nibbles are the values of lower-case hexadecimal digits plus one, and 0 for
// what is none.
var nibbles = [256]byte{
	'0': 1, '1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8, '8': 9, '9': 10,
	'a': 11, 'b': 12, 'c': 13, 'd': 14, 'e': 15, 'f': 16,
}
