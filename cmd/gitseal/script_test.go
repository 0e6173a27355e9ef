package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/signer/agent"
)

// TestMain lets the scripts run this test binary as gitseal and gitseal-tuf: it
// stands on the PATH under those names, so that git can call it too.
func TestMain(m *testing.M) {
	testscript.Main(unset{m}, map[string]func(){"gitseal": main, "gitseal-tuf": tufMain, "parallel": parallel, "fed": fed, "browse": browse})
}

// An unset run of the tests is one for which nothing counts that the user has
// set for git and gitseal, or that git sets for a hook.
type unset struct{ *testing.M }

// Run runs the tests.
func (u unset) Run() int {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "GIT") && name != "GITSEAL_STACK" {
			os.Unsetenv(name) // it is there
		}
	}
	os.Setenv("GIT_CONFIG_NOSYSTEM", "1") // a good name
	os.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	return u.M.Run()
}

// TestScripts runs testdata/script/*.txtar, one file for one story. Each has a
// home directory of its own; the commands that scripts have beyond those of
// testscript are in commands_test.go.
func TestScripts(t *testing.T) {
	leaveNothing(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		Setup:               setUpScript,
		Condition:           condition,
		Cmds:                scriptCommands,
		RequireUniqueNames:  true,
		RequireExplicitExec: false,
	})
}

// leaveNothing removes what testscript leaves behind where -run chooses some of
// the scripts: the directory that theirs were in.
func leaveNothing(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // short, for the sockets below it
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOTMPDIR", dir)
	t.Cleanup(func() {
		empty, _ := filepath.Glob(filepath.Join(dir, "*")) // the pattern is a good one
		for _, name := range append(empty, dir) {
			_ = os.Remove(name) // what is not empty was to be kept, by -testwork
		}
	})
}

// gitConfig is the configuration of the user that scripts run as.
const gitConfig = `[user]
	name = Alice Example
	email = alice@example.com
[init]
	defaultBranch = main
[advice]
	detachedHead = false
[commit]
	status = false
[protocol "file"]
	allow = always
`

func setUpScript(e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, "home")
	for _, dir := range []string{"", "config", "data", "cache", "run"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			return err
		}
	}
	config := filepath.Join(home, ".gitconfig")
	e.Vars = append(e.Vars,
		"HOME="+home,
		"USERPROFILE="+home,
		"XDG_CONFIG_HOME="+filepath.Join(home, "config"),
		"XDG_DATA_HOME="+filepath.Join(home, "data"),
		"XDG_CACHE_HOME="+filepath.Join(home, "cache"),
		"XDG_STATE_HOME="+filepath.Join(home, ".local", "state"),
		"XDG_RUNTIME_DIR="+filepath.Join(home, "run"),
		"AUTHORITY="+filepath.Join(home, "data", "gitseal", "authority"),
		"POLICY="+filepath.Join(home, "config", "gitseal", "policy.toml"),
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL="+config,
		"GIT_CEILING_DIRECTORIES="+e.WorkDir,
		"GIT_TERMINAL_PROMPT=0",
		"GITSEAL_AGENT=false",    // see agents
		"GITSEAL_PROGRESS=false", // or failures are told on the terminal of who runs the tests
		"GIT_EDITOR=true",
		"GIT_MERGE_AUTOEDIT=no",
		"GORACE=atexit_sleep_ms=0", // a program built with -race waits a second otherwise
		"LC_ALL=C",
		"TZ=UTC",
	)
	if err := refuseAgents(e, filepath.Join(home, "run")); err != nil {
		return err
	}
	return os.WriteFile(config, []byte(gitConfig), 0o600)
}

// refuseAgents fails a script that leaves an agent behind in its directory for
// what runs: one that is to have an agent says agents.
func refuseAgents(e *testscript.Env, run string) error {
	if runtime.GOOS == "windows" {
		return nil // pipes are in no directory
	}
	socket, err := agent.Path(run, e.Getenv("TMPDIR"), os.Getuid())
	if err != nil {
		return nil // too long a path for any
	}
	t := e.T()
	e.Defer(func() {
		if _, err := os.Lstat(socket); err != nil {
			return
		}
		if err := stopAgent(socket); err != nil {
			t.Log(err)
		}
		t.Fatal("an agent was started, and the script has not said agents")
	})
	return nil
}

// condition adds to the conditions of scripts git:VERSION, for at least that
// version, and root, for the user to whom permissions mean nothing.
func condition(cond string) (bool, error) {
	if cond == "root" {
		return os.Geteuid() == 0, nil
	}
	want, ok := strings.CutPrefix(cond, "git:")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	out, err := exec.Command("git", "version").Output()
	if err != nil {
		return false, err
	}
	have := regexp.MustCompile(`\d+\.\d+`).FindString(string(out))
	return !versionLess(have, want), nil
}

// versionLess compares two versions of two numbers.
func versionLess(a, b string) bool {
	parse := func(v string) (n [2]int) {
		major, minor, _ := strings.Cut(v, ".")
		n[0], _ = strconv.Atoi(major)
		n[1], _ = strconv.Atoi(minor)
		return n
	}
	x, y := parse(a), parse(b)
	return x[0] < y[0] || x[0] == y[0] && x[1] < y[1]
}
