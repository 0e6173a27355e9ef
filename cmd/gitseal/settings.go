package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"gitseal/gitutil"
)

// A setting is the value of a configuration key and where it was set.
type setting struct {
	Key    string // "gitseal.policy"
	Value  string
	Source string // "default", "environment GITSEAL_POLICY", or git's origin of the value
}

// isDefault reports whether nobody set the value.
func (s setting) isDefault() bool { return s.Source == "default" }

// settings reads gitseal's configuration: the environment (GITSEAL_POLICY)
// before git's configuration (gitseal.policy) before the default. A value
// that does not parse is an error that names the key and where it was set.
type settings struct {
	git    gitutil.GitConfig
	getenv func(string) string
	asked  []string // the keys that were looked for in git, while assumed
	// assumed is set while git is still read, and nothing in it is known.
	assumed bool
}

// errAssumed ends what must not be done before git's configuration is known.
var errAssumed = errors.New("the configuration is not read yet")

// readSettings reads git's configuration with one child process.
func readSettings(ctx context.Context, e *env) (*settings, error) {
	cfg, err := gitutil.ReadConfig(ctx, gitutil.Config{})
	if err != nil {
		return nil, unusable(err)
	}
	return &settings{git: cfg, getenv: e.getenv}, nil
}

// withSettings reads the settings and returns what f makes of them.
//
// To read git's configuration takes a process, which takes as long as all the
// rest. So meanwhile f is run as if nothing were configured, which is how it
// mostly is; that counts if nothing that f looked for turns out to be set. f
// must change nothing; it returns errAssumed where it would have to.
func withSettings[T any](ctx context.Context, e *env, f func(*settings) (T, error)) (*settings, T, error) {
	var configured *settings
	var configErr error
	read := make(chan struct{})
	go func() {
		defer close(read)
		configured, configErr = readSettings(ctx, e)
	}()
	assumed := &settings{getenv: e.getenv, assumed: true}
	result, err := f(assumed)
	<-read
	if configErr != nil {
		var none T
		return nil, none, configErr
	}
	if !assumed.agree(configured.git) || errors.Is(err, errAssumed) {
		result, err = f(configured)
		return configured, result, err
	}
	// What f returned may hold on to them, and ask for more.
	assumed.git, assumed.assumed = configured.git, false
	return assumed, result, err
}

// config returns git's configuration to look for a key in.
func (s *settings) config(key string) gitutil.GitConfig {
	if s.assumed {
		s.asked = append(s.asked, key)
	}
	return s.git
}

// agree reports whether each key that was looked for in s has the same value
// in git's configuration as it is.
func (s *settings) agree(git gitutil.GitConfig) bool {
	return !slices.ContainsFunc(s.asked, func(key string) bool {
		return !slices.Equal(s.git.GetAll(key), git.GetAll(key))
	})
}

// envName returns the variable that overrides a key: GITSEAL_ANY_IDENTITY for
// gitseal.anyIdentity. Capitals in a row are one word: GITSEAL_CLIENT_ID is for
// gitseal.clientID.
func envName(key string) string {
	var b strings.Builder
	b.WriteString("GITSEAL_")
	capital := true
	for _, r := range strings.TrimPrefix(key, "gitseal.") {
		before := capital
		if capital = r >= 'A' && r <= 'Z'; capital && !before {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToUpper(string(r)))
	}
	return b.String()
}

// lookup returns the setting for a key, or unset.
func (s *settings) lookup(key, unset string) (setting, error) {
	if v := s.getenv(envName(key)); v != "" {
		return setting{key, v, "environment " + envName(key)}, nil
	}
	value, err := s.config(key).String(key, unset)
	if err != nil {
		return setting{}, fail(exitUsage, err)
	}
	if entry, ok := s.git.Get(key); ok {
		return setting{key, value, entry.Origin}, nil
	}
	if theirs, ok := gitsignNames[key]; ok {
		return s.gitsign(theirs, setting{key, unset, "default"})
	}
	return setting{key, unset, "default"}, nil
}

// A gitsignName is what gitsign calls a setting of ours.
type gitsignName struct{ key, variable string }

// gitsignNames are the settings that are taken from gitsign where ours are
// unset. What gitsign sets beside them has no meaning here: see
// docs/sigstore.md.
var gitsignNames = map[string]gitsignName{
	"gitseal.fulcio":             {"gitsign.fulcio", "GITSIGN_FULCIO_URL"},
	"gitseal.rekor":              {"gitsign.rekor", "GITSIGN_REKOR_URL"},
	"gitseal.rekorVersion":       {"gitsign.rekorVersion", "GITSIGN_REKOR_VERSION"},
	"gitseal.issuer":             {"gitsign.issuer", "GITSIGN_OIDC_ISSUER"},
	"gitseal.clientID":           {"gitsign.clientID", "GITSIGN_OIDC_CLIENT_ID"},
	"gitseal.connectorID":        {"gitsign.connectorID", "GITSIGN_CONNECTOR_ID"},
	"gitseal.tokenProvider":      {"gitsign.tokenProvider", "GITSIGN_TOKEN_PROVIDER"},
	"gitseal.timestampServerURL": {"gitsign.timestampServerURL", "GITSIGN_TIMESTAMP_SERVER_URL"},
}

