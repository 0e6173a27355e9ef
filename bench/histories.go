//go:build unix

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// How often each thing is measured, of which the median counts.
const (
	again     = 3       // times
	manyAgain = 1       // time: auditing a history of many commits from nothing
	many      = 500_000 // commits
)

// measureHistories measures gitseal audit over generated histories: of several
// sizes, with few and many signatures of several kinds; with nothing kept of
// earlier audits, with everything, and with new commits on top.
func (b *bench) measureHistories(ctx context.Context) error {
	for _, commits := range b.histories {
		for _, percent := range []int{1, 10, 100} {
			p := plan{commits: commits, percent: percent, kinds: []kind{keyless, shared, pgp, ssh}, steps: again}
			if err := b.withHistory(ctx, p, b.measureHistory); err != nil {
				return fmt.Errorf("%v: %w", p, err)
			}
		}
	}
	b.table.section(fmt.Sprintf("auditing %d commits of one kind, all signed", b.ofKind))
	for _, k := range []kind{keyless, shared, fulcio, pgp, ssh} {
		p := plan{commits: b.ofKind, percent: 100, kinds: []kind{k}}
		if err := b.withHistory(ctx, p, b.measureKind); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	b.table.section(fmt.Sprintf("auditing %d commits, beside git log --format=%%G?", b.throughGit))
	return b.measureThroughGit(ctx)
}

// withHistory generates a history, and removes it when it was measured.
func (b *bench) withHistory(ctx context.Context, p plan, measure func(context.Context, *history) error) error {
	fmt.Fprintf(os.Stderr, "generating %v\n", p)
	dir := filepath.Join(b.scratch, "generated")
	defer os.RemoveAll(dir) // what is left of it goes with the scratch directory
	start := time.Now()
	h, err := b.generate(ctx, p, dir)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // the authorities' logs were in memory
	b.generated = fmt.Sprintf("generated in %s, %.0f MB", time.Since(start).Round(time.Second), float64(diskUse(dir))/1e6)
	return measure(ctx, h)
}

// diskUse returns how many bytes the files in a directory have.
func diskUse(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil // what cannot be read does not count
	})
	return sum
}

// auditHistory audits main as it is after a number of steps, and checks that
// the verdicts are what they should be.
func (b *bench) auditHistory(ctx context.Context, h *history, steps int, flags ...string) (usage, error) {
	args := []string{b.gitseal, "audit", "--any-identity", "--trusted-root", h.trustedRoot,
		"--openpgp-keyring", h.keyring, "--allowed-signers", h.allowedSigners, "--dry-run"}
	u, stdout, err := b.watch(ctx, h.dir, append(args, flags...)...)
	if err != nil {
		return u, err
	}
	commits := h.commits + steps*step
	for class, want := range map[string]int{"verified": h.signed(commits), "unsigned": commits - h.signed(commits)} {
		if got := countOf(stdout, class); got != want {
			return u, fmt.Errorf("gitseal audit counts %d commits %s, and %d are", got, class, want)
		}
	}
	return u, nil
}

