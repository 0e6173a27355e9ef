package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
)

func TestCommandsAreCalledByTheirNames(t *testing.T) {
	for _, c := range commands {
		if made := c.make(new(env)); made.Name != c.name || len(made.Aliases) > 0 {
			t.Errorf("the command %s is called %q", c.name, made.Names())
		}
	}
}

func TestFlagsFirst(t *testing.T) {
	commands := newApp(new(env), nil).Commands
	for _, test := range []struct{ line, want string }{
		{"", ""},
		{"nonsense --flag", "--flag nonsense"},
		{"verify", "verify"},
		{"verify HEAD", "verify HEAD"},
		{"verify --format json HEAD", "verify --format json HEAD"},
		{"verify HEAD --format json", "verify --format json HEAD"},
		{"verify HEAD --format=json v1", "verify --format=json HEAD v1"},
		{"verify HEAD --any-identity v1", "verify --any-identity HEAD v1"},
		{"verify HEAD --policy -x", "verify --policy -x HEAD"},
		{"verify -- --format json", "verify -- --format json"},
		{"verify HEAD -- --format", "verify HEAD -- --format"},
		{"verify -", "verify -"},
		{"verify HEAD --nonsense json", "verify --nonsense HEAD json"},
		{"policy allow a@example.com --issuer https://b", "policy allow --issuer https://b a@example.com"},
		{"policy remove a@example.com --issuer", "policy remove --issuer"}, // for cli to complain of
		{"verify HEAD --policy", "verify --policy"},
	} {
		got := flagsFirst(commands, append([]string{"gitseal"}, words(test.line)...))
		if want := append([]string{"gitseal"}, words(test.want)...); !slices.Equal(got, want) {
			t.Errorf("flagsFirst(%s) = %q, want %q", test.line, got, want)
		}
	}
}

func TestProgramPathIsAbsoluteAndKeepsLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.WriteFile("gitseal-1.0", []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("gitseal-1.0", "gitseal"); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	want := filepath.ToSlash(filepath.Join(dir, "gitseal"))
	t.Setenv("PATH", dir)
	for _, arg0 := range []string{"gitseal", "./gitseal", filepath.Join(dir, "gitseal")} {
		if got := programPath(arg0); got != want {
			t.Errorf("programPath(%q) = %q, want %q", arg0, got, want)
		}
	}
}

func TestEveryErrorHasAnExitCode(t *testing.T) {
	for _, test := range []struct {
		err     error
		code    int
		message string
		hints   int
	}{
		{nil, exitGood, "", 0},
		{quiet(exitFinding), exitFinding, "", 0},
		{usage("no %s", "such"), exitUsage, "no such", 0},
		{fail(exitUnknown, errors.New("lost"), "look", "look again"), exitUnknown, "lost", 2},
		{fmt.Errorf("reading x: %w", usage("bad")), exitUsage, "reading x: bad", 0},
		{fmt.Errorf("opening: %w", gitutil.ErrNoGit), exitUsage, "opening: no git program", 1},
		{fmt.Errorf("opening: %w", gitutil.ErrNotRepository), exitUsage, "opening: not a git repository", 1},
		{fmt.Errorf("opening: %w: %w", gitutil.ErrNotRepository, &gitutil.GitError{Stderr: "not a git repository: x", Err: errors.New("exit 1")}),
			exitUsage, "not a git repository: x", 1},
		{fmt.Errorf("reading: %w", gitutil.ErrMissing), exitUnknown, "reading: missing", 0},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, exitUsage, "open x: file does not exist", 0},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, exitUsage, "open x: permission denied", 0},
		{fmt.Errorf("appending: %w", fakeca.ErrCorrupt), exitEquivocation, "appending: the log contradicts itself", 0},
		{errors.New("whatever"), exitUnknown, "whatever", 0},
	} {
		code, message, hints := exitCode(test.err)
		if code != test.code || message != test.message || len(hints) != test.hints {
			t.Errorf("exitCode(%v) = %d, %q, %q, want %d, %q, %d hints", test.err, code, message, hints, test.code, test.message, test.hints)
		}
	}
}

