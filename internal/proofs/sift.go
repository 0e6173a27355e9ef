package proofs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// passOver names a source and leaves it out, if err says that it is too much.
func (u *union) passOver(s *source, err error) bool {
	var content *gitutil.ContentError
	if !errors.As(err, &content) {
		return false
	}
	u.ignore(s.name, content)
	s.root = ""
	return true
}

// maxBrought bounds what one source brings at once, in bytes: some 40,000 proofs
// that the others have not. One that is there once may be of every signature.
const maxBrought = 1 << 27

// brought returns the proofs of a source in files that are not those of the first
// parent. The error is a *gitutil.ContentError if that is too much; what is in
// Ref never is.
func (u *union) brought(ctx context.Context, s *source) (map[string][]verifier.Proof, error) {
	all := make(map[string][]verifier.Proof)
	read := make(map[string][]verifier.Proof) // by the id of the file
	size := 0
	err := u.each(ctx, s, func(path, oid string) error {
		if u.base[path] == oid {
			return nil
		}
		found, ok := read[oid]
		if !ok {
			var err error
			if found, err = u.read(ctx, file{s.name + ":" + path, oid}); err != nil {
				return err
			}
			read[oid] = found
		}
		for _, p := range found {
			size += len(p.Entry) + len(slices.Concat(p.Timestamps...))
		}
		if size > maxBrought && s.commit != u.own {
			return &gitutil.ContentError{OID: s.root, Err: fmt.Errorf("more than %d bytes of proofs that nobody else has", maxBrought)}
		}
		if len(found) > 0 {
			all[path] = found
		}
		return nil
	})
	return all, err
}

// findStrange finds what is in the tree of a source, all of which was listed, and
// is none of its files of proofs.
func (u *union) findStrange(ctx context.Context, s *source) error {
	entries, err := u.trees.List(ctx, s.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		tree := s.dirs[e.Name]
		if e.Kind != gitutil.Directory || !isDirectory(e.Name) || tree == "" {
			u.strange = append(u.strange, e.Name)
			continue
		}
		files, err := u.trees.List(ctx, tree)
		if err != nil {
			return err
		}
		for _, f := range files {
			if path := e.Name + "/" + f.Name; u.base[path] == "" {
				u.strange = append(u.strange, path)
			}
		}
	}
	return nil
}

// sift drops what was fetched under the names of files of proofs, and is none.
// What Ref has was sifted when it came there.
func (u *union) sift(ctx context.Context) error {
	own := make(map[string]string)
	for _, s := range u.sources {
		if s.name != Ref {
			continue
		}
		var err error
		if own, err = u.every(ctx, s); err != nil {
			return err
		}
	}
	sound := make(map[string]bool) // by the id of the file
	for path, oid := range u.base {
		if own[path] == oid {
			continue
		}
		if _, ok := sound[oid]; !ok {
			found, err := u.read(ctx, file{path, oid})
			if err != nil {
				return err
			}
			sound[oid] = len(found) > 0
		}
		if !sound[oid] {
			u.strange = append(u.strange, path)
			delete(u.base, path)
		}
	}
	return nil
}
