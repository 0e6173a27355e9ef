package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"gitseal/gitutil"
	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/monitor"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// A consistency is the check that the checkpoints in audited signatures lie in
// one history with what their logs show.
type consistency struct {
	logs   *logs
	pins   monitor.Pins
	repo   *gitutil.Repo
	report *report.Report
	hints  []string
}

// checkConsistency asks the logs of an audit's checkpoints to prove that they
// lie in one history, and adds to the report what it finds. The hints are for
// after the report. An error is the context's, or of the user's own set-up.
func (s *settings) checkConsistency(ctx context.Context, e *env, t *trust, cfg *audit.Config, r *report.Report) ([]string, error) {
	pins, err := s.pins()
	if err != nil {
		return nil, err
	}
	logs, err := s.asker(e, t)
	if err != nil {
		return nil, err
	}
	defer logs.Close() // only asked
	c := &consistency{logs: logs, pins: pins, repo: cfg.Repo, report: r}

	// What contradicts itself without asking anyone is in the report; the
	// evidence is in the objects.
	doubted := make(map[string]bool) // by the origin of checkpoints
	for _, pair := range cfg.Checkpoints.Forks() {
		doubted[pair[0].Origin] = true
		fork := &monitor.ForkError{First: seenIn(&pair[0]), Second: seenIn(&pair[1])}
		if err := c.save(ctx, fork); err != nil {
			return nil, err
		}
	}

	byLog := make(map[[32]byte][]monitor.Seen)
	var order [][32]byte
	for checkpoint := range cfg.Checkpoints.All() {
		if byLog[checkpoint.LogID] == nil {
			order = append(order, checkpoint.LogID)
		}
		byLog[checkpoint.LogID] = append(byLog[checkpoint.LogID], seenIn(&checkpoint))
	}
	for _, id := range order {
		proven, err := c.ask(ctx, id, byLog[id])
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for _, s := range byLog[id] {
			doubted[s.Checkpoint.Origin] = doubted[s.Checkpoint.Origin] || !proven
		}
	}
	for origin, doubt := range doubted {
		if !doubt {
			audit.Consistent(r, origin)
		}
	}
	return c.hints, nil
}

// seenIn returns a checkpoint as package monitor has it. Its note is still in
// the object.
func seenIn(c *audit.Checkpoint) monitor.Seen {
	return monitor.Seen{
		Checkpoint: tlog.Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root},
		Where:      c.Object.Type + " " + c.Object.OID,
	}
}

// objectOf returns the object that a checkpoint was seen in.
func objectOf(s monitor.Seen) (o report.Object, ok bool) {
	typ, oid, ok := strings.Cut(s.Where, " ")
	return report.Object{Type: typ, OID: oid}, ok && (typ == "commit" || typ == "tag" || typ == "mergetag") && oid != ""
}

// ask holds the checkpoints of one log against those that it shows and that
// are pinned, and returns whether that proved them to be of one history. That
// it cannot be told makes the audit incomplete.
func (c *consistency) ask(ctx context.Context, id [32]byte, seen []monitor.Seen) (proven bool, err error) {
	name := hex.EncodeToString(id[:])
	trusted := c.logs.find(id)
	if trusted == nil {
		audit.Untold(c.report, "consistency of log "+name, "the trusted root gives no address to ask it at")
		return false, nil
	}
	name = trusted.BaseURL
	k, err := c.logs.open(ctx, trusted)
	if err == nil {
		progress := newProgress(c.logs.env)
		progress.verb = "proving checkpoint"
		err = c.pins.CheckAll(ctx, k.Log, seen, progress.update)
		progress.clear()
	}
	var fork *monitor.ForkError
	switch {
	case errors.As(err, &fork):
		object, ok := objectOf(fork.Second)
		if !ok {
			if object, ok = objectOf(fork.First); !ok {
				object, _ = objectOf(seen[0]) // no proof by this log is worth anything
			}
		}
		audit.Fork(c.report, name, object, fmt.Sprintf("%v and %v: %v", fork.First, fork.Second, fork.Err))
		return false, c.save(ctx, fork)
	case err != nil:
		_, message, hints := exitCode(explainLog(err))
		audit.Untold(c.report, "consistency of log "+name, message)
		c.hints = append(c.hints, hints...)
	}
	return err == nil, nil
}

// save keeps both checkpoints of a fork, those that objects hold as they stand
// there.
func (c *consistency) save(ctx context.Context, fork *monitor.ForkError) error {
	for _, s := range []*monitor.Seen{&fork.First, &fork.Second} {
		if object, ok := objectOf(*s); ok && s.Note == nil {
			s.Note = c.note(ctx, object, s.Checkpoint)
		}
	}
	if err := c.pins.SaveEvidence(fork); err != nil {
		return fail(exitEquivocation, err)
	}
	for _, path := range fork.Evidence {
		c.hints = append(c.hints, "signed by the log: "+path)
	}
	return nil
}

// note returns the signed checkpoint that an object's signature was proven by:
// the one in it or, where no entry is, the one that is kept with the entry. It
// is nil if it is not to be had, as of a tag that a merge commit only quotes.
func (c *consistency) note(ctx context.Context, o report.Object, want tlog.Checkpoint) []byte {
	object, err := c.repo.Object(ctx, o.OID)
	if err != nil || object.Verify(c.repo.ObjectFormat()) != nil {
		return nil
	}
	message, err := readCMS(object, c.repo.ObjectFormat())
	if err != nil {
		return nil
	}
	var all []*tlog.Entry
	if value, err := message.Signer.UnsignedAttribute(cms.OIDLogEntry); err == nil && value != nil {
		if pb, err := cms.OctetString(value); err == nil {
			if entry, err := tlog.ParseEntry(pb); err == nil {
				all = append(all, entry)
			}
		}
	}
	if store, err := c.logs.settings.entryStore(); err == nil {
		for _, der := range message.Certificates {
			all = append(all, store.Get(sha256.Sum256(der)).Entries...)
		}
	}
	for _, e := range all {
		if e.Proof != nil && c.signed(e.Proof.Checkpoint, want) {
			return e.Proof.Checkpoint
		}
	}
	return nil
}

// signed reports whether a note is that checkpoint, signed by a log that we
// trust: others are no evidence.
func (c *consistency) signed(note []byte, want tlog.Checkpoint) bool {
	s, err := tlog.ParseCheckpoint(note)
	if err != nil || s.Checkpoint.Origin != want.Origin || s.Checkpoint.Size != want.Size || s.Checkpoint.Root != want.Root {
		return false
	}
	for _, root := range c.logs.trust.roots {
		for _, log := range root.TLogs {
			if s.Verify(log.PublicKey, log.KeyID) == nil {
				return true
			}
		}
	}
	return false
}

// readCMS reads the CMS message in the signature of a commit or tag.
func readCMS(o gitutil.Object, format gitutil.Format) (*cms.SignedData, error) {
	split := gitutil.SplitCommit
	if o.Type == "tag" {
		split = gitutil.SplitTag
	}
	s, err := split(o.Data, format)
	if err != nil {
		return nil, err
	}
	der, _, err := cms.Dearmor(s.Signature)
	if err == nil && cms.IsIndefinite(der) {
		der, err = cms.FromBER(der)
	}
	if err != nil {
		return nil, err
	}
	return cms.Parse(der)
}
