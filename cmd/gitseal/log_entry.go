package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/monitor"
	"gitseal/verifier"
)

// An entryJSON is an entry of a log. The log has proven that it recorded Body;
// what the body says is as true as who wrote it.
type entryJSON struct {
	Log            string      `json:"log"`
	Index          int64       `json:"index"`        // of Rekor v1 a claim, unless a promise was checked
	ID             string      `json:"id,omitempty"` // of Rekor v1
	Tree           *treeJSON   `json:"tree,omitempty"`
	IntegratedTime string      `json:"integratedTime,omitempty"`
	Record         recordJSON  `json:"entry"`
	Body           []byte      `json:"body"`
	Checks         []checkJSON `json:"checks"`
}

// A treeJSON is where an entry stands in a tree.
type treeJSON struct {
	Origin   string `json:"origin,omitempty"`
	Index    uint64 `json:"index"`
	Size     uint64 `json:"size"`
	RootHash string `json:"rootHash"`
}

// A recordJSON is what an entry says.
type recordJSON struct {
	Kind         string         `json:"kind,omitempty"`
	Digest       string         `json:"digest,omitempty"`
	Identities   []identityJSON `json:"identities,omitempty"`
	Certificates []string       `json:"certificates,omitempty"`
	Keys         []string       `json:"keys,omitempty"`
	Problem      string         `json:"problem,omitempty"`
}

func newRecordJSON(r monitor.Record) recordJSON {
	out := recordJSON{Kind: r.Kind, Digest: r.Digest, Certificates: r.Certificates, Keys: r.Keys, Problem: r.Problem}
	for _, id := range r.Identities {
		out.Identities = append(out.Identities, identityJSON{Subject: id.Subject, Issuer: id.Issuer})
	}
	return out
}

// who returns whom an entry's certificates name, or else its keys.
func (r *recordJSON) who() string {
	var names []string
	for _, id := range r.Identities {
		names = append(names, fmt.Sprintf("%s (%s)", id.Subject, issuerLabel(id.Issuer)))
	}
	if names == nil {
		for _, key := range r.Keys {
			names = append(names, "key sha256:"+key)
		}
	}
	return strings.Join(names, ", ")
}

// errNoEntry says that a log does not have what was asked for.
var errNoEntry = errors.New("no such entry")

// byIndex returns the entry with that index, which for Rekor v1 counts over
// all its trees.
func (k *knownLog) byIndex(ctx context.Context, index int64) (*entryJSON, error) {
	if index < 0 {
		return nil, usage("entry %d: want a number from 0 on", index)
	}
	if k.v1 == nil {
		return k.tiledEntry(ctx, uint64(index))
	}
	e, err := k.v1.ByIndex(ctx, index)
	if err != nil {
		return nil, noEntry(err)
	}
	entry, err := k.verified(e)
	if err == nil && entry.IntegratedTime == "" {
		// Its proof is of its place in a tree. Another entry's would do.
		return nil, fmt.Errorf("log %s: entry %d comes without the log's promise, so nothing says that it has this index", k.Name(), index)
	}
	return entry, err
}

// byID returns the entry of a Rekor v1 log with that id.
func (k *knownLog) byID(ctx context.Context, id string) (*entryJSON, error) {
	if k.v1 == nil {
		return nil, fail(exitUsage, fmt.Errorf("log %s knows its entries by their index alone", k.Name()), "gitseal log get --index N")
	}
	e, err := k.v1.ByID(ctx, id)
	if err != nil {
		return nil, noEntry(err)
	}
	return k.verified(e)
}

