// Package entries keeps log entries that do not travel in the signature they
// are about: a directory of files, each with the entries of one certificate.
//
// Nothing in it is to be trusted, and it can be deleted at any time. An entry
// proves itself to the verifier or proves nothing, wherever it was kept; a file
// that cannot be read, is not a regular one or is of another format counts as
// absent.
//
// A certificate with the SHA-256 fingerprint "abcd…" has the file
// "ab/cd….json" below the directory:
//
//	{"schema":"gitseal.entries/1","certificate":"abcd…",
//	 "asked":{"https://rekor.example":"2026-11-21T00:41:14Z"},
//	 "entries":[{"logIndex":"7",…},…]}
//
// with the entries in the form in which Sigstore bundles carry them, by log and
// index, and with the time at which each log was last asked, by its base URL.
// Files are replaced by renaming new ones, under a lock for each of the 256
// directories, so that several processes may read and write at once. They are
// for their owner's eyes only: they tell what was looked at.
package entries

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"gitseal/internal/tlog"
)

const schema = "gitseal.entries/1"

// Bounds of a file. A certificate lives for minutes: it signs a commit, or the
// few hundred of a rebase, at some 4 kB an entry.
const (
	maxFile    = 32 << 20
	maxEntries = 4096
)

// A Store is a directory with entries, which is made when the first entries are
// kept. The zero Store holds none, and keeps none: that is an error.
type Store struct {
	Dir string
}

// A Record is what is kept for a certificate.
type Record struct {
	Entries []*tlog.Entry        // by log and index
	Asked   map[string]time.Time // when each log was last asked, by its base URL; none: never
}

// Get returns what is kept for the certificate with that SHA-256 fingerprint,
// the zero Record if nothing is.
func (s Store) Get(certificate [32]byte) Record {
	if s.Dir == "" {
		return Record{} // and not what lies where the process happens to be
	}
	r, err := read(s.path(certificate), certificate)
	if err != nil {
		return Record{} // see the package comment
	}
	return r
}

// Empty reports whether nothing is kept for any certificate. A store that
// cannot be read is not.
func (s Store) Empty() bool {
	dir, err := os.Open(s.Dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer dir.Close() // only read from
	_, err = dir.Readdirnames(1)
	return err == io.EOF
}

// Add adds to what is kept for a certificate, and returns of how many places
// in logs nothing was there before. The entries go beside those that are there,
// for nobody has checked them: what may be false must not take the place of
// what may be true. What there is no room for is an error, and nothing is
// added.
func (s Store) Add(certificate [32]byte, more Record) (added int, err error) {
	return s.change(certificate, more, func(known []*tlog.Entry) ([]*tlog.Entry, error) {
		all := slices.Clone(known)
		there := make(map[string]bool)
		for _, e := range known {
			there[string(e.Marshal())] = true
		}
		for _, e := range more.Entries {
			if pb := string(e.Marshal()); !there[pb] {
				there[pb] = true
				all = append(all, e)
			}
		}
		if len(all) > maxEntries {
			return nil, fmt.Errorf("more than %d of one certificate", maxEntries)
		}
		return all, nil
	})
}

// Renew is Add for entries that the caller has checked: that the log promised
// each to stand where it says, and that nothing else in it is false. Each takes
// the place of whatever else is kept of that place. Where there is no room for
// all, those that are kept already go, and then those with the lowest index.
func (s Store) Renew(certificate [32]byte, checked Record) (added int, err error) {
	return s.change(certificate, checked, func(known []*tlog.Entry) ([]*tlog.Entry, error) {
		first := slices.SortedStableFunc(slices.Values(checked.Entries), byPlace)
		first = slices.CompactFunc(first, func(a, b *tlog.Entry) bool { return byPlace(a, b) == 0 })
		others := slices.DeleteFunc(slices.Clone(known), func(e *tlog.Entry) bool {
			_, found := slices.BinarySearchFunc(first, e, byPlace)
			return found
		})
		all := append(others, first...)
		begin, room := len(all), maxFile-1<<16
		for begin > 0 && len(all)-begin < maxEntries {
			if room -= length(all[begin-1]); room < 0 {
				break
			}
			begin--
		}
		return all[begin:], nil
	})
}

// length returns how much of a file an entry takes.
func length(e *tlog.Entry) int {
	text, err := json.Marshal(e)
	if err != nil {
		return 0 // write says why
	}
	return len(text) + len(",")
}

// change replaces the entries of a certificate by what next makes of those
// known, and notes when logs were asked.
func (s Store) change(certificate [32]byte, more Record, next func(known []*tlog.Entry) ([]*tlog.Entry, error)) (added int, err error) {
	if s.Dir == "" {
		return 0, errors.New("there is no directory to keep them in")
	}
	path := s.path(certificate)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, fmt.Errorf("keeping log entries: %w", err)
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(filepath.Dir(path), "lock")).Lock()
	if err != nil {
		return 0, fmt.Errorf("keeping log entries: %w", err)
	}
	defer unlock()

	r := s.Get(certificate)
	there := make(map[place]bool)
	for _, e := range r.Entries {
		there[placeOf(e)] = true
	}
	r.Entries, err = next(r.Entries)
	if err != nil {
		return 0, fmt.Errorf("keeping log entries: %w", err)
	}
	slices.SortStableFunc(r.Entries, byPlace)
	if r.Asked == nil {
		r.Asked = make(map[string]time.Time)
	}
	maps.Copy(r.Asked, more.Asked)
	if err := write(path, certificate, r); err != nil {
		return 0, fmt.Errorf("keeping log entries: %w", err)
	}
	for _, e := range more.Entries {
		if p := placeOf(e); !there[p] {
			there[p] = true
			added++
		}
	}
	return added, nil
}

