//go:build unix

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"gitseal/signer"
)

func init() { processes["inherit"] = runInherit }

// runInherit is an agent whose service manager listens: inherit. That sets
// LISTEN_PID to the process it starts; a test cannot know it before.
func runInherit([]string) error {
	getenv := func(name string) string {
		if name == "LISTEN_PID" {
			return strconv.Itoa(os.Getpid())
		}
		return os.Getenv(name)
	}
	l, err := Inherited(os.Getpid(), getenv)
	if err != nil {
		fmt.Println(err)
		return nil
	}
	s, err := New(Config{Version: "inherited", Open: openNothing})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return s.Serve(context.Background(), l)
}

func TestInheritsSocket(t *testing.T) {
	path := place(t)
	l := listenPlain(t, path)
	f, err := l.File()
	must(t, err)
	defer f.Close()
	cmd := process(t, "inherit")
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), "LISTEN_FDS=1"), []*os.File{f}
	if first, _ := start(t, cmd); first != "ready" {
		t.Fatal(first)
	}
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
	c, err := Dial(t.Context(), ClientConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.Version != "inherited" {
		t.Errorf("status %+v, %v", s, err)
	}
	must(t, c.Stop(t.Context()))
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	// It is the manager's, who listens on.
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
}

func TestInheritsNothingElse(t *testing.T) {
	if l, err := Inherited(os.Getpid(), func(string) string { return "" }); l != nil || err != nil {
		t.Errorf("without a manager: %v, %v", l, err)
	}
	other := func(name string) string { return map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1"}[name] }
	if l, err := Inherited(os.Getpid(), other); l != nil || err != nil {
		t.Errorf("for another process: %v, %v", l, err)
	}
	path := place(t)
	l := listenPlain(t, path)
	socket, err := l.File()
	must(t, err)
	defer socket.Close()
	must(t, os.Chmod(path, 0o666))
	file, err := os.Open(os.DevNull)
	must(t, err)
	defer file.Close()
	for _, tt := range []struct {
		name, count string
		files       []*os.File
		want        string
	}{
		{"two", "2", []*os.File{socket, socket}, `it passed "2", want one`},
		{"none", "1", nil, "taking the socket from the service manager"},
		{"a file", "1", []*os.File{file}, "taking the socket from the service manager"},
		{"a socket for everyone", "1", []*os.File{socket}, "its mode 0666 gives others access"},
	} {
		cmd := process(t, "inherit")
		cmd.Env, cmd.ExtraFiles = append(os.Environ(), "LISTEN_FDS="+tt.count), tt.files
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.name, out, err, tt.want)
		}
	}
}

// openNothing is for agents that nobody logs in to.
func openNothing(*Instance, signer.TokenSource) (*signer.Signer, error) {
	return nil, errors.New("not here")
}
