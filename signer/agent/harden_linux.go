package agent

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps the memory of this process from other processes of the user and
// from disks, as far as the system allows: it leaves no core dump, cannot be
// attached to, and, if locked, is not swapped. For that the limit on locked
// memory has to be lifted (RLIMIT_MEMLOCK, or CAP_IPC_LOCK): under a limit the
// Go runtime, which reserves far more addresses than it uses, would some time
// get no more memory, and end.
//
// Keys are in the heap of the runtime, as its ECDSA has them, beside copies
// that it makes to sign. So it is all of the process that is locked, or
// nothing: a page of its own for the scalar would leave the copies where they
// are.
func Harden() (locked bool, err error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return false, fmt.Errorf("making the process not dumpable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return false, fmt.Errorf("forbidding core dumps: %w", err)
	}
	if !mayLock() {
		return false, nil
	}
	// Pages are locked once they are used: what is only reserved takes none.
	err = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	if err != nil {
		return false, fmt.Errorf("locking memory: %w", err)
	}
	return true, nil
}

// mayLock reports whether this process may lock as much memory as it likes.
func mayLock() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur == unix.RLIM_INFINITY {
		return true
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	return unix.Capget(&header, &caps[0]) == nil && caps[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}
