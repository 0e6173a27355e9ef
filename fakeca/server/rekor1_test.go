package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"gitseal/fakeca"
)

// rekord returns a request to enter the user's signature of the message.
func rekord(u *user, message string, signature []byte) object {
	digest := sha256.Sum256([]byte(message))
	return object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": object{
		"data":      object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(digest[:])}},
		"signature": object{"content": signature, "publicKey": object{"content": toPEM("CERTIFICATE", u.certificate)}},
	}}
}

// dsse returns a request to enter the user's envelope, and the envelope.
func dsse(u *user, payload string) (request object, envelope string) {
	const kind = "application/json"
	signature := u.sign(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(payload), payload))
	envelope = fmt.Sprintf(`{"payload":%q,"payloadType":%q,"signatures":[{"sig":%q}]}`,
		base64.StdEncoding.EncodeToString([]byte(payload)), kind, base64.StdEncoding.EncodeToString(signature))
	return object{"apiVersion": "0.0.1", "kind": "dsse", "spec": object{"proposedContent": object{
		"envelope": envelope, "verifiers": [][]byte{toPEM("CERTIFICATE", u.certificate)},
	}}}, envelope
}

// only returns the one entry of an answer and its id.
func only(t testing.TB, entries map[string]jsonEntry) (string, jsonEntry) {
	t.Helper()
	for id, e := range entries {
		if len(entries) == 1 {
			return id, e
		}
	}
	t.Fatalf("%d entries, want 1", len(entries))
	return "", jsonEntry{}
}

// enterV1 enters the user's signature of the message.
func (c *client) enterV1(u *user, message string) (string, jsonEntry) {
	c.t.Helper()
	var got map[string]jsonEntry
	c.ask("POST", "/api/v1/log/entries", rekord(u, message, u.sign([]byte(message)))).decode(c.t, 201, &got)
	return only(c.t, got)
}

// checkV1 checks an entry with x/mod and crypto alone.
func checkV1(t testing.TB, a *fakeca.Authority, id string, e jsonEntry) {
	t.Helper()
	p := e.Verification.InclusionProof
	leaf := tlog.RecordHash(e.Body)
	if len(id) != 80 || id[16:] != hex.EncodeToString(leaf[:]) {
		t.Errorf("id %s, want a tree id and %x", id, leaf[:])
	}
	var proof tlog.RecordProof
	for _, h := range p.Hashes {
		proof = append(proof, hash(t, h))
	}
	if err := tlog.CheckRecord(proof, p.TreeSize, hash(t, p.RootHash), p.LogIndex, leaf); err != nil {
		t.Error(err)
	}
	if !strings.Contains(p.Checkpoint, fmt.Sprintf("\n%d\n%s\n", p.TreeSize, hash(t, p.RootHash))) {
		t.Errorf("checkpoint %q is not of the proof's tree", p.Checkpoint)
	}
	promised, err := json.Marshal(map[string]any{
		"body": e.Body, "integratedTime": e.IntegratedTime, "logID": e.LogID, "logIndex": e.LogIndex,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(a.LogKey())
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(promised)
	if !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), digest[:], e.Verification.SignedEntryTimestamp) {
		t.Error("the signed entry timestamp is not the log's")
	}
	if want := sha256.Sum256(a.LogKey()); e.LogID != hex.EncodeToString(want[:]) {
		t.Errorf("log id %s, want %x", e.LogID, want)
	}
}

func hash(t testing.TB, text string) tlog.Hash {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != tlog.HashSize {
		t.Fatalf("%q is not a hash", text)
	}
	return tlog.Hash(b)
}

// TestRekorV1KeepsEntries reads entries back, in each way there is, from a log
// that has grown and when time has passed.
func TestRekorV1KeepsEntries(t *testing.T) {
	now := testTime()
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1, Clock: func() time.Time { return now }})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	type entry struct {
		id string
		jsonEntry
	}
	var entries []entry
	for i := range 4 {
		id, e := c.enterV1(u, fmt.Sprint("message ", i))
		checkV1(t, a, id, e)
		if e.IntegratedTime != now.Unix() {
			t.Errorf("integrated at %d, want %d", e.IntegratedTime, now.Unix())
		}
		entries = append(entries, entry{id, e})
		now = now.Add(time.Hour)
	}
	for i, want := range entries {
		for _, path := range []string{
			"?logIndex=" + fmt.Sprint(want.LogIndex), "/" + want.id, "/" + want.id[16:], "/" + strings.ToUpper(want.id),
		} {
			var got map[string]jsonEntry
			c.ask("GET", "/api/v1/log/entries"+path, nil).decode(t, 200, &got)
			id, e := only(t, got)
			checkV1(t, a, id, e)
			if id != want.id || string(e.Body) != string(want.Body) || e.LogIndex != want.LogIndex ||
				e.IntegratedTime != want.IntegratedTime || e.Verification.InclusionProof.LogIndex != int64(i) {
				t.Errorf("%s = %v, want %v", path, e, want)
			}
			if e.Verification.InclusionProof.TreeSize != int64(len(entries)) {
				t.Errorf("%s has a proof for %d entries, want %d", path, e.Verification.InclusionProof.TreeSize, len(entries))
			}
		}
	}
	var list []map[string]jsonEntry
	c.ask("POST", "/api/v1/log/entries/retrieve", object{
		"entryUUIDs": []string{entries[2].id, strings.Repeat("a", 64)},
		"logIndexes": []int64{entries[1].LogIndex, 0, entries[3].LogIndex + 1},
	}).decode(t, 200, &list)
	if len(list) != 2 {
		t.Fatalf("retrieved %d entries, want the 2 that exist", len(list))
	}
	for i, want := range []string{entries[2].id, entries[1].id} {
		if id, e := only(t, list[i]); id != want {
			t.Errorf("retrieved %s, want %s", id, want)
		} else {
			checkV1(t, a, id, e)
		}
	}
}

