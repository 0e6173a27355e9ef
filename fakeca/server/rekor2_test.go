package server

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"gitseal/fakeca"
)

// rekordV2 returns a request to enter the user's signature of the message.
func rekordV2(u *user, message string, signature []byte) object {
	digest := sha256.Sum256([]byte(message))
	return object{"hashedRekordRequestV002": object{"digest": digest[:], "signature": object{
		"content":  signature,
		"verifier": object{"x509Certificate": object{"rawBytes": u.certificate}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
	}}}
}

// enterV2 enters the user's signature of the message.
func (c *client) enterV2(u *user, message string) *protorekor.TransparencyLogEntry {
	c.t.Helper()
	r := c.ask("POST", "/api/v2/log/entries", rekordV2(u, message, u.sign([]byte(message))))
	e := new(protorekor.TransparencyLogEntry)
	if r.status != 201 {
		c.t.Fatalf("status %d: %s", r.status, r.body)
	}
	if err := protojson.Unmarshal(r.body, e); err != nil {
		c.t.Fatal(err)
	}
	return e
}

func TestRekorV2Enters(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	for i := range int64(6) {
		e := c.enterV2(u, fmt.Sprint("message ", i))
		p := e.InclusionProof
		var hashes tlog.RecordProof
		for _, h := range p.Hashes {
			hashes = append(hashes, tlog.Hash(h))
		}
		err := tlog.CheckRecord(hashes, p.TreeSize, tlog.Hash(p.RootHash), p.LogIndex, tlog.RecordHash(e.CanonicalizedBody))
		if err != nil || e.LogIndex != i || p.LogIndex != i || p.TreeSize != i+1 {
			t.Errorf("entry %d is at %d, %d of %d: %v", i, e.LogIndex, p.LogIndex, p.TreeSize, err)
		}
		if e.KindVersion.Kind != "hashedrekord" || e.KindVersion.Version != "0.0.2" || e.IntegratedTime != 0 || e.InclusionPromise != nil {
			t.Errorf("entry %d is %v", i, e)
		}
		checkCheckpoint(t, a, p.Checkpoint.Envelope, p.TreeSize, tlog.Hash(p.RootHash))
	}
}

// checkCheckpoint checks a checkpoint with crypto alone.
func checkCheckpoint(t *testing.T, a *fakeca.Authority, checkpoint string, size int64, root tlog.Hash) {
	t.Helper()
	text, signatures, ok := strings.Cut(checkpoint, "\n\n")
	fields := strings.Fields(signatures)
	if !ok || len(fields) != 3 || fields[0] != "—" {
		t.Fatalf("checkpoint is %q", checkpoint)
	}
	origin := fields[1]
	if want := fmt.Sprintf("%s\n%d\n%s", origin, size, root); text != want {
		t.Errorf("checkpoint of %q, want %q", text, want)
	}
	signature, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(signature) != 4+ed25519.SignatureSize {
		t.Fatalf("signature %q", fields[2])
	}
	key, err := x509.ParsePKIXPublicKey(a.LogKey())
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(key.(ed25519.PublicKey), []byte(text+"\n"), signature[4:]) {
		t.Error("the checkpoint is not signed by the log")
	}
	if !strings.Contains(string(a.TrustedRoot()), "https://"+origin) {
		t.Errorf("the trusted root does not name the log %q", origin)
	}
}

// TestRekorV2AnswersAsProtoJSON compares the text of an answer with what
// Sigstore's own types write for it.
func TestRekorV2AnswersAsProtoJSON(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	c.enterV2(u, "one")
	r := c.ask("POST", "/api/v2/log/entries", rekordV2(u, "two", u.sign([]byte("two"))))
	e := new(protorekor.TransparencyLogEntry)
	if err := protojson.Unmarshal(r.body, e); err != nil {
		t.Fatal(err)
	}
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("answer %s, want %s", g, w)
	}
}

func TestRekorV2Conflict(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	c.enterV2(u, "before")
	request := rekordV2(u, "message", u.sign([]byte("message")))
	c.ask("POST", "/api/v2/log/entries", request).want(t, 201, `"logIndex":"1"`)
	again := c.ask("POST", "/api/v2/log/entries", request)
	again.want(t, 409, `{"code":6,"message":"an equivalent entry already exists in the transparency log with index 1","details":[]}`)
	if got := again.header.Get("X-Log-Index"); got != "1" {
		t.Errorf("X-Log-Index is %q, want 1", got)
	}
}

// TestRekorV2Refuses has requests of which one thing each is wrong.
func TestRekorV2Refuses(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	u := certified(t, a, "alice@example.com")
	spoiled := func(spoil func(rekord, verifier object)) object {
		r := rekordV2(u, "message", u.sign([]byte("message")))
		rekord := r["hashedRekordRequestV002"].(object)
		spoil(rekord, rekord["signature"].(object)["verifier"].(object))
		return r
	}
	const refused = `{"code":3,"message":"invalid hashedrekord request","details":[]}`
	for name, test := range map[string]struct {
		request any
		message string
	}{
		"over other digest": {rekordV2(u, "other", u.sign([]byte("message"))), refused},
		"by other key":      {rekordV2(u, "message", newUser(t).sign([]byte("message"))), refused},
		"short digest":      {spoiled(func(r, _ object) { r["digest"] = []byte("abc") }), refused},
		"no certificate":    {spoiled(func(_, v object) { delete(v, "x509Certificate") }), refused},
		"other algorithm":   {spoiled(func(_, v object) { v["keyDetails"] = "PKIX_ECDSA_P384_SHA_384" }), refused},
		"unknown field":     {spoiled(func(r, _ object) { r["x"] = 1 }), "unknown field"},
		"an envelope":       {object{"dsseRequestV002": object{}}, "unknown field"},
		"nothing":           {object{}, "invalid type, must be hashedrekord"},
		"half a request":    {[]byte("{"), "unexpected EOF"},
		"trailing bytes":    {[]byte("{}1"), "more than one JSON value"},
	} {
		t.Run(name, func(t *testing.T) {
			newClient(t, a).ask("POST", "/api/v2/log/entries", test.request).want(t, 400, test.message)
		})
	}
	if shards, err := a.Shards(context.Background()); err != nil || shards[0].Size != 0 {
		t.Errorf("shards %v, %v, want none to have an entry", shards, err)
	}
}

