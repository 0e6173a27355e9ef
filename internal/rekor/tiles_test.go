package rekor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	xtlog "golang.org/x/mod/sumdb/tlog"

	"gitseal/fakeca"
	"gitseal/internal/tlog"
)

// A memoryLog is a tiled log in memory, made with x/mod's own tiles.
type memoryLog struct {
	entries [][]byte
	hashes  []xtlog.Hash
	full    bool // serve full tiles only, where there are full ones

	mu    sync.Mutex
	reads []string          // guarded by mu
	spoil map[string][]byte // in place of what is there; nil: it is gone
}

func newMemoryLog(t testing.TB, n int) *memoryLog {
	t.Helper()
	l := &memoryLog{spoil: make(map[string][]byte)}
	for i := range n {
		l.add(t, fmt.Appendf(nil, "entry %d", i))
	}
	return l
}

func (l *memoryLog) add(t testing.TB, entry []byte) {
	t.Helper()
	hashes, err := xtlog.StoredHashes(int64(len(l.entries)), entry, l)
	if err != nil {
		t.Fatal(err)
	}
	l.entries = append(l.entries, entry)
	l.hashes = append(l.hashes, hashes...)
}

func (l *memoryLog) ReadHashes(indexes []int64) ([]xtlog.Hash, error) {
	var out []xtlog.Hash
	for _, i := range indexes {
		out = append(out, l.hashes[i])
	}
	return out, nil
}

func (l *memoryLog) root(t testing.TB, size int) tlog.Hash {
	t.Helper()
	h, err := xtlog.TreeHash(int64(size), l)
	if err != nil {
		t.Fatal(err)
	}
	return tlog.Hash(h)
}

func (l *memoryLog) fetch(_ context.Context, path string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = append(l.reads, path)
	if data, ok := l.spoil[path]; ok {
		if data == nil {
			return nil, fs.ErrNotExist
		}
		return data, nil
	}
	name := strings.Replace(strings.Replace(path, "tile/entries/", "tile/8/data/", 1), "tile/", "tile/8/", 1)
	if strings.HasPrefix(path, "tile/entries/") {
		name = "tile/8/data/" + strings.TrimPrefix(path, "tile/entries/")
	}
	tile, err := xtlog.ParseTilePath(name)
	if err != nil {
		return nil, err
	}
	size := int64(len(l.entries)) >> (tileHeight * max(tile.L, 0))
	if end := tile.N*TileWidth + int64(tile.W); end > size || l.full && tile.W < TileWidth && (tile.N+1)*TileWidth <= size {
		return nil, fmt.Errorf("no %s: %w", path, fs.ErrNotExist)
	}
	if tile.L >= 0 {
		return xtlog.ReadTileData(tile, l)
	}
	var b []byte
	for _, e := range l.entries[tile.N*TileWidth:][:tile.W] {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
	}
	return b, nil
}

