package rekor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	xtlog "golang.org/x/mod/sumdb/tlog"

	"gitseal/internal/tlog"
)

// ErrContradiction says that what a tiled log serves does not hash to the
// checkpoint that it signed.
var ErrContradiction = errors.New("what the log serves is not what it has signed")

// A Fetch reads one resource of a tiled log, by its path in C2SP tlog-tiles:
// "checkpoint", "tile/0/x001/234", "tile/entries/000.p/7". The error wraps
// fs.ErrNotExist where the log has no such resource.
type Fetch func(ctx context.Context, path string) ([]byte, error)

// TileWidth is how many hashes a tile has, and entries an entry bundle, if it
// is full (C2SP tlog-tiles).
const TileWidth = 1 << tileHeight

const (
	tileHeight = 8

	// maxTreeSize keeps positions in a tree far from overflow, and is more
	// than any log will hold.
	maxTreeSize = 1 << 48

	// maxCheckpoint bounds a signed note, as package tlog does.
	maxCheckpoint = 1 << 18

	// maxEntryBundle is 256 entries of the length that 16 bits can tell.
	maxEntryBundle = TileWidth * (2 + 1<<16 - 1)
)

// A Tree is the tree of one checkpoint of a tiled log, read as far as it is
// asked about. Nothing leaves it that has not been hashed up to the root it
// was made with; whether a log signed that root is for its caller to know. It
// may be used by several goroutines at once.
type Tree struct {
	size  uint64
	root  tlog.Hash
	fetch Fetch

	mu    sync.Mutex
	tiles map[xtlog.Tile][]byte // guarded by mu: that were read last, and hash to the root
	order []xtlog.Tile          // guarded by mu: the keys of tiles, oldest first
}

// maxTiles bounds the tiles that a Tree keeps: 4 MiB.
const maxTiles = 512

// NewTree returns the tree of the given size, in leaves, and root, whose
// tiles fetch reads.
func NewTree(fetch Fetch, size uint64, root tlog.Hash) (*Tree, error) {
	if size > maxTreeSize {
		return nil, fmt.Errorf("tree of %d leaves, where at most %d are expected", size, uint64(maxTreeSize))
	}
	return &Tree{size: size, root: root, fetch: fetch, tiles: make(map[xtlog.Tile][]byte)}, nil
}

// Size returns the number of the tree's leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root returns the root of the tree's first size leaves, hashed from tiles
// that hash to the root of the whole. It wraps ErrContradiction if they do
// not, and fs.ErrNotExist if the log does not have them.
func (t *Tree) Root(ctx context.Context, size uint64) (tlog.Hash, error) {
	if size > t.size {
		return tlog.Hash{}, fmt.Errorf("root of %d leaves of a tree of %d", size, t.size)
	}
	h, err := xtlog.TreeHash(int64(size), t.hashes(ctx))
	return tlog.Hash(h), err
}

// Inclusion returns the inclusion proof of the leaf, checked as Root does.
func (t *Tree) Inclusion(ctx context.Context, index uint64) (tlog.InclusionProof, error) {
	if index >= t.size {
		return tlog.InclusionProof{}, fmt.Errorf("leaf %d of a tree of %d", index, t.size)
	}
	proof, err := xtlog.ProveRecord(int64(t.size), int64(index), t.hashes(ctx))
	return tlog.InclusionProof{Index: index, Size: t.size, Hashes: hashes(proof)}, err
}

// Consistency returns the proof that the first size leaves are the beginning
// of the tree, checked as Root does.
func (t *Tree) Consistency(ctx context.Context, size uint64) (tlog.ConsistencyProof, error) {
	p := tlog.ConsistencyProof{First: size, Second: t.size}
	if size > t.size {
		return p, fmt.Errorf("consistency of %d leaves with a tree of %d", size, t.size)
	}
	if size == 0 || size == t.size {
		return p, nil
	}
	proof, err := xtlog.ProveTree(int64(t.size), int64(size), t.hashes(ctx))
	p.Hashes = hashes(proof)
	return p, err
}

// Entries returns the entries of the nth bundle, which begins with entry 256
// n, as far as the tree reaches. Each is the one whose leaf is in the tree.
func (t *Tree) Entries(ctx context.Context, n uint64) ([][]byte, error) {
	if n > (t.size-1)/TileWidth || t.size == 0 {
		return nil, fmt.Errorf("entry bundle %d of a tree of %d leaves", n, t.size)
	}
	width := int(min(t.size-n*TileWidth, TileWidth))
	data, err := t.resource(ctx, "tile/entries/", n, width)
	if err != nil {
		return nil, err
	}
	entries, err := parseBundle(data.bytes, data.width)
	if err != nil {
		return nil, fmt.Errorf("%w: entry bundle %d: %w", ErrContradiction, n, err)
	}
	entries = entries[:width]
	indexes := make([]int64, width)
	for i := range indexes {
		indexes[i] = xtlog.StoredHashIndex(0, int64(n*TileWidth)+int64(i))
	}
	leaves, err := t.hashes(ctx).ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	for i, entry := range entries {
		if tlog.LeafHash(entry) != tlog.Hash(leaves[i]) {
			return nil, fmt.Errorf("%w: entry %d is not that of its leaf", ErrContradiction, n*TileWidth+uint64(i))
		}
	}
	return entries, nil
}

