package gitutil

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Repo is a git repository that can be read. Its methods may be called from
// several goroutines at once.
type Repo struct {
	config    Config
	format    Format
	gitDir    string
	commonDir string
	shallow   bool
	grafted   bool
	replaced  bool
	promisor  bool
}

// Open finds the repository that git finds from the configuration: from Dir
// upwards, or where GIT_DIR says. The error wraps [ErrNotRepository] if there
// is none and [ErrNoGit] if git cannot be run.
func Open(ctx context.Context, c Config) (*Repo, error) {
	r, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("opening repository: %w", err)
	}
	return r, nil
}

func open(ctx context.Context, c Config) (*Repo, error) {
	out, _, err := c.run(ctx, nil, "rev-parse", "--is-shallow-repository", "--show-object-format",
		"--path-format=absolute", "--git-dir", "--git-common-dir")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != 4 {
		return nil, errors.New("the path of the repository contains a newline")
	}
	r := &Repo{
		config:    c,
		format:    Format(lines[1]),
		gitDir:    lines[2],
		commonDir: lines[3],
		shallow:   lines[0] == "true",
	}
	if r.format.hexLen() == 0 {
		return nil, fmt.Errorf("unknown object format %q", r.format)
	}
	if r.promisor, err = c.hasPromisor(ctx); err != nil {
		return nil, err
	}
	if out, _, err = c.run(ctx, nil, "for-each-ref", "--count=1", "--format=%(refname)", "refs/replace/"); err != nil {
		return nil, err
	}
	r.replaced = len(out) > 0
	r.grafted, err = r.hasGrafts()
	return r, err
}

// hasPromisor reports whether objects may be missing because a remote has
// promised to deliver them.
func (c Config) hasPromisor(ctx context.Context) (bool, error) {
	out, _, err := c.run(ctx, nil, "config", "--null", "--get-regexp", `^(extensions\.partialclone|remote\..*\.promisor)$`)
	if exitCode(err, 1) { // nothing matched
		return false, nil
	}
	return len(out) > 0, err
}

// hasGrafts reports whether the repository has a grafts file with anything in
// it, where git itself would look for one.
func (r *Repo) hasGrafts() (bool, error) {
	name := filepath.Join(r.commonDir, "info", "grafts")
	env := r.config.Env
	if env == nil {
		env = os.Environ()
	}
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, "GIT_GRAFT_FILE="); ok {
			name = value
			if !filepath.IsAbs(name) {
				name = filepath.Join(r.config.Dir, name)
			}
		}
	}
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return info.Size() > 0, nil
}

// ObjectFormat returns the repository's object format.
func (r *Repo) ObjectFormat() Format { return r.format }

// Config returns what was given to Open.
func (r *Repo) Config() Config { return r.config }

// Dir returns the directory git runs in, as it was given to Open.
func (r *Repo) Dir() string { return r.config.Dir }

// GitDir returns the absolute path of the git directory: of a linked
// worktree, its own.
func (r *Repo) GitDir() string { return r.gitDir }

// CommonDir returns the absolute path of the git directory that all worktrees
// of the repository share. It identifies the repository.
func (r *Repo) CommonDir() string { return r.commonDir }

// Shallow reports whether history was cut off when it was fetched.
func (r *Repo) Shallow() bool { return r.shallow }

// Grafted reports whether the repository has a grafts file, by which git
// would show parents that no commit names. Reading here ignores it.
func (r *Repo) Grafted() bool { return r.grafted }

// Replaced reports whether the repository has replace refs, by which git
// would show one object in the place of another. Reading here ignores them.
func (r *Repo) Replaced() bool { return r.replaced }

// PartialClone reports whether objects may be missing because a remote
// promised to deliver them. Reading here never asks it to.
func (r *Repo) PartialClone() bool { return r.promisor }
