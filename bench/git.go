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
)

// A peer is a program that signs and verifies for git, and a repository in
// which git uses it.
type peer struct {
	name  string
	dir   string
	setUp func(ctx context.Context, b *bench, p *peer) error
}

const user = "Bench <bench@example.com>"

// chunk is how many commits one git process verifies: enough that its own
// start does not count, few enough that what is compared runs within a second.
const chunk = 20

// measureGit measures verifying and signing through git.
func (b *bench) measureGit(ctx context.Context) error {
	peers, err := b.setUpPeers(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if _, err := exec.LookPath("gpgconf"); err == nil {
			// Ours is the agent of the scratch GNUPGHOME; it ends with it at
			// the latest, so what comes of this does not matter.
			_ = b.command(context.WithoutCancel(ctx), b.scratch, "gpgconf", "--kill", "gpg-agent").Run()
		}
	}()
	history := make(map[string][]string)
	for _, p := range peers {
		if history[p.name], err = b.makeHistory(ctx, p); err != nil {
			return err
		}
	}
	for _, work := range []struct {
		title string
		args  func(oids []string) []string
	}{
		{"git verify-commit", func(oids []string) []string { return append([]string{"git", "verify-commit"}, oids...) }},
		{"git log --show-signature", func(oids []string) []string {
			return append([]string{"git", "log", "--no-walk", "--show-signature", "--format=%H"}, oids...)
		}},
	} {
		samples := make([][]sample, len(peers))
		for at := 0; at < b.commits; at += chunk {
			var contenders []contender
			for _, p := range peers {
				contenders = append(contenders, contender{p.name, p.dir, work.args(history[p.name][at : at+chunk])})
			}
			more, err := b.inTurn(ctx, b.rounds, contenders)
			if err != nil {
				return err
			}
			for i := range samples {
				samples[i] = append(samples[i], more[i]...)
			}
		}
		b.compareVerifying(work.title, peers, samples)
	}
	return b.measureSigning(ctx, peers)
}

// setUpPeers makes a repository for each program that there is. gitseal is
// first, the program that does nothing second.
func (b *bench) setUpPeers(ctx context.Context) ([]*peer, error) {
	var peers []*peer
	for _, p := range []*peer{
		{name: "gitseal", setUp: setUpGitseal},
		{name: "no-op", setUp: setUpNoop},
		{name: "gpg", setUp: setUpGPG},
		{name: "ssh-keygen", setUp: setUpSSH},
	} {
		p.dir = filepath.Join(b.scratch, "repo-"+p.name)
		err := b.each(ctx, b.scratch, []string{"git", "init", "-q", "-b", "main", p.dir})
		if err == nil {
			err = b.config(ctx, p, "user.name", "Bench", "user.email", "bench@example.com", "gc.auto", "0")
		}
		if err == nil {
			err = p.setUp(ctx, b, p)
		}
		if errors.Is(err, exec.ErrNotFound) {
			b.table.note("not compared: " + err.Error())
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("setting up %s: %w", p.name, err)
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// each runs commands in turn.
func (b *bench) each(ctx context.Context, dir string, commands ...[]string) error {
	for _, args := range commands {
		if _, err := b.output(ctx, dir, args...); err != nil {
			return err
		}
	}
	return nil
}

// config sets keys and values in the peer's repository.
func (b *bench) config(ctx context.Context, p *peer, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := b.each(ctx, p.dir, []string{"git", "config", pairs[i], pairs[i+1]}); err != nil {
			return err
		}
	}
	return nil
}

func setUpGitseal(ctx context.Context, b *bench, p *peer) error {
	if err := b.each(ctx, p.dir, []string{b.gitseal, "init", "--local"}); err != nil {
		return err
	}
	// Only what is signed here on purpose is.
	return b.config(ctx, p, "commit.gpgSign", "false")
}

func setUpNoop(ctx context.Context, b *bench, p *peer) error {
	noop, err := b.build(ctx, "./bench/noop")
	if err != nil {
		return err
	}
	return b.config(ctx, p, "gpg.format", "x509", "gpg.x509.program", noop)
}

func setUpGPG(ctx context.Context, b *bench, p *peer) error {
	if _, err := exec.LookPath("gpg"); err != nil {
		return err
	}
	err := b.each(ctx, p.dir, []string{"gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never"})
	if err != nil {
		return err
	}
	return b.config(ctx, p, "gpg.format", "openpgp", "user.signingKey", "bench@example.com")
}

func setUpSSH(ctx context.Context, b *bench, p *peer) error {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		return err
	}
	key := filepath.Join(b.scratch, "ssh-key")
	if err := b.each(ctx, p.dir, []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key}); err != nil {
		return err
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		return err
	}
	allowed := filepath.Join(b.scratch, "allowed_signers")
	if err := os.WriteFile(allowed, []byte("bench@example.com "+string(public)), 0o600); err != nil {
		return err
	}
	return b.config(ctx, p, "gpg.format", "ssh", "user.signingKey", key+".pub", "gpg.ssh.allowedSignersFile", allowed)
}

