package cache_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitseal/verifier/audit/cache"
)

const (
	headerLen = 88
	headLen   = 24
)

// A testFile is a file as the package comment describes it, made without the
// package's code.
type testFile []byte

func newTestFile(key [32]byte, width uint32) testFile {
	f := append(testFile("gitseal verdicts"), le32(1)...)
	f = append(f, le32(width)...)
	f = append(f, make([]byte, 16)...)
	f = append(f, key[:]...)
	f = append(f, make([]byte, 16)...)
	f.sumHeader()
	return f
}

func (f testFile) sumHeader() {
	sum := sha256.Sum256(f[:72])
	copy(f[72:headerLen], sum[:])
}

func (f *testFile) block(kind byte, count uint16, records []byte) {
	b := le32(uint32(len(records)))
	b = binary.LittleEndian.AppendUint16(b, count)
	b = append(b, kind, 0)
	f.raw(append(b, records...))
}

// raw adds a block of which b is what comes after the sum.
func (f *testFile) raw(b []byte) {
	sum := sha256.Sum256(append(bytes.Clone((*f)[72:headerLen]), b...))
	*f = append(append(*f, sum[:16]...), b...)
}

func (f testFile) write(t testing.TB, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, f, 0o600); err != nil {
		t.Fatal(err)
	}
}

func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// entryRecord returns the record of an entry, whose value is "value of N".
func entryRecord(i int) []byte {
	id, err := hex.DecodeString(oidOf(i))
	if err != nil {
		panic(err)
	}
	value := fmt.Sprint("value of ", i)
	return append(append(id, byte(len(value))), value...)
}

// smallFile returns a file of 8 entries and 3 strings, in several blocks, and
// the numbers of the strings.
func smallFile(t testing.TB) (data []byte, numbers map[uint32]string) {
	t.Helper()
	cfg := config(newFile(t))
	c := open(t, cfg)
	numbers = make(map[uint32]string)
	for i := range 8 {
		if i%3 == 0 {
			s := fmt.Sprint("string ", i)
			numbers[c.Intern(s)] = s
		}
		c.Add(oidOf(i), fmt.Append(nil, "value of ", i))
		if i%3 == 2 {
			save(t, c)
		}
	}
	save(t, c)
	return readFile(t, cfg.File), numbers
}

// rightOrAbsent checks that nothing of smallFile is found otherwise than it
// was added, and returns how many entries and strings are found.
func rightOrAbsent(t testing.TB, what string, c *cache.Cache, numbers map[uint32]string) (found int) {
	t.Helper()
	for i := range 8 {
		if v, ok := c.Lookup(oidOf(i)); ok {
			found++
			if want := fmt.Sprint("value of ", i); string(v) != want {
				t.Fatalf("%s: Lookup of entry %d = %q, want %q or nothing", what, i, v, want)
			}
		}
	}
	for n, want := range numbers {
		if s, ok := c.String(n); ok {
			found++
			if s != want {
				t.Fatalf("%s: String(%d) = %q, want %q or nothing", what, n, s, want)
			}
		}
	}
	return found
}

// goesOn checks that what is added to a cache is there afterwards, beside what
// was. Numbers of strings that are lost may be given to others.
func goesOn(t testing.TB, what string, c *cache.Cache, cfg cache.Config, numbers map[uint32]string) {
	t.Helper()
	numbers = maps.Clone(numbers)
	maps.DeleteFunc(numbers, func(n uint32, _ string) bool {
		_, ok := c.String(n)
		return !ok
	})
	found := rightOrAbsent(t, what, c, numbers)
	n := c.Intern("another string")
	c.Add(oidOf(100), []byte("another value"))
	if err := c.Save(); err != nil {
		t.Fatalf("%s: Save: %v", what, err)
	}
	next, err := cache.Open(cfg)
	if err != nil {
		t.Fatalf("%s: Open after Save: %v", what, err)
	}
	defer next.Close() // of a file that was only read
	if now := rightOrAbsent(t, what, next, numbers); now != found {
		t.Fatalf("%s: %d are found after Save, %d before", what, now, found)
	}
	want(t, next, oidOf(100), []byte("another value"))
	if s, ok := next.String(n); s != "another string" || !ok {
		t.Fatalf("%s: String(%d) = %q, %v, want the string that was added", what, n, s, ok)
	}
}

func TestFileThatIsCutOffAnywhere(t *testing.T) {
	data, numbers := smallFile(t)
	last := 0
	cfg := config(newFile(t))
	for size := range data {
		what := fmt.Sprintf("cut off after %d bytes", size)
		testFile(data[:size]).write(t, cfg.File)
		c := open(t, cfg) // a process that was killed is nothing to tell of
		found := rightOrAbsent(t, what, c, numbers)
		if found < last {
			t.Fatalf("%s: %d are found, fewer than before that", what, found)
		}
		last = found
		if size%25 == 0 { // each writes a new file
			goesOn(t, what, c, cfg, numbers)
		}
		closeCache(t, c)
	}
	if last < 8 {
		t.Errorf("without the last byte %d are found", last)
	}
}

