package monitor

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	xtlog "golang.org/x/mod/sumdb/tlog"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
)

// memoryTiles returns a tiled log in memory, made with x/mod's own tiles.
func memoryTiles(t testing.TB, size int) (rekor.Fetch, tlog.Hash) {
	t.Helper()
	var stored hashes
	entry := func(i int64) []byte { return fmt.Appendf(nil, "entry %d", i) }
	for i := range int64(size) {
		h, err := xtlog.StoredHashes(i, entry(i), &stored)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, h...)
	}
	root, err := xtlog.TreeHash(int64(size), &stored)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ context.Context, path string) ([]byte, error) {
		name, ok := strings.CutPrefix(path, "tile/entries/")
		if !ok {
			tile, err := xtlog.ParseTilePath(strings.Replace(path, "tile/", "tile/8/", 1))
			if err != nil {
				return nil, err
			}
			return xtlog.ReadTileData(tile, &stored)
		}
		tile, err := xtlog.ParseTilePath("tile/8/data/" + name)
		if err != nil {
			return nil, err
		}
		var b []byte
		for i := range int64(tile.W) {
			e := entry(tile.N*rekor.TileWidth + i)
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
		}
		return b, nil
	}, tlog.Hash(root)
}

type hashes []xtlog.Hash

func (h *hashes) ReadHashes(indexes []int64) ([]xtlog.Hash, error) {
	var out []xtlog.Hash
	for _, i := range indexes {
		out = append(out, (*h)[i])
	}
	return out, nil
}
