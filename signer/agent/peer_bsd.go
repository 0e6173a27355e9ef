//go:build darwin || freebsd

package agent

import (
	"errors"

	"golang.org/x/sys/unix"
)

// peerUID returns the user on the other side of a Unix socket: of the process
// when it connected, or began to listen (LOCAL_PEERCRED, unix(4)).
func peerUID(fd int) (int, error) {
	const solLocal = 0 // <sys/un.h>
	cred, err := unix.GetsockoptXucred(fd, solLocal, unix.LOCAL_PEERCRED)
	if err != nil {
		return -1, err
	}
	if cred.Version != 0 { // XUCRED_VERSION, <sys/ucred.h>
		return -1, errors.New("credentials of an unknown version")
	}
	return int(cred.Uid), nil
}
