package tuf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// maxMetadata is more than go-tuf reads of any metadata, in bytes.
const maxMetadata = 8 << 20

// dropDamaged removes metadata from the cache that does not parse, as a machine
// that lost power may leave it. go-tuf would take it for the repository's fault,
// for ever. That nothing goes back to an earlier version is then for the record
// of the last update to tell.
func dropDamaged(cache string) error {
	for name, parse := range map[string]func([]byte) error{
		"timestamp.json": func(data []byte) error { _, err := metadata.Timestamp().FromBytes(data); return err },
		"snapshot.json":  func(data []byte) error { _, err := metadata.Snapshot().FromBytes(data); return err },
		"targets.json":   func(data []byte) error { _, err := metadata.Targets().FromBytes(data); return err },
	} {
		file := filepath.Join(cache, name)
		data, err := readFile(file, maxMetadata)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && parse(data) == nil {
			continue
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}
