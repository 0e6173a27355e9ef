package cache

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordsAreAskedForTheirKeys has an index that leads to records of others,
// as it does where hashes collide.
func TestRecordsAreAskedForTheirKeys(t *testing.T) {
	c, err := Open(Config{File: filepath.Join(t.TempDir(), "verdicts"), Format: "sha1"})
	if err != nil {
		t.Fatal(err)
	}
	mine, others := strings.Repeat("0", 40), strings.Repeat("1", 40)
	c.Add(others, []byte("value"))
	id, ok := c.id(nil, mine)
	if !ok {
		t.Fatalf("id(%q) = none", mine)
	}
	c.entries.put(c.hash(id), locate(c.entry, 0), func(location) bool { return false })
	if v, ok := c.Lookup(mine); ok {
		t.Errorf("Lookup of what was not added = %q", v)
	}
	if v, ok := c.Lookup(others); !ok || string(v) != "value" {
		t.Errorf("Lookup of what was added = %q, %v", v, ok)
	}

	n := c.Intern("string")
	c.strings.put(c.hash([]byte("another")), c.place(n), func(location) bool { return false })
	if other := c.Intern("another"); other == n {
		t.Errorf("two strings have number %d", n)
	}
	c.numbers[n/rangeSize][n%rangeSize+5] = c.place(n)
	if s, ok := c.String(n + 5); ok {
		t.Errorf("String(%d) = %q, want none", n+5, s)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIndexTellsEqualHashesApart has keys that the index keeps no difference
// of: its caller is asked.
func TestIndexTellsEqualHashesApart(t *testing.T) {
	var x index
	keys := make(map[location]int)
	at := func(i int) location { return locate(uint32(1+i/maxRecords), i%maxRecords) }
	same := func(key int) func(location) bool {
		return func(at location) bool { return keys[at] == key }
	}
	const n = 500
	for i := range n {
		keys[at(i)] = i
		if x.put(42, at(i), same(i)) {
			t.Fatalf("key %d replaced another", i)
		}
	}
	for i := range n {
		found := location(0)
		x.find(42, func(at location) bool {
			if keys[at] == i {
				found = at
			}
			return found != 0
		})
		if found != at(i) || !x.holds(42, at(i)) {
			t.Fatalf("key %d is at %d, want %d", i, found, at(i))
		}
	}
	keys[at(n)] = 7
	if !x.put(42, at(n), same(7)) || x.holds(42, at(7)) || x.used != n {
		t.Errorf("key 7 was not replaced: %d keys", x.used)
	}
}

func TestIndexAgainstAMap(t *testing.T) {
	for _, expected := range []int{0, 50_000, 100_000} {
		rng := rand.New(rand.NewPCG(1, uint64(expected)))
		var x index
		x.expect(expected)
		reference := make(map[uint64]location)
		var hashes []uint64
		for i := range 100_000 {
			hash := rng.Uint64()
			if i%10 == 0 && i > 0 {
				hash = hashes[rng.IntN(len(hashes))]
			}
			hashes = append(hashes, hash)
			at := location(maxRecords + i)
			_, had := reference[hash]
			if replaced := x.put(hash, at, func(at location) bool { return at == reference[hash] }); replaced != had {
				t.Fatalf("put replaced one: %v, want %v", replaced, had)
			}
			reference[hash] = at
		}
		if x.used != len(reference) {
			t.Errorf("%d keys, want %d", x.used, len(reference))
		}
		slots := 0
		for i := range x.shards {
			slots += len(x.shards[i].slots)
		}
		if bytes := 8 * slots / x.used; bytes > 13 {
			t.Errorf("%d bytes for each key", bytes)
		}
		for hash, at := range reference {
			if !x.holds(hash, at) {
				t.Fatalf("%x is not at %d", hash, at)
			}
		}
	}
}
