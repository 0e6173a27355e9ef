package fakeca

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// addEntries enters n signatures.
func addEntries(t *testing.T, a *Authority, n int) {
	t.Helper()
	u := certify(t, a, "alice@example.com")
	for i := range n {
		message := fmt.Append(nil, "message ", i)
		if _, err := a.Add(context.Background(), sha256.Sum256(message), signDigest(t, u.key, message), u.chain[0]); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads everything there is to read about a log of seven entries.
func readAllOf(t *testing.T, a *Authority) error {
	t.Helper()
	ctx := context.Background()
	var errs []error
	for i := range int64(7) {
		e, err := a.Entry(ctx, i)
		if err == nil {
			var proof tlog.RecordProof
			for _, h := range e.Hashes {
				proof = append(proof, tlog.Hash(h))
			}
			err = tlog.CheckRecord(proof, e.TreeSize, e.Root, e.TreeIndex, tlog.RecordHash(e.Body))
		}
		errs = append(errs, err)
	}
	for _, path := range []string{"tile/0/000.p/7", "tile/entries/000.p/7"} {
		_, err := a.Tile(ctx, path)
		errs = append(errs, err)
	}
	_, err := a.ConsistencyProof(ctx, 3, 7)
	return errors.Join(append(errs, err)...)
}

// TestReadingChecksTheIndex damages what a log derives from its entries, while
// it is in use: what is read must still lead to the signed root.
func TestReadingChecksTheIndex(t *testing.T) {
	for name, damage := range map[string]func(hashes, ends *memFile){
		"hashes cleared": func(hashes, _ *memFile) { clear(hashes.data) },
		"one hash":       func(hashes, _ *memFile) { hashes.data[3] ^= 1 },
		"ends cleared":   func(_, ends *memFile) { clear(ends.data) },
		"ends swapped": func(_, ends *memFile) {
			for i := range 8 {
				ends.data[8+i], ends.data[16+i] = ends.data[16+i], ends.data[8+i]
			}
		},
		"ends shifted":  func(_, ends *memFile) { copy(ends.data, ends.data[8:]) },
		"ends far away": func(_, ends *memFile) { ends.data[8] = 0x7f },
	} {
		for _, read := range []func(a *Authority) error{
			func(a *Authority) error { _, err := a.Entry(context.Background(), 1); return err },
			func(a *Authority) error { _, err := a.Tile(context.Background(), "tile/0/000.p/7"); return err },
			func(a *Authority) error { _, err := a.Tile(context.Background(), "tile/entries/000.p/7"); return err },
			func(a *Authority) error { _, err := a.ConsistencyProof(context.Background(), 3, 7); return err },
		} {
			a := newTestAuthority(t, Config{})
			addEntries(t, a, 7)
			files := a.disk.(*memDisk).files
			damage(files[filepath.Join(a.dir, "log", "hashes")], files[filepath.Join(a.dir, "log", "ends")])
			if err := read(a); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := readAllOf(t, a); err != nil {
				t.Errorf("%s, and then: %v", name, err)
			}
		}
	}
}

// TestReadingNoticesLostEntries changes an entry behind the log's back.
func TestReadingNoticesLostEntries(t *testing.T) {
	for name, change := range map[string]func(entries []byte){
		"a bit": func(entries []byte) { entries[frameHeader+3] ^= 1 },
		"a whole frame": func(entries []byte) {
			f := must(parseFrame(entries))
			other := frame{index: f.index, durable: f.durable, entry: append(f.entry[:len(f.entry)-1:len(f.entry)-1], '!')}
			copy(entries, other.append(nil))
		},
	} {
		a := newTestAuthority(t, Config{})
		addEntries(t, a, 7)
		change(a.disk.(*memDisk).files[filepath.Join(a.dir, "log", "entries")].data)
		if b, err := a.Tile(context.Background(), "tile/entries/000.p/7"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: Tile = %x, %v, want ErrCorrupt", name, b, err)
		}
		if e, err := a.Entry(context.Background(), 0); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: Entry = %v, %v, want ErrCorrupt", name, e, err)
		}
	}
}

func TestMissingThingsDoNotExist(t *testing.T) {
	for _, generation := range []Generation{RekorV1, RekorV2} {
		a := newTestAuthority(t, Config{Log: generation})
		addEntries(t, a, 7)
		ctx := context.Background()
		for _, i := range []int64{-1, 7, 1 << 62} {
			if e, err := a.Entry(ctx, i); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v: Entry(%d) = %v, %v, want fs.ErrNotExist", generation, i, e, err)
			}
		}
		for _, sizes := range [][2]int64{{0, 7}, {-1, 7}, {5, 4}, {7, 8}} {
			if p, err := a.ConsistencyProof(ctx, sizes[0], sizes[1]); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v: ConsistencyProof(%v) = %v, %v, want fs.ErrNotExist", generation, sizes, p, err)
			}
		}
		if i, err := a.Find(ctx, [32]byte{1}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: Find = %d, %v, want fs.ErrNotExist", generation, i, err)
		}
	}
}

