package cache_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gitseal/verifier/audit/cache"
)

func TestWhatIsThereIsNotWrittenAgain(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	c.Add(oidOf(1), []byte("value"))
	c.Intern("string")
	save(t, c)
	before := readFile(t, cfg.File)
	c.Add(oidOf(1), []byte("value"))
	c.Intern("string")
	save(t, c)
	if after := readFile(t, cfg.File); !bytes.Equal(before, after) {
		t.Errorf("the file has %d bytes, want the %d that it had", len(after), len(before))
	}
}

// TestAnotherKeyBeginsAnew checks that nothing is found under a key that was
// not found under it, and that the file stays until there is something to
// write.
func TestAnotherKeyBeginsAnew(t *testing.T) {
	change := map[string]func(*cache.Config){
		"key":    func(cfg *cache.Config) { cfg.Key[31] ^= 1 },
		"format": func(cfg *cache.Config) { cfg.Format = "sha256" },
	}
	for name, change := range change {
		t.Run(name, func(t *testing.T) {
			cfg := config(newFile(t))
			c := open(t, cfg)
			c.Add(oidOf(1), []byte("old"))
			number := c.Intern("old")
			save(t, c)
			before := readFile(t, cfg.File)

			other := cfg
			change(&other)
			id := oidOf(2)
			if other.Format == "sha256" {
				id += oidOf(3)[:24]
			}
			c = open(t, other)
			want(t, c, oidOf(1), nil)
			if s, ok := c.String(number); ok || c.Len() != 0 {
				t.Errorf("String(%d) = %q, Len() = %d, want nothing", number, s, c.Len())
			}
			save(t, c)
			if !bytes.Equal(readFile(t, cfg.File), before) {
				t.Error("the file changed with nothing to write")
			}
			c.Add(id, []byte("new"))
			save(t, c)
			want(t, open(t, other), id, []byte("new"))
			if c := open(t, cfg); c.Len() != 0 {
				t.Errorf("under the old key Len() = %d, want 0", c.Len())
			}
		})
	}
}

// TestWhoLosesTheFileSavesNoMore has a file begun anew under another key while
// an audit goes on.
func TestWhoLosesTheFileSavesNoMore(t *testing.T) {
	cfg := config(newFile(t))
	first := open(t, cfg)
	first.Add(oidOf(1), []byte("first"))
	save(t, first)

	other := cfg
	other.Key[0] ^= 1
	second := open(t, other)
	second.Add(oidOf(2), []byte("second"))
	save(t, second)

	first.Add(oidOf(3), []byte("late"))
	for range 2 {
		if err := first.Save(); err == nil || !strings.Contains(err.Error(), "another audit") || !strings.Contains(err.Error(), cfg.File) {
			t.Fatalf("Save() = %v, want an error that names the file and another audit", err)
		}
	}
	if n := first.Intern("late"); n != 0 {
		t.Errorf("Intern = %d, want 0", n)
	}
	next := open(t, other)
	want(t, next, oidOf(1), nil)
	want(t, next, oidOf(2), []byte("second"))
	want(t, next, oidOf(3), nil)
	if c := open(t, cfg); c.Len() != 0 {
		t.Errorf("under the first key Len() = %d, want 0", c.Len())
	}
}

func TestFileRemovedMeanwhile(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	c.Add(oidOf(1), []byte("value"))
	save(t, c)
	if err := os.Remove(cfg.File); err != nil {
		if runtime.GOOS == "windows" {
			t.Skip("open files cannot be removed")
		}
		t.Fatal(err)
	}
	want(t, c, oidOf(1), []byte("value"))
	c.Add(oidOf(2), []byte("value"))
	if err := c.Save(); err == nil {
		t.Error("Save() = nil, want an error")
	}
	if _, err := os.Stat(cfg.File); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there again: %v", err)
	}
}

