//go:build unix

package agent

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/verifier"
)

// asProcess is the first argument of this program where it is to be another.
const asProcess = "as-process"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asProcess {
		if err := processes[os.Args[2]](os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// processes are what this program can be.
var processes = map[string]func(args []string) error{
	"serve": runServe, "client": runClient, "starter": runStarter, "linger": runLinger,
	"lock": runLock, "connect": runConnect, "listen": runListen, "harden": runHarden,
}

// process returns a command that runs one of them.
func process(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{asProcess}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// start starts it, and returns its first line. What it is told to wait for is
// the end of its input, which release brings about.
func start(t testing.TB, cmd *exec.Cmd) (first string, release func()) {
	t.Helper()
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // some are killed
	})
	first, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the process said %q: %v", first, err)
	}
	return strings.TrimSpace(first), func() { in.Close() }
}

// runServe is an agent at a socket, whose instance is an authority in a
// directory: serve SOCKET DIRECTORY [killed].
func runServe(args []string) error {
	locked, err := Harden()
	if err != nil {
		return err
	}
	a, err := fakeca.Open(args[1], fakeca.Config{})
	if err != nil {
		return err
	}
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		return err
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		return err
	}
	cfg := Config{Version: "process", Locked: locked, Open: func(_ *Instance, tokens signer.TokenSource) (*signer.Signer, error) {
		return signer.New(signer.Config{Tokens: tokens, CA: a, Logs: []signer.Log{a}, Timestampers: []signer.Timestamper{a}, Verifier: v})
	}}
	if len(args) > 2 {
		cfg.Confirm = func(context.Context, string) error {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	s, err := New(cfg)
	if err != nil {
		return err
	}
	l, err := Listen(args[0])
	if errors.Is(err, ErrRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Serve(context.Background(), l)
}

// spawned returns a client of an agent in a process of its own, and the world
// that it signs in.
func spawned(t testing.TB, more ...string) *world {
	t.Helper()
	dir := filepath.Join(shortDir(t), "authority")
	a, err := fakeca.Create(dir, fakeca.Config{})
	must(t, err)
	t.Cleanup(func() { a.Close() })
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	must(t, err)
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	must(t, err)
	w := &world{authority: a, verifier: v, path: place(t), instance: &Instance{TrustedRoot: a.TrustedRoot()}}
	self, err := os.Executable()
	must(t, err)
	w.client, err = Dial(t.Context(), ClientConfig{Path: w.path, Wait: 30 * time.Second, Start: func() error {
		return Spawn(self, append([]string{asProcess, "serve", w.path, dir}, more...), os.Environ(), "")
	}})
	must(t, err)
	t.Cleanup(func() {
		var gone *UnavailableError
		if err := w.client.Stop(context.Background()); err != nil && !errors.As(err, &gone) {
			t.Error(err)
		}
		w.client.Close()
	})
	return w
}

func TestAgentOfItsOwnProcess(t *testing.T) {
	w := spawned(t)
	w.needsLogin(t, "")
	w.login(t, alice, "")
	w.signs(t, "", alice)
	status, err := w.client.Status(t.Context())
	if err != nil || status.PID == os.Getpid() || status.Version != "process" {
		t.Errorf("status %+v, %v", status, err)
	}
}

// TestAgentKilledMidRequest dies of a signature.
func TestAgentKilledMidRequest(t *testing.T) {
	w := spawned(t, "killed")
	w.login(t, alice, "")
	var gone *UnavailableError
	if _, err := w.client.Sign(t.Context(), w.request("x", ""), nil); !errors.As(err, &gone) || errors.Is(err, errSlow) {
		t.Errorf("Sign = %v, want an UnavailableError, and not for want of an answer in time", err)
	}
	// What it leaves is in nobody's way.
	if _, err := Dial(t.Context(), ClientConfig{Path: w.path}); !errors.As(err, &gone) {
		t.Errorf("Dial = %v, want an UnavailableError", err)
	}
	l, err := Listen(w.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// runClient says which agent it finds or starts: client SOCKET DIRECTORY.
func runClient(args []string) error {
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // so that all begin at once
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c, err := Dial(context.Background(), ClientConfig{Path: args[0], Wait: 30 * time.Second, Start: func() error {
		return Spawn(self, []string{asProcess, "serve", args[0], args[1]}, os.Environ(), "")
	}})
	if err != nil {
		return err
	}
	s, err := c.Status(context.Background())
	if err != nil {
		return err
	}
	return os.WriteFile(args[2], strconv.AppendInt(nil, int64(s.PID), 10), 0o600)
}

// TestManyStartersOneAgent has six processes find none at the same time.
func TestManyStartersOneAgent(t *testing.T) {
	dir := filepath.Join(shortDir(t), "authority")
	a, err := fakeca.Create(dir, fakeca.Config{})
	must(t, err)
	must(t, a.Close())
	path := filepath.Join(shortDir(t), "new", "agent.sock")
	var cmds []*exec.Cmd
	var releases []func()
	var files []string
	for i := range 6 {
		files = append(files, filepath.Join(t.TempDir(), strconv.Itoa(i)))
		cmd := process(t, "client", path, dir, files[i])
		_, release := start(t, cmd)
		cmds, releases = append(cmds, cmd), append(releases, release)
	}
	for _, release := range releases {
		release()
	}
	pids := make(map[string]bool)
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		pid, err := os.ReadFile(files[i])
		if err != nil {
			t.Error(err)
		}
		pids[string(pid)] = true
	}
	if len(pids) != 1 {
		t.Errorf("agents %v, want one", pids)
	}
	c, err := Dial(t.Context(), ClientConfig{Path: path})
	must(t, err)
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// runLock holds the lock of an agent: lock SOCKET.
func runLock(args []string) error {
	f, err := tryLock(args[0] + ".lock")
	if err != nil {
		return err
	}
	fmt.Println(f != nil)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestLockOfDeadProcessIsNone kills who holds it.
func TestLockOfDeadProcessIsNone(t *testing.T) {
	path := place(t)
	cmd := process(t, "lock", path)
	if got, _ := start(t, cmd); got != "true" {
		t.Fatalf("locked: %s", got)
	}
	if f, err := tryLock(path + ".lock"); f != nil || err != nil {
		t.Fatalf("the lock can be taken twice: %v", err)
	}
	must(t, cmd.Process.Kill())
	cmd.Wait() // killed
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	must(t, l.Close())
}

// runHarden says what it got, and goes on to use memory: harden.
func runHarden([]string) error {
	locked, err := Harden()
	if err != nil {
		return err
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	// More than what may be locked, in pieces.
	var kept [][]byte
	for range 64 {
		kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
	}
	fmt.Printf("locked %v core %d dumpable %v memory %d\n", locked, core.Cur, dumpable(), len(kept))
	return nil
}

func TestHarden(t *testing.T) {
	for _, limit := range []unix.Rlimit{{Cur: 0}, {Cur: 64 << 10}} {
		cmd := process(t, "harden")
		asNobody(t, cmd)
		var was unix.Rlimit
		must(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &was))
		limit.Max = was.Max
		must(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit))
		out, err := cmd.Output()
		must(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &was))
		if want := "locked false core 0 dumpable false memory 64\n"; err != nil || string(out) != want {
			t.Errorf("under a limit of %d bytes: %q, %v, want %q", limit.Cur, out, err, want)
		}
	}
}
