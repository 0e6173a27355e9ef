//go:build !windows

package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminalDevice is the name of the controlling terminal.
const terminalDevice = "/dev/tty"

// openNoFollow has a file opened only where it is: neither through a symbolic
// link nor by waiting for the other end of a pipe.
const openNoFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// showsLines reports whether the terminal takes lines, as shells leave it for
// the programs they run, and is ours to write to. A program that draws its
// screen itself has it give away each key (termios(3), ICANON), and what runs in
// the background is of another process group than the terminal's.
func showsLines(tty *os.File) bool {
	fd := int(tty.Fd())
	mode, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil || mode.Lflag&unix.ICANON == 0 {
		return false
	}
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
