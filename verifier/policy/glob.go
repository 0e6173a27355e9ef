package policy

import (
	"errors"
	"fmt"
	"strings"
)

// A glob matches names with levels, such as refs and paths, as gitignore(5)
// describes it: *, ? and [a-z] stay within a level, "**" between slashes
// stands for any levels, \ takes the meaning from what follows. Bytes are
// compared, not letters, as git does.
type glob struct {
	levels []level
}

// A level is what matches one level of a name, or any.
type level struct {
	any  bool   // "**"
	text string // with wildcards if wild
	wild bool
}

// parseGlob parses what stands between the slashes of a pattern. A final "**"
// is for everything below, not for the level above.
func parseGlob(s string) (glob, error) {
	var g glob
	for _, text := range strings.Split(s, "/") {
		switch {
		case text == "":
			return glob{}, errors.New("has nothing between two slashes")
		case text == "." || text == "..":
			return glob{}, fmt.Errorf("has %q, which is in no name", text)
		case text == "**":
			if n := len(g.levels); n == 0 || !g.levels[n-1].any {
				g.levels = append(g.levels, level{any: true})
			}
			continue
		case strings.Contains(text, "**"):
			return glob{}, errors.New(`has "**" beside something else, where it would stand for one level: write "*", or "**/"`)
		}
		if err := checkLevel(text); err != nil {
			return glob{}, err
		}
		g.levels = append(g.levels, level{text: text, wild: strings.ContainsAny(text, `*?[\`)})
	}
	if g.levels[len(g.levels)-1].any {
		g.levels = append(g.levels, level{text: "*", wild: true})
	}
	return g, nil
}

// checkLevel reports what is wrong with the wildcards of a level. What git
// takes for something that never matches is a mistake.
func checkLevel(s string) error {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0:
			return errors.New("has a NUL")
		case '\\':
			if i++; i == len(s) {
				return errors.New(`ends in "\"`)
			}
		case '[':
			n, err := bracket(s[i:])
			if err != nil {
				return err
			}
			i += n - 1
		}
	}
	return nil
}

// bracket returns how long the [set] is that s begins with. Sets are of single
// ASCII characters and ranges of them; a first ! or ^ turns them round.
func bracket(s string) (n int, err error) {
	i := 1
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		i++
	}
	for first := i; i < len(s); i++ {
		switch c := s[i]; {
		case c == ']' && i > first:
			return i + 1, nil
		case c == '[', c == '\\', c == ']', c == '!', c == '^':
			return 0, fmt.Errorf("has %q in a set, which is not supported", c)
		case c <= ' ' || c >= 0x7f:
			return 0, errors.New("has a character in a set that is not visible ASCII")
		}
		if i+2 < len(s) && s[i+1] == '-' && s[i+2] != ']' {
			if s[i+2] < s[i] {
				return 0, fmt.Errorf("has the range %q, which is empty", s[i:i+3])
			}
			i++ // the character behind the - is checked in its turn
		}
	}
	return 0, errors.New(`has a "[" without its "]"`)
}

// inBracket reports whether c is in the [set] that s begins with, and how long
// that is. The set passed its checks.
func inBracket(s string, c byte) (in bool, n int) {
	i := 1
	not := s[i] == '!' || s[i] == '^'
	if not {
		i++
	}
	for ; s[i] != ']'; i++ {
		low, high := s[i], s[i]
		if s[i+1] == '-' && s[i+2] != ']' {
			high = s[i+2]
			i += 2
		}
		in = in || low <= c && c <= high
	}
	return in != not, i + 1
}

// literal returns the name that the glob is for, if that is one.
func (g *glob) literal() (name string, ok bool) {
	texts := make([]string, len(g.levels))
	for i, l := range g.levels {
		if l.any || l.wild {
			return "", false
		}
		texts[i] = l.text
	}
	return strings.Join(texts, "/"), true
}

// match reports whether the glob matches a whole name. Of what "**" could
// stand for it takes the least and comes back for more: the levels between two
// of them leave most to the next where they match first, so only the last
// needs to be tried again.
func (g *glob) match(name string) bool {
	i, at := 0, 0 // level, and offset in name, that are next; past its end: len(name)+1
	again, from := -1, 0
	for at <= len(name) {
		if i < len(g.levels) && g.levels[i].any {
			again, from = i, at
			i++
			continue
		}
		end := at + strings.IndexByte(name[at:], '/')
		if end < at {
			end = len(name)
		}
		if i < len(g.levels) && g.levels[i].match(name[at:end]) {
			i, at = i+1, end+1
			continue
		}
		next := strings.IndexByte(name[from:], '/')
		if again < 0 || next < 0 {
			return false
		}
		from += next + 1
		i, at = again+1, from
	}
	return i == len(g.levels)
}

// match reports whether the level matches one of a name.
func (l *level) match(s string) bool {
	if !l.wild {
		return l.text == s
	}
	p := l.text
	i, at := 0, 0 // what is next in p and in s
	star, from := -1, 0
	for at < len(s) || i < len(p) && p[i] == '*' {
		ok, n := false, 1
		if i < len(p) {
			switch p[i] {
			case '*':
				star, from = i, at
				i++
				continue
			case '?':
				ok = true
			case '[':
				ok, n = inBracket(p[i:], s[at])
			case '\\':
				ok, n = p[i+1] == s[at], 2
			default:
				ok = p[i] == s[at]
			}
		}
		switch {
		case ok:
			i, at = i+n, at+1
		case star < 0:
			return false
		default:
			from++
			i, at = star+1, from
		}
	}
	return i == len(p)
}
