//go:build unix

package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Inherited returns the listener on the agent's socket that a service manager
// passed to the process pid, which is this one (sd_listen_fds(3)); nil if none
// did. What it listens on is checked as Listen's.
func Inherited(pid int, getenv func(string) string) (net.Listener, error) {
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil
	}
	l, err := inherit(getenv("LISTEN_FDS"))
	if err != nil {
		return nil, fmt.Errorf("taking the socket from the service manager: %w", err)
	}
	return l, nil
}

func inherit(count string) (net.Listener, error) {
	if count != "1" {
		return nil, fmt.Errorf("it passed %q, want one", count)
	}
	f := os.NewFile(firstFile, "socket")
	if f == nil {
		return nil, errors.New("there is none")
	}
	l, err := net.FileListener(f)
	// The listener has a copy, and the agent's children must have none.
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	path := l.Addr().String()
	err = checkDirectory(filepath.Dir(path), 0o077)
	if err == nil {
		err = checkSocket(path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
