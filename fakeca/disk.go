package fakeca

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// A disk is every operation an authority makes on files. Names are paths as
// filepath makes them. What was written is only certain to survive a crash
// once Sync of the file, and SyncDir of the directory that names it, have
// returned nil.
type disk interface {
	// Open opens an existing file for reading and writing.
	Open(name string) (file, error)
	// Create opens a file for reading and writing, and makes it, readable by
	// its owner only, if there is none.
	Create(name string) (file, error)
	// Mkdir makes a directory only its owner can enter. An existing directory
	// is made so, unless it holds what others may have put there.
	Mkdir(name string) error
	// List returns the names in a directory.
	List(name string) ([]string, error)
	// Private reports an error if anyone but the owner may use the file.
	Private(name string) error
	Rename(from, to string) error
	SyncDir(name string) error
	// Lock waits for the lock on the file, which it makes if there is none. The
	// operating system gives the lock up if the process dies.
	Lock(name string) (unlock func() error, err error)
}

// A file is one open file of a disk.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

// A PermissionsError reports a file of an authority that others than its owner
// may use. Keys that others could have read are not used.
type PermissionsError struct {
	Path string
	Mode fs.FileMode
}

func (e *PermissionsError) Error() string {
	return fmt.Sprintf("%s may be used by others than its owner (mode %v)", e.Path, e.Mode)
}

// osDisk is the real one.
type osDisk struct{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (osDisk) Open(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osDisk) Create(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osDisk) Mkdir(name string) error {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return err
	}
	before, err := os.Stat(name)
	if err != nil {
		return err
	}
	if err := os.Chmod(name, 0o700); err != nil {
		return err
	}
	if runtime.GOOS == "windows" || before.Mode().Perm()&0o022 == 0 {
		return nil
	}
	// A link that somebody left would lead the keys elsewhere. Others have put
	// nothing here since Chmod, which is undone lest the next call find
	// nothing wrong.
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 {
		err = &PermissionsError{Path: name, Mode: before.Mode()}
	}
	if err != nil {
		return errors.Join(err, os.Chmod(name, before.Mode().Perm()))
	}
	return nil
}

func (osDisk) List(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

func (osDisk) Private(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	// Windows has no such bits: files under a profile are its owner's.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return &PermissionsError{Path: name, Mode: info.Mode()}
	}
	return nil
}

func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) SyncDir(name string) error {
	// Windows cannot sync a directory; NTFS journals names by itself.
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (osDisk) Lock(name string) (func() error, error) {
	f, err := lockedfile.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}

// readFile returns a whole file of at most limit bytes.
func readFile(d disk, name string, limit int64) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := readAll(f, limit)
	return data, errors.Join(err, f.Close())
}

func readAll(f file, limit int64) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%d bytes where at most %d are expected", size, limit)
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// writeFile replaces a file so that, after a crash, either the old or the new
// content is there, whole. The caller syncs the directory.
func writeFile(d disk, name string, data []byte) error {
	f, err := d.Create(name + ".new")
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.Rename(name+".new", name)
}
