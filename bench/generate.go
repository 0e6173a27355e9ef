//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// lines is how many lines of history there are beside one another, until a
// merge ends them. A commit can be made only when its parents are, so this is
// how many processors make them; and it is the same everywhere, for the
// commits are to be.
const lines = 2

// step is how many commits are new when there are new ones.
const step = 10

// leastCommits is how many a history has at least: one in a hundred is signed.
const leastCommits = 100

// A plan says what history to generate. Equal plans make equal commits.
type plan struct {
	commits int    // that main has at first
	percent int    // of them that are signed
	kinds   []kind // which take turns
	steps   int    // of commits on top, which main can be moved to
}

// A history is a repository that was generated, and what its commits are
// verified with.
type history struct {
	plan
	dir, trustedRoot, keyring, allowedSigners string

	tips []string // of main: at first, and after each step
}

func (p plan) String() string {
	return fmt.Sprintf("%d commits, %d %% signed", p.commits, p.percent)
}

// total returns how many commits there are with all steps.
func (p plan) total() int { return p.commits + p.steps*step }

// kindOf returns how commit i is signed; nil if it is not.
func (p plan) kindOf(i int) *kind {
	before := p.signed(i)
	if p.signed(i+1) == before {
		return nil
	}
	return &p.kinds[before%len(p.kinds)]
}

// signed returns how many of the first n commits are signed.
func (p plan) signed(n int) int { return n * p.percent / 100 }

// work returns the operations that the first n commits take.
func (p plan) work(n int) (sum operations) {
	for i := range p.signed(n) {
		sum = sum.plus(p.kinds[i%len(p.kinds)].each)
	}
	return sum
}

// generate makes the repository, which is to be bare, in a directory.
func (b *bench) generate(ctx context.Context, p plan, dir string) (*history, error) {
	h := &history{plan: p, dir: filepath.Join(dir, "repository"), trustedRoot: filepath.Join(dir, "trusted_root.json"),
		keyring: filepath.Join(dir, "keyring"), allowedSigners: filepath.Join(dir, "allowed_signers")}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := b.each(ctx, dir, []string{"git", "init", "-q", "--bare", "-b", "main", h.dir}); err != nil {
		return nil, err
	}
	tree, err := b.output(ctx, h.dir, "git", "hash-object", "-w", "-t", "tree", os.DevNull)
	if err != nil {
		return nil, err
	}
	var all []*line
	for n := range lines {
		// An OpenPGP key, an SSH key and an authority are there in any case,
		// so that all histories are audited by the same command.
		l, err := newLine(n, slices.Concat([]kind{pgp, ssh}, p.kinds))
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	if err := b.indexPack(ctx, h.dir, p.total(), func(entries chan<- []byte) (err error) {
		h.tips, err = p.write(ctx, all, tree, entries)
		return err
	}); err != nil {
		return nil, fmt.Errorf("packing commits: %w", err)
	}
	if err := h.moveTo(ctx, b, 0); err != nil {
		return nil, err
	}
	return h, h.writeKeys(all)
}

// indexPack has git keep a pack of n entries.
func (b *bench) indexPack(ctx context.Context, dir string, n int, fill func(entries chan<- []byte) error) error {
	index := b.command(ctx, dir, "git", "index-pack", "--stdin")
	in, err := index.StdinPipe()
	if err != nil {
		return err
	}
	if err := index.Start(); err != nil {
		return err
	}
	out := bufio.NewWriterSize(in, 1<<20)
	err = writePack(out, n, fill)
	return errors.Join(err, out.Flush(), in.Close(), index.Wait())
}

// write makes the commits, sends them, and returns the tips: the lines of
// history beside one another, the merge, and the steps.
func (p plan) write(ctx context.Context, all []*line, tree string, entries chan<- []byte) (tips []string, err error) {
	merged := make([]string, len(all))
	failed := make([]error, len(all))
	var running sync.WaitGroup
	for n, l := range all {
		running.Go(func() {
			w := &writer{plan: p, line: l, tree: tree, entries: entries}
			first, last := n*(p.commits-1)/len(all), (n+1)*(p.commits-1)/len(all)
			merged[n], failed[n] = w.write(ctx, nil, first, last)
		})
	}
	running.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	w := &writer{plan: p, line: all[0], tree: tree, entries: entries}
	tip, err := w.write(ctx, merged, p.commits-1, p.commits)
	tips = append(tips, tip)
	for at := p.commits; at < p.total() && err == nil; at += step {
		tip, err = w.write(ctx, []string{tip}, at, at+step)
		tips = append(tips, tip)
	}
	return tips, err
}

// A writer makes the commits of a line.
type writer struct {
	plan
	line    *line
	tree    string
	packer  packer
	entries chan<- []byte
}

// write makes the commits from first up to last, of which the first has the
// parents, and returns the last one's id.
func (w *writer) write(ctx context.Context, parents []string, first, last int) (tip string, err error) {
	for i := first; i < last; i++ {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		d := newDraft(w.tree, parents, i, w.line.now.Unix())
		commit := d.payload()
		if k := w.kindOf(i); k != nil {
			armored, err := w.line.signers[k.name](commit)
			if err != nil {
				return "", fmt.Errorf("signing commit %d: %w", i, err)
			}
			commit = d.signed(armored)
			w.line.now = w.line.now.Add(time.Second)
		}
		tip = commitID(commit)
		parents = []string{tip}
		w.entries <- w.packer.entry(commit)
	}
	return tip, nil
}

// moveTo moves main to what it is after a number of steps.
func (h *history) moveTo(ctx context.Context, b *bench, steps int) error {
	return b.each(ctx, h.dir, []string{"git", "update-ref", "refs/heads/main", h.tips[steps]})
}

// writeKeys writes the files that commits are verified with.
func (h *history) writeKeys(all []*line) error {
	var roots [][]byte
	var keyring, allowed []byte
	for _, l := range all {
		roots = append(roots, l.roots...)
		keyring = append(keyring, l.keyring.Bytes()...)
		allowed = append(allowed, l.allowed.Bytes()...)
	}
	root, err := joinRoots(roots)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(h.trustedRoot, root, 0o600), os.WriteFile(h.keyring, keyring, 0o600), os.WriteFile(h.allowedSigners, allowed, 0o600))
}

// joinRoots returns the trusted root that trusts what any of some do.
func joinRoots(roots [][]byte) ([]byte, error) {
	joined := make(map[string]any)
	for _, text := range roots {
		var root map[string]any
		if err := json.Unmarshal(text, &root); err != nil {
			return nil, err
		}
		for name, value := range root {
			if list, ok := value.([]any); ok {
				before, _ := joined[name].([]any)
				value = append(before, list...)
			}
			joined[name] = value
		}
	}
	return json.Marshal(joined)
}
