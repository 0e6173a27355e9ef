package policy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// parsePaths parses patterns that have to be good.
func parsePaths(t testing.TB, patterns ...string) paths {
	t.Helper()
	var ps paths
	for _, s := range patterns {
		p, err := parsePath(s)
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	return ps
}

// pathCases are patterns, the paths that they match, and paths that they do
// not, all without submodules: as git has it.
var pathCases = []struct{ patterns, match, not string }{
	{"infra/**", "infra/a infra/a/b", "infra x/infra/a infrax/a"},
	{"/infra", "infra infra/a infra/a/b", "x/infra infrax xinfra"},
	{"infra", "infra x/infra x/infra/y infra/a", "infrax xinfra x/infrax"},
	{"/infra/", "infra/a infra/a/b", "x/infra/a infrax/a"},
	{"*.go", "a.go x/a.go .go a.go/b", "a.gox a.g go"},
	{"/*.go", "a.go", "x/a.go"},
	{"*", "a a/b .a", ""},
	{"**", "a a/b .a", ""},
	{"/**", "a a/b", ""},
	{"**/", "a/b a/b/c", ""},
	{"/*/", "a/b", ""},
	{"a/*", "a/b a/b/c", "a b/a/c x/a/b"},
	{"a/**/b", "a/b a/x/b a/x/y/b a/b/c a/x/b/c", "a x/a/b ab a/xb"},
	{"**/a/b", "a/b x/a/b x/y/a/b a/b/c", "a b/a"},
	{"**/a/**", "a/b x/a/b x/a/b/c", "a x/a"},
	{"a/**/b/**/c", "a/b/c a/x/b/c a/b/x/c a/b/b/c a/x/b/y/b/c a/b/c/c", "a/c a/b b/c x/a/b/c"},
	{"a?c", "abc a/abc x/a.c abc/x", "ac a/c abbc"},
	{"a[b-d]c", "abc adc", "aac aec a/c a-c"},
	{"a[!b-d]c", "aac a-c", "abc a/c ac"},
	{"a[^b]c", "aac", "abc"},
	{"a[b-]c", "abc a-c", "aac"},
	{"a[-b]c", "abc a-c", "aac"},
	{"a[b-dx]c", "abc axc", "aec"},
	{`a\*c`, "a*c", "abc"},
	{`\!a`, "!a x/!a", "a"},
	{`\#a`, "#a", "a"},
	{"a*b*c", "abc axbxc abbcc aXbYc", "ab ac acb axb"},
	{"*a*", "a xa ax xax b/a", "b"},
	{"*a*b", "ab aab abab xayb", "a ba aba"},
	{"infra/** !infra/doc/**", "infra/a infra/doc infra/doc/a infra/x/doc/a", "x"}, // what is in a folder that matches stays
	{"infra/* !infra/doc", "infra/a infra/x/doc", "infra/doc infra/doc/a"},
	{"infra/ !infra/doc/a", "infra/doc/a infra/b", "x"},
	{"*.key !*.pub.key", "a.key x/a.key", "a.pub.key x/a.pub.key"},
	{"*.key !*.pub.key x.pub.key", "x.pub.key", "a.pub.key"},
	{"!a", "", "a b"},
	{"!a a", "a", "b"},
	{"a !a", "", "a b a/b"},
	{"é", "é x/é", "e"},
	{"?", "a x/a", "é ab"}, // bytes
}

func TestPathsMatch(t *testing.T) {
	for _, tt := range pathCases {
		ps := parsePaths(t, strings.Fields(tt.patterns)...)
		for want, list := range map[bool]string{true: tt.match, false: tt.not} {
			for _, path := range strings.Fields(list) {
				if got := ps.match(path); got != want {
					t.Errorf("%s: match(%s) = %v, want %v", tt.patterns, path, got, want)
				}
			}
		}
	}
}

func TestFolderPatternsMatchWhatMayBeFolders(t *testing.T) {
	if !parsePaths(t, "/infra/").match("infra") {
		t.Error("/infra/ does not match a submodule or symbolic link of that name")
	}
	if !parsePaths(t, "infra", "!infra/").match("infra") {
		t.Error("!infra/ takes out a file of that name")
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, s := range []string{"", "/", "//", "!", "!/", "a//b", "//a", "a/./b", "../a", "a/..", "***", "a**", "**b", "a/b**/c",
		"#a", "a ", "a[", "a[]", "a[b", "[!]", "[]a]", "[a/b]", "[[:alpha:]]", "[b-a]", `[\]]`, "[é]", `a\`, "a\x00b"} {
		if p, err := parsePath(s); err == nil || !strings.HasPrefix(err.Error(), "paths ") {
			t.Errorf("parsePath(%q) = %v, %v, want an error", s, p, err)
		}
	}
}

func TestMatchingTakesLittleTime(t *testing.T) {
	stars := parsePaths(t, strings.Repeat("a*", 500)+"b", strings.Repeat("a/**/", 500)+"b")
	path := strings.Repeat("a", 4000) + strings.Repeat("/a", 500)
	done := make(chan bool)
	go func() { done <- stars.match(path) }()
	select {
	case got := <-done:
		if got {
			t.Error("match = true, want false")
		}
	case <-time.After(time.Minute):
		t.Fatal("matching takes more than a minute, as if it tried all ways")
	}
}

// gitIgnores asks git which of the paths, none of which exist, the patterns
// match, as a gitignore file.
func gitIgnores(t testing.TB, dir string, patterns, names []string) map[string]bool {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(strings.Join(patterns, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "-C", dir, "-c", "core.ignoreCase=false", "check-ignore", "--no-index", "-z", "--stdin")
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	cmd.Stdin = strings.NewReader(strings.Join(names, "\x00") + "\x00")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 1 {
		t.Fatalf("git check-ignore: %v: %s", err, stderr.String())
	}
	ignored := make(map[string]bool)
	for _, name := range strings.Split(string(out), "\x00") {
		ignored[name] = true
	}
	return ignored
}

// newRepository makes an empty repository, or skips where there is no git.
func newRepository(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed, whose reading of gitignore this is compared with")
	}
	dir := t.TempDir()
	cmd := exec.Command("git", "init", "-q", "--template=", dir)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	return dir
}

func TestPathsMatchAsGitDoes(t *testing.T) {
	dir := newRepository(t)
	for _, tt := range pathCases {
		patterns := strings.Fields(tt.patterns)
		names := slices.Concat(strings.Fields(tt.match), strings.Fields(tt.not))
		ignored := gitIgnores(t, dir, patterns, names)
		for _, name := range names {
			if want := slices.Contains(strings.Fields(tt.match), name); ignored[name] != want {
				t.Errorf("git has %q match %s: %v, want %v", patterns, name, ignored[name], want)
			}
		}
	}
}

// FuzzPaths compares with git, where patterns for folders cannot differ: see
// paths.match.
func FuzzPaths(f *testing.F) {
	for _, tt := range pathCases {
		f.Add(strings.ReplaceAll(strings.TrimSpace(tt.patterns), " ", "\n"), strings.ReplaceAll(strings.TrimSpace(tt.match+" "+tt.not), " ", "\n"))
	}
	dir := newRepository(f)
	f.Fuzz(func(t *testing.T, patterns, list string) {
		var names []string
		for _, name := range strings.Split(list, "\n") {
			levels := strings.Split(name, "/")
			bad := func(s string) bool {
				return s == "" || s == "." || s == ".." || strings.HasPrefix(s, ".git") || len(s) > 100
			}
			if !strings.ContainsAny(name, "\x00\r") && !strings.HasPrefix(name, ":") && !slices.ContainsFunc(levels, bad) && len(name) < 500 {
				names = append(names, name)
			}
		}
		var good, folders []string
		var ps paths
		for _, s := range strings.Split(patterns, "\n") {
			p, err := parsePath(s)
			if err != nil || strings.ContainsAny(s, "\r") || strings.HasPrefix(s, "\ufeff") {
				continue
			}
			good, ps = append(good, s), append(ps, p)
			if p.folder {
				folders = append(folders, s)
			}
		}
		if len(names) == 0 || len(good) == 0 {
			return
		}
		ignored := gitIgnores(t, dir, good, names)
		for _, name := range names {
			got := ps.match(name)
			if got != ignored[name] && (len(folders) == 0 || !got) {
				t.Errorf("%q: match(%q) = %v, git says %v", good, name, got, ignored[name])
			}
		}
	})
}

func BenchmarkPaths(b *testing.B) {
	ps := parsePaths(b, "infra/**", "*.key", "/deploy/", "**/secrets/*", "!deploy/README.md")
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("src/package-%d/internal/file-%d.go", i%37, i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if slices.ContainsFunc(names, ps.match) {
			b.Fatal("a path matches")
		}
	}
}
