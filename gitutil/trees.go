package gitutil

import (
	"container/list"
	"context"
	"fmt"
	"sync"
)

// Trees reads trees and files of a repository, each verified against its id.
// It runs one git process, from when it is first needed until Close, and keeps
// the trees read last in bounded memory. Its methods may be called from several
// goroutines at once.
type Trees struct {
	format Format
	read   func(ctx context.Context, oid string, limit int64) (Object, error) // as catFile.object
	files  *catFile
	cache  treeCache
}

// NewTrees returns a reader of the trees of the repository that git finds from
// the configuration, which has that object format. The caller closes it.
func NewTrees(c Config, f Format) *Trees {
	files := &catFile{config: c, format: f}
	return &Trees{format: f, read: files.object, files: files, cache: treeCache{limit: treeCacheSize}}
}

// Trees returns a reader of the repository's trees. The caller closes it.
func (r *Repo) Trees() *Trees { return NewTrees(r.config, r.format) }

// Close ends the git process. What is read afterwards is an error.
func (t *Trees) Close() error {
	if err := t.files.close(); err != nil {
		return fmt.Errorf("closing reader of trees: %w", err)
	}
	return nil
}

// A NoPathError is a path at which a tree has nothing.
type NoPathError struct {
	Tree string // the id of the tree
	Path string
}

// Error names the path and the tree.
func (e *NoPathError) Error() string { return fmt.Sprintf("tree %s has no path %q", e.Tree, e.Path) }

// File returns the id and content of the file at a path of a tree, given by
// id. The error is a [*NoPathError] if there is nothing at the path, and wraps
// [ErrMissing] if the repository lacks the file or a tree on the way. A
// directory, a symbolic link and a submodule are errors.
func (t *Trees) File(ctx context.Context, tree, path string) (oid string, data []byte, err error) {
	oid, data, err = t.file(ctx, tree, path)
	if err != nil {
		return "", nil, fmt.Errorf("reading file of tree: %w", err)
	}
	return oid, data, nil
}

func (t *Trees) file(ctx context.Context, tree, path string) (oid string, data []byte, err error) {
	at, err := t.entry(ctx, tree, path)
	if err != nil {
		return "", nil, err
	}
	if at.mode != modeFile && at.mode != modeExecutable {
		return "", nil, fmt.Errorf("%q of tree %s is not a file", path, tree)
	}
	o, err := t.object(ctx, at.hash, "blob", MaxObjectSize)
	return o.OID, o.Data, err
}

// maxTreeSize is the size above which a tree is not read: 32 MiB, half a
// million files in one directory. Parsed, it takes three times that.
const maxTreeSize = 32 << 20

// tree returns the entries of a tree, which are not to be changed. No hash is
// no entries.
func (t *Trees) tree(ctx context.Context, h hash) ([]entry, error) {
	if h == (hash{}) {
		return nil, nil
	}
	if entries, ok := t.cache.get(h); ok {
		return entries, nil
	}
	o, err := t.object(ctx, h, "tree", maxTreeSize)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(o.Data, t.format)
	if err != nil {
		return nil, &ContentError{o.OID, fmt.Errorf("malformed tree: %w", err)}
	}
	t.cache.add(h, entries, len(o.Data)+cap(entries)*entrySize)
	return entries, nil
}

// Commit returns a commit of at most limit bytes, verified: a larger one is a
// [*ContentError], and is not read. The error wraps [ErrMissing] if the
// repository does not hold it.
func (t *Trees) Commit(ctx context.Context, oid string, limit int64) (Object, error) {
	h, err := t.format.parseOID(oid)
	if err != nil {
		return Object{}, fmt.Errorf("reading commit: %w", err)
	}
	o, err := t.object(ctx, h, "commit", min(limit, MaxObjectSize))
	if err != nil {
		return Object{}, fmt.Errorf("reading commit: %w", err)
	}
	return o, nil
}

// object returns a verified object of the type wanted, of at most limit bytes.
func (t *Trees) object(ctx context.Context, h hash, typ string, limit int64) (Object, error) {
	o, err := t.read(ctx, t.format.oid(h), limit)
	switch {
	case err != nil:
		return Object{}, err
	case o.Size > limit:
		// By git's word: nobody reads it to find out.
		return Object{}, &ContentError{o.OID, fmt.Errorf("%d bytes are more than the %d that are read", o.Size, limit)}
	}
	if err := o.Verify(t.format); err != nil {
		return Object{}, err
	}
	if o.Type != typ {
		return Object{}, &ContentError{o.OID, fmt.Errorf("is a %s, not a %s", o.Type, typ)}
	}
	return o, nil
}

const (
	treeCacheSize = 64 << 20 // bytes: the directories of a large work tree
	entrySize     = 56       // bytes of an entry in memory
)

// A treeCache keeps the trees used last, up to a number of bytes.
type treeCache struct {
	limit int

	mu    sync.Mutex // guards what follows
	size  int
	order list.List // of *cachedTree, the one used last in front
	byID  map[hash]*list.Element
}

type cachedTree struct {
	id      hash
	entries []entry
	size    int
}

func (c *treeCache) get(id hash) ([]entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedTree).entries, true
}

// add adds a tree that takes size bytes, in place of those unused longest. One
// that is larger than all that may be kept is not.
func (c *treeCache) add(id hash, entries []entry, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[id]; ok || size > c.limit {
		return
	}
	if c.byID == nil {
		c.byID = make(map[hash]*list.Element)
	}
	for c.size+size > c.limit {
		last := c.order.Remove(c.order.Back()).(*cachedTree)
		delete(c.byID, last.id)
		c.size -= last.size
	}
	c.byID[id] = c.order.PushFront(&cachedTree{id, entries, size})
	c.size += size
}
