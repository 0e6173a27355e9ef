package cms

import (
	"errors"
	"fmt"
)

// maxDepth bounds the nesting that FromBER follows. SignedData with a
// time-stamp token inside nests about 20 deep.
const maxDepth = 40

// IsIndefinite reports whether data begins like a BER SEQUENCE of indefinite
// length, the form in which gpgsm writes its signatures.
func IsIndefinite(data []byte) bool {
	return len(data) >= 2 && data[0] == 0x30 && data[1] == 0x80
}

// FromBER rewrites elements of indefinite length (X.690, section 8.1.3.6)
// into definite ones, which RFC 5652 allows outside the signed parts. It
// changes nothing else: lengths that are definite but not minimal stay, for
// Parse to refuse. Strings in constructed form are not joined, so Parse
// refuses them too.
func FromBER(data []byte) ([]byte, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("reading BER: %d bytes, more than the limit of %d", len(data), MaxSize)
	}
	out, rest, err := definite(data, 0)
	if err != nil {
		return nil, fmt.Errorf("reading BER: %w", err)
	}
	return append(out, rest...), nil
}

// definite rewrites the first element of data and returns what follows it.
func definite(data []byte, depth int) (out, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, errors.New("nested too deep")
	}
	if len(data) < 2 || data[0]&0x1f == 0x1f {
		return nil, nil, errors.New("truncated element or long tag")
	}
	tag, length, header := data[0], int(data[1]), 2
	switch {
	case length < 0x80:
	case length == 0x80:
		if tag&0x20 == 0 {
			return nil, nil, errors.New("indefinite length of a primitive element")
		}
		return indefinite(tag, data[2:], depth)
	default:
		n := length & 0x7f
		if n > 4 || len(data) < 2+n {
			return nil, nil, errors.New("bad length")
		}
		length, header = 0, 2+n
		for _, b := range data[2 : 2+n] {
			length = length<<8 | int(b)
		}
	}
	if length < 0 || length > len(data)-header {
		return nil, nil, errors.New("element longer than its container")
	}
	// An element of definite length may still hold indefinite ones, but in
	// what gpgsm writes it does not: its certificates and SignerInfo are DER.
	end := header + length
	return data[:end:end], data[end:], nil
}

func indefinite(tag byte, data []byte, depth int) (out, rest []byte, err error) {
	var body []byte
	for {
		if len(data) >= 2 && data[0] == 0 && data[1] == 0 {
			return append(appendLength([]byte{tag}, len(body)), body...), data[2:], nil
		}
		var element []byte
		if element, data, err = definite(data, depth+1); err != nil {
			return nil, nil, err
		}
		body = append(body, element...)
	}
}

// appendLength appends a definite length in its shortest form.
func appendLength(out []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(out, byte(n))
	case n < 1<<8:
		return append(out, 0x81, byte(n))
	case n < 1<<16:
		return append(out, 0x82, byte(n>>8), byte(n))
	}
	return append(out, 0x83, byte(n>>16), byte(n>>8), byte(n)) // MaxSize < 1<<24
}
