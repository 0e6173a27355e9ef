package main

import (
	"context"
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
	for _, pair := range cfg.Checkpoints.Forks() {
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
		if err := c.ask(ctx, id, byLog[id]); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
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
// are pinned. That it cannot be told makes the audit incomplete.
func (c *consistency) ask(ctx context.Context, id [32]byte, seen []monitor.Seen) error {
	name := hex.EncodeToString(id[:])
	trusted := c.logs.find(id)
	if trusted == nil {
		audit.Untold(c.report, "consistency of log "+name, "the trusted root gives no address to ask it at")
		return nil
	}
	name = trusted.BaseURL
	k, err := c.logs.open(ctx, trusted)
	if err == nil {
		_, err = c.pins.Update(ctx, k.Log)
	}
	if err == nil {
		progress := newProgress(c.logs.env)
		progress.verb = "proving checkpoint"
		err = monitor.CheckAll(ctx, k.Log, seen, progress.update)
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
		return c.save(ctx, fork)
	case err != nil:
		_, message, hints := exitCode(explainLog(err))
		audit.Untold(c.report, "consistency of log "+name, message)
		c.hints = append(c.hints, hints...)
	}
	return nil
}

// save keeps both checkpoints of a fork, those that objects hold as they stand
// there.
func (c *consistency) save(ctx context.Context, fork *monitor.ForkError) error {
	for _, s := range []*monitor.Seen{&fork.First, &fork.Second} {
		if object, ok := objectOf(*s); ok && s.Note == nil {
			s.Note = c.note(ctx, object)
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

// note returns the signed checkpoint in an object's signature; nil if it is
// not to be had, as of a tag that a merge commit only quotes.
func (c *consistency) note(ctx context.Context, o report.Object) []byte {
	object, err := c.repo.Object(ctx, o.OID)
	if err != nil || object.Verify(c.repo.ObjectFormat()) != nil {
		return nil
	}
	split := gitutil.SplitCommit
	if object.Type == "tag" {
		split = gitutil.SplitTag
	}
	s, err := split(object.Data, c.repo.ObjectFormat())
	if err != nil {
		return nil
	}
	der, _, err := cms.Dearmor(s.Signature)
	if err != nil {
		return nil
	}
	message, err := cms.Parse(der)
	if err != nil {
		return nil
	}
	value, err := message.Signer.UnsignedAttribute(cms.OIDLogEntry)
	if err != nil {
		return nil
	}
	pb, err := cms.OctetString(value)
	if err != nil {
		return nil
	}
	entry, err := tlog.ParseEntry(pb)
	if err != nil || entry.Proof == nil {
		return nil
	}
	return entry.Proof.Checkpoint
}
