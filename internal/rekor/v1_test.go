package rekor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// A fakeLog is a Rekor v1 log with a server in front of it that can be told
// to answer otherwise.
type fakeLog struct {
	authority *fakeca.Authority
	root      *trust.TrustedRoot
	client    *transport.Client
	url       string

	// answer, if it is not nil, may answer in place of the log, by reporting
	// true. It is given what the log would answer.
	answer func(w http.ResponseWriter, r *http.Request, body []byte) bool

	mu       sync.Mutex
	asked    map[string]int // questions by path; guarded by mu
	inFlight int            // guarded by mu
	most     int            // of inFlight; guarded by mu
	largest  int            // number of ids in a question; guarded by mu
}

func newLog(t testing.TB) *fakeLog {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Log: fakeca.RekorV1})
	if err != nil {
		t.Fatal(err)
	}
	l := &fakeLog{authority: a, asked: make(map[string]int)}
	if l.root, err = trust.Parse(a.TrustedRoot()); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(l.handler(server.New(a)))
	t.Cleanup(s.Close)
	l.url = s.URL
	// The id of a Rekor v1 log is that of its key, wherever it is served.
	l.root.TLogs[0].BaseURL = s.URL
	noPause := func(context.Context, time.Duration) error { return nil }
	l.client = transport.New(transport.Config{UserAgent: "test", Sleep: noPause})
	return l
}

func (l *fakeLog) handler(real http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		question, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(question))
		var ids struct{ EntryUUIDs []string }
		_ = json.Unmarshal(question, &ids) // not all questions have some
		l.mu.Lock()
		l.asked[r.URL.Path]++
		l.largest = max(l.largest, len(ids.EntryUUIDs))
		l.inFlight++
		l.most = max(l.most, l.inFlight)
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			l.inFlight--
			l.mu.Unlock()
		}()
		rec := httptest.NewRecorder()
		real.ServeHTTP(rec, r)
		if l.answer != nil && l.answer(w, r, rec.Body.Bytes()) {
			return
		}
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}
}

// total returns how many questions were asked.
func (l *fakeLog) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.asked {
		n += m
	}
	return n
}

func (l *fakeLog) v1() *V1 { return &V1{l.client, l.url + "/"} }

// sign has an object signed without an entry in the signature, and returns the
// object's id and the entry, parsed.
func (l *fakeLog) sign(t testing.TB, payload string) (object string, entry *tlog.Entry, certificate []byte) {
	t.Helper()
	id := sha256.Sum256([]byte(payload))
	object = hex.EncodeToString(id[:20])
	_, pb := l.authority.SignOnline([]byte(payload), func([]byte) string { return object }, fakeca.Fixture{})
	entry, err := tlog.ParseEntry(pb)
	if err != nil {
		t.Fatal(err)
	}
	body, err := tlog.ParseBody(entry.CanonicalizedBody)
	if err != nil {
		t.Fatal(err)
	}
	return object, entry, body.Signatures[0].Certificate
}

func idOf(e *tlog.Entry) string {
	leaf := tlog.LeafHash(e.CanonicalizedBody)
	return hex.EncodeToString(leaf[:])
}

func TestSearch(t *testing.T) {
	l := newLog(t)
	object, e, certificate := l.sign(t, "first")
	_, other, otherCertificate := l.sign(t, "second")
	digest := sha256.Sum256([]byte(object))
	for name, tt := range map[string]struct {
		q    Query
		want []string
	}{
		"certificate":       {Query{Certificate: certificate}, []string{idOf(e)}},
		"other certificate": {Query{Certificate: otherCertificate}, []string{idOf(other)}},
		"digest":            {Query{Digest: digest[:]}, []string{idOf(e)}},
		"address":           {Query{Email: "alice@example.com"}, []string{idOf(e), idOf(other)}},
		"unknown address":   {Query{Email: "bob@example.com"}, nil},
	} {
		ids, err := l.v1().Search(t.Context(), tt.q)
		for i := range ids {
			ids[i] = ids[i][max(0, len(ids[i])-64):]
		}
		if err != nil || !slices.Equal(ids, tt.want) {
			t.Errorf("%s: Search = %v, %v; want %v", name, ids, err, tt.want)
		}
	}
}

func TestByIDsAsksForTenAtATime(t *testing.T) {
	l := newLog(t)
	var ids []string
	var want []int64
	for i := range 23 {
		_, e, _ := l.sign(t, fmt.Sprint(i))
		ids, want = append(ids, idOf(e)), append(want, e.LogIndex)
	}
	slices.Reverse(ids)
	entries, err := l.v1().ByIDs(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, e := range entries {
		got = append(got, e.LogIndex)
	}
	if !slices.Equal(got, want) {
		t.Errorf("ByIDs has the entries %v, want %v", got, want)
	}
	if asked := l.asked["/api/v1/log/entries/retrieve"]; asked != 3 || l.largest != 10 {
		t.Errorf("asked %d times for up to %d entries, want 3 times for up to 10", asked, l.largest)
	}
	missing := strings.Repeat("0", 64)
	if entries, err := l.v1().ByIDs(t.Context(), []string{missing, ids[0]}); err != nil || len(entries) != 1 {
		t.Errorf("ByIDs of one that is missing = %v, %v; want the other one", entries, err)
	}
}

func TestByIDAndByIndex(t *testing.T) {
	l := newLog(t)
	_, e, _ := l.sign(t, "first")
	l.sign(t, "second")
	byIndex, err := l.v1().ByIndex(t.Context(), e.LogIndex)
	if err != nil || !bytes.Equal(byIndex.CanonicalizedBody, e.CanonicalizedBody) {
		t.Fatalf("ByIndex = %+v, %v; want %+v", byIndex, err, e)
	}
	if len(byIndex.ID) != 80 {
		t.Fatalf("ByIndex has the id %s, want one with a tree's", byIndex.ID)
	}
	for _, id := range []string{idOf(e), byIndex.ID} {
		got, err := l.v1().ByID(t.Context(), id)
		if err != nil || got.ID != byIndex.ID || got.LogIndex != e.LogIndex {
			t.Errorf("ByID(%s) = %+v, %v; want entry %s", id, got, err, byIndex.ID)
		}
	}
	if _, err := l.v1().ByID(t.Context(), strings.Repeat("0", 64)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ByID of no entry: %v, want fs.ErrNotExist", err)
	}
	if _, err := l.v1().ByIndex(t.Context(), e.LogIndex+2); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ByIndex of no entry: %v, want fs.ErrNotExist", err)
	}
}

