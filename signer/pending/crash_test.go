//go:build unix

package pending

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/verifier"
)

// childVariable tells the test binary to work on the directory it names and to
// die at a step, or to add until it is killed, instead of testing.
const childVariable = "PENDING_TEST_CHILD_OF"

// The directory has an authority, a queue and what was kept.
func queueIn(dir string) Queue     { return Queue{filepath.Join(dir, "queue")} }
func keptIn(dir string) string     { return filepath.Join(dir, "kept") }
func caIn(dir string) string       { return filepath.Join(dir, "ca") }
func keptFile(key [32]byte) string { return hex.EncodeToString(key[:]) }

// die ends this process as kill -9 does, at a step.
func die(at string) {
	if os.Getenv(childVariable+"_STEP") == at {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
}

// dying is an authority in whose client the process may die.
type dying struct{ *fakeca.Authority }

func (d dying) Add(ctx context.Context, digest [32]byte, signature, certificate []byte) ([]byte, error) {
	die("before the log")
	entry, err := d.Authority.Add(ctx, digest, signature, certificate)
	die("after the log")
	return entry, err
}

func (d dying) Timestamp(ctx context.Context, imprint [32]byte) ([]byte, error) {
	die("before the time-stamp")
	token, err := d.Authority.Timestamp(ctx, imprint)
	die("after the time-stamp")
	return token, err
}

func child(dir string) int {
	work := flushIn
	if os.Getenv(childVariable+"_STEP") == "add" {
		work = addForEver
	}
	if err := work(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// openIn opens the authority and a verifier that trusts it.
func openIn(dir string) (*fakeca.Authority, *verifier.Verifier, error) {
	a, err := fakeca.Open(caIn(dir), fakeca.Config{})
	if err != nil {
		return nil, nil, err
	}
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		return nil, nil, err
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	return a, v, err
}

// flushIn flushes the queue; proofs are kept as files.
func flushIn(dir string) error {
	a, v, err := openIn(dir)
	if err != nil {
		return err
	}
	_, err = queueIn(dir).Flush(context.Background(), FlushConfig{
		Services: func(*Record) (*Services, error) {
			die("before the services")
			return &Services{dying{a}, []signer.Timestamper{dying{a}}, v}, nil
		},
		Keep: func(_ context.Context, _ string, more map[[32]byte][]verifier.Proof) error {
			die("before it is kept")
			for key, proofs := range more {
				if err := os.WriteFile(filepath.Join(keptIn(dir), keptFile(key)), proofs[0].Entry, 0o600); err != nil {
					return err
				}
			}
			die("after it is kept")
			return nil
		},
	})
	return err
}

// addForEver adds signatures and prints the key of each that is safe.
func addForEver(dir string) error {
	a, v, err := openIn(dir)
	if err != nil {
		return err
	}
	s, err := signer.New(signer.Config{Tokens: tokens{a}, CA: a, Logs: []signer.Log{a}, Verifier: v, Defer: signer.DeferAlways})
	if err != nil {
		return err
	}
	cred, err := s.NewCredential(context.Background())
	if err != nil {
		return err
	}
	for {
		sig, err := s.SignWith(context.Background(), cred, []byte("x"))
		if err != nil {
			return err
		}
		p := sig.Pending
		r := &Record{Made: time.Now(), Instance: "x", SignedAttributes: p.SignedAttributes, Signature: p.Signature, Certificate: p.Certificate}
		if err := queueIn(dir).Add(r); err != nil {
			return err
		}
		fmt.Println(keptFile(r.Key()))
	}
}

func childCommand(t *testing.T, dir, step string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childVariable+"="+dir, childVariable+"_STEP="+step)
	cmd.Stderr = os.Stderr
	return cmd
}

func newCrashDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	a, err := fakeca.Create(caIn(dir), fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(keptIn(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKilledFlushLosesNothing kills a flush at each step. Each record is in the
// queue or its proof is kept, and the next flush brings all to their end.
func TestKilledFlushLosesNothing(t *testing.T) {
	for _, step := range []string{
		"before the services", "before the log", "after the log", "before the time-stamp", "after the time-stamp", "before it is kept", "after it is kept",
	} {
		t.Run(step, func(t *testing.T) {
			dir := newCrashDir(t)
			keys := addIn(t, dir, 3)
			err := childCommand(t, dir, step).Run()
			if status, ok := err.(*exec.ExitError); !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("child: %v, want it killed", err)
			}
			left := queuedIn(t, dir)
			for _, key := range keys {
				if _, err := os.Stat(filepath.Join(keptIn(dir), key)); err != nil && !left[key] {
					t.Errorf("signature %s is neither waiting nor recorded", key)
				}
			}
			if len(left) != len(keys) {
				t.Errorf("%d of %d signatures wait after a kill before the first was removed", len(left), len(keys))
			}
			if err := childCommand(t, dir, "").Run(); err != nil {
				t.Fatalf("flushing again: %v", err)
			}
			if left := queuedIn(t, dir); len(left) > 0 {
				t.Errorf("%d records are left", len(left))
			}
			for _, key := range keys {
				if _, err := os.Stat(filepath.Join(keptIn(dir), key)); err != nil {
					t.Errorf("signature %s has no proof: %v", key, err)
				}
			}
		})
	}
}

// addIn adds records, none with a time-stamp, and returns their keys.
func addIn(t *testing.T, dir string, n int) []string {
	t.Helper()
	cmd := childCommand(t, dir, "add")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		keys = append(keys, strings.TrimSpace(lines.Text()))
		if len(keys) == n {
			cmd.Process.Kill() // what it has printed by then is still read
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	if len(keys) < n {
		t.Fatalf("%d signatures, want %d", len(keys), n)
	}
	// The last one may have been added and not printed.
	keys = keys[:0]
	for key := range queuedIn(t, dir) {
		keys = append(keys, key)
	}
	return keys
}

// queuedIn returns the keys of what is in the queue, where there is nothing bad.
func queuedIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	records, bad, err := queueIn(dir).List()
	if err != nil || len(bad) > 0 {
		t.Fatalf("List: %v, bad %v", err, bad)
	}
	keys := make(map[string]bool)
	for _, r := range records {
		keys[keptFile(r.Key())] = true
	}
	return keys
}

// TestKilledAddLosesNothing kills processes that add, whatever they are at:
// what they were told is safe is there, and nothing is half there.
func TestKilledAddLosesNothing(t *testing.T) {
	dir := newCrashDir(t)
	safe := make(map[string]bool)
	for n := 1; n <= 8; n++ {
		cmd := childCommand(t, dir, "add")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); {
			safe[lines.Text()] = true
			if seen++; seen == n {
				cmd.Process.Kill() // what it has printed by then is still read
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	if len(safe) < 36 {
		t.Errorf("%d signatures were safe, want 36 at least", len(safe))
	}
	left := queuedIn(t, dir)
	for key := range safe {
		if !left[key] {
			t.Errorf("signature %s is lost", key)
		}
	}
}
