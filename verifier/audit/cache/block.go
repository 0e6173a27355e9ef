package cache

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// The sizes of the format, which the package comment describes.
const (
	magic      = "gitseal verdicts"
	magicSize  = 16
	version    = 1
	sumSize    = 16
	nonceSize  = 16
	headerSize = magicSize + 4 + 4 + nonceSize + sha256.Size + sumSize
	headSize   = sumSize + 4 + 2 + 1 + 1
	numberSize = 4

	maxWidth   = 32      // of an object id
	maxPayload = 1 << 16 // of a block
	maxRecords = 1 << 10 // of a block
	maxValue   = 1 << 15 // so that a block has room for at least one
)

// The kinds of blocks.
const (
	kindEntry  = 'e'
	kindString = 's'
	kindRange  = 'r'
)

// A header is the beginning of a file. Files with equal headers are one.
type header [headerSize]byte

func newHeader(key [32]byte, width int) (h header) {
	b := h.begin(width)
	nonce := b[len(b) : len(b)+nonceSize]
	rand.Read(nonce) // never fails
	b = append(b[:len(b)+nonceSize], key[:]...)
	sum := sha256.Sum256(b)
	copy(h.sum(), sum[:])
	return h
}

// begin writes and returns what comes before the nonce.
func (h *header) begin(width int) []byte {
	b := append(h[:0], magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	return binary.LittleEndian.AppendUint32(b, uint32(width))
}

// fits reports whether a file with this header has values under key.
func (h *header) fits(key [32]byte, width int) bool {
	var want header
	begin := want.begin(width)
	sum := sha256.Sum256(h[:headerSize-sumSize])
	return bytes.HasPrefix(h[:], begin) && bytes.Equal(h[len(begin)+nonceSize:headerSize-sumSize], key[:]) &&
		bytes.Equal(h.sum(), sum[:sumSize])
}

// sum returns the header's sum, which those of blocks begin with: a block is
// of no use in another file.
func (h *header) sum() []byte { return h[headerSize-sumSize:] }

// A head is what comes before the records of a block.
type head struct {
	length uint32 // of the records, in bytes
	count  uint16 // of the records
	kind   byte
}

// parseHead returns the head of a block, zero if it is none.
func parseHead(b []byte) head {
	h := head{binary.LittleEndian.Uint32(b[sumSize:]), binary.LittleEndian.Uint16(b[sumSize+4:]), b[sumSize+6]}
	known := h.kind == kindEntry || h.kind == kindString || h.kind == kindRange
	if !known || h.length == 0 || h.length > maxPayload || h.count == 0 || h.count > maxRecords || b[sumSize+7] != 0 {
		return head{}
	}
	return h
}

// appendBlock appends a block of a file whose header has the given sum.
func appendBlock(b, sum []byte, kind byte, count int, payload []byte) []byte {
	start := len(b)
	b = append(b, sum...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint16(b, uint16(count))
	b = append(b, kind, 0)
	b = append(b, payload...)
	own := sha256.Sum256(b[start:])
	copy(b[start:], own[:sumSize])
	return b
}

// intact reports whether a block is one of the file whose header has the given
// sum, in whose place it puts its own.
func intact(b, sum []byte) bool {
	own := [sumSize]byte(b)
	copy(b, sum)
	want := sha256.Sum256(b)
	return own == [sumSize]byte(want[:])
}

// An extent is where a block is.
type extent struct {
	head           // but for the kind, zero while it is in no file
	pending *block // while it is in no file
	offset  int64  // in the file; 0: nowhere
	hash    uint64 // of what is there, but for the sum
}

// A location is the place of a record: the number of its extent, and its own
// in the block. It has locationBits.
type location uint32

const (
	recordBits   = 10
	locationBits = 30
	// maxExtents is how many blocks of a file are read: there is room for more
	// than can be pending beside them.
	maxExtents = 1<<(locationBits-recordBits) - 1<<10
)

func locate(extent uint32, record int) location {
	return location(extent<<recordBits | uint32(record))
}

func (at location) extent() uint32 { return uint32(at >> recordBits) }
func (at location) record() int    { return int(at & (maxRecords - 1)) }

// number returns the number of a string or a range as a key.
func number(n uint32) (b [numberSize]byte) {
	binary.LittleEndian.PutUint32(b[:], n)
	return b
}

// A block is the records of a block. Those that are there do not change.
type block struct {
	payload []byte
	ends    []uint32 // of the records
}

// room reports whether there is room for another record.
func (b *block) room(size int) bool {
	return len(b.ends) < maxRecords && len(b.payload)+size+binary.MaxVarintLen32 <= maxPayload
}

func (b *block) add(key, value []byte) {
	b.payload = append(b.payload, key...)
	b.payload = binary.AppendUvarint(b.payload, uint64(len(value)))
	b.payload = append(b.payload, value...)
	b.ends = append(b.ends, uint32(len(b.payload)))
}

// record returns a record whose key has the given width.
func (b *block) record(i, width int) (key, value []byte) {
	start := uint32(0)
	if i > 0 {
		start = b.ends[i-1]
	}
	r := b.payload[start:b.ends[i]:b.ends[i]]
	_, n := binary.Uvarint(r[width:])
	return r[:width:width], r[width+n:]
}

// parse finds the records in the payload, whose keys have the given width. It
// reports false unless they are count, and nothing else.
func (b *block) parse(count, width int) bool {
	b.ends = b.ends[:0]
	if cap(b.ends) < count {
		b.ends = make([]uint32, 0, count)
	}
	for rest := b.payload; len(b.ends) < count; {
		if len(rest) < width {
			return false
		}
		length, n := binary.Uvarint(rest[width:])
		if n <= 0 || n > 1 && rest[width+n-1] == 0 || length > maxValue || int(length) > len(rest)-width-n {
			return false
		}
		rest = rest[width+n+int(length):]
		b.ends = append(b.ends, uint32(len(b.payload)-len(rest)))
	}
	return int(b.ends[count-1]) == len(b.payload)
}