// tileReader reads tiles over HTTP, for x/mod to check.
type tileReader struct{ c *client }

func (r tileReader) Height() int                     { return 8 }
func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
func (r tileReader) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		path := "/api/v2/" + strings.Replace(t.Path(), "tile/8/", "tile/", 1)
		got := r.c.ask("GET", path, nil)
		if got.status != 200 {
			return nil, fmt.Errorf("%s: status %d", path, got.status)
		}
		data = append(data, got.body)
	}
	return data, nil
}

// TestRekorV2ServesTiles has x/mod check every leaf of a log that has a full
// tile, and every entry against its leaf.
func TestRekorV2ServesTiles(t *testing.T) {
	const size = 300
	a := newAuthority(t, fakeca.Config{})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	for i := range size {
		digest := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		if _, err := a.Add(context.Background(), digest, u.sign([]byte{byte(i), byte(i >> 8)}), u.certificate); err != nil {
			t.Fatal(err)
		}
	}
	checkpoint := string(c.ask("GET", "/api/v2/checkpoint", nil).body)
	tree, err := tlog.ParseHash(strings.Split(checkpoint, "\n")[2])
	if err != nil {
		t.Fatal(err)
	}
	checkCheckpoint(t, a, checkpoint, size, tree)
	var indexes []int64
	for i := range int64(size) {
		indexes = append(indexes, tlog.StoredHashIndex(0, i))
	}
	leaves, err := tlog.TileHashReader(tlog.Tree{N: size, Hash: tree}, tileReader{c}).ReadHashes(indexes)
	if err != nil {
		t.Fatal(err)
	}
	var entries [][]byte
	for _, path := range []string{"entries/000", "entries/001.p/44"} {
		r := c.ask("GET", "/api/v2/tile/"+path, nil)
		if r.status != 200 || r.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(r.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %v", path, r.status, r.header)
		}
		for b := r.body; len(b) > 0; {
			n := int(b[0])<<8 | int(b[1])
			entries, b = append(entries, b[2:2+n]), b[2+n:]
		}
	}
	if len(entries) != size {
		t.Fatalf("%d entries, want %d", len(entries), size)
	}
	for i, entry := range entries {
		if tlog.RecordHash(entry) != leaves[i] {
			t.Errorf("entry %d is not that of leaf %d", i, i)
		}
	}
	for _, path := range []string{"0/001.p/10", "0/000.p/255", "0/000.p/1", "entries/000.p/3"} {
		if got := c.ask("GET", "/api/v2/tile/"+path, nil); got.status != 200 {
			t.Errorf("%s, as of an earlier size: status %d, want 200", path, got.status)
		}
	}
	for _, path := range []string{
		"0/001", "0/001.p/45", "0/002.p/1", "1/000", "1/000.p/2", "2/000.p/1", "63/000.p/1", "64/000.p/1", "entries/001", "entries/001.p/45", "entries/x000/000",
		"0/0", "0/x", "0/000.p/0", "0/000.p/256", "0/000.p/01", "00/000", "-1/000", "data/000", "0/000.p/1/", "", "0/x999/x999/x999/x999/x999/999",
	} {
		if got := c.ask("GET", "/api/v2/tile/"+path, nil); got.status != 404 {
			t.Errorf("%s: status %d, want 404", path, got.status)
		}
	}
}

// TestAddDSSE checks that each log records an envelope in its own way.
func TestAddDSSE(t *testing.T) {
	for generation, want := range map[fakeca.Generation]string{fakeca.RekorV1: "dsse 0.0.1", fakeca.RekorV2: "hashedrekord 0.0.2"} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		u := certified(t, a, "alice@example.com")
		_, envelope := dsse(u, "{}")
		pb, err := a.AddDSSE(context.Background(), []byte(envelope), u.certificate)
		if err != nil {
			t.Fatal(err)
		}
		e := new(protorekor.TransparencyLogEntry)
		if err := proto.Unmarshal(pb, e); err != nil {
			t.Fatal(err)
		}
		if got := e.KindVersion.Kind + " " + e.KindVersion.Version; got != want || !strings.Contains(string(e.CanonicalizedBody), `"kind":"`+e.KindVersion.Kind+`"`) {
			t.Errorf("%v records %s, %s, want %s", generation, got, e.CanonicalizedBody, want)
		}
		if _, err := a.AddDSSE(context.Background(), []byte(strings.Replace(envelope, "json", "jsom", 1)), u.certificate); err == nil {
			t.Errorf("%v records an envelope whose signature is over another", generation)
		}
	}
}
