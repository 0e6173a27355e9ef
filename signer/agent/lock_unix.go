//go:build unix

package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// startTime is how long an agent waits for one that is about to end.
const startTime = 2 * time.Second

// lockAgent takes the lock of the agent on a socket. One that has it and does
// not answer is about to end, or has just begun.
func lockAgent(path string) (*os.File, error) {
	timeout := time.NewTimer(startTime)
	defer timeout.Stop()
	pace := time.NewTicker(pollTime)
	defer pace.Stop()
	for {
		lock, err := tryLock(path + ".lock")
		if err != nil {
			return nil, err
		}
		// A service manager listens without the lock, and so does an agent that
		// has the socket from one.
		if lock == nil || checkSocket(path) == nil {
			if conn, err := net.Dial("unix", path); err == nil {
				err = errors.Join(ErrRunning, conn.Close())
				if lock != nil {
					err = errors.Join(err, lock.Close())
				}
				return nil, err
			}
		}
		if lock != nil {
			return lock, nil
		}
		select {
		case <-pace.C:
		case <-timeout.C:
			return nil, ErrRunning
		}
	}
}

// tryLock locks a file, for as long as it is open. It returns nil if another
// process has it. A process that dies has it no more.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, f.Close()
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}

// starting takes the right to start an agent, if nobody has it, and returns
// what gives it back; nil: somebody has it.
func starting(path string) (func() error, error) {
	if err := makeDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := tryLock(path + ".start")
	if f == nil {
		return nil, err
	}
	return f.Close, nil
}
