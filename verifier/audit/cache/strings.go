package cache

import "encoding/binary"

// rangeSize is how many numbers of strings are reserved at a time.
const rangeSize = 1 << 8

// maxRanges is how many ranges a file has at most.
const maxRanges = 1<<32/rangeSize - 1

// A one is a string with its number.
type one struct {
	number uint32
	string string
}

// Intern returns the number of a string, for use in values of this Cache. A
// string that has none gets one, and is written before any value that is added
// later. The number is 0 if the string has more than 32 KiB, or nothing is kept
// any more: no string has that one, and a value with it is of no use.
func (c *Cache) Intern(s string) uint32 {
	if len(s) > maxValue {
		return 0
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	key := []byte(s)
	hash := c.hash(key)
	// Only who holds writing changes what mu guards.
	if n, ok := c.numberOf(hash, key); ok {
		return n
	}
	if c.next == c.last && c.err == nil && !c.full {
		_ = c.flush(true) // Save says why it failed
		// Another process may have had the same string.
		if n, ok := c.numberOf(hash, key); ok {
			return n
		}
	}
	if c.err != nil || c.full {
		return 0
	}
	n := c.next
	c.next++
	c.mu.Lock()
	defer c.mu.Unlock()
	k := number(n)
	c.indexString(hash, n, c.append(&c.string, kindString, k[:], key))
	return n
}

// String returns the string with a number, and whether there is one.
func (c *Cache) String(id uint32) (string, bool) {
	recent := &c.recent[id%uint32(len(c.recent))]
	if r := recent.Load(); r != nil && r.number == id {
		return r.string, true
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	at := c.place(id)
	if at == 0 {
		return "", false
	}
	key, value := c.record(at, numberSize)
	if k := number(id); string(key) != string(k[:]) {
		return "", false
	}
	r := &one{id, string(value)}
	recent.Store(r)
	return r.string, true
}

// numberOf returns the number of a string. The caller holds mu or writing.
func (c *Cache) numberOf(hash uint64, s []byte) (n uint32, ok bool) {
	c.strings.find(hash, func(at location) bool {
		key, value := c.record(at, numberSize)
		if ok = key != nil && string(value) == string(s); ok {
			n = binary.LittleEndian.Uint32(key)
		}
		return ok
	})
	return n, ok
}

// place returns where the string with a number is, 0 if there is none. The
// caller holds mu.
func (c *Cache) place(n uint32) location {
	if r := c.numbers[n/rangeSize]; r != nil {
		return r[n%rangeSize]
	}
	return 0
}

// indexString makes at the place of a string. One that has two numbers, from
// two processes at once, is found by either. The caller holds mu.
func (c *Cache) indexString(hash uint64, n uint32, at location) {
	r := c.numbers[n/rangeSize]
	if r == nil {
		r = new([rangeSize]location)
		c.numbers[n/rangeSize] = r
	}
	r[n%rangeSize] = at
	c.strings.put(hash, at, func(other location) bool {
		_, a := c.record(at, numberSize)
		key, b := c.record(other, numberSize)
		return key != nil && string(a) == string(b)
	})
}