// TestEntriesKeepTheirTimes opens a log again, as another process would.
func TestEntriesKeepTheirTimes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	now := testTime()
	cfg := Config{Clock: func() time.Time { return now }, Log: RekorV1}
	created, err := Create(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := created.Close(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 3 {
		a, err := Open(dir, cfg)
		if err != nil {
			t.Fatal(err)
		}
		addEntries(t, a, 1)
		now = now.Add(time.Hour)
		for j := range int64(i + 1) {
			e, err := a.Entry(context.Background(), j)
			if err != nil {
				t.Fatal(err)
			}
			if want := testTime().Add(time.Duration(j) * time.Hour).Unix(); e.IntegratedTime != want {
				t.Errorf("entry %d is of %d, want %d", j, e.IntegratedTime, want)
			}
			if j == int64(i) {
				ids = append(ids, e.ID)
			}
		}
		if got, err := a.Search(context.Background(), Query{Email: "alice@example.com"}); err != nil || fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("Search = %v, %v, want %v", got, err, ids)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMissingTimesAreNoticed has a log from before times were kept.
func TestMissingTimesAreNoticed(t *testing.T) {
	a := newTestAuthority(t, Config{Log: RekorV1})
	addEntries(t, a, 2)
	times := a.disk.(*memDisk).files[filepath.Join(a.dir, "log", "times")]
	times.data = times.data[:8]
	if e, err := a.Entry(context.Background(), 1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Entry = %v, %v, want ErrCorrupt", e, err)
	}
	if _, err := a.Entry(context.Background(), 0); err != nil {
		t.Errorf("the other entry: %v", err)
	}
}

func TestFrozenShardIsATree(t *testing.T) {
	a := newTestAuthority(t, Config{Log: RekorV1})
	addEntries(t, a, 1)
	shards, err := a.Shards(context.Background())
	if err != nil || len(shards) != 2 {
		t.Fatalf("Shards = %v, %v, want two", shards, err)
	}
	var entries []string
	for range 8 {
		entries = append(entries, "frozen")
	}
	h := treeHash(entries)
	for n := len(entries); int64(n) < shards[0].Size; n *= 2 {
		h = tlog.NodeHash(h, h)
	}
	if shards[0].Root != h || shards[0].First != 0 || shards[1].First != shards[0].Size || shards[0].TreeID == shards[1].TreeID {
		t.Errorf("shards %v, want the first to be a tree of equal entries, and the second to follow", shards)
	}
	if _, err := a.Search(context.Background(), Query{}); err != nil {
		t.Errorf("Search of nothing: %v", err)
	}
	if ids, err := newTestAuthority(t, Config{}).Search(context.Background(), Query{}); err == nil {
		t.Errorf("Search of a Rekor v2 log = %v", ids)
	}
}

func FuzzParseTilePath(f *testing.F) {
	for _, path := range []string{"tile/0/000", "tile/entries/x001/234.p/7", "tile/63/000.p/1", "tile/data/000", "tile/0/1", "", "tile/8/0/000"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := parseTilePath(path)
		if err != nil {
			return
		}
		prefix := "tile/"
		if tile.L == -1 {
			prefix = "tile/entries/"
		}
		if again := tilePath(prefix, tile); again != path {
			t.Errorf("parseTilePath(%q) is the tile %v, whose path is %q", path, tile, again)
		}
	})
}