// TestTwoAtOnce has two caches of one file, both opened before there was one.
func TestTwoAtOnce(t *testing.T) {
	cfg := config(newFile(t))
	caches := []*cache.Cache{open(t, cfg), open(t, cfg)}
	expect := make(map[string][]byte)
	numbers := make(map[uint32]string)
	for i := range 600 {
		for k, c := range caches {
			s := fmt.Sprintf("string %d of %d", i, k)
			n := c.Intern(s)
			if n == 0 || numbers[n] != "" {
				t.Fatalf("Intern(%q) = %d, which is %q", s, n, numbers[n])
			}
			numbers[n] = s
			oid := oidOf(1000*k + i)
			expect[oid] = binary.LittleEndian.AppendUint32([]byte(oid), n)
			c.Add(oid, expect[oid])
			if i%(20+k) == 0 {
				save(t, c)
			}
		}
	}
	save(t, caches[0])
	save(t, caches[1]) // which takes in what the first wrote
	for _, c := range []*cache.Cache{caches[1], open(t, cfg)} {
		for oid, value := range expect {
			want(t, c, oid, value)
		}
		for n, s := range numbers {
			if got, ok := c.String(n); !ok || got != s {
				t.Errorf("String(%d) = %q, %v, want %q", n, got, ok, s)
			}
		}
	}
}

func TestMuchIsWrittenWithoutSave(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	for i := range 40_000 {
		c.Add(oidOf(i), make([]byte, 60))
	}
	if n := open(t, cfg).Len(); n < 20_000 {
		t.Errorf("%d of 40000 entries are in the file before Save", n)
	}
}

func TestDeadEntriesAreLeftBehind(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	number := c.Intern("string")
	value := func(i, round int) []byte { return bytes.Repeat([]byte{byte(i), byte(round)}, 100) }
	const live = 2000 * 222
	for round := range 20 {
		for i := range 2000 {
			c.Add(oidOf(i), value(i, round))
		}
		save(t, c)
		if size := len(readFile(t, cfg.File)); size > 1<<20+3*live {
			t.Fatalf("after round %d the file has %d bytes for %d that live", round, size, live)
		}
	}
	for _, c := range []*cache.Cache{c, open(t, cfg)} {
		for i := range 2000 {
			want(t, c, oidOf(i), value(i, 19))
		}
		if s, ok := c.String(number); s != "string" || !ok {
			t.Errorf("String(%d) = %q, %v", number, s, ok)
		}
	}
	if n := c.Intern("another"); n == number || n == 0 {
		t.Errorf("Intern = %d after a string had %d", n, number)
	}
}

func TestSmallBlocksArePutTogether(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	for i := range 3000 {
		c.Add(oidOf(i), []byte(oidOf(i)))
		save(t, c)
	}
	blocks := 0
	data := readFile(t, cfg.File)
	for at := headerLen; at < len(data); blocks++ {
		at += headLen + int(binary.LittleEndian.Uint32(data[at+16:]))
	}
	if blocks > 1100 {
		t.Errorf("%d blocks for 3000 small entries", blocks)
	}
	next := open(t, cfg)
	for i := range 3000 {
		want(t, c, oidOf(i), []byte(oidOf(i)))
		want(t, next, oidOf(i), []byte(oidOf(i)))
	}
}

// TestLargeValuesAreNotPutTogetherAgainAndAgain has blocks that cannot be
// larger.
func TestLargeValuesAreNotPutTogetherAgainAndAgain(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	for i := range 1200 {
		c.Add(oidOf(i), make([]byte, 1<<15))
	}
	save(t, c)
	before := readFile(t, cfg.File)
	c.Add(oidOf(2000), []byte("value"))
	save(t, c)
	if after := readFile(t, cfg.File); !bytes.HasPrefix(after, before) {
		t.Error("the file was written anew")
	}
}

