package gitutil

import (
	"context"
	"fmt"
	"strings"
)

// What is in this file git says of history, without a word that can be
// checked against an id: it reads the commits and trees on the way as they are
// stored. A claim that a verdict rests on is to be made good with objects that
// were verified. Where history is cut off (see [Repo.Shallow]), it ends.

// MergeBase returns the best common ancestors of two commits, given by id:
// none if they have no history in common, and more than one if their branches
// were merged criss-cross. An object that is missing on the way is an error.
func (r *Repo) MergeBase(ctx context.Context, a, b string) ([]string, error) {
	bases, err := r.mergeBase(ctx, a, b)
	if err != nil {
		return nil, fmt.Errorf("finding merge base of %s and %s: %w", a, b, err)
	}
	return bases, nil
}

func (r *Repo) mergeBase(ctx context.Context, a, b string) ([]string, error) {
	if err := r.format.checkOIDs(a, b); err != nil {
		return nil, err
	}
	// A no is: there is none.
	out, _, err := r.config.ask(ctx, "merge-base", "--all", a, b)
	if err != nil {
		return nil, err
	}
	return r.parseOIDs("merge-base", out)
}

// IsAncestor reports whether commit b reaches commit a by its parents, or is
// it. An object that is missing on the way is an error.
func (r *Repo) IsAncestor(ctx context.Context, a, b string) (bool, error) {
	err := r.format.checkOIDs(a, b)
	var yes bool
	if err == nil {
		_, yes, err = r.config.ask(ctx, "merge-base", "--is-ancestor", a, b)
	}
	if err != nil {
		return false, fmt.Errorf("finding %s in the history of %s: %w", a, b, err)
	}
	return yes, nil
}

// Touching returns the commits in the history of rev, a commit's id, in which
// path, or anything beneath it, is not what it is in every parent: newest
// first, none before its children. A merge is among them if it differs from
// any of its parents, so whichever commit brought a version of a file into the
// history is here, and others that the caller tells apart with
// [Trees.Changed] or [Trees.File]. Renames are not followed. A history that
// cannot be read to its end is an error.
func (r *Repo) Touching(ctx context.Context, rev, path string) ([]string, error) {
	oids, err := r.touching(ctx, rev, path)
	if err != nil {
		return nil, fmt.Errorf("listing commits that change %q: %w", path, err)
	}
	return oids, nil
}

func (r *Repo) touching(ctx context.Context, rev, path string) ([]string, error) {
	if err := r.format.checkOIDs(rev); err != nil {
		return nil, err
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	// Of the environment, too, only the path's own bytes are to match.
	c := r.config.with("GIT_LITERAL_PATHSPECS=0", "GIT_GLOB_PATHSPECS=0", "GIT_NOGLOB_PATHSPECS=0", "GIT_ICASE_PATHSPECS=0")
	// By default git leaves out the branches that a merge did not take the
	// path from, and so a change that somebody undid.
	out, _, err := c.run(ctx, nil, "rev-list", "--full-history", "--topo-order", rev, "--", ":(top,literal)"+path)
	if err != nil {
		return nil, err
	}
	return r.parseOIDs("rev-list", out)
}

// checkOIDs refuses anything but object ids, which git cannot take for
// options or names.
func (f Format) checkOIDs(oids ...string) error {
	for _, oid := range oids {
		if !f.validOID(oid) {
			return fmt.Errorf("%q is not a %s object id", oid, f)
		}
	}
	return nil
}

// parseOIDs parses what the subcommand printed: an object id a line.
func (r *Repo) parseOIDs(subcommand string, out []byte) ([]string, error) {
	var oids []string
	for line := range strings.Lines(string(out)) {
		oid, whole := strings.CutSuffix(line, "\n")
		if !whole || !r.format.validOID(oid) {
			return nil, fmt.Errorf("git %s answered %q", subcommand, line)
		}
		oids = append(oids, strings.Clone(oid))
	}
	return oids, nil
}

// checkPath refuses what no file in a tree is called: a path is names between
// slashes, none of them empty, "." or "..".
func checkPath(path string) error {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." || strings.IndexByte(name, 0) >= 0 {
			return fmt.Errorf("%q is no path in a tree", path)
		}
	}
	return nil
}
