//go:build unix

package agent

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Spawn starts an agent: program, with args, in a session of its own in the
// directory dir ("": /), with what it needs of env, and no open file. It does
// not wait for it.
//
// Whoever waits for the end of a pipe that this process was given, as git does
// for its signing program's, would wait for the end of the agent if that had
// it too.
func Spawn(program string, args []string, env []string, dir string) error {
	if dir == "" {
		dir = "/"
	}
	if err := closeOnExec(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = environ(env), dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	// One that finds another agent in place ends soon.
	go func() { _ = cmd.Wait() }() // it is by the socket that one learns how it went
	return nil
}

// firstFile is the first descriptor after the standard ones, which a child gets
// as its parent says.
const firstFile = 3

// closeOnExecOf marks the open files that a directory of the system lists.
func closeOnExecOf(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err == nil && fd >= firstFile {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}
