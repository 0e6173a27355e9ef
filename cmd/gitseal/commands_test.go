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
	"gitseal/gitutil"
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

// readObject returns an object that is not peeled, as git has it.
func readObject(ts *testscript.TestScript, rev string) (typ, data string) {
	typ = strings.TrimSpace(git(ts, "cat-file", "-t", rev))
	return typ, git(ts, "cat-file", typ, rev)
}

// store writes an object into the repository, however malformed, and sets a
// variable to its id.
func store(ts *testscript.TestScript, name, typ, data string) {
	file := filepath.Join(ts.Getenv("WORK"), "object")
	ts.Check(os.WriteFile(file, []byte(data), 0o644))
	ts.Setenv(name, strings.TrimSpace(git(ts, "hash-object", "-t", typ, "-w", "--literally", file)))
}

// tamper NAME REV OLD NEW makes a copy of an object in which the TEXT OLD,
// where it stands first, is the TEXT NEW, and sets a variable to its id.
func cmdTamper(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 4, 4, "tamper NAME REV OLD NEW")
	typ, data := readObject(ts, args[1])
	store(ts, args[0], typ, replace(ts, data, args[2], args[3]))
}

// openAuthority opens the authority of the script's user.
func openAuthority(ts *testscript.TestScript) *fakeca.Authority {
	dir := ts.Getenv("GITSEAL_AUTHORITY")
	if dir == "" {
		dir = ts.Getenv("AUTHORITY")
	}
	a, err := fakeca.Open(dir, fakeca.Config{})
	ts.Check(err)
	return a
}

// fixture NAME REV [FAULT [SUBJECT]] signs a copy of a commit or tag that is
// not signed, with one thing wrong, and sets a variable to its id.
func cmdFixture(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 4, "fixture NAME REV [FAULT [SUBJECT]]")
	var f fakeca.Fixture
	if len(args) > 2 {
		f.Fault = fakeca.Fault(args[2])
	}
	if len(args) > 3 {
		f.Subject = unescape(ts, args[3])
	}
	typ, data := readObject(ts, args[1])
	a := openAuthority(ts)
	signed := attach(typ, data, a.Sign([]byte(data), f))
	ts.Check(a.Close())
	store(ts, args[0], typ, signed)
}

// attach puts a signature where git puts it.
func attach(typ, data string, armor []byte) string {
	if typ == "tag" {
		return data + string(armor)
	}
	header, message, _ := strings.Cut(data, "\n\n")
	lines := strings.TrimSuffix(string(armor), "\n")
	return header + "\ngpgsig " + strings.ReplaceAll(lines, "\n", "\n ") + "\n\n" + message
}

// faults REV [CLASS] signs a commit with each thing wrong that there is in turn,
// and fails unless git grades each as its class demands.
func cmdFaults(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "faults REV")
	_, data := readObject(ts, args[0])
	a := openAuthority(ts)
	for _, fault := range fakeca.Faults() {
		if !fault.In(a.Generation()) || fault == fakeca.TextBeforeBegin { // git itself refuses the latter
			continue
		}
		store(ts, "FAULT", "commit", attach("commit", data, a.Sign([]byte(data), fakeca.Fixture{Fault: fault})))
		letter := map[string]string{"verified": "G", "bad-signature": "B"}[fault.Class()]
		if letter == "" {
			letter = "E"
		}
		ts.Logf("%s: %s", fault, fault.Class())
		checkGrade(ts, ts.Getenv("FAULT"), letter)
	}
	ts.Check(a.Close())
}

// attach NAME REV SIGNATURE… makes a copy of a commit that is not signed with
// the signatures in files, each in a header of its own.
func cmdAttach(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, len(args), "attach NAME REV SIGNATURE…")
	typ, data := readObject(ts, args[1])
	for _, file := range args[2:] {
		data = attach(typ, data, []byte(ts.ReadFile(file)))
	}
	store(ts, args[0], typ, data)
}

// flips REV changes characters of a commit's signature, one at a time, and
// fails if any of them goes unnoticed. Those it takes are spread over all of
// the signature.
func cmdFlips(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "flips REV")
	const flips = 40
	_, data := readObject(ts, args[0])
	begin := strings.Index(data, "\ngpgsig ")
	end := strings.Index(data, "-----END SIGNED MESSAGE-----")
	for i := range flips {
		flipped := []byte(data)
		flipped[begin+len("\ngpgsig -----BEGIN ")+i*(end-begin)/flips] ^= 1
		store(ts, "FLIPPED", "commit", string(flipped))
		code := runCode(ts, "git", "log", "-1", "--no-show-signature", "--format=%G?", ts.Getenv("FLIPPED"))
		if letter := strings.TrimSpace(ts.ReadFile("stdout")); code == 0 && letter != "B" && letter != "E" {
			ts.Fatalf("character %d changed: %%G? = %s", i*(end-begin)/flips, letter)
		}
	}
}

