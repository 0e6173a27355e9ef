package openpgp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"gitseal/verifier"
)

// The types of packets that are told apart: RFC 9580, section 5.
const (
	tagSignature     = 2
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagMarker        = 10
	tagTrust         = 12
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
	tagPadding       = 21
)

// tagPrivate is the first of the types that may be passed over by who does
// not know them.
const tagPrivate = 40

// A packet is one packet. It shares memory with what it was read from.
type packet struct {
	tag  byte
	body []byte
}

// nextPacket reads the packet that data begins with: RFC 9580, section 4.2.
// Lengths that are not told in advance are refused, for nothing that is read
// here may have them.
func nextPacket(data []byte) (p packet, rest []byte, err error) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return p, nil, errors.New("no packet begins here")
	}
	var n uint64
	if data[0]&0x40 == 0 {
		size := data[0] & 3
		if size == 3 {
			return p, nil, errors.New("packet without a length")
		}
		p.tag = data[0] >> 2 & 0x0f
		n, rest, err = number(data[1:], 1<<size)
	} else {
		if data[1] >= 224 && data[1] < 255 {
			return p, nil, errors.New("packet in parts")
		}
		p.tag = data[0] & 0x3f
		n, rest, err = length(data[1:])
	}
	if err != nil {
		return p, nil, err
	}
	if n > uint64(len(rest)) {
		return p, nil, fmt.Errorf("packet of type %d is cut off", p.tag)
	}
	p.body = rest[:n]
	return p, rest[n:], nil
}

// length reads a length of one, two or five octets: RFC 9580, sections 4.2.1
// and 5.2.3.7.
func length(data []byte) (n uint64, rest []byte, err error) {
	switch {
	case len(data) > 0 && data[0] < 192:
		return uint64(data[0]), data[1:], nil
	case len(data) > 1 && data[0] < 255:
		return uint64(data[0]-192)<<8 + uint64(data[1]) + 192, data[2:], nil
	case len(data) > 0 && data[0] == 255:
		return number(data[1:], 4)
	}
	return 0, nil, errCutOff
}

var errCutOff = errors.New("cut off")

// number reads an unsigned number of size octets.
func number(data []byte, size int) (n uint64, rest []byte, err error) {
	if len(data) < size {
		return 0, nil, errCutOff
	}
	for _, b := range data[:size] {
		n = n<<8 | uint64(b)
	}
	return n, data[size:], nil
}

// take returns the first n bytes of data, and the rest.
func take(data []byte, n uint64) (head, rest []byte, err error) {
	if n > uint64(len(data)) {
		return nil, nil, errCutOff
	}
	return data[:n], data[n:], nil
}

// maxMPI bounds multiprecision integers, in bits: those of the largest RSA
// keys that gpg can be made to make.
const maxMPI = 16384

// mpi reads a multiprecision integer (RFC 9580, section 3.2), without its
// length. canonical is false where that counts leading zeros. whole is true
// where it counts those that fill up the first bytes: GitHub writes RSA
// signatures so, always as long as the key.
func mpi(data []byte) (value, rest []byte, canonical, whole bool, err error) {
	if len(data) < 2 {
		return nil, nil, false, false, errCutOff
	}
	bits := int(binary.BigEndian.Uint16(data))
	if bits > maxMPI {
		return nil, nil, false, false, fmt.Errorf("number of %d bits", bits)
	}
	value, rest, err = take(data[2:], uint64(bits+7)/8)
	if err != nil {
		return nil, nil, false, false, err
	}
	return value, rest, bitLen(value) == bits, 8*len(value) == bits, nil
}

// bitLen returns the length of a number in bits, without leading zeros in its
// first byte.
func bitLen(value []byte) int {
	if len(value) == 0 {
		return 0
	}
	n := 8 * len(value)
	for mask := byte(0x80); mask != 0 && value[0]&mask == 0; mask >>= 1 {
		n--
	}
	return n
}

// A classError gives an error the class it leads to.
type classError struct {
	class verifier.Class
	err   error
}

func (e *classError) Error() string { return e.err.Error() }
func (e *classError) Unwrap() error { return e.err }

// unsupported returns an error about what may be sound, and is not known here.
func unsupported(format string, args ...any) error {
	return &classError{verifier.UnsupportedSignature, fmt.Errorf(format, args...)}
}

// classOf returns the class that err carries, or usual.
func classOf(err error, usual verifier.Class) verifier.Class {
	if ce := (*classError)(nil); errors.As(err, &ce) {
		return ce.class
	}
	return usual
}
