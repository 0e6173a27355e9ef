package gitutil

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// A packer collects objects for a pack (gitformat-pack), deflated and whole:
// commits with signatures have little in common with one another.
type packer struct {
	format  Format
	entries bytes.Buffer
	count   int
	deflate *zlib.Writer // its state, most of a megabyte, serves every entry
}

func newPacker(f Format) (*packer, error) {
	if f.hexLen() == 0 {
		return nil, fmt.Errorf("making a pack: unknown object format %q", f)
	}
	p := &packer{format: f}
	p.deflate = zlib.NewWriter(&p.entries)
	return p, nil
}

// packTypes are the numbers that packs have for types of objects.
var packTypes = map[string]byte{"commit": 1, "tree": 2, "blob": 3, "tag": 4}

// add adds an object and returns its id.
func (p *packer) add(typ string, data []byte) (oid string, err error) {
	number, ok := packTypes[typ]
	if !ok || p.count == math.MaxUint32 {
		return "", fmt.Errorf("adding a %s to a pack: no such type, or too many", typ)
	}
	if oid, err = HashObject(p.format, typ, data); err != nil {
		return "", err
	}
	p.entries.Write(entryHeader(number, len(data)))
	p.deflate.Reset(&p.entries)
	if _, err = p.deflate.Write(data); err == nil {
		err = p.deflate.Close()
	}
	if err != nil {
		return "", fmt.Errorf("deflating object %s: %w", oid, err)
	}
	p.count++
	return oid, nil
}

// entryHeader returns the type and the size of an entry: the size four bits
// and then seven at a time, the least first, with the highest bit set in all
// bytes but the last.
func entryHeader(typ byte, size int) []byte {
	var header []byte
	c := typ<<4 | byte(size&0xf)
	for size >>= 4; size > 0; size >>= 7 {
		header = append(header, c|0x80)
		c = byte(size & 0x7f)
	}
	return append(header, c)
}

// reader reads as the pack: "PACK", the version, how many objects, the entries,
// and the hash of all that.
func (p *packer) reader() io.Reader {
	header := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	header = binary.BigEndian.AppendUint32(header, uint32(p.count))
	sum := sha1.New() // a checksum: nothing is taken for something else by it
	if p.format == SHA256 {
		sum = sha256.New()
	}
	sum.Write(header)
	sum.Write(p.entries.Bytes())
	return io.MultiReader(bytes.NewReader(header), bytes.NewReader(p.entries.Bytes()), bytes.NewReader(sum.Sum(nil)))
}

// Store writes the new commits into the repository, as one pack, durable as
// git's configuration wants it. No ref has them yet: until one does, they are
// garbage that git collects. It is not broken off: when it is called, the work
// is done, and git leaves nothing half written behind.
func (r *Repo) Store(ctx context.Context, w *Rewritten) error {
	if w.pack.count == 0 {
		return nil
	}
	// Below the top of a work tree git index-pack would write the pack to .git
	// there, unless it is told an absolute path.
	there := r.config.with("GIT_DIR=" + r.gitDir)
	if _, _, err := there.run(context.WithoutCancel(ctx), w.pack.reader(), "index-pack", "--stdin"); err != nil {
		return fmt.Errorf("storing %d commits: %w", w.pack.count, err)
	}
	return nil
}

// A RefMove has a ref hold another object.
type RefMove struct {
	// Ref is the full name of a branch, or "HEAD" for one that is detached.
	Ref      string
	Old, New string // ids; it is moved only if it holds Old
	Reason   string // for the reflog, one line
}

// MoveRef moves a ref, in one step or not at all. It is not broken off, as
// Store is not: git would leave its lock behind.
func (r *Repo) MoveRef(ctx context.Context, m RefMove) error {
	ctx = context.WithoutCancel(ctx)
	err := r.format.checkOIDs(m.Old, m.New)
	if err == nil && m.Ref != "HEAD" && !strings.HasPrefix(m.Ref, "refs/heads/") {
		err = errors.New("it is not a branch")
	}
	if err != nil {
		return fmt.Errorf("moving %s: %w", m.Ref, err)
	}
	if _, _, err = r.config.run(ctx, nil, "update-ref", "-m", m.Reason, "--no-deref", m.Ref, m.New, m.Old); err == nil {
		return nil
	}
	// An interrupt that people mean for us reaches git, too, and may have come
	// when the work was done.
	if oid, _, rerr := r.Resolve(ctx, m.Ref); rerr == nil && oid == m.New {
		return nil
	}
	return fmt.Errorf("moving %s: %w", m.Ref, err)
}

// CopyNotes gives the new commits the notes of those that they replace, where
// git's configuration says that a rebase does (notes.rewrite.rebase,
// notes.rewriteRef).
func (r *Repo) CopyNotes(ctx context.Context, w *Rewritten) error {
	var lines strings.Builder
	for old, oid := range w.New {
		fmt.Fprintf(&lines, "%s %s\n", old, oid)
	}
	if _, _, err := r.config.run(ctx, strings.NewReader(lines.String()), "notes", "copy", "--for-rewrite=rebase", "--stdin"); err != nil {
		return fmt.Errorf("copying notes: %w", err)
	}
	return nil
}