// take-apart REV SIGNATURE PAYLOAD writes what git would have verified.
func cmdTakeApart(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, 3, "take-apart REV SIGNATURE PAYLOAD")
	typ, data := readObject(ts, args[0])
	split, err := gitutil.SplitCommit([]byte(data), gitutil.SHA1)
	if typ == "tag" {
		split, err = gitutil.SplitTag([]byte(data), gitutil.SHA1)
	}
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), split.Signature, 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), split.Payload, 0o644))
}

// authority DIR TIME makes an authority that begins at an RFC 3339 time.
func cmdAuthority(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "authority DIR TIME")
	at, err := time.Parse(time.RFC3339, args[1])
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o700))
	a, err := fakeca.Create(ts.MkAbs(args[0]), fakeca.Config{Clock: func() time.Time { return at }})
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

// exclusive are the status words of which git wants exactly one.
var exclusive = []string{"GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"}

// statusLines runs git's verification of a commit or tag and returns the status
// lines. It fails unless they and the exit code are such as git cannot
// misunderstand.
func statusLines(ts *testscript.TestScript, rev string) (lines []string, code int) {
	typ := strings.TrimSpace(git(ts, "cat-file", "-t", rev))
	code = runCode(ts, "git", "verify-"+typ, "--raw", rev)
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if text, ok := strings.CutPrefix(line, "[GNUPG:] "); ok {
			lines = append(lines, strings.TrimSuffix(text, "\n"))
		}
	}
	checkStatus(ts, lines, code)
	return lines, code
}

func checkStatus(ts *testscript.TestScript, lines []string, code int) {
	verdicts, good, trust := 0, false, 0
	for _, line := range lines {
		fields := strings.Split(line, " ")
		if slices.Contains(exclusive, fields[0]) {
			verdicts++
			if len(fields) < 3 || fields[1] == "" || fields[2] == "" {
				ts.Fatalf("status %q: empty key or user id", line)
			}
		}
		good = good || fields[0] == "GOODSIG"
		if strings.HasPrefix(line, "TRUST_") {
			trust++
		}
	}
	switch {
	case len(lines) == 0 || lines[0] != "NEWSIG":
		ts.Fatalf("status does not begin with NEWSIG: %q", lines)
	case verdicts != 1 || trust != 1:
		ts.Fatalf("status has %d verdicts and %d trust levels, want one of each: %q", verdicts, trust, lines)
	case good != (code == 0):
		ts.Fatalf("exit code %d contradicts status %q", code, lines)
	}
}

// status REV WORD… fails unless the status lines begin with these words.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, len(args), "status REV WORD…")
	lines, _ := statusLines(ts, args[0])
	var words []string
	for _, line := range lines {
		word, _, _ := strings.Cut(line, " ")
		words = append(words, word)
	}
	if !slices.Equal(words, args[1:]) {
		ts.Fatalf("status of %s: %q, want %q", args[0], words, args[1:])
	}
}

// grade REV LETTER fails unless %G? of a commit is the letter, and git's exit
// code and the status lines agree with it.
func cmdGrade(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "grade REV LETTER")
	checkGrade(ts, args[0], args[1])
}

func checkGrade(ts *testscript.TestScript, rev, letter string) {
	if got := strings.TrimSpace(git(ts, "log", "-1", "--no-show-signature", "--format=%G?", rev)); got != letter {
		ts.Fatalf("%%G? of %s = %s, want %s", rev, got, letter)
	}
	if letter == "N" {
		return
	}
	_, code := statusLines(ts, rev)
	if good := letter == "G" || letter == "U"; good != (code == 0) {
		ts.Fatalf("verify-commit %s: exit code %d for grade %s", rev, code, letter)
	}
}

// suspicious REV fails if anything takes a commit or tag for well signed: git,
// however it is asked, or gitseal. The object need not be well formed.
func cmdSuspicious(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "suspicious REV")
	rev := args[0]
	typ := strings.TrimSpace(git(ts, "cat-file", "-t", rev))
	if runCode(ts, "git", "verify-"+typ, rev) == 0 {
		ts.Fatalf("git verify-%s accepts %s", typ, rev)
	}
	if runCode(ts, "gitseal", "verify", rev) == 0 {
		ts.Fatalf("gitseal verify accepts %s", rev)
	}
	if runCode(ts, "gitseal", "verify", "--any-identity", rev) == 0 {
		ts.Fatalf("gitseal verify --any-identity accepts %s", rev)
	}
	if typ != "commit" {
		return
	}
	code := runCode(ts, "git", "log", "-1", "--no-show-signature", "--format=%G?", rev)
	if grade := strings.TrimSpace(ts.ReadFile("stdout")); code == 0 && grade != "B" && grade != "E" && grade != "N" {
		ts.Fatalf("%%G? of %s = %q", rev, grade)
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
