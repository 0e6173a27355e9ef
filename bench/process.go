//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A contender is a command to be measured.
type contender struct {
	name string
	dir  string
	args []string // the program first
}

// A sample is one run of a contender, its children included.
type sample struct {
	wall, cpu time.Duration
}

// inTurn runs each contender once a round, in rounds that begin with another
// one each, and returns the samples of each.
func (b *bench) inTurn(ctx context.Context, rounds int, contenders []contender) ([][]sample, error) {
	samples := make([][]sample, len(contenders))
	for round := range rounds {
		for i := range contenders {
			i = (i + round) % len(contenders)
			s, err := b.sample(ctx, contenders[i])
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}

func (b *bench) sample(ctx context.Context, c contender) (sample, error) {
	cmd := b.command(ctx, c.dir, c.args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %s: %w: %s", c.name, strings.Join(c.args[:min(3, len(c.args))], " "), err, lastLine(stderr.String()))
	}
	return sample{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// command returns a command in the environment of the measurements.
func (b *bench) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, b.env
	return cmd
}

// output runs a command and returns what it printed.
func (b *bench) output(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := b.command(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args[:min(3, len(args))], " "), err, lastLine(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// build builds a program of ours as the Makefile builds gitseal.
func (b *bench) build(ctx context.Context, pkg string) (string, error) {
	out := filepath.Join(b.scratch, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", pkg, err, lastLine(string(text)))
	}
	return out, nil
}

// walls returns the wall times of samples in milliseconds.
func walls(samples []sample) []float64 {
	var ms []float64
	for _, s := range samples {
		ms = append(ms, milliseconds(s.wall))
	}
	return ms
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ratio returns the median of the ratios of wall times in a round.
func ratio(a, b []sample) float64 {
	return paired(walls(a), walls(b), func(x, y float64) float64 { return x / y })
}

// difference returns the median of the differences of wall times in a round,
// in milliseconds.
func difference(a, b []sample) float64 {
	return paired(walls(a), walls(b), func(x, y float64) float64 { return x - y })
}

func paired(a, b []float64, f func(x, y float64) float64) float64 {
	var values []float64
	for i := range a {
		values = append(values, f(a[i], b[i]))
	}
	return median(values)
}

func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

// rss runs a command through a small process of its own and returns the most
// memory it had, in MiB. A child begins with the memory of the process that
// started it, and this one has much.
func (b *bench) rss(ctx context.Context, args ...string) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := b.output(ctx, b.scratch, append([]string{self, "-rss", "--"}, args...)...)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(out, 64)
}

// printRSS is the small process.
func printRSS(args []string) (code int) {
	cmd := exec.Command(args[0], args[1:]...)
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	unit := int64(1 << 10) // getrusage counts KiB
	if runtime.GOOS == "darwin" {
		unit = 1 // or bytes
	}
	most := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	fmt.Println(float64(int64(most)*unit) / (1 << 20))
	return 0
}
