//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A rebaser is a way to sign the commits of a rebase, and a repository in which
// git signs in that way.
type rebaser struct {
	peer
	env    []string // beside that of all measurements
	agent  bool     // one of ours keeps the certificate
	defers bool     // what the log has to say comes later
	rounds int      // rebases; the first includes the login
}

// A rebased is what came of the rebases in one way.
type rebased struct {
	walls []float64  // in milliseconds
	cpus  []float64  // of git and what it runs, without agents, likewise
	asked []exchange // in the first
}

// measureRebase measures a rebase with real servers, behind proxies that add
// latency, beside the same with keys on the disk and with no signatures.
func (b *bench) measureRebase(ctx context.Context) error {
	s, err := findStack(ctx)
	if err != nil {
		return err
	}
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		if err := b.rebaseThrough(ctx, s, delay); err != nil {
			return err
		}
	}
	return nil
}

// rebaseThrough measures with so much latency added to each request.
func (b *bench) rebaseThrough(ctx context.Context, s *stack, delay time.Duration) error {
	r, err := s.record(ctx, b.scratch, delay)
	if err != nil {
		return err
	}
	defer r.stop() // a proxy without state
	dir := filepath.Join(b.scratch, fmt.Sprintf("rebase-%v", delay))
	instance := filepath.Join(dir, "instance")
	if err := r.instance(instance, "rekor2"); err != nil {
		return err
	}
	title := fmt.Sprintf("%v added", delay)
	var plain float64
	for _, way := range b.rebasers(dir, instance, delay) {
		if err := b.setUpRebaser(ctx, way); errors.Is(err, exec.ErrNotFound) {
			b.table.note("not compared: " + err.Error())
			continue
		} else if err != nil {
			return fmt.Errorf("setting up %s: %w", way.name, err)
		}
		got, err := b.rebase(ctx, r, way)
		if err == nil && way.agent {
			err = b.afterRebase(ctx, r, way, title)
		}
		if err = errors.Join(err, b.stopAgent(ctx, way)); err != nil {
			return fmt.Errorf("%s, %s: %w", title, way.name, err)
		}
		if plain == 0 {
			plain = median(got.walls)
		}
		b.tellRebased(title, way, got, plain)
	}
	return nil
}

// rebasers returns the ways that are compared; the first signs nothing, and the
// second calls a program that does nothing. To what asks no server latency makes
// no difference.
func (b *bench) rebasers(dir, instance string, delay time.Duration) []*rebaser {
	ours := func(name, agent, mode string) *rebaser {
		run := filepath.Join(b.scratch, "run-"+filepath.Base(dir)+"-"+name)
		w := &rebaser{agent: agent == "true", defers: mode == "deferred", rounds: 3, env: []string{
			"GITSEAL_INSTANCE=" + instance, "GITSEAL_AGENT=" + agent, "GITSEAL_LOG_MODE=" + mode, "GITSEAL_PROGRESS=false", "XDG_RUNTIME_DIR=" + run,
			"XDG_STATE_HOME=" + run,
		}}
		w.name, w.setUp = name, setUpServers
		return w
	}
	alone := ours("embed-alone", "false", "embed")
	alone.rounds = 1 // a certificate for each commit
	unsigned := func(context.Context, *bench, *peer) error { return nil }
	ways := []*rebaser{{peer: peer{name: "unsigned", setUp: unsigned}, rounds: 3}}
	if delay == 0 {
		ways = append(ways, &rebaser{peer: peer{name: "no-op", setUp: setUpNoop}, rounds: 3}, &rebaser{peer: peer{name: "ssh-keygen", setUp: setUpSSH}, rounds: 3}, &rebaser{peer: peer{name: "gpg", setUp: setUpGPG}, rounds: 3})
	}
	ways = append(ways, ours("deferred-agent", "true", "deferred"), ours("embed-agent", "true", "embed"), alone)
	for _, w := range ways {
		w.dir = filepath.Join(dir, w.name)
	}
	return ways
}

func setUpServers(ctx context.Context, b *bench, p *peer) error {
	return b.config(ctx, p, "gpg.format", "x509", "gpg.x509.program", b.gitseal, "gitseal.anyIdentity", "true")
}

