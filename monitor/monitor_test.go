package monitor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitseal/fakeca"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A testLog is a tiled log of the embedded authority, served from an export.
type testLog struct {
	*Log
	t         testing.TB
	authority *fakeca.Authority
	dir       string

	mu    sync.Mutex
	spoil map[string]func([]byte) ([]byte, error) // guarded by mu: what becomes of an answer, by path
	asked int                                     // guarded by mu
}

// newLog returns a log whose keys come from the seed. Its entries are its own:
// two of one seed are the two faces of a log that forks.
func newLog(t testing.TB, seed byte, entries int) *testLog {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Rand: rand.NewChaCha8([32]byte{seed})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() }) // in memory
	root, err := trust.Parse(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	l := &testLog{t: t, authority: a, dir: t.TempDir(), spoil: make(map[string]func([]byte) ([]byte, error))}
	l.Log = NewTiled(&root.TLogs[0], l.fetch)
	if entries > 0 {
		l.grow(entries)
	}
	return l
}

// grow adds entries until there are so many (at least 6).
func (l *testLog) grow(size int) {
	l.t.Helper()
	for i := l.size(); i < size; i = l.size() {
		l.authority.Sign(fmt.Appendf(nil, "payload %d", i), fakeca.Fixture{Subject: fmt.Sprintf("user%d@example.com", i)})
	}
	if l.size() != size {
		l.t.Fatalf("a log of %d entries, want %d", l.size(), size)
	}
}

func (l *testLog) size() int {
	l.t.Helper()
	return int(l.now().Checkpoint.Size)
}