// gitsign returns a setting of gitsign's, or unset.
func (s *settings) gitsign(name gitsignName, unset setting) (setting, error) {
	if v := s.getenv(name.variable); v != "" {
		return setting{name.key, v, "environment " + name.variable}, nil
	}
	value, err := s.config(name.key).String(name.key, "")
	if err != nil {
		return setting{}, fail(exitUsage, err)
	}
	entry, ok := s.git.Get(name.key)
	if !ok || value == "" {
		return unset, nil
	}
	return setting{name.key, value, entry.Origin}, nil
}

// flag returns the setting for a key that is true or false.
func (s *settings) flag(key string, unset bool) (bool, setting, error) {
	name := envName(key)
	if v := s.getenv(name); v != "" {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return false, setting{}, usage("reading %s: %q is not true or false", name, v)
		}
		return b, setting{key, strconv.FormatBool(b), "environment " + name}, nil
	}
	b, err := s.config(key).Bool(key, unset)
	if err != nil {
		return false, setting{}, fail(exitUsage, err)
	}
	origin := "default"
	if entry, ok := s.git.Get(key); ok {
		origin = entry.Origin
	}
	return b, setting{key, strconv.FormatBool(b), origin}, nil
}

// place returns the setting for a key that is a file or directory. Unset, it is
// elem below gitseal in a base directory, for which alone there has to be a home
// directory. "~/" stands for that. A relative path is refused: it would name
// another file in each directory, in a checkout one that its author chose.
func (s *settings) place(key, variable, rest string, elem ...string) (setting, error) {
	v, err := s.lookup(key, "")
	if err != nil {
		return v, err
	}
	if v.isDefault() {
		dir, err := s.baseDir(variable, rest)
		if err != nil {
			return v, err
		}
		v.Value = filepath.Join(append([]string{dir, "gitseal"}, elem...)...)
	}
	v.Value, err = s.absolute(v)
	return v, err
}

// paths returns the settings for a key that may be given several times; in
// the environment they are separated as in PATH. The names are values that are
// no paths.
func (s *settings) paths(key string, names ...string) ([]setting, error) {
	var all []setting
	if v := s.getenv(envName(key)); v != "" {
		for _, one := range filepath.SplitList(v) {
			all = append(all, setting{key, one, "environment " + envName(key)})
		}
	} else {
		for _, entry := range s.config(key).GetAll(key) {
			all = append(all, setting{key, entry.Value, entry.Origin})
		}
	}
	for i := range all {
		if slices.Contains(names, all[i].Value) {
			continue
		}
		var err error
		if all[i].Value, err = s.absolute(all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *settings) absolute(v setting) (string, error) {
	path := v.Value
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usage("reading %s (set in %s): %v", v.Key, v.Source, err)
		}
		path = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(path) {
		return "", usage("reading %s (set in %s): %q is not an absolute path", v.Key, v.Source, v.Value)
	}
	return filepath.Clean(path), nil
}

// baseDir returns where files of a kind belong: $XDG_kind_HOME, or rest below
// the home directory; on Windows below %AppData%.
func (s *settings) baseDir(variable, rest string) (string, error) {
	if dir := s.getenv(variable); filepath.IsAbs(dir) {
		return dir, nil
	}
	if runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", usage("finding the application data directory: %v", err)
		}
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fail(exitUsage, fmt.Errorf("finding the home directory: %w", err),
			"set HOME, or "+variable+" to the directory that is meant")
	}
	return filepath.Join(home, rest), nil
}

// policyFile returns where the user's policy is.
func (s *settings) policyFile() (setting, error) {
	return s.place("gitseal.policy", "XDG_CONFIG_HOME", ".config", "policy.toml")
}

// authorityDir returns where the embedded authority of the local instance is.
func (s *settings) authorityDir() (setting, error) {
	return s.place("gitseal.authority", "XDG_DATA_HOME", filepath.Join(".local", "share"), "authority")
}

// anyIdentity returns whether a valid signature by anyone counts as good when
// no policy is in force.
func (s *settings) anyIdentity() (bool, setting, error) {
	return s.flag("gitseal.anyIdentity", false)
}

// identity returns who the local authority certifies: gitseal.identity, else
// git's user.email, else the address in key, git's name for the signing key
// ("A U Thor <a@example.com>").
func (s *settings) identity(key string) (setting, error) {
	v, err := s.findIdentity(key)
	if err == nil && printable(v.Value) != v.Value {
		return setting{}, usage("reading %s (set in %s): %q is not a line of text", v.Key, v.Source, v.Value)
	}
	return v, err
}

func (s *settings) findIdentity(key string) (setting, error) {
	v, err := s.lookup("gitseal.identity", "")
	if err != nil || v.Value != "" {
		return v, err
	}
	email, err := s.config("user.email").String("user.email", "")
	if err != nil {
		return setting{}, fail(exitUsage, err)
	}
	if email != "" {
		entry, _ := s.git.Get("user.email")
		return setting{"user.email", email, entry.Origin}, nil
	}
	if i := strings.LastIndexByte(key, '<'); i >= 0 && strings.HasSuffix(key, ">") && i+2 < len(key) {
		return setting{"committer", key[i+1 : len(key)-1], "git's -u argument"}, nil
	}
	return setting{}, fail(exitUsage, fmt.Errorf("no identity to sign as: neither gitseal.identity nor user.email is set"),
		`git config --global user.email "you@example.com"`)
}