func TestEveryBitFlipIsNoticed(t *testing.T) {
	data, numbers := smallFile(t)
	cfg := config(newFile(t))
	for i := range data {
		for bit := range 8 {
			if bit != i%8 && i >= headerLen+2*headLen {
				continue // each opens a file
			}
			what := fmt.Sprintf("bit %d of byte %d", bit, i)
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			testFile(damaged).write(t, cfg.File)
			c, err := cache.Open(cfg)
			if foreign := i < 16; foreign != (err != nil && strings.Contains(err.Error(), "not a verdict cache")) {
				t.Fatalf("%s: Open: %v", what, err)
			}
			if found := rightOrAbsent(t, what, c, numbers); found == 8+len(numbers) {
				t.Fatalf("%s: everything is found", what)
			}
			if bit == i%8 && i >= 16 && i%20 == 0 { // each writes a new file
				goesOn(t, what, c, cfg, numbers)
			}
			closeCache(t, c)
		}
	}
}

// TestDamageWhileItIsOpen has a file changed after it was read.
func TestDamageWhileItIsOpen(t *testing.T) {
	data, numbers := smallFile(t)
	cfg := config(newFile(t))
	// The first block, a range, is not read again, nor are sums.
	start, end := headerLen, headerLen+headLen+4
	for i := end; i < len(data); i++ {
		if i == end {
			start, end = end, end+headLen+int(binary.LittleEndian.Uint32(data[end+16:]))
		}
		if i < start+16 {
			continue
		}
		what := fmt.Sprintf("byte %d", i)
		testFile(data).write(t, cfg.File)
		c := open(t, cfg)
		damaged := bytes.Clone(data)
		damaged[i] ^= 0x10
		testFile(damaged).write(t, cfg.File)
		if found := rightOrAbsent(t, what, c, numbers); found == 8+len(numbers) {
			t.Errorf("%s: everything is found", what)
		}
		closeCache(t, c)
	}
}

// TestFileOfTooManyBlocks has more blocks than can be told apart. They are put
// together with the next Save.
func TestFileOfTooManyBlocks(t *testing.T) {
	cfg := config(newFile(t))
	f := newTestFile(testKey, 20)
	const blocks = 1 << 20
	id := make([]byte, 21)
	for i := range blocks {
		binary.BigEndian.PutUint32(id, uint32(i))
		f.block('e', 1, id)
	}
	f.write(t, cfg.File)
	c, err := cache.Open(cfg)
	if err == nil || !strings.Contains(err.Error(), "garbled") {
		t.Errorf("Open: %v, want that it is garbled", err)
	}
	const found = blocks - 1<<10 - 1
	if c.Len() != found {
		t.Errorf("Len() = %d, want %d", c.Len(), found)
	}
	for i := range 100 {
		c.Add(oidOf(i), make([]byte, 1<<15))
		want(t, c, oidOf(i), make([]byte, 1<<15))
	}
	save(t, c)
	next := open(t, cfg)
	for _, c := range []*cache.Cache{c, next} {
		want(t, c, fmt.Sprintf("%08x%032d", found-1, 0), []byte{})
		want(t, c, fmt.Sprintf("%08x%032d", found, 0), nil)
		want(t, c, oidOf(99), make([]byte, 1<<15))
		if c.Len() != found+100 {
			t.Errorf("Len() = %d, want %d", c.Len(), found+100)
		}
	}
	closeCache(t, c)
}

// TestBlockOfAnotherKindWhileItIsOpen has a block of strings in the place of one
// of entries: a string, which anybody may choose, that reads as an entry.
func TestBlockOfAnotherKindWhileItIsOpen(t *testing.T) {
	cfg := config(newFile(t))
	record := func(value string) []byte {
		id := append(le32(256), byte(16+len(value)))
		id = append(id, make([]byte, 15)...)
		return append(append(id, byte(len(value))), value...)
	}
	f := newTestFile(testKey, 20)
	f.block('e', 1, record("good"))
	f.write(t, cfg.File)
	oid := hex.EncodeToString(record("good")[:20])
	c, next := open(t, cfg), open(t, cfg)
	want(t, next, oid, []byte("good"))

	f = newTestFile(testKey, 20)
	f.block('s', 1, record("evil"))
	f.write(t, cfg.File)
	want(t, c, oid, nil)
}