func (s Store) path(certificate [32]byte) string {
	name := hex.EncodeToString(certificate[:])
	return filepath.Join(s.Dir, name[:2], name[2:]+".json")
}

// A place is where an entry says to be, and what it says to be there.
type place struct {
	log, body string
	index     int64
}

func placeOf(e *tlog.Entry) place {
	return place{string(e.LogID), string(e.CanonicalizedBody), e.LogIndex}
}

func byPlace(a, b *tlog.Entry) int {
	return cmp.Or(bytes.Compare(a.LogID, b.LogID), cmp.Compare(a.LogIndex, b.LogIndex))
}

// A document is a file. Fields are those of the package comment.
type document struct {
	Schema      string               `json:"schema"`
	Certificate string               `json:"certificate"`
	Asked       map[string]time.Time `json:"asked"`
	Entries     []json.RawMessage    `json:"entries"`
}

func read(path string, certificate [32]byte) (Record, error) {
	// A named pipe would keep Open waiting.
	if info, err := os.Lstat(path); err != nil {
		return Record{}, err
	} else if !info.Mode().IsRegular() {
		return Record{}, fmt.Errorf("%s: %w: not a regular file", path, fs.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return Record{}, err
	}
	defer f.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Record{}, err
	}
	return parse(text, certificate)
}

// parse reads a file with the entries of that certificate.
func parse(text []byte, certificate [32]byte) (Record, error) {
	if len(text) > maxFile {
		return Record{}, fmt.Errorf("longer than %d bytes", maxFile)
	}
	var d document
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Record{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Record{}, errors.New("text after the document")
	}
	if d.Schema != schema || d.Certificate != hex.EncodeToString(certificate[:]) {
		return Record{}, errors.New("of another format or certificate")
	}
	if len(d.Entries) > maxEntries {
		return Record{}, fmt.Errorf("more than %d entries", maxEntries)
	}
	r := Record{Asked: d.Asked}
	for _, text := range d.Entries {
		e, err := tlog.ParseEntryJSON(text)
		if err != nil {
			return Record{}, err
		}
		r.Entries = append(r.Entries, e)
	}
	return r, nil
}

func marshal(certificate [32]byte, r Record) ([]byte, error) {
	d := document{schema, hex.EncodeToString(certificate[:]), r.Asked, []json.RawMessage{}}
	for _, e := range r.Entries {
		text, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		d.Entries = append(d.Entries, text)
	}
	text, err := json.Marshal(d)
	return append(text, '\n'), err
}

// write replaces a file. After a crash it may be lost, which is no loss.
func write(path string, certificate [32]byte, r Record) error {
	text, err := marshal(certificate, r)
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // readable by its owner only
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
