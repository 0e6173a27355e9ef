//go:build !windows

package main

import (
	"os/exec"
	"syscall"
)

// detach has a program run in a session of its own, so that Ctrl-C here does
// not end a browser there.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