func TestFileThatShrinksWhileItIsOpen(t *testing.T) {
	data, numbers := smallFile(t)
	for _, size := range []int{0, 1, 16, headerLen - 1, headerLen, len(data) / 2, len(data) - 1} {
		cfg := config(newFile(t))
		testFile(data).write(t, cfg.File)
		c := open(t, cfg)
		if err := os.Truncate(cfg.File, int64(size)); err != nil {
			t.Fatal(err)
		}
		rightOrAbsent(t, fmt.Sprintf("%d bytes", size), c, numbers)
		if size >= headerLen {
			goesOn(t, fmt.Sprintf("%d bytes", size), c, cfg, numbers)
		} else if c.Add(oidOf(100), []byte("value")); c.Save() == nil {
			t.Errorf("%d bytes: Save() = nil, want an error: it cannot be told whose file it is", size)
		}
	}
}

// TestNumbersDoNotOutliveTheirRange has a file damaged after numbers of it were
// given out: the range they are from may be lost to others.
func TestNumbersDoNotOutliveTheirRange(t *testing.T) {
	cfg := config(newFile(t))
	c := open(t, cfg)
	number := c.Intern("string")
	c.Add(oidOf(1), []byte("value"))
	save(t, c)
	if err := os.Truncate(cfg.File, int64(len(readFile(t, cfg.File))-1)); err != nil {
		t.Fatal(err)
	}
	c.Add(oidOf(2), []byte("value"))
	if err := c.Save(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Save() = %v, want an error that says damaged", err)
	}
	next := open(t, cfg)
	want(t, next, oidOf(1), nil)
	goesOn(t, "the next", next, cfg, map[uint32]string{number: "string"})
}

// TestGoodBeginningOfAFile has one thing wrong in the third block of five: the
// two before are used, and Open says what is wrong.
func TestGoodBeginningOfAFile(t *testing.T) {
	string3 := func(n uint32) []byte { return append(le32(n), "\x03abc"...) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	id := entryRecord(9)[:20]
	full := func(kind byte, zero byte, length, count int, records []byte) func(*testFile) {
		return func(f *testFile) {
			b := binary.LittleEndian.AppendUint16(le32(uint32(length)), uint16(count))
			f.raw(append(append(b, kind, zero), records...))
		}
	}
	block := func(kind byte, count int, records []byte) func(*testFile) {
		return full(kind, 0, len(records), count, records)
	}
	tests := map[string]func(*testFile){
		"another kind":                    block('x', 1, entryRecord(9)),
		"a byte that is not zero":         full('e', 1, len(entryRecord(9)), 1, entryRecord(9)),
		"no records":                      block('e', 0, nil),
		"no records, but bytes":           block('e', 0, entryRecord(9)),
		"more records than it says":       block('e', 1, join(entryRecord(9), entryRecord(10))),
		"fewer records than it says":      block('e', 2, entryRecord(9)),
		"bytes after the records":         block('e', 1, append(entryRecord(9), 0)),
		"half an id":                      block('e', 2, append(entryRecord(9), id[:10]...)),
		"no length of a value":            block('e', 2, append(entryRecord(9), id...)),
		"half a length of a value":        block('e', 1, append(bytes.Clone(id), 0x80)),
		"a length in more bytes":          block('e', 1, append(bytes.Clone(id), 0x81, 0, 'v')),
		"a length of 2^64":                block('e', 1, append(bytes.Clone(id), 255, 255, 255, 255, 255, 255, 255, 255, 255, 2)),
		"half a value":                    block('e', 1, entryRecord(9)[:25]),
		"a value that is too long":        block('e', 1, join(id, binary.AppendUvarint(nil, 1<<15+1), make([]byte, 1<<15+1))),
		"too many records":                block('e', 1025, bytes.Repeat(join(id, []byte{0}), 1025)),
		"too many bytes":                  block('e', 3, bytes.Repeat(join(id, binary.AppendUvarint(nil, 1<<15), make([]byte, 1<<15)), 3)),
		"a string in no range":            block('s', 1, string3(512)),
		"a string in range 0":             block('s', 1, string3(255)),
		"string 0":                        block('s', 1, string3(0)),
		"a number given twice":            block('s', 2, join(string3(257), string3(257))),
		"a number given before":           block('s', 1, string3(256)),
		"half a string":                   block('s', 1, string3(257)[:7]),
		"a range again":                   block('r', 1, le32(1)),
		"a range out of order":            block('r', 1, le32(0)),
		"a range of numbers over 32 bits": block('r', 1, le32(1<<24-1)),
		"two ranges":                      block('r', 2, join(le32(2), le32(3))),
		"one range as two":                block('r', 2, le32(2)),
		"half a range":                    block('r', 1, []byte{2, 0, 0}),
		"another sum": func(f *testFile) {
			f.block('e', 1, entryRecord(9))
			(*f)[len(*f)-headLen-len(entryRecord(9))] ^= 1
		},
		"the sum of another file": func(f *testFile) {
			other := newTestFile(testKey, 20)
			other[24] ^= 1
			other.sumHeader()
			other.block('e', 1, entryRecord(9))
			*f = append(*f, other[headerLen:]...)
		},
		"zeros": func(f *testFile) { *f = append(*f, make([]byte, 4096)...) },
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := config(newFile(t))
			f := newTestFile(testKey, 20)
			f.block('r', 1, le32(1))
			f.block('s', 1, string3(256))
			f.block('e', 1, entryRecord(0))
			good := len(f)
			bad(&f)
			f.block('e', 1, entryRecord(1))
			f.write(t, cfg.File)
			c, err := cache.Open(cfg)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("garbled after %d bytes", good)) || !strings.Contains(err.Error(), cfg.File) {
				t.Errorf("Open: %v, want that %s is garbled after %d bytes", err, cfg.File, good)
			}
			want(t, c, oidOf(0), []byte("value of 0"))
			want(t, c, oidOf(1), nil)
			want(t, c, oidOf(9), nil)
			if s, ok := c.String(256); s != "abc" || !ok {
				t.Errorf("String(256) = %q, %v, want abc", s, ok)
			}
			goesOn(t, name, c, cfg, map[uint32]string{256: "abc"})
			closeCache(t, c)
		})
	}
}

