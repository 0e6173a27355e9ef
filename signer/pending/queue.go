package pending

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What is in the directory of a queue: records, by the hexadecimal of their
// key, records that are being written, and the lock of who flushes.
const (
	recordSuffix = ".json"
	newSuffix    = ".new"
	lockName     = "lock"
)

// name returns the name of the record's file.
func (r *Record) name() string {
	key := r.Key()
	return hex.EncodeToString(key[:]) + recordSuffix
}

// Add puts a record into the queue. When it returns nil, no crash can lose it.
// It waits for nobody who flushes. What is in the queue under the same
// signature is replaced.
func (q Queue) Add(r *Record) error {
	if err := q.add(r); err != nil {
		return fmt.Errorf("adding to queue %s: %w", q.Dir, err)
	}
	return nil
}

func (q Queue) add(r *Record) error {
	text, err := r.marshal()
	if err != nil {
		return err
	}
	root, err := q.open(true)
	if err != nil {
		return err
	}
	return errors.Join(write(root, r.name(), text), root.Close())
}

// List returns the records, in the order in which they were made, and what else
// is there. A queue that was never added to is empty.
func (q Queue) List() ([]*Record, []BadFile, error) {
	records, bad, err := q.list()
	if err != nil {
		return nil, nil, fmt.Errorf("reading queue %s: %w", q.Dir, err)
	}
	return records, bad, nil
}

func (q Queue) list() (records []*Record, bad []BadFile, err error) {
	root, err := q.open(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if name == lockName || strings.HasSuffix(name, newSuffix) {
			continue // of no record that somebody was promised
		}
		r, err := read(root, name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was flushed meanwhile
		case err != nil:
			bad = append(bad, BadFile{name, err})
		default:
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(a, b *Record) int {
		ka, kb := a.Key(), b.Key()
		return cmp.Or(a.Made.Compare(b.Made), bytes.Compare(ka[:], kb[:]))
	})
	return records, bad, nil
}

// Remove removes a record, which need not be there any more.
func (q Queue) Remove(r *Record) error {
	root, err := q.open(false)
	if err == nil {
		err = root.Remove(r.name())
		if err == nil {
			err = syncDirectory(root)
		}
		err = errors.Join(ignoreAbsent(err), root.Close())
	}
	if ignoreAbsent(err) != nil {
		return fmt.Errorf("removing from queue %s: %w", q.Dir, err)
	}
	return nil
}

// ignoreAbsent returns err, or nil if it says that there is no such file.
func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// open opens the directory, which has to be the user's own, and no link to
// somewhere else.
func (q Queue) open(create bool) (*os.Root, error) {
	if !filepath.IsAbs(q.Dir) {
		return nil, errors.New("not an absolute path")
	}
	info, err := os.Lstat(q.Dir)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := makeDirectory(filepath.Clean(q.Dir)); err != nil {
			return nil, err
		}
		info, err = os.Lstat(q.Dir)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, errors.New("it is not a directory")
	}
	if err := own(info); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(q.Dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = errors.New("it was replaced by another directory")
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// makeDirectory makes a directory, and those above it, so that they stay.
func makeDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDirectory(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(parent), parent.Close())
}

// syncDirectory makes the names in a directory durable. Windows cannot; NTFS
// journals names by itself.
func syncDirectory(root *os.Root) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// write puts the file of a record in its place, whole and durable, or leaves
// what is there. Whether it is one that can be read it finds out while the disk
// is waited for.
func write(root *os.Root, name string, text []byte) error {
	readable := make(chan error, 1)
	go func() {
		_, err := parseRecord(text)
		readable <- err
	}()
	temporary := name + "-" + rand.Text() + newSuffix
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), <-readable); err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, ignoreAbsent(root.Remove(temporary)))
	}
	return syncDirectory(root)
}

// read reads the record in a file of that name.
func read(root *os.Root, name string) (*Record, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	if err := own(info); err != nil {
		return nil, err
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(info, opened) {
		err = errors.New("it was replaced by another file")
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(f, maxRecord+1))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	r, err := parseRecord(text)
	if err != nil {
		return nil, fmt.Errorf("reading record: %w", err)
	}
	if r.name() != name {
		return nil, errors.New("it is called by another signature than it holds")
	}
	return r, nil
}

// leftAfter is when a record that is still being written was given up by who
// wrote it.
const leftAfter = 24 * time.Hour

// sweep removes what those left who were killed before their record was in the
// queue. What stays does no harm.
func sweep(root *os.Root, now time.Time) {
	entries, _ := fs.ReadDir(root.FS(), ".") // as far as it can be read
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), newSuffix) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err == nil && own(info) == nil && now.Sub(info.ModTime()) >= leftAfter {
			_ = root.Remove(e.Name()) // the next flush tries again
		}
	}
}