// Entry returns one entry, checked as Entries does.
func (t *Tree) Entry(ctx context.Context, index uint64) ([]byte, error) {
	if index >= t.size {
		return nil, fmt.Errorf("entry %d of a log of %d", index, t.size)
	}
	entries, err := t.Entries(ctx, index/TileWidth)
	if err != nil {
		return nil, err
	}
	return entries[index%TileWidth], nil
}

// parseBundle splits an entry bundle (C2SP tlog-tiles): each entry behind its
// length, 16 bits, the most significant first.
func parseBundle(data []byte, width int) ([][]byte, error) {
	entries := make([][]byte, 0, width)
	for range width {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("ends within entry %d of %d", len(entries), width)
		}
		n := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:n:n])
		data = data[n:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%d bytes after entry %d", len(data), width)
	}
	return entries, nil
}

// A resource is a tile or an entry bundle, which may be wider than was asked
// for.
type resource struct {
	bytes []byte
	width int
}

// resource reads the nth tile or entry bundle below prefix, of the width that
// the tree has of it. A log may drop a partial one once there is the full one
// (C2SP tlog-tiles, "Partial Tiles").
func (t *Tree) resource(ctx context.Context, prefix string, n uint64, width int) (resource, error) {
	path := prefix + tileNumber(n)
	if width < TileWidth {
		data, err := t.fetch(ctx, fmt.Sprintf("%s.p/%d", path, width))
		if !errors.Is(err, fs.ErrNotExist) {
			return resource{data, width}, err
		}
	}
	data, err := t.fetch(ctx, path)
	return resource{data, TileWidth}, err
}

// tileNumber returns a tile's number in elements of three digits, of which
// all but the last begin with x: x001/x234/067.
func tileNumber(n uint64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

// hashes returns a reader of the tree's hashes. It is for one question.
func (t *Tree) hashes(ctx context.Context) xtlog.HashReader {
	return &hashReader{t, ctx}
}

// A hashReader reads a tree's hashes for one question.
type hashReader struct {
	tree *Tree
	ctx  context.Context // of the question
}

// ReadHashes returns hashes that lead to the tree's root.
func (r *hashReader) ReadHashes(indexes []int64) ([]xtlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil // also all that can be asked of an empty tree
	}
	tiles := &tileReader{hashReader: r}
	root := xtlog.Tree{N: int64(r.tree.size), Hash: xtlog.Hash(r.tree.root)}
	read, err := xtlog.TileHashReader(root, tiles).ReadHashes(indexes)
	switch {
	case tiles.err != nil:
		return nil, tiles.err // nothing was there to check
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrContradiction, err)
	}
	return read, nil
}

// A tileReader reads tiles for a TileHashReader, which checks them.
type tileReader struct {
	*hashReader
	err error // why a tile could not be read
}

// Height returns the height of the tiles.
func (r *tileReader) Height() int { return tileHeight }

// ReadTiles returns the tiles, at most parallelTiles of them read at a time.
func (r *tileReader) ReadTiles(tiles []xtlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	errs := make([]error, len(tiles))
	var running sync.WaitGroup
	slots := make(chan struct{}, parallelTiles)
	for i, tile := range tiles {
		if data[i] = r.tree.kept(tile); data[i] != nil {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			data[i], errs[i] = r.readTile(tile)
		})
	}
	running.Wait()
	for _, err := range errs {
		if err != nil {
			r.err = err // one says enough
			break
		}
	}
	return data, r.err
}

// parallelTiles bounds the tiles that one question asks a log for at a time.
const parallelTiles = 4

func (r *tileReader) readTile(tile xtlog.Tile) ([]byte, error) {
	got, err := r.tree.resource(r.ctx, fmt.Sprintf("tile/%d/", tile.L), uint64(tile.N), tile.W)
	if err != nil {
		return nil, err
	}
	if want := got.width * len(tlog.Hash{}); len(got.bytes) != want {
		return nil, fmt.Errorf("%w: %s has %d bytes, not %d", ErrContradiction, strings.TrimPrefix(tile.Path(), "tile/8/"), len(got.bytes), want)
	}
	return got.bytes[:tile.W*len(tlog.Hash{})], nil
}

// SaveTiles keeps tiles that were checked, in place of older ones.
func (r *tileReader) SaveTiles(tiles []xtlog.Tile, data [][]byte) {
	t := r.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, tile := range tiles {
		if _, ok := t.tiles[tile]; ok {
			continue
		}
		if len(t.order) == maxTiles {
			delete(t.tiles, t.order[0])
			t.order = t.order[1:]
		}
		t.tiles[tile] = data[i]
		t.order = append(t.order, tile)
	}
}

// kept returns a tile that was checked before, or nil.
func (t *Tree) kept(tile xtlog.Tile) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tiles[tile]
}

// hashes returns the hashes of a proof as package tlog has them.
func hashes(proof []xtlog.Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(proof))
	for i, h := range proof {
		out[i] = tlog.Hash(h)
	}
	return out
}
