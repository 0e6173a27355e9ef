//go:build unix

package cache

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// private returns an error if others than the user who runs this, and root,
// may change what info is of.
func private(info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return errors.New("may be written by others")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid()) {
		return errors.New("belongs to another user")
	}
	return nil
}
