package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseGitCall(t *testing.T) {
	sign := func(key string, fd int, files ...string) *gitCall {
		return &gitCall{sign: true, detach: true, armor: true, key: key, statusFD: fd, files: files}
	}
	verify := func(fd int, files ...string) *gitCall { return &gitCall{verify: true, statusFD: fd, files: files} }
	for _, test := range []struct {
		args string // for words
		want *gitCall
	}{
		{"--status-fd=2 -bsau KEY", sign("KEY", 2)}, // git
		{"--status-fd=1 --verify SIG -", verify(1, "SIG", "-")},
		{"--keyid-format=long --status-fd=1 --verify SIG -", verify(1, "SIG", "-")},
		{"-abu KEY", sign("KEY", 0)}, // jj
		{"--status-fd=1 --verify SIG DATA", verify(1, "SIG", "DATA")},
		{"-bsau KEY --batch --no-tty --status-fd 2 --output -", sign("KEY", 2)}, // EGit
		{"--status-fd 1 --verify SIG -", verify(1, "SIG", "-")},
		{"--locate-keys --with-colons --batch --no-tty KEY", &gitCall{locate: true, files: []string{"KEY"}}},
		{"--keyid-format=long --status-fd 2 -bsau KEY", sign("KEY", 2)}, // gitui and others
		{"-bsau ''", sign("", 0)},
		{"-bsau --status-fd=2", sign("--status-fd=2", 0)}, // as getopt reads it
		{"-bsauKEY", sign("KEY", 0)},
		{"-uKEY -b -s -a", sign("KEY", 0)},
		{"-u KEY -u OTHER -bsa", sign("OTHER", 0)},
		{"--detach-sign --armor --local-user=KEY", sign("KEY", 0)},
		{"--sign --detach-sign --armor --local-user KEY", sign("KEY", 0)},
		{"--local-user= -bsa", sign("", 0)},
		{"-bsa -", sign("", 0, "-")},
		{"--verify -- -sig -", verify(0, "-sig", "-")},
		{"--verify --status-fd=3 -- SIG --data", verify(3, "SIG", "--data")},
	} {
		got, err := parseGitCall(words(test.args))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("parseGitCall(%s) = %+v, %v, want %+v", test.args, got, err, test.want)
		}
	}
}

func TestParseGitCallRefuses(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "want one of -bsa and --verify"},
		{"--status-fd=2", "want one of -bsa and --verify"},
		{"--verify -bsa SIG -", "want one of -bsa and --verify"},
		{"--verify --locate-keys SIG -", "want one of -bsa and --verify"},
		{"-bsau", "option -u wants a value"},
		{"-bsa --local-user", "option --local-user wants a value"},
		{"-bsa --status-fd", "option --status-fd wants a value"},
		{"-bsa --status-fd=", "not a file descriptor"},
		{"-bsa --status-fd=0", "not a file descriptor"},
		{"-bsa --status-fd=-1", "not a file descriptor"},
		{"-bsa --status-fd=+2", "not a file descriptor"},
		{"-bsa --status-fd=2x", "not a file descriptor"},
		{"-bsa --status-fd=99999999999999999999", "not a file descriptor"},
		{"-bsa --status-fd=1", "mix status lines"},
		{"-bsa --output FILE", `not "-"`},
		{"-bsa --output=", `not "-"`},
		{"-bsa FILE", "not from a file"},
		{"-bsa - -", "not from a file"},
		{"-ba -s --textmode", "unknown option --textmode"},
		{"-bsat", "unknown option -t"},
		{"-bsa\xff", "unknown option -"},
		{"-bsa --armor=yes", "unknown option --armor=yes"},
		{"-bsa --BATCH", "unknown option --BATCH"},
		{"-bsa --arm", "unknown option --arm"},
		{"-sau KEY", "only detached, armored"},
		{"-bsu KEY", "only detached, armored"},
		{"--sign", "only detached, armored"},
		{"--verify", "--verify wants"},
		{"--verify SIG", "--verify wants"},
		{"--verify SIG - -", "--verify wants"},
		{"--verify=SIG -", "unknown option --verify=SIG"},
	} {
		got, err := parseGitCall(words(test.args))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("parseGitCall(%s) = %+v, %v, want error with %q", test.args, got, err, test.want)
		}
	}
}

// words splits a line. Two single quotes stand for an empty word.
func words(line string) []string {
	fields := strings.Fields(line)
	for i, field := range fields {
		if field == "''" {
			fields[i] = ""
		}
	}
	return fields
}

// knownWords are the options in words that parseGitCall knows, and whether each
// takes a value.
var knownWords = map[string]bool{
	"--status-fd": true, "--local-user": true, "--keyid-format": true, "--output": true,
	"--verify": false, "--sign": false, "--detach-sign": false, "--armor": false,
	"--locate-keys": false, "--batch": false, "--no-tty": false, "--with-colons": false,
}

// FuzzParseGitCall checks that a call that is accepted asks for one thing that
// is done, and has no word in it that is not understood.
func FuzzParseGitCall(f *testing.F) {
	for _, line := range []string{
		"--status-fd=2 -bsau KEY", "--keyid-format=long --status-fd=1 --verify SIG -", "-abu KEY",
		"-bsau KEY --batch --no-tty --status-fd 2 --output -", "--locate-keys --with-colons --batch --no-tty KEY",
		"--verify -- -sig -", "-bsat", "--textmode", "-u", "-bsa --output FILE",
	} {
		f.Add(strings.ReplaceAll(line, " ", "\x00"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		call, err := parseGitCall(args)
		if err != nil {
			return
		}
		if call.sign && (call.verify || call.locate || !call.detach || !call.armor || call.statusFD == 1) ||
			call.verify && (call.locate || len(call.files) != 2) || call.statusFD < 0 || !call.sign && !call.verify && !call.locate {
			t.Errorf("parseGitCall(%q) = %+v", args, call)
		}
		for i := 0; i < len(args) && args[i] != "--"; i++ {
			arg := args[i]
			name, _, joined := strings.Cut(arg, "=")
			letters, value, hasU := strings.Cut(strings.TrimPrefix(arg, "-"), "u")
			switch takesValue, known := knownWords[name]; {
			case known && takesValue && !joined:
				i++
			case known && takesValue == joined:
			case arg == "-" || !strings.HasPrefix(arg, "-"):
				if !slices.Contains(call.files, arg) {
					t.Errorf("parseGitCall(%q): %q is lost", args, arg)
				}
			case strings.HasPrefix(arg, "--") || strings.Trim(letters, "bsa") != "":
				t.Errorf("parseGitCall(%q) understands %q", args, arg)
			case hasU && value == "":
				i++
			}
		}
	})
}

func TestIsGitCall(t *testing.T) {
	for _, test := range []struct {
		args string
		want bool
	}{
		{"", false},
		{"verify", false},
		{"verify --verify", false},
		{"--help", false},
		{"-h", false},
		{"--", false},
		{"-", false},
		{"''", false},
		{"--status-fd=2 -bsau KEY", true},
		{"-abu KEY", true},
		{"--verify SIG -", true},
		{"--nonsense", true},
	} {
		if got := isGitCall(append([]string{"gitseal"}, words(test.args)...)); got != test.want {
			t.Errorf("isGitCall(%s) = %v, want %v", test.args, got, test.want)
		}
	}
}
