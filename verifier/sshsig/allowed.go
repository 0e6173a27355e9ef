package sshsig

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Bounds of an allowed signers file: tens of thousands of large keys, and
// lines with hundreds of principals.
const (
	maxFile = 64 << 20
	maxLine = 64 << 10
)

// AllowedSigners are what an allowed signers file says: who may sign with
// which key, or with a certificate by which authority. They do not change, and
// may be used by several goroutines at once.
type AllowedSigners struct {
	// Skipped are the errors of the lines that could not be read, with their
	// numbers. It is for the caller to tell people, and not to change.
	Skipped []error

	lines []*allowed
}

// Len returns how many lines allow something.
func (a *AllowedSigners) Len() int { return len(a.lines) }

// An allowed is a line.
type allowed struct {
	key        string // the key's blob
	principals patternList
	name       string // the first of the principals that is one; may be a pattern
	options
}

// ReadAllowedSigners reads an allowed signers file (ssh-keygen(1), ALLOWED
// SIGNERS). Each line is empty, a comment after "#", or
//
//	principals [options] type key [comment]
//
// Like ssh-keygen it reads on after a line that it cannot read: a line only
// ever allows something, so to leave one out allows no more, and files that
// people share hold keys of kinds to come. Such lines are in Skipped. That not
// a single line can be read is an error, for then it is another kind of file.
//
// What differs from ssh-keygen: times without a zone are in UTC and not in
// that of the machine, for a verdict may not depend on it; and lines are left
// out that it reads and that look like mistakes: with an empty pattern, a key
// in anything but strict base64, or a certificate in place of a key.
//
// Errors are of the form "reading allowed signers NAME: line N: cause"; name
// is used for nothing else.
func ReadAllowedSigners(name string, data []byte) (*AllowedSigners, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("reading allowed signers %s: %d bytes, more than the limit of %d", name, len(data), maxFile)
	}
	a := new(AllowedSigners)
	for number, line := range lines(data) {
		signer, err := parseAllowed(line)
		if err != nil {
			a.Skipped = append(a.Skipped, fmt.Errorf("reading allowed signers %s: line %d: %w", name, number, err))
			continue
		}
		a.lines = append(a.lines, signer)
	}
	if len(a.lines) == 0 && len(a.Skipped) > 0 {
		return nil, a.Skipped[0]
	}
	return a, nil
}

// lines yields the lines of data that are not empty or a comment, without the
// white space around them, and their numbers.
func lines(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		number := 0
		for line := range bytes.Lines(data) {
			number++
			line = bytes.TrimLeft(bytes.TrimRight(line, " \t\r\n"), " \t")
			if len(line) == 0 || line[0] == '#' {
				continue
			}
			if !yield(number, line) {
				return
			}
		}
	}
}

// parseAllowed parses a line (parse_principals_key_and_options in sshsig.c).
func parseAllowed(line []byte) (*allowed, error) {
	if err := checkLine(line); err != nil {
		return nil, err
	}
	principals, rest, err := cutPrincipals(string(line))
	if err != nil {
		return nil, err
	}
	a := new(allowed)
	if a.principals, err = parsePatterns(principals); err != nil {
		return nil, fmt.Errorf("principals: %w", err)
	}
	for _, p := range a.principals {
		if a.name == "" && !p.exclude && a.principals.match(p.text) {
			a.name = p.text
		}
	}
	if a.name == "" {
		return nil, errors.New("principals: all are excluded")
	}
	if kind, _, _ := cutSpace(rest); !isKeyType(kind) {
		if a.options, rest, err = parseOptions(rest); err != nil {
			return nil, err
		}
	}
	key, err := parsePublicLine(rest)
	if err != nil {
		return nil, err
	}
	a.key = key.blob
	return a, nil
}

// checkLine refuses what is no line of text.
func checkLine(line []byte) error {
	switch {
	case len(line) > maxLine:
		return fmt.Errorf("%d bytes, more than the limit of %d", len(line), maxLine)
	case bytes.IndexByte(line, 0) >= 0:
		return errors.New("not text")
	case bytes.HasPrefix(line, []byte("\xef\xbb\xbf")):
		return errors.New("begins with a byte order mark, which ssh-keygen takes for part of it")
	case bytes.IndexByte(line, '\r') >= 0:
		return errors.New("carriage return inside the line")
	}
	return nil
}

// cutPrincipals cuts a line after its principals, of which the last may be in
// quotes, for names with spaces (strdelimw in misc.c).
func cutPrincipals(line string) (principals, rest string, err error) {
	end := strings.IndexAny(line, " \t\"")
	if end < 0 {
		return "", "", errors.New("no key")
	}
	principals, rest = line[:end], line[end:]
	if rest[0] == '"' {
		quoted, after, closed := strings.Cut(rest[1:], `"`)
		if !closed || after == "" || after[0] != ' ' && after[0] != '\t' {
			return "", "", errors.New("principals: wrong quotes")
		}
		principals, rest = principals+quoted, after
	}
	return principals, strings.TrimLeft(rest, " \t"), nil
}

// cutSpace cuts s around its first white space.
func cutSpace(s string) (before, after string, found bool) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t"), true
	}
	return s, "", false
}

// isKeyType reports whether a word is the algorithm of a kind of key that we
// or ssh-keygen know, and so not an option.
func isKeyType(word string) bool {
	if name, ok := certified(word); ok {
		word = name
	}
	switch word {
	case algEd25519, algRSA, algDSA, algP256, algP384, algP521, algSKEd25519, algSKP256:
		return true
	}
	return false
}

// parsePublicLine parses "type key [comment]", the line of a public key file.
func parsePublicLine(line string) (*publicKey, error) {
	algorithm, blob, err := decodePublicLine(line)
	if err != nil {
		return nil, err
	}
	if _, ok := certified(algorithm); ok {
		return nil, errors.New("a certificate in place of a key")
	}
	return parseKey(blob)
}

// decodePublicLine returns the blob in the line of a public key file, and its
// algorithm, which has to be that of the line.
func decodePublicLine(line string) (algorithm string, blob []byte, err error) {
	kind, rest, _ := cutSpace(line)
	if kind == "" {
		return "", nil, errors.New("no key")
	}
	encoded, _, _ := cutSpace(rest)
	if encoded == "" {
		return "", nil, fmt.Errorf("no key after %q", clip(kind))
	}
	if blob, err = base64.StdEncoding.Strict().DecodeString(encoded); err != nil {
		return "", nil, fmt.Errorf("key: %w", err)
	}
	r := &reader{rest: blob}
	if algorithm = r.text(); r.bad || algorithm != kind {
		return "", nil, fmt.Errorf("a key of kind %q is called %q", clip(algorithm), clip(kind))
	}
	return algorithm, blob, nil
}
