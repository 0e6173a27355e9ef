package agent

import "golang.org/x/sys/unix"

// peerUID returns the user on the other side of a Unix socket: of the process
// when it connected, or began to listen (SO_PEERCRED, unix(7)).
func peerUID(fd int) (int, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}
