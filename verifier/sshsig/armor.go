package sshsig

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// maxArmor bounds an armored signature. A certificate for the largest RSA key
// by another one takes less than 16 kB.
const maxArmor = 1 << 16

// The lines around a signature (PROTOCOL.sshsig, section 1).
const (
	armorBegin = "-----BEGIN SSH SIGNATURE-----"
	armorEnd   = "-----END SSH SIGNATURE-----"
)

// dearmor returns the bytes of the armored signature in text, and the text
// before its BEGIN line, which git's signatures sometimes carry and which
// means nothing.
//
// The base64 must be strict: padded, its spare bits zero, in lines of one
// length but for the last, which may be shorter. ssh-keygen writes 70 columns,
// others 64 or 76. Lines end in LF as ssh-keygen has it too, and only empty
// ones may follow the END line.
func dearmor(text []byte) (blob, leading []byte, err error) {
	if len(text) > maxArmor {
		return nil, nil, fmt.Errorf("%d bytes, more than the limit of %d", len(text), maxArmor)
	}
	start := 0
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		if start = bytes.Index(text, []byte("\n-----BEGIN ")) + 1; start == 0 {
			return nil, nil, errors.New("no BEGIN line")
		}
	}
	leading, text = text[:start], text[start:]
	line, text, _ := bytes.Cut(text, []byte("\n"))
	if string(line) != armorBegin {
		return nil, leading, fmt.Errorf("begins with %q, want %q", clip(line), armorBegin)
	}
	encoded, text, err := armoredLines(text)
	if err != nil {
		return nil, leading, err
	}
	if len(bytes.Trim(text, "\n")) > 0 {
		return nil, leading, fmt.Errorf("%d bytes after the END line", len(text))
	}
	blob = make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Strict().Decode(blob, encoded)
	return blob[:n], leading, err
}

// armoredLines returns what stands in the lines up to the END line, and the
// text after that.
func armoredLines(text []byte) (encoded, rest []byte, err error) {
	encoded = make([]byte, 0, len(text))
	width, short := 0, false
	for {
		line, rest, found := bytes.Cut(text, []byte("\n"))
		switch {
		case string(line) == armorEnd:
			return encoded, rest, nil
		case !found:
			return nil, nil, errors.New("no END line")
		case bytes.HasPrefix(line, []byte("-")):
			return nil, nil, fmt.Errorf("ends with %q, want %q", clip(line), armorEnd)
		case bytes.IndexByte(line, '\r') >= 0: // which the decoder skips
			return nil, nil, errors.New("carriage return in the armor")
		}
		if width == 0 {
			width = len(line)
		}
		if len(line) == 0 || len(line) > width || short {
			return nil, nil, errors.New("lines of different lengths in the armor")
		}
		short = len(line) < width
		encoded = append(encoded, line...)
		text = rest
	}
}

// clip bounds what a message repeats of untrusted input.
func clip[T []byte | string](b T) T {
	return b[:min(len(b), 60)]
}
