// Package gitutil reads git objects as exact bytes: it finds them, recomputes
// their ids, splits signature from signed payload, and reads the
// configuration that says what to do with them.
//
// The package has two halves. The pure half ([HashObject], [SplitCommit],
// [SplitTag], [SignatureKind], [ParseCommit], [ParseTag]) works on bytes from
// any source. The reading half ([Open], [ReadConfig], [Repo], [Trees],
// [Merger]) runs the git program, so worktrees, alternates, SHA-256, partial
// clones and every reference backend work as they do for git itself.
//
// Reading never writes to a repository, never opens a network connection and
// never follows a replace ref, a graft or a commit-graph: those are unhashed
// statements about history, and an audit must rest on hashed bytes alone.
// What comes out of git is a claim until [Object.Verify] has recomputed its
// id.
//
// The formats are those of git's Documentation/gitformat-signature and of the
// functions named beside each parser, in git 2.39 to 2.55.
package gitutil

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/pjbgf/sha1cd"
)

// A Format is a repository's object format, by git's own name for it.
type Format string

// The object formats git knows.
const (
	SHA1   Format = "sha1"
	SHA256 Format = "sha256"
)

// hexLen returns the length of an object id in hexadecimal, 0 for a format
// that is not known.
func (f Format) hexLen() int {
	switch f {
	case SHA1:
		return 40
	case SHA256:
		return 64
	}
	return 0
}

// validOID reports whether oid is an object id of the format as git writes
// it: full length, lower case.
func (f Format) validOID(oid string) bool {
	if len(oid) == 0 || len(oid) != f.hexLen() {
		return false
	}
	for i := range len(oid) {
		if c := oid[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// FormatOf returns the format of an object id as git writes it; empty if it is
// none.
func FormatOf(oid string) Format {
	for _, f := range []Format{SHA1, SHA256} {
		if f.validOID(oid) {
			return f
		}
	}
	return ""
}

// HashObject returns the id, in lower-case hexadecimal, of the object with
// the given type ("commit", "tag", "tree", "blob") and content: the hash of
// "type SP length NUL content".
//
// SHA-1 is computed with collision detection. Content made by one of the
// known attacks on SHA-1 is an error, as it is for git, because its id names
// more than one object.
func HashObject(f Format, typ string, data []byte) (oid string, err error) {
	header := append([]byte(typ), ' ')
	header = strconv.AppendInt(header, int64(len(data)), 10)
	header = append(header, 0)
	switch f {
	case SHA1:
		sum, err := sumSHA1(header, data)
		if err != nil {
			return "", fmt.Errorf("hashing object: %w", err)
		}
		return hex.EncodeToString(sum), nil
	case SHA256:
		h := sha256.New()
		h.Write(header)
		h.Write(data)
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	return "", fmt.Errorf("hashing object: unknown object format %q", f)
}

// sumSHA1 returns the SHA-1 of two byte strings in a row, unless they are the
// work of a collision attack.
func sumSHA1(a, b []byte) ([]byte, error) {
	h := sha1cd.New().(sha1cd.CollisionResistantHash)
	h.Write(a)
	h.Write(b)
	sum, collision := h.CollisionResistantSum(nil)
	if collision {
		return nil, errors.New("content is part of a SHA-1 collision attack")
	}
	return sum, nil
}
