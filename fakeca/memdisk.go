package fakeca

import (
	"io"
	"io/fs"
	"path/filepath"
	"sync"
)

// memDisk keeps files in memory, for New.
type memDisk struct {
	mu    sync.Mutex
	files map[string]*memFile    // guarded by mu
	locks map[string]*sync.Mutex // guarded by mu
}

func newMemDisk() *memDisk {
	return &memDisk{files: make(map[string]*memFile), locks: make(map[string]*sync.Mutex)}
}

func (d *memDisk) Open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}

func (d *memDisk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[name]
	if !ok {
		f = new(memFile)
		d.files[name] = f
	}
	return f, nil
}

func (d *memDisk) Mkdir(string) error   { return nil }
func (d *memDisk) Private(string) error { return nil }
func (d *memDisk) SyncDir(string) error { return nil }

func (d *memDisk) List(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for path := range d.files {
		if filepath.Dir(path) == name {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func (d *memDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[from]
	if !ok {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(d.files, from)
	d.files[to] = f
	return nil
}

func (d *memDisk) Lock(name string) (func() error, error) {
	d.mu.Lock()
	lock, ok := d.locks[name]
	if !ok {
		lock = new(sync.Mutex)
		d.locks[name] = lock
	}
	d.mu.Unlock()
	lock.Lock()
	return func() error { lock.Unlock(); return nil }, nil
}

// A memFile is one file of a memDisk. Its owner's lock on the log orders
// writes; mu makes single operations whole.
type memFile struct {
	mu   sync.Mutex
	data []byte // guarded by mu
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if end := off + int64(len(p)); end > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, end-int64(len(f.data)))...)
	}
	return copy(f.data[off:], p), nil
}

func (f *memFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if size <= int64(len(f.data)) {
		f.data = f.data[:size]
		return nil
	}
	f.data = append(f.data, make([]byte, size-int64(len(f.data)))...)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *memFile) Sync() error  { return nil }
func (f *memFile) Close() error { return nil }
