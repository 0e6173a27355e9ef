package gitutil

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A Config says where git runs. The zero value is git from the process's
// PATH, in the current directory, with the process's environment.
type Config struct {
	// Dir is the directory git runs in. Empty means the current directory.
	Dir string
	// Env is the environment git runs in, as "key=value". Nil means the
	// environment of the process; GIT_DIR and its like are honoured.
	Env []string
	// Git is the git program. Empty means "git" from the process's PATH.
	Git string
}

// Errors that callers tell apart with [errors.Is].
var (
	// ErrNoGit means that there is no git program to run.
	ErrNoGit = errors.New("no git program")
	// ErrNotRepository means that the directory is not in a git repository.
	ErrNotRepository = errors.New("not a git repository")
	// ErrMissing means that the repository does not hold what was asked for.
	ErrMissing = errors.New("missing")
)

// A GitError is a run of git that failed.
type GitError struct {
	Command string // the subcommand, such as "rev-list"
	Stderr  string // git's own reason, one line, "" if it gave none
	Err     error  // how the process ended
}

// Error returns the subcommand, git's reason and how the process ended.
func (e *GitError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("running git %s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("running git %s: %s (%v)", e.Command, e.Stderr, e.Err)
}

// Unwrap returns how the process ended.
func (e *GitError) Unwrap() error { return e.Err }

// maxOutput bounds what one run of git may print into memory: a million refs
// fit, a repository made to exhaust memory does not. Objects are not read
// this way.
const maxOutput = 256 << 20

// maxStderr bounds how much of the end of git's error output is kept.
const maxStderr = 64 << 10

// noTransport is the one transport that git is allowed, and has none of. For
// one called NAME it would run "git remote-NAME", and the repository's own
// configuration may say that to be an alias for a command; but no alias has an
// underscore in its name, and help.autocorrect, by which git would take one
// that is spelled much like it, is off.
const noTransport = "no_transport"

// command returns a run of git that can change nothing: no lock, no lazy
// fetch, no replace ref, no graft, no commit-graph.
func (c Config) command(ctx context.Context, args ...string) *exec.Cmd {
	program := c.Git
	if program == "" {
		program = "git"
	}
	cmd := exec.CommandContext(ctx, program, append([]string{
		"--no-replace-objects",
		"-c", "core.commitGraph=false",
		"-c", "advice.graftFileDeprecated=false",
		"-c", "help.autocorrect=0", // see noTransport
	}, args...)...)
	cmd.Dir = c.Dir
	env := c.Env
	if env == nil {
		env = cmd.Environ()
	}
	cmd.Env = append(env[:len(env):len(env)],
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_LAZY_FETCH=1",
		// Git before 2.45 does not know GIT_NO_LAZY_FETCH, but refuses
		// every transport that is not named here.
		"GIT_ALLOW_PROTOCOL="+noTransport,
		"GIT_TERMINAL_PROMPT=0",
		"GIT_GRAFT_FILE="+os.DevNull,
		// Messages are read, so they must be git's own words.
		"LC_ALL=C", "LANGUAGE=C",
	)
	// A grandchild that keeps a pipe open must not keep us waiting.
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// with returns the configuration with settings of the environment added.
func (c Config) with(env ...string) Config {
	before := c.environ()
	c.Env = append(before[:len(before):len(before)], env...)
	return c
}

// environ returns the environment that git runs in.
func (c Config) environ() []string {
	if c.Env == nil {
		return os.Environ()
	}
	return c.Env
}

// Run runs git to its end and returns what it printed: for what this package has
// no function for. Like all that git is run for here, it fetches nothing, asks
// nobody, and sees no replace refs, grafts and commit-graphs.
func (c Config) Run(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	out, _, err := c.run(ctx, stdin, args...)
	return out, err
}

// run runs git to its end and returns what it printed, also if it failed.
func (c Config) run(ctx context.Context, stdin io.Reader, args ...string) (stdout []byte, stderr string, err error) {
	cmd := c.command(ctx, args...)
	out := &limited{max: maxOutput}
	diagnostics := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, diagnostics
	if err := cmd.Run(); err != nil {
		if out.over {
			err = fmt.Errorf("more than %d MiB of output", maxOutput>>20)
		}
		err = gitError(ctx, cmd, diagnostics, err)
		return out.buf.Bytes(), string(diagnostics.buf), err
	}
	return out.buf.Bytes(), string(diagnostics.buf), nil
}

// ask runs git for a yes or, which it says by ending with 1, a no, and returns
// what it printed with either.
//
// An object that is missing or broken is neither. Since 2.45 git fails then;
// before, merge-base took it for the end of history and merge-tree for an
// empty tree, and only an error message told.
func (c Config) ask(ctx context.Context, args ...string) (stdout []byte, yes bool, err error) {
	stdout, stderr, err := c.run(ctx, nil, args...)
	if err != nil && !exitCode(err, 1) {
		return nil, false, err
	}
	for line := range strings.Lines(stderr) {
		if text, isError := strings.CutPrefix(line, "error: "); isError {
			return nil, false, &GitError{subcommand(args), strings.TrimSpace(text), errors.New("answered all the same")}
		}
	}
	return stdout, err == nil, nil
}

// A process is a run of git whose output is read as it comes.
type process struct {
	cmd    *exec.Cmd
	stderr tail
}

// start starts git. The caller reads stdout, then calls end.
func (c Config) start(ctx context.Context, stdin io.Reader, args ...string) (p *process, stdout io.Reader, err error) {
	p = &process{cmd: c.command(ctx, args...)}
	p.cmd.Stdin, p.cmd.Stderr = stdin, &p.stderr
	if stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, nil, err
	}
	if err = p.cmd.Start(); err != nil {
		return nil, nil, gitError(ctx, p.cmd, &p.stderr, err)
	}
	return p, stdout, nil
}

// converse starts git for a caller that writes to its standard input as it
// reads stdout. The caller closes stdin, then calls end.
func (c Config) converse(ctx context.Context, args ...string) (p *process, stdin io.WriteCloser, stdout io.Reader, err error) {
	p = &process{cmd: c.command(ctx, args...)}
	p.cmd.Stderr = &p.stderr
	if stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, nil, nil, err
	}
	if stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, nil, nil, err
	}
	if err = p.cmd.Start(); err != nil {
		return nil, nil, nil, gitError(ctx, p.cmd, &p.stderr, err)
	}
	return p, stdin, stdout, nil
}

