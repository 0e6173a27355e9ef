package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/fakeca"
)

// scriptCommands are the commands of scripts. An argument called TEXT may hold
// the escapes of Go string literals, such as \n and \x00.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"repo":       cmdRepo,
	"setenv":     cmdSetenv,
	"let":        cmdLet,
	"write":      cmdWrite,
	"edit":       cmdEdit,
	"twice":      cmdTwice,
	"tamper":     cmdTamper,
	"fixture":    cmdFixture,
	"faults":     cmdFaults,
	"attach":     cmdAttach,
	"flips":      cmdFlips,
	"take-apart": cmdTakeApart,
	"authority":  cmdAuthority,
	"code":       cmdCode,
	"complains":  cmdComplains,
	"grade":      cmdGrade,
	"status":     cmdStatus,
	"suspicious": cmdSuspicious,
	"tufrepo":    cmdTufrepo,
}

// want fails the script unless the number of arguments is right.
func want(ts *testscript.TestScript, neg bool, args []string, least, most int, usage string) {
	if neg || len(args) < least || len(args) > most {
		ts.Fatalf("usage: %s", usage)
	}
}

// unescape returns the bytes that a TEXT stands for.
func unescape(ts *testscript.TestScript, arg string) string {
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(arg, `"`, `\"`) + `"`)
	if err != nil {
		ts.Fatalf("%q: %v", arg, err)
	}
	return text
}

// runCode runs a program and returns its exit code. What it printed is what the
// script sees as stdout and stderr.
func runCode(ts *testscript.TestScript, name string, args ...string) int {
	err := ts.Exec(name, args...)
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	ts.Fatalf("%s: %v", name, err)
	return -1
}

// git runs git, which has to succeed, and returns what it printed.
func git(ts *testscript.TestScript, args ...string) string {
	ts.Check(ts.Exec("git", args...))
	return ts.ReadFile("stdout")
}

// repo DIR makes a repository that gitseal is set up in, and goes there.
func cmdRepo(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "repo DIR")
	git(ts, "init", "-q", args[0])
	ts.Check(ts.Chdir(args[0]))
	ts.Check(ts.Exec("gitseal", "init"))
}

// setenv NAME TEXT sets a variable.
func cmdSetenv(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "setenv NAME TEXT")
	ts.Setenv(args[0], unescape(ts, args[1]))
}

// let NAME PROGRAM ARG… sets a variable to what a program prints.
func cmdLet(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, len(args), "let NAME PROGRAM ARG…")
	ts.Check(ts.Exec(args[1], args[2:]...))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// write FILE TEXT [COUNT] writes a file of text, COUNT times over.
func cmdWrite(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 3, "write FILE TEXT [COUNT]")
	count := 1
	if len(args) == 3 {
		var err error
		count, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	text := []byte(unescape(ts, args[1]))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat(text, count), 0o644))
}

// edit FILE OLD NEW OTHER writes a copy of a file in which the TEXT OLD, where
// it stands first, is the TEXT NEW.
func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 4, 4, "edit FILE OLD NEW OTHER")
	text := replace(ts, ts.ReadFile(args[0]), args[1], args[2])
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), []byte(text), 0o644))
}

// twice FILE MEMBER OTHER writes a copy of a JSON document in which the first
// element of an array stands twice.
func cmdTwice(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, 3, "twice FILE MEMBER OTHER")
	var doc map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	var elements []json.RawMessage
	ts.Check(json.Unmarshal(doc[args[1]], &elements))
	var err error
	doc[args[1]], err = json.Marshal(append(elements, elements[0]))
	ts.Check(err)
	data, err := json.Marshal(doc)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data, 0o644))
}

// replace replaces the TEXT old in s, which has to be there.
func replace(ts *testscript.TestScript, s, old, replacement string) string {
	old = unescape(ts, old)
	if !strings.Contains(s, old) {
		ts.Fatalf("%q is not there", old)
	}
	return strings.Replace(s, old, unescape(ts, replacement), 1)
}

// authority DIR TIME [v1] makes an authority that begins at an RFC 3339 time,
// with a log of Rekor v2 or of v1.
func cmdAuthority(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 3, "authority DIR TIME [v1]")
	var log fakeca.Generation
	if len(args) == 3 && args[2] == "v1" {
		log = fakeca.RekorV1
	}
	at, err := time.Parse(time.RFC3339, args[1])
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o700))
	a, err := fakeca.Create(ts.MkAbs(args[0]), fakeca.Config{Clock: func() time.Time { return at }, Log: log})
	ts.Check(err)
	ts.Check(a.Close())
}

// code N PROGRAM ARG… runs a program, which has to exit with that code.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, len(args), "code N PROGRAM ARG…")
	if got := runCode(ts, args[1], args[2:]...); strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s: exit code %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// complains PATTERN [HINT…] fails unless stderr is one line "gitseal: …" that
// matches, and after it, for each HINT, a line "hint: …" that matches. Nothing
// else may stand there, except the status lines that git asked for.
func cmdComplains(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, len(args), "complains PATTERN [HINT…]")
	var lines []string
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if !strings.HasPrefix(line, "[GNUPG:] ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(lines) != len(args) {
		ts.Fatalf("%d lines on stderr, want %d", len(lines), len(args))
	}
	for i, pattern := range args {
		prefix := "hint: "
		if i == 0 {
			prefix = "gitseal: "
		}
		text, ok := strings.CutPrefix(lines[i], prefix)
		if !ok || !regexp.MustCompile(pattern).MatchString(text) || strings.HasSuffix(text, ".") {
			ts.Fatalf("%q does not begin with %q, or match %q, or ends in a full stop", lines[i], prefix, pattern)
		}
	}
}

// parallel N PROGRAM ARG… is a program that runs another N times at once, with
// the number of the run, from 1, for each {} in an argument. It prints what
// fails.
func parallel() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	failed := make([]bool, n)
	for i := range n {
		wg.Go(func() {
			var args []string
			for _, arg := range os.Args[3:] {
				args = append(args, strings.ReplaceAll(arg, "{}", strconv.Itoa(i+1)))
			}
			if out, err := exec.Command(os.Args[2], args...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "run %d: %v: %s\n", i+1, err, out)
				failed[i] = true
			}
		})
	}
	wg.Wait()
	if slices.Contains(failed, true) {
		os.Exit(1)
	}
}
