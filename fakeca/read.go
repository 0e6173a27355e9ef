package fakeca

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Entry returns the entry with an index in the tree, that is Entry.TreeIndex,
// with a proof for the tree as it is now. The error is fs.ErrNotExist if there
// is none.
func (a *Authority) Entry(ctx context.Context, treeIndex int64) (*Entry, error) {
	l := new(logged)
	err := a.log.look(ctx, func(s *store) error { return a.log.readEntry(s, treeIndex, l) })
	if err != nil {
		return nil, fmt.Errorf("reading entry %d: %w", treeIndex, err)
	}
	kind, err := bodyKind(l.entry)
	if err != nil {
		return nil, fmt.Errorf("reading entry %d: %w", treeIndex, err)
	}
	e, err := a.newEntry(kind, l)
	if err != nil {
		return nil, fmt.Errorf("reading entry %d: %w", treeIndex, err)
	}
	return e.export(a), nil
}

// A Shard is one tree of the transparency log, as it is now.
type Shard struct {
	TreeID     int64 // of Rekor v1; else 0
	First      int64 // Entry.Index of its first entry
	Size       int64
	Root       [32]byte
	Checkpoint []byte // signed note
}

// Shards returns the trees of the log, the active one last. A Rekor v1 log has
// an earlier one, which is frozen. Of that only the head is kept, so that it
// stands for what indexes begin after, and none of its entries can be read.
func (a *Authority) Shards(ctx context.Context) ([]Shard, error) {
	l, err := a.log.append(ctx, nil)
	if err != nil {
		return nil, err
	}
	active := Shard{TreeID: a.treeID, Size: l.size, Root: l.root, Checkpoint: append([]byte(nil), l.checkpoint...)}
	if a.generation != RekorV1 {
		return []Shard{active}, nil
	}
	active.First = rekorV1Offset
	frozen := Shard{TreeID: a.treeID - 1, Size: rekorV1Offset, Root: frozenRoot()}
	text := fmt.Sprintf("%s - %d\n%d\n%s\n", a.host("log"), frozen.TreeID, frozen.Size, tlog.Hash(frozen.Root))
	if frozen.Checkpoint, err = a.log.signNote(text); err != nil {
		return nil, err
	}
	return []Shard{frozen, active}, nil
}

// frozenRoot returns the root of a tree of rekorV1Offset, a power of two, equal
// entries.
func frozenRoot() tlog.Hash {
	h := tlog.RecordHash([]byte("frozen"))
	for n := 1; n < rekorV1Offset; n *= 2 {
		h = tlog.NodeHash(h, h)
	}
	return h
}

