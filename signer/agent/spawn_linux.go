package agent

import "golang.org/x/sys/unix"

// closeOnExec marks all open files as not to be passed on (close_range(2),
// since Linux 5.11).
func closeOnExec() error {
	if unix.CloseRange(firstFile, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	return closeOnExecOf("/proc/self/fd")
}
