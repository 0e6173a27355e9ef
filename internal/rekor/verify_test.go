package rekor

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// realEntry returns an entry that a Rekor v1 log hands out, and the log.
func realEntry(t *testing.T) (*trust.Log, *tlog.Entry) {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Log: fakeca.RekorV1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() }) // in memory
	a.Sign([]byte("payload"), fakeca.Fixture{})
	root, err := trust.Parse(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	client := transport.New(transport.Config{UserAgent: "test", RoundTripper: server.RoundTripper(server.New(a))})
	log := &root.TLogs[0]
	shards, err := a.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := shards[len(shards)-1]
	e, err := (&V1{client, log.BaseURL}).ByIndex(t.Context(), last.First+last.Size-1)
	if err != nil {
		t.Fatal(err)
	}
	return log, e.Entry
}

func TestEntryThatTheLogRecordedVerifies(t *testing.T) {
	log, e := realEntry(t)
	for name, change := range map[string]func(*tlog.Entry){
		"inclusion-proof checkpoint signed-entry-timestamp": func(*tlog.Entry) {},
		"inclusion-proof checkpoint":                        func(e *tlog.Entry) { e.Promise = nil },
		"signed-entry-timestamp":                            func(e *tlog.Entry) { e.Proof = nil },
	} {
		entry := *e
		change(&entry)
		checks, err := VerifyEntry(log, &entry)
		if err != nil || strings.Join(checks, " ") != name {
			t.Errorf("VerifyEntry = %v, %v, want %s", checks, err, name)
		}
	}
}

// TestEntryThatTheLogDidNotRecordIsRefused changes one thing at a time.
func TestEntryThatTheLogDidNotRecordIsRefused(t *testing.T) {
	log, good := realEntry(t)
	_, other := realEntry(t)
	for name, change := range map[string]func(*tlog.Entry){
		"of another log":       func(e *tlog.Entry) { e.LogID = flip(e.LogID, 0) },
		"without a body":       func(e *tlog.Entry) { e.CanonicalizedBody = nil },
		"another body, proof":  func(e *tlog.Entry) { e.Promise, e.CanonicalizedBody = nil, flip(e.CanonicalizedBody, 9) },
		"another body, SET":    func(e *tlog.Entry) { e.Proof, e.CanonicalizedBody = nil, flip(e.CanonicalizedBody, 9) },
		"another index, SET":   func(e *tlog.Entry) { e.Proof = nil; e.LogIndex++ },
		"another time":         func(e *tlog.Entry) { e.IntegratedTime++ },
		"SET changed":          func(e *tlog.Entry) { e.Promise = &tlog.InclusionPromise{SET: flip(e.Promise.SET, 20)} },
		"leaf index changed":   func(e *tlog.Entry) { e.Proof.LogIndex-- },
		"hash changed":         func(e *tlog.Entry) { e.Proof.Hashes[0][0] ^= 1 },
		"hash missing":         func(e *tlog.Entry) { e.Proof.Hashes = e.Proof.Hashes[1:] },
		"tree size changed":    func(e *tlog.Entry) { e.Proof.TreeSize++ },
		"root changed":         func(e *tlog.Entry) { e.Proof.RootHash[0] ^= 1 },
		"checkpoint of others": func(e *tlog.Entry) { e.Proof.Checkpoint = other.Proof.Checkpoint },
		"checkpoint missing":   func(e *tlog.Entry) { e.Proof.Checkpoint = nil },
		"checkpoint forged": func(e *tlog.Entry) {
			i := bytes.LastIndexByte(e.Proof.Checkpoint, ' ')
			e.Proof.Checkpoint = flip(e.Proof.Checkpoint, i+20)
		},
		"neither proof nor promise": func(e *tlog.Entry) { e.Proof, e.Promise = nil, nil },
		"empty promise":             func(e *tlog.Entry) { e.Proof, e.Promise = nil, new(tlog.InclusionPromise) },
	} {
		entry := *good
		proof := *good.Proof
		proof.Hashes = append([]tlog.Hash(nil), proof.Hashes...)
		entry.Proof = &proof
		change(&entry)
		if checks, err := VerifyEntry(log, &entry); !errors.Is(err, ErrContradiction) || checks != nil {
			t.Errorf("%s: VerifyEntry = %v, %v, want ErrContradiction", name, checks, err)
		}
	}
}
