package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An actionRun is a run of the last step of the GitHub Action, with a program
// in the place of gitseal that writes down its arguments.
type actionRun struct {
	args            []string
	code            int
	output, summary string
	stderr          string
}

const actionStub = `#!/bin/sh
printf '%s\n' "$@" >"$RUNNER_TEMP/args"
[ "$STUB_CODE" = 2 ] && exit 2
for arg; do
	case $arg in
	"$RUNNER_TEMP"/*/gitseal.*) echo "report ${arg##*.}" >"$arg" ;;
	esac
done
exit "$STUB_CODE"
`

func runAction(t *testing.T, dir string, env ...string) actionRun {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash here")
	}
	script, err := filepath.Abs(filepath.Join("..", "..", "action.sh"))
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	if err := os.Mkdir(filepath.Join(temp, "gitseal-bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(temp, "gitseal-bin", "gitseal"), []byte(actionStub), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bash, script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+filepath.Join(temp, "output"), "GITHUB_STEP_SUMMARY="+filepath.Join(temp, "summary"),
		"GITHUB_REF=refs/heads/main", "INPUT_BASE=", "INPUT_REVISION=", "INPUT_POLICY=", "INPUT_TRUSTED_ROOT=", "INPUT_ARGS=", "PULL_BASE=", "PULL_HEAD=", "STUB_CODE=0")
	cmd.Env = append(cmd.Env, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(temp, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(data), temp, "TEMP")
	}
	r := actionRun{code: cmd.ProcessState.ExitCode(), output: read("output"), summary: read("summary"), stderr: stderr.String()}
	if args := read("args"); args != "" {
		r.args = strings.Split(strings.TrimSuffix(args, "\n"), "\n")
		r.args = slices.DeleteFunc(r.args, func(arg string) bool { return arg == "-o" || strings.HasPrefix(arg, "TEMP/gitseal-") })
	}
	return r
}

func TestActionJudgesWhatItIsToldTo(t *testing.T) {
	for _, test := range []struct {
		env  []string
		want string
	}{
		{nil, "--ref refs/heads/main HEAD"},
		{[]string{"PULL_BASE=main", "PULL_HEAD=abc"}, "--base refs/remotes/origin/main abc"},
		{[]string{"PULL_BASE=$(touch x);`y`", "PULL_HEAD=abc"}, "--base refs/remotes/origin/$(touch x);`y` abc"},
		{[]string{"PULL_BASE=main", "PULL_HEAD=abc", "INPUT_BASE=refs/heads/b", "INPUT_REVISION=def"}, "--base refs/heads/b def"},
		{[]string{"INPUT_REVISION=a..b\n\nc", "INPUT_ARGS=--ref\nrefs/heads/x y\n"}, "--ref refs/heads/x y a..b c"},
		{[]string{"INPUT_POLICY=refs/remotes/origin/main:p.toml"}, "--ref refs/heads/main --policy refs/remotes/origin/main:p.toml HEAD"},
		{[]string{"INPUT_POLICY=/p.toml", "INPUT_TRUSTED_ROOT=/root.json"}, "--ref refs/heads/main --policy /p.toml --trusted-root /root.json HEAD"},
	} {
		got := runAction(t, t.TempDir(), test.env...)
		if want := "audit --format github " + test.want; strings.Join(got.args, " ") != want || got.code != 0 {
			t.Errorf("with %q: gitseal %q, exit %d, want %q; %s", test.env, got.args, got.code, want, got.stderr)
		}
	}
}

// What the change itself brings says nothing about who may make it.
func TestActionRefusesWhatTheChangeBrings(t *testing.T) {
	for _, env := range []string{
		"INPUT_POLICY=policy.toml", "INPUT_POLICY=./policy.toml", "INPUT_POLICY=main:policy.toml", "INPUT_POLICY=refs/heads/main:", "INPUT_TRUSTED_ROOT=root.json",
		"INPUT_TRUSTED_ROOT=refs/heads/none:root.json", "INPUT_REVISION=--all", "INPUT_REVISION=HEAD\n--any-identity",
	} {
		got := runAction(t, t.TempDir(), env)
		if got.args != nil || got.code != 2 || !strings.Contains(got.output, "result=error\nexit-code=2\n") || !strings.Contains(got.stderr, "gitseal: ") {
			t.Errorf("with %q: gitseal %q, exit %d, output %q, %s", env, got.args, got.code, got.output, got.stderr)
		}
	}
}

func TestActionHandsOverReports(t *testing.T) {
	for code, want := range map[string]string{"0": "pass", "1": "violation", "3": "indeterminate", "4": "equivocation", "130": "error", "2": "error"} {
		got := runAction(t, t.TempDir(), "STUB_CODE="+code)
		if !strings.Contains(got.output, "\nresult="+want+"\n") || !strings.Contains(got.output, "exit-code="+code+"\n") {
			t.Errorf("exit %s: output %q, want result=%s", code, got.output, want)
		}
		if reports := strings.Count(got.output, "=TEMP/gitseal-"); (code == "2") != (reports == 0) || code != "2" && (reports != 3 || got.summary != "report md\n") {
			t.Errorf("exit %s: output %q, summary %q", code, got.output, got.summary)
		}
	}
}

// The action never makes text of a script of what it is given, and runs no
// action that somebody can change under it.
func TestActionExpandsNothingInScripts(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	script, uses := -1, 0
	for line := range strings.Lines(string(data)) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		key, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- ")), ":")
		if strings.TrimSpace(line) != "" && indent <= script {
			script = -1
		}
		if key == "run" {
			script = indent
		}
		if script >= 0 && strings.Contains(line, "${{") {
			t.Errorf("an expression in a script: %s", line)
		}
		if key == "uses" {
			uses++
			if _, commit, _ := strings.Cut(strings.Fields(value)[0], "@"); len(commit) != 40 || strings.Trim(commit, "0123456789abcdef") != "" {
				t.Errorf("not pinned to a commit: %s", line)
			}
		}
	}
	if uses == 0 || script < 0 {
		t.Errorf("found %d actions and a script at %d, want some", uses, script)
	}
}
