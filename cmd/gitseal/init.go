package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
)

func initCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "have git sign and verify with gitseal",
		Description: "Points git at gitseal, sets up the instance that signs, and allows your own identity.\n" +
			"Says what it changed; run again, it changes nothing. --undo puts git's configuration back.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "local", Usage: "sign with the local authority, made if there is none (the default)"},
			&cli.StringFlag{Name: "instance", Usage: "use `INSTANCE`: sigstore, the public good; a directory with a trusted_root.json; or the URL of a TUF repository"},
			&cli.StringFlag{Name: "root", Usage: "the root metadata in `FILE` is where trust in the TUF repository begins"},
			&cli.BoolFlag{Name: "global", Usage: "for all your repositories, not only this one"},
			&cli.BoolFlag{Name: "defer", Usage: "sign without waiting for the log, which records it later; and fetch and push the proofs"},
			&cli.BoolFlag{Name: "undo", Usage: "put git's configuration back as it was"},
		},
		Action: func(c *cli.Context) error { return runInit(c, e) },
	}
}

// undoKey keeps, in the configuration file that init changed, what it
// replaced: "KEY" for a key that was not set, "KEY=VALUE" for one that was, and
// "+KEY=VALUE" for a value that it added to others.
const undoKey = "gitseal.undo"

func runInit(c *cli.Context, e *env) error {
	if c.NArg() > 0 {
		return usage("init takes no arguments")
	}
	if c.Bool("local") && c.IsSet("instance") {
		return usage("--local and --instance exclude one another")
	}
	if c.IsSet("root") && !isURL(c.String("instance")) {
		return usage("--root goes with --instance URL")
	}
	scope := "--local"
	if c.Bool("global") {
		scope = "--global"
	} else if _, err := openRepository(c.Context); err != nil {
		if errors.Is(err, gitutil.ErrNotRepository) {
			return fail(exitUsage, notRepository(err), "gitseal init --global   # for all your repositories", "or run it inside a repository")
		}
		return err
	}
	w := &configWriter{ctx: c.Context, env: e, scope: scope}
	if c.Bool("undo") {
		return w.undo()
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}

	// The instance, then whom to allow, and last what makes git use them: a
	// set-up that fails half way must not leave git calling a program that
	// cannot sign.
	changes, signs, err := setUpInstance(c, e, settings)
	if err != nil {
		return err
	}
	changes = append(changes, [2]string{"gpg.x509.program", e.program})
	if signs {
		changes = append(changes, [][2]string{{"gpg.format", "x509"}, {"commit.gpgSign", "true"}, {"tag.gpgSign", "true"}}...)
	}
	if c.Bool("defer") {
		changes = append(changes, [2]string{"gitseal.logMode", logDeferred})
	}
	for _, change := range changes {
		if err := w.set(change[0], change[1]); err != nil {
			return err
		}
	}
	if err := w.setProofs(settings, c.Bool("defer")); err != nil {
		return err
	}
	if !w.changed {
		e.printf("git is set up already\n")
	}
	return nil
}

// A configWriter changes git's configuration and keeps what it replaced.
type configWriter struct {
	ctx     context.Context
	env     *env
	scope   string // "--local" or "--global"
	changed bool
}

// set sets a key unless it has the value already in this scope.
func (w *configWriter) set(key, value string) error {
	old, err := w.get(key)
	if err != nil {
		return err
	}
	if len(old) == 1 && old[0] == value {
		return nil
	}
	replaced, err := w.get(undoKey)
	if err != nil {
		return err
	}
	if !hasKey(replaced, key) {
		record := key
		if len(old) > 0 {
			record += "=" + old[len(old)-1]
		}
		if err := w.git("--add", undoKey, record); err != nil {
			return err
		}
	}
	if err := w.git("--replace-all", key, value); err != nil {
		return err
	}
	w.changed = true
	w.env.printf("git config %s %s %s\n", w.scope, key, shellWord(value))
	return nil
}

// undo puts back what set replaced, but for keys that were changed since.
func (w *configWriter) undo() error {
	replaced, err := w.get(undoKey)
	if err != nil {
		return err
	}
	if len(replaced) == 0 {
		return w.nothingToUndo()
	}
	for _, record := range replaced {
		if one, ok := strings.CutPrefix(record, added); ok {
			if err := w.takeOut(one); err != nil {
				return err
			}
			continue
		}
		key, old, had := strings.Cut(record, "=")
		now, err := w.get(key)
		if err != nil {
			return err
		}
		switch {
		case len(now) == 0 || !w.isOurs(key, now[len(now)-1]):
			w.env.printf("left %s: it was changed since\n", key)
			continue
		case had:
			err = w.git("--replace-all", key, old)
		default:
			err = w.git("--unset-all", key)
		}
		if err != nil {
			return err
		}
		if had {
			w.env.printf("git config %s %s %s\n", w.scope, key, shellWord(old))
		} else {
			w.env.printf("git config %s --unset %s\n", w.scope, printable(key))
		}
	}
	if err := w.git("--unset-all", undoKey); err != nil {
		return err
	}
	w.env.printf("the authority and the policy were kept\n")
	return nil
}

// nothingToUndo says so, and where there is: who set up all repositories may
// ask in one of them.
func (w *configWriter) nothingToUndo() error {
	w.env.printf("nothing to undo\n")
	global := &configWriter{ctx: w.ctx, env: w.env, scope: "--global"}
	if replaced, err := global.get(undoKey); err == nil && len(replaced) > 0 && w.scope != global.scope {
		fmt.Fprintf(w.env.stderr, "hint: gitseal init --global --undo   # for what was set for all your repositories\n")
	}
	return nil
}

// isOurs reports whether a value is one that set writes.
func (w *configWriter) isOurs(key, value string) bool {
	switch key {
	case "gpg.format":
		return value == "x509"
	case "commit.gpgSign", "tag.gpgSign":
		return value == "true"
	case "gpg.x509.program":
		return value == w.env.program || strings.TrimSuffix(filepath.Base(value), ".exe") == "gitseal"
	}
	return true // gitseal's own keys
}

func hasKey(records []string, key string) bool {
	for _, r := range records {
		if name, _, _ := strings.Cut(r, "="); name == key {
			return true
		}
	}
	return false
}

// get returns the values of a key in this scope alone.
func (w *configWriter) get(key string) ([]string, error) {
	out, err := exec.CommandContext(w.ctx, "git", "config", w.scope, "--null", "--get-all", key).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil, nil // git's way to say that it is not set
	}
	if err != nil {
		return nil, w.explain("reading "+key, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

func (w *configWriter) git(args ...string) error {
	cmd := exec.CommandContext(w.ctx, "git", append([]string{"config", w.scope}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return w.explain("changing git's configuration", fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes())))
	}
	return nil
}

func (w *configWriter) explain(what string, err error) error {
	return fail(exitUsage, fmt.Errorf("%s (%s): %w", what, w.scope, err))
}
