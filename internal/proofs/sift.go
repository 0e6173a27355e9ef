package proofs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// passOver names a source and leaves it out, if err says that it is too much; or
// that it could not be read, as in a partial clone, if there is something of our
// own to keep, which is not to be lost for that. Who unites alone is told.
func (u *union) passOver(ctx context.Context, s *source, err error) bool {
	var content *gitutil.ContentError
	if err == nil || s.commit == u.own || ctx.Err() != nil || !u.keeps && !errors.As(err, &content) {
		return false
	}
	u.ignore(s.name, err)
	s.loaded, s.root = true, ""
	return true
}

// maxBrought bounds what one source brings at once, in bytes: some 40,000 proofs
// that the others have not. One that is there once may be of every signature.
const maxBrought = 1 << 27

// A census counts the files that there will be, by directory; in all by "".
type census map[string]int

// add counts a file, and says whether there are more now than are taken from
// others: half of what is read, so that whatever they have leaves room for ours.
// In a directory with more nothing would be found any more.
func (c census) add(path string) error {
	dir, _, _ := strings.Cut(path, "/")
	c[""]++
	c[dir]++
	if c[""] > maxFiles/2 || c[dir] > maxDir/2 {
		return errors.New("more files than are taken from others")
	}
	return nil
}

// brought returns the proofs of a source in files that are not those of the first
// parent, and counts those that are in no other source. The error is a
// *gitutil.ContentError if that is too much; what is in Ref never is.
func (u *union) brought(ctx context.Context, s *source, others map[string][]verifier.Proof, files census) (map[string][]verifier.Proof, error) {
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
		if len(found) == 0 {
			return nil
		}
		all[path] = found
		var tooMuch error
		if _, known := others[path]; !known && u.base[path] == "" {
			tooMuch = files.add(path)
		}
		for _, p := range found {
			size += len(p.Entry) + len(slices.Concat(p.Timestamps...))
		}
		if size > maxBrought {
			tooMuch = fmt.Errorf("more than %d bytes of proofs that nobody else has", maxBrought)
		}
		if tooMuch != nil && s.commit != u.own {
			return &gitutil.ContentError{OID: s.root, Err: tooMuch}
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

// sift drops what is under the names of files of proofs in a source, all of which
// was listed, and is none. What Ref has was sifted when it came there.
func (u *union) sift(ctx context.Context, base *source) error {
	own := make(map[string]string)
	for _, s := range u.sources {
		if s.name != Ref {
			continue
		}
		var err error
		if own, err = u.every(ctx, s); err != nil {
			return err
		}
		if err = u.checkDirs(ctx, s); err != nil {
			return err
		}
	}
	sound := make(map[string]bool) // by the id of the file
	for path, oid := range u.base {
		if own[path] == oid {
			continue
		}
		if _, ok := sound[oid]; !ok {
			found, err := u.read(ctx, file{base.name + ":" + path, oid})
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

// checkDirs refuses to go on if Ref, all of which was listed, has a directory that
// is not read: there may be proofs in it, which would be dropped.
func (u *union) checkDirs(ctx context.Context, own *source) error {
	entries, err := u.trees.List(ctx, own.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Kind == gitutil.Directory && isDirectory(e.Name) && own.dirs[e.Name] == "" {
			return fmt.Errorf("%s:%s %w", Ref, e.Name, ErrForeign)
		}
	}
	return nil
}