// countOf returns what a report says of how many objects are of a class.
func countOf(text, class string) int {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == class {
			n, err := strconv.Atoi(strings.ReplaceAll(fields[1], ",", ""))
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// forget removes what gitseal keeps of earlier audits.
func (b *bench) forget() error {
	return os.RemoveAll(filepath.Join(b.scratch, "XDG_CACHE_HOME", "gitseal"))
}

// A cold is what auditing a history from nothing takes, and its cryptography
// alone on as many cores.
type cold struct {
	usage
	alone floor
}

// auditCold audits a history from nothing, a number of times, each between two
// measurements of its cryptography.
func (b *bench) auditCold(ctx context.Context, h *history, times int, flags ...string) (all []cold, err error) {
	work := h.work(h.commits)
	before, err := measureFloor(work, runtime.NumCPU())
	if err != nil {
		return nil, err
	}
	for range times {
		if err := b.forget(); err != nil {
			return nil, err
		}
		u, err := b.auditHistory(ctx, h, 0, flags...)
		if err != nil {
			return nil, err
		}
		after, err := measureFloor(work, runtime.NumCPU())
		if err != nil {
			return nil, err
		}
		all = append(all, cold{u, floor{(before.wall + after.wall) / 2, (before.cpu + after.cpu) / 2}})
		before = after
	}
	return all, nil
}

// medianOf returns the median of a value of some things.
func medianOf[T any](all []T, value func(T) float64) float64 {
	var values []float64
	for _, x := range all {
		values = append(values, value(x))
	}
	return median(values)
}

// measureHistory measures one of the mixed histories.
func (b *bench) measureHistory(ctx context.Context, h *history) error {
	times := again
	if h.commits >= many {
		times = manyAgain
	}
	b.table.section(fmt.Sprintf("auditing %v, four kinds in turn (%s)", h.plan, b.generated))
	all, err := b.auditCold(ctx, h, times)
	if err != nil {
		return err
	}
	b.coldRows(h, all)

	// Everything is kept of what main is now.
	warm, counts, err := b.auditAgain(ctx, h, make([]int, times))
	if err != nil {
		return err
	}
	b.table.fact("the same again", fmt.Sprintf("%.2f s, %.0f commits/s  (%s)",
		medianOf(warm, wallOf), float64(h.commits)/medianOf(warm, wallOf), besideCount(warm, counts)))
	b.table.most("– memory", medianOf(warm, func(u usage) float64 { return u.Memory }), 250, " MiB", b.cacheSize())

	var steps []int
	for n := range h.steps {
		steps = append(steps, n+1)
	}
	if warm, counts, err = b.auditAgain(ctx, h, steps); err != nil {
		return err
	}
	var beyond []float64
	for n, u := range warm {
		beyond = append(beyond, u.Wall-counts[n].Wall)
	}
	what := fmt.Sprintf("with %d new commits, beyond git rev-list --count HEAD", step)
	if h.commits <= 100_000 {
		b.table.most(what, median(beyond), 0.5, " s", besideCount(warm, counts))
	} else {
		b.table.fact(what, fmt.Sprintf("%.2f s  (%s)", median(beyond), besideCount(warm, counts)))
	}
	return nil
}

func wallOf(u usage) float64 { return u.Wall }
func cpuOf(u usage) float64  { return u.CPU }
func ownOf(u usage) float64  { return u.Own }

// besideCount says what audits took beside git's counting of the commits.
func besideCount(audits, counts []usage) string {
	return fmt.Sprintf("%.2f and %.2f s; processor %.2f, of which gitseal %.2f, and %.2f",
		medianOf(audits, wallOf), medianOf(counts, wallOf), medianOf(audits, cpuOf), medianOf(audits, ownOf), medianOf(counts, cpuOf))
}

// coldRows adds what auditing from nothing took.
func (b *bench) coldRows(h *history, all []cold) {
	of := func(value func(cold) float64) float64 { return medianOf(all, value) }
	wall, own := of(func(c cold) float64 { return c.Wall }), of(func(c cold) float64 { return c.Own })
	details := fmt.Sprintf("%.2f s, %.0f commits/s", wall, float64(h.commits)/wall)
	beside := of(func(c cold) float64 { return c.Wall / c.alone.wall })
	if h.percent == 100 {
		b.table.most("from nothing, beside its cryptography on as many cores", beside, 1.15, " x",
			fmt.Sprintf("%s; cryptography %.2f s", details, of(func(c cold) float64 { return c.alone.wall })))
	} else {
		b.table.fact("from nothing", details)
	}
	if own > 0 {
		b.table.fact("– processor time of gitseal", fmt.Sprintf("%.2f s, %.2f x its cryptography  (git %.2f s more)",
			own, of(func(c cold) float64 { return c.Own / c.alone.cpu }), of(func(c cold) float64 { return c.CPU - c.Own })))
	}
	b.table.fact("– cores busy", fmt.Sprintf("%.2f of %d  (cryptography alone %.2f)",
		of(func(c cold) float64 { return c.CPU / c.Wall }), runtime.NumCPU(), of(func(c cold) float64 { return c.alone.cpu / c.alone.wall })))
	b.table.most("– memory", of(func(c cold) float64 { return c.Memory }), 250, " MiB",
		fmt.Sprintf("%.0f at most in one process, git's too, with the pack mapped", of(func(c cold) float64 { return c.Most })))
}

// auditAgain audits main after each of some numbers of steps, with what is
// kept of earlier audits, each time after git has counted the commits: as
// gitseal has it do, by the commits themselves and not by a commit-graph.
func (b *bench) auditAgain(ctx context.Context, h *history, steps []int) (audits, counts []usage, err error) {
	for _, n := range steps {
		if err := h.moveTo(ctx, b, n); err != nil {
			return nil, nil, err
		}
		counted, _, err := b.watch(ctx, h.dir, "git", "-c", "core.commitGraph=false", "rev-list", "--count", "HEAD")
		if err != nil {
			return nil, nil, err
		}
		u, err := b.auditHistory(ctx, h, n)
		if err != nil {
			return nil, nil, err
		}
		audits, counts = append(audits, u), append(counts, counted)
	}
	return audits, counts, nil
}

// cacheSize says how large what gitseal keeps is.
func (b *bench) cacheSize() string {
	return fmt.Sprintf("%.1f MB are kept", float64(diskUse(filepath.Join(b.scratch, "XDG_CACHE_HOME", "gitseal")))/1e6)
}

// measureKind measures a history of one kind.
func (b *bench) measureKind(ctx context.Context, h *history) error {
	all, err := b.auditCold(ctx, h, again, "--no-cache")
	if err != nil {
		return err
	}
	each := func(value func(cold) float64) float64 { return medianOf(all, value) / float64(h.commits) * 1e6 }
	b.table.fact(h.kinds[0].name, fmt.Sprintf("%.2f x its cryptography, in processor time  (%.0f and %.0f µs a commit; git %.0f more; %.0f commits/s)",
		medianOf(all, func(c cold) float64 { return c.Own / c.alone.cpu }),
		each(func(c cold) float64 { return c.Own }), each(func(c cold) float64 { return c.alone.cpu }), each(func(c cold) float64 { return c.CPU - c.Own }),
		1e6/each(func(c cold) float64 { return c.Wall })))
	return nil
}
