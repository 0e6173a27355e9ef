package proofs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/internal/filelock"
	"gitseal/verifier"
)

// maxTries bounds how often Add begins again because somebody else has moved
// the ref, such as a git fetch that writes to it.
const maxTries = 20

// ErrForeign means that Ref holds something else than proofs, which Add leaves
// there.
var ErrForeign = errors.New("holds something else than proofs")

// Add brings proofs of signatures, by their keys, and those that were fetched
// from remotes, into Ref of the repository with a git directory. What is there
// stays, what is no proof is left out, and the commit that Add makes has those
// that were fetched for parents, so that it can be pushed to where they are
// from. When it returns nil, all of it is durable. Nothing is changed if
// nothing is new.
//
// The commit is made with git's own programs, signed by nobody, in the name of
// nobody, and without hooks.
func Add(ctx context.Context, gitDir string, more map[[32]byte][]verifier.Proof) error {
	if err := add(ctx, gitDir, more); err != nil {
		return fmt.Errorf("keeping proofs in %s: %w", gitDir, err)
	}
	return nil
}

func add(ctx context.Context, gitDir string, more map[[32]byte][]verifier.Proof) error {
	config := gitutil.Config{Env: append(gitutil.Pinned(os.Environ(), gitDir), "TZ=UTC")}
	repo, err := gitutil.Open(ctx, config)
	if err != nil {
		return err
	}
	// Two that write at once do so in turn: each would have to begin again
	// whenever the other is done.
	unlock, err := filelock.Lock(ctx, filepath.Join(repo.CommonDir(), "gitseal-proofs.lock"))
	if err != nil {
		return fmt.Errorf("waiting for who else keeps proofs there: %w", err)
	}
	defer unlock()
	target, err := repo.SymbolicTarget(ctx, Ref)
	if err != nil {
		return err
	}
	if target != "" {
		// What git does to such a ref it does to the other one, be that a branch.
		return fmt.Errorf("%s is a symbolic ref, and what it stands for, %s, is not changed", Ref, target)
	}
	for try := 1; ; try++ {
		before, err := tipOf(ctx, config)
		if err != nil {
			return err
		}
		err = addOnce(ctx, config, more)
		if err == nil || try == maxTries {
			return err
		}
		if after, tipErr := tipOf(ctx, config); tipErr != nil || after == before {
			return errors.Join(err, tipErr)
		}
	}
}

// tipOf returns what Ref holds; "" if there is none.
func tipOf(ctx context.Context, c gitutil.Config) (string, error) {
	refs, err := gitutil.RefsBelow(ctx, c, Ref)
	if err != nil || len(refs) == 0 {
		return "", err
	}
	return refs[0].OID, nil
}

// A union is the proofs of several sources on their way into a commit.
type union struct {
	*Reader
	config  gitutil.Config
	own     string            // what Ref holds; "": nothing
	parents []string          // of the commit; the tree of the first one is changed
	base    map[string]string // the files in that tree, by path
	files   census            // of base, and of what is brought into it
	strange []string          // what else is in it, by path
	keeps   bool              // there is more to keep than what was fetched
	changed map[string][]byte // files, by path
}

func addOnce(ctx context.Context, c gitutil.Config, more map[[32]byte][]verifier.Proof) (err error) {
	r, err := Open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	u := &union{Reader: r, config: c, keeps: len(more) > 0, changed: make(map[string][]byte)}
	if err := u.begin(ctx); err != nil {
		return err
	}
	if err := u.merge(ctx, more); err != nil {
		return err
	}
	switch {
	case len(u.changed) > 0 || len(u.strange) > 0 || len(u.parents) > 1:
		return u.commit(ctx)
	case len(u.parents) == 1 && u.parents[0] != u.own:
		// All there is was fetched.
		_, err := u.git(ctx, nil, "update-ref", Ref, u.parents[0], u.own)
		return err
	}
	return nil
}