// setUpRebaser makes a repository with the commits, none of them signed.
func (b *bench) setUpRebaser(ctx context.Context, w *rebaser) error {
	if err := b.each(ctx, b.scratch, []string{"git", "init", "-q", "-b", "main", w.dir}); err != nil {
		return err
	}
	err := b.config(ctx, &w.peer, "user.name", "Bench", "user.email", "bench@example.test", "gc.auto", "0", "advice.skippedCherryPicks", "false")
	if err == nil {
		err = w.setUp(ctx, b, &w.peer)
	}
	if err != nil {
		return err
	}
	for _, entry := range w.env {
		if dir, ok := strings.CutPrefix(entry, "XDG_RUNTIME_DIR="); ok {
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
		}
	}
	var stream strings.Builder
	for i := range b.rebased + 1 {
		fmt.Fprintf(&stream, "commit refs/heads/original\ncommitter %s %d +0000\ndata <<END\ncommit %d\nEND\nM 100644 inline file%d\ndata <<END\n%d\nEND\n\n",
			user, 1700000000+i, i, i%10, i)
	}
	cmd := b.command(ctx, w.dir, "git", "fast-import", "--quiet")
	cmd.Stdin = strings.NewReader(stream.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git fast-import: %w: %s", err, lastLine(string(out)))
	}
	return nil
}

// rebase rebases all commits but the first, and finds all signatures good.
func (b *bench) rebase(ctx context.Context, r *recorder, w *rebaser) (*rebased, error) {
	got := new(rebased)
	base := fmt.Sprintf("original~%d", b.rebased)
	for round := range w.rounds {
		token, err := r.stack.mint(ctx)
		if err != nil {
			return got, err
		}
		if err := b.each(ctx, w.dir, []string{"git", "checkout", "-q", "-B", "main", "original"}); err != nil {
			return got, err
		}
		before, err := r.since(0)
		if err != nil {
			return got, err
		}
		cmd := b.command(ctx, w.dir, "git", "-c", fmt.Sprintf("commit.gpgSign=%t", w.name != "unsigned"), "rebase", "-q", "--force-rebase", base)
		cmd.Env = append(append(cmd.Env[:len(cmd.Env):len(cmd.Env)], w.env...), "SIGSTORE_ID_TOKEN="+token)
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return got, fmt.Errorf("git rebase: %w: %s", err, lastLine(string(out)))
		}
		got.walls = append(got.walls, milliseconds(time.Since(start)))
		got.cpus = append(got.cpus, milliseconds(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()))
		if round == 0 {
			if got.asked, err = r.since(len(before)); err != nil {
				return got, err
			}
		}
		if !w.defers {
			err = b.allGood(ctx, w)
		} else if round < w.rounds-1 {
			// What is left for later must not slow the next round down.
			err = b.flush(ctx, w)
		}
		if err != nil {
			return got, err
		}
	}
	return got, nil
}

// allGood fails unless git finds a good signature on each commit.
func (b *bench) allGood(ctx context.Context, w *rebaser) error {
	if w.name == "unsigned" {
		return nil
	}
	cmd := b.command(ctx, w.dir, "git", "log", "--format=%G?", fmt.Sprintf("-%d", b.rebased), "main")
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], w.env...)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git log: %w", err)
	}
	// Nobody says who may sign, so a good signature of ours is of unknown trust.
	if good := strings.Count(string(out), "G") + strings.Count(string(out), "U"); good != b.rebased {
		return fmt.Errorf("git finds %d of %d signatures good", good, b.rebased)
	}
	return nil
}

// tellRebased adds what came of a way to the table.
func (b *bench) tellRebased(title string, w *rebaser, got *rebased, plain float64) {
	count := make(map[string]int)
	for _, x := range got.asked {
		count[x.Service]++
	}
	took := median(got.walls)
	cpu := median(got.cpus) / 1000
	details := fmt.Sprintf("%.2f s, %.2f of both processors; requests in the first: %d for certificates, %d to the log, %d for time-stamps",
		took/1000, cpu, count["fulcio"], count["rekor2"], count["tsa"])
	what := title + ", " + w.name
	switch {
	case w.name == "unsigned":
		b.table.fact(what, fmt.Sprintf("%.2f s, %.2f of both processors", took/1000, cpu))
		return
	case w.setUpByUs() && w.defers:
		b.table.most(what+", beside unsigned", took/plain, 2, " x", details)
	case w.setUpByUs():
		b.table.fact(what+", beside unsigned", fmt.Sprintf("%.3g x  (%s)", took/plain, details))
		b.table.most(what+": requests to the log, a commit", float64(count["rekor2"])/float64(b.rebased), 1, "", "")
	default:
		b.table.fact(what+", beside unsigned", fmt.Sprintf("%.3g x  (%.2f s, %.2f of both processors)", took/plain, took/1000, cpu))
	}
	if w.agent && !w.defers && len(got.asked) > 2 {
		// The certificate, the entry and the time-stamp.
		trips, chain := sequential(got.asked[:3])
		b.table.most(what+", the first commit: sequential round trips", float64(trips), 2, "", fmt.Sprintf("%.0f ms", chain))
	}
	if w.agent {
		b.table.most(what+": certificates in all", float64(count["fulcio"]), 2, "", "one token")
	}
}

// setUpByUs reports whether it is gitseal that signs.
func (w *rebaser) setUpByUs() bool { return len(w.env) > 0 }
