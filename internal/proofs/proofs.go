// Package proofs keeps the proofs of signatures in a git repository beside the
// objects that are signed: log entries and time-stamps that were had after the
// object had its id. They are under refs/gitseal/proofs, a history of trees with
// one file for each signature, which can be fetched, pushed and merged.
//
// A file is named by the SHA-256 of the signature value (verifier.ProofKey), in
// hexadecimal with a slash after the first two digits, and holds one proof a
// line; see parseFile for its form. The union of two such trees is another one,
// in which nothing is lost, whoever makes it and in whatever order, as long as no
// signature has more proofs than a file holds: then one's own stay.
//
// Nothing in it is to be trusted: a proof proves itself to the verifier or
// proves nothing. What is there that is no proof is ignored, and named. Reading
// fetches nothing.
package proofs

import (
	"encoding/hex"
	"strings"
)

// Ref is where a repository has its proofs.
const Ref = "refs/gitseal/proofs"

// Remotes is below which those of other repositories are fetched: a ref for
// each remote, Remotes + "origin".
const Remotes = "refs/gitseal/remotes/"

// Namespace is below which all refs are that hold proofs, and nothing else.
const Namespace = "refs/gitseal/"

// path returns where the proofs of a signature are.
func path(key [32]byte) string {
	name := hex.EncodeToString(key[:])
	return name[:2] + "/" + name[2:]
}

// parsePath returns the signature whose proofs are in a directory under a name.
func parsePath(dir, name string) (key [32]byte, ok bool) {
	if len(dir) != 2 || len(name) != 62 || strings.Trim(dir+name, "0123456789abcdef") != "" {
		return key, false
	}
	_, err := hex.Decode(key[:], []byte(dir+name))
	return key, err == nil
}

// isDirectory reports whether a directory may be called that.
func isDirectory(name string) bool {
	return len(name) == 2 && strings.Trim(name, "0123456789abcdef") == ""
}
