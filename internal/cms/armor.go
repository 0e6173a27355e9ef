package cms

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// The lines around an armored signature. git recognises the first of them
// (gpg-interface.c) and hands everything to the program.
const (
	armorBegin = "-----BEGIN SIGNED MESSAGE-----"
	armorEnd   = "-----END SIGNED MESSAGE-----"
	armorLine  = 64 // characters of base64 in a line, RFC 7468
)

// MaxArmor is the largest armored signature that Dearmor reads, in bytes,
// leading text included.
const MaxArmor = 2 * MaxSize

// Armor returns der between BEGIN and END lines, base64 in 64 columns, with a
// final newline.
func Armor(der []byte) []byte {
	text := base64.StdEncoding.AppendEncode(make([]byte, 0, base64.StdEncoding.EncodedLen(len(der))), der)
	out := make([]byte, 0, len(text)+len(text)/armorLine+len(armorBegin)+len(armorEnd)+3)
	out = append(out, armorBegin...)
	out = append(out, '\n')
	for len(text) > 0 {
		n := min(armorLine, len(text))
		out = append(out, text[:n]...)
		out = append(out, '\n')
		text = text[n:]
	}
	out = append(out, armorEnd...)
	return append(out, '\n')
}

// Dearmor returns the bytes of the one armored block in text, and the text
// before its BEGIN line, which git's signatures sometimes carry (a login
// prompt that leaked) and which means nothing.
//
// Lines may end in CR LF. The base64 must be strict: one run of padded
// base64 whose spare bits are zero, nothing else between the lines. Only empty
// lines may follow the END line, and no other armor may precede BEGIN: what a
// verifier does not read, a person would.
func Dearmor(text []byte) (der, leading []byte, err error) {
	if len(text) > MaxArmor {
		return nil, nil, fmt.Errorf("reading armor: %d bytes, more than the limit of %d", len(text), MaxArmor)
	}
	start := lineIndex(text, []byte("-----BEGIN "))
	if start < 0 {
		return nil, nil, errors.New("reading armor: no BEGIN line")
	}
	leading, text = text[:start], text[start:]
	line, text := cutLine(text)
	if string(line) != armorBegin {
		return nil, leading, fmt.Errorf("reading armor: begins with %q, want %q", clip(line), armorBegin)
	}
	encoded := make([]byte, 0, len(text))
	for {
		if len(text) == 0 {
			return nil, leading, errors.New("reading armor: no END line")
		}
		line, text = cutLine(text)
		if len(line) > 0 && line[0] == '-' {
			break
		}
		encoded = append(encoded, line...)
	}
	if string(line) != armorEnd {
		return nil, leading, fmt.Errorf("reading armor: ends with %q, want %q", clip(line), armorEnd)
	}
	if len(bytes.Trim(text, "\r\n")) > 0 {
		return nil, leading, fmt.Errorf("reading armor: %d bytes after the END line", len(text))
	}
	// The decoder skips CR and LF; cutLine has taken those that end lines,
	// which is every LF.
	if bytes.IndexByte(encoded, '\r') >= 0 {
		return nil, leading, errors.New("reading armor: carriage return inside a line")
	}
	der = make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Strict().Decode(der, encoded)
	if err != nil {
		return nil, leading, fmt.Errorf("reading armor: %w", err)
	}
	return der[:n], leading, nil
}

// lineIndex returns the index of the first line of text that begins with
// prefix, or -1.
func lineIndex(text, prefix []byte) int {
	for i := 0; ; {
		if bytes.HasPrefix(text[i:], prefix) {
			return i
		}
		n := bytes.IndexByte(text[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n + 1
	}
}

// cutLine returns the first line of text without its end, LF or CR LF, and
// the rest.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// clip bounds what a message repeats of untrusted input.
func clip(b []byte) []byte {
	return b[:min(len(b), 60)]
}
