package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/monitor"
)

func logCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "log",
		Usage: "ask transparency logs: entries, checkpoints, who signed what",
		Subcommands: []*cli.Command{
			logGetCommand(e), logSearchCommand(e), logCheckpointCommand(e), logImportCommand(e),
			logPendingCommand(e), logFlushCommand(e),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fail(exitUsage, fmt.Errorf("unknown command %q", "log "+c.Args().First()), "gitseal log --help")
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

// logFlags are the flags that say which logs to ask, the same for each command
// that asks them.
func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log", Usage: "ask the log with this `URL` or origin, which a trusted root has to name", DefaultText: "every log that is in use now"},
		&cli.StringFlag{Name: "trusted-root", Usage: "trust what `FILE`, a trusted_root.json, names, and nothing else"},
		formatFlag(),
	}
}

func logCheckpointCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "checkpoint",
		Usage: "see that logs have only grown since they were last seen",
		Description: "Asks each log for its checkpoint, checks the log's signature, and has it prove that what was\n" +
			"pinned here before is the beginning of its history. The first checkpoint of a log is trusted\n" +
			"for being the first. Exits 0 if all is well, 3 if a log could not be asked, 4 if a log\n" +
			"contradicts itself: then both checkpoints are kept as evidence, and the pin stays.",
		Flags:  logFlags(),
		Action: func(c *cli.Context) error { return runLogCheckpoint(c, e) },
	}
}

// A checkpointJSON is one tree of a log in the answer of log checkpoint.
type checkpointJSON struct {
	Log    string  `json:"log"`
	Origin string  `json:"origin"`
	Size   uint64  `json:"size"`
	Root   string  `json:"rootHash"`
	Note   string  `json:"checkpoint"`
	Change string  `json:"change"`
	Before *uint64 `json:"pinnedSize"` // null: nothing was pinned
}

func runLogCheckpoint(c *cli.Context, e *env) error {
	if c.Args().Present() {
		return usage("log checkpoint takes no arguments")
	}
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	logs, err := openLogs(c, e)
	if err != nil {
		return err
	}
	defer logs.Close() // only asked
	pins, err := logs.settings.pins()
	if err != nil {
		return err
	}

	// One log that fails says nothing of the others.
	var failed []error
	trees := []checkpointJSON{}
	for _, trusted := range logs.chosen {
		k, err := logs.open(c.Context, trusted)
		var sights []monitor.Sight
		if err == nil {
			sights, err = pins.Update(c.Context, k.Log)
		}
		if err != nil {
			failed = append(failed, explainLog(err))
			continue
		}
		for _, s := range sights {
			if trees = append(trees, newCheckpointJSON(k, s)); !asJSON {
				e.printf("%s\n", printable(trees[len(trees)-1].line()))
			}
		}
	}
	if asJSON {
		err = writeJSON(e, struct {
			Schema string           `json:"schema"`
			Trees  []checkpointJSON `json:"trees"`
		}{"gitseal.log-checkpoint/1", trees})
		if err != nil {
			return err
		}
	}
	return e.worst(failed)
}

func newCheckpointJSON(k *knownLog, s monitor.Sight) checkpointJSON {
	c := s.Shown.Checkpoint
	out := checkpointJSON{
		Log: k.Name(), Origin: c.Origin, Size: c.Size, Root: hex.EncodeToString(c.Root[:]), Note: string(s.Shown.Note), Change: string(s.Change),
	}
	if s.Pinned != nil {
		out.Before = &s.Pinned.Checkpoint.Size
	}
	return out
}

// line says what the checkpoint is and how it stands to the one before.
func (t *checkpointJSON) line() string {
	how := "as it was"
	switch monitor.Change(t.Change) {
	case monitor.FirstSeen:
		how = "seen for the first time, and trusted for that"
	case monitor.Grown:
		how = fmt.Sprintf("grown from the %s that it had", leaves(*t.Before))
	case monitor.Stale:
		how = fmt.Sprintf("older than the one of %s seen before, and its beginning", leaves(*t.Before))
	}
	name := t.Log
	if _, tree, ok := strings.Cut(t.Origin, " - "); ok {
		name += ", tree " + tree
	}
	return fmt.Sprintf("%s: %s, root %s: %s", name, leaves(t.Size), t.Root, how)
}

func leaves(n uint64) string { return count(int(n), "leaf", "leaves") }

// worst returns the error that says most, that a log contradicts itself before
// all, and prints the others. It is nil if there are none.
func (e *env) worst(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	worst := max(0, slices.IndexFunc(errs, func(err error) bool {
		code, _, _ := exitCode(err)
		return code == exitEquivocation
	}))
	for i, err := range errs {
		if i != worst {
			_, message, hints := exitCode(err)
			e.printError(message, hints)
		}
	}
	return errs[worst]
}
