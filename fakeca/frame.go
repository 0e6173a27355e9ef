package fakeca

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// The entries of a log are one file of frames, one after another:
//
//	magic   "gse1"
//	index   uint64 of the entry
//	durable uint64, see frame
//	length  uint32 of the entry, 1 to maxEntry
//	entry
//	check   uint32, CRC-32C of all of the above
//
// with numbers in big-endian order. Neither zeros nor a frame moved to another
// place in the file pass for a frame.
const (
	frameMagic  = "gse1"
	frameHeader = 4 + 8 + 8 + 4
	frameCheck  = 4
	maxFrame    = frameHeader + maxEntry + frameCheck

	// maxEntry is what the 16-bit length in a C2SP tlog-tiles entry bundle can
	// say.
	maxEntry = 1<<16 - 1
)

// A frame is one entry as stored. Durable says how many entries of the log had
// been synced when this one was written: those can have been released, so none
// of them may ever be missing from a file that holds this frame.
type frame struct {
	index, durable int64
	entry          []byte
}

// errNoFrame says that the bytes at hand are not a whole frame.
var errNoFrame = errors.New("not a frame")

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// size returns how many bytes the frame takes in the file.
func (f frame) size() int64 { return int64(frameHeader + len(f.entry) + frameCheck) }

// append appends the frame to dst.
func (f frame) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, frameMagic...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.index))
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.durable))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.entry)))
	dst = append(dst, f.entry...)
	return binary.BigEndian.AppendUint32(dst, castagnoli(dst[start:]))
}

// parseFrame reads the frame that b begins with. The entry is a part of b.
func parseFrame(b []byte) (frame, error) {
	if len(b) < frameHeader+frameCheck || string(b[:4]) != frameMagic {
		return frame{}, errNoFrame
	}
	f := frame{
		index:   int64(binary.BigEndian.Uint64(b[4:])),
		durable: int64(binary.BigEndian.Uint64(b[12:])),
	}
	length := int(binary.BigEndian.Uint32(b[20:]))
	if length < 1 || length > maxEntry || len(b) < frameHeader+length+frameCheck {
		return frame{}, errNoFrame
	}
	body := b[:frameHeader+length]
	if binary.BigEndian.Uint32(b[len(body):]) != castagnoli(body) {
		return frame{}, errNoFrame
	}
	if f.durable < 0 || f.index < f.durable {
		return frame{}, errNoFrame
	}
	f.entry = body[frameHeader:]
	return f, nil
}

// A frameReader reads the frames of a file from an offset on.
type frameReader struct{ r *bufio.Reader }

func newFrameReader(f io.ReaderAt, start, end int64) *frameReader {
	return &frameReader{bufio.NewReaderSize(io.NewSectionReader(f, start, end-start), 2*maxFrame)}
}

// peek returns the next bytes, as many as a frame can take or the file has.
func (r *frameReader) peek() ([]byte, error) {
	b, err := r.r.Peek(maxFrame)
	if err == io.EOF {
		err = nil
	}
	return b, err
}

// next returns the next frame, which is valid until the next call, or
// errNoFrame, and then stays where it is.
func (r *frameReader) next() (frame, error) {
	b, err := r.peek()
	if err != nil {
		return frame{}, err
	}
	f, err := parseFrame(b)
	if err != nil {
		return frame{}, err
	}
	_, err = r.r.Discard(int(f.size()))
	return f, err
}

// claims reports whether some frame in the rest of the file, at whatever
// offset, says that the entry with the index was durable.
func (r *frameReader) claims(index int64) (bool, error) {
	for {
		b, err := r.peek()
		if err != nil || len(b) == 0 {
			return false, err
		}
		skip := bytes.Index(b, []byte(frameMagic))
		switch {
		case skip == 0:
			if f, err := parseFrame(b); err == nil && f.durable > index {
				return true, nil
			}
			skip = 1
		case skip < 0:
			skip = max(1, len(b)-len(frameMagic)+1)
		}
		if _, err := r.r.Discard(skip); err != nil {
			return false, err
		}
	}
}
