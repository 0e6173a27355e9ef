package main

import (
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func init() {
	scriptCommands["mint"] = cmdMint
	scriptCommands["oracle"] = cmdOracle
	scriptCommands["tokenless"] = cmdTokenless
}

// TestStackScripts runs testdata/stack/*.txtar against the real Sigstore on
// loopback that make test-stack starts. The scripts have its STACK_* variables,
// and those of the other scripts.
func TestStackScripts(t *testing.T) {
	file := os.Getenv("GITSEAL_STACK")
	if file == "" {
		t.Skip("GITSEAL_STACK does not name the environment of a real Sigstore: run make test-stack")
	}
	out, err := exec.Command("sh", "-c", `. "$0" && env`, file).Output()
	if err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	var stack []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "STACK_") {
			stack = append(stack, strings.TrimSuffix(line, "\n"))
		}
	}
	leaveNothing(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "stack"),
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, stack...)
			return setUpStack(e)
		},
		Condition:          condition,
		Cmds:               scriptCommands,
		RequireUniqueNames: true,
	})
}

// setUpStack makes, beside the home directory of the script, the instance
// directory $INSTANCE for the servers.
func setUpStack(e *testscript.Env) error {
	dir := filepath.Join(e.WorkDir, "instance")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, from := range map[string]string{trustedRootFile: "STACK_TRUSTED_ROOT", signingConfigFile: "STACK_SIGNING_CONFIG"} {
		data, err := os.ReadFile(e.Getenv(from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	e.Setenv("INSTANCE", dir)
	return setUpScript(e)
}

// mint EMAIL [QUERY] sets SIGSTORE_ID_TOKEN to a token by the stack's issuer,
// which makes of the query what it says: ttl=-1m for one that has expired.
func cmdMint(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 2, "mint EMAIL [QUERY]")
	query := "email=" + url.QueryEscape(args[0])
	if len(args) > 1 {
		query += "&" + args[1]
	}
	resp, err := http.Get(ts.Getenv("STACK_OIDC_ISSUER") + "/mint?" + query)
	ts.Check(err)
	token, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("minting a token: %s", resp.Status)
	}
	ts.Setenv(tokenVariable, strings.TrimSpace(string(token)))
}

// oracle EMAIL REV… fails unless sigstore-go finds commits to be signed by
// EMAIL. Where the stack has come without that program it does nothing.
func cmdOracle(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, len(args), "oracle EMAIL REV…")
	program := filepath.Join(ts.Getenv("STACK_DIR"), "bin", "stacktool")
	if _, err := os.Stat(program); err != nil {
		ts.Logf("not asked: %v", err)
		return
	}
	ts.Check(ts.Exec(program, append([]string{"oracle", "-trust", ts.Getenv("STACK_TRUSTED_ROOT"),
		"-issuer", ts.Getenv("STACK_OIDC_ISSUER"), "-identity", args[0]}, args[1:]...)...))
}

// tokenless FILE… fails if a part of the identity token, as points divide it, or
// of one that people have got, is in one of these files, or in one of a
// directory among them.
func cmdTokenless(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, len(args), "tokenless FILE…")
	parts := secretsOf(ts)
	if token := ts.Getenv(tokenVariable); token != "" {
		parts = append(parts, strings.Split(token, ".")...)
	}
	if len(parts) == 0 {
		ts.Fatalf("there is no token to look for")
	}
	check := func(name, text string) {
		for _, part := range parts {
			if strings.Contains(text, part) {
				ts.Fatalf("%s has a part of the token in it", name)
			}
		}
	}
	for _, arg := range args {
		if arg == "stdout" || arg == "stderr" {
			check(arg, ts.ReadFile(arg))
			continue
		}
		ts.Check(filepath.WalkDir(ts.MkAbs(arg), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			check(path, string(data))
			return err
		}))
	}
}
