//go:build unix

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxPath bounds the path of a socket, in bytes: systems take 104 or 108 with
// the zero at the end, and tell of more in words that nobody understands.
const maxPath = 100

// Path returns the path of the agent's socket for a user, in runtimeDir
// ($XDG_RUNTIME_DIR) if that is a directory that only the user can write to,
// else in a directory of the user's own in tmp ("/tmp"). It makes nothing.
func Path(runtimeDir, tmp string, uid int) (string, error) {
	if info, err := os.Lstat(runtimeDir); err == nil && filepath.IsAbs(runtimeDir) && info.IsDir() && private(info, uid, 0o022) == nil {
		if path := filepath.Join(runtimeDir, "gitseal", "agent.sock"); len(path) <= maxPath {
			return path, nil
		}
	}
	path := filepath.Join(tmp, "gitseal-"+strconv.Itoa(uid), "agent.sock")
	switch {
	case !filepath.IsAbs(path):
		return "", fmt.Errorf("placing the agent's socket: directory %q is not an absolute path", tmp)
	case len(path) > maxPath:
		return "", fmt.Errorf("placing the agent's socket: %s is longer than the %d bytes that a socket's path may have", path, maxPath)
	}
	return path, nil
}

// private checks that what info is about belongs to the user, and that nobody
// else has any of the permissions.
func private(info fs.FileInfo, uid int, others fs.FileMode) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || int(stat.Uid) != uid:
		return errors.New("it belongs to another user")
	case info.Mode().Perm()&others != 0:
		return fmt.Errorf("its mode %04o gives others access", info.Mode().Perm())
	}
	return nil
}

// checkDirectory checks that nobody else can put anything in the place of what
// is in a directory, nor of the directory.
func checkDirectory(dir string, others fs.FileMode) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &unsafeError{dir, errors.New("it is not a directory")}
	}
	if err := private(info, os.Getuid(), others); err != nil {
		return &unsafeError{dir, err}
	}
	parent, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return err
	}
	// The parent may be everyone's, if it keeps them from one another's files.
	if parent.Mode().Perm()&0o022 != 0 && parent.Mode()&fs.ModeSticky == 0 {
		return &unsafeError{filepath.Dir(dir), errors.New("others can replace what is in it")}
	}
	if private(parent, os.Getuid(), 0) != nil && private(parent, 0, 0) != nil {
		return &unsafeError{filepath.Dir(dir), errors.New("it belongs to another user")}
	}
	return nil
}

// checkSocket checks that a socket is one that only the user can have made.
func checkSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &unsafeError{path, errors.New("it is not a socket")}
	}
	if err := private(info, os.Getuid(), 0o077); err != nil {
		return &unsafeError{path, err}
	}
	return nil
}

// An unsafeError says that somebody else has, or may have, a hand in it.
type unsafeError struct {
	path string
	err  error
}

func (e *unsafeError) Error() string { return fmt.Sprintf("not using %s: %v", e.path, e.err) }
func (e *unsafeError) Unwrap() error { return e.err }

// absent reports whether err, from connecting, says that no agent is there and
// that one can be started.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// dial connects to the socket, if it and who listens on it are the user's own.
func dial(ctx context.Context, path string) (net.Conn, error) {
	if err := checkDirectory(filepath.Dir(path), 0o022); err != nil {
		return nil, err
	}
	if err := checkSocket(path); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn); err != nil {
		_ = conn.Close() // nothing was said on it
		return nil, &unsafeError{path, err}
	}
	return conn, nil
}

// checkPeer checks that the other side of a connection is of the same user.
func checkPeer(conn net.Conn) error {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return errors.New("it cannot be told whose the other side is")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	uid := -1
	var uerr error
	if err := raw.Control(func(fd uintptr) { uid, uerr = peerUID(int(fd)) }); err != nil {
		return err
	}
	switch {
	case uerr != nil:
		return fmt.Errorf("asking whose the other side is: %w", uerr)
	case uid != os.Getuid():
		return fmt.Errorf("the other side is of user %d", uid)
	}
	return nil
}

// tooMany reports whether err, from accepting, passes once files are closed.
func tooMany(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

// Listen listens on the socket for a new agent, in a directory that it makes if
// need be. It holds a lock for as long as the listener is open: a socket that
// is there nevertheless is of an agent that died, and is replaced. Where there
// is an agent, the error is ErrRunning.
func Listen(path string) (net.Listener, error) {
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return l, nil
}

func listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path is longer than %d bytes", maxPath)
	}
	if err := makeDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := lockAgent(path)
	if err != nil {
		return nil, err
	}
	l, err := bind(path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l.lock = lock
	return l, nil
}

// bind makes the socket under another name, and gives it its own when it is
// ready: a client that saw it before would take it for one that others can use.
func bind(path string) (*listener, error) {
	if err := checkSocket(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	draft := path + draftSuffix
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: draft, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	// Until now the directory alone kept others out.
	err = os.Chmod(draft, 0o600)
	var own fs.FileInfo
	if err == nil {
		own, err = os.Lstat(draft)
	}
	if err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(draft))
	}
	return &listener{Listener: l, path: path, own: own}, nil
}

// draftSuffix is short: the longest path of a socket has 103 bytes on macOS.
const draftSuffix = ".n"

// makeDirectory makes the directory of a socket, or checks the one there is.
func makeDirectory(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkDirectory(dir, 0o077)
}

// A listener is one that holds the lock.
type listener struct {
	net.Listener
	path string
	own  fs.FileInfo // of the socket
	lock *os.File
}

// Close ends the listening, removes the socket if it is the one it made, and
// then releases the lock.
func (l *listener) Close() error {
	err := l.Listener.Close()
	if info, serr := os.Lstat(l.path); serr == nil && os.SameFile(info, l.own) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return errors.Join(err, l.lock.Close())
}
