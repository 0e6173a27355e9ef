//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

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
			alone, err := measureFloor(keyless.each.times(float64(size)), jobs)
			if err != nil {
				return err
			}
			used, err := b.audit(ctx, h, size, jobs)
			if err != nil {
				return err
			}
			floors[jobs] = append(floors[jobs], alone.wall)
			audits[jobs] = append(audits[jobs], used.Wall)
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
		used, err := b.audit(ctx, h, size, cores)
		if err != nil {
			return err
		}
		memory := used.Memory
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

// audit runs gitseal audit over the first size commits.
func (b *bench) audit(ctx context.Context, h *signedHistory, size, jobs int) (usage, error) {
	args := append([]string{b.gitseal, "audit", "--any-identity", "--no-cache", "--trusted-root", h.trustedRoot, "--format", "json",
		"--jobs", fmt.Sprint(jobs)}, h.branches[size]...)
	u, stdout, err := b.watch(ctx, h.dir, args...)
	if err == nil && !strings.Contains(strings.Join(strings.Fields(stdout), ""), fmt.Sprintf(`"verified":%d`, size)) {
		err = fmt.Errorf("not all of %d commits verified", size)
	}
	return u, err
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
	var strands [][]string
	if err := b.indexPack(ctx, h.dir, total, func(entries chan<- []byte) error {
		strands = writeStrands(entries, a, tree, total)
		return nil
	}); err != nil {
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

// writeStrands sends n commits of tree that a has signed, and returns their
// ids. A commit can be signed only when its parent is, so there is a line of
// history for each processor; they end up in the pack as they come.
func writeStrands(entries chan<- []byte, a *fakeca.Authority, tree string, n int) [][]string {
	strands := make([][]string, runtime.NumCPU())
	var running sync.WaitGroup
	for s := range strands {
		running.Go(func() {
			var parents []string
			var p packer
			for i := s; i < n; i += len(strands) {
				d := newDraft(tree, parents, i, int64(1_700_000_000+i))
				commit := d.signed(a.Sign(d.payload(), fakeca.Fixture{}))
				parents = []string{commitID(commit)}
				strands[s] = append(strands[s], parents[0])
				entries <- p.entry(commit)
			}
		})
	}
	running.Wait()
	return strands
}
