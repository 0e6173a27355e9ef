package gitutil

import (
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

// ofRepository are the variables of git rev-parse --local-env-vars, and those by
// which a hook of a push has what is pushed, and no refs to write to.
var ofRepository = []string{"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_OBJECT_DIRECTORY",
	"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS",
	"GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH"}
