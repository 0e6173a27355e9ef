package proofs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// A HostileError says what is wrong with a commit that is to be pushed to Ref.
type HostileError struct {
	Reason string
}

// Error returns the reason.
func (e *HostileError) Error() string { return e.Reason }

// Check says whether a repository may take a commit for its Ref, which holds the
// commit old, or nothing if that is "". All of its tree has to be proofs, and
// those that are there have to stay. Whether they prove anything is for whoever
// verifies; so is the history of the commit, which nobody reads. The error is a
// *HostileError if the commit may not be taken; another one says that this could
// not be told. What old has in common with it is not read again.
func Check(ctx context.Context, repo *gitutil.Repo, old, commit string) (err error) {
	r := &Reader{trees: repo.Trees(), format: repo.ObjectFormat(), named: make(map[string]bool)}
	defer func() { err = errors.Join(err, r.Close()) }()
	before := make(map[string]string)
	if old != "" {
		if before, err = r.every(ctx, &source{name: "before", commit: old}); err != nil {
			return fmt.Errorf("checking proofs: %w", err)
		}
		// What was let in at another time was not proofs; it may go.
		r.ignored, r.named, r.more = nil, make(map[string]bool), 0
	}
	after, err := r.every(ctx, &source{name: Ref, commit: commit})
	if content := (*gitutil.ContentError)(nil); errors.As(err, &content) {
		return &HostileError{content.Error()}
	}
	if err != nil {
		return fmt.Errorf("checking proofs: %w", err)
	}
	read := make(map[string]bool) // those that are under a new name
	for path, oid := range after {
		if before[path] == oid || len(r.ignored) > 0 || before[path] == "" && read[oid] {
			continue
		}
		read[oid] = before[path] == ""
		if err := r.checkFile(ctx, file{Ref + ":" + path, oid}, before[path]); err != nil {
			return err
		}
	}
	if len(r.ignored) > 0 {
		return &HostileError{r.ignored[0]}
	}
	for path := range before {
		if after[path] == "" {
			return &HostileError{fmt.Sprintf("%s:%s: proofs that are there would be gone", Ref, path)}
		}
	}
	return nil
}

// every returns the files of proofs in a source, by path.
func (r *Reader) every(ctx context.Context, s *source) (map[string]string, error) {
	files := make(map[string]string)
	if err := r.load(ctx, s); err != nil || s.root == "" {
		return files, err
	}
	return files, r.each(ctx, s, func(path, oid string) error { files[path] = oid; return nil })
}

// checkFile reads a file that is new or changed.
func (r *Reader) checkFile(ctx context.Context, f file, old string) error {
	now, err := r.read(ctx, f)
	if err != nil || old == "" {
		return err
	}
	before := &Reader{trees: r.trees, format: r.format, named: make(map[string]bool)}
	was, err := before.read(ctx, file{f.name, old})
	if err != nil {
		return err
	}
	for _, p := range was {
		if !slices.ContainsFunc(now, func(q verifier.Proof) bool { return equal(p, q) }) && len(r.ignored) == 0 {
			return &HostileError{f.name + ": a proof that is there would be gone"}
		}
	}
	return nil
}
