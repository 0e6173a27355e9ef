package cache_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitseal/verifier/audit/cache"
)

var testKey = [32]byte{1, 2, 3}

// newFile returns the name of a file that is not there.
func newFile(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "verdicts", "repository")
}

func config(file string) cache.Config {
	return cache.Config{File: file, Key: testKey, Format: "sha1"}
}

// open opens a cache that there is nothing wrong with.
func open(t testing.TB, cfg cache.Config) *cache.Cache {
	t.Helper()
	c, err := cache.Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { c.Close() }) // again, where the test closed it
	return c
}

func save(t testing.TB, c *cache.Cache) {
	t.Helper()
	if err := c.Save(); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

func closeCache(t testing.TB, c *cache.Cache) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// want checks what is found for an id; nil: nothing.
func want(t testing.TB, c *cache.Cache, oid string, value []byte) {
	t.Helper()
	got, ok := c.Lookup(oid)
	if ok != (value != nil) || !bytes.Equal(got, value) {
		t.Fatalf("Lookup(%s) = %q, %v, want %q, %v", oid, got, ok, value, value != nil)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatWasSavedIsFoundByTheNext(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			cfg := config(newFile(t))
			cfg.Format = format
			id := func(i int) string {
				if format == "sha256" {
					return oidOf(i) + oidOf(-i)[:24]
				}
				return oidOf(i)
			}
			c := open(t, cfg)
			values := make(map[string][]byte)
			for i := range 5000 {
				values[id(i)] = []byte(strings.Repeat("v", i%300))
				c.Add(id(i), values[id(i)])
			}
			check := func(when string, c *cache.Cache) {
				t.Helper()
				if c.Len() != len(values) {
					t.Errorf("%s: Len() = %d, want %d", when, c.Len(), len(values))
				}
				for oid, value := range values {
					want(t, c, oid, value)
				}
				want(t, c, id(5000), nil)
			}
			check("before Save", c)
			save(t, c)
			check("after Save", c)
			closeCache(t, c)
			check("anew", open(t, cfg))
		})
	}
}

func TestLaterValuesReplaceEarlierOnes(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	c.Add(oidOf(1), []byte("first"))
	c.Add(oidOf(1), []byte("second"))
	want(t, c, oidOf(1), []byte("second"))
	save(t, c)
	c.Add(oidOf(1), []byte("third"))
	want(t, c, oidOf(1), []byte("third"))
	save(t, c)
	want(t, c, oidOf(1), []byte("third"))
	want(t, open(t, cfg), oidOf(1), []byte("third"))
	if c.Len() != 1 {
		t.Errorf("Len() = %d, want 1", c.Len())
	}
}

func TestOnlyIdsOfTheFormatAreKept(t *testing.T) {
	c := open(t, config(newFile(t)))
	for _, oid := range []string{"", "ab", oidOf(1)[:39], oidOf(1) + "0", oidOf(1) + oidOf(1)[:24], strings.ToUpper(oidOf(1)),
		strings.Repeat("g0", 20), strings.Repeat("0g", 20), strings.Repeat("\xff", 40)} {
		c.Add(oid, []byte("value"))
		if v, ok := c.Lookup(oid); ok {
			t.Errorf("Lookup(%q) = %q, want nothing", oid, v)
		}
	}
	if c.Len() != 0 {
		t.Errorf("Len() = %d, want 0", c.Len())
	}
}

func TestValuesOfAnyLengthUpToTheLimit(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	lengths := []int{0, 1, 127, 128, 16383, 16384, 1<<15 - 1, 1 << 15}
	for i, n := range lengths {
		c.Add(oidOf(i), bytes.Repeat([]byte{'v'}, n))
	}
	c.Add(oidOf(100), make([]byte, 1<<15+1))
	save(t, c)
	next := open(t, cfg)
	for i, n := range lengths {
		want(t, next, oidOf(i), bytes.Repeat([]byte{'v'}, n))
	}
	want(t, next, oidOf(100), nil)
}

// TestIdsThatAgreeInAllButTheEnd has ids that anybody could make to be hard to
// tell apart by their beginnings.
func TestIdsThatAgreeInAllButTheEnd(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	id := func(i int) string { return fmt.Sprintf("%036d%04x", 0, i) }
	for i := range 1 << 16 {
		c.Add(id(i), []byte(id(i)))
	}
	save(t, c)
	next := open(t, cfg)
	for i := range 1 << 16 {
		want(t, next, id(i), []byte(id(i)))
	}
}

