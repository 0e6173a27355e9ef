//go:build unix

package pending

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// own returns an error if others than the user who runs this, and root, have
// made what info is of, or may change it.
func own(info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid()) {
		return errors.New("it belongs to another user")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return ErrShared
	}
	return nil
}
