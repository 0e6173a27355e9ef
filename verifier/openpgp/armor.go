package openpgp

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxArmor bounds what stands in the place of a signature, in bytes. Real ones
// have 200 to 3,000.
const maxArmor = 1 << 20

// stamp is the armor that OpenTimestamps puts behind the signature. It is
// evidence of another kind, about the same bytes, that no program that
// verifies signatures reads.
const stamp = "OPENTIMESTAMPS GIT TIMESTAMP"

// An armored is what was found in the place of a signature.
type armored struct {
	blocks [][]byte // OpenPGP packets, at least one
	notes  []string
}

// dearmorSignature reads all armored blocks in the place of a signature. Text
// before the first means nothing and is noted. Between blocks and after the
// last only empty lines may stand: what a verifier does not read, a person
// would.
func dearmorSignature(text []byte) (*armored, error) {
	if len(text) > maxArmor {
		return nil, fmt.Errorf("reading armor: %d bytes, more than the limit of %d", len(text), maxArmor)
	}
	a := new(armored)
	start := nextBlock(text)
	if start < 0 {
		return nil, errors.New("reading armor: no BEGIN line")
	}
	if start > 0 {
		a.note(fmt.Sprintf("%d bytes of text before the armor", start))
	}
	for text = text[start:]; len(text) > 0; {
		b, rest, err := readBlock(text)
		if err != nil {
			return nil, fmt.Errorf("reading armor: %w", err)
		}
		switch {
		case b.label == "PGP SIGNATURE":
			a.blocks = append(a.blocks, b.data)
		case b.label == "PGP MESSAGE":
			a.blocks = append(a.blocks, b.data)
			a.note("the armor calls the signature a message")
		case b.label == stamp && len(a.blocks) > 0:
			a.note("an OpenTimestamps proof follows the signature; it was not read")
		default:
			return nil, fmt.Errorf("reading armor: a block of %q in the place of a signature", clip(b.label))
		}
		for len(text) > 0 && len(rest) > 0 {
			line, after := cutLine(rest)
			if len(line) > 0 {
				break
			}
			rest = after
		}
		if len(rest) > 0 && !bytes.HasPrefix(rest, armorBegin) {
			return nil, fmt.Errorf("reading armor: text after the END line: %q", clip(string(rest)))
		}
		text = rest
	}
	return a, nil
}

// note notes what is odd, once: there may be thousands of blocks.
func (a *armored) note(what string) {
	if !slices.Contains(a.notes, what) {
		a.notes = append(a.notes, what)
	}
}

// A block is one armored block: RFC 9580, section 6.2.
type block struct {
	label string // what stands after BEGIN: "PGP SIGNATURE"
	data  []byte
}

var (
	armorBegin = []byte("-----BEGIN ")
	armorEnd   = []byte("-----END ")
	armorTail  = []byte("-----")
)

// nextBlock returns the index of the first line that begins with "-----BEGIN ",
// or -1.
func nextBlock(text []byte) int {
	for at := 0; ; {
		if bytes.HasPrefix(text[at:], armorBegin) {
			return at
		}
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			return -1
		}
		at += n + 1
	}
}

// readBlock reads the block that text begins with:
//
//	-----BEGIN label-----
//	Key: value                    any number of these, ignored
//	                              an empty line
//	base64                        strict: one run, padded, spare bits zero
//	=CRC24                        may be absent; if not it must be right
//	-----END label-----
//
// White space at the end of a line does not count.
func readBlock(text []byte) (*block, []byte, error) {
	line, text := cutLine(text)
	label, ok := betweenDashes(line, armorBegin)
	if !ok {
		return nil, nil, fmt.Errorf("begins with %q", clip(string(line)))
	}
	for {
		if len(text) == 0 {
			return nil, nil, errors.New("no END line")
		}
		line, text = cutLine(text)
		if len(line) == 0 {
			break
		}
		if bytes.IndexByte(line, ':') < 1 {
			return nil, nil, fmt.Errorf("%q is no header, and no empty line stands before the data", clip(string(line)))
		}
	}

	encoded := make([]byte, 0, bodyLen(text))
	var sum []byte
	for {
		if len(text) == 0 {
			return nil, nil, errors.New("no END line")
		}
		line, text = cutLine(text)
		if bytes.HasPrefix(line, armorTail) {
			break
		}
		if sum != nil {
			return nil, nil, errors.New("data after the checksum")
		}
		if len(line) == 5 && line[0] == '=' {
			sum = line[1:]
			continue
		}
		encoded = append(encoded, line...)
	}
	if end, ok := betweenDashes(line, armorEnd); !ok || end != label {
		return nil, nil, fmt.Errorf("ends with %q, not END %s", clip(string(line)), clip(label))
	}
	data, err := decode(encoded, sum)
	if err != nil {
		return nil, nil, err
	}
	return &block{label, data}, text, nil
}

