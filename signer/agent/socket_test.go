//go:build unix

package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPath(t *testing.T) {
	dir, open := shortDir(t), shortDir(t)
	if err := os.Chmod(open, 0o770); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("x", 80))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	uid := os.Getuid()
	fallback := filepath.Join("/tmp", "gitseal-7", "agent.sock")
	for _, tt := range []struct {
		name, runtime, tmp string
		uid                int
		want, err          string
	}{
		{"runtime directory", dir, "/tmp", uid, filepath.Join(dir, "gitseal", "agent.sock"), ""},
		{"none", "", "/tmp", 7, fallback, ""},
		{"a relative one", ".", "/tmp", 7, fallback, ""},
		{"one that is not there", "/nowhere", "/tmp", 7, fallback, ""},
		{"another user's", dir, "/tmp", 7, fallback, ""},
		{"one that others write to", open, "/tmp", 7, fallback, ""},
		{"a link", link, "/tmp", 7, fallback, ""},
		{"a long one", long, "/tmp", 7, fallback, ""},
		{"no absolute fallback", "", "tmp", 7, "", "not an absolute path"},
		{"a long fallback", "", long, 7, "", "longer than the 100 bytes"},
	} {
		got, err := Path(tt.runtime, tt.tmp, tt.uid)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: Path = %q, %v, want %q, %q", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// place returns where a socket can be, in a directory that is right.
func place(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(shortDir(t), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "agent.sock")
}

// listenPlain makes a socket that is the user's own, with nothing said on it.
func listenPlain(t testing.TB, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

// must fails the test on an error of what prepares it.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestUnsafePlacesAreNotUsed plants what another user, or an accident, may have.
// Neither side uses it, nor starts or makes anything there, nor removes it; and
// the client says so.
func TestUnsafePlacesAreNotUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		plant func(t *testing.T, path string)
		want  string
	}{
		"directory that others write to": {func(t *testing.T, path string) {
			must(t, os.Chmod(filepath.Dir(path), 0o770))
		}, "its mode 0770 gives others access"},
		"directory that is a link": {func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			must(t, os.Rename(dir, dir+"2"))
			must(t, os.Symlink(dir+"2", dir))
			listenPlain(t, path)
		}, "it is not a directory"},
		"directory that others can replace": {func(t *testing.T, path string) {
			must(t, os.Chmod(filepath.Dir(filepath.Dir(path)), 0o777))
		}, "others can replace what is in it"},
		"a file": {func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte("planted"), 0o600))
		}, "it is not a socket"},
		"a link to a socket": {func(t *testing.T, path string) {
			listenPlain(t, path+"2")
			must(t, os.Symlink(path+"2", path))
		}, "it is not a socket"},
		"a socket for everyone": {func(t *testing.T, path string) {
			listenPlain(t, path)
			must(t, os.Chmod(path, 0o666))
		}, "its mode 0666 gives others access"},
	} {
		t.Run(name, func(t *testing.T) {
			path := place(t)
			tt.plant(t, path)
			before, _ := os.Lstat(path) // nil: there is none
			checkUnused(t, path, tt.want)
			if l, err := Listen(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Listen = %v, %v, want %q", l, err, tt.want)
			}
			after, err := os.Lstat(path)
			if before != nil && (err != nil || !os.SameFile(before, after)) {
				t.Error("what was planted is gone")
			}
		})
	}
}

// checkUnused checks that a client uses no agent at path, and says why.
func checkUnused(t testing.TB, path, want string) {
	t.Helper()
	var trace []string
	c, err := Dial(t.Context(), ClientConfig{
		Path: path, Trace: func(line string) { trace = append(trace, line) },
		Start: func() error {
			t.Error("an agent was started")
			return nil
		},
	})
	var gone *UnavailableError
	if !errors.As(err, &gone) || !strings.Contains(err.Error(), want) {
		t.Errorf("Dial = %v, %v, want %q", c, err, want)
	}
	if !strings.Contains(strings.Join(trace, "\n"), want) {
		t.Errorf("the trace says %q, want %q", trace, want)
	}
}

func TestListensWhereNothingIs(t *testing.T) {
	path := filepath.Join(shortDir(t), "new", "agent.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o600, path + ".lock": 0o600} {
		if info, err := os.Lstat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	if second, err := Listen(path); !errors.Is(err, ErrRunning) {
		t.Errorf("a second listener = %v, %v, want %v", second, err, ErrRunning)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Listen(path)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Listen(filepath.Join(filepath.Dir(path), strings.Repeat("x", 100))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("long path: %v", err)
	}
}

// begin has an agent begin that nobody can log in to.
func begin(t testing.TB, path string) error {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		return err
	}
	s, err := New(Config{Open: openNothing})
	must(t, err)
	(&world{server: s}).serve(t, l)
	return nil
}

// TestSocketOfAServiceManagerIsLeft: whoever listens there has no lock, be it
// the manager or the agent that inherited the socket from it.
func TestSocketOfAServiceManagerIsLeft(t *testing.T) {
	path := place(t)
	l := listenPlain(t, path)
	must(t, os.Chmod(path, 0o600))
	if got, err := Listen(path); !errors.Is(err, ErrRunning) {
		t.Errorf("Listen = %v, %v, want %v", got, err, ErrRunning)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("who listened there is gone: %v", err)
	} else {
		must(t, conn.Close())
	}
	must(t, l.Close())
	next, err := Listen(path)
	must(t, err)
	must(t, next.Close())
}

// TestStaleSocketIsReplaced: of an agent that died its socket is left, and its
// lock file, which nobody holds.
func TestStaleSocketIsReplaced(t *testing.T) {
	path := place(t)
	l := listenPlain(t, path)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
	must(t, os.WriteFile(path+".lock", nil, 0o600))
	must(t, os.WriteFile(path+".start", nil, 0o600))
	started := 0
	c, err := Dial(t.Context(), ClientConfig{Path: path, Wait: 10 * time.Second, Start: func() error {
		started++
		return begin(t, path)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Status(t.Context()); err != nil || started != 1 {
		t.Errorf("started %d times, status %v", started, err)
	}
}

// TestAgentThatEndsJustThen hangs up on who came too late, and is gone.
func TestAgentThatEndsJustThen(t *testing.T) {
	path := place(t)
	fake(t, path, nil, func(*wire) { must(t, os.Remove(path)) })
	started := 0
	c, err := Dial(t.Context(), ClientConfig{Path: path, Wait: 10 * time.Second, Start: func() error {
		started++
		return begin(t, path)
	}})
	if err != nil || started != 1 {
		t.Fatalf("Dial = %v, started %d times, want 1", err, started)
	}
	c.Close()
}

func TestAgentThatDoesNotStart(t *testing.T) {
	var gone *UnavailableError
	path := place(t)
	if _, err := Dial(t.Context(), ClientConfig{Path: path, Start: func() error { return errors.New("no such program") }}); !errors.As(err, &gone) {
		t.Errorf("Dial = %v, want an UnavailableError", err)
	}
	if _, err := Dial(t.Context(), ClientConfig{Path: path, Wait: time.Millisecond, Start: func() error { return nil }}); !errors.As(err, &gone) {
		t.Errorf("Dial = %v, want an UnavailableError", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, ClientConfig{Path: path, Start: func() error { return nil }}); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v, want %v", err, context.Canceled)
	}
}
