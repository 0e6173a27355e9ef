//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gitseal/fakeca"
)

// auditRounds is how often to audit the history with one goroutine, and with
// one for each processor.
const auditRounds = 3

// measureAudit measures gitseal audit: against the cryptography that its
// commits take, with one processor and with all, and how much memory it has
// over histories of several sizes.
func (b *bench) measureAudit(ctx context.Context) error {
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		return err
	}
	defer a.Close()
	h, err := b.makeSignedHistory(ctx, a)
	if err != nil {
		return err
	}
	size := b.audited[1]
	cores := runtime.NumCPU()
	// Two cores may be the halves of one: so the cryptography is measured on
	// as many of them as the audit that it is compared with.
	floors, audits := make(map[int][]float64), make(map[int][]float64)
	for range auditRounds {
		for _, jobs := range []int{1, cores} {
			floor, err := cryptoFloor(jobs)
			if err != nil {
				return err
			}
			s, _, err := b.audit(ctx, h, size, jobs)
			if err != nil {
				return err
			}
			floors[jobs] = append(floors[jobs], floor.Seconds()*float64(size))
			audits[jobs] = append(audits[jobs], s.wall.Seconds())
		}
	}
	quotient := func(a, b float64) float64 { return a / b }
	for _, jobs := range slices.Compact([]int{1, cores}) {
		each := func(seconds []float64) float64 { return float64(size) / median(seconds) }
		b.table.least(fmt.Sprintf("%d commits, --jobs %d, of the speed of its cryptography", size, jobs),
			100*paired(floors[jobs], audits[jobs], quotient), 75, " %",
			fmt.Sprintf("%.0f of %.0f commits/s", each(audits[jobs]), each(floors[jobs])))
	}
	b.table.least(fmt.Sprintf("--jobs %d, beside --jobs 1", cores), paired(audits[1], audits[cores], quotient), 1.6, " x",
		fmt.Sprintf("cryptography alone %.2f x", paired(floors[1], floors[cores], quotient)))
	var smallest float64
	for i, size := range b.audited {
		_, memory, err := b.audit(ctx, h, size, cores)
		if err != nil {
			return err
		}
		if i == 0 {
			smallest = memory
		}
		b.table.most(fmt.Sprintf("memory, %d commits", size), memory, 250, " MiB", fmt.Sprintf("%.2f x that of %d", memory/smallest, b.audited[0]))
	}
	return nil
}

// A signedHistory is a repository with branches from which b.audited[i]
// commits are reached, for each i.
type signedHistory struct {
	dir, trustedRoot string
	branches         map[int][]string // by number of commits
}

// audit runs gitseal audit over the first size commits, and returns the most
// memory it had in MiB.
func (b *bench) audit(ctx context.Context, h *signedHistory, size, jobs int) (sample, float64, error) {
	args := append([]string{b.gitseal, "audit", "--any-identity", "--trusted-root", h.trustedRoot, "--format", "json",
		"--jobs", fmt.Sprint(jobs)}, h.branches[size]...)
	cmd := b.command(ctx, h.dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, 0, err
	}
	memory := make(chan float64)
	done := make(chan struct{})
	go func() { memory <- watchMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	wall := time.Since(start)
	close(done)
	most := <-memory
	if err == nil && !strings.Contains(strings.Join(strings.Fields(stdout.String()), ""), fmt.Sprintf(`"verified":%d`, size)) {
		err = fmt.Errorf("not all of %d commits verified", size)
	}
	if err != nil {
		return sample{}, 0, fmt.Errorf("gitseal audit: %w: %s", err, lastLine(stderr.String()))
	}
	return sample{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, most, nil
}

// watchMemory asks the system for the most memory that a process has had,
// until done. Unlike what is known at its end this leaves out its children,
// git's processes, which map the whole repository. It returns 0 where the
// system has no /proc.
func watchMemory(pid int, done <-chan struct{}) (most float64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return most
		case <-tick.C:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
		if fields := strings.Fields(string(rest)); len(fields) > 0 {
			if kib, err := strconv.ParseFloat(fields[0], 64); err == nil {
				most = max(most, kib/1024)
			}
		}
	}
}

// makeSignedHistory makes a repository whose commits a has signed, each with
// a certificate, log entry and time-stamp of its own.
func (b *bench) makeSignedHistory(ctx context.Context, a *fakeca.Authority) (*signedHistory, error) {
	h := &signedHistory{dir: filepath.Join(b.scratch, "audited"), trustedRoot: filepath.Join(b.scratch, "trusted_root.json"), branches: make(map[int][]string)}
	if err := os.WriteFile(h.trustedRoot, a.TrustedRoot(), 0o600); err != nil {
		return nil, err
	}
	if err := b.each(ctx, b.scratch, []string{"git", "init", "-q", "--bare", h.dir}); err != nil {
		return nil, err
	}
	tree, err := b.output(ctx, h.dir, "git", "hash-object", "-w", "-t", "tree", os.DevNull)
	if err != nil {
		return nil, err
	}
	total := b.audited[len(b.audited)-1]
	index := b.command(ctx, h.dir, "git", "index-pack", "--stdin")
	in, err := index.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := index.Start(); err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(in, 1<<20)
	strands, err := writePack(out, a, tree, total)
	if err := errors.Join(err, out.Flush(), in.Close(), index.Wait()); err != nil {
		return nil, fmt.Errorf("packing commits: %w", err)
	}
	for _, size := range b.audited {
		for s, oids := range strands {
			n := (size + len(strands) - 1 - s) / len(strands)
			branch := fmt.Sprintf("first-%d-%d", size, s)
			if err := b.each(ctx, h.dir, []string{"git", "update-ref", "refs/heads/" + branch, oids[n-1]}); err != nil {
				return nil, err
			}
			h.branches[size] = append(h.branches[size], branch)
		}
	}
	return h, nil
}

// cryptoFloor returns how long the public-key operations take, on a number of
// cores, that a signature by the embedded authority needs: the signer's, its
// certificate's, the SCT's and the time-stamp's over P-256, the checkpoint's
// over Ed25519.
func cryptoFloor(cores int) (time.Duration, error) {
	digest := sha256.Sum256(nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return 0, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	checkpoint := ed25519.Sign(private, digest[:])
	const rounds = 3000
	var running sync.WaitGroup
	var bad atomic.Bool
	start := time.Now()
	for range cores {
		running.Go(func() {
			for range rounds {
				for range 4 {
					if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
						bad.Store(true)
					}
				}
				if !ed25519.Verify(public, digest[:], checkpoint) {
					bad.Store(true)
				}
			}
		})
	}
	running.Wait()
	if bad.Load() {
		return 0, errors.New("a signature does not verify")
	}
	return time.Since(start) / time.Duration(rounds*cores), nil
}
