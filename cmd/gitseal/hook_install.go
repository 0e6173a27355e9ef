package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/signer"
)

// hookMark is the line by which a hook of ours is known.
const hookMark = "# Written by gitseal hook install; gitseal hook uninstall takes it out.\n"

// chained ends the name of the hook that runs before ours.
const chained = ".local"

// firstFlag has a hook run that one first. It is beside the hook wherever the
// repository is moved to.
const firstFlag = ` --first "$0"` + chained

// A hookPlace is where git looks for a hook, and what is there.
type hookPlace struct {
	file  string
	text  string // what is in it
	there bool
	ours  bool // it was written by install
	first bool // and it runs another one first
}

// findHook finds the place of a hook of the repository that git finds from
// here: git says where, by core.hooksPath or the directory that all worktrees
// share.
func findHook(ctx context.Context, kind *hookKind) (*hookPlace, error) {
	if _, err := openRepository(ctx); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--path-format=absolute", "--git-path", "hooks").Output()
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("finding the directory of hooks: %w", err))
	}
	dir := filepath.FromSlash(strings.TrimSuffix(string(out), "\n"))
	p := &hookPlace{file: filepath.Join(dir, kind.name)}
	info, err := os.Lstat(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	p.there = true
	if !info.Mode().IsRegular() {
		return p, nil // a link is somebody else's
	}
	data, err := readFile(p.file, 1<<20)
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	p.text = string(data)
	p.ours = strings.HasPrefix(p.text, "#!/bin/sh\n"+hookMark)
	p.first = p.ours && strings.Contains(p.text, firstFlag+" -- ")
	return p, nil
}

func installHook(c *cli.Context, e *env, kind *hookKind) error {
	if c.NArg() > 0 {
		return usage("hook install %s takes no arguments", kind.name)
	}
	if err := checkHookFlags(c, kind); err != nil {
		return err
	}
	p, err := findHook(c.Context, kind)
	if err != nil {
		return err
	}
	if err := tryHook(c, e, kind); err != nil {
		return err
	}
	chain := p.there && !p.ours
	text, err := hookText(c, e, kind, chain || p.first)
	if err != nil {
		return err
	}
	switch {
	case p.text == text:
		if err := os.Chmod(p.file, 0o755); err != nil {
			return fail(exitUsage, err)
		}
		e.printf("%s is installed already\n", kind.name)
		return leavePushes(c.Context, e, kind)
	case chain && !c.Bool("chain"):
		return fail(exitUsage, fmt.Errorf("%s is there already, and not gitseal's", p.file),
			"gitseal hook install "+kind.name+" --chain   # moves it aside and runs it first")
	case chain:
		if err := p.moveAside(e); err != nil {
			return err
		}
	}
	if err := p.write(text); err != nil {
		if chain {
			err = errors.Join(err, os.Rename(p.file+chained, p.file))
		}
		return err
	}
	verb := "installed"
	if p.ours {
		verb = "changed"
	}
	e.printf("%s %s\n", verb, printable(p.file))
	if err := tellScope(c.Context, e); err != nil {
		return err
	}
	return leavePushes(c.Context, e, kind)
}

// leavePushes leaves it to a pre-push hook to push proofs.
func leavePushes(ctx context.Context, e *env, kind *hookKind) error {
	if kind.name != "pre-push" {
		return nil
	}
	return (&configWriter{ctx: ctx, env: e, scope: "--local"}).dropPushes()
}

// tryHook reads what the hook will read, so that one that can only fail is not
// installed.
func tryHook(c *cli.Context, e *env, kind *hookKind) error {
	run, ctx, stop, err := newHistoryRun(c, e, nil)
	if err != nil {
		return err
	}
	defer stop()
	h := &hookRun{auditRun: run, kind: kind}
	_, done, err := h.config(ctx, h.anyPolicy)
	if err != nil {
		return err
	}
	done()
	return nil
}

// hookText returns the hook: a script that becomes this program.
func hookText(c *cli.Context, e *env, kind *hookKind, first bool) (string, error) {
	words := []string{e.program, "hook", "run", kind.name}
	for _, f := range kind.flags() {
		name := f.Names()[0]
		if !c.IsSet(name) {
			continue
		}
		switch v := c.Value(name).(type) {
		case bool:
			words = append(words, "--"+name+"="+fmt.Sprint(v))
		case int:
			words = append(words, "--"+name, fmt.Sprint(v))
		default:
			values := c.StringSlice(name)
			if values == nil {
				values = []string{c.String(name)}
			}
			for _, value := range values {
				path, err := hookPath(name, value)
				if err != nil {
					return "", err
				}
				words = append(words, "--"+name, path)
			}
		}
	}
	for i, word := range words {
		if printable(word) != word {
			return "", usage("%s has a character that cannot stand in a hook", printable(word))
		}
		words[i] = shellWord(word)
	}
	line := strings.Join(words, " ")
	if first {
		line += firstFlag
	}
	return "#!/bin/sh\n" + hookMark + "exec " + line + ` -- "$@"` + "\n", nil
}

