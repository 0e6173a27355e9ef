//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// measureSigstore measures signing with real servers, behind proxies that add
// latency, and then judging what they recorded without embedding it.
func (b *bench) measureSigstore(ctx context.Context) error {
	s, err := findStack(ctx)
	if err != nil {
		return err
	}
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		if b.throughServers == 0 {
			break
		}
		if err := b.signThrough(ctx, s, delay); err != nil {
			return err
		}
	}
	return b.measureOnline(ctx, s)
}

// signThrough measures signing with so much latency added to each request.
func (b *bench) signThrough(ctx context.Context, s *stack, delay time.Duration) error {
	r, err := s.record(ctx, b.scratch, delay)
	if err != nil {
		return err
	}
	defer r.stop() // a proxy without state
	for _, rekor := range []string{"rekor2", "rekor1"} {
		title := fmt.Sprintf("%s, %v added", map[string]string{"rekor2": "Rekor v2", "rekor1": "Rekor v1"}[rekor], delay)
		dir := filepath.Join(b.scratch, fmt.Sprintf("%s-%v", rekor, delay))
		if err := r.instance(dir, rekor); err != nil {
			return err
		}
		if err := b.commitThrough(ctx, r, title, dir); err != nil {
			return err
		}
		if err := b.signAgain(ctx, r, title, dir); err != nil {
			return err
		}
		if err := b.curlChain(ctx, r, title, rekor); err != nil {
			return err
		}
	}
	return nil
}

// A waiting is what signatures waited for, a value each.
type waiting struct {
	requests, connections, trips, chain, wall, beside []float64
}

func (w *waiting) add(all []exchange) {
	trips, chain := sequential(all)
	w.requests = append(w.requests, float64(len(all)))
	w.trips = append(w.trips, float64(trips))
	w.chain = append(w.chain, chain)
}

// commitThrough measures git commit -S, a new certificate each.
func (b *bench) commitThrough(ctx context.Context, r *recorder, title, instance string) error {
	repo := instance + "-repo"
	trace := instance + ".trace"
	for _, args := range [][]string{
		{"git", "init", "-q", "-b", "main", repo},
		{"git", "-C", repo, "config", "user.name", "Bench"}, {"git", "-C", repo, "config", "user.email", "bench@example.test"},
		{"git", "-C", repo, "config", "gpg.format", "x509"}, {"git", "-C", repo, "config", "gpg.x509.program", b.gitseal},
	} {
		if _, err := b.output(ctx, b.scratch, args...); err != nil {
			return err
		}
	}
	var w waiting
	for range b.throughServers {
		token, err := r.stack.mint(ctx)
		if err != nil {
			return err
		}
		before, err := r.since(0)
		if err != nil {
			return err
		}
		commit := func(args ...string) (time.Duration, error) {
			cmd := b.command(ctx, repo, append([]string{"git", "commit", "-q", "--allow-empty", "-m", "x"}, args...)...)
			cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "SIGSTORE_ID_TOKEN="+token, "GITSEAL_TRACE="+trace, "GITSEAL_INSTANCE="+instance)
			start := time.Now()
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("git commit: %w: %s", err, lastLine(string(out)))
			}
			return time.Since(start), err
		}
		plain, err := commit()
		if err != nil {
			return err
		}
		signed, err := commit("-S")
		if err != nil {
			return err
		}
		all, err := r.since(len(before))
		if err != nil {
			return err
		}
		w.add(all)
		w.wall = append(w.wall, milliseconds(signed))
		w.beside = append(w.beside, milliseconds(signed-plain)-w.chain[len(w.chain)-1])
		opened, err := connections(trace)
		if err != nil {
			return err
		}
		w.connections = append(w.connections, float64(opened))
		if err := os.Remove(trace); err != nil {
			return err
		}
	}
	b.table.most(title+": sequential round trips", median(w.trips), 2, "",
		fmt.Sprintf("%g requests, %g connections, %.0f ms in all", median(w.requests), median(w.connections), median(w.wall)))
	b.table.most(title+": git commit -S, beside a plain one and the slowest chain", median(w.beside), 15, " ms", fmt.Sprintf("chain %.0f ms", median(w.chain)))
	return nil
}

// connections counts the connections that a trace says were opened.
func connections(trace string) (int, error) {
	data, err := os.ReadFile(trace)
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		var l struct {
			Connect float64 `json:"connect"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			return 0, fmt.Errorf("reading the trace: %w", err)
		}
		if l.Connect > 0 {
			n++
		}
	}
	return n, nil
}
