package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	fakeserver "gitseal/fakeca/server"
	"gitseal/internal/rekor"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// A v1Log is a Rekor v1 log of the embedded authority, asked over HTTP.
type v1Log struct {
	*Log
	t         testing.TB
	authority *fakeca.Authority
	handler   http.Handler
	answer    func(w http.ResponseWriter, r *http.Request, next http.Handler) // nil: as the authority does
}

func newV1Log(t testing.TB, seed byte) *v1Log {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Rand: rand.NewChaCha8([32]byte{seed}), Log: fakeca.RekorV1})
	if err != nil {
		t.Fatal(err)
	}
	return newV1LogOf(t, a)
}

func newV1LogOf(t testing.TB, a *fakeca.Authority) *v1Log {
	t.Helper()
	t.Cleanup(func() { a.Close() }) // what it has released needs no Close
	root, err := trust.Parse(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	l := &v1Log{t: t, authority: a, handler: fakeserver.New(a)}
	l.Log = NewRekorV1(&root.TLogs[0], &rekor.V1{Client: newClient(l), URL: root.TLogs[0].BaseURL})
	return l
}

func newClient(h http.Handler) *transport.Client {
	noPause := func(context.Context, time.Duration) error { return nil }
	return transport.New(transport.Config{UserAgent: "test", RoundTripper: fakeserver.RoundTripper(h), Sleep: noPause})
}

func (l *v1Log) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.answer != nil {
		l.answer(w, r, l.handler)
		return
	}
	l.handler.ServeHTTP(w, r)
}

// grow adds n entries (and five more to an empty log).
func (l *v1Log) grow(n int) Seen {
	l.t.Helper()
	for i := range n {
		l.authority.Sign(fmt.Appendf(nil, "payload %d", i), fakeca.Fixture{})
	}
	note, err := l.authority.Checkpoint()
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := l.Open(note, "asked for")
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// replaced returns l as others see it who are served by another.
func (l *v1Log) replaced(by http.Handler) *Log {
	return NewRekorV1(l.trusted, &rekor.V1{Client: newClient(by), URL: l.trusted.BaseURL})
}

// wantChanges checks the change of the current tree and of the one before it.
func wantChanges(t testing.TB, p Pins, l *Log, current, frozen Change) []Sight {
	t.Helper()
	sights, err := p.Update(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	if len(sights) != 2 || sights[0].Change != current || sights[1].Change != frozen {
		t.Fatalf("Update = %+v, want %q and %q", sights, current, frozen)
	}
	return sights
}

func TestRekorV1IsPinnedTreeByTree(t *testing.T) {
	l, p := newV1Log(t, 1), newPins(t)
	l.grow(3)
	wantChanges(t, p, l.Log, FirstSeen, FirstSeen)
	wantChanges(t, p, l.Log, Unchanged, Unchanged)
	now := l.grow(300)
	sights := wantChanges(t, p, l.Log, Grown, Unchanged)
	if sights[0].Shown.Checkpoint.Root != now.Checkpoint.Root {
		t.Errorf("shown %v, want %v", sights[0].Shown, now)
	}
	pinned, err := p.Pinned(l.Log)
	if err != nil || len(pinned) != 2 {
		t.Errorf("pinned %v, %v, want two trees", pinned, err)
	}
}

func TestForkOfRekorV1IsFound(t *testing.T) {
	for _, test := range []struct{ pinned, shown int }{{2, 2}, {2, 5}, {5, 2}, {2, 300}} {
		l, other, p := newV1Log(t, 1), newV1Log(t, 1), newPins(t)
		before := l.grow(test.pinned)
		now := other.grow(test.shown)
		wantChanges(t, p, l.Log, FirstSeen, FirstSeen)
		_, err := p.Update(t.Context(), l.replaced(other))
		wantEvidence(t, wantFork(t, err, before, now), l.Log)
		wantChanges(t, p, l.Log, Unchanged, Unchanged)
	}
}

func TestRekorV1ThatForgetsIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	a, err := fakeca.Create(dir, fakeca.Config{Log: fakeca.RekorV1})
	if err != nil {
		t.Fatal(err)
	}
	l, p := newV1LogOf(t, a), newPins(t)
	then := l.grow(2)
	restored := filepath.Join(t.TempDir(), "restored")
	if err := os.CopyFS(restored, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(restored, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o700) // its owner's alone, as it was
	})
	if err != nil {
		t.Fatal(err)
	}
	before := l.grow(3)
	wantChanges(t, p, l.Log, FirstSeen, FirstSeen)
	old, err := fakeca.Open(restored, fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Update(t.Context(), l.replaced(newV1LogOf(t, old)))
	wantEvidence(t, wantFork(t, err, before, then), l.Log)
	if !strings.Contains(err.Error(), fmt.Sprintf("no longer has the %d leaves", before.Checkpoint.Size)) {
		t.Errorf("error is %q", err)
	}
}

// TestStaleCheckpointOfRekorV1IsNoFork answers as a server that lags.
func TestStaleCheckpointOfRekorV1IsNoFork(t *testing.T) {
	l, p := newV1Log(t, 1), newPins(t)
	l.grow(2)
	stale := httptest.NewRecorder()
	l.handler.ServeHTTP(stale, httptest.NewRequest(http.MethodGet, "/api/v1/log", nil))
	l.grow(3)
	wantChanges(t, p, l.Log, FirstSeen, FirstSeen)
	l.answer = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == "/api/v1/log" {
			w.Header().Set("Content-Type", "application/json")
			w.Write(stale.Body.Bytes())
			return
		}
		next.ServeHTTP(w, r)
	}
	wantChanges(t, p, l.Log, Stale, Unchanged)
	l.answer = nil
	wantChanges(t, p, l.Log, Unchanged, Unchanged)
}