// bodyLen returns a bound for the base64 at the beginning of text, so that the
// blocks of a large file do not each get room for all of it.
func bodyLen(text []byte) int {
	if n := bytes.Index(text, armorEnd); n >= 0 {
		return n
	}
	return 0
}

// decode returns the bytes of strict base64, checked against sum, the base64
// of a CRC-24, unless that is nil.
func decode(encoded, sum []byte) ([]byte, error) {
	// The decoder skips CR and LF; cutLine has taken those that end lines.
	if bytes.IndexByte(encoded, '\r') >= 0 {
		return nil, errors.New("carriage return inside a line")
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Strict().Decode(data, encoded)
	if err != nil {
		return nil, err
	}
	data = data[:n]
	if sum == nil {
		return data, nil
	}
	want, err := base64.StdEncoding.Strict().DecodeString(string(sum))
	if err != nil {
		return nil, fmt.Errorf("checksum: %w", err)
	}
	crc := crc24(data)
	if got := []byte{byte(crc >> 16), byte(crc >> 8), byte(crc)}; !bytes.Equal(got, want) {
		return nil, fmt.Errorf("checksum is %x, and that of the data is %x", want, got)
	}
	return data, nil
}

// betweenDashes returns what stands between prefix and the closing dashes.
func betweenDashes(line, prefix []byte) (string, bool) {
	rest, ok := bytes.CutPrefix(line, prefix)
	if !ok {
		return "", false
	}
	label, ok := bytes.CutSuffix(rest, armorTail)
	return string(label), ok && len(label) > 0
}

// cutLine returns the first line of text, without its end and the white space
// before that, and the rest.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte("\n"))
	return bytes.TrimRight(line, " \t\r"), rest
}

// clip bounds what a message repeats of untrusted input.
func clip(s string) string { return s[:min(len(s), 60)] }

// crcTables are by a byte and how many bytes follow it of four that are taken
// at once; a register is in the high bits. They are made when they are first
// needed: programs that link this package start for every commit.
var crcTables = sync.OnceValue(func() *[4][256]uint32 {
	tables := new([4][256]uint32)
	for i := range tables[0] {
		crc := uint32(i) << 24
		for range 8 {
			carry := crc >> 31
			crc = crc<<1 ^ carry*0x864cfb00 // RFC 9580, section 6.1.1
		}
		tables[0][i] = crc
	}
	for n := 1; n < len(tables); n++ {
		for i, crc := range tables[n-1] {
			tables[n][i] = crc<<8 ^ tables[0][crc>>24]
		}
	}
	return tables
})

// crc24 returns the checksum of armor: RFC 9580, section 6.1.
func crc24(data []byte) uint32 {
	t := crcTables()
	crc := uint32(0xb704ce00)
	for ; len(data) >= 4; data = data[4:] {
		crc ^= binary.BigEndian.Uint32(data)
		crc = t[3][crc>>24] ^ t[2][crc>>16&0xff] ^ t[1][crc>>8&0xff] ^ t[0][crc&0xff]
	}
	for _, b := range data {
		crc = crc<<8 ^ t[0][byte(crc>>24)^b]
	}
	return crc >> 8
}
