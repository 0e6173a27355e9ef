package verifier

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A loggedEntry is a log entry that verified.
type loggedEntry struct {
	entry    *tlog.Entry
	log      *trust.Log
	proven   bool // an inclusion proof leads from the entry to a checkpoint of the log's
	promised bool // the log's promise covers the entry and its integrated time
	facts    LogEntry
}

// checkLog checks the log entries: that a log of the trusted root recorded
// exactly this signature, with this digest and certificate. All must hold. It
// returns none without an error when there is none, or when one neither proves
// nor promises anything, which is for the caller to judge. That the logs' keys
// were valid is checked with the times.
func (r *root) checkLog(s *signature) ([]loggedEntry, *VerifyError) {
	if len(s.entries) == 0 {
		return nil, nil
	}
	logged := make([]loggedEntry, len(s.entries))
	for i, e := range s.entries {
		logged[i].entry = e
		if verr := r.checkEntry(s, &logged[i]); verr != nil {
			return nil, verr
		}
		if !logged[i].proven && !logged[i].promised {
			return nil, nil
		}
	}
	return logged, nil
}

// checkEntry checks one entry, and fills in what it proves.
func (r *root) checkEntry(s *signature, logged *loggedEntry) *VerifyError {
	e := logged.entry
	log := findLogByID(r.trusted.TLogs, e.LogID)
	if log == nil {
		return s.fail(CheckLogEntry, UntrustedLog, fmt.Errorf("log %x is not in the trusted root", e.LogID))
	}
	body, generation, err := s.record.body(log, e)
	if err != nil {
		return s.fail(CheckLogEntry, classOf(err, BadLogProof), err)
	}
	promised := e.Promise != nil && len(e.Promise.SET) > 0
	if generation == 2 && promised {
		return s.fail(CheckPromise, BadLogProof, errors.New("a Rekor v2 log gives no signed entry timestamp, but the entry has one"))
	}
	if e.Proof != nil && len(e.Proof.Checkpoint) == 0 {
		return s.fail(CheckCheckpoint, BadLogProof, errors.New("the inclusion proof has no checkpoint"))
	}
	if e.Proof == nil && !promised {
		return nil
	}
	s.pass(CheckLogEntry)

	logged.log = log
	logged.facts = LogEntry{LogID: [32]byte(log.KeyID), URL: log.BaseURL, Generation: generation}
	if e.Proof != nil {
		if verr := r.checkProof(s, logged, body); verr != nil {
			return verr
		}
		logged.proven = true
	}
	if promised {
		if err := tlog.VerifySET(r.logKeys[log], body, e.IntegratedTime, e.LogID, e.LogIndex, e.Promise.SET); err != nil {
			return s.fail(CheckPromise, BadLogProof, err)
		}
		s.pass(CheckPromise)
		logged.promised = true
		logged.facts.Index, logged.facts.IndexKnown = e.LogIndex, true
	}
	return nil
}

// checkProof runs the inclusion proof up to the checkpoint's root, and checks
// that the log signed the checkpoint.
func (r *root) checkProof(s *signature, logged *loggedEntry, body []byte) *VerifyError {
	proof := logged.entry.Proof
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
	if logged.facts.Generation == 2 && proof.LogIndex != logged.entry.LogIndex {
		return s.fail(CheckInclusion, BadLogProof, fmt.Errorf("entry has index %d, its inclusion proof %d", logged.entry.LogIndex, proof.LogIndex))
	}
	inclusion := tlog.InclusionProof{Index: uint64(proof.LogIndex), Size: checkpoint.Checkpoint.Size, Hashes: proof.Hashes}
	if err := inclusion.Verify(tlog.LeafHash(body), checkpoint.Checkpoint.Root); err != nil {
		return s.fail(CheckInclusion, BadLogProof, fmt.Errorf("this signature is not in the log as it claims: %w", err))
	}
	s.pass(CheckInclusion)
	if err := r.checkCheckpoint(logged.log, checkpoint, proof.Checkpoint); err != nil {
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
