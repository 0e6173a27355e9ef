package policy

import (
	"errors"
	"fmt"
	"strings"
)

// A pathPattern is one pattern of a rule's paths, a line of gitignore(5).
type pathPattern struct {
	glob   glob
	not    bool // "!": takes out what a pattern before it matched
	folder bool // "/" at the end
}

// parsePath parses a pattern for paths. Where gitignore's reading of a line
// depends on it being a line, as of "#" and spaces at the end, or is a pattern
// that never matches, it is refused.
func parsePath(s string) (pathPattern, error) {
	p, rest := pathPattern{}, s
	rest, p.not = strings.CutPrefix(rest, "!")
	rest, p.folder = strings.CutSuffix(rest, "/")
	anchored := strings.Contains(rest, "/")
	err := error(nil)
	switch {
	case strings.HasPrefix(s, "#"):
		err = errors.New(`begins with "#", which begins a comment in gitignore files: write "\#"`)
	case strings.HasSuffix(s, " "):
		err = errors.New("ends in a space")
	default:
		p.glob, err = parseGlob(strings.TrimPrefix(rest, "/"))
	}
	if err != nil {
		return pathPattern{}, fmt.Errorf("paths %q %w", s, err)
	}
	if !anchored && !p.glob.levels[0].any {
		p.glob.levels = append([]level{{any: true}}, p.glob.levels...)
	}
	return p, nil
}

// paths are the patterns of a rule, in their order.
type paths []pathPattern

// match reports whether the patterns match a path: the last that matches it,
// or, since what is in a folder that matches cannot be taken out again, that
// of a folder above it, decides.
//
// A path may be a submodule or a symbolic link, which could be a folder as
// well as a file. So a pattern for folders matches it, and one that takes
// folders out does not.
func (ps paths) match(path string) bool {
	for i := range len(path) {
		if path[i] == '/' && ps.level(path[:i], true) {
			return true
		}
	}
	return ps.level(path, false)
}

// level reports what the last pattern says that matches a path itself.
func (ps paths) level(path string, folder bool) bool {
	for i := len(ps) - 1; i >= 0; i-- {
		if p := &ps[i]; (folder || !p.folder || !p.not) && p.glob.match(path) {
			return !p.not
		}
	}
	return false
}