// ConsistencyProof returns the proof that the tree of newSize entries continues
// that of oldSize, at least one (RFC 6962, section 2.1.2). The error is
// fs.ErrNotExist if the log is not that large.
func (a *Authority) ConsistencyProof(ctx context.Context, oldSize, newSize int64) ([][32]byte, error) {
	var hashes [][32]byte
	err := a.log.look(ctx, func(s *store) error {
		proof, err := s.proveTree(oldSize, newSize)
		for _, h := range proof {
			hashes = append(hashes, h)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("proving that the tree of %d continues that of %d: %w", newSize, oldSize, err)
	}
	return hashes, nil
}

// Tile returns a tile of the transparency log by its path in C2SP tlog-tiles:
// "tile/<level>/<index>" or "tile/entries/<index>", with ".p/<width>" if it is a
// partial one. The error is fs.ErrNotExist if the log is not that large, or if
// that is no path of a tile.
func (a *Authority) Tile(ctx context.Context, path string) ([]byte, error) {
	t, err := parseTilePath(path)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	var data []byte
	err = a.log.look(ctx, func(s *store) error {
		var err error
		data, err = s.tile(t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	return data, nil
}

// parseTilePath is the inverse of tilePath.
func parseTilePath(path string) (tlog.Tile, error) {
	var prefix string
	rest, ok := strings.CutPrefix(path, "tile/entries/")
	if ok {
		prefix, rest = "tile/entries/", "data/"+rest
	} else if rest, ok = strings.CutPrefix(path, "tile/"); ok {
		prefix = "tile/"
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	if !ok || err != nil || tilePath(prefix, t) != path {
		return tlog.Tile{}, fs.ErrNotExist
	}
	return t, nil
}

// look calls f with the store when no one appends to it, after all that is in
// it has been signed.
func (l *merkleLog) look(ctx context.Context, f func(*store) error) error {
	_, err := l.enqueue(&request{ctx: ctx, look: f, done: make(chan struct{})})
	return err
}

// readEntry fills in an entry and its proof.
func (l *merkleLog) readEntry(s *store, index int64, dst *logged) error {
	if index < 0 || index >= s.signed {
		return fs.ErrNotExist
	}
	entry, err := s.entry(index)
	if err != nil {
		return err
	}
	dst.index, dst.entry = index, entry
	if l.stamp != nil {
		if dst.time, err = l.timeOf(index); err != nil {
			return err
		}
	}
	return s.prove(dst)
}

// entry returns the nth entry. What says where it is may be wrong, and is then
// made again.
func (s *store) entry(n int64) ([]byte, error) {
	if entry, err := s.tryEntry(n); err == nil {
		return entry, nil
	}
	if err := s.rebuild(); err != nil {
		return nil, err
	}
	return s.tryEntry(n)
}

func (s *store) tryEntry(n int64) ([]byte, error) {
	start, err := s.end(n - 1)
	if err != nil {
		return nil, err
	}
	end, err := s.end(n)
	if err != nil {
		return nil, err
	}
	if start < 0 || end < start || end-start > maxFrame {
		return nil, errNoFrame
	}
	b := make([]byte, end-start)
	if _, err := s.entries.ReadAt(b, start); err != nil {
		return nil, err
	}
	f, err := parseFrame(b)
	if err != nil {
		return nil, err
	}
	if f.index != n || f.size() != end-start {
		return nil, errNoFrame
	}
	return f.entry, nil
}

// proveTree returns the consistency proof between two trees.
func (s *store) proveTree(oldSize, newSize int64) (tlog.TreeProof, error) {
	if oldSize < 1 || oldSize > newSize || newSize > s.signed {
		return nil, fs.ErrNotExist
	}
	// Every hash it is made of is checked against the root that was signed.
	hashes := tlog.TileHashReader(tlog.Tree{N: s.signed, Hash: s.root}, &tiles{s})
	proof, err := tlog.ProveTree(newSize, oldSize, hashes)
	if err == nil {
		return proof, nil
	}
	if err := s.rebuild(); err != nil {
		return nil, err
	}
	return tlog.ProveTree(newSize, oldSize, hashes)
}

// tile returns the content of a tile, once it has been checked against the root
// that was signed.
func (s *store) tile(t tlog.Tile) ([]byte, error) {
	if t.L == -1 {
		return s.entryBundle(t)
	}
	if t.L > 7 || t.N >= 1<<40 || t.N<<tileHeight+int64(t.W) > s.signed>>(tileHeight*t.L) {
		return nil, fs.ErrNotExist
	}
	var indexes []int64
	for i := range int64(t.W) {
		indexes = append(indexes, tlog.StoredHashIndex(t.L*tileHeight, t.N<<tileHeight+i))
	}
	hashes, err := s.checked(indexes)
	if err != nil {
		return nil, err
	}
	data := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		data = append(data, h[:]...)
	}
	return data, nil
}

// entryBundle returns entries, each behind its 16-bit length.
func (s *store) entryBundle(t tlog.Tile) ([]byte, error) {
	if t.N >= 1<<40 || t.N<<tileHeight+int64(t.W) > s.signed {
		return nil, fs.ErrNotExist
	}
	var indexes []int64
	for i := range int64(t.W) {
		indexes = append(indexes, tlog.StoredHashIndex(0, t.N<<tileHeight+i))
	}
	leaves, err := s.checked(indexes)
	if err != nil {
		return nil, err
	}
	var bundle []byte
	for i, leaf := range leaves {
		n := t.N<<tileHeight + int64(i)
		entry, err := s.entry(n)
		if err != nil {
			return nil, err
		}
		if leaf != tlog.RecordHash(entry) {
			return nil, fmt.Errorf("%w: entry %d is not that of its checkpoint", ErrCorrupt, n)
		}
		bundle = appendVector(bundle, entry)
	}
	return bundle, nil
}

// checked returns stored hashes that lead to the root that was signed. The index
// is made again if they do not.
func (s *store) checked(indexes []int64) ([]tlog.Hash, error) {
	r := tlog.TileHashReader(tlog.Tree{N: s.signed, Hash: s.root}, &tiles{s})
	if hashes, err := r.ReadHashes(indexes); err == nil {
		return hashes, nil
	}
	if err := s.rebuild(); err != nil {
		return nil, err
	}
	return r.ReadHashes(indexes)
}

// tiles makes tiles of the index, for tlog.TileHashReader to check.
type tiles struct{ s *store }

func (r *tiles) Height() int                     { return tileHeight }
func (r *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (r *tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, t := range list {
		b, err := tlog.ReadTileData(t, &r.s.index)
		if err != nil {
			return nil, err
		}
		data = append(data, b)
	}
	return data, nil
}
