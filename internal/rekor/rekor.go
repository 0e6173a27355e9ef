// Package rekor reads transparency logs over HTTP: Rekor v1, which answers
// questions, and Rekor v2, which serves tiles (C2SP tlog-tiles).
//
// It asks and takes apart what it is answered. Whom to believe is for its
// callers: a checkpoint is worth what the signature under it is worth, and
// everything else is worth what it hashes to.
package rekor
