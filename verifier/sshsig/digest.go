package sshsig

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// Digest returns the SHA-256 over all that verdicts depend on beside what is
// verified and KeyRules.At: the lines of each key in their order, what is
// revoked, and the other settings. The order of files and lines of different
// keys, comments and white space do not change it.
func (v *Verifier) Digest() [32]byte {
	b := []byte("gitseal sshsig 2\n")
	b = appendString(b, v.namespace)
	for _, flag := range []bool{v.atSigning, v.weak[weakRSA], v.weak[weakSHA1], v.nobody} {
		b = appendBool(b, flag)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(v.skipped))
	for _, index := range []map[string][]*allowed{v.keys, v.cas} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(index)))
		for _, key := range slices.Sorted(maps.Keys(index)) {
			b = appendString(b, key)
			b = binary.BigEndian.AppendUint64(b, uint64(len(index[key])))
			for _, line := range index[key] {
				b = line.append(b)
			}
		}
	}
	digests := make([][32]byte, len(v.revoked))
	for i, r := range v.revoked {
		digests[i] = r.digest
	}
	slices.SortFunc(digests, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	for _, d := range slices.Compact(digests) {
		b = append(b, d[:]...)
	}
	return sha256.Sum256(b)
}

// append appends an encoding of a line but for its key, to which index it
// belongs says that it is an authority's.
func (a *allowed) append(b []byte) []byte {
	b = a.principals.append(b)
	b = appendBool(b, a.namespaces != nil)
	b = a.namespaces.append(b)
	b = binary.BigEndian.AppendUint64(b, uint64(a.after))
	return binary.BigEndian.AppendUint64(b, uint64(a.before))
}

// append appends an encoding of the list.
func (l patternList) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(l)))
	for _, p := range l {
		b = appendString(appendBool(b, p.exclude), p.text)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