// TestFilesAsGoodAsOurs has what the table above comes near to.
func TestFilesAsGoodAsOurs(t *testing.T) {
	cfg := config(newFile(t))
	f := newTestFile(testKey, 20)
	f.block('r', 1, le32(1))
	f.block('r', 1, le32(1<<24-2))
	f.block('s', 2, append(append(le32(1<<32-257), "\x03abc"...), append(le32(256), 0)...))
	id := entryRecord(0)[:20]
	f.block('e', 1, append(binary.AppendUvarint(bytes.Clone(id), 1<<15), make([]byte, 1<<15)...))
	var many []byte
	for i := 1; i <= 1024; i++ {
		many = append(many, entryRecord(i)...)
	}
	f.block('e', 1024, many)
	f.write(t, cfg.File)
	c := open(t, cfg)
	want(t, c, oidOf(0), make([]byte, 1<<15))
	want(t, c, oidOf(1024), []byte("value of 1024"))
	if s, ok := c.String(1<<32 - 257); s != "abc" || !ok {
		t.Errorf("String = %q, %v, want abc", s, ok)
	}
	if n := c.Intern(""); n != 256 {
		t.Errorf("Intern = %d, want 256", n)
	}
	// There are no numbers left for others.
	if n := c.Intern("another"); n != 0 {
		t.Errorf("Intern = %d, want 0", n)
	}
	if err := c.Save(); err == nil || !strings.Contains(err.Error(), "too many strings") {
		t.Errorf("Save() = %v, want that there are too many strings", err)
	}
}

// FuzzOpen opens arbitrary files: the input itself, as it is after a good
// header, and that with right sums as far as it has blocks.
func FuzzOpen(f *testing.F) {
	data, _ := smallFile(f)
	f.Add(data)
	f.Add(data[headerLen:])
	f.Add([]byte{})
	f.Add([]byte("gitseal verdicts"))
	twice := newTestFile(testKey, 20)
	twice.block('e', 2, append(entryRecord(0), entryRecord(0)...))
	f.Add([]byte(twice[headerLen:]))
	f.Fuzz(func(t *testing.T, data []byte) {
		summed := newTestFile(testKey, 20)
		for rest := data; len(rest) >= headLen; {
			n := headLen + int(binary.LittleEndian.Uint32(rest[16:])%(1<<17))
			if n > len(rest) {
				break
			}
			summed.raw(rest[16:n])
			rest = rest[n:]
		}
		for k, file := range []testFile{data, append(newTestFile(testKey, 20), data...), summed} {
			cfg := config(newFile(t))
			file.write(t, cfg.File)
			c, err := cache.Open(cfg)
			if c == nil {
				t.Fatalf("Open = nil, %v", err)
			}
			if k < 2 { // writing takes long
				closeCache(t, c)
				continue
			}
			before := make(map[string]string)
			for i := range 100 {
				if v, ok := c.Lookup(oidOf(i)); ok {
					before[oidOf(i)] = string(v)
				}
			}
			n := c.Len()
			c.Add(oidOf(200), []byte("value"))
			number := c.Intern("another string")
			if c.Save() == nil {
				next := open(t, cfg)
				for oid, value := range before {
					want(t, next, oid, []byte(value))
				}
				want(t, next, oidOf(200), []byte("value"))
				if next.Len() < n {
					t.Errorf("Len() = %d after Save, %d before", next.Len(), n)
				}
				if s, ok := next.String(number); number != 0 && (s != "another string" || !ok) {
					t.Errorf("String(%d) = %q, %v", number, s, ok)
				}
			}
			closeCache(t, c)
		}
	})
}