func TestPanicIsNoVerdict(t *testing.T) {
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close() // only for this test
	// No settings can be read without getenv: a bug, here on purpose.
	code := run([]string{"gitseal", "doctor"}, &env{stdout: stderr, stderr: stderr})
	if code != exitInternal {
		t.Errorf("run = %d, want %d", code, exitInternal)
	}
	text, err := os.ReadFile(stderr.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "gitseal: internal error: ") || strings.Contains(string(text), "[GNUPG:]") {
		t.Errorf("a panic printed %q", text)
	}
}

func TestPrintable(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"alice@example.com", "alice@example.com"},
		{"Älice 愛", "Älice 愛"},
		{"a\nb", `a\x0ab`},
		{"a\r\tb", `a\x0d\x09b`},
		{"\x1b[2J", `\x1b[2J`},
		{"\x00", `\x00`},
		{"\x7f", `\x7f`},
		{"\u0085", `\xc2\x85`},         // a line end to some
		{"a\u202eb", `a\xe2\x80\xaeb`}, // right to left from here
		{"a\u200bb", `a\xe2\x80\x8bb`}, // no width
		{"\u2028", `\xe2\x80\xa8`},     // line separator
		{"\ufeff", `\xef\xbb\xbf`},     // byte order mark
		{"caf\xe9", `caf\xe9`},         // Latin-1
		{"\ufffd", "\ufffd"},           // as it is, for it was there
		{"\xff\xfe", `\xff\xfe`},
	} {
		if got := printable(test.in); got != test.want {
			t.Errorf("printable(%q) = %s, want %s", test.in, got, test.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("alice@example.com")
	f.Add("a\n[GNUPG:] GOODSIG 0 b\r\x1b\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		if strings.ContainsFunc(got, unprintable) || printable(got) != got {
			t.Errorf("printable(%q) = %q", s, got)
		}
		if line := oneLine(s); strings.ContainsAny(line, "\r\n") {
			t.Errorf("oneLine(%q) = %q", s, line)
		}
	})
}

func TestOneLine(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"one", "one"},
		{"one\n", "one"},
		{"one\r\n\n", "one"},
		{"one\ntwo", "one; two"},
		{"one\x07\ntwo\xff", `one\x07; two\xff`},
	} {
		if got := oneLine(test.in); got != test.want {
			t.Errorf("oneLine(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "''"},
		{"alice@example.com", "alice@example.com"},
		{"https://accounts.example.com/x_y-z%20,a=b+c", "https://accounts.example.com/x_y-z%20,a=b+c"},
		{"a b", "'a b'"},
		{"$(rm)", "'$(rm)'"},
		{"a'b", `'a'\''b'`},
		{"*", "'*'"},
		{"~x", "'~x'"},
		{"a#b", "'a#b'"},
		{"é", "'é'"},
		{"a\nb", `'a\x0ab'`},
	} {
		if got := shellWord(test.in); got != test.want {
			t.Errorf("shellWord(%q) = %s, want %s", test.in, got, test.want)
		}
	}
}

func TestEnvName(t *testing.T) {
	for _, test := range []struct{ key, want string }{
		{"gitseal.policy", "GITSEAL_POLICY"},
		{"gitseal.anyIdentity", "GITSEAL_ANY_IDENTITY"},
		{"gitseal.trustedRoot", "GITSEAL_TRUSTED_ROOT"},
		{"gitseal.clientID", "GITSEAL_CLIENT_ID"},
		{"gitseal.timestampServerURL", "GITSEAL_TIMESTAMP_SERVER_URL"},
	} {
		if got := envName(test.key); got != test.want {
			t.Errorf("envName(%s) = %s, want %s", test.key, got, test.want)
		}
	}
}

func TestCount(t *testing.T) {
	for _, test := range []struct {
		n    int
		want string
	}{{0, "0 logs"}, {1, "1 log"}, {2, "2 logs"}} {
		if got := count(test.n, "log", "logs"); got != test.want {
			t.Errorf("count(%d) = %q, want %q", test.n, got, test.want)
		}
	}
}