// makeHistory signs commits with the peer, and returns their ids once git
// finds them all good.
func (b *bench) makeHistory(ctx context.Context, p *peer) ([]string, error) {
	tree, err := b.output(ctx, p.dir, "git", "write-tree")
	if err != nil {
		return nil, err
	}
	var oids []string
	for i := range b.commits {
		args := []string{"git", "commit-tree", "-S", "-m", fmt.Sprint("commit ", i), tree}
		if i > 0 {
			args = append(args, "-p", oids[i-1])
		}
		oid, err := b.output(ctx, p.dir, args...)
		if err != nil {
			return nil, err
		}
		oids = append(oids, oid)
	}
	err = b.each(ctx, p.dir, []string{"git", "update-ref", "refs/heads/signed", oids[len(oids)-1]}, []string{"git", "update-ref", "refs/heads/main", oids[0]})
	if err != nil {
		return nil, err
	}
	grades, err := b.output(ctx, p.dir, "git", "log", "--format=%G?", "signed")
	if err != nil {
		return nil, err
	}
	if good := strings.Count(grades, "G"); good != b.commits {
		return nil, fmt.Errorf("%s: git finds %d of %d signatures good", p.name, good, b.commits)
	}
	return oids, nil
}

func (b *bench) compareVerifying(title string, peers []*peer, samples [][]sample) {
	each := func(i int) float64 { return median(walls(samples[i])) / chunk }
	for i, p := range peers {
		details := fmt.Sprintf("%.2f and %.2f ms a commit", each(0), each(i))
		beside := title + ", beside " + p.name
		switch p.name {
		case "gpg":
			b.table.most(beside, ratio(samples[0], samples[i]), 1.2, " x", details)
		case "ssh-keygen":
			b.table.most(beside, ratio(samples[0], samples[i]), 0.7, " x", details)
		case "no-op":
			b.table.fact(beside, fmt.Sprintf("%.3g x  (%s)", ratio(samples[0], samples[i]), details))
		}
	}
}

// measureSigning measures git commit, and how much more git commit -S is.
func (b *bench) measureSigning(ctx context.Context, peers []*peer) error {
	commit := []string{"git", "commit", "-q", "--allow-empty", "-m", "commit"}
	contenders := []contender{{"git alone", peers[0].dir, append(commit, "--no-gpg-sign")}}
	for _, p := range peers {
		contenders = append(contenders, contender{p.name, p.dir, append(commit, "-S")})
	}
	samples, err := b.inTurn(ctx, b.signed, contenders)
	if err != nil {
		return err
	}
	plain := median(walls(samples[0]))
	for i, p := range peers {
		signed := samples[i+1]
		more := difference(signed, samples[0])
		details := fmt.Sprintf("%.1f and %.1f ms", median(walls(signed)), plain)
		if p.name == "gitseal" {
			b.table.most("git commit -S, beside git commit", more, 5, " ms", details)
		} else {
			b.table.fact("the same with "+p.name, fmt.Sprintf("%.3g ms  (%s)", more, details))
		}
	}
	return nil
}
