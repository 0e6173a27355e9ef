package gitutil

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A Merger merges commits again, the way git merge does by default ("ort",
// with renames), to compare with what somebody made of it.
//
// Git cannot merge without writing objects, so it runs in a scratch
// repository, which borrows the objects of the real one and has nothing else
// of it. Nothing is written to the real repository, and none of its
// configuration, attributes, hooks, refs, grafts or replace refs count, nor
// those of the user or the system: a merge driver, which is a program, is not
// run. Attributes in the trees merged do not count either, for git looks for
// them in a work tree.
//
// Merging takes git 2.38 or newer. Its result is git's word on objects that
// git does not verify. Methods may be called from several goroutines at once.
type Merger struct {
	repo *Repo

	mu      sync.Mutex // guards what follows
	closed  bool
	scratch *scratch // nil until it is first needed
}

// A Merge is what git makes of merging commits.
type Merge struct {
	Clean  bool   // it makes a tree without asking anybody
	Tree   string // the id of that tree; empty unless Clean
	Reason string // why there is none, as the end of a sentence; empty if Clean
}

// Merger returns a merger of the repository's commits. The caller closes it.
func (r *Repo) Merger() *Merger { return &Merger{repo: r} }

// Close removes the scratch repository. It is called when no merge is under
// way; merging afterwards is an error.
func (m *Merger) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.scratch == nil {
		return nil
	}
	dir := m.scratch.dir
	m.scratch = nil
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("closing merger: %w", err)
	}
	return nil
}

// MergeTree merges commits, given by id: what git merge makes with the first
// checked out and the second named. Conflicts are no error, nor are histories
// that have nothing in common, which git refuses to merge. Of more than two
// commits it says only that their merge is not made again: git has no command
// for it that needs no work tree. An object that is missing is an error: it
// could not be told.
func (m *Merger) MergeTree(ctx context.Context, commits []string) (Merge, error) {
	result, err := m.merge(ctx, commits)
	if err != nil {
		return Merge{}, fmt.Errorf("merging %s: %w", strings.Join(commits[:min(len(commits), 2)], " and "), err)
	}
	return result, nil
}

func (m *Merger) merge(ctx context.Context, commits []string) (Merge, error) {
	if err := m.repo.format.checkOIDs(commits...); err != nil {
		return Merge{}, err
	}
	switch {
	case len(commits) < 2:
		return Merge{}, errors.New("a merge is of two commits or more")
	case len(commits) > 2:
		return Merge{Reason: fmt.Sprintf("a merge of %d commits cannot be made again", len(commits))}, nil
	}
	s, err := m.open(ctx)
	if err != nil {
		return Merge{}, err
	}
	return s.merge(ctx, m.repo.format, commits[0], commits[1])
}

// open returns the scratch repository, made on first need.
func (m *Merger) open(ctx context.Context) (*scratch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.New("merger is closed")
	}
	if m.scratch == nil {
		s, err := newScratch(ctx, m.repo)
		if err != nil {
			return nil, fmt.Errorf("making scratch repository: %w", err)
		}
		m.scratch = s
	}
	return m.scratch, nil
}

// A scratch is an empty repository that reads the objects of another.
type scratch struct {
	dir        string
	config     Config
	alternates []byte // for objects/info/alternates
}

func newScratch(ctx context.Context, r *Repo) (*scratch, error) {
	alternates, err := r.objectDirs(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gitseal-merge-")
	if err != nil {
		return nil, err
	}
	config := Config{Dir: dir, Env: ownEnv(r.config.environ()), Git: r.config.Git}
	_, _, err = config.run(ctx, nil, "init", "--quiet", "--bare", "--template=", "--object-format="+string(r.format), ".")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &scratch{dir, config.with("GIT_DIR=" + dir), alternates}, nil
}

// ownEnv returns an environment without what git would take from it for a
// repository that is not its own: only where its programs are remains.
func ownEnv(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		isGits := len(kv) >= 4 && strings.EqualFold(kv[:4], "GIT_") // in any case on Windows
		return isGits && !strings.HasPrefix(kv, "GIT_EXEC_PATH=")
	})
	return append(env,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_ATTR_NOSYSTEM=1",
	)
}

// objectDirs returns the directories that hold the repository's objects, a
// line each, as git reads them in a file of alternates: the alternates as git
// resolved them, because in alternates of alternates it reads no relative
// path.
func (r *Repo) objectDirs(ctx context.Context) ([]byte, error) {
	own, _, err := r.config.run(ctx, nil, "rev-parse", "--path-format=absolute", "--git-path", "objects")
	if err != nil {
		return nil, err
	}
	if strings.Count(string(own), "\n") != 1 {
		return nil, errors.New("the path of the repository's objects contains a newline")
	}
	counts, _, err := r.config.run(ctx, nil, "count-objects", "-v")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(counts)) {
		if path, ok := strings.CutPrefix(line, "alternate: "); ok {
			own = append(own, path...) // quoted as it has to be
		}
	}
	return own, nil
}

// merge runs one merge, whose objects go where nothing is kept.
func (s *scratch) merge(ctx context.Context, f Format, a, b string) (result Merge, err error) {
	objects, err := os.MkdirTemp(s.dir, "merge-")
	if err != nil {
		return Merge{}, err
	}
	defer func() {
		if removeErr := os.RemoveAll(objects); err == nil && removeErr != nil {
			result, err = Merge{}, removeErr
		}
	}()
	info := filepath.Join(objects, "info")
	if err := os.Mkdir(info, 0o700); err != nil {
		return Merge{}, err
	}
	if err := os.WriteFile(filepath.Join(info, "alternates"), s.alternates, 0o600); err != nil {
		return Merge{}, err
	}

	out, clean, err := s.config.with("GIT_OBJECT_DIRECTORY="+objects).ask(ctx,
		"-c", "core.attributesFile="+os.DevNull, "merge-tree", "--write-tree", "--no-messages", a, b)
	var failed *GitError
	switch {
	case exitCode(err, 129): // how git says that it knows no such option
		return Merge{}, fmt.Errorf("git 2.38 or newer is needed: %w", err)
	case errors.As(err, &failed) && failed.Stderr == "refusing to merge unrelated histories": // and nothing else
		return Merge{Reason: "its parents have no history in common"}, nil
	case err != nil:
		return Merge{}, err
	}
	// Conflicts are in a tree, too, which nobody asked for, with their list
	// after it. Without one, the 1 that git ended with says something else.
	tree, rest, whole := strings.Cut(string(out), "\n")
	if !whole || !f.validOID(tree) || clean && rest != "" {
		return Merge{}, fmt.Errorf("git merge-tree answered %q", out[:min(len(out), 100)])
	}
	if !clean {
		return Merge{Reason: "its parents conflict"}, nil
	}
	return Merge{Clean: true, Tree: tree}, nil
}