func TestRekorV1Conflict(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	request := rekord(u, "message", u.sign([]byte("message")))
	first := c.ask("POST", "/api/v1/log/entries", request)
	var got map[string]jsonEntry
	first.decode(t, 201, &got)
	id, _ := only(t, got)
	if got := first.header.Get("Location"); got != "/api/v1/log/entries/"+id {
		t.Errorf("Location %s, want that of %s", got, id)
	}
	if got := first.header.Get("ETag"); got != id {
		t.Errorf("ETag %s, want %s", got, id)
	}
	second := c.ask("POST", "/api/v1/log/entries", request)
	second.want(t, 409, `{"code":409,"message":"an equivalent entry already exists in the transparency log with UUID `+id+`"}`)
	if got := second.header.Get("Location"); got != "/api/v1/log/entries/"+id {
		t.Errorf("Location of the conflict is %s, want that of %s", got, id)
	}
	c.ask("GET", second.header.Get("Location"), nil).want(t, 200, id)
	c.enterV1(u, "message") // signed anew, it is another entry
}

// TestConcurrentDuplicatesConflict sends the same entry many times at once.
func TestConcurrentDuplicatesConflict(t *testing.T) {
	for _, generation := range generations() {
		a := newAuthority(t, fakeca.Config{Log: generation})
		c, u := newClient(t, a), certified(t, a, "alice@example.com")
		path, request := "/api/v1/log/entries", rekord(u, "message", u.sign([]byte("message")))
		if generation == fakeca.RekorV2 {
			path, request = "/api/v2/log/entries", rekordV2(u, "message", u.sign([]byte("message")))
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		statuses := make(map[int]int)
		for range 16 {
			wg.Go(func() {
				status := c.ask("POST", path, request).status
				mu.Lock()
				defer mu.Unlock()
				statuses[status]++
			})
		}
		wg.Wait()
		if statuses[201] != 1 || statuses[409] != 15 {
			t.Errorf("%v: statuses %v, want one 201 and 15 times 409", generation, statuses)
		}
		if shards, err := a.Shards(context.Background()); err != nil || shards[len(shards)-1].Size != 1 {
			t.Errorf("%v: shards %v, %v, want the last to have one entry", generation, shards, err)
		}
	}
}

func TestRekorV1EntersEnvelopes(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	request, envelope := dsse(u, `{"x":1}`)
	var got map[string]jsonEntry
	c.ask("POST", "/api/v1/log/entries", request).decode(t, 201, &got)
	id, e := only(t, got)
	checkV1(t, a, id, e)
	for _, text := range []string{envelope, `{"x":1}`} {
		want := sha256.Sum256([]byte(text))
		if !strings.Contains(string(e.Body), hex.EncodeToString(want[:])) {
			t.Errorf("body %s has no digest of %s", e.Body, text)
		}
		c.ask("POST", "/api/v1/index/retrieve", object{"hash": hex.EncodeToString(want[:])}).want(t, 200, `["`+id+`"]`)
	}
	c.ask("POST", "/api/v1/log/entries", request).want(t, 409, id)
}

// TestRekorV1Refuses has requests of which one thing each is wrong.
func TestRekorV1Refuses(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	u := certified(t, a, "alice@example.com")
	signature := u.sign([]byte("message"))
	spoiled := func(spoil func(spec object)) object {
		r := rekord(u, "message", signature)
		spoil(r["spec"].(object))
		return r
	}
	set := func(o any, key string, value any) { o.(object)[key] = value }
	envelope := func(text string) object {
		r, _ := dsse(u, "{}")
		set(r["spec"].(object)["proposedContent"], "envelope", text)
		return r
	}
	goodDSSE, goodEnvelope := dsse(u, "{}")
	noVerifier, _ := dsse(u, "{}")
	set(noVerifier["spec"].(object)["proposedContent"], "verifiers", [][]byte{})
	newer := rekord(u, "message", signature)
	newer["apiVersion"] = "0.0.2"
	for name, test := range map[string]struct {
		request any
		status  int
		message string
	}{
		"no kind":           {object{}, 422, `{"code":602,"message":"kind in body is required"}`},
		"unknown kind":      {object{"kind": "foo"}, 422, `invalid kind value: \"foo\"`},
		"unknown version":   {newer, 400, `hashedrekord of version \"0.0.2\"`},
		"unknown field":     {object{"kind": "hashedrekord", "x": 1}, 400, "unknown field"},
		"half a request":    {[]byte("{"), 400, "unexpected EOF"},
		"trailing bytes":    {[]byte("{}1"), 400, "more than one JSON value"},
		"over other digest": {rekord(u, "other", signature), 400, "error processing entry: the signature is not over the digest"},
		"by other key":      {rekord(u, "message", newUser(t).sign([]byte("message"))), 400, "the signature is not over the digest"},
		"short digest": {spoiled(func(s object) { set(s["data"].(object)["hash"], "value", "abcd") }), 400,
			"not given by its SHA-256"},
		"other hash": {spoiled(func(s object) { set(s["data"].(object)["hash"], "algorithm", "sha512") }), 400,
			"not given by its SHA-256"},
		"no certificate": {spoiled(func(s object) { set(s["signature"].(object)["publicKey"], "content", toPEM("PUBLIC KEY", u.spki())) }), 400,
			"malformed certificate"},
		"unknown field in spec":       {spoiled(func(s object) { set(s, "x", 1) }), 400, "unknown field"},
		"envelope that is none":       {envelope("x"), 400, "invalid character"},
		"envelope with two payloads":  {envelope(goodEnvelope + goodEnvelope), 400, "more than one JSON value"},
		"envelope without signature":  {envelope(`{"payload":"","payloadType":"","signatures":[]}`), 400, "0 signatures, where one is expected"},
		"envelope of other content":   {envelope(strings.Replace(goodEnvelope, `"e30="`, `"W10="`, 1)), 400, "the signature is not over the digest"},
		"envelope of other type":      {envelope(strings.Replace(goodEnvelope, "application/json", "application/jsom", 1)), 400, "the signature is not over the digest"},
		"envelope without a verifier": {noVerifier, 400, "not one verifier"},
	} {
		t.Run(name, func(t *testing.T) {
			newClient(t, a).ask("POST", "/api/v1/log/entries", test.request).want(t, test.status, test.message)
		})
	}
	c := newClient(t, a)
	c.ask("POST", "/api/v1/log/entries", goodDSSE).want(t, 201, "body")
	c.header.Set("Content-Type", "text/plain")
	for _, path := range []string{"/api/v1/log/entries", "/api/v1/log/entries/retrieve", "/api/v1/index/retrieve"} {
		c.ask("POST", path, object{}).want(t, 415, `unsupported media type \"text/plain\", only [application/json] are allowed`)
	}
}

func TestRekorV1MissingEntries(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	c, u := newClient(t, a), certified(t, a, "alice@example.com")
	id, e := c.enterV1(u, "message")
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"?logIndex=" + fmt.Sprint(e.LogIndex+1): {404, ""},
		"?logIndex=" + fmt.Sprint(e.LogIndex-1): {404, ""}, // in the frozen shard
		"?logIndex=0":                           {404, ""},
		"?logIndex=-1":                          {422, `{"code":609,"message":"logIndex in query should be greater than or equal to 0"}`},
		"?logIndex=x":                           {422, `{"code":601,"message":"logIndex in query must be of type int64: \"x\""}`},
		"?logIndex=9223372036854775808":         {422, `"code":601`},
		"":                                      {422, `{"code":602,"message":"logIndex in query is required"}`},
		"/" + strings.Repeat("a", 64):           {404, ""},
		"/" + strings.Repeat("a", 16) + id[16:]: {404, ""}, // of another tree
		"/xyz":                                  {422, `{"code":605,"message":"entryUUID in path should match '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$'"}`},
		"/":                                     {422, `"code":605`},
	} {
		c.ask("GET", "/api/v1/log/entries"+path, nil).want(t, want.status, want.text)
	}
	retrieve := func(request any, status int, text string) {
		t.Helper()
		c.ask("POST", "/api/v1/log/entries/retrieve", request).want(t, status, text)
	}
	retrieve(object{}, 200, "[]")
	retrieve(object{"logIndexes": make([]int, 11)}, 422, `{"code":611,"message":"logIndexes in body should have at most 10 items"}`)
	retrieve(object{"entryUUIDs": make([]string, 11)}, 422, `{"code":611,"message":"entryUUIDs in body should have at most 10 items"}`)
	retrieve(object{"entryUUIDs": []string{"x"}}, 422, `"code":605`)
	retrieve([]byte("{"), 400, "unexpected EOF")
}