// replacing changes a text in the answers to a path.
func replacing(path, before, after string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path != path {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rec.Code)
		io.Copy(w, bytes.NewReader(bytes.Replace(rec.Body.Bytes(), []byte(before), []byte(after), 1)))
	}
}

// TestShardOfRekorV1 rotates the log, as seen from outside: what was the
// current tree is now among those before it, or is not.
func TestShardOfRekorV1(t *testing.T) {
	l, p := newV1Log(t, 1), newPins(t)
	l.grow(2)
	sights := wantChanges(t, p, l.Log, FirstSeen, FirstSeen)
	frozen := sights[1].Shown

	// The inactive tree is no longer shown.
	rec := httptest.NewRecorder()
	l.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/v1/log", nil))
	body := rec.Body.String()
	from, to := strings.Index(body, `"inactiveShards":[`), strings.Index(body, `}]`)
	if from < 0 || to < 0 {
		t.Fatalf("no inactive shards in %s", body)
	}
	without := body[:from] + `"inactiveShards":[` + body[to+1:]
	l.answer = replacing("/api/v1/log", body, without)
	_, err := p.Update(t.Context(), l.Log)
	fork := wantFork(t, err, frozen, sights[0].Shown)
	if !errors.Is(err, errNoTree) || len(fork.Evidence) != 2 {
		t.Errorf("error is %v, evidence %v", err, fork.Evidence)
	}
	if err := newPins(t).CheckAll(t.Context(), l.Log, []Seen{frozen}, nil); !errors.Is(err, errNoTree) {
		t.Errorf("CheckAll = %v, want that the tree is gone", err)
	}
	l.answer = nil

	// A checkpoint of the tree as it was before its last one.
	if err := newPins(t).CheckAll(t.Context(), l.Log, []Seen{frozen}, nil); err != nil {
		t.Errorf("CheckAll of the frozen tree's checkpoint: %v", err)
	}
}

