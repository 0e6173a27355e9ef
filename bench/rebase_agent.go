//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitseal/signer/agent"
	"gitseal/verifier"
)

// atOnce is how many signatures are asked of an agent at the same time, and
// through how many connections' worth of clients, each of which asks for
// sixty-four at most.
const (
	atOnce  = 1000
	clients = 16
)

// ours runs gitseal as a way to sign does.
func (b *bench) ours(ctx context.Context, w *rebaser, args ...string) (string, error) {
	cmd := b.command(ctx, w.dir, append([]string{b.gitseal}, args...)...)
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], w.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("gitseal %s: %w: %s", strings.Join(args, " "), err, lastLine(stderr.String()))
	}
	return string(out), nil
}

// flush has the log record what waits for it.
func (b *bench) flush(ctx context.Context, w *rebaser) error {
	_, err := b.ours(ctx, w, "log", "flush")
	return err
}

// recorded waits until the agent has had recorded what waits.
func (b *bench) recorded(ctx context.Context, w *rebaser) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := b.ours(ctx, w, "log", "pending", "--exit-code")
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// stopAgent ends the agent of a way that has one.
func (b *bench) stopAgent(ctx context.Context, w *rebaser) error {
	if !w.agent {
		return nil
	}
	_, err := b.ours(context.WithoutCancel(ctx), w, "agent", "stop")
	return err
}

// afterRebase measures how long it takes until the log has everything, and what
// the agent has come to.
func (b *bench) afterRebase(ctx context.Context, r *recorder, w *rebaser, title string) error {
	what := title + ", " + w.name
	if w.defers {
		before, err := r.since(0)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := b.recorded(ctx, w); err != nil {
			return err
		}
		took := time.Since(start)
		asked, err := r.since(len(before))
		if err != nil {
			return err
		}
		if err := b.allGood(ctx, w); err != nil {
			return err
		}
		b.table.fact(what+": until the agent has had all recorded", fmt.Sprintf("%.2f s  (%d requests)", took.Seconds(), len(asked)))
	}
	memory, err := b.agentMemory(ctx, w)
	if err != nil {
		return err
	}
	if memory > 0 {
		b.table.most(what+": the agent's memory at most", memory, 20, " MB", "")
	}
	if w.defers {
		return nil
	}
	return b.signAtOnce(ctx, w, what)
}

// agentMemory returns how much memory the agent had at most, in MB, with the
// pages of the program that it has read; 0: the system does not tell.
func (b *bench) agentMemory(ctx context.Context, w *rebaser) (float64, error) {
	out, err := b.ours(ctx, w, "agent", "status", "--format", "json")
	if err != nil {
		return 0, err
	}
	var status struct{ PID int }
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return 0, fmt.Errorf("gitseal agent status: %w", err)
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", status.PID))
	if err != nil {
		return 0, nil
	}
	_, rest, _ := strings.Cut(string(data), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, nil
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	return kib * 1024 / 1e6, err
}

// signAtOnce asks the agent for as many signatures as it can get, and verifies
// each.
func (b *bench) signAtOnce(ctx context.Context, w *rebaser, what string) error {
	v, request, err := b.askedOf(ctx, w)
	if err != nil {
		return err
	}
	path, err := w.socket()
	if err != nil {
		return err
	}
	var asking [clients]*agent.Client
	for i := range asking {
		if asking[i], err = agent.Dial(ctx, agent.ClientConfig{Path: path}); err != nil {
			return err
		}
		defer asking[i].Close()
	}
	payloads, answers, errs := make([][]byte, atOnce), make([]*agent.SignAnswer, atOnce), make([]error, atOnce)
	var all sync.WaitGroup
	start := time.Now()
	for i := range atOnce {
		payloads[i] = fmt.Appendf(nil, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor %s %d +0000\ncommitter %[1]s %[2]d +0000\n\ncommit %[3]d\n", user, 1700000000, i)
		all.Go(func() {
			r := *request
			r.Payload = payloads[i]
			answers[i], errs[i] = asking[i%clients].Sign(ctx, &r, nil)
		})
	}
	all.Wait()
	took := time.Since(start)
	missing, wrong := 0, 0
	var why error
	for i, err := range errs {
		if err != nil {
			missing++
		} else if _, err = v.Verify(payloads[i], answers[i].Armored, verifier.AnyIdentity{}); err != nil {
			wrong++
		}
		if why == nil {
			why = err
		}
	}
	at := fmt.Sprintf("%s: of %d signatures at once, ", what, atOnce)
	b.table.most(at+"wrong", float64(wrong), 0, "", fmt.Sprintf("%.1f s", took.Seconds()))
	b.table.most(at+"missing", float64(missing), 0, "", "")
	if why != nil {
		b.table.note("one of those: " + why.Error())
	}
	memory, err := b.agentMemory(ctx, w)
	if err == nil && memory > 0 {
		b.table.fact(what+": the agent's memory at most, after these", fmt.Sprintf("%.1f MB", memory))
	}
	return err
}

// askedOf returns what to verify signatures with, and what to ask the agent for
// as gitseal does.
func (b *bench) askedOf(ctx context.Context, w *rebaser) (*verifier.Verifier, *agent.SignRequest, error) {
	path, err := w.socket()
	if err != nil {
		return nil, nil, err
	}
	c, err := agent.Dial(ctx, agent.ClientConfig{Path: path})
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	status, err := c.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(status.Credentials) == 0 {
		return nil, nil, errors.New("the agent has no certificate")
	}
	data, err := os.ReadFile(filepath.Join(w.variable("GITSEAL_INSTANCE"), "trusted_root.json"))
	if err != nil {
		return nil, nil, err
	}
	root, err := verifier.ParseTrustedRoot(data)
	if err != nil {
		return nil, nil, err
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	return v, &agent.SignRequest{Instance: status.Credentials[0].Digest, Source: status.Credentials[0].Source}, err
}

// socket returns where the agent of a way listens.
func (w *rebaser) socket() (string, error) {
	return agent.Path(w.variable("XDG_RUNTIME_DIR"), "/tmp", os.Getuid())
}

// variable returns what a variable of the environment is set to.
func (w *rebaser) variable(name string) string {
	for _, entry := range w.env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