// TestAnyOrderOfUse holds a cache against a map.
func TestAnyOrderOfUse(t *testing.T) {
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 4))
		cfg := config(newFile(t))
		c := open(t, cfg)
		values, numbers := make(map[string][]byte), make(map[uint32]string)
		for range 30_000 {
			switch n := rng.IntN(1000); {
			case n < 600:
				oid, value := oidOf(rng.IntN(3000)), make([]byte, rng.IntN(200))
				for i := range value {
					value[i] = byte(rng.Uint32())
				}
				values[oid] = value
				c.Add(oid, value)
			case n < 650:
				s := fmt.Sprintf("string %d", rng.IntN(2000))
				i := c.Intern(s)
				if had, ok := numbers[i]; i == 0 || ok && had != s {
					t.Fatalf("Intern(%q) = %d, which is %q", s, i, had)
				}
				numbers[i] = s
			case n < 990:
				oid := oidOf(rng.IntN(3000))
				value, ok := values[oid]
				if got, found := c.Lookup(oid); found != ok || !bytes.Equal(got, value) {
					t.Fatalf("seed %d: Lookup(%s) = %x, %v, want %x, %v", seed, oid, got, found, value, ok)
				}
			case n < 998:
				save(t, c)
			default:
				save(t, c)
				closeCache(t, c)
				c = open(t, cfg)
			}
			if len(numbers) > 0 && rng.IntN(10) == 0 {
				i := uint32(256 + rng.IntN(2000))
				if s, ok := c.String(i); s != numbers[i] || ok != (numbers[i] != "") {
					t.Fatalf("seed %d: String(%d) = %q, %v, want %q", seed, i, s, ok, numbers[i])
				}
			}
		}
		save(t, c)
		if c.Len() != len(values) {
			t.Errorf("seed %d: Len() = %d, want %d", seed, c.Len(), len(values))
		}
		for _, oid := range slices.Sorted(maps.Keys(values)) {
			want(t, c, oid, values[oid])
		}
	}
}

func TestStringsKeepTheirNumbers(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	numbers := make(map[uint32]string)
	for i := range 2000 {
		s := strings.Repeat("x", i%50) + fmt.Sprint(i)
		n := c.Intern(s)
		if n == 0 || numbers[n] != "" || c.Intern(s) != n {
			t.Fatalf("Intern(%q) = %d and then %d, and %q has that number", s, n, c.Intern(s), numbers[n])
		}
		numbers[n] = s
	}
	save(t, c)
	next := open(t, cfg)
	for _, c := range []*cache.Cache{c, next} {
		for n, s := range numbers {
			if got, ok := c.String(n); !ok || got != s {
				t.Fatalf("String(%d) = %q, %v, want %q", n, got, ok, s)
			}
			if got := c.Intern(s); got != n {
				t.Fatalf("Intern(%q) = %d, want %d", s, got, n)
			}
		}
	}
	if n := next.Intern("another"); numbers[n] != "" || n == 0 {
		t.Errorf("Intern of a new string = %d, which is %q", n, numbers[n])
	}
}

func TestNoStringHasNumberZeroOrOneThatIsNotGivenOut(t *testing.T) {
	c := open(t, config(newFile(t)))
	given := c.Intern("")
	if s, ok := c.String(given); s != "" || !ok {
		t.Errorf("String(%d) = %q, %v, want the empty string", given, s, ok)
	}
	for _, n := range []uint32{0, 1, given + 1, given + 256, 1<<32 - 1} {
		if s, ok := c.String(n); ok {
			t.Errorf("String(%d) = %q, want none", n, s)
		}
	}
	if n := c.Intern(strings.Repeat("x", 1<<15+1)); n != 0 {
		t.Errorf("Intern of a string that is too long = %d, want 0", n)
	}
}

func TestManyReadersWhileOneAdds(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	const n = 20_000
	value := func(i int) []byte { return []byte("value " + oidOf(i)) }
	for i := range n {
		c.Add(oidOf(i), value(i))
	}
	number := c.Intern("string")
	save(t, c)
	closeCache(t, c)
	c = open(t, cfg)
	var running sync.WaitGroup
	running.Go(func() {
		for i := n; i < 3*n; i++ {
			c.Add(oidOf(i), value(i))
			want(t, c, oidOf(i), value(i))
			if i%5000 == 0 || i < n+2000 { // so many blocks are put together
				c.Intern(oidOf(i))
				if err := c.Save(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for k := range 3 {
		running.Go(func() {
			for i := range n {
				got, ok := c.Lookup(oidOf(i))
				if !ok || !bytes.Equal(got, value(i)) {
					t.Errorf("reader %d: Lookup of %d = %q, %v", k, i, got, ok)
				}
				if s, ok := c.String(number); s != "string" || !ok {
					t.Errorf("reader %d: String = %q, %v", k, s, ok)
				}
				if got, ok := c.Lookup(oidOf(n + i)); ok && !bytes.Equal(got, value(n+i)) {
					t.Errorf("reader %d: Lookup of what is being added = %q", k, got)
				}
			}
		})
	}
	running.Wait()
	save(t, c)
	next := open(t, cfg)
	for i := range 3 * n {
		want(t, next, oidOf(i), value(i))
	}
}

// TestFormat reads a file by the package comment alone.
func TestFormat(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	number := c.Intern("string")
	c.Add(oidOf(1), []byte("value"))
	save(t, c)
	data := readFile(t, cfg.File)
	got := newTestFile(cfg.Key, 20)
	copy(got[24:40], data[24:40]) // the nonce
	got.sumHeader()
	id, err := hex.DecodeString(oidOf(1))
	if err != nil {
		t.Fatal(err)
	}
	got.block('r', 1, le32(1))
	got.block('s', 1, append(le32(number), "\x06string"...))
	got.block('e', 1, append(id, "\x05value"...))
	if !bytes.Equal(got, data) {
		t.Errorf("the file is\n%x, want\n%x", data, []byte(got))
	}
}
