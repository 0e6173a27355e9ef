package fakeca

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
)

// newTestStore returns a log of n entries in memory, closed.
func newTestStore(t *testing.T, n int) (*memDisk, *promises) {
	t.Helper()
	d, p := newMemDisk(), new(promises)
	if err := createStore(d, "log"); err != nil {
		t.Fatal(err)
	}
	l := testLog(t, d, p)
	for i := range n {
		if err := p.appendTo(l, fmt.Sprintf("entry %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	return d, p
}

// content returns one of the log's files, to be damaged.
func content(d *memDisk, name string) *memFile { return d.files[filepath.Join("log", name)] }

// frameAt returns the offset of an entry's frame.
func frameAt(t *testing.T, d *memDisk, n int64) int64 {
	t.Helper()
	off, err := (&index{ends: content(d, "ends")}).end(n - 1)
	if err != nil {
		t.Fatal(err)
	}
	return off
}

func TestIndexIsMadeAgain(t *testing.T) {
	for name, damage := range map[string]func(d *memDisk){
		"no index":        func(d *memDisk) { content(d, "hashes").data, content(d, "ends").data = nil, nil },
		"no hashes":       func(d *memDisk) { content(d, "hashes").data = nil },
		"wrong root":      func(d *memDisk) { content(d, "hashes").data[2*32] ^= 1 },
		"old hashes":      func(d *memDisk) { content(d, "hashes").data = content(d, "hashes").data[:5*32] },
		"no ends":         func(d *memDisk) { content(d, "ends").data = nil },
		"wrong last end":  func(d *memDisk) { content(d, "ends").data[10*8-1] ^= 1 },
		"zeros for ends":  func(d *memDisk) { clear(content(d, "ends").data) },
		"huge end":        func(d *memDisk) { content(d, "ends").data[9*8] = 0x7f },
		"no checkpoint":   func(d *memDisk) { content(d, "checkpoint").data = nil },
		"torn checkpoint": func(d *memDisk) { content(d, "checkpoint").data = content(d, "checkpoint").data[:20] },
		"checkpoint of another log": func(d *memDisk) {
			content(d, "checkpoint").data = []byte("log.other\n10\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— log.other AAAAAAAA\n")
		},
		"nothing but entries": func(d *memDisk) {
			for _, name := range []string{"hashes", "ends", "checkpoint"} {
				delete(d.files, filepath.Join("log", name))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, p := newTestStore(t, 10)
			damage(d)
			p.check(t, d)
		})
	}
}

// TestInnerHashIsMadeAgain damages a hash that no checkpoint needs again, but
// the proof of an old entry does.
func TestInnerHashIsMadeAgain(t *testing.T) {
	d, p := newTestStore(t, 10)
	clear(content(d, "hashes").data[:32])
	p.check(t, d)
}

// TestOpenLogChecksItsIndex damages the index of a log that is in use.
func TestOpenLogChecksItsIndex(t *testing.T) {
	d, p := newTestStore(t, 0)
	l := testLog(t, d, p)
	for i := range 7 {
		if err := p.appendTo(l, "entry"); err != nil {
			t.Fatal(err)
		}
		clear(content(d, "hashes").data)
		if err := p.appendTo(testLog(t, d, p), "entry of another process"); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			clear(content(d, "hashes").data)
		}
	}
	p.check(t, d)
}

func TestLostEntriesAreNoticed(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, d *memDisk){
		"the last": func(t *testing.T, d *memDisk) {
			content(d, "entries").data = content(d, "entries").data[:frameAt(t, d, 9)]
		},
		"the last, in part": func(t *testing.T, d *memDisk) {
			content(d, "entries").data = content(d, "entries").data[:frameAt(t, d, 9)+10]
		},
		"all": func(t *testing.T, d *memDisk) { content(d, "entries").data = nil },
		"a bit of the last": func(t *testing.T, d *memDisk) {
			content(d, "entries").data[frameAt(t, d, 9)+frameHeader] ^= 1
		},
		"a bit of one, without an index": func(t *testing.T, d *memDisk) {
			content(d, "entries").data[frameAt(t, d, 4)+frameHeader] ^= 1
			content(d, "hashes").data = nil
		},
		"a bit of one, without an index and checkpoint": func(t *testing.T, d *memDisk) {
			content(d, "entries").data[frameAt(t, d, 4)+frameHeader] ^= 1
			content(d, "checkpoint").data = nil
		},
		"an entry replaced": func(t *testing.T, d *memDisk) {
			at := frameAt(t, d, 9)
			other := frame{index: 9, durable: 9, entry: []byte("entry X at 9")}
			content(d, "entries").data = other.append(content(d, "entries").data[:at])
		},
		"two entries swapped": func(t *testing.T, d *memDisk) {
			b, a4, a5 := content(d, "entries").data, frameAt(t, d, 4), frameAt(t, d, 5)
			one := append([]byte(nil), b[a4:a5]...)
			copy(b[a4:], b[a5:a5+a5-a4])
			copy(b[a5:], one)
			content(d, "hashes").data = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, p := newTestStore(t, 10)
			damage(t, d)
			before := len(content(d, "entries").data)
			err := p.appendTo(testLog(t, d, p), "one more")
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("append = %v, want ErrCorrupt", err)
			}
			if after := len(content(d, "entries").data); after != before {
				t.Errorf("the entries file went from %d to %d bytes", before, after)
			}
		})
	}
}

