package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"gitseal/fakeca"
)

func TestRekorV1Search(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	c := newClient(t, a)
	alice, bob := certified(t, a, "alice@example.com"), certified(t, a, "bob@example.com")
	one, _ := c.enterV1(alice, "one")
	two, _ := c.enterV1(alice, "two")
	three, _ := c.enterV1(bob, "two")
	digest := func(message string) string {
		h := sha256.Sum256([]byte(message))
		return hex.EncodeToString(h[:])
	}
	key := func(der []byte, kind string) object { return object{"format": "x509", "content": toPEM(kind, der)} }
	for _, test := range []struct {
		query object
		want  []string
	}{
		{object{"hash": digest("one")}, []string{one}},
		{object{"hash": "sha256:" + digest("two")}, []string{two, three}},
		{object{"hash": digest("three")}, []string{}},
		{object{"email": "alice@example.com"}, []string{one, two}},
		{object{"email": "Bob@Example.COM"}, []string{three}},
		{object{"email": "carol@example.com"}, []string{}},
		{object{"publicKey": key(alice.certificate, "CERTIFICATE")}, []string{one, two}},
		{object{"publicKey": key(alice.spki(), "PUBLIC KEY")}, []string{}},
		{object{"email": "alice@example.com", "hash": digest("two"), "operator": "and"}, []string{two}},
		{object{"email": "alice@example.com", "hash": digest("two"), "operator": "or"}, []string{one, two, three}},
		{object{"email": "alice@example.com", "hash": digest("two")}, []string{one, two, three}},
		{object{"email": "bob@example.com", "hash": digest("one"), "operator": "and"}, []string{}},
		{object{}, []string{}},
	} {
		var got []string
		c.ask("POST", "/api/v1/index/retrieve", test.query).decode(t, 200, &got)
		if !slices.Equal(got, test.want) {
			t.Errorf("search for %v finds %v, want %v", test.query, got, test.want)
		}
	}
	four, _ := c.enterV1(bob, "four") // after the first search
	c.ask("POST", "/api/v1/index/retrieve", object{"email": "bob@example.com"}).want(t, 200, `["`+three+`","`+four+`"]`)

	for _, test := range []struct {
		query  any
		status int
		text   string
	}{
		{object{"hash": "abcd"}, 422, "hash in body"},
		{object{"hash": "sha1:" + digest("one")}, 422, "hash in body"},
		{object{"operator": "xor"}, 422, "operator in body"},
		{object{"publicKey": object{"format": "x509", "content": []byte("x")}}, 400, "publicKey in body"},
		{object{"publicKey": object{"format": "pgp", "content": toPEM("CERTIFICATE", alice.certificate)}}, 400, "publicKey in body"},
		{object{"x": 1}, 400, "unknown field"},
	} {
		c.ask("POST", "/api/v1/index/retrieve", test.query).want(t, test.status, test.text)
	}
}

// TestRekorV1Describes checks the two trees and consistency proofs between sizes.
func TestRekorV1Describes(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	type shard struct {
		InactiveShards []shard `json:"inactiveShards"`
		RootHash       string  `json:"rootHash"`
		SignedTreeHead string  `json:"signedTreeHead"`
		TreeID         string  `json:"treeID"`
		TreeSize       int64   `json:"treeSize"`
	}
	roots := make(map[int64]tlog.Hash)
	var info shard
	for i := range int64(7) {
		id, e := c.enterV1(u, fmt.Sprint(i))
		info = shard{}
		c.ask("GET", "/api/v1/log", nil).decode(t, 200, &info)
		if info.TreeSize != i+1 || !strings.HasPrefix(id, fmt.Sprintf("%016x", mustInt(t, info.TreeID))) {
			t.Errorf("tree %s of %d entries, want %d and the tree of %s", info.TreeID, info.TreeSize, i+1, id)
		}
		var before int64
		for _, s := range info.InactiveShards {
			before += s.TreeSize
		}
		if e.LogIndex != before+i {
			t.Errorf("log index %d, want %d after those of the earlier shards", e.LogIndex, before+i)
		}
		roots[info.TreeSize] = hash(t, info.RootHash)
	}
	for _, s := range append(info.InactiveShards, info) {
		if !strings.Contains(s.SignedTreeHead, fmt.Sprintf(" - %s\n%d\n%s\n", s.TreeID, s.TreeSize, hash(t, s.RootHash))) {
			t.Errorf("head %q is not of tree %s", s.SignedTreeHead, s.TreeID)
		}
	}
	for last := int64(1); last <= 7; last++ {
		for first := int64(1); first <= last; first++ {
			var got struct {
				Hashes   []string `json:"hashes"`
				RootHash string   `json:"rootHash"`
			}
			path := fmt.Sprintf("/api/v1/log/proof?firstSize=%d&lastSize=%d&treeID=%s", first, last, info.TreeID)
			c.ask("GET", path, nil).decode(t, 200, &got)
			var proof tlog.TreeProof
			for _, h := range got.Hashes {
				proof = append(proof, hash(t, h))
			}
			if err := tlog.CheckTree(proof, last, roots[last], first, roots[first]); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if got.RootHash != info.RootHash {
				t.Errorf("%s: root %s, want that of the log, %s", path, got.RootHash, info.RootHash)
			}
		}
	}
	for query, want := range map[string]struct {
		status int
		text   string
	}{
		"lastSize=3":             {200, "hashes"},
		"firstSize=1":            {422, "lastSize in query is required"},
		"firstSize=0&lastSize=1": {422, "firstSize in query should be greater than or equal to 1"},
		"firstSize=3&lastSize=1": {400, "firstSize(3) must be less than lastSize(1)"},
		"firstSize=1&lastSize=8": {400, "the tree size requested(8) was greater than what is currently observable(7)"},
		"lastSize=3&treeID=1":    {400, "tree 1 has no entries here"},
		"lastSize=x":             {422, "must be of type int64"},
	} {
		c.ask("GET", "/api/v1/log/proof?"+query, nil).want(t, want.status, want.text)
	}
	block, _ := pem.Decode(c.ask("GET", "/api/v1/log/publicKey", nil).body)
	if block == nil || block.Type != "PUBLIC KEY" || string(block.Bytes) != string(a.LogKey()) {
		t.Errorf("public key %v, want the log's", block)
	}
}

func mustInt(t *testing.T, text string) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
