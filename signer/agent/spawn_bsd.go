//go:build unix && !linux

package agent

// closeOnExec marks all open files as not to be passed on.
func closeOnExec() error { return closeOnExecOf("/dev/fd") }
