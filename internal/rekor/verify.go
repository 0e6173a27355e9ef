package rekor

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// The checks of an entry, by the names that package verifier gives them.
const (
	checkInclusion  = "inclusion-proof"
	checkCheckpoint = "checkpoint"
	checkPromise    = "signed-entry-timestamp"
)

// VerifyEntry checks that the log recorded the entry, which carries its body:
// its inclusion proof leads to a checkpoint that the log signed, its promise
// is signed by the log. What is there must hold, and there must be one of
// them. It returns the names of the checks that were made.
//
// The error wraps ErrContradiction.
func VerifyEntry(log *trust.Log, e *tlog.Entry) (checks []string, err error) {
	if checks, err = verifyEntry(log, e); err != nil {
		return nil, fmt.Errorf("%w: entry %d: %w", ErrContradiction, e.LogIndex, err)
	}
	return checks, nil
}

// Promised reports whether a log that root names promised to have taken in the
// entry, at the index and time that it says, and everything else in the entry
// holds. An inclusion proof alone says nothing of index and time.
func Promised(root *trust.TrustedRoot, e *tlog.Entry) bool {
	return slices.ContainsFunc(root.TLogs, func(l trust.Log) bool {
		checks, err := verifyEntry(&l, e)
		return err == nil && slices.Contains(checks, checkPromise)
	})
}

func verifyEntry(log *trust.Log, e *tlog.Entry) (checks []string, err error) {
	if !bytes.Equal(e.LogID, log.KeyID) {
		return nil, fmt.Errorf("it is of log %x, not %x", e.LogID, log.KeyID)
	}
	if e.CanonicalizedBody == nil {
		return nil, errors.New("it has no body")
	}
	if p := e.Proof; p != nil {
		checkpoint, err := tlog.ParseCheckpoint(p.Checkpoint)
		if err != nil {
			return nil, err
		}
		c := checkpoint.Checkpoint
		if uint64(p.TreeSize) != c.Size || p.RootHash != c.Root {
			return nil, errors.New("its inclusion proof is for another tree than its checkpoint")
		}
		inclusion := tlog.InclusionProof{Index: uint64(p.LogIndex), Size: c.Size, Hashes: p.Hashes}
		if err := inclusion.Verify(tlog.LeafHash(e.CanonicalizedBody), c.Root); err != nil {
			return nil, err
		}
		if err := checkpoint.Verify(log.PublicKey, log.KeyID); err != nil {
			return nil, err
		}
		checks = append(checks, checkInclusion, checkCheckpoint)
	}
	if p := e.Promise; p != nil && len(p.SET) > 0 {
		if err := tlog.VerifySET(log.PublicKey, e.CanonicalizedBody, e.IntegratedTime, e.LogID, e.LogIndex, p.SET); err != nil {
			return nil, err
		}
		checks = append(checks, checkPromise)
	}
	if checks == nil {
		return nil, errors.New("it has neither an inclusion proof nor a signed entry timestamp")
	}
	return checks, nil
}
