//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A result is what a Go benchmark reports: values by unit, "ns/op" first.
type result map[string][]float64

// goBench runs the Go benchmarks of a package that match pattern, several
// times in turn, and returns their results by name.
func (b *bench) goBench(ctx context.Context, pkg, pattern, benchtime string, rounds int) (map[string]result, error) {
	binary := filepath.Join(b.scratch, filepath.Base(pkg)+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./"+pkg)
	cmd.Dir, cmd.Env = b.root, os.Environ()
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the benchmarks of %s: %w: %s", pkg, err, lastLine(string(text)))
	}
	results := make(map[string]result)
	for range rounds {
		out, err := b.output(ctx, filepath.Join(b.root, pkg), binary,
			"-test.run=^$", "-test.bench="+pattern, "-test.benchtime="+benchtime, "-test.benchmem")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(out) {
			parseBenchmark(results, strings.Fields(line))
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("package %s has no benchmark %s", pkg, pattern)
	}
	return results, nil
}

// parseBenchmark adds a line of results:
//
//	BenchmarkName-2  1234  5678 ns/op  1.23 x-crypto …
func parseBenchmark(results map[string]result, fields []string) {
	if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
		return
	}
	name := strings.TrimPrefix(fields[0], "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		name = name[:i] // without the number of processors
	}
	if results[name] == nil {
		results[name] = make(result)
	}
	for i := 2; i+1 < len(fields); i += 2 {
		if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
			results[name][fields[i+1]] = append(results[name][fields[i+1]], value)
		}
	}
}

// measureVerifier measures one verification against its public-key
// operations.
func (b *bench) measureVerifier(ctx context.Context) error {
	const maxAllocs = 400
	results, err := b.goBench(ctx, "verifier", "^BenchmarkVerify$", "1s", 3)
	if err != nil {
		return err
	}
	for _, c := range []struct{ name, title string }{
		{"Verify/log=v1/ca=P384", "Rekor v1, P-384 authority"},
		{"Verify/log=v1/ca=P256", "Rekor v1, P-256 authority"},
		{"Verify/log=v2/ca=P384", "Rekor v2 and time-stamp, P-384 authority"},
		{"Verify/log=v2/ca=P256", "Rekor v2 and time-stamp, P-256 authority"},
	} {
		r := results[c.name]
		if len(r["x-crypto"]) == 0 {
			return fmt.Errorf("benchmark %s did not run", c.name)
		}
		b.table.most(c.title+", beside its cryptography", median(r["x-crypto"]), 1.3, " x",
			fmt.Sprintf("%.0f and %.0f µs", median(r["ns/op"])/1e3, median(r["crypto-µs/op"])))
		b.table.most(c.title+", allocations", median(r["allocs/op"]), maxAllocs, "", fmt.Sprintf("%.0f kB", median(r["B/op"])/1e3))
	}
	return nil
}

// measureAuthority measures the embedded authority against the disk.
func (b *bench) measureAuthority(ctx context.Context) error {
	const slack = 0.2 // milliseconds
	results, err := b.goBench(ctx, "fakeca", "^Benchmark(Sync|Append|Whole)$", "300x", 5)
	if err != nil {
		return err
	}
	sync, add, whole := results["Sync"]["ns/op"], results["Append"]["ns/op"], results["Whole"]["ns/op"]
	if len(sync) == 0 || len(add) != len(sync) || len(whole) == 0 {
		return fmt.Errorf("benchmarks are missing")
	}
	over := paired(add, sync, func(a, s float64) float64 { return (a/1e6 - slack) / (s / 1e6) })
	b.table.most("append, less 0.2 ms, beside one sync", over, 1.5, " x",
		fmt.Sprintf("%.2f and %.2f ms", median(add)/1e6, median(sync)/1e6))
	b.table.most("token, certificate, entry and time-stamp", median(whole)/1e6, 5, " ms", "")
	return nil
}
