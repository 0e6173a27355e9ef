package cache_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"gitseal/verifier/audit/cache"
)

// TestMain is another process that uses a cache, where a test asks for one.
func TestMain(m *testing.M) {
	role, file, ok := strings.Cut(os.Getenv("GITSEAL_TEST_CACHE"), ":")
	if !ok {
		os.Exit(m.Run())
	}
	if err := another(role, file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const perProcess = 3000

// another is the process number N. It adds perProcess entries of its own and
// as many that the others add too. The process "endless" goes on until it is
// killed.
func another(role, file string) error {
	c, err := cache.Open(config(file))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(role)
	endless := err != nil
	for i := 0; endless || i < perProcess; i++ {
		s := fmt.Sprintf("string %d of %d", i/3, n)
		add(c, perProcess*(n+1)+i, s)
		add(c, -i, "everybody's")
		if i%97 == 0 {
			if err := c.Save(); err != nil {
				return err
			}
			if endless {
				fmt.Println(i)
			}
		}
	}
	if err := c.Save(); err != nil {
		return err
	}
	return c.Close()
}

// add adds a value that says what string it was made with, by number and in
// full.
func add(c *cache.Cache, i int, s string) {
	c.Add(oidOf(i), append(binary.LittleEndian.AppendUint32(nil, c.Intern(s)), s...))
}

// checkAdded checks what add added, if it must be there or is.
func checkAdded(t *testing.T, c *cache.Cache, i int, s string, must bool) {
	t.Helper()
	v, ok := c.Lookup(oidOf(i))
	if !ok && !must {
		return
	}
	if !ok || len(v) < 4 || string(v[4:]) != s {
		t.Fatalf("Lookup of entry %d = %q, %v, want one of %q", i, v, ok, s)
	}
	n := binary.LittleEndian.Uint32(v)
	if got, ok := c.String(n); !ok || got != s {
		t.Fatalf("String(%d) = %q, %v, want %q", n, got, ok, s)
	}
}

func start(t *testing.T, role, file string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "GITSEAL_TEST_CACHE="+role+":"+file)
	cmd.Stderr = new(bytes.Buffer)
	return cmd
}

func TestProcessesAppendAtOnce(t *testing.T) {
	cfg := config(newFile(t))
	var running []*exec.Cmd
	for n := range 3 {
		cmd := start(t, strconv.Itoa(n), cfg.File)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for n, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("process %d: %v: %s", n, err, cmd.Stderr)
		}
	}
	c := open(t, cfg)
	if want := perProcess * 4; c.Len() != want {
		t.Errorf("Len() = %d, want %d", c.Len(), want)
	}
	for i := range perProcess {
		checkAdded(t, c, -i, "everybody's", true)
		for n := range 3 {
			checkAdded(t, c, perProcess*(n+1)+i, fmt.Sprintf("string %d of %d", i/3, n), true)
		}
	}
}

// TestKilledProcessLosesOnlyWhatWasNotSaved kills one while it may be writing.
func TestKilledProcessLosesOnlyWhatWasNotSaved(t *testing.T) {
	cfg := config(newFile(t))
	for round := range 5 {
		cmd := start(t, "endless", cfg.File)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		saved := 0
		for range 10 * (round + 1) {
			if !lines.Scan() {
				t.Fatalf("the process ended: %s", cmd.Stderr)
			}
			if saved, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// It says that it was killed.
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		c := open(t, cfg)
		for i := range saved + 1000 {
			checkAdded(t, c, perProcess+i, fmt.Sprintf("string %d of %d", i/3, 0), i <= saved)
		}
		closeCache(t, c)
	}
}