// TestAnswersOfRekorV1ThatProveNothing spoils one answer at a time.
func TestAnswersOfRekorV1ThatProveNothing(t *testing.T) {
	status := func(path string, code int) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path == path {
				http.Error(w, "no", code)
				return
			}
			next.ServeHTTP(w, r)
		}
	}
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, http.Handler)
		fork   bool
	}{
		"state not served":         {status("/api/v1/log", 500), false},
		"no state":                 {status("/api/v1/log", 404), false},
		"signature changed":        {replacing("/api/v1/log", `.gitseal.internal `, `.gitseal.internal A`), false},
		"proof not served":         {status("/api/v1/log/proof", 500), false},
		"proof refused":            {status("/api/v1/log/proof", 400), false},
		"no proof":                 {replacing("/api/v1/log/proof", `{`, `[`), false},
		"a hash of the proof gone": {replacing("/api/v1/log/proof", `"hashes":["`, `"hashes":["`+strings.Repeat("00", 32)+`","`), true},
	} {
		l, p := newV1Log(t, 1), newPins(t)
		l.grow(2)
		before := wantChanges(t, p, l.Log, FirstSeen, FirstSeen)[0].Shown
		l.grow(3)
		l.answer = test.answer
		_, err := p.Update(t.Context(), l.Log)
		if err == nil || errors.As(err, new(*ForkError)) != test.fork {
			t.Errorf("%s: error is %v, want fork: %v", name, err, test.fork)
		}
		l.answer = nil
		if sights, err := p.Update(t.Context(), l.Log); err != nil || sights[0].Pinned.Checkpoint.Size != before.Checkpoint.Size {
			t.Errorf("%s: then %+v, %v, want the pin as it was", name, sights, err)
		}
	}
}

func TestCheckAllOfRekorV1(t *testing.T) {
	l := newV1Log(t, 1)
	var seen []Seen
	for range 40 {
		s := l.grow(3)
		s.Where = fmt.Sprintf("commit %d", s.Checkpoint.Size)
		seen = append([]Seen{s}, seen...)
	}
	l.grow(1)
	var done []int
	err := newPins(t).CheckAll(t.Context(), l.Log, seen, func(n, total int) {
		if done = append(done, n); total != 40 || n != len(done) {
			t.Errorf("progress %d of %d, want %d of 40", n, total, len(done))
		}
	})
	if err != nil || len(done) != 40 {
		t.Fatalf("CheckAll = %v after %d proofs, want 40", err, len(done))
	}
	other := newV1Log(t, 1)
	wrong := other.grow(60)
	fork := wantFork(t, newPins(t).CheckAll(t.Context(), l.Log, append(seen, wrong), nil), wrong, neighbour(seen, wrong))
	if fork.Log != l.trusted.BaseURL {
		t.Errorf("fork of log %s, want %s", fork.Log, l.trusted.BaseURL)
	}
	late := other.grow(200)
	now := l.grow(0)
	wantFork(t, newPins(t).CheckAll(t.Context(), l.Log, append(seen, late), nil), late, now)
}

// neighbour returns the checkpoint that the proof which fails is from: the
// one before it in size.
func neighbour(seen []Seen, s Seen) Seen {
	var best Seen
	for _, x := range seen {
		if x.Checkpoint.Size <= s.Checkpoint.Size && x.Checkpoint.Size > best.Checkpoint.Size {
			best = x
		}
	}
	return best
}

func TestCheckpointOfRekorV1NamesItsTree(t *testing.T) {
	l := newV1Log(t, 1)
	for _, origin := range []string{"", "name", "name - ", "name - x", "name - 12345678901234567890123", "name - 1/2"} {
		if _, err := l.tree(origin); err == nil {
			t.Errorf("tree of %q: no error", origin)
		}
	}
	if id, err := l.tree("a - b - 17"); err != nil || id != "17" {
		t.Errorf("tree = %q, %v, want 17", id, err)
	}
}
