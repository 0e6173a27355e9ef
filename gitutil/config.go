package gitutil

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A ConfigEntry is one setting in git's configuration.
type ConfigEntry struct {
	Key    string // section and variable in lower case, subsection as written
	Value  string
	Scope  string // "system", "global", "local", "worktree" or "command"
	Origin string // where it was set: "file:PATH", "command line", …
	// NoValue marks a key written without "=", which git reads as true
	// where a boolean is wanted and refuses elsewhere.
	NoValue bool
}

// A GitConfig is the part of git's configuration that ReadConfig reads, in
// git's order: a later entry overrides an earlier one with the same key.
type GitConfig struct {
	entries []ConfigEntry
}

// A ConfigError is a setting that cannot be used, and where to correct it.
type ConfigError struct {
	Entry ConfigEntry
	Err   error
}

// Error names the key, where it was set, and what is wrong with it.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("reading %s (set in %s): %v", e.Entry.Key, e.Entry.Origin, e.Err)
}

// Unwrap returns what is wrong with the value.
func (e *ConfigError) Unwrap() error { return e.Err }

// sections are the configuration sections that ReadConfig asks for.
const sections = `^(gitseal|gitsign|user|gpg|commit|tag)\.`

// ReadConfig reads the sections gitseal, gitsign, user, gpg, commit and tag of
// git's configuration, all scopes, includes resolved, by one run of git. It
// works outside a repository too. Having none of them set is no error.
func ReadConfig(ctx context.Context, c Config) (GitConfig, error) {
	out, _, err := c.run(ctx, nil, "config", "--null", "--show-origin", "--show-scope", "--get-regexp", sections)
	if exitCode(err, 1) {
		return GitConfig{}, nil // git's way to say that nothing matched
	}
	if err != nil {
		return GitConfig{}, fmt.Errorf("reading git configuration: %w", err)
	}
	entries, err := parseConfig(out)
	if err != nil {
		return GitConfig{}, fmt.Errorf("reading git configuration: %w", err)
	}
	return GitConfig{entries}, nil
}

// parseConfig parses the output of git config --null --show-origin
// --show-scope:
//
//	scope NUL origin NUL key [ LF value ] NUL
func parseConfig(out []byte) ([]ConfigEntry, error) {
	var entries []ConfigEntry
	for len(out) > 0 {
		var fields [3][]byte
		for i := range fields {
			var ok bool
			if fields[i], out, ok = bytes.Cut(out, []byte{0}); !ok {
				return nil, errors.New("output of git config ends within an entry")
			}
		}
		key, value, hasValue := strings.Cut(string(fields[2]), "\n")
		entries = append(entries, ConfigEntry{
			Key:     key,
			Value:   value,
			Scope:   string(fields[0]),
			Origin:  strings.TrimSuffix(string(fields[1]), ":"), // what is set by "command line:" has no file
			NoValue: !hasValue,
		})
	}
	return entries, nil
}

// Get returns the entry in force for a key: the last one.
func (g GitConfig) Get(key string) (ConfigEntry, bool) {
	all := g.GetAll(key)
	if len(all) == 0 {
		return ConfigEntry{}, false
	}
	return all[len(all)-1], true
}

// GetAll returns every entry for a key, the one in force last.
func (g GitConfig) GetAll(key string) []ConfigEntry {
	key = canonicalKey(key)
	var all []ConfigEntry
	for _, e := range g.entries {
		if e.Key == key {
			all = append(all, e)
		}
	}
	return all
}

// Below returns every entry whose key begins with prefix, which is in lower
// case, in order.
func (g GitConfig) Below(prefix string) []ConfigEntry {
	var found []ConfigEntry
	for _, e := range g.entries {
		if strings.HasPrefix(e.Key, prefix) {
			found = append(found, e)
		}
	}
	return found
}

// String returns the value in force for a key, or unset if there is none. A
// key without a value is an error.
func (g GitConfig) String(key, unset string) (string, error) {
	e, ok := g.Get(key)
	if !ok {
		return unset, nil
	}
	e.Key = key // in the capitals that people know it by
	if e.NoValue {
		return "", &ConfigError{e, errors.New("missing value")}
	}
	return e.Value, nil
}

// Bool returns the boolean in force for a key, or unset if there is none, by
// git's rules: true, yes, on, a number that is not zero, or no value at all;
// false, no, off, zero, or an empty value. Anything else is an error.
func (g GitConfig) Bool(key string, unset bool) (bool, error) {
	e, ok := g.Get(key)
	if !ok {
		return unset, nil
	}
	e.Key = key
	if e.NoValue {
		return true, nil
	}
	switch strings.ToLower(e.Value) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off", "":
		return false, nil
	}
	n, err := parseInt(e.Value)
	if err != nil {
		return false, &ConfigError{e, fmt.Errorf("bad boolean value %q", e.Value)}
	}
	return n != 0, nil
}

// parseInt parses a number as git's git_parse_int does: decimal, octal or
// hexadecimal, with an optional unit of k, m or g, within 32 bits.
func parseInt(s string) (int64, error) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	shift := 0
	if s != "" {
		switch s[len(s)-1] {
		case 'k', 'K':
			shift = 10
		case 'm', 'M':
			shift = 20
		case 'g', 'G':
			shift = 30
		}
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	// Base 0 would take 0b, 0o and underscores too, which C does not.
	digits := strings.ToLower(strings.TrimLeft(s, "+-"))
	if strings.Contains(s, "_") || strings.HasPrefix(digits, "0b") || strings.HasPrefix(digits, "0o") {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseInt(s, 0, 32)
	if err != nil {
		return 0, err
	}
	if n = n << shift; n > math.MaxInt32 || n < math.MinInt32 {
		return 0, strconv.ErrRange
	}
	return n, nil
}

// canonicalKey returns a key as git prints it: section and variable in lower
// case, subsection as it is.
func canonicalKey(key string) string {
	first, last := strings.IndexByte(key, '.'), strings.LastIndexByte(key, '.')
	if first < 0 {
		return strings.ToLower(key)
	}
	return strings.ToLower(key[:first]) + key[first:last] + strings.ToLower(key[last:])
}