func TestTornTailIsCut(t *testing.T) {
	for name, tail := range map[string][]byte{
		"half a frame":            frame{index: 10, durable: 10, entry: make([]byte, 100)}.append(nil)[:70],
		"zeros":                   make([]byte, 4096),
		"more zeros than a frame": make([]byte, 3*maxFrame),
		"a frame behind a hole":   frame{index: 11, durable: 10, entry: []byte("later")}.append(make([]byte, 50)),
	} {
		t.Run(name, func(t *testing.T) {
			d, p := newTestStore(t, 10)
			content(d, "entries").data = append(content(d, "entries").data, tail...)
			p.check(t, d)
		})
	}
}

// TestUnsyncedEntriesAreNotClaimed has a process die before it synced an entry,
// and the next one find the entry, append another, and die before it synced
// that. Then only the second of them reaches the disk.
func TestUnsyncedEntriesAreNotClaimed(t *testing.T) {
	d, p := newCrashDisk(), new(promises)
	if err := createStore(d, "log"); err != nil {
		t.Fatal(err)
	}
	dieBeforeSync(t, d, p)
	dieBeforeSync(t, d, p)
	writes := d.names[filepath.Join("log", "entries")].pending
	last := &writes[len(writes)-1].data[0]
	p.check(t, d.crash(func(o op) (op, bool) { return o, o.data == nil || &o.data[0] == last }))
}

