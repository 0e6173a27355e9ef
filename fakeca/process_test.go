package fakeca

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// childVariable tells the test binary to append to the authority in the
// directory it names, instead of testing.
const childVariable = "FAKECA_TEST_APPEND_TO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child appends entries, and prints each when it is released: its index, its
// hash, and the checkpoint's size and root. With no count it goes on until it
// is killed.
func child(dir string) error {
	a, err := Open(dir, Config{})
	if err != nil {
		return err
	}
	for i := 0; i < 3 || os.Getenv(childVariable+"_FOR_EVER") != ""; i++ {
		entry := fmt.Appendf(nil, "%d of %d", i, os.Getpid())
		l, err := a.log.append(context.Background(), func(int64) []byte { return entry })
		if err != nil {
			return err
		}
		fmt.Printf("%d %x %d %x\n", l.index, sha256.Sum256(entry), l.size, l.root[:])
	}
	return a.Close()
}

func childCommand(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// checkLines checks that the log in the directory holds what children printed.
func checkLines(t *testing.T, dir string, lines []string) {
	t.Helper()
	a, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	entries := entriesOf(t, filepath.Join(dir, "log", "entries"))
	for _, line := range lines {
		var index, size int64
		var hash, root string
		if _, err := fmt.Sscanf(line, "%d %s %d %s", &index, &hash, &size, &root); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if size > int64(len(entries)) || index >= size {
			t.Fatalf("entry %d of %d was released, and %d are left", index, size, len(entries))
		}
		if got := sha256.Sum256([]byte(entries[index])); hex.EncodeToString(got[:]) != hash {
			t.Errorf("entry %d is not the one that was released", index)
		}
		if got := treeHash(entries[:size]); hex.EncodeToString(got[:]) != root {
			t.Errorf("the first %d entries do not have the root that was released", size)
		}
	}
}

func entriesOf(t *testing.T, path string) []string {
	t.Helper()
	f, err := osDisk{}.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return allEntries(t, f)
}

func TestTwentyProcessesAppend(t *testing.T) {
	dir := newDir(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var lines []string
	for range 20 {
		cmd := childCommand(t, dir)
		wg.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("child: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, strings.Split(strings.TrimSpace(string(out)), "\n")...)
		})
	}
	wg.Wait()
	if len(lines) != 60 {
		t.Errorf("%d entries were released, want 60", len(lines))
	}
	checkLines(t, dir, lines)
}

func TestKilledProcessLosesNothing(t *testing.T) {
	dir := newDir(t)
	var lines []string
	for round := range 8 {
		cmd := childCommand(t, dir)
		cmd.Env = append(cmd.Env, childVariable+"_FOR_EVER=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(out)
		for n := 0; ; n++ {
			line, err := r.ReadString('\n')
			if err != nil {
				break // and what was printed in part was not released
			}
			lines = append(lines, line)
			if n == 5*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
		checkLines(t, dir, lines)
	}
}

// TestAppendHonoursContext has somebody else hold the lock.
func TestAppendHonoursContext(t *testing.T) {
	dir := newDir(t)
	a, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := osDisk{}.Lock(filepath.Join(dir, "log", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.log.append(ctx, func(int64) []byte { return []byte("entry") }); err != context.DeadlineExceeded {
		t.Errorf("append = %v, want DeadlineExceeded", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	l, err := a.log.append(context.Background(), func(int64) []byte { return []byte("next") })
	if err != nil {
		t.Fatal(err)
	}
	if l.index != 0 {
		t.Errorf("the entry nobody waited for is in the log: index of the next is %d", l.index)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := a.Checkpoint(); err == nil {
		t.Error("Checkpoint of a closed authority succeeds")
	}
}

// TestGroupIsWrittenAtOnce counts what a group of appends takes.
func TestGroupIsWrittenAtOnce(t *testing.T) {
	d, p := newCrashDisk(), new(promises)
	if err := createStore(d, "log"); err != nil {
		t.Fatal(err)
	}
	l := testLog(t, d, p)
	if err := p.appendTo(l, "first"); err != nil {
		t.Fatal(err)
	}
	steps, signed := d.steps, len(p.checkpoints)
	group(l, p, 50)
	// Entries, sync, hashes, ends, checkpoint, and perhaps its new length.
	if got := d.steps - steps; got > 6 {
		t.Errorf("a group of 50 takes %d file operations, want at most 6", got)
	}
	if got := len(p.checkpoints) - signed; got != 1 {
		t.Errorf("a group of 50 takes %d checkpoints, want 1", got)
	}
	if len(p.released) != 51 {
		t.Errorf("%d entries were released, want 51", len(p.released))
	}
}
