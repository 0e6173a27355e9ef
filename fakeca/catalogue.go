package fakeca

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// A catalogue finds entries of a log by what they are about. It is made of the
// log's entries alone, when it is first asked, and kept in memory.
type catalogue struct {
	mu     sync.Mutex
	leaves []tlog.Hash         // guarded by mu: of the entries that it has
	end    int64               // guarded by mu: where the last of them ends in the file
	first  map[tlog.Hash]int64 // guarded by mu: leaf hash to index in the tree
	keys   map[string][]int64  // guarded by mu: of a Rekor v1 log: search key to indexes

	entering map[tlog.Hash]chan struct{} // guarded by mu: closed when whoever enters the leaf is done
}

// A Query says which entries of a Rekor v1 log to find: those with one of the
// things it names.
type Query struct {
	Digest      []byte // SHA-256 of what was signed; of an envelope, that of itself or its payload; nil: any
	Email       string // address in the certificate, letter case aside; "": any
	Certificate []byte // DER; nil: any
	All         bool   // only those with all of the things it names
}

// Search returns the IDs of the entries that the query finds, in the order of
// the log, each once.
func (a *Authority) Search(ctx context.Context, q Query) (ids []string, err error) {
	if a.generation != RekorV1 {
		return nil, errors.New("searching log: only Rekor v1 logs are searched")
	}
	c := a.catalogue
	if err := c.follow(ctx, a.log); err != nil {
		return nil, fmt.Errorf("searching log: %w", err)
	}
	var keys []string
	if q.Digest != nil {
		keys = append(keys, digestKey(hex.EncodeToString(q.Digest)))
	}
	if q.Email != "" {
		keys = append(keys, emailKey(q.Email))
	}
	if q.Certificate != nil {
		keys = append(keys, certificateKey(q.Certificate))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	hits := make(map[int64]int)
	for _, key := range keys {
		for _, i := range c.keys[key] {
			hits[i]++
		}
	}
	var indexes []int64
	for i, n := range hits {
		if !q.All || n == len(keys) {
			indexes = append(indexes, i)
		}
	}
	slices.Sort(indexes)
	for _, i := range indexes {
		ids = append(ids, a.entryID(c.leaves[i]))
	}
	return ids, nil
}

// Find returns the index in the tree of the entry with a leaf hash, of equal
// ones the first. The error is fs.ErrNotExist if there is none.
func (a *Authority) Find(ctx context.Context, leaf [32]byte) (treeIndex int64, err error) {
	if err := a.catalogue.follow(ctx, a.log); err != nil {
		return 0, fmt.Errorf("looking for entry: %w", err)
	}
	i, ok := a.catalogue.find(leaf)
	if !ok {
		return 0, fmt.Errorf("looking for entry: %w", fs.ErrNotExist)
	}
	return i, nil
}

// enterOnce appends an entry unless the log has it.
func (a *Authority) enterOnce(ctx context.Context, kind string, body []byte) (*logEntry, error) {
	c, leaf := a.catalogue, tlog.RecordHash(body)
	release, err := c.claim(ctx, leaf)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := c.follow(ctx, a.log); err != nil {
		return nil, err
	}
	if i, ok := c.find(leaf); ok {
		e := &DuplicateError{Index: i}
		if a.generation == RekorV1 {
			e.Index, e.ID = i+rekorV1Offset, a.entryID(leaf)
		}
		return nil, e
	}
	return a.record(ctx, kind, body)
}

// claim waits until nobody else is entering the leaf.
func (c *catalogue) claim(ctx context.Context, leaf tlog.Hash) (release func(), err error) {
	done := make(chan struct{})
	for {
		c.mu.Lock()
		other, busy := c.entering[leaf]
		if !busy {
			if c.entering == nil {
				c.entering = make(map[tlog.Hash]chan struct{})
			}
			c.entering[leaf] = done
			c.mu.Unlock()
			break
		}
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.entering, leaf)
		close(done)
	}, nil
}

func (c *catalogue) find(leaf tlog.Hash) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.first[leaf]
	return i, ok
}

// follow takes in what the log has appended.
func (c *catalogue) follow(ctx context.Context, l *merkleLog) error {
	// What this checkpoint covers stays as it is, so the rest needs no lock on
	// the log.
	latest, err := l.append(ctx, nil)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(len(c.leaves)) >= latest.size {
		return nil
	}
	entries, err := l.disk.Open(filepath.Join(l.dir, "entries"))
	if err != nil {
		return err
	}
	defer entries.Close()
	end, err := entries.Size()
	if err != nil {
		return err
	}
	r := newFrameReader(entries, c.end, end)
	for int64(len(c.leaves)) < latest.size {
		f, err := r.next()
		if err != nil {
			return fmt.Errorf("reading entry %d: %w", len(c.leaves), err)
		}
		c.add(f.entry, l.stamp != nil)
		c.end += f.size()
	}
	return nil
}

// add enters the next entry; c.mu is held.
func (c *catalogue) add(entry []byte, searched bool) {
	if c.first == nil {
		c.first, c.keys = make(map[tlog.Hash]int64), make(map[string][]int64)
	}
	i, leaf := int64(len(c.leaves)), tlog.RecordHash(entry)
	c.leaves = append(c.leaves, leaf)
	if _, ok := c.first[leaf]; !ok {
		c.first[leaf] = i
	}
	if searched {
		for _, key := range searchKeys(entry) {
			c.keys[key] = append(c.keys[key], i)
		}
	}
}

// Search keys begin with a letter for the kind of thing, as one must not be
// taken for another.

func digestKey(digest string) string           { return "d" + digest }
func emailKey(address string) string           { return "e" + strings.ToLower(address) }
func certificateKey(certificate []byte) string { return "c" + string(sum(certificate)) }

// searchKeys returns by what an entry of a Rekor v1 log can be found. What is no
// such entry, as in fixtures, is found by nothing.
func searchKeys(body []byte) []string {
	type hash struct {
		Value string `json:"value"`
	}
	var b struct {
		Spec struct {
			Data struct { // of hashedrekord
				Hash hash `json:"hash"`
			} `json:"data"`
			Signature struct {
				PublicKey struct {
					Content []byte `json:"content"`
				} `json:"publicKey"`
			} `json:"signature"`

			EnvelopeHash hash `json:"envelopeHash"` // of dsse
			PayloadHash  hash `json:"payloadHash"`
			Signatures   []struct {
				Verifier []byte `json:"verifier"`
			} `json:"signatures"`
		} `json:"spec"`
	}
	if json.Unmarshal(body, &b) != nil {
		return nil
	}
	var keys []string
	for _, h := range []hash{b.Spec.Data.Hash, b.Spec.EnvelopeHash, b.Spec.PayloadHash} {
		if h.Value != "" {
			keys = append(keys, digestKey(h.Value))
		}
	}
	verifiers := [][]byte{b.Spec.Signature.PublicKey.Content}
	for _, s := range b.Spec.Signatures {
		verifiers = append(verifiers, s.Verifier)
	}
	for _, text := range verifiers {
		block, _ := pem.Decode(text)
		if block == nil {
			continue
		}
		keys = append(keys, certificateKey(block.Bytes))
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			for _, address := range cert.EmailAddresses {
				keys = append(keys, emailKey(address))
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
