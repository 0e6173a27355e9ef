package monitor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
)

// An Index is what a tiled log holds, in a directory, to be searched: such a
// log answers no questions. It can be deleted at any time, and is made again.
//
// The file records.jsonl has a line for each entry (type Record), in the
// order of the log. The file index.json says how far the lines go, in entries
// and bytes, and which root the log has there; it is replaced only when they
// are on the disk. So what a crash leaves behind that point is dropped, and
// read again. Every entry was verified against a checkpoint that the log
// signed when its line was written, and the root is what the next checkpoint
// has to continue.
type Index struct {
	log    *Log
	dir    string
	state  indexState
	file   *os.File // of records
	unlock func()
}

// An indexState is the file index.json.
type indexState struct {
	Version    int    `json:"version"` // 1
	Size       uint64 `json:"size"`    // entries
	Root       string `json:"root"`    // of the log's first Size entries, hex
	Length     int64  `json:"length"`  // bytes of their lines
	Checkpoint string `json:"checkpoint"`
}

const (
	indexVersion = 1
	maxIndex     = maxPin + 1<<12 // bytes of index.json
)

// OpenIndex opens the index of a tiled log below dir, and makes it if there is
// none or if what is there is damaged. No other process can open it until it
// is closed: OpenIndex waits.
func OpenIndex(dir string, l *Log) (*Index, error) {
	if !l.tiled {
		return nil, fmt.Errorf("opening index of log %s: not a tiled log", l.Name())
	}
	x, err := openIndex(filepath.Join(dir, l.id()), l)
	if err != nil {
		return nil, fmt.Errorf("opening index of log %s: %w", l.Name(), err)
	}
	return x, nil
}