// hookPath returns the value of a flag as the hook needs it, which runs in
// other directories.
func hookPath(flag, value string) (string, error) {
	if flag == "pushee" || isRevisionPath(value) && flag != "trusted-root" {
		return value, nil
	}
	path, err := filepath.Abs(value)
	if err != nil {
		return "", fail(exitUsage, err)
	}
	return filepath.ToSlash(path), nil
}

// moveAside moves a hook of somebody else's to where ours runs it from.
func (p *hookPlace) moveAside(e *env) error {
	aside := p.file + chained
	if _, err := os.Lstat(aside); !errors.Is(err, fs.ErrNotExist) {
		return fail(exitUsage, fmt.Errorf("%s is there, where the hook should be moved to", aside), "move one of the two away, then install again")
	}
	if info, err := os.Stat(p.file); err != nil || info.Mode().Perm()&0o111 == 0 {
		return fail(exitUsage, fmt.Errorf("%s is no program, so git does not run it", p.file), "rm "+shellWord(p.file)+"   # and install again")
	}
	if err := os.Rename(p.file, aside); err != nil {
		return fail(exitUsage, err)
	}
	e.printf("moved the hook that was there to %s, which runs first\n", printable(aside))
	return nil
}

// write writes the hook, whole or not at all.
func (p *hookPlace) write(text string) error {
	if err := os.MkdirAll(filepath.Dir(p.file), 0o755); err != nil {
		return fail(exitUsage, err)
	}
	f, err := os.CreateTemp(filepath.Dir(p.file), "gitseal-hook-*")
	if err != nil {
		return fail(exitUsage, err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o755), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.file)
	}
	if err != nil {
		return fail(exitUsage, errors.Join(fmt.Errorf("writing %s: %w", p.file, err), os.Remove(f.Name())))
	}
	return nil
}

// tellScope says so if the hook is that of more than one repository.
func tellScope(ctx context.Context, e *env) error {
	out, err := exec.CommandContext(ctx, "git", "config", "--show-scope", "--get", "core.hooksPath").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // git's way to say that it is not set
	}
	if err != nil {
		return fail(exitUsage, fmt.Errorf("reading core.hooksPath: %w", err))
	}
	scope, _, _ := strings.Cut(string(out), "\t")
	if scope == "global" || scope == "system" {
		fmt.Fprintf(e.stderr, "gitseal: core.hooksPath is set in git's %s configuration, so this is the hook of all repositories\n", scope)
	}
	return nil
}

func uninstallHook(c *cli.Context, e *env, kind *hookKind) error {
	if c.NArg() > 0 {
		return usage("hook uninstall %s takes no arguments", kind.name)
	}
	p, err := findHook(c.Context, kind)
	switch {
	case err != nil:
		return err
	case !p.there:
		e.printf("%s is not installed\n", kind.name)
		return nil
	case !p.ours:
		return fail(exitUsage, fmt.Errorf("%s is not gitseal's", p.file))
	case p.first:
		if err := os.Rename(p.file+chained, p.file); err == nil {
			e.printf("took out %s, and put back what ran first\n", printable(p.file))
			hintPushes(c.Context, e, kind)
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fail(exitUsage, err)
		}
	}
	if err := os.Remove(p.file); err != nil {
		return fail(exitUsage, err)
	}
	e.printf("took out %s\n", printable(p.file))
	hintPushes(c.Context, e, kind)
	return nil
}

// hintPushes says what pushes proofs in the place of a pre-push hook that is gone.
func hintPushes(ctx context.Context, e *env, kind *hookKind) {
	if kind.name != "pre-push" {
		return
	}
	s, err := readSettings(ctx, e)
	if err != nil {
		return // which is for other commands to say: the hook is out
	}
	if mode, err := s.deferral(); err == nil && mode != signer.DeferNever {
		fmt.Fprintf(e.stderr, "hint: gitseal init --defer   # has git push the proofs of signatures, as the hook did\n")
	}
}
