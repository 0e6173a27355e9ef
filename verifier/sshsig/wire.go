package sshsig

import (
	"encoding/binary"
	"errors"
	"math/big"
	"strings"
)

// maxInteger bounds integers, and so RSA keys, as OpenSSH does: 16384 bits
// (SSHBUF_MAX_BIGNUM).
const maxInteger = 16384 / 8

// errTruncated says that data is shorter than it says, or not encoded in the
// one way that there is.
var errTruncated = errors.New("truncated or wrongly encoded")

// A reader takes apart the data types of RFC 4251, section 5. Once something
// is not there, bad is set and all that is read is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// bytes reads a string, which shares memory with the data.
func (r *reader) bytes() []byte { return r.take(uint64(r.uint32())) }

// text reads a string that C can hold: OpenSSH refuses others, too.
func (r *reader) text() string {
	s := string(r.bytes())
	if strings.IndexByte(s, 0) >= 0 {
		r.bad = true
		return ""
	}
	return s
}

// magnitude reads a positive mpint in its only encoding, without the byte for
// its sign.
func (r *reader) magnitude() []byte {
	b := r.bytes()
	if len(b) > 1 && b[0] == 0 && b[1] >= 0x80 {
		b = b[1:]
	} else if len(b) == 0 || b[0] == 0 || b[0] >= 0x80 {
		b = nil
	}
	if len(b) == 0 {
		r.bad = true
	}
	return b
}

// integer reads a positive mpint that is not too large to calculate with.
func (r *reader) integer() *big.Int {
	b := r.magnitude()
	if len(b) > maxInteger {
		r.bad = true
		return new(big.Int)
	}
	return new(big.Int).SetBytes(b)
}

// end reports whether all was there, and there was no more.
func (r *reader) end() error {
	if r.bad {
		return errTruncated
	}
	if len(r.rest) > 0 {
		return errors.New("trailing bytes")
	}
	return nil
}

// appendString appends a string.
func appendString[T []byte | string](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}
