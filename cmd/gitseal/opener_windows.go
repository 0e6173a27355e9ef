package main

import (
	"os/exec"
	"syscall"
)

// detach has a program run in a group of its own, so that Ctrl-C here does not
// end a browser there.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
