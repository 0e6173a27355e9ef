package proofs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
)

// A source is a ref with proofs.
type source struct {
	name   string
	commit string
	loaded bool
	root   string            // its tree; "": none that is read
	dirs   map[string]string // trees of directories that were listed; "": none that is read
}

// entry returns the file at a path of a source; the zero one if there is none.
func (r *Reader) entry(ctx context.Context, s *source, path string) (gitutil.TreeEntry, error) {
	none := gitutil.TreeEntry{}
	if err := r.load(ctx, s); err != nil || s.root == "" {
		return none, err
	}
	dir, name, _ := strings.Cut(path, "/")
	if _, listed := s.dirs[dir]; !listed {
		if _, err := r.list(ctx, s, dir); err != nil {
			return none, err
		}
	}
	if s.dirs[dir] == "" {
		return none, nil
	}
	e, err := r.trees.Entry(ctx, s.dirs[dir], name)
	var no *gitutil.NoPathError
	switch {
	case errors.As(err, &no):
		return none, nil
	case err != nil:
		return none, fmt.Errorf("%s: %w", s.name, err)
	case e.Kind != gitutil.File: // which list has named
		return none, nil
	}
	return e, nil
}

// load finds the tree of a source and names what is in it that is no directory
// of proofs.
func (r *Reader) load(ctx context.Context, s *source) error {
	if s.loaded {
		return nil
	}
	root, err := r.root(ctx, s)
	var content *gitutil.ContentError
	if err != nil && !errors.As(err, &content) {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if err != nil {
		r.ignore(s.name, err)
		root = ""
	}
	s.loaded, s.root, s.dirs = true, root, make(map[string]string)
	return nil
}

// root returns the tree of a source's commit, if it can be one of proofs.
func (r *Reader) root(ctx context.Context, s *source) (string, error) {
	o, err := r.trees.Commit(ctx, s.commit, maxCommit)
	if err != nil {
		return "", err
	}
	c, err := gitutil.ParseCommit(o.Data, r.format)
	if err != nil {
		return "", &gitutil.ContentError{OID: s.commit, Err: err}
	}
	entries, err := r.trees.List(ctx, c.Tree)
	if err != nil {
		return "", err
	}
	if len(entries) > 256+maxNamed {
		return "", &gitutil.ContentError{OID: c.Tree, Err: fmt.Errorf("a tree of %d entries, where proofs have 256 directories", len(entries))}
	}
	for _, e := range entries {
		if e.Kind != gitutil.Directory || !isDirectory(e.Name) {
			r.ignore(s.name+":"+e.Name, fmt.Errorf("a %s that is no directory of proofs", e.Kind))
		}
	}
	return c.Tree, nil
}

// list returns the files of proofs in a directory of a source, and names what is
// there beside.
func (r *Reader) list(ctx context.Context, s *source, dir string) ([]gitutil.TreeEntry, error) {
	at, err := r.trees.Entry(ctx, s.root, dir)
	var no *gitutil.NoPathError
	if errors.As(err, &no) || err == nil && at.Kind != gitutil.Directory {
		s.dirs[dir] = ""
		return nil, nil
	}
	var entries []gitutil.TreeEntry
	if err == nil {
		entries, err = r.trees.List(ctx, at.OID)
	}
	if err == nil && len(entries) > maxDir {
		err = &gitutil.ContentError{OID: at.OID, Err: fmt.Errorf("more than %d files", maxDir)}
	}
	var content *gitutil.ContentError
	if errors.As(err, &content) {
		s.dirs[dir] = ""
		r.ignore(s.name+":"+dir, err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	s.dirs[dir] = at.OID
	return slices.DeleteFunc(entries, func(e gitutil.TreeEntry) bool {
		_, ok := parsePath(dir, e.Name)
		if ok = ok && e.Kind == gitutil.File; !ok {
			r.ignore(s.name+":"+dir+"/"+e.Name, fmt.Errorf("a %s that is none of proofs", e.Kind))
		}
		return !ok
	}), nil
}

// each calls f with each file of proofs of a source. The error is a
// *gitutil.ContentError if there are too many.
func (r *Reader) each(ctx context.Context, s *source, f func(path, oid string) error) error {
	entries, err := r.trees.List(ctx, s.root)
	if err != nil {
		return err
	}
	n := 0
	for _, e := range entries {
		if e.Kind != gitutil.Directory || !isDirectory(e.Name) {
			continue
		}
		r.mu.Lock()
		files, err := r.list(ctx, s, e.Name)
		r.mu.Unlock()
		if err != nil {
			return err
		}
		// A tree that is there once may be in every directory.
		if n += len(files); n > maxFiles {
			return &gitutil.ContentError{OID: s.root, Err: fmt.Errorf("more than %d files", maxFiles)}
		}
		for _, file := range files {
			if err := f(e.Name+"/"+file.Name, file.OID); err != nil {
				return err
			}
		}
	}
	return nil
}
