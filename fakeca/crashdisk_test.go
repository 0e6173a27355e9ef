package fakeca

import (
	"errors"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
)

var (
	errStopped = errors.New("the machine has stopped")
	errIO      = errors.New("input/output error")
)

// When says what happens at the step at which a crashDisk stops.
type when int

const (
	before  when = iota // nothing of the operation is done
	torn                // half of a write is done
	after               // the operation is done, but nobody learns of it
	failing             // the operation fails, and the machine goes on
)

// A crashDisk remembers what has been synced and what has not. At a chosen step
// (each write, truncation, sync, creation, renaming counts as one) the machine
// stops, or an operation fails. Then crash tells what the next boot finds.
type crashDisk struct {
	mu     sync.Mutex
	names  map[string]*crashFile // as processes see them
	synced map[string]*crashFile // as they are on the disk
	dirs   map[string]bool
	locks  *memDisk

	steps  int  // done
	stopAt int  // 0: never
	when   when // what happens there
	dead   bool

	dieInSync bool // the next sync of a file does nothing, and stops
}

type crashFile struct {
	disk    *crashDisk
	seen    []byte // as processes see it
	durable []byte // as it is on the disk
	pending []op   // what brings the one to the other
}

// An op is a write at an offset or, without data, a truncation.
type op struct {
	off  int64
	data []byte
}

func newCrashDisk() *crashDisk {
	return &crashDisk{
		names: make(map[string]*crashFile), synced: make(map[string]*crashFile),
		dirs: make(map[string]bool), locks: newMemDisk(),
	}
}

func (o op) apply(b []byte) []byte {
	end := o.off + int64(len(o.data))
	if o.data == nil {
		if o.off < int64(len(b)) {
			return b[:o.off:o.off]
		}
		end = o.off
	}
	if end > int64(len(b)) {
		b = append(b[:len(b):len(b)], make([]byte, end-int64(len(b)))...)
	}
	b = slices.Clone(b)
	copy(b[o.off:], o.data)
	return b
}

// step counts one operation and reports how it goes: what is to be done of it,
// in halves, and the error to return.
func (d *crashDisk) step() (halves int, err error) {
	if d.dead {
		return 0, errStopped
	}
	d.steps++
	if d.steps != d.stopAt {
		return 2, nil
	}
	if d.when == failing {
		return 1, errIO
	}
	d.dead = true
	return map[when]int{before: 0, torn: 1, after: 2}[d.when], errStopped
}

// crash returns the disk as the next boot finds it. Of what was not synced,
// keep decides what is there.
func (d *crashDisk) crash(keep func(o op) (op, bool)) *crashDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newCrashDisk()
	next.dirs = d.dirs
	names := d.synced
	if _, ok := keep(op{}); ok {
		names = d.names
	}
	for name, f := range names {
		b := f.durable
		for _, o := range f.pending {
			if o, ok := keep(o); ok {
				b = o.apply(b)
			}
		}
		g := &crashFile{disk: next, seen: b, durable: b}
		next.names[name], next.synced[name] = g, g
	}
	return next
}

// restart is the death of the processes while the machine goes on.
func (d *crashDisk) restart() *crashDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead, d.stopAt, d.dieInSync = false, 0, false
	return d
}

// What can be left of what was not synced: all (only the process died),
// nothing, or any part.
func keepAll(o op) (op, bool)  { return o, true }
func keepNone(o op) (op, bool) { return o, false }

func keepSome(seed uint64) func(o op) (op, bool) {
	random := mathrand.New(mathrand.NewPCG(seed, 0))
	return func(o op) (op, bool) {
		if len(o.data) > 1 && random.IntN(3) == 0 {
			o.data = o.data[:random.IntN(len(o.data))+1]
		}
		return o, random.IntN(2) == 0
	}
}

func (d *crashDisk) Open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return nil, errStopped
	}
	f, ok := d.names[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}

func (d *crashDisk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f, ok := d.names[name]; ok && !d.dead {
		return f, nil
	}
	halves, err := d.step()
	if halves < 2 {
		return nil, err
	}
	f := &crashFile{disk: d}
	d.names[name] = f
	return f, err
}

func (d *crashDisk) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	halves, err := d.step()
	if halves == 2 {
		d.dirs[name] = true
	}
	return err
}

func (d *crashDisk) Private(string) error { return nil }

func (d *crashDisk) List(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dirs[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	var names []string
	for path := range d.names {
		if filepath.Dir(path) == name {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func (d *crashDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	halves, err := d.step()
	if halves == 2 {
		d.names[to] = d.names[from]
		delete(d.names, from)
	}
	return err
}

func (d *crashDisk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	halves, err := d.step()
	if halves < 2 {
		return err
	}
	for name := range d.synced {
		if filepath.Dir(name) == dir {
			delete(d.synced, name)
		}
	}
	for name, f := range d.names {
		if filepath.Dir(name) == dir {
			d.synced[name] = f
		}
	}
	return err
}

func (d *crashDisk) Lock(name string) (func() error, error) { return d.locks.Lock(name) }

func (f *crashFile) do(o op) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	halves, err := f.disk.step()
	if halves == 1 {
		o.data = o.data[:len(o.data)/2]
	}
	if halves == 0 || halves == 1 && len(o.data) == 0 {
		return err
	}
	f.seen = o.apply(f.seen)
	f.pending = append(f.pending, o)
	return err
}

func (f *crashFile) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return len(p), f.do(op{off, slices.Clone(p)})
}

func (f *crashFile) Truncate(size int64) error { return f.do(op{off: size}) }

// Sync fails as it does on Linux: what could not be written then is never
// written, though processes see it.
func (f *crashFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.dieInSync {
		f.disk.dead = true
	}
	halves, err := f.disk.step()
	if halves == 2 {
		f.durable = f.seenAfter(f.pending)
		f.pending = nil
	} else if halves == 1 && err == errIO {
		f.pending = nil
	}
	return err
}

func (f *crashFile) seenAfter(ops []op) []byte {
	b := f.durable
	for _, o := range ops {
		b = o.apply(b)
	}
	return b
}

func (f *crashFile) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.dead {
		return 0, errStopped
	}
	if off >= int64(len(f.seen)) {
		return 0, io.EOF
	}
	n := copy(p, f.seen[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.dead {
		return 0, errStopped
	}
	return int64(len(f.seen)), nil
}

func (f *crashFile) Close() error { return nil }
