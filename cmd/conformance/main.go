// Command conformance lets Sigstore's conformance suite
// (https://github.com/sigstore/sigstore-conformance, docs/cli_protocol.md) run
// gitseal. It takes the suite's command line
//
//	sign-bundle [--staging] [--in-toto] --identity-token TOKEN --bundle FILE
//	            [--trusted-root FILE] [--signing-config FILE] FILE
//	verify-bundle [--staging] --bundle FILE
//	            (--certificate-identity ID --certificate-oidc-issuer URL | --key FILE)
//	            [--trusted-root FILE] FILE_OR_DIGEST
//
// and runs gitseal sign-blob or verify-blob, the program that GITSEAL names or
// else the one on the PATH, with its exit code. Without --staging the public
// good instance is used, with it the staging instance as it was when this
// program was made, or the one in the directory that GITSEAL_STAGING names: one
// that gitseal init --instance made of https://tuf-repo-cdn.sigstage.dev. FILE_OR_DIGEST is a file where there is one
// of that name; to gitseal, what reads as a digest never is.
package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// staging holds the two files of the staging instance: see its README.md.
//
//go:embed staging/*.json
var staging embed.FS

func main() {
	code, err := run(os.Args[1:], os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "conformance: %v\n", err)
	}
	os.Exit(code)
}

// exitUsage is gitseal's exit code for a command line that is wrong.
const exitUsage = 2

func run(args []string, getenv func(string) string) (code int, err error) {
	c, err := translate(args, getenv, isFile)
	if err != nil {
		return exitUsage, err
	}
	if c.staging {
		dir, err := stagingInstance()
		if err != nil {
			return exitUsage, err
		}
		defer os.RemoveAll(dir) // what is left of it is in the temporary directory
		c.env = append(c.env, "GITSEAL_INSTANCE="+dir)
	}
	cmd := exec.Command(c.program, c.args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return exitUsage, err
	}
	return 0, nil
}

// stagingInstance writes the staging instance to a new directory.
func stagingInstance() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "sigstore-staging-"); err != nil {
		return "", err
	}
	files, err := fs.Sub(staging, "staging")
	if err == nil {
		err = os.CopyFS(dir, files)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// A call is a call of gitseal.
type call struct {
	program string
	args    []string
	env     []string // beside what is there
	staging bool     // with the staging instance that is built in
}

// commands are the suite's commands with the flags that take a value, and what
// gitseal calls them.
var commands = map[string]struct {
	name   string
	values []string
	flags  []string
}{
	"sign-bundle":   {"sign-blob", []string{"--bundle", "--trusted-root", "--signing-config"}, []string{"--in-toto"}},
	"verify-bundle": {"verify-blob", []string{"--bundle", "--certificate-identity", "--certificate-oidc-issuer", "--key", "--trusted-root"}, nil},
}

// isFile reports whether there is a file of that name, or may be one.
func isFile(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// translate returns the call that a command line of the suite means.
func translate(args []string, getenv func(string) string, isFile func(string) bool) (*call, error) {
	if len(args) == 0 {
		return nil, errors.New("want sign-bundle or verify-bundle")
	}
	command, ok := commands[args[0]]
	if !ok {
		return nil, fmt.Errorf("unknown command %q", args[0])
	}
	c := &call{program: getenv("GITSEAL"), args: []string{command.name}}
	if c.program == "" {
		c.program = "gitseal"
	}
	instance, file := "sigstore", ""
	for rest := args[1:]; len(rest) > 0; rest = rest[1:] {
		flag := rest[0]
		takesValue := slices.Contains(command.values, flag) || flag == "--identity-token" && command.name == "sign-blob"
		switch {
		case takesValue && len(rest) == 1:
			return nil, fmt.Errorf("%s without a value", flag)
		case flag == "--identity-token" && takesValue:
			// Where only the program itself sees it.
			c.env = append(c.env, "SIGSTORE_ID_TOKEN="+rest[1])
			rest = rest[1:]
		case takesValue:
			c.args = append(c.args, flag, rest[1])
			rest = rest[1:]
		case slices.Contains(command.flags, flag):
			c.args = append(c.args, flag)
		case flag == "--staging":
			instance = getenv("GITSEAL_STAGING")
			c.staging = instance == ""
		case strings.HasPrefix(flag, "-") || file != "":
			return nil, fmt.Errorf("unexpected %q", flag)
		default:
			file = flag
		}
	}
	if file == "" {
		return nil, errors.New("no file")
	}
	if strings.HasPrefix(file, "sha256:") && isFile(file) {
		file = "./" + file
	}
	c.args = append(c.args, "--", file)
	if !c.staging {
		c.env = append(c.env, "GITSEAL_INSTANCE="+instance)
	}
	return c, nil
}
