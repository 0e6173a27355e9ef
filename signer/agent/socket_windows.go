package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// Path returns the name of the agent's pipe for the user of this process. The
// arguments are for other systems.
func Path(string, string, int) (string, error) {
	sid, err := user()
	if err != nil {
		return "", fmt.Errorf("naming the agent's pipe: %w", err)
	}
	return `\\.\pipe\gitseal-agent-` + sid.String(), nil
}

// user returns the user of this process.
func user() (*windows.SID, error) {
	u, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	return u.User.Sid, nil
}

const pipeBuffer = 1 << 16 // in bytes

// Listen makes the pipe of a new agent, which the user alone can open. Where
// there is an agent, the error is ErrRunning.
func Listen(path string) (net.Listener, error) {
	sid, err := user()
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	// Owned by the user, also in a process of an administrator; protected
	// from what would be inherited; all access for the user, none for others.
	// What is written is buffered, for a greeting must not wait for its reader.
	l, err := winio.ListenPipe(path, &winio.PipeConfig{
		SecurityDescriptor: fmt.Sprintf("O:%[1]sD:P(A;;GA;;;%[1]s)", sid), InputBufferSize: pipeBuffer, OutputBufferSize: pipeBuffer,
	})
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		err = ErrRunning // the first instance of a pipe is exclusive
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return l, nil
}

// absent reports whether err, from connecting, says that no agent is there and
// that one can be started.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// dial connects to the pipe, if it is the user's own.
func dial(ctx context.Context, path string) (net.Conn, error) {
	conn, err := winio.DialPipeContext(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := checkOwner(conn); err != nil {
		_ = conn.Close() // nothing was said on it
		return nil, fmt.Errorf("not using %s: %w", path, err)
	}
	return conn, nil
}

// checkOwner checks that the user made the pipe.
func checkOwner(conn net.Conn) error {
	pipe, ok := conn.(interface{ Fd() uintptr })
	if !ok {
		return errors.New("it cannot be told whose it is")
	}
	sd, err := windows.GetSecurityInfo(windows.Handle(pipe.Fd()), windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("asking whose it is: %w", err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("asking whose it is: %w", err)
	}
	sid, err := user()
	if err != nil {
		return err
	}
	if owner == nil || !owner.Equals(sid) {
		return errors.New("it belongs to another user")
	}
	return nil
}

// checkPeer has nothing to check: nobody else can open the pipe.
func checkPeer(net.Conn) error { return nil }

// starting gives the right to start an agent to everyone: only one of them gets
// the pipe.
func starting(string) (func() error, error) { return func() error { return nil }, nil }

// tooMany reports whether err, from accepting, passes: none does.
func tooMany(error) bool { return false }

// Inherited returns nil: there is nobody here who passes pipes on.
func Inherited(int, func(string) string) (net.Listener, error) { return nil, nil }
