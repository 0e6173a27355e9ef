package gitutil

import (
	"context"
	"fmt"
	"strings"
)

// A TreeEntry is a name in a tree, and what stands there.
type TreeEntry struct {
	Name string // without the directories before it
	OID  string // of a commit of another repository, if it is a Submodule
	Kind EntryKind
}

// An EntryKind says what stands at a name in a tree.
type EntryKind string

// The kinds of entries that there are.
const (
	Directory EntryKind = "directory"
	File      EntryKind = "file" // executable or not
	Symlink   EntryKind = "symbolic link"
	Submodule EntryKind = "submodule"
)

// A ContentError is an object that the repository holds and that is what its id
// says, but not what is wanted: of another type, too large, or not as git writes
// it. Reading it again changes nothing.
type ContentError struct {
	OID string
	Err error
}

// Error names the object.
func (e *ContentError) Error() string { return "object " + e.OID + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the content.
func (e *ContentError) Unwrap() error { return e.Err }

// exported returns the entry as callers see it.
func (e entry) exported(f Format) TreeEntry {
	kind := File
	switch e.mode {
	case modeTree:
		kind = Directory
	case modeSymlink:
		kind = Symlink
	case modeSubmodule:
		kind = Submodule
	}
	return TreeEntry{Name: e.name, OID: f.oid(e.hash), Kind: kind}
}

// List returns the entries of a tree, given by id, in git's order. The error
// wraps [ErrMissing] if the repository lacks the tree, and is a [*ContentError]
// if that is not as git writes trees.
func (t *Trees) List(ctx context.Context, tree string) ([]TreeEntry, error) {
	h, err := t.format.parseOID(tree)
	if err != nil {
		return nil, fmt.Errorf("listing tree: %w", err)
	}
	entries, err := t.tree(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("listing tree: %w", err)
	}
	list := make([]TreeEntry, len(entries))
	for i, e := range entries {
		list[i] = e.exported(t.format)
	}
	return list, nil
}

// Entry returns what stands at a path of a tree, given by id. The errors are
// those of File, but that what stands there may be of any kind.
func (t *Trees) Entry(ctx context.Context, tree, path string) (TreeEntry, error) {
	e, err := t.entry(ctx, tree, path)
	if err != nil {
		return TreeEntry{}, fmt.Errorf("reading entry of tree: %w", err)
	}
	return e.exported(t.format), nil
}

// entry returns what stands at a path.
func (t *Trees) entry(ctx context.Context, tree, path string) (entry, error) {
	h, err := t.format.parseOID(tree)
	if err != nil {
		return entry{}, err
	}
	if err := checkPath(path); err != nil {
		return entry{}, err
	}
	at := entry{version: version{modeTree, h}}
	for name := range strings.SplitSeq(path, "/") {
		if at.mode != modeTree {
			return entry{}, &NoPathError{tree, path}
		}
		entries, err := t.tree(ctx, at.hash)
		if err != nil {
			return entry{}, err
		}
		next, ok := find(entries, entry{name: name})
		if !ok {
			next, ok = find(entries, entry{name: name, version: version{mode: modeTree}})
		}
		if !ok {
			return entry{}, &NoPathError{tree, path}
		}
		at = next
	}
	return at, nil
}

// Blob returns the content of a file, given by id, of at most limit bytes: a
// larger one is a [*ContentError], and is not read. The error wraps [ErrMissing]
// if the repository lacks it.
func (t *Trees) Blob(ctx context.Context, oid string, limit int64) ([]byte, error) {
	h, err := t.format.parseOID(oid)
	if err != nil {
		return nil, fmt.Errorf("reading file: %w", err)
	}
	o, err := t.object(ctx, h, "blob", min(limit, MaxObjectSize))
	if err != nil {
		return nil, fmt.Errorf("reading file: %w", err)
	}
	return o.Data, nil
}