func newTree(t testing.TB, l *memoryLog, size int) *Tree {
	t.Helper()
	tree, err := NewTree(l.fetch, uint64(size), l.root(t, size))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// sizes are around the edges of tiles, of two levels.
var sizes = []int{0, 1, 2, 3, 255, 256, 257, 511, 512, 700, 66_000}

func TestTreeOfEachSizeAnswersAsTheLogDoes(t *testing.T) {
	l := newMemoryLog(t, 66_001)
	for _, full := range []bool{false, true} {
		l.full = full
		for _, size := range sizes {
			tree := newTree(t, l, size)
			for _, first := range sizes {
				if first > size {
					continue
				}
				root, err := tree.Root(t.Context(), uint64(first))
				if err != nil || root != l.root(t, first) {
					t.Fatalf("tree of %d: Root(%d) = %x, %v, want %x", size, first, root, err, l.root(t, first))
				}
				proof, err := tree.Consistency(t.Context(), uint64(first))
				if err == nil {
					err = proof.Verify(root, l.root(t, size))
				}
				if err != nil {
					t.Fatalf("tree of %d: Consistency(%d): %v", size, first, err)
				}
			}
			for _, index := range sizes {
				if index >= size {
					continue
				}
				proof, err := tree.Inclusion(t.Context(), uint64(index))
				if err == nil {
					err = proof.Verify(tlog.LeafHash(l.entries[index]), l.root(t, size))
				}
				if err != nil {
					t.Fatalf("tree of %d: Inclusion(%d): %v", size, index, err)
				}
				entry, err := tree.Entry(t.Context(), uint64(index))
				if err != nil || !bytes.Equal(entry, l.entries[index]) {
					t.Fatalf("tree of %d: Entry(%d) = %q, %v", size, index, entry, err)
				}
			}
		}
	}
}

func TestTreeRefusesWhatLiesOutside(t *testing.T) {
	l := newMemoryLog(t, 300)
	tree := newTree(t, l, 257)
	for name, err := range map[string]error{
		"root":        second(tree.Root(t.Context(), 258)),
		"inclusion":   second(tree.Inclusion(t.Context(), 257)),
		"consistency": second(tree.Consistency(t.Context(), 258)),
		"entry":       second(tree.Entry(t.Context(), 257)),
		"bundle":      second(tree.Entries(t.Context(), 2)),
	} {
		if err == nil {
			t.Errorf("%s beyond the tree: no error", name)
		}
	}
	if _, err := newTree(t, l, 0).Entries(t.Context(), 0); err == nil {
		t.Error("entries of an empty tree: no error")
	}
	if _, err := NewTree(l.fetch, 1<<48+1, tlog.Hash{}); err == nil {
		t.Error("tree of 2^48+1 leaves: no error")
	}
	if len(l.reads) > 0 {
		t.Errorf("read %v", l.reads)
	}
}

func second[T any](_ T, err error) error { return err }

// TestTreeRefusesWhatItsRootDoesNotCover spoils one resource at a time.
func TestTreeRefusesWhatItsRootDoesNotCover(t *testing.T) {
	const size = 700
	l := newMemoryLog(t, size)
	questions := map[string]func(*Tree) error{
		"root":        func(tree *Tree) error { return second(tree.Root(t.Context(), 300)) },
		"whole root":  func(tree *Tree) error { return second(tree.Root(t.Context(), size)) },
		"inclusion":   func(tree *Tree) error { return second(tree.Inclusion(t.Context(), 5)) },
		"consistency": func(tree *Tree) error { return second(tree.Consistency(t.Context(), 300)) },
		"entry":       func(tree *Tree) error { return second(tree.Entry(t.Context(), 300)) },
	}
	for name, ask := range questions {
		l.reads, l.spoil = nil, make(map[string][]byte)
		if err := ask(newTree(t, l, size)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, path := range l.reads {
			l.spoil = make(map[string][]byte)
			good, err := l.fetch(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			for i, bad := range [][]byte{
				flip(good, 5), flip(good, len(good)-1), good[:len(good)-1], append(bytes.Clone(good), 0), {}, good[:len(good)-32],
				append(bytes.Clone(good), make([]byte, 32)...),
			} {
				l.spoil = map[string][]byte{path: bad}
				if err := ask(newTree(t, l, size)); !errors.Is(err, ErrContradiction) {
					t.Errorf("%s, spoil %d of %s: %v, want ErrContradiction", name, i, path, err)
				}
			}
			l.spoil = map[string][]byte{path: nil}
			if err := ask(newTree(t, l, size)); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrContradiction) {
				t.Errorf("%s without %s: %v, want fs.ErrNotExist", name, path, err)
			}
		}
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

func TestTreeOfAnotherRootIsAContradiction(t *testing.T) {
	l := newMemoryLog(t, 300)
	tree, err := NewTree(l.fetch, 300, l.root(t, 299))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Root(t.Context(), 5); !errors.Is(err, ErrContradiction) {
		t.Errorf("Root = %v, want ErrContradiction", err)
	}
}

func TestTreeReadsATileOnce(t *testing.T) {
	l := newMemoryLog(t, 700)
	tree := newTree(t, l, 700)
	for range 3 {
		for i := range uint64(256) {
			if _, err := tree.Inclusion(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The right edge on both levels, and the tile of the leaves asked for.
	if len(l.reads) != 3 {
		t.Errorf("read %v, want 3 tiles", l.reads)
	}
}

func TestTreeKeepsABoundedNumberOfTiles(t *testing.T) {
	tree := &Tree{tiles: make(map[xtlog.Tile][]byte)}
	r := &tileReader{hashReader: &hashReader{tree: tree}}
	for n := range int64(3 * maxTiles) {
		r.SaveTiles([]xtlog.Tile{{H: 8, N: n, W: 256}}, [][]byte{{1}})
	}
	if len(tree.tiles) != maxTiles || len(tree.order) != maxTiles || tree.kept(xtlog.Tile{H: 8, N: 3*maxTiles - 1, W: 256}) == nil {
		t.Errorf("keeps %d tiles in order of %d, want the last %d", len(tree.tiles), len(tree.order), maxTiles)
	}
}

func TestTreeMayBeSharedByGoroutines(t *testing.T) {
	l := newMemoryLog(t, 700)
	tree := newTree(t, l, 700)
	var running sync.WaitGroup
	for i := range 16 {
		running.Go(func() {
			size := uint64(40 * i)
			if root, err := tree.Root(t.Context(), size); err != nil || root != l.root(t, int(size)) {
				t.Errorf("Root(%d) = %x, %v", size, root, err)
			}
		})
	}
	running.Wait()
}

func TestTileNumber(t *testing.T) {
	for n, want := range map[uint64]string{0: "000", 5: "005", 999: "999", 1000: "x001/000", 1234067: "x001/x234/067", 1000000: "x001/x000/000"} {
		if got := tileNumber(n); got != want {
			t.Errorf("tileNumber(%d) = %s, want %s", n, got, want)
		}
	}
}

// fetchDir returns a Fetch of the files of an export.
func fetchDir(dir string) Fetch {
	return func(_ context.Context, path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	}
}

func TestExportOfTheEmbeddedAuthorityIsRead(t *testing.T) {
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for range 5 {
		a.Sign([]byte("payload"), fakeca.Fixture{})
	}
	dir := t.TempDir()
	if err := a.ExportTiles(dir); err != nil {
		t.Fatal(err)
	}
	readEntries(t, fetchDir(dir))
}

// TestRealTilesAreRead reads a log that Rekor v2 wrote.
func TestRealTilesAreRead(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "corpus", "keyless", "rekor2-tiles")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus: ", err)
	}
	readEntries(t, func(ctx context.Context, path string) ([]byte, error) {
		return fetchDir(dir)(ctx, strings.TrimPrefix(path, "tile/"))
	})
}

// readEntries reads a whole log and proves each entry.
func readEntries(t *testing.T, fetch Fetch) {
	t.Helper()
	note, err := fetch(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := tlog.ParseCheckpoint(note)
	if err != nil {
		t.Fatal(err)
	}
	size, root := signed.Checkpoint.Size, signed.Checkpoint.Root
	if size < 5 {
		t.Fatalf("a log of %d entries", size)
	}
	tree, err := NewTree(fetch, size, root)
	if err != nil {
		t.Fatal(err)
	}
	for i := range size {
		entry, err := tree.Entry(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := tree.Inclusion(t.Context(), i)
		if err == nil {
			err = proof.Verify(tlog.LeafHash(entry), root)
		}
		if err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0, 1, 'a', 0, 0, 0, 2, 'b', 'c'}, 3)
	f.Add([]byte{0, 3, 'a'}, 1)
	f.Add([]byte{0}, 1)
	f.Fuzz(func(t *testing.T, data []byte, width int) {
		if width < 0 || width > TileWidth {
			return
		}
		entries, err := parseBundle(data, width)
		if err != nil {
			return
		}
		var b []byte
		for _, e := range entries {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
		}
		if len(entries) != width || !bytes.Equal(b, data) {
			t.Errorf("parseBundle(%x, %d) = %x, which is %x", data, width, entries, b)
		}
	})
}
