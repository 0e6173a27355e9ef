package proofs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	env := append(gitutil.Pinned(os.Environ(), gitDir), "TZ=UTC")
	repo, err := gitutil.Open(ctx, gitutil.Config{Env: env})
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
	for try := 1; ; try++ {
		before, err := tipOf(ctx, repo)
		if err != nil {
			return err
		}
		err = addOnce(ctx, repo, env, more)
		if err == nil || try == maxTries {
			return err
		}
		if after, tipErr := tipOf(ctx, repo); tipErr != nil || after == before {
			return errors.Join(err, tipErr)
		}
	}
}

// tipOf returns what Ref holds; "" if there is none.
func tipOf(ctx context.Context, repo *gitutil.Repo) (string, error) {
	refs, err := repo.RefsBelow(ctx, Ref)
	if err != nil || len(refs) == 0 {
		return "", err
	}
	return refs[0].OID, nil
}

// A union is the proofs of several sources on their way into a commit.
type union struct {
	*Reader
	repo    *gitutil.Repo
	env     []string
	own     string            // what Ref holds; "": nothing
	parents []string          // of the commit; the tree of the first one is changed
	base    map[string]string // the files in that tree, by path
	strange []string          // what else is in it, by path
	changed map[string][]byte // files, by path
}

func addOnce(ctx context.Context, repo *gitutil.Repo, env []string, more map[[32]byte][]verifier.Proof) (err error) {
	r, err := Open(ctx, repo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	u := &union{Reader: r, repo: repo, env: env, changed: make(map[string][]byte)}
	if err := u.choose(ctx); err != nil {
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

// choose finds the parents of the commit: the sources that no other one has in
// its history.
func (u *union) choose(ctx context.Context) error {
	var tips []string
	for _, s := range u.sources {
		if err := u.load(ctx, s); err != nil {
			return err
		}
		switch {
		case s.name == Ref:
			u.own = s.commit
			if s.root == "" {
				// To go on would be to lose what somebody has there.
				return fmt.Errorf("%s %w", Ref, ErrForeign)
			}
		case s.root == "":
			continue
		default:
			err := u.each(ctx, s, func(string, string) error { return nil })
			if u.passOver(s, err) {
				continue
			}
			if err != nil {
				return err
			}
		}
		if !slices.Contains(tips, s.commit) {
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

// merge finds which files change: those of which some source, or more, has
// proofs that the first parent has not.
func (u *union) merge(ctx context.Context, more map[[32]byte][]verifier.Proof) error {
	fetched := make(map[string][]verifier.Proof)
	for key := range more {
		fetched[path(key)] = nil
	}
	var others []*source
	for _, s := range u.sources {
		switch {
		case s.root == "":
		case s.commit == u.parents[0] && len(u.base) == 0:
			var err error
			if u.base, err = u.every(ctx, s); err != nil {
				return err
			}
			if err = u.findStrange(ctx, s); err != nil {
				return err
			}
			if err = u.sift(ctx); err != nil {
				return err
			}
		default:
			others = append(others, s)
		}
	}
	for _, s := range others {
		brought, err := u.brought(ctx, s)
		if s.commit != u.own && u.passOver(s, err) {
			u.parents = slices.DeleteFunc(u.parents, func(tip string) bool { return tip == s.commit })
			continue
		}
		if err != nil {
			return err
		}
		for path, found := range brought {
			fetched[path] = append(fetched[path], found...)
		}
	}
	added := make(map[string][]verifier.Proof)
	for key, proofs := range more {
		added[path(key)] = proofs
	}
	return u.unite(ctx, added, fetched)
}

// unite makes the files that hold what is there, what is added and what was
// fetched. Where that is too much for a file, what others brought is left out.
func (u *union) unite(ctx context.Context, added, fetched map[string][]verifier.Proof) error {
	for path, theirs := range fetched {
		proofs := slices.Clone(added[path])
		if len(proofs)+len(theirs) == 0 {
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
		after, err := formatFile(append(proofs, theirs...))
		if err != nil {
			return err
		}
		if !bytes.Equal(before, after) {
			u.changed[path] = after
		}
	}
	return nil
}
