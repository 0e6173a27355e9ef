package tlog

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Bounds of a signed note: x/mod/sumdb/note reads as many signatures and four
// times the length.
const (
	maxNote       = 1 << 18
	maxSignatures = 100
)

// signaturePrefix begins each signature line of a note: an em dash, a space.
const signaturePrefix = "\u2014 "

// A Checkpoint is a log's statement about its tree (C2SP tlog-checkpoint). The
// text that is signed has one line each for
//
//	<origin>
//	<size, decimal>
//	<root, base64>
//
// and then for each extension, which is never empty.
type Checkpoint struct {
	Origin     string // Rekor v1: "<name> - <tree id>"; else the log's name
	Size       uint64 // of the tree, in leaves
	Root       Hash
	Extensions []string // other lines, in order
}

// Marshal returns the text that is signed. Origin and extensions must be
// non-empty single lines.
func (c Checkpoint) Marshal() []byte {
	text := append([]byte(c.Origin), '\n')
	text = strconv.AppendUint(text, c.Size, 10)
	text = append(text, '\n')
	text = base64.StdEncoding.AppendEncode(text, c.Root[:])
	text = append(text, '\n')
	for _, line := range c.Extensions {
		text = append(append(text, line...), '\n')
	}
	return text
}

// A NoteSignature is one signature line of a note (C2SP signed-note).
type NoteSignature struct {
	Name      string
	KeyID     [4]byte // beginning of the key's id
	Signature []byte  // what follows the key id, at least one byte
}

// A SignedCheckpoint is a checkpoint with the signatures of its log and of any
// witnesses, none of them verified.
type SignedCheckpoint struct {
	Checkpoint Checkpoint
	Text       []byte          // what is signed: Checkpoint.Marshal(), in the bytes that were parsed
	Signatures []NoteSignature // in order, those by unknown keys too
}

// ParseCheckpoint reads a signed note whose text is a checkpoint:
//
//	<text>
//	<empty line>
//	— <name> <base64 of key id and signature>
//	…
//
// with at least one signature line. The result's Text is a part of note.
func ParseCheckpoint(note []byte) (*SignedCheckpoint, error) {
	s, err := parseNote(note)
	if err != nil {
		return nil, fmt.Errorf("parsing checkpoint: %w", err)
	}
	return s, nil
}

// Marshal returns the note.
func (s *SignedCheckpoint) Marshal() []byte {
	note := append(bytes.Clone(s.Text), '\n')
	for _, sig := range s.Signatures {
		note = append(note, signaturePrefix...)
		note = append(append(note, sig.Name...), ' ')
		raw := append(sig.KeyID[:], sig.Signature...)
		note = base64.StdEncoding.AppendEncode(note, raw)
		note = append(note, '\n')
	}
	return note
}

func parseNote(note []byte) (*SignedCheckpoint, error) {
	if len(note) > maxNote {
		return nil, fmt.Errorf("note longer than %d bytes", maxNote)
	}
	for _, c := range note {
		if c < ' ' && c != '\n' {
			return nil, fmt.Errorf("note holds control character %#02x", c)
		}
	}
	if !utf8.Valid(note) {
		return nil, errors.New("note is not UTF-8")
	}
	// The text ends with its last line's newline, before the empty line.
	end := bytes.LastIndex(note, []byte("\n\n")) + 1
	if end == 0 {
		return nil, errors.New("note has no signatures")
	}
	s := &SignedCheckpoint{Text: note[:end:end]}
	if err := s.Checkpoint.parse(s.Text); err != nil {
		return nil, err
	}
	for rest := note[end+1:]; len(rest) > 0; {
		if len(s.Signatures) == maxSignatures {
			return nil, fmt.Errorf("more than %d signatures", maxSignatures)
		}
		line, after, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			return nil, errors.New("last signature line has no end")
		}
		sig, err := parseSignatureLine(line)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", len(s.Signatures)+1, err)
		}
		s.Signatures = append(s.Signatures, sig)
		rest = after
	}
	if len(s.Signatures) == 0 {
		return nil, errors.New("note has no signatures")
	}
	return s, nil
}

// parse reads the text of a checkpoint, which ends with a newline.
func (c *Checkpoint) parse(text []byte) error {
	newline := []byte{'\n'}
	origin, rest, _ := bytes.Cut(text, newline)
	size, rest, _ := bytes.Cut(rest, newline)
	root, rest, ok := bytes.Cut(rest, newline)
	if !ok {
		return errors.New("text has fewer than three lines")
	}
	if len(origin) == 0 {
		return errors.New("no origin")
	}
	c.Origin = string(origin)
	var err error
	c.Size, err = strconv.ParseUint(string(size), 10, 64)
	if err != nil || (size[0] == '0' && len(size) > 1) {
		return fmt.Errorf("tree size %q is not a canonical decimal number", size)
	}
	if len(root) != base64.StdEncoding.EncodedLen(len(c.Root)) {
		return errors.New("root hash is not 32 bytes in base64")
	}
	var buf [len(c.Root) + 1]byte // Decode wants room for the padding
	n, err := base64.StdEncoding.Strict().Decode(buf[:], root)
	if err != nil || n != len(c.Root) {
		return errors.New("root hash is not 32 bytes in base64")
	}
	copy(c.Root[:], buf[:])
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, newline)
		if len(line) == 0 {
			return errors.New("text has an empty line")
		}
		c.Extensions = append(c.Extensions, string(line))
	}
	return nil
}

func parseSignatureLine(line []byte) (NoteSignature, error) {
	var sig NoteSignature
	line, ok := bytes.CutPrefix(line, []byte(signaturePrefix))
	if !ok {
		return sig, errors.New("line does not begin with an em dash and a space")
	}
	name, encoded, ok := bytes.Cut(line, []byte{' '})
	if !ok || !validName(name) {
		return sig, errors.New("no valid key name")
	}
	enc := base64.StdEncoding.Strict()
	raw := make([]byte, enc.DecodedLen(len(encoded)))
	n, err := enc.Decode(raw, encoded)
	if err != nil || n <= len(sig.KeyID) {
		return sig, errors.New("not the base64 of a key id and a signature")
	}
	sig.Name = string(name)
	copy(sig.KeyID[:], raw)
	sig.Signature = raw[len(sig.KeyID):n:n]
	return sig, nil
}

// validName reports whether name may name a key (C2SP signed-note).
func validName(name []byte) bool {
	return len(name) > 0 && bytes.IndexFunc(name, unicode.IsSpace) < 0 && bytes.IndexByte(name, '+') < 0
}