// byIDs returns the entries of a Rekor v1 log with those ids.
func (k *knownLog) byIDs(ctx context.Context, ids []string) ([]*entryJSON, error) {
	entries, err := k.v1.ByIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []*entryJSON
	for i := range entries {
		e, err := k.verified(&entries[i])
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// noEntry tells a log that does not have an entry from one that does not
// answer.
func noEntry(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", errNoEntry, err)
	}
	return err
}

// verified returns an entry that Rekor v1 handed out, if it proves that it
// recorded it.
func (k *knownLog) verified(e *tlog.RekorV1Entry) (*entryJSON, error) {
	checks, err := rekor.VerifyEntry(k.trusted, e.Entry)
	if err != nil {
		// Anyone on the way can answer so: it is no word of the log's, and
		// none against it.
		return nil, fail(exitUnknown, fmt.Errorf("log %s: %w", k.Name(), err), "gitseal log checkpoint   # shows whether the log itself answers")
	}
	out := &entryJSON{Log: k.Name(), Index: e.LogIndex, ID: e.ID, Body: e.CanonicalizedBody,
		Record: newRecordJSON(monitor.NewRecord(uint64(e.LogIndex), e.CanonicalizedBody))}
	for _, check := range checks {
		out.Checks = append(out.Checks, checkJSON{check, true})
		if check == string(verifier.CheckPromise) {
			out.IntegratedTime = rfc3339(time.Unix(e.IntegratedTime, 0))
		}
	}
	if p := e.Proof; p != nil {
		origin, _, _ := strings.Cut(string(p.Checkpoint), "\n")
		out.Tree = &treeJSON{origin, uint64(p.LogIndex), uint64(p.TreeSize), hex.EncodeToString(p.RootHash[:])}
	}
	return out, nil
}

// tiledEntry returns an entry of a tiled log, under the checkpoint that it
// shows now.
func (k *knownLog) tiledEntry(ctx context.Context, index uint64) (*entryJSON, error) {
	shown, err := k.Checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	checkpoint := shown[0].Checkpoint
	if index >= checkpoint.Size {
		return nil, fmt.Errorf("%w: log %s has %d entries", errNoEntry, k.Name(), checkpoint.Size)
	}
	tree, err := rekor.NewTree(k.fetch, checkpoint.Size, checkpoint.Root)
	if err != nil {
		return nil, err
	}
	body, err := tree.Entry(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", k.Name(), err)
	}
	return k.newEntry(index, body, shown[0]), nil
}

// newEntry returns an entry of a tiled log that was proven to be in the tree
// of a checkpoint.
func (k *knownLog) newEntry(index uint64, body []byte, at monitor.Seen) *entryJSON {
	c := at.Checkpoint
	return &entryJSON{
		Log: k.Name(), Index: int64(index), Body: body, // a tree has at most 2^48 leaves
		Tree:   &treeJSON{c.Origin, index, c.Size, hex.EncodeToString(c.Root[:])},
		Record: newRecordJSON(monitor.NewRecord(index, body)),
		Checks: []checkJSON{{string(verifier.CheckInclusion), true}, {string(verifier.CheckCheckpoint), true}},
	}
}

// line returns the entry in one line.
func (e *entryJSON) line() string {
	parts := []string{fmt.Sprintf("%s: entry %d", e.Log, e.Index)}
	for _, part := range []string{e.Record.Kind, e.Record.Digest, e.IntegratedTime, e.Record.who()} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if e.Record.Problem != "" {
		parts = append(parts, "not all of it can be read: "+e.Record.Problem)
	}
	return printable(strings.Join(parts, ", "))
}

// lines returns the entry as text, one fact a line.
func (e *entryJSON) lines() []string {
	var lines []string
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%-14s %s", name, printable(fmt.Sprintf(format, args...))))
	}
	add("log", "%s", e.Log)
	add("entry", "%d", e.Index)
	if e.ID != "" {
		add("id", "%s", e.ID)
	}
	if t := e.Tree; t != nil {
		add("leaf", "%d of %d, root %s", t.Index, t.Size, t.RootHash)
	}
	if e.IntegratedTime != "" {
		add("logged", "%s", e.IntegratedTime)
	}
	r := &e.Record
	if r.Kind != "" {
		add("kind", "%s", r.Kind)
	}
	if r.Digest != "" {
		add("digest", "%s", r.Digest)
	}
	for _, id := range r.Identities {
		add("identity", "%s (%s)", id.Subject, issuerLabel(id.Issuer))
	}
	for _, c := range r.Certificates {
		add("certificate", "%s", c)
	}
	for _, key := range r.Keys {
		add("key", "%s", key)
	}
	if r.Problem != "" {
		add("problem", "%s", r.Problem)
	}
	for _, check := range e.Checks {
		add("check", "%s passed", check.Check)
	}
	return lines
}
