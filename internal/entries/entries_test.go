package entries

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/internal/tlog"
)

var (
	certificate = sha256.Sum256([]byte("certificate"))
	asked       = time.Date(2026, 11, 21, 0, 41, 14, 0, time.UTC)
)

// entry returns the entry of a log at an index.
func entry(log string, index int64, proof string) *tlog.Entry {
	id := sha256.Sum256([]byte(log))
	return &tlog.Entry{
		LogIndex: index, LogID: id[:], Kind: "hashedrekord", KindVersion: "0.0.1", IntegratedTime: asked.Unix(),
		Promise:           &tlog.InclusionPromise{SET: []byte(proof)},
		CanonicalizedBody: fmt.Appendf(nil, `{"index":%d}`, index),
	}
}

func add(t testing.TB, s Store, r Record, want int) {
	t.Helper()
	if added, err := s.Add(certificate, r); err != nil || added != want {
		t.Fatalf("Add = %d, %v; want %d", added, err, want)
	}
}

func check(t testing.TB, s Store, want Record) {
	t.Helper()
	if got := s.Get(certificate); !reflect.DeepEqual(got, want) {
		t.Errorf("Get = %+v, want %+v", got, want)
	}
}

func TestStoreGivesBackWhatWasAdded(t *testing.T) {
	s := Store{filepath.Join(t.TempDir(), "not", "there", "yet")}
	check(t, s, Record{})
	first, second := entry("log", 1, "a"), entry("log", 2, "a")
	add(t, s, Record{Entries: []*tlog.Entry{second, first}}, 2)
	check(t, s, Record{Entries: []*tlog.Entry{first, second}, Asked: map[string]time.Time{}})
	if got := s.Get(sha256.Sum256([]byte("another"))); !reflect.DeepEqual(got, Record{}) {
		t.Errorf("Get of another certificate = %+v, want nothing", got)
	}
}

func TestStoreRemembersThatThereIsNothing(t *testing.T) {
	s := Store{t.TempDir()}
	want := Record{Asked: map[string]time.Time{"https://a.example": asked}}
	add(t, s, want, 0)
	check(t, s, want)
	add(t, s, Record{Asked: map[string]time.Time{"https://b.example": asked.Add(time.Hour)}}, 0)
	add(t, s, Record{Asked: map[string]time.Time{"https://a.example": asked.Add(time.Minute)}}, 0)
	check(t, s, Record{Asked: map[string]time.Time{"https://a.example": asked.Add(time.Minute), "https://b.example": asked.Add(time.Hour)}})
}

func renew(t testing.TB, s Store, r Record, want int) {
	t.Helper()
	if added, err := s.Renew(certificate, r); err != nil || added != want {
		t.Fatalf("Renew = %d, %v; want %d", added, err, want)
	}
}

// promises counts the promises that are kept.
func promises(s Store) map[string]int {
	got := make(map[string]int)
	for _, e := range s.Get(certificate).Entries {
		got[string(e.Promise.SET)]++
	}
	return got
}

// TestWhatIsAddedTakesNoOthersPlace has somebody hand over an entry that is
// another's but for the log's signature: whoever keeps that must not lose the
// right one.
func TestWhatIsAddedTakesNoOthersPlace(t *testing.T) {
	s := Store{t.TempDir()}
	add(t, s, Record{Entries: []*tlog.Entry{entry("log", 1, "right")}}, 1)
	add(t, s, Record{Entries: []*tlog.Entry{entry("log", 1, "false")}}, 0)
	add(t, s, Record{Entries: []*tlog.Entry{entry("log", 1, "right"), entry("log", 1, "false")}}, 0)
	if got, want := promises(s), map[string]int{"right": 1, "false": 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("promises kept = %v, want %v", got, want)
	}
}

func TestCheckedEntriesTakeTheirPlace(t *testing.T) {
	s := Store{t.TempDir()}
	other := entry("log", 1, "other")
	other.CanonicalizedBody = []byte("{}")
	add(t, s, Record{Entries: []*tlog.Entry{entry("log", 1, "false"), other, entry("other log", 1, "old"), entry("log", 3, "old")}}, 4)
	renew(t, s, Record{Entries: []*tlog.Entry{entry("log", 2, "new"), entry("log", 1, "new"), entry("log", 1, "new")}}, 1)
	if got, want := promises(s), map[string]int{"new": 2, "old": 2}; !reflect.DeepEqual(got, want) {
		t.Errorf("promises kept = %v, want %v", got, want)
	}
}

// TestStoreIsBounded fills it with what nobody has checked, which leaves room
// for what somebody has.
func TestStoreIsBounded(t *testing.T) {
	s, other := Store{t.TempDir()}, sha256.Sum256([]byte("other"))
	var many []*tlog.Entry
	for i := range maxEntries + 3 {
		many = append(many, entry("log", int64(i), "a"))
	}
	add(t, s, Record{Entries: many[3:]}, maxEntries)
	if _, err := s.Add(certificate, Record{Entries: many[:1]}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("Add of one more = %v, want an error", err)
	}
	renew(t, s, Record{Entries: []*tlog.Entry{entry("log", 0, "new"), entry("log", 7, "new")}}, 1)
	if got := promises(s); got["new"] != 2 || got["a"] != maxEntries-2 {
		t.Errorf("promises kept = %v, want both new ones of %d", got, maxEntries)
	}
	renew(t, s, Record{Entries: many}, 3)
	if got := s.Get(certificate).Entries; len(got) != maxEntries || got[0].LogIndex != 3 {
		t.Errorf("%d entries are kept, want the last %d", len(got), maxEntries)
	}
	for i := range many {
		many[i].CanonicalizedBody = bytes.Repeat([]byte("a"), 16<<10)
	}
	if _, err := s.Add(other, Record{Entries: many[3:]}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("Add of a file that would not be read = %v, want an error", err)
	}
	if _, err := s.Renew(other, Record{Entries: many}); err != nil || len(s.Get(other).Entries) < 900 {
		t.Errorf("Renew with more than there is room for = %v, and %d are kept", err, len(s.Get(other).Entries))
	}
}

func TestStoreIsForItsOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	s := Store{filepath.Join(t.TempDir(), "entries")}
	add(t, s, Record{Entries: []*tlog.Entry{entry("log", 1, "a")}}, 1)
	err := filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && d.Name() != "lock" {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What cannot be read is absent, and is replaced by what is added.
func TestStoreTakesDamagedFilesAsAbsent(t *testing.T) {
	good, err := marshal(certificate, Record{Entries: []*tlog.Entry{entry("log", 1, "a")}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := marshal(sha256.Sum256([]byte("another")), Record{})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"empty":               {},
		"truncated":           good[:len(good)/2],
		"text after":          append(bytes.Clone(good), "{}"...),
		"another certificate": other,
		"another schema":      bytes.Replace(good, []byte("entries/1"), []byte("entries/2"), 1),
		"unknown member":      bytes.Replace(good, []byte(`{"schema"`), []byte(`{"more":1,"schema"`), 1),
		"bad entry":           bytes.Replace(good, []byte(`"logIndex":"1"`), []byte(`"logIndex":"-1"`), 1),
		"too large":           append(bytes.Clone(good), bytes.Repeat([]byte(" "), maxFile)...),
		"too many":            bytes.Replace(good, []byte(`"entries":[`), append([]byte(`"entries":[`), bytes.Repeat([]byte("{},"), maxEntries)...), 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := Store{t.TempDir()}
			add(t, s, Record{}, 0)
			if err := os.WriteFile(s.path(certificate), text, 0o600); err != nil {
				t.Fatal(err)
			}
			check(t, s, Record{})
			want := Record{Entries: []*tlog.Entry{entry("log", 2, "b")}, Asked: map[string]time.Time{}}
			add(t, s, want, 1)
			check(t, s, want)
		})
	}
	t.Run("directory", func(t *testing.T) {
		s := Store{t.TempDir()}
		if err := os.MkdirAll(s.path(certificate), 0o700); err != nil {
			t.Fatal(err)
		}
		check(t, s, Record{})
		if _, err := s.Add(certificate, Record{}); err == nil {
			t.Error("Add in place of a directory succeeded")
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(s.path(certificate)), ".new-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func TestAddReportsWhatCannotBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Store{file}).Add(certificate, Record{}); err == nil || !strings.Contains(err.Error(), "keeping log entries") {
		t.Errorf("Add below a file = %v, want an error", err)
	}
	bad := entry("log", 1, "a")
	bad.LogIndex = -1
	if _, err := (Store{t.TempDir()}).Add(certificate, Record{Entries: []*tlog.Entry{bad}}); err == nil {
		t.Error("Add of an entry that cannot be written succeeded")
	}
}

func TestConcurrentAddsAllCount(t *testing.T) {
	s := Store{t.TempDir()}
	var running sync.WaitGroup
	const writers, each = 8, 10
	for w := range writers {
		running.Go(func() {
			for i := range each {
				if _, err := s.Add(certificate, Record{Entries: []*tlog.Entry{entry("log", int64(w*each+i), "a")}}); err != nil {
					t.Error(err)
				}
				// A reader never sees half a file.
				if len(s.Get(certificate).Entries) == 0 {
					t.Error("nothing is there")
				}
			}
		})
	}
	running.Wait()
	if got := len(s.Get(certificate).Entries); got != writers*each {
		t.Errorf("%d entries, want %d", got, writers*each)
	}
}

// FuzzParse checks that what parses is written so that it parses again.
func FuzzParse(f *testing.F) {
	for _, r := range []Record{
		{},
		{Entries: []*tlog.Entry{entry("log", 1, "a"), entry("log", 2, "a")}},
		{Asked: map[string]time.Time{"https://a.example": asked}},
	} {
		text, err := marshal(certificate, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parse(text, certificate)
		if err != nil {
			return
		}
		again, err := marshal(certificate, r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(again, certificate)
		if err != nil || len(got.Entries) != len(r.Entries) || !reflect.DeepEqual(got.Entries, r.Entries) || len(got.Asked) != len(r.Asked) {
			t.Errorf("parse(%s) = %+v, %v; want %+v", again, got, err, r)
		}
	})
}

func TestZeroStoreHoldsNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	certificate := [32]byte{1}
	// What lies in the working directory is nobody's store.
	if err := os.Mkdir("01", 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("01", strings.Repeat("00", 31)+".json")
	text := `{"schema":"gitseal.entries/1","certificate":"01` + strings.Repeat("00", 31) + `","asked":{"https://log.example":"2026-01-01T00:00:00Z"},"entries":[]}`
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := (Store{Dir: "."}).Get(certificate); len(got.Asked) != 1 {
		t.Fatalf("a store in the directory has %+v, so this tests nothing", got)
	}
	var s Store
	if got := s.Get(certificate); len(got.Asked)+len(got.Entries) != 0 || !s.Empty() {
		t.Errorf("the zero store has %+v, empty: %v", got, s.Empty())
	}
	if _, err := s.Add(certificate, Record{}); err == nil {
		t.Error("the zero store keeps entries")
	}
}
