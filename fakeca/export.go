package fakeca

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is that of C2SP tlog-tiles: 256 hashes in a tile, 256 entries in
// an entry bundle.
const tileHeight = 8

// ExportTiles writes the transparency log in the form of C2SP tlog-tiles into
// the directory, which it makes if there is none: the file checkpoint and,
// under tile/, hashes and entries. A log that was exported there before is
// brought up to date. The checkpoint comes last, so that readers never see one
// whose tiles are missing.
func (a *Authority) ExportTiles(dir string) error {
	if err := a.log.export(dir); err != nil {
		return fmt.Errorf("exporting log to %s: %w", dir, err)
	}
	return nil
}

func (l *merkleLog) export(dir string) error {
	// What this checkpoint covers stays as it is, so the rest needs no lock.
	latest, err := l.append(context.Background(), nil)
	if err != nil {
		return err
	}
	hashes, err := l.exportEntries(dir, latest.size)
	if err != nil {
		return err
	}
	if root, err := tlog.TreeHash(latest.size, hashes); err != nil || root != latest.root {
		return fmt.Errorf("%w: the entries are not those of the checkpoint", ErrCorrupt)
	}
	for _, t := range tlog.NewTiles(tileHeight, 0, latest.size) {
		data, err := tlog.ReadTileData(t, hashes)
		if err != nil {
			return err
		}
		if err := writeTile(dir, tilePath("tile/", t), data); err != nil {
			return err
		}
	}
	return writeTile(dir, "checkpoint", latest.checkpoint)
}

// exportEntries writes the first size entries as entry bundles, each entry
// behind its 16-bit length, and returns the tree's hashes. It makes those of
// the entries: the log's own index is only good for its right edge.
func (l *merkleLog) exportEntries(dir string, size int64) (tlog.HashReader, error) {
	entries, err := l.disk.Open(filepath.Join(l.dir, "entries"))
	if err != nil {
		return nil, err
	}
	defer entries.Close()
	end, err := entries.Size()
	if err != nil {
		return nil, err
	}
	hashes := new(index) // never flushed
	r := newFrameReader(entries, 0, end)
	for start := int64(0); start < size; start += 1 << tileHeight {
		width := min(size-start, 1<<tileHeight)
		var bundle []byte
		for range width {
			f, err := r.next()
			if err != nil {
				return nil, fmt.Errorf("reading entry %d: %w", hashes.size, err)
			}
			if err := hashes.add(tlog.RecordHash(f.entry), 0); err != nil {
				return nil, err
			}
			bundle = appendVector(bundle, f.entry)
		}
		t := tlog.Tile{H: tileHeight, L: -1, N: start >> tileHeight, W: int(width)}
		if err := writeTile(dir, tilePath("tile/entries/", t), bundle); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// tilePath returns the path of a tile in C2SP tlog-tiles. It is the path in
// golang.org/x/mod/sumdb/tlog without the height and, of entries, the level.
func tilePath(prefix string, t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	return prefix + strings.TrimPrefix(path, "data/")
}

// writeTile writes one file of an export, whole or not at all.
func writeTile(dir, path string, data []byte) error {
	path = filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
