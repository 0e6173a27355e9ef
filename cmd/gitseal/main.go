// Command gitseal is the program that git calls to sign and to verify, and
// the one that people call to see who signed what. See docs/ARCHITECTURE.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/fakeca"
	"gitseal/gitutil"
)

func main() {
	os.Exit(run(os.Args, &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, now: time.Now, began: time.Now(), program: programPath(os.Args[0]),
	}))
}

// programPath returns the absolute path by which the program was called. It
// is not asked of the system, which would follow the symbolic link through
// which an installed version is updated.
func programPath(arg0 string) string {
	path, err := exec.LookPath(arg0)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		path, _ = os.Executable() // "" fails where it is used
	}
	return filepath.ToSlash(path)
}

// run runs the program and returns its exit code. A panic is a bug of ours:
// it must not look like a verdict, and git must see no status line.
func run(args []string, e *env) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(e.stderr, "gitseal: internal error: %v\n%s", r, debug.Stack())
			code = exitInternal
		}
	}()
	var err error
	if isGitCall(args) {
		err = runGit(context.Background(), e, args[1:])
	} else {
		app := newApp(e, args)
		err = app.Run(flagsFirst(app.Commands, args))
	}
	if err == nil {
		err = e.lost
	}
	code, message, hints := exitCode(err)
	if message != "" {
		e.printError(message, hints)
	}
	return code
}

// A command is one that people call.
type command struct {
	name string
	make func(*env) *cli.Command
}

var commands = [...]command{
	{"init", initCommand}, {"verify", verifyCommand}, {"audit", auditCommand}, {"show", showCommand},
	{"sign-blob", signBlobCommand}, {"verify-blob", verifyBlobCommand},
	{"policy", policyCommand}, {"resign", resignCommand}, {"hook", hookCommand}, {"explain", explainCommand},
	{"trust", trustCommand}, {"log", logCommand},
	{"login", loginCommand}, {"logout", logoutCommand}, {"whoami", whoamiCommand}, {"agent", agentCommand},
	{"doctor", doctorCommand}, {"version", versionCommand},
}

// newApp returns the command line that people use, for these arguments. If they
// begin with the name of a command it has no other: to declare the options of
// all takes longer than to print the version.
func newApp(e *env, args []string) *cli.App {
	app := &cli.App{
		Name:                      "gitseal",
		Usage:                     "sign git commits and tags with keys that live minutes, and verify who signed",
		HideHelpCommand:           true,
		HideVersion:               true,
		EnableBashCompletion:      false,
		DisableSliceFlagSeparator: true, // a comma parts nothing: expressions and file names have some
		Writer:                    e.stdout,
		ErrWriter:                 e.stderr,
		ExitErrHandler:            func(*cli.Context, error) {}, // exit codes are decided in exit.go
		OnUsageError:              onUsageError,
		CommandNotFound:           nil,
		Flags:                     []cli.Flag{&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version", DisableDefaultText: true}},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fail(exitUsage, fmt.Errorf("unknown command %q", c.Args().First()), "gitseal --help")
			}
			if c.Bool("version") {
				return printVersion(e)
			}
			return cli.ShowAppHelp(c)
		},
	}
	called := slices.IndexFunc(commands[:], func(c command) bool { return len(args) > 1 && args[1] == c.name })
	for i, c := range commands {
		if called < 0 || called == i {
			app.Commands = append(app.Commands, c.make(e))
		}
	}
	for _, c := range app.Commands {
		quietUsage(c)
	}
	return app
}

// flagsFirst moves the flags of a person's command line before its arguments,
// where cli looks for them: "verify HEAD --format json" is what people type.
func flagsFirst(commands []*cli.Command, args []string) []string {
	i, flags := 1, []cli.Flag(nil)
	for i < len(args) {
		j := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[i]) })
		if j < 0 {
			break
		}
		commands, flags = commands[j].Subcommands, commands[j].Flags
		i++
	}
	out := slices.Clone(args[:i])
	var rest []string
	for ; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		out = append(out, arg)
		if !strings.Contains(arg, "=") && wantsValue(flags, strings.TrimLeft(arg, "-")) {
			if i++; i == len(args) {
				return out // without what would be taken for the value
			}
			out = append(out, args[i])
		}
	}
	return append(out, rest...)
}

// wantsValue reports whether a flag takes the word after it.
func wantsValue(flags []cli.Flag, name string) bool {
	for _, f := range flags {
		if doc, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(f.Names(), name) {
			return doc.TakesValue()
		}
	}
	return false
}

// quietUsage has cli report a wrong command line as one line and a hint, not
// as a page of help on stdout.
func quietUsage(c *cli.Command) {
	c.OnUsageError = onUsageError
	c.HideHelpCommand = true
	c.Before = refuseEmpty
	for _, f := range c.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true // "(default: false)" goes without saying
		}
	}
	for _, sub := range c.Subcommands {
		quietUsage(sub)
	}
}

// refuseEmpty refuses empty options and arguments, which a shell variable that
// is not set leaves behind: --policy "$FILE" never means no --policy.
func refuseEmpty(c *cli.Context) error {
	for _, name := range c.LocalFlagNames() {
		if c.Value(name) == "" || slices.Contains(c.StringSlice(name), "") {
			return usage("option --%s is empty", name)
		}
	}
	isSubcommand := func(sub *cli.Command) bool { return sub.HasName(c.Args().First()) }
	if slices.ContainsFunc(c.Command.Subcommands, isSubcommand) {
		return nil // the rest is its
	}
	if slices.Contains(c.Args().Slice(), "") {
		return usage("an argument is empty")
	}
	return nil
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	hint := "gitseal --help"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != c.App.Name {
		hint = c.Command.HelpName + " --help"
	}
	return fail(exitUsage, inOurWords(err), hint)
}

// inOurWords rewords what package flag says of a command line: it knows no
// options of two dashes, and shows how Go parses a time.
func inOurWords(err error) error {
	option := func(name string) string {
		if len(name) == 1 {
			return "-" + name
		}
		return "--" + name
	}
	message := err.Error()
	if name, ok := strings.CutPrefix(message, "flag provided but not defined: -"); ok {
		return fmt.Errorf("unknown option %s", option(name))
	}
	if name, ok := strings.CutPrefix(message, "flag needs an argument: -"); ok {
		return fmt.Errorf("option %s wants a value", option(name))
	}
	if value, rest, ok := strings.Cut(message, " for flag -"); ok {
		name, _, _ := strings.Cut(rest, ": ")
		return fmt.Errorf("%s for option %s", value, option(name))
	}
	return err
}

// explain gives the exit code and the next command for an error that no
// command has explained.
func explain(err error) *exitError {
	switch {
	case errors.Is(err, gitutil.ErrNoGit):
		return &exitError{exitUsage, err, []string{"install git, or put it on the PATH"}}
	case errors.Is(err, gitutil.ErrNotRepository):
		return &exitError{exitUsage, notRepository(err), []string{"run gitseal inside a git repository"}}
	case errors.Is(err, gitutil.ErrMissing):
		return &exitError{exitUnknown, err, nil}
	case errors.Is(err, fakeca.ErrCorrupt):
		return &exitError{exitEquivocation, err, nil}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return &exitError{exitUsage, err, nil}
	}
	return &exitError{exitUnknown, err, nil}
}

// notRepository returns git's own words for ErrNotRepository, which say all
// there is to say.
func notRepository(err error) error {
	var git *gitutil.GitError
	if errors.As(err, &git) && git.Stderr != "" {
		return errors.New(git.Stderr)
	}
	return err
}
