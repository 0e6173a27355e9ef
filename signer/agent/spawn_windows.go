package agent

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// Spawn starts an agent: program, with args, without a console, in the
// directory dir ("": that of the program), with what it needs of env, and no
// open file. It does not wait for it.
func Spawn(program string, args []string, env []string, dir string) error {
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = environ(env), dir
	// Of the handles of this process a child gets those that it is told of.
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	return cmd.Process.Release()
}