// begin chooses the parents and reads the tree of the first one.
func (u *union) begin(ctx context.Context) error {
	for {
		if err := u.choose(ctx); err != nil || len(u.parents) == 0 {
			return err
		}
		i := slices.IndexFunc(u.sources, func(s *source) bool { return s.root != "" && s.commit == u.parents[0] })
		if err := u.readBase(ctx, u.sources[i]); !u.passOver(ctx, u.sources[i], err) {
			return err
		}
	}
}

// choose finds the parents of the commit: the sources that no other one has in
// its history.
func (u *union) choose(ctx context.Context) error {
	var tips []string
	for _, s := range u.sources {
		if s.name == Ref {
			u.own = s.commit
		}
		err := u.load(ctx, s)
		if err == nil && s.name == Ref && s.root == "" {
			// To go on would be to lose what somebody has there.
			return fmt.Errorf("%s %w", Ref, ErrForeign)
		}
		if err == nil && s.root != "" && s.name != Ref {
			err = u.each(ctx, s, func(string, string) error { return nil })
		}
		if err != nil && !u.passOver(ctx, s, err) {
			return err
		}
		if s.root != "" && !slices.Contains(tips, s.commit) {
			tips = append(tips, s.commit)
		}
	}
	if len(tips) < 2 {
		u.parents = tips
		return nil
	}
	out, err := u.git(ctx, nil, append([]string{"merge-base", "--independent"}, tips...)...)
	if err != nil {
		return err
	}
	independent := strings.Fields(string(out))
	u.parents = slices.DeleteFunc(tips, func(tip string) bool { return !slices.Contains(independent, tip) })
	if len(u.parents) == 0 {
		return errors.New("git merge-base named none of the commits that it was asked about")
	}
	return nil
}

// readBase reads the tree that is changed.
func (u *union) readBase(ctx context.Context, s *source) (err error) {
	u.strange = nil
	if u.base, err = u.every(ctx, s); err != nil {
		return err
	}
	u.files = make(census)
	for path := range u.base {
		if tooMany := u.files.add(path); tooMany != nil && s.commit != u.own {
			return &gitutil.ContentError{OID: s.root, Err: tooMany}
		}
	}
	if err = u.findStrange(ctx, s); err != nil {
		return err
	}
	return u.sift(ctx, s)
}

// merge finds which files change: those of which some source, or more, has
// proofs that the first parent has not.
func (u *union) merge(ctx context.Context, more map[[32]byte][]verifier.Proof) error {
	ours, fetched := make(map[string][]verifier.Proof), make(map[string][]verifier.Proof)
	for key, proofs := range more {
		ours[path(key)] = proofs
	}
	for _, s := range u.sources {
		if s.root == "" || s.commit == u.parents[0] {
			continue
		}
		files := maps.Clone(u.files)
		brought, err := u.brought(ctx, s, fetched, files)
		if u.passOver(ctx, s, err) {
			u.parents = slices.DeleteFunc(u.parents, func(tip string) bool { return tip == s.commit })
			continue
		}
		if err != nil {
			return err
		}
		u.files = files
		into := fetched
		if s.commit == u.own {
			into = ours
		}
		for path, found := range brought {
			into[path] = slices.Concat(into[path], found)
		}
	}
	return u.unite(ctx, ours, fetched)
}

// unite makes the files that hold what is ours, what is there and what was
// fetched. Where that is too much for a file, what others brought is left out.
func (u *union) unite(ctx context.Context, ours, fetched map[string][]verifier.Proof) error {
	paths := slices.Collect(maps.Keys(ours))
	for path := range fetched {
		if ours[path] == nil {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		proofs := slices.Clone(ours[path])
		if len(proofs)+len(fetched[path]) == 0 {
			continue
		}
		var before []byte
		if oid := u.base[path]; oid != "" {
			there, err := u.read(ctx, file{path, oid})
			if err != nil {
				return err
			}
			proofs = append(proofs, there...)
			if len(there) > 0 {
				if before, err = formatFile(there); err != nil {
					return err
				}
			}
		}
		after, err := formatFile(append(proofs, fetched[path]...))
		if err != nil {
			return err
		}
		if !bytes.Equal(before, after) {
			u.changed[path] = after
		}
	}
	return nil
}