// now returns the log's checkpoint.
func (l *testLog) now() Seen {
	l.t.Helper()
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

func (l *testLog) fetch(_ context.Context, path string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if path == "checkpoint" {
		if err := l.authority.ExportTiles(l.dir); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(filepath.Join(l.dir, filepath.FromSlash(path)))
	if spoil := l.spoil[path]; spoil != nil && err == nil {
		return spoil(data)
	}
	return data, err
}

// replaced returns l as others see it who are served by another log of the
// same keys.
func (l *testLog) replaced(by *testLog) *Log { return NewTiled(l.trusted, by.fetch) }

// copy returns the log as it is now, for ever.
func (l *testLog) copy() *Log {
	l.t.Helper()
	dir := l.t.TempDir()
	if err := l.authority.ExportTiles(dir); err != nil {
		l.t.Fatal(err)
	}
	return NewTiled(l.trusted, func(_ context.Context, path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	})
}

func newPins(t testing.TB) Pins { return Pins{filepath.Join(t.TempDir(), "state", "checkpoints")} }

func update(t testing.TB, p Pins, l *Log, want Change) Sight {
	t.Helper()
	sights, err := p.Update(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	if len(sights) != 1 || sights[0].Change != want {
		t.Fatalf("Update = %+v, want one that is %q", sights, want)
	}
	return sights[0]
}

// wantFork checks that err is a fork of a and b, and the evidence of it.
func wantFork(t testing.TB, err error, a, b Seen) *ForkError {
	t.Helper()
	var fork *ForkError
	if !errors.As(err, &fork) {
		t.Fatalf("error is %v, want a *ForkError", err)
	}
	got := []tlog.Hash{fork.First.Checkpoint.Root, fork.Second.Checkpoint.Root}
	want := []tlog.Hash{a.Checkpoint.Root, b.Checkpoint.Root}
	slices.SortFunc(got, func(a, b tlog.Hash) int { return slices.Compare(a[:], b[:]) })
	slices.SortFunc(want, func(a, b tlog.Hash) int { return slices.Compare(a[:], b[:]) })
	if !slices.Equal(got, want) {
		t.Errorf("fork of %v and %v, want %v and %v", fork.First, fork.Second, a, b)
	}
	for _, s := range []Seen{a, b} {
		if !strings.Contains(err.Error(), fmt.Sprintf("%d leaves with root %x", s.Checkpoint.Size, s.Checkpoint.Root[:])) {
			t.Errorf("error %q does not name %v", err, s)
		}
	}
	return fork
}

// wantEvidence checks that the notes of both are in the evidence.
func wantEvidence(t testing.TB, fork *ForkError, l *Log) {
	t.Helper()
	if len(fork.Evidence) != 2 {
		t.Fatalf("evidence in %v, want two files", fork.Evidence)
	}
	for i, want := range []Seen{fork.First, fork.Second} {
		note, err := os.ReadFile(fork.Evidence[i])
		if err != nil {
			t.Fatal(err)
		}
		if s, err := l.Open(note, ""); err != nil || s.Checkpoint.Root != want.Checkpoint.Root || s.Checkpoint.Size != want.Checkpoint.Size {
			t.Errorf("%s is %v, %v, want %v", fork.Evidence[i], s, err, want)
		}
	}
}

func TestFirstCheckpointIsPinned(t *testing.T) {
	l, p := newLog(t, 1, 6), newPins(t)
	sight := update(t, p, l.Log, FirstSeen)
	if sight.Pinned != nil || string(sight.Shown.Note) != string(l.now().Note) {
		t.Errorf("first sight is %+v", sight)
	}
	pinned, err := p.Pinned(l.Log)
	if err != nil || len(pinned) != 1 || pinned[0].Checkpoint.Size != 6 {
		t.Errorf("Pinned = %v, %v", pinned, err)
	}
	info, err := os.Stat(filepath.Join(p.Dir, l.id()+".checkpoint"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the pin's file: %v, %v", info, err)
	}
}

func TestPinMovesWithTheLog(t *testing.T) {
	l, p := newLog(t, 1, 0), newPins(t)
	update(t, p, l.Log, FirstSeen) // of an empty log
	update(t, p, l.Log, Unchanged)
	for _, size := range []int{6, 7, 255, 256, 257, 300} {
		l.grow(size)
		if sight := update(t, p, l.Log, Grown); int(sight.Shown.Checkpoint.Size) != size {
			t.Errorf("shown %v, want %d leaves", sight.Shown, size)
		}
		update(t, p, l.Log, Unchanged)
	}
}

func TestForkIsFound(t *testing.T) {
	for _, test := range []struct{ pinned, shown int }{{7, 7}, {7, 9}, {9, 7}, {7, 300}, {300, 7}, {256, 512}} {
		l, other, p := newLog(t, 1, 0), newLog(t, 1, 0), newPins(t)
		l.grow(test.pinned)
		other.grow(test.shown)
		before := update(t, p, l.Log, FirstSeen).Shown
		_, err := p.Update(t.Context(), l.replaced(other))
		wantEvidence(t, wantFork(t, err, before, other.now()), l.Log)
		// The pin stays, and so does the log's good name with it.
		update(t, p, l.Log, Unchanged)
	}
}

func TestLogThatForgetsIsFound(t *testing.T) {
	l, p := newLog(t, 1, 7), newPins(t)
	old, then := l.copy(), l.now()
	l.grow(9)
	before := update(t, p, l.Log, FirstSeen).Shown
	_, err := p.Update(t.Context(), old)
	wantEvidence(t, wantFork(t, err, before, then), l.Log)
	if !strings.Contains(err.Error(), "no longer has the 9 leaves") {
		t.Errorf("error is %q", err)
	}

	empty := newLog(t, 1, 0)
	_, err = p.Update(t.Context(), l.replaced(empty))
	wantFork(t, err, before, empty.now())
}

func TestStaleCheckpointIsNoFork(t *testing.T) {
	l, p := newLog(t, 1, 7), newPins(t)
	stale := l.now().Note
	l.grow(9)
	update(t, p, l.Log, FirstSeen)
	l.spoil["checkpoint"] = func([]byte) ([]byte, error) { return stale, nil }
	if sight := update(t, p, l.Log, Stale); sight.Shown.Checkpoint.Size != 7 || sight.Pinned.Checkpoint.Size != 9 {
		t.Errorf("stale sight is %+v", sight)
	}
	delete(l.spoil, "checkpoint")
	update(t, p, l.Log, Unchanged)
}

// TestServerThatLagsIsAskedAgain answers the first time as it was before the
// pinned checkpoint, and without what came since.
func TestServerThatLagsIsAskedAgain(t *testing.T) {
	l, p := newLog(t, 1, 7), newPins(t)
	old := l.copy()
	l.grow(9)
	update(t, p, l.Log, FirstSeen)
	asked := 0
	lagging := NewTiled(l.trusted, func(ctx context.Context, path string) ([]byte, error) {
		if path == "checkpoint" {
			asked++
		}
		if asked == 1 {
			return old.server.(tiles).fetch(ctx, path)
		}
		return l.fetch(ctx, path)
	})
	update(t, p, lagging, Unchanged)
}

// TestAnswersThatProveNothing spoils what the log serves: the pin stays.
func TestAnswersThatProveNothing(t *testing.T) {
	gone := func([]byte) ([]byte, error) { return nil, fs.ErrNotExist }
	down := errors.New("connection refused")
	other := newLog(t, 2, 9)
	for name, test := range map[string]struct {
		path  string
		spoil func([]byte) ([]byte, error)
		fork  bool
	}{
		"server down":             {"checkpoint", func([]byte) ([]byte, error) { return nil, down }, false},
		"no checkpoint":           {"checkpoint", gone, false},
		"empty checkpoint":        {"checkpoint", func([]byte) ([]byte, error) { return nil, nil }, false},
		"checkpoint of another":   {"checkpoint", func([]byte) ([]byte, error) { return other.now().Note, nil }, false},
		"checkpoint size changed": {"checkpoint", func(b []byte) ([]byte, error) { return []byte(strings.Replace(string(b), "\n9\n", "\n8\n", 1)), nil }, false},
		"no tile":                 {"tile/0/000.p/9", gone, false},
		"server down at tile":     {"tile/0/000.p/9", func([]byte) ([]byte, error) { return nil, down }, false},
		"tile changed":            {"tile/0/000.p/9", func(b []byte) ([]byte, error) { return append([]byte{b[0] ^ 1}, b[1:]...), nil }, true},
		"tile cut":                {"tile/0/000.p/9", func(b []byte) ([]byte, error) { return b[:len(b)-1], nil }, true},
	} {
		l, p := newLog(t, 1, 7), newPins(t)
		before := update(t, p, l.Log, FirstSeen).Shown
		l.grow(9)
		l.spoil[test.path] = test.spoil
		_, err := p.Update(t.Context(), l.Log)
		var fork *ForkError
		if err == nil || errors.As(err, &fork) != test.fork {
			t.Errorf("%s: error is %v, want fork: %v", name, err, test.fork)
		}
		if pinned, err := p.Pinned(l.Log); err != nil || len(pinned) != 1 || pinned[0].Checkpoint.Size != before.Checkpoint.Size {
			t.Errorf("%s: pinned %v, %v", name, pinned, err)
		}
	}
}

func TestCheckpointOfAnotherOriginIsRefused(t *testing.T) {
	l := newLog(t, 1, 7)
	log := *l.trusted
	log.BaseURL = "https://elsewhere.example.com"
	if _, err := NewTiled(&log, l.fetch).Open(l.now().Note, ""); err == nil || !strings.Contains(err.Error(), "elsewhere.example.com") {
		t.Errorf("Open = %v, want an error about the origin", err)
	}
}

func TestDamagedPinIsNotReplaced(t *testing.T) {
	l, p := newLog(t, 1, 7), newPins(t)
	other := newLog(t, 2, 9)
	update(t, p, l.Log, FirstSeen)
	path := filepath.Join(p.Dir, l.id()+".checkpoint")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty":      {},
		"cut":        good[:len(good)-2],
		"changed":    []byte(strings.Replace(string(good), "\n7\n", "\n6\n", 1)),
		"of another": other.now().Note,
		"too long":   make([]byte, maxPin+1),
	} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := p.Update(t.Context(), l.Log)
		var pin *PinError
		if !errors.As(err, &pin) || pin.Path != path {
			t.Errorf("%s: error is %v, want a *PinError", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(bad) {
			t.Errorf("%s: the pin is %q, %v now", name, now, err)
		}
	}
	if err := os.Rename(path, filepath.Join(p.Dir, l.id()+"-5.checkpoint")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Update(t.Context(), l.Log); !errors.As(err, new(*PinError)) {
		t.Errorf("under another name: error is %v, want a *PinError", err)
	}
}

// TestManyProcessesPinTheNewest has goroutines, which lock as processes do,
// pin a log that grows.
func TestManyProcessesPinTheNewest(t *testing.T) {
	l, p := newLog(t, 1, 6), newPins(t)
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 4 {
				if _, err := p.Update(t.Context(), l.Log); err != nil && !strings.Contains(err.Error(), "other processes") {
					t.Error(err)
				}
			}
		})
	}
	for size := 7; size < 12; size++ {
		l.grow(size)
	}
	running.Wait()
	update(t, p, l.Log, lastChange(t, p, l))
	if pinned, err := p.Pinned(l.Log); err != nil || len(pinned) != 1 || pinned[0].Checkpoint.Size != 11 {
		t.Errorf("pinned %v, %v, want 11 leaves", pinned, err)
	}
}

// lastChange returns the change that the next update has to find.
func lastChange(t *testing.T, p Pins, l *testLog) Change {
	t.Helper()
	pinned, err := p.Pinned(l.Log)
	if err != nil || len(pinned) != 1 {
		t.Fatalf("pinned %v, %v", pinned, err)
	}
	if pinned[0].Checkpoint.Size == 11 {
		return Unchanged
	}
	return Grown
}

// TestPinThatMovedMeanwhileIsNotSetBack updates the pin while another update
// waits for the log's answer.
func TestPinThatMovedMeanwhileIsNotSetBack(t *testing.T) {
	l, p := newLog(t, 1, 6), newPins(t)
	update(t, p, l.Log, FirstSeen)
	l.grow(7)
	old, err := l.fetch(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	l.grow(9)
	first := true
	meanwhile := NewTiled(l.trusted, func(ctx context.Context, path string) ([]byte, error) {
		if path == "checkpoint" && first {
			first = false
			update(t, p, l.Log, Grown)
			return old, nil
		}
		return l.fetch(ctx, path)
	})
	update(t, p, meanwhile, Unchanged)
	if pinned, err := p.Pinned(l.Log); err != nil || len(pinned) != 1 || pinned[0].Checkpoint.Size != 9 {
		t.Errorf("pinned %v, %v, want 9 leaves", pinned, err)
	}
}
