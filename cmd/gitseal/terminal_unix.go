//go:build !windows

package main

// terminalDevice is the name of the controlling terminal.
const terminalDevice = "/dev/tty"