func TestInfoAndConsistency(t *testing.T) {
	l := newLog(t)
	l.sign(t, "first")
	before, _, err := l.v1().Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.sign(t, "second")
	l.sign(t, "third")
	after, inactive, err := l.v1().Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Size <= before.Size || after.ID != before.ID {
		t.Errorf("Info = %+v, want more than %+v", after, before)
	}
	signed, err := tlog.ParseCheckpoint(after.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	log := l.root.TLogs[0]
	if err := signed.Verify(log.PublicKey, log.KeyID); err != nil || !strings.HasSuffix(signed.Checkpoint.Origin, " - "+after.ID) {
		t.Errorf("checkpoint of %q for tree %s: %v", signed.Checkpoint.Origin, after.ID, err)
	}
	hashes, err := l.v1().Consistency(t.Context(), after.ID, before.Size, after.Size)
	if err == nil {
		err = tlog.ConsistencyProof{First: before.Size, Second: after.Size, Hashes: hashes}.Verify(before.Root, after.Root)
	}
	if err != nil {
		t.Errorf("from %d to %d: %v", before.Size, after.Size, err)
	}
	for _, tree := range inactive {
		if tree.ID == after.ID || len(tree.Checkpoint) == 0 {
			t.Errorf("inactive tree %+v", tree)
		}
	}
	if _, err := l.v1().Consistency(t.Context(), after.ID, after.Size, after.Size+10); err == nil {
		t.Error("a proof of a tree that is not there was accepted")
	}
}

// What a server answers has to be what it was asked for.
func TestV1RefusesOtherAnswers(t *testing.T) {
	l := newLog(t)
	_, e, certificate := l.sign(t, "first")
	_, other, _ := l.sign(t, "second")
	got, err := l.v1().ByID(t.Context(), idOf(other))
	if err != nil {
		t.Fatal(err)
	}
	var wrong []byte // the answer about the other entry
	l.answer = func(_ http.ResponseWriter, _ *http.Request, body []byte) bool {
		wrong = body
		return false
	}
	if _, err := l.v1().ByID(t.Context(), got.ID); err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"Search": func() error { _, err := l.v1().Search(t.Context(), Query{Certificate: certificate}); return err },
		"ByIDs":  func() error { _, err := l.v1().ByIDs(t.Context(), []string{idOf(e)}); return err },
		"ByID":   func() error { _, err := l.v1().ByID(t.Context(), idOf(e)); return err },
		"ByID with a tree's id": func() error {
			_, err := l.v1().ByID(t.Context(), strings.Repeat("0", 16)+idOf(other))
			return err
		},
		"ByIndex":     func() error { _, err := l.v1().ByIndex(t.Context(), e.LogIndex); return err },
		"Info":        func() error { _, _, err := l.v1().Info(t.Context()); return err },
		"Consistency": func() error { _, err := l.v1().Consistency(t.Context(), "1", 1, 2); return err },
	}
	for _, tt := range []struct {
		call, answer, want string
	}{
		{"ByIDs", "[" + string(wrong) + "]", "which it was not asked for"},
		{"ByID", string(wrong), "it answers with entry"},
		{"ByID with a tree's id", string(wrong), "it answers with entry"},
		{"ByIndex", string(wrong), "it answers with entry"},
		{"ByID", "{}", "it answers with 0"},
		{"ByIDs", strings.Replace(string(wrong), idOf(other), idOf(e), 1), "the body is that of entry"},
		{"Search", `["` + idOf(e)[1:] + `"]`, "entry id of 63 digits"},
		{"Search", `{}`, "an array is expected"},
		{"Info", `{}`, "no member"},
		{"Consistency", `{"hashes":["00"],"rootHash":""}`, "not 32 bytes"},
	} {
		l.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			io.WriteString(w, tt.answer)
			return true
		}
		if err := calls[tt.call](); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), l.url) {
			t.Errorf("%s answered with %.30q…: %v, want an error with %q and the URL", tt.call, tt.answer, err, tt.want)
		}
	}
	for name, call := range calls {
		l.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			http.Error(w, `{"code":400,"message":"no such luck"}`, http.StatusBadRequest)
			return true
		}
		var status *transport.StatusError
		if err := call(); !errors.As(err, &status) || status.Message != "no such luck" {
			t.Errorf("%s answered with an error: %v, want a *transport.StatusError", name, err)
		}
	}
}

func TestV1IsAskedAgainWhereItFails(t *testing.T) {
	l := newLog(t)
	_, e, _ := l.sign(t, "first")
	var asked atomic.Int32
	l.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	if entries, err := l.v1().ByIDs(t.Context(), []string{idOf(e)}); err != nil || len(entries) != 1 {
		t.Errorf("ByIDs = %v, %v; want the entry", entries, err)
	}
}
