//go:build unix

package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user who is not the one of this process.
const nobody = 65534

// asNobody makes a command another user's. It skips the test where that takes
// rights that this process lacks.
func asNobody(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	// The directory of this program is root's alone.
	dir := shortDir(t)
	must(t, os.Chmod(dir, 0o755))
	program, err := os.ReadFile(cmd.Path)
	must(t, err)
	cmd.Path = filepath.Join(dir, "test")
	must(t, os.WriteFile(cmd.Path, program, 0o755))
	cmd.Args[0], cmd.Dir = cmd.Path, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// runConnect says what an agent says to it: connect SOCKET.
func runConnect(args []string) error {
	conn, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	said, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	fmt.Printf("it said %d bytes\n", len(said))
	return nil
}

// TestAnotherUserIsNotServed opens the way for one whom the directory and the
// socket would keep out.
func TestAnotherUserIsNotServed(t *testing.T) {
	w := newWorld(t, nil)
	cmd := process(t, "connect", w.path)
	asNobody(t, cmd)
	w.login(t, alice, "")
	dir := filepath.Dir(w.path)
	cmd.Stderr = nil
	if out, err := cmd.Output(); err == nil {
		t.Errorf("another user can connect: %s", out)
	}
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chmod(w.path, 0o666))
	again := process(t, "connect", w.path)
	again.Path, again.Args, again.Dir, again.SysProcAttr = cmd.Path, cmd.Args, cmd.Dir, cmd.SysProcAttr
	if out, err := again.Output(); err != nil || string(out) != "it said 0 bytes\n" {
		t.Errorf("another user is told %q, %v", out, err)
	}
	if log := w.log.String(); !strings.Contains(log, "the other side is of user 65534") {
		t.Errorf("the log says\n%s", log)
	}
	must(t, os.Chmod(w.path, 0o600))
	w.signs(t, "", alice)
}

// runListen is another user's, on a socket: listen SOCKET.
func runListen(args []string) error {
	l, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			frame, err := (&message{Hello: &helloMessage{Protocol: protocol}}).encode(0)
			if err != nil {
				return
			}
			conn.Write(frame) // who has gone needs none
		}
	}()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestAnotherUsersProcessIsNotTrusted has one listen where everything that can be
// seen of the socket is the user's own, and where that is not so.
func TestAnotherUsersProcessIsNotTrusted(t *testing.T) {
	path := place(t)
	dir := filepath.Dir(path)
	cmd := process(t, "listen", path)
	asNobody(t, cmd)
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o777))
	start(t, cmd)
	must(t, os.Chmod(path, 0o600))

	must(t, os.Chmod(dir, 0o700))
	checkUnused(t, path, "not using "+path+": it belongs to another user")
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "it belongs to another user") {
		t.Errorf("Listen = %v: another user's socket is replaced", err)
	}
	must(t, os.Chown(path, 0, 0))
	checkUnused(t, path, "the other side is of user 65534")

	must(t, os.Chown(dir, nobody, nobody))
	checkUnused(t, path, "not using "+dir+": it belongs to another user")
	must(t, os.Chown(dir, 0, 0))
	must(t, os.Chown(filepath.Dir(dir), nobody, nobody))
	checkUnused(t, path, "not using "+filepath.Dir(dir)+": it belongs to another user")
	must(t, os.Chown(filepath.Dir(dir), 0, 0))
}
