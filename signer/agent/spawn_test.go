//go:build unix

package agent

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A surrounding is what a process was started with.
type surrounding struct {
	PID, SID int
	Dir      string
	Env      []string
	Files    []int
	Terminal bool
}

// runLinger writes what it was started with to a file, and stays for a minute
// or until it is killed: linger FILE.
func runLinger(args []string) error {
	s := surrounding{PID: os.Getpid(), Env: os.Environ()}
	var err error
	if s.SID, err = unix.Getsid(0); err != nil {
		return err
	}
	if s.Dir, err = os.Getwd(); err != nil {
		return err
	}
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		s.Terminal = true
		tty.Close() // nothing was written
	}
	for fd := range 3 {
		var null, st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || unix.Stat(os.DevNull, &null) != nil || st.Rdev != null.Rdev {
			s.Files = append(s.Files, fd)
		}
	}
	// The runtime opens some of its own.
	for fd := 3; fd < 64; fd++ {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && (st.Mode&unix.S_IFMT == unix.S_IFIFO || st.Mode&unix.S_IFMT == unix.S_IFSOCK) {
			s.Files = append(s.Files, fd)
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[0]+".new", data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(args[0]+".new", args[0]); err != nil {
		return err
	}
	time.Sleep(time.Minute) // its end is what nobody must wait for
	return nil
}

// runStarter starts another that lingers, and ends: starter FILE.
func runStarter(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return Spawn(self, []string{asProcess, "linger", args[0]}, os.Environ(), "")
}

// TestSpawnedProcessHoldsNothing is started by one that has pipes of a third, as
// git's signing program has: the third sees their end while the process lives.
func TestSpawnedProcessHoldsNothing(t *testing.T) {
	file := filepath.Join(shortDir(t), "surrounding")
	cmd := process(t, "starter", file)
	var readers []*os.File
	for range 5 {
		r, w, err := os.Pipe()
		must(t, err)
		defer r.Close()
		defer w.Close()
		readers = append(readers, r)
		cmd.ExtraFiles = append(cmd.ExtraFiles, w)
	}
	cmd.Stdout, cmd.Stderr = cmd.ExtraFiles[0], cmd.ExtraFiles[1]
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "XDG_") || strings.HasPrefix(pair, "LC_") }),
		"GIT_DIR=/x/.git", "GIT_CONFIG_PARAMETERS='a.b=c'", "SIGSTORE_ID_TOKEN=secret", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=secret", "ACTIONS_ID_TOKEN_REQUEST_URL=x",
		"GITHUB_TOKEN=secret", "CIRCLE_OIDC_TOKEN=secret", "GITSEAL_TRACE=1", "GITSEAL_INSTANCE=x", "AWS_SECRET_ACCESS_KEY=secret", "LD_PRELOAD=",
		"XDG_STATE_HOME=/state", "LC_ALL=C", "https_proxy=http://proxy.example", "SSH_ASKPASS=/askpass", "DISPLAY=:7")
	must(t, cmd.Start())
	for _, w := range cmd.ExtraFiles {
		must(t, w.Close())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var s surrounding
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(file)
		if err == nil {
			must(t, json.Unmarshal(data, &s))
			break
		}
		if time.Now().After(end) {
			t.Fatal("the process does not begin")
		}
	}
	defer syscall.Kill(s.PID, syscall.SIGKILL) // one of this test's own
	for i, r := range readers {
		must(t, r.SetReadDeadline(time.Now().Add(20*time.Second)))
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("pipe %d: %v, want its end", i, err)
		}
	}
	if err := syscall.Kill(s.PID, 0); err != nil {
		t.Errorf("the process has ended, so nothing was tested: %v", err)
	}
	if s.SID != s.PID || s.Terminal {
		t.Errorf("session %d of process %d, terminal %v: want one of its own, without", s.SID, s.PID, s.Terminal)
	}
	if s.Dir != "/" || len(s.Files) > 0 {
		t.Errorf("directory %s, open files %v: want /, none", s.Dir, s.Files)
	}
	var names []string
	for _, pair := range s.Env {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	for _, want := range []string{"XDG_STATE_HOME", "LC_ALL", "https_proxy", "SSH_ASKPASS", "DISPLAY", "PATH"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, name := range names {
		for _, not := range []string{"GIT", "TOKEN", "ACTIONS", "AWS", "LD_"} {
			if strings.Contains(name, not) {
				t.Errorf("%s is passed on", name)
			}
		}
	}
}

func TestSpawnSaysWhatIsMissing(t *testing.T) {
	if err := Spawn("/nowhere/gitseal", nil, nil, ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Spawn = %v, want %v", err, os.ErrNotExist)
	}
}
