package gitutil

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// A hash is an object id in binary. A SHA-1 fills the first 20 bytes. The zero
// hash, which git takes for no object, is that here, too.
type hash [sha256.Size]byte

// parseOID returns the hash that an object id writes.
func (f Format) parseOID(oid string) (hash, error) {
	var h hash
	if err := f.checkOIDs(oid); err != nil {
		return h, err
	}
	_, err := hex.Decode(h[:], []byte(oid))
	return h, err
}

// oid returns the object id that a hash is written as.
func (f Format) oid(h hash) string { return hex.EncodeToString(h[:f.hexLen()/2]) }

// A mode says what a tree entry is. These are all there are: git tells files
// apart by one bit, and has known no other kinds of entries.
type mode uint32

const (
	modeTree       mode = 0o040000
	modeFile       mode = 0o100644
	modeExecutable mode = 0o100755
	modeSymlink    mode = 0o120000
	modeSubmodule  mode = 0o160000 // the id is a commit's, of another repository
)

// A version is what stands in one place of a tree. The zero value is nothing.
type version struct {
	mode mode
	hash hash
}

// An entry is a version and the name it stands under.
type entry struct {
	name string
	version
}

// parseTree parses a tree object, in git's order: by name, that of a subtree
// compared as if it ended in a slash.
//
//	*( mode SP name NUL hash )
//
// The mode is octal digits. Modes of old programs are accepted as git does: a
// leading zero, and other permissions of a file, of which the owner's right to
// execute counts.
//
// Refused is what leads some reader elsewhere: entries out of order, or two
// of one name, of which a search finds either; a name that is no name
// in a directory; ".git", which git takes out of no tree; other modes; and the
// hash of no object. Each is an error or a warning of git fsck, too.
func parseTree(data []byte, f Format) ([]entry, error) {
	size := f.hexLen() / 2
	if size == 0 {
		return nil, fmt.Errorf("unknown object format %q", f)
	}
	// One string for all names; an entry of a usual length takes 40 bytes.
	text := string(data)
	entries := make([]entry, 0, len(data)/40+1)
	for at := 0; at < len(data); {
		space := bytes.IndexByte(data[at:], ' ')
		if space < 0 {
			return nil, errors.New("ends within a mode")
		}
		mode, err := parseMode(data[at : at+space])
		if err != nil {
			return nil, err
		}
		at += space + 1
		length := bytes.IndexByte(data[at:], 0)
		if length < 0 || len(data)-at-length-1 < size {
			return nil, errors.New("ends within an entry")
		}
		e := entry{name: text[at : at+length], version: version{mode: mode}}
		at += length + 1
		copy(e.hash[:], data[at:at+size])
		at += size

		if err := e.check(); err != nil {
			return nil, err
		}
		if len(entries) > 0 && entries[len(entries)-1].compare(e) >= 0 {
			return nil, fmt.Errorf("entry %q is out of order", e.name)
		}
		if mode == modeTree { // a file of that name would be before it, not always just before
			if _, twice := find(entries, entry{name: e.name}); twice {
				return nil, fmt.Errorf("two entries are called %q", e.name)
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// parseMode parses the mode of a tree entry.
func parseMode(digits []byte) (mode, error) {
	m := mode(0)
	for _, c := range digits {
		if c < '0' || c > '7' || len(digits) > 7 {
			return 0, fmt.Errorf("bad mode %q", clipped(digits))
		}
		m = m<<3 | mode(c-'0')
	}
	switch {
	case m == modeTree, m == modeSymlink, m == modeSubmodule:
		return m, nil
	case m&^0o777 == 0o100000 && m&0o100 != 0:
		return modeExecutable, nil
	case m&^0o777 == 0o100000:
		return modeFile, nil
	}
	return 0, fmt.Errorf("bad mode %q", clipped(digits))
}

// clipped returns the beginning of bytes, for an error message.
func clipped(b []byte) []byte { return b[:min(len(b), 20)] }

// check refuses names that a directory cannot hold, and no object.
func (e entry) check() error {
	switch {
	case e.name == "", e.name == ".", e.name == "..", strings.IndexByte(e.name, '/') >= 0, strings.EqualFold(e.name, ".git"):
		return fmt.Errorf("bad name %q", e.name)
	case e.hash == hash{}:
		return fmt.Errorf("entry %q has no object", e.name)
	}
	return nil
}

// compare orders entries as git does. A file and a tree of one name differ.
func (e entry) compare(other entry) int {
	n := min(len(e.name), len(other.name))
	if c := strings.Compare(e.name[:n], other.name[:n]); c != 0 {
		return c
	}
	return int(e.byteAt(n)) - int(other.byteAt(n))
}

// byteAt returns the byte of the name at index i, which may be its length, as
// it counts for the order.
func (e entry) byteAt(i int) byte {
	switch {
	case i < len(e.name):
		return e.name[i]
	case e.mode == modeTree:
		return '/'
	}
	return 0
}

// find returns the entry of sorted ones that compares equal to the one wanted,
// whose mode only counts as being modeTree or not.
func find(entries []entry, want entry) (entry, bool) {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].compare(want) >= 0 })
	if i == len(entries) || entries[i].compare(want) != 0 {
		return entry{}, false
	}
	return entries[i], true
}
