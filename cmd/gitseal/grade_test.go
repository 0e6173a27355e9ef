package main

import (
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// The commands of scripts that judge what git makes of a signature.

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
	if runCode(ts, "gitseal", "audit", rev) == 0 {
		ts.Fatalf("gitseal audit passes %s", rev)
	}
	code := runCode(ts, "git", "log", "-1", "--no-show-signature", "--format=%G?", rev)
	if grade := strings.TrimSpace(ts.ReadFile("stdout")); code == 0 && grade != "B" && grade != "E" && grade != "N" {
		ts.Fatalf("%%G? of %s = %q", rev, grade)
	}
}
