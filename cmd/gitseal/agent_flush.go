package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// flushApart has all that waits recorded, for the agent, by a process of its own:
// the one that has the keys then reads no queue, no configuration of a
// repository and no answer about what others signed, and runs no git. The error
// says that something still waits.
func flushApart(ctx context.Context, e *env) error {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, e.program, "log", "flush", "--all", "--format", "json")
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	var told struct {
		Failed []struct {
			Error string `json:"error"`
		} `json:"failed"`
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && out.Len() == 0:
		line, _, _ := bytes.Cut(complaint.Bytes(), []byte("\n"))
		return fmt.Errorf("log flush: %w: %s", err, line)
	case json.Unmarshal(out.Bytes(), &told) != nil:
		return errors.New("log flush: its answer cannot be read")
	case len(told.Failed) > 0:
		return fmt.Errorf("recording %s: %s", count(len(told.Failed), "signature", "signatures"), told.Failed[0].Error)
	}
	return nil
}
