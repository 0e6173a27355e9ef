package gitutil

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Changed returns the paths that a commit changes: those of files, symbolic
// links and submodules, sorted, in git's order, which is that of their bytes.
// All of it is said by the ids of trees: the commit's, its parents', and that
// of a merge base of its parents.
//
//   - Of a commit without a parent, every path.
//   - Of one with a parent, each path that is added, removed, or other in
//     content or mode.
//   - Of a merge, each path whose version a plain merge does not explain. It
//     does if some parent has the version, and every other parent has it too
//     or has left the path as it is in base. Where both sides changed a file
//     alike it is so explained; where they changed it differently never,
//     whether or not the lines could be merged: see [Merger].
//
// Of several merge bases each is as good as another. An empty base means that
// there is none to ask: any version that some parent has is explained then,
// so that a merge which throws one side's changes away shows none. For
// histories that have no common ancestor the id of the empty tree is
// stricter. Without two parents, base is not looked at.
//
// Every tree is verified. The error wraps [ErrMissing] if one is missing; a
// malformed one, and changes too many to list, are errors too. Where two
// trees hold the same subtree, it is not read. Empty directories are not
// seen.
func (t *Trees) Changed(ctx context.Context, tree string, parents []string, base string) ([]string, error) {
	paths, err := t.changed(ctx, tree, parents, base)
	if err != nil {
		return nil, fmt.Errorf("comparing tree %s: %w", tree, err)
	}
	return paths, nil
}

func (t *Trees) changed(ctx context.Context, tree string, parents []string, base string) ([]string, error) {
	c := changes{trees: t, hasBase: base != "" && len(parents) > 1}
	var top place
	var err error
	if top.commit, err = t.topTree(tree); err != nil {
		return nil, err
	}
	for _, parent := range parents {
		p, err := t.topTree(parent)
		if err != nil {
			return nil, err
		}
		top.add(p)
	}
	if c.hasBase {
		if top.base, err = t.topTree(base); err != nil {
			return nil, err
		}
	}
	if c.explained(&top) {
		return nil, nil
	}
	if err := c.compare(ctx, "", &top, 0); err != nil {
		return nil, err
	}
	return c.paths, nil
}

// topTree returns the version that a tree is.
func (t *Trees) topTree(oid string) (version, error) {
	h, err := t.format.parseOID(oid)
	return version{modeTree, h}, err
}

// Bounds of what is compared, so that trees made to have no end do: a tree of
// a thousand times the same subtree of a thousand times the same is small.
const (
	// maxChanges is how many paths may change, and maxChangedBytes how
	// many bytes they may have together: work trees of a million files exist.
	maxChanges      = 1_000_000
	maxChangedBytes = 256 << 20
	// maxTreeDepth is how deep trees may be nested. Git reads no deeper since
	// 2.43 (core.maxTreeDepth).
	maxTreeDepth = 2048
	// maxCompared is how many entries may be looked at, seconds of work. A
	// tree that has to be got counts as comparedPerTree.
	maxCompared     = 1 << 28
	comparedPerTree = 1 << 10
	// maxHeld is how many entries may be held at once, some 400 MB: those of
	// a directory of a million files in four versions.
	maxHeld = 1 << 22
)

// changes are the changes of one commit, as far as they are known.
type changes struct {
	trees    *Trees
	hasBase  bool
	paths    []string
	bytes    int // length of all paths
	compared int
	held     int
}

// A place is a path, or a directory, with what stands there in the trees that
// are compared.
type place struct {
	commit  version
	parents []version // distinct: parents that agree explain the same
	base    version   // nothing without hasBase
}

// add adds what a parent has.
func (p *place) add(v version) {
	if !slices.Contains(p.parents, v) {
		p.parents = append(p.parents, v)
	}
}

// explained reports whether a plain merge of the parents makes of the place
// what the commit has there. Of directories, that is so if it is so of each
// path beneath them, though not the other way round.
func (c *changes) explained(p *place) bool {
	if !slices.Contains(p.parents, p.commit) {
		return false
	}
	if !c.hasBase {
		return true
	}
	for _, v := range p.parents {
		if v != p.commit && v != p.base {
			return false
		}
	}
	return true
}

// compare adds the paths beneath a directory that are not explained. The name
// of the directory ends in a slash, that of the top is empty.
func (c *changes) compare(ctx context.Context, dir string, at *place, depth int) error {
	if depth > maxTreeDepth {
		return fmt.Errorf("directories are nested more than %d deep", maxTreeDepth)
	}
	held := c.held
	defer func() { c.held = held }()
	rest, err := c.read(ctx, at)
	if err != nil {
		return err
	}
	var next place
	for {
		name, isDir, ok := rest.take(&next)
		if !ok {
			return nil
		}
		if err := c.work(len(rest) * (1 + len(next.parents))); err != nil {
			return err
		}
		if c.explained(&next) {
			continue
		}
		if !isDir {
			err = c.add(dir, name)
		} else {
			err = c.compare(ctx, dir+name+"/", &next, depth+1)
		}
		if err != nil {
			return err
		}
	}
}

// work counts entries that are looked at.
func (c *changes) work(entries int) error {
	if c.compared += entries; c.compared > maxCompared {
		return errors.New("trees are too large to compare")
	}
	return nil
}

// add adds the path of a name in a directory.
func (c *changes) add(dir, name string) error {
	// Not dir + name, which may share the memory of a whole tree's names.
	path := strings.Join([]string{dir, name}, "")
	if len(c.paths) == maxChanges {
		return fmt.Errorf("more than %d paths are changed", maxChanges)
	}
	if c.bytes += len(path); c.bytes > maxChangedBytes {
		return fmt.Errorf("paths that are changed take more than %d MiB", maxChangedBytes>>20)
	}
	c.paths = append(c.paths, path)
	return nil
}

// read returns the directories at a place: the commit's first, then the
// parents', then that of base.
func (c *changes) read(ctx context.Context, at *place) (directories, error) {
	read := make(directories, 0, len(at.parents)+2)
	for _, v := range append(append([]version{at.commit}, at.parents...), at.base) {
		if err := c.work(comparedPerTree); err != nil {
			return nil, err
		}
		entries, err := c.trees.tree(ctx, v.hash)
		if err != nil {
			return nil, err
		}
		if c.held += len(entries); c.held > maxHeld {
			return nil, errors.New("directories are too large to compare")
		}
		read = append(read, entries)
	}
	return read, nil
}

// directories are the entries that are left of directories gone through side
// by side.
type directories [][]entry

// take takes what is next in order out of all directories, and fills in what
// each has there. It reports false if there is nothing left.
func (d directories) take(at *place) (name string, isDir, ok bool) {
	var first entry
	for _, entries := range d {
		if len(entries) > 0 && (!ok || entries[0].compare(first) < 0) {
			first, ok = entries[0], true
		}
	}
	if !ok {
		return "", false, false
	}
	// A file and a directory of one name are two places.
	at.parents = at.parents[:0]
	for i, entries := range d {
		var v version
		if len(entries) > 0 && entries[0].compare(first) == 0 {
			v, d[i] = entries[0].version, entries[1:]
		}
		switch i {
		case 0:
			at.commit = v
		case len(d) - 1:
			at.base = v
		default:
			at.add(v)
		}
	}
	return first.name, first.mode == modeTree, true
}