func TestFileOverTheLimitIsBegunAnew(t *testing.T) {
	cfg := config(newFile(t))
	cfg.Limit = 100_000
	c := open(t, cfg)
	for i := range 200 {
		for k := range 100 {
			c.Add(oidOf(100*i+k), make([]byte, 60))
		}
		c.Intern(fmt.Sprint("string ", i))
		save(t, c) // that there is no more room is no error
	}
	if size := len(readFile(t, cfg.File)); size < 100_000 || size > 120_000 {
		t.Errorf("the file has %d bytes, want a little more than the limit", size)
	}
	want(t, c, oidOf(1), make([]byte, 60))
	want(t, c, oidOf(19_999), nil)

	next := open(t, cfg)
	if next.Len() != 0 {
		t.Errorf("Len() = %d, want 0", next.Len())
	}
	next.Add(oidOf(1), []byte("value"))
	save(t, next)
	if size := len(readFile(t, cfg.File)); size > 1000 {
		t.Errorf("the file has %d bytes, want few", size)
	}
	want(t, open(t, cfg), oidOf(1), []byte("value"))
}

func TestFilesAreTheirOwnersOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such bits")
	}
	cfg := config(newFile(t))
	c := open(t, cfg)
	c.Add(oidOf(1), []byte("value"))
	save(t, c)
	for name, mode := range map[string]fs.FileMode{filepath.Dir(cfg.File): 0o700, cfg.File: 0o600, cfg.File + ".lock": 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if names, err := os.ReadDir(filepath.Dir(cfg.File)); err != nil || len(names) != 2 {
		t.Errorf("the directory has %v, %v, want the file and its lock", names, err)
	}
}

func TestOpenMakesNothing(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	want(t, c, oidOf(1), nil)
	save(t, c)
	if _, err := os.Stat(filepath.Dir(cfg.File)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
}

func TestConfigThatNamesNothingKeepsNothing(t *testing.T) {
	for _, cfg := range []cache.Config{{}, {File: newFile(t)}, {Format: "sha1"}, {File: newFile(t), Format: "md5"}} {
		c, err := cache.Open(cfg)
		if err == nil || c == nil {
			t.Fatalf("Open(%+v) = %v, %v, want a cache and an error", cfg, c, err)
		}
		c.Add(oidOf(1), []byte("value"))
		want(t, c, oidOf(1), nil)
		if n := c.Intern("string"); n != 0 {
			t.Errorf("Intern = %d, want 0", n)
		}
		if err := c.Save(); err == nil {
			t.Error("Save() = nil, want an error")
		}
		closeCache(t, c)
	}
}

func TestNothingIsKeptWhereNothingCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(config(filepath.Join(dir, "file", "verdicts")))
	if runtime.GOOS != "windows" && err == nil {
		t.Error("Open = nil, want an error")
	}
	for i := range 100_000 {
		c.Add(oidOf(i), make([]byte, 60))
	}
	if err := c.Save(); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("Save() = %v, want an error of one line", err)
	}
	want(t, c, oidOf(99_999), nil)
	closeCache(t, c)
}

func TestNothingIsFoundAfterClose(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	c.Add(oidOf(1), []byte("value"))
	number := c.Intern("string")
	save(t, c)
	if s, ok := c.String(number); s != "string" || !ok {
		t.Errorf("String(%d) = %q, %v", number, s, ok)
	}
	c.Add(oidOf(2), []byte("value"))
	closeCache(t, c)
	want(t, c, oidOf(1), nil)
	if s, ok := c.String(number); ok {
		t.Errorf("String(%d) = %q, want none", number, s)
	}
	c.Add(oidOf(3), []byte("value"))
	if err := c.Save(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Save() = %v, want fs.ErrClosed", err)
	}
	if n := open(t, cfg).Len(); n != 1 {
		t.Errorf("%d entries are in the file, want 1", n)
	}
}

// TestWhatWasAddedHereIsFoundHere has another process save a value for the same
// id first.
func TestWhatWasAddedHereIsFoundHere(t *testing.T) {
	for _, bound := range []bool{false, true} {
		cfg := config(newFile(t))
		first, second := open(t, cfg), open(t, cfg)
		if bound {
			second.Add(oidOf(0), []byte("value"))
			save(t, second)
		}
		first.Add(oidOf(1), []byte("first"))
		second.Add(oidOf(1), []byte("second"))
		save(t, first)
		save(t, second)
		want(t, first, oidOf(1), []byte("first"))
		want(t, second, oidOf(1), []byte("second"))
		want(t, open(t, cfg), oidOf(1), []byte("second"))
	}
}
