package oidc

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// closeDelay is how long a program that was ended may keep its output open,
// by a child that it left behind.
const closeDelay = time.Second

// command is a program that was set for this purpose.
type command struct {
	cfg      *Config
	patience time.Duration // with it, and whom it asks
}

// Name implements Source.
func (c command) Name() string { return "command" }

// Available implements Source. A program that is not there is no reason to
// sign as somebody else.
func (c command) Available() error {
	if c.cfg.TokenCommand == "" {
		return unset("gitseal.tokenCommand")
	}
	return nil
}

// Key implements Source: the command, by which people tell who they are.
func (c command) Key() string { return key(c.Name(), c.cfg.TokenCommand) }

// Grant implements Source. The program may ask a person, on the terminal or by a
// window, so it has as long as a person has to log in.
func (c command) Grant(ctx context.Context) (*Grant, error) {
	words, err := SplitCommand(c.cfg.TokenCommand)
	if err != nil {
		return nil, fmt.Errorf("gitseal.tokenCommand: %w", err)
	}
	token, err := c.cfg.runWithin(ctx, c.patience, words...)
	if err != nil {
		return nil, fmt.Errorf("gitseal.tokenCommand: %w", err)
	}
	return c.cfg.grant("gitseal.tokenCommand", token)
}

// SplitCommand splits a command line into a program and its arguments. There
// is no shell: nothing is expanded, and | or > are arguments like others.
//
//	line    = { space | word }, at least one word
//	word    = 1*( plain | quoted | literal )
//	plain   = any character but space, tab, ' and "
//	literal = "'" { any character but ' } "'"
//	quoted  = '"' { `\"` | `\\` | any character but " } '"'
//
// A backslash elsewhere is one, as in the paths of Windows. There are no
// control characters but tabs. The program is one of the PATH, or named by its
// whole path: a relative one would be looked for in whatever repository is being
// worked in, which is its author's.
func SplitCommand(line string) ([]string, error) {
	if !utf8.ValidString(line) {
		return nil, errors.New("the command is not UTF-8")
	}
	var words []string
	var word strings.Builder
	started := false // the word: '' is one
	quote := rune(0)
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		c := runes[i]
		switch {
		case unicode.IsControl(c) && c != '\t':
			return nil, errors.New("a control character in the command")
		case c == quote:
			quote = 0
		case quote == '"' && c == '\\' && i+1 < len(runes) && (runes[i+1] == '"' || runes[i+1] == '\\'):
			i++
			word.WriteRune(runes[i])
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, started = c, true
		case c != ' ' && c != '\t':
			word.WriteRune(c)
			started = true
		case started:
			words = append(words, word.String())
			word.Reset()
			started = false
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a %c without its end in the command", quote)
	}
	if started {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("no program in the command")
	}
	if strings.ContainsAny(words[0], `/\`) && !filepath.IsAbs(words[0]) {
		return nil, fmt.Errorf("program %q: neither a name to look for in PATH nor a whole path", words[0])
	}
	return words, nil
}

// lookPath returns the path of a program.
func (c *Config) lookPath(name string) (string, error) {
	look := c.LookPath
	if look == nil {
		look = exec.LookPath
	}
	path, err := look(name)
	if err != nil {
		// The cause repeats the name.
		return "", fmt.Errorf("program %q: %w", name, unwrapAll(err))
	}
	return path, nil
}

// run runs a program without a shell and returns what it writes to its
// standard output, maxToken bytes at most. It reads nothing, and is killed
// when ctx is done. It stays in our process group: it may need the terminal.
func (c *Config) run(ctx context.Context, words []string) (string, error) {
	path, err := c.lookPath(words[0])
	if err != nil {
		return "", err
	}
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stdout := &bounded{limit: maxToken, full: cancel}
	stderr := &bounded{limit: 1 << 12}
	cmd := exec.CommandContext(rctx, path, words[1:]...)
	cmd.Env = c.Environ
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = closeDelay
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case stdout.over:
		err = fmt.Errorf("more than %d bytes of output, which is no token", maxToken)
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // it has ended well, and left somebody behind who keeps its output open
	}
	if err == nil {
		return string(stdout.data), nil
	}
	if said := redact(string(stderr.data), strings.Fields(string(stdout.data))...); said != "" {
		return "", fmt.Errorf("program %q: %w: %s", words[0], err, said)
	}
	return "", fmt.Errorf("program %q: %w", words[0], err)
}

// runWithin is run for a program that has so long.
func (c *Config) runWithin(ctx context.Context, d time.Duration, words ...string) (out string, err error) {
	err = within(ctx, d, func(ctx context.Context) error {
		out, err = c.run(ctx, words)
		return err
	})
	return out, err
}

// unwrapAll returns the innermost cause.
func unwrapAll(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
