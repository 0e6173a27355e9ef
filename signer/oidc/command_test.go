package oidc

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// commandOf returns the source with the command line.
func commandOf(line string) command {
	cfg := surroundings(nil, nil)
	cfg.TokenCommand = line
	return command{cfg, time.Minute}
}

func TestCommand(t *testing.T) {
	token := testToken(t, nil)
	s := commandOf("echo " + token)
	setProgram(t, s.cfg, "echo")
	checkToken(t, s, token)
	if s.Key() == commandOf("echo x").Key() {
		t.Error("another command: got the same key")
	}
	if err := commandOf("").Available(); err == nil || err.Error() != "gitseal.tokenCommand is not set" {
		t.Errorf("no command: got %v, want that none is set", err)
	}
}

func TestCommandRunsNoShell(t *testing.T) {
	s := commandOf(`echo $HOME * ; "a b" 'c"d' ` + "`id` >x")
	setProgram(t, s.cfg, "echo")
	words, err := SplitCommand(s.cfg.TokenCommand)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.cfg.run(t.Context(), words)
	if want := "$HOME\n*\n;\na b\nc\"d\n`id`\n>x"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestCommandReadsNothing(t *testing.T) {
	s := commandOf("look")
	setProgram(t, s.cfg, "look", "TEST_SET=here")
	got, err := s.cfg.run(t.Context(), []string{"look"})
	if want := "0<nil>here"; err != nil || strings.ReplaceAll(got, " ", "") != want {
		t.Errorf("got %q, %v, want nothing to read, and the environment: %q", got, err, want)
	}
}

func TestCommandFailures(t *testing.T) {
	token := testToken(t, nil)
	for name, tt := range map[string]struct{ line, program, want string }{
		"no program":        {"nothing", "echo", `gitseal.tokenCommand: program "nothing": executable file not found in`},
		"relative":          {"./token", "./token", `program "./token": neither a name to look for in PATH nor a whole path`},
		"relative, Windows": {`bin\token`, `bin\token`, `program "bin\\token": neither a name`},
		"no quote":          {"echo 'x", "echo", "gitseal.tokenCommand: a ' without its end in the command"},
		"spaces":            {"  ", "echo", "gitseal.tokenCommand: no program in the command"},
		"prints nothing":    {"echo", "echo", "gitseal.tokenCommand: empty"},
		"prints no token":   {"echo s3cret", "echo", "gitseal.tokenCommand: the identity token is not a JSON web token"},
		"other's token":     {"echo " + testToken(t, map[string]any{"aud": "x"}), "echo", `gitseal.tokenCommand: the identity token is for audience "x", want "sigstore"`},
		"says why":          {`fail "not  logged\in" x`, "fail", `gitseal.tokenCommand: program "fail": exit status 3: not logged\in`},
		"says nothing":      {`fail "" x`, "fail", `gitseal.tokenCommand: program "fail": exit status 3`},
		"tells a token":     {`fail "got ` + token + ` there" x`, "fail", "exit status 3: got [redacted]."},
		"tells its output":  {`fail "got s3cret:" s3cret`, "fail", "exit status 3: got [redacted]:"},
		"tells a key":       {`fail "key ` + strings.Repeat("Ab9_", 9) + `" x`, "fail", "exit status 3: key [redacted]"},
		"floods":            {"flood", "flood", `program "flood": more than 65536 bytes of output, which is no token`},
		"chatters":          {`fail "` + strings.Repeat("why ", 2000) + `" x`, "fail", "exit status 3: why why"},
	} {
		t.Run(name, func(t *testing.T) {
			s := commandOf(tt.line)
			setProgram(t, s.cfg, tt.program)
			if err := s.Available(); err != nil {
				t.Errorf("Available: got %v, want nil: it was set", err)
			}
			checkRefused(t, s, tt.want)
			if _, err := s.Grant(t.Context()); len(err.Error()) > 1000 {
				t.Errorf("got an error of %d bytes, want a short one", len(err.Error()))
			}
		})
	}
}

// awaitCall returns the variable by which the program hang finds the test, and
// its connection, once it calls.
func awaitCall(t *testing.T) (environ string, called <-chan net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := make(chan net.Conn, 1)
	go func() {
		defer close(c)
		if conn, err := listener.Accept(); err == nil {
			c <- conn
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		if conn := <-c; conn != nil {
			conn.Close()
		}
	})
	return "TEST_ADDRESS=" + listener.Addr().String(), c
}

func TestCommandEndsWithContext(t *testing.T) {
	environ, called := awaitCall(t)
	s := commandOf("hang")
	setProgram(t, s.cfg, "hang", environ)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var program net.Conn
	go func() {
		program = <-called
		cancel()
	}()
	_, err := s.Grant(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	checkError(t, err, `gitseal.tokenCommand: program "hang": context canceled`)
	defer program.Close()
	if n, err := program.Read(make([]byte, 1)); err == nil {
		t.Errorf("got %d bytes of the program, want that it is gone", n)
	}
}

// TestCommandEndsByItself: nobody may be there whom it asks, and the caller sets
// no end.
func TestCommandEndsByItself(t *testing.T) {
	environ, _ := awaitCall(t)
	s := commandOf("hang")
	setProgram(t, s.cfg, "hang", environ)
	for _, s := range Sources(*s.cfg) {
		if c, ok := s.(command); ok && c.patience != 5*time.Minute {
			t.Errorf("a program has %s, want five minutes", c.patience)
		}
	}
	s.patience = 50 * time.Millisecond
	_, err := s.Grant(t.Context())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want one about the deadline", err)
	}
	checkError(t, err, `gitseal.tokenCommand: no answer within 50ms: program "hang": `)
}

func TestCommandLeavesChildBehind(t *testing.T) {
	environ, _ := awaitCall(t)
	token := testToken(t, nil)
	s := commandOf("leave")
	setProgram(t, s.cfg, "leave", environ, "TEST_TOKEN_sigstore="+token)
	checkToken(t, s, token)
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"no login: run \"x login\"", "no login: run \"x login\""},
		{"a\n\tb\x1b[31m c\r\n", "a b [31m c"},
		{"token eyJhbGciOiJub25lIn0.eyJ9.x!", "token [redacted].[redacted].x!"},
		{"key=" + strings.Repeat("a", 29) + " id=" + strings.Repeat("b", 29), "[redacted] id=" + strings.Repeat("b", 29)},
		{strings.Repeat("c", 32) + " " + strings.Repeat("d", 33), strings.Repeat("c", 32) + " [redacted]"},
		{"password hunter2, hunter2x", "password [redacted], [redacted]x"},
		{"hi", "hi"},
		{"\xff", "\ufffd"},
	} {
		if got := redact(tt.text, "hunter2", "hi"); got != tt.want {
			t.Errorf("redact(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestProgramIsLookedForInPath(t *testing.T) {
	const name = "gitseal-test-no-such-program"
	_, err := (&Config{}).run(t.Context(), []string{name})
	if !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v, want %v", err, exec.ErrNotFound)
	}
}

func TestSplitCommand(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"a", []string{"a"}},
		{" a\tb  c ", []string{"a", "b", "c"}},
		{`a "b c" 'd e'`, []string{"a", "b c", "d e"}},
		{`a"b"'c'd`, []string{"abcd"}},
		{`a "" ''`, []string{"a", "", ""}},
		{`x "a\"b\\c\d"`, []string{"x", `a"b\c\d`}},
		{`x 'a\'`, []string{"x", `a\`}},
		{`x C:\bin\x.exe "C:\Program Files\y"`, []string{"x", `C:\bin\x.exe`, `C:\Program Files\y`}},
		{`a "'" '"'`, []string{"a", "'", `"`}},
		{"a $(b) | c > d; e & # f", []string{"a", "$(b)", "|", "c", ">", "d;", "e", "&", "#", "f"}},
		{"a é\u00a0ü", []string{"a", "é\u00a0ü"}},
	} {
		got, err := SplitCommand(tt.line)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("SplitCommand(%q) = %q, %v, want %q", tt.line, got, err, tt.want)
		}
	}
	for line, want := range map[string]string{
		"":         "no program in the command",
		" \t":      "no program in the command",
		`""`:       "no program in the command",
		`'' a`:     "no program in the command",
		`a "b`:     "a \" without its end in the command",
		`a "b\"`:   "a \" without its end in the command",
		`a 'b`:     "a ' without its end in the command",
		"a\nb":     "a control character in the command",
		"a '\x00'": "a control character in the command",
		"a \u0085": "a control character in the command",
		"a \xff":   "the command is not UTF-8",
		"./a b":    `program "./a": neither a name to look for in PATH nor a whole path`,
		`"b/a" b`:  `program "b/a": neither a name to look for in PATH nor a whole path`,
		`b\a`:      `program "b\\a": neither a name to look for in PATH nor a whole path`,
	} {
		got, err := SplitCommand(line)
		if err == nil || err.Error() != want {
			t.Errorf("SplitCommand(%q) = %q, %v, want error %q", line, got, err, want)
		}
	}
}

// quote writes a word so that SplitCommand reads it.
func quote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

func FuzzSplitCommand(f *testing.F) {
	for _, line := range []string{
		"a", `a "b c" 'd e'`, `"a\"b\\c\d"`, `C:\x "y\\"`, "", `'`, "a\tb", "a\n", "a \xff", `a""''b`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := SplitCommand(line)
		if err != nil {
			return
		}
		var quoted []string
		size := 0
		for _, word := range words {
			quoted = append(quoted, quote(word))
			size += len(word)
		}
		again, err := SplitCommand(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Errorf("%q: got %q when quoted, %v, want %q", line, again, err, words)
		}
		if size > len(line) || words[0] == "" {
			t.Errorf("%q: got %q, more than there is, or no program", line, words)
		}
	})
}
