package gitutil

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Pinned returns the environment env for a Config in which the repository is
// that with a git directory, wherever git runs and whatever was to be its
// repository before; configuration that was given on some command line does not
// count.
func Pinned(env []string, gitDir string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains(ofRepository, name) || strings.HasPrefix(name, "GIT_CONFIG_KEY_") || strings.HasPrefix(name, "GIT_CONFIG_VALUE_")
	})
	return append(env, "GIT_DIR="+gitDir)
}

// Accept checks that git takes a directory for the git directory of a repository
// as if one had gone there: that it is one, and is of the user, or of somebody
// whom safe.directory trusts. Who says by GIT_DIR what repository is meant, as
// Pinned does, vouches for it, and git asks no more; yet since a path was noted
// somebody else may have put there what they like.
func Accept(ctx context.Context, env []string, gitDir string) error {
	env = slices.DeleteFunc(Pinned(env, gitDir), func(pair string) bool { return strings.HasPrefix(pair, "GIT_DIR=") })
	at := gitDir
	if filepath.Base(gitDir) == ".git" {
		at = filepath.Dir(gitDir) // by whose name people trust it
	}
	c := Config{Dir: at, Env: append(env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(at),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.bareRepository", "GIT_CONFIG_VALUE_0=all")}
	out, _, err := c.run(ctx, nil, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return fmt.Errorf("looking at repository %s: %w", gitDir, err)
	}
	found, ferr := os.Stat(strings.TrimSuffix(string(out), "\n"))
	want, werr := os.Stat(gitDir)
	if err := errors.Join(ferr, werr); err != nil {
		return fmt.Errorf("looking at repository %s: %w", gitDir, err)
	}
	if !os.SameFile(found, want) {
		return fmt.Errorf("looking at repository %s: %w", gitDir, ErrNotRepository)
	}
	return nil
}

// ofRepository are the variables of git rev-parse --local-env-vars, and those by
// which a hook of a push has what is pushed, and no refs to write to.
var ofRepository = []string{"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_OBJECT_DIRECTORY",
	"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS",
	"GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH"}