// end waits for git and returns the error of the whole run, which is nil only
// if readErr, what went wrong in reading stdout, is nil and git ended well. A
// reason that git gave explains readErr, so it comes first.
func (p *process) end(ctx context.Context, readErr error) error {
	err := p.cmd.Wait()
	if readErr != nil && !interrupted(err) {
		if ctx.Err() == nil && p.stderr.reason() == "" {
			return readErr
		}
		err = readErr
	}
	if err != nil {
		return gitError(ctx, p.cmd, &p.stderr, err)
	}
	return nil
}

// interrupted reports whether git ended of an interrupt, of which it says
// nothing. We end it otherwise.
func interrupted(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ProcessState.String() == "signal: "+os.Interrupt.String()
}

// gitError describes why a run of git failed: cancelled, no such program, not
// a repository, or a *GitError.
func gitError(ctx context.Context, cmd *exec.Cmd, stderr *tail, err error) error {
	failed := &GitError{subcommand(cmd.Args[1:]), stderr.reason(), err}
	var notFound *exec.Error
	var path *fs.PathError
	switch {
	case ctx.Err() != nil:
		failed.Stderr, failed.Err = "", context.Cause(ctx)
		return failed
	case errors.As(err, &notFound):
		return fmt.Errorf("%w: %w", ErrNoGit, err)
	case errors.As(err, &path) && path.Op == "chdir":
		return fmt.Errorf("%w: %w", ErrNotRepository, err)
	case errors.As(err, &path) && path.Op == "fork/exec":
		return fmt.Errorf("%w: %w", ErrNoGit, err)
	case strings.Contains(failed.Stderr, "not a git repository"):
		return fmt.Errorf("%w: %w", ErrNotRepository, failed)
	}
	return failed
}

// subcommand returns the first of git's arguments that is not one of the
// options before it.
func subcommand(args []string) string {
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-c" {
			args = args[1:]
		}
		args = args[1:]
	}
	return args[0]
}

// exitCode reports whether err is a run of git that ended with the code.
func exitCode(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}

// limited is a writer that refuses to hold more than max bytes.
type limited struct {
	buf  bytes.Buffer
	max  int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.max-l.buf.Len() {
		l.over = true
		return 0, errors.New("too much output")
	}
	return l.buf.Write(p)
}

// tail is a writer that keeps the last maxStderr bytes.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxStderr; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// reason returns git's last "error:" and "fatal:" lines, without those words,
// as one line; if there are none, the last line of any kind. Hints may follow
// the lines that matter.
func (t *tail) reason() string {
	var cause, fatal string
	for line := range strings.Lines(string(t.buf)) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			cause = text
		} else if text, ok := strings.CutPrefix(line, "fatal: "); ok {
			fatal = text
		}
	}
	switch {
	case cause != "" && fatal != "":
		return fatal + ": " + cause
	case cause != "" || fatal != "":
		return cause + fatal
	}
	text := strings.TrimSpace(string(t.buf))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
