package verifier

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A loggedEntry is an embedded log entry that verified.
type loggedEntry struct {
	log      *trust.Log
	promised bool // the log's promise covers the entry and its integrated time
	facts    LogEntry
}

// checkLog checks the embedded log entry: that a log of the trusted root
// recorded exactly this signature, digest and certificate. It returns nil
// without an error when nothing is embedded, which is for the caller to
// judge. That the log's key was valid is checked with the times.
func (r *root) checkLog(s *signature) (*loggedEntry, *VerifyError) {
	if s.entry == nil {
		return nil, nil
	}
	log := findLogByID(r.trusted.TLogs, s.entry.LogID)
	if log == nil {
		return nil, s.fail(CheckLogEntry, UntrustedLog, fmt.Errorf("log %x is not in the trusted root", s.entry.LogID))
	}
	generation := generationOf(log, s.entry)
	if !labelled(s.entry, generation) {
		return nil, s.fail(CheckLogEntry, UnsupportedSignature, fmt.Errorf("log entry of kind %q %q", s.entry.Kind, s.entry.KindVersion))
	}
	body, err := entryBody(s, generation)
	if err != nil {
		return nil, s.fail(CheckLogEntry, classOf(err, BadLogProof), err)
	}
	promise := s.entry.Promise
	promised := promise != nil && len(promise.SET) > 0
	proven := s.entry.Proof != nil
	if generation == 2 && promised {
		return nil, s.fail(CheckPromise, BadLogProof, errors.New("a Rekor v2 log gives no signed entry timestamp, but one is embedded"))
	}
	if proven && len(s.entry.Proof.Checkpoint) == 0 {
		return nil, s.fail(CheckCheckpoint, BadLogProof, errors.New("the inclusion proof has no checkpoint"))
	}
	if !promised && !proven {
		return nil, nil
	}
	s.pass(CheckLogEntry)

	logged := &loggedEntry{log: log, promised: promised, facts: LogEntry{LogID: [32]byte(log.KeyID), URL: log.BaseURL, Generation: generation}}
	if proven {
		if verr := s.checkProof(logged, body); verr != nil {
			return nil, verr
		}
	}
	if promised {
		e := s.entry
		if err := tlog.VerifySET(log.PublicKey, body, e.IntegratedTime, e.LogID, e.LogIndex, promise.SET); err != nil {
			return nil, s.fail(CheckPromise, BadLogProof, err)
		}
		s.pass(CheckPromise)
		logged.facts.Index, logged.facts.IndexKnown = e.LogIndex, true
	}
	return logged, nil
}

// checkProof runs the inclusion proof up to the checkpoint's root, and checks
// that the log signed the checkpoint.
func (s *signature) checkProof(logged *loggedEntry, body []byte) *VerifyError {
	proof := s.entry.Proof
	checkpoint, err := tlog.ParseCheckpoint(proof.Checkpoint)
	if err != nil {
		return s.fail(CheckCheckpoint, BadLogProof, err)
	}
	if uint64(proof.TreeSize) != checkpoint.Checkpoint.Size {
		return s.fail(CheckInclusion, BadLogProof, fmt.Errorf("inclusion proof is for tree size %d, its checkpoint for %d",
			proof.TreeSize, checkpoint.Checkpoint.Size))
	}
	if proof.RootHash != checkpoint.Checkpoint.Root {
		return s.fail(CheckInclusion, BadLogProof, errors.New("inclusion proof and checkpoint name different root hashes"))
	}
	if logged.facts.Generation == 2 && proof.LogIndex != s.entry.LogIndex {
		return s.fail(CheckInclusion, BadLogProof, fmt.Errorf("entry has index %d, its inclusion proof %d", s.entry.LogIndex, proof.LogIndex))
	}
	inclusion := tlog.InclusionProof{Index: uint64(proof.LogIndex), Size: checkpoint.Checkpoint.Size, Hashes: proof.Hashes}
	if err := inclusion.Verify(tlog.LeafHash(body), checkpoint.Checkpoint.Root); err != nil {
		return s.fail(CheckInclusion, BadLogProof, fmt.Errorf("this signature is not in the log as it claims: %w", err))
	}
	s.pass(CheckInclusion)
	if err := checkpoint.Verify(logged.log.PublicKey, logged.log.KeyID); err != nil {
		return s.fail(CheckCheckpoint, BadLogProof, err)
	}
	if logged.facts.Generation == 2 && checkpoint.Checkpoint.Origin != logged.log.Origin() {
		return s.fail(CheckCheckpoint, BadLogProof, fmt.Errorf("checkpoint is of %q, want %q",
			checkpoint.Checkpoint.Origin, logged.log.Origin()))
	}
	s.pass(CheckCheckpoint)
	facts := &logged.facts
	facts.Origin = checkpoint.Checkpoint.Origin
	facts.TreeIndex, facts.TreeSize, facts.RootHash = inclusion.Index, inclusion.Size, checkpoint.Checkpoint.Root
	if facts.Generation == 2 {
		facts.Index, facts.IndexKnown = proof.LogIndex, true
	}
	return nil
}

