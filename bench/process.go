//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// A usage is what a command used, as a small process that ran it saw.
type usage struct {
	Wall, CPU float64 // seconds; CPU that of its children included
	Own       float64 // seconds of CPU without them; 0: the system does not tell
	Memory    float64 // MiB at most, without them; 0: the system does not tell
	Most      float64 // MiB at most of it or any child, with what is mapped
}

// watch runs a command through a small process of its own, and returns what it
// used and printed. A child begins with the memory of the process that
// started it, and this one has much.
func (b *bench) watch(ctx context.Context, dir string, args ...string) (u usage, stdout string, err error) {
	self, err := os.Executable()
	if err != nil {
		return u, "", err
	}
	file := filepath.Join(b.scratch, "usage")
	stdout, err = b.output(ctx, dir, append([]string{self, "-watch", file, "--"}, args...)...)
	if err != nil {
		return u, "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return u, "", err
	}
	return u, stdout, json.Unmarshal(text, &u)
}

// watched is the small process. It writes the usage to a file.
func watched(file string, args []string) (code int) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	own := make(chan usage)
	done := make(chan struct{})
	go func() { own <- poll(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	wall := time.Since(start)
	close(done)
	u := <-own
	unit := int64(1 << 10) // getrusage counts KiB
	if runtime.GOOS == "darwin" {
		unit = 1 // or bytes
	}
	u.Wall, u.CPU = wall.Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	u.Most = float64(int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)*unit) / (1 << 20)
	text, merr := json.Marshal(u)
	if err := errors.Join(err, merr, os.WriteFile(file, text, 0o600)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// poll asks the system for what a process has used by itself, until done.
// Unlike what is known at its end this leaves out its children: git's
// processes, which map the whole repository.
func poll(pid int, done <-chan struct{}) (u usage) {
	const ticks = 100 // a second: USER_HZ, which is fixed for programs
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return u
		case <-tick.C:
		}
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
			_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
			if fields := strings.Fields(string(rest)); len(fields) > 0 {
				if kib, err := strconv.ParseFloat(fields[0], 64); err == nil {
					u.Memory = max(u.Memory, kib/1024)
				}
			}
		}
		// proc(5): after the name in parentheses, utime is the twelfth field
		// and stime the one after it.
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
			if len(fields) > 12 {
				user, uerr := strconv.ParseFloat(fields[11], 64)
				system, serr := strconv.ParseFloat(fields[12], 64)
				if uerr == nil && serr == nil {
					u.Own = (user + system) / ticks
				}
			}
		}
	}
}
