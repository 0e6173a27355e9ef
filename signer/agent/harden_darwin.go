package agent

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps the memory of this process from other processes of the user, as
// far as the system allows: it leaves no core dump and cannot be attached to.
// Memory cannot be locked as a whole here; what is swapped is encrypted.
func Harden() (locked bool, err error) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return false, fmt.Errorf("forbidding core dumps: %w", err)
	}
	if err := unix.PtraceDenyAttach(); err != nil {
		return false, fmt.Errorf("forbidding to be attached to: %w", err)
	}
	return false, nil
}