// findLogByID returns the log with the given id, whatever its window, or nil.
// A trusted root may list an id several times, for windows apart; key and URL
// are the same then.
func findLogByID(logs []trust.Log, id []byte) *trust.Log {
	for i := range logs {
		if bytes.Equal(logs[i].KeyID, id) {
			return &logs[i]
		}
	}
	return nil
}

// generationOf tells a Rekor v2 log from a Rekor v1 log. The entry's own
// label is not asked: gitsign labels Rekor v2 entries as v1. A log id that is
// a note key id is v2's (C2SP signed-note); for an ECDSA key both generations
// use SHA-256 of the key, and only a Rekor v1 entry has a promise or a
// checkpoint whose origin carries a tree id. Whichever is chosen decides the
// body that is rebuilt, and the log has to have signed that.
func generationOf(log *trust.Log, entry *tlog.Entry) int {
	if sha256.Sum256(log.SPKI) != [32]byte(log.KeyID) {
		return 2
	}
	if entry.Promise != nil && len(entry.Promise.SET) > 0 {
		return 1
	}
	if entry.Proof != nil {
		origin, _, _ := bytes.Cut(entry.Proof.Checkpoint, []byte("\n"))
		if !strings.Contains(string(origin), " - ") {
			return 2
		}
	}
	return 1
}

// labelled reports whether the entry is called a hashedrekord of its log's
// generation. gitsign calls those of Rekor v2 by the number of Rekor v1's. The
// label decides nothing; it may not say anything else, though.
func labelled(entry *tlog.Entry, generation int) bool {
	return entry.Kind == "hashedrekord" &&
		(entry.KindVersion == "0.0.1" || generation == 2 && entry.KindVersion == "0.0.2")
}

// entryBody rebuilds the entry that the log must have recorded for this
// signature. An entry that carries its body must carry this one.
func entryBody(s *signature, generation int) ([]byte, error) {
	signer := &s.cms.Signer
	if signer.DigestAlgorithm.Algorithm != cms.OIDSHA256 {
		return nil, classed(UnsupportedSignature, "log entries are over SHA-256, this signature is not")
	}
	digest := sha256.Sum256(s.signed)
	var body []byte
	if generation == 1 {
		body = tlog.HashedRekordV1(digest, signer.Signature, s.leaf.Raw)
	} else {
		if keyBits(s.leaf) != 256 {
			return nil, classed(UnsupportedSignature, "Rekor v2 entry for a key that is not P-256")
		}
		body = tlog.HashedRekordV2(digest, signer.Signature, s.leaf.Raw)
	}
	if own := s.entry.CanonicalizedBody; own != nil && !bytes.Equal(own, body) {
		return nil, errors.New("the log entry embedded is for another signature")
	}
	return body, nil
}