// TestCheckpointNeedsSyncedEntries has a process die before it synced an entry,
// and the next one asked for a checkpoint only.
func TestCheckpointNeedsSyncedEntries(t *testing.T) {
	d, p := newCrashDisk(), new(promises)
	if err := createStore(d, "log"); err != nil {
		t.Fatal(err)
	}
	dieBeforeSync(t, d, p)
	if _, err := testLog(t, d, p).append(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	p.check(t, d.crash(keepNone))
}

// dieBeforeSync appends an entry up to the point where it would be synced.
func dieBeforeSync(t *testing.T, d *crashDisk, p *promises) {
	t.Helper()
	d.dieInSync = true
	if err := p.appendTo(testLog(t, d, p), "unsynced"); !errors.Is(err, errStopped) {
		t.Fatalf("append = %v, want errStopped", err)
	}
	d.restart()
}

func TestOpenLooksAtFewHashes(t *testing.T) {
	const n = 5000
	d, p := newMemDisk(), new(promises)
	if err := createStore(d, "log"); err != nil {
		t.Fatal(err)
	}
	l := testLog(t, d, p)
	l.store = openTestStore(t, l)
	entries := make([][]byte, n)
	for i := range entries {
		entries[i] = fmt.Appendf(nil, "entry %d", i)
	}
	if err := errors.Join(l.store.append(entries), l.sign(l.store), l.close()); err != nil {
		t.Fatal(err)
	}
	reads := 0
	if err := p.appendTo(testLog(t, countingDisk{d, &reads}, p), "one more"); err != nil {
		t.Fatal(err)
	}
	if reads > 100 {
		t.Errorf("opening a log of %d entries and appending one reads %d times", n, reads)
	}
}

func openTestStore(t testing.TB, l *merkleLog) *store {
	t.Helper()
	s, err := openStore(l.disk, l.dir, l.openCheckpoint)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A countingDisk counts reads.
type countingDisk struct {
	*memDisk
	reads *int
}

type countingFile struct {
	file
	reads *int
}

func (d countingDisk) Open(name string) (file, error) {
	f, err := d.memDisk.Open(name)
	return countingFile{f, d.reads}, err
}

func (d countingDisk) Create(name string) (file, error) {
	f, err := d.memDisk.Create(name)
	return countingFile{f, d.reads}, err
}

func (f countingFile) ReadAt(p []byte, off int64) (int, error) {
	*f.reads++
	return f.file.ReadAt(p, off)
}

func TestEntryTooLongFailsAlone(t *testing.T) {
	d, p := newTestStore(t, 1)
	l := testLog(t, d, p)
	for _, size := range []int{0, maxEntry + 1} {
		_, err := l.append(context.Background(), func(int64) []byte { return make([]byte, size) })
		if err == nil {
			t.Errorf("append of %d bytes succeeds", size)
		}
	}
	if _, err := l.append(context.Background(), func(int64) []byte { return make([]byte, maxEntry) }); err != nil {
		t.Errorf("append of %d bytes: %v", maxEntry, err)
	}
	p.check(t, d)
}

func TestFrameRoundTrip(t *testing.T) {
	f := frame{index: 7, durable: 5, entry: []byte("entry")}
	b := f.append(nil)
	got, err := parseFrame(append(b, "more"...))
	if err != nil || got.index != f.index || got.durable != f.durable || string(got.entry) != string(f.entry) {
		t.Errorf("parseFrame(%x) = %v, %v, want %v", b, got, err, f)
	}
	for i := range b {
		for bit := range 8 {
			damaged := append([]byte(nil), b...)
			damaged[i] ^= 1 << bit
			if f, err := parseFrame(damaged); err == nil {
				t.Errorf("bit %d of octet %d changed: parseFrame = %v", bit, i, f)
			}
		}
		if f, err := parseFrame(b[:i]); err == nil {
			t.Errorf("cut to %d octets: parseFrame = %v", i, f)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(frame{index: 7, durable: 5, entry: []byte("entry")}.append(nil))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := parseFrame(b)
		if err != nil {
			return
		}
		if again := frame.append(nil); string(again) != string(b[:len(again)]) {
			t.Errorf("parseFrame(%x) is written as %x", b, again)
		}
	})
}

func TestSplitCheckpointRejects(t *testing.T) {
	const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	if origin, size, got, err := splitCheckpoint("o\n7\n" + root + "\n"); origin != "o" || size != 7 || got != root || err != nil {
		t.Errorf("splitCheckpoint = %q, %d, %q, %v", origin, size, got, err)
	}
	for _, text := range []string{
		"", "o\n7\n" + root, "o\n07\n" + root + "\n", "o\n+7\n" + root + "\n", "o\n-7\n" + root + "\n",
		"o\n7\n" + root + "\nmore\n", "o\n99999999999999999999\n" + root + "\n",
	} {
		if _, _, _, err := splitCheckpoint(text); err == nil {
			t.Errorf("splitCheckpoint(%q) succeeds", text)
		}
	}
}
