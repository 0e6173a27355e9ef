package tlog

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// A field is one field of a message in protocol buffers.
type field struct {
	num    protowire.Number
	typ    protowire.Type
	varint uint64 // if typ is VarintType
	value  []byte // if typ is BytesType
}

var errUnknown = errors.New("unknown field")

// eachField calls do with each field of the message. Only the wire types of
// log entries are known: varint and bytes.
func eachField(message []byte, do func(field) error) error {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		f := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			f.value, n = protowire.ConsumeBytes(message)
		default:
			return fmt.Errorf("field %d: unexpected wire type %d", num, typ)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", num, protowire.ParseError(n))
		}
		message = message[n:]
		if err := do(f); err != nil {
			return fmt.Errorf("field %d: %w", num, err)
		}
	}
	return nil
}

// checkType checks the wire type.
func (f field) checkType(want protowire.Type) error {
	if f.typ != want {
		return fmt.Errorf("wire type %d, not %d", f.typ, want)
	}
	return nil
}

// message calls do with each field of the message that is the value of f.
func (f field) message(do func(field) error) error {
	if err := f.checkType(protowire.BytesType); err != nil {
		return err
	}
	return eachField(f.value, do)
}

// bytes returns a copy of the value.
func (f field) bytes(limit int) ([]byte, error) {
	if err := f.checkType(protowire.BytesType); err != nil {
		return nil, err
	}
	if len(f.value) > limit {
		return nil, fmt.Errorf("longer than %d bytes", limit)
	}
	return append([]byte(nil), f.value...), nil
}

func (f field) string() (string, error) {
	if err := f.checkType(protowire.BytesType); err != nil {
		return "", err
	}
	if len(f.value) > maxString {
		return "", fmt.Errorf("longer than %d bytes", maxString)
	}
	if !utf8.Valid(f.value) {
		return "", errors.New("not UTF-8")
	}
	return string(f.value), nil
}

func (f field) hash() (Hash, error) {
	if err := f.checkType(protowire.BytesType); err != nil {
		return Hash{}, err
	}
	if len(f.value) != len(Hash{}) {
		return Hash{}, fmt.Errorf("hash of %d bytes", len(f.value))
	}
	return Hash(f.value), nil
}

// int returns an int64 that must not be negative.
func (f field) int() (int64, error) {
	if err := f.checkType(protowire.VarintType); err != nil {
		return 0, err
	}
	if f.varint > math.MaxInt64 {
		return 0, errors.New("negative number")
	}
	return int64(f.varint), nil
}

// The functions below leave out zero values, as proto3 does.

func appendInt(b []byte, num protowire.Number, n int64) []byte {
	if n == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(n))
}

func appendBytes[T []byte | string](b []byte, num protowire.Number, value T) []byte {
	if len(value) == 0 {
		return b
	}
	return append(appendHeader(b, num, len(value)), value...)
}

// appendHeader begins a field of that many bytes.
func appendHeader(b []byte, num protowire.Number, size int) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(size))
}

func sizeInt(num protowire.Number, n int64) int {
	if n == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeVarint(uint64(n))
}

func sizeBytes(num protowire.Number, size int) int {
	if size == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeBytes(size)
}