func openIndex(dir string, l *Log) (*Index, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(dir, "lock")).Lock()
	if err != nil {
		return nil, err
	}
	x := &Index{log: l, dir: dir, unlock: unlock}
	x.file, err = os.OpenFile(filepath.Join(dir, "records.jsonl"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = x.load()
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

// Close ends the use of the index.
func (x *Index) Close() error {
	var err error
	if x.file != nil {
		err = x.file.Close()
	}
	x.unlock()
	return err
}

// load reads the state, and begins anew where it is not one of these records.
func (x *Index) load() error {
	data, err := readFile(filepath.Join(x.dir, "index.json"), maxIndex)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, ferr := x.file.Stat()
	if ferr != nil {
		return ferr
	}
	if err != nil || !x.state.parse(data) || info.Size() < x.state.Length {
		x.state = indexState{Version: indexVersion}
	}
	return x.file.Truncate(x.state.Length)
}

// parse reads the file index.json and reports whether it is one.
func (s *indexState) parse(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if dec.Decode(s) != nil {
		return false
	}
	_, err := s.root()
	return err == nil && s.Version == indexVersion && s.Size > 0 && s.Length > 0
}

func (s *indexState) root() (h tlog.Hash, err error) {
	if n, err := hex.Decode(h[:], []byte(s.Root)[:min(len(s.Root), 2*len(h))]); err != nil || n != len(h) || len(s.Root) != 2*n {
		return tlog.Hash{}, errors.New("no root")
	}
	return h, nil
}

// Size returns the number of entries in the index.
func (x *Index) Size() uint64 { return x.state.Size }

const (
	// parallelBundles is how many entry bundles are read ahead.
	parallelBundles = 4
	// commitBundles is after how many bundles what was read is made durable.
	commitBundles = 64
)

// Update reads the entries that the log has added, up to the checkpoint,
// which was verified (Pins.Update returns such). progress, if it is not nil,
// is told how many entries there are now. An interrupted Update is continued
// by the next.
//
// The error is a *ForkError if the log does not continue what was indexed,
// and wraps rekor.ErrContradiction if what it serves does not hash to the
// checkpoint.
func (x *Index) Update(ctx context.Context, to Seen, progress func(size uint64)) error {
	if err := x.update(ctx, to, progress); err != nil {
		var fork *ForkError
		if errors.As(err, &fork) {
			return err
		}
		return fmt.Errorf("indexing log %s: %w", x.log.Name(), err)
	}
	return nil
}

func (x *Index) update(ctx context.Context, to Seen, progress func(uint64)) error {
	size := to.Checkpoint.Size
	if size < x.state.Size {
		return nil // an older checkpoint than before
	}
	tree, err := rekor.NewTree(x.log.server.(tiles).fetch, size, to.Checkpoint.Root)
	if err != nil {
		return err
	}
	if err := x.checkBeginning(ctx, tree, to); err != nil || x.state.Size == size {
		return err
	}
	const width = rekor.TileWidth
	last := (size + width - 1) / width
	pending := bufio.NewWriter(io.NewOffsetWriter(x.file, x.state.Length))
	next, uncommitted := x.state, 0
	for n := x.state.Size / width; n < last; n += parallelBundles {
		bundles := make([][][]byte, min(parallelBundles, last-n))
		err := parallel(ctx, len(bundles), nil, func(ctx context.Context, i int) (err error) {
			bundles[i], err = tree.Entries(ctx, n+uint64(i))
			return err
		})
		if err != nil {
			return err
		}
		for i, entries := range bundles {
			first := (n + uint64(i)) * width
			for j, entry := range entries {
				if first+uint64(j) < next.Size {
					continue // was there before
				}
				if err := next.write(pending, entry); err != nil {
					return err
				}
			}
		}
		if progress != nil {
			progress(next.Size)
		}
		if uncommitted += len(bundles); uncommitted >= commitBundles || next.Size == size {
			if err := x.commit(ctx, pending, next, tree, to); err != nil {
				return err
			}
			uncommitted = 0
		}
	}
	return nil
}

// write writes the record of the next entry.
func (s *indexState) write(w *bufio.Writer, entry []byte) error {
	r := NewRecord(s.Size, entry)
	line, err := r.line()
	if err != nil {
		return err
	}
	s.Size++
	s.Length += int64(len(line))
	_, err = w.Write(line)
	return err
}

// commit makes what was written durable, and only then counts it.
func (x *Index) commit(ctx context.Context, w *bufio.Writer, next indexState, tree *rekor.Tree, to Seen) error {
	root, err := tree.Root(ctx, next.Size)
	if err != nil {
		return err
	}
	next.Root, next.Checkpoint = hex.EncodeToString(root[:]), string(to.Note)
	if err := errors.Join(w.Flush(), x.file.Sync()); err != nil {
		return err
	}
	data, err := json.Marshal(next)
	if err == nil {
		err = writeFile(filepath.Join(x.dir, "index.json"), data)
	}
	if err == nil {
		x.state = next
	}
	return err
}

// checkBeginning checks that what was indexed is the beginning of the tree.
// Where it is not, either the log contradicts the checkpoint that it signed
// then, or the index is damaged: then it begins anew.
func (x *Index) checkBeginning(ctx context.Context, tree *rekor.Tree, to Seen) error {
	if x.state.Size == 0 {
		return nil
	}
	want, err := x.state.root()
	if err != nil {
		return err
	}
	got, err := tree.Root(ctx, x.state.Size)
	if err != nil {
		return err
	}
	if got == want {
		return nil
	}
	if before, err := x.log.Open([]byte(x.state.Checkpoint), "indexed before"); err == nil {
		if err := x.log.checkTree(ctx, to, []Seen{before}, nil); err != nil {
			return err
		}
	}
	x.state = indexState{Version: indexVersion}
	return x.file.Truncate(0)
}

// Records yields what is in the index, in the order of the log. It ends with
// an error where a line is not a record; Reset, and Update, make it again.
func (x *Index) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		lines := bufio.NewReaderSize(io.NewSectionReader(x.file, 0, x.state.Length), 1<<16)
		for i := range x.state.Size {
			r, err := readRecord(lines)
			if err == nil && r.Index != i {
				err = fmt.Errorf("record of entry %d in its place", r.Index)
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("reading index of log %s: entry %d: %w", x.log.Name(), i, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func readRecord(lines *bufio.Reader) (Record, error) {
	var line []byte
	for {
		part, err := lines.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxRecord {
			return Record{}, errors.New("the line is too long")
		}
		if err == nil {
			return parseRecord(line[:len(line)-1])
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return Record{}, err
		}
	}
}

// Reset empties the index.
func (x *Index) Reset() error {
	if err := os.Remove(filepath.Join(x.dir, "index.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("emptying index of log %s: %w", x.log.Name(), err)
	}
	x.state = indexState{Version: indexVersion}
	return nil
}
