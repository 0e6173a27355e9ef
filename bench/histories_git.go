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

// measureThroughGit measures gitseal audit beside git itself, which starts a
// program for each commit.
func (b *bench) measureThroughGit(ctx context.Context) error {
	for _, p := range []struct {
		program string
		kind    kind
		grade   string // that git gives signatures which are good; U is for those by whoever they are
		setUp   func(context.Context, *bench, *history) ([][2]string, error)
	}{
		{"gitseal", keyless, "U", verifyByGitseal},
		{"gpg", pgp, "G", verifyByGPG},
		{"ssh-keygen", ssh, "G", verifyBySSH},
	} {
		err := b.withHistory(ctx, plan{commits: b.throughGit, percent: 100, kinds: []kind{p.kind}}, func(ctx context.Context, h *history) error {
			settings, err := p.setUp(ctx, b, h)
			if err != nil {
				return err
			}
			for _, s := range settings {
				if err := b.each(ctx, h.dir, []string{"git", "config", s[0], s[1]}); err != nil {
					return err
				}
			}
			return b.besideGit(ctx, h, p.program, p.grade)
		})
		if errors.Is(err, exec.ErrNotFound) {
			b.table.note("not compared: " + err.Error())
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.program, err)
		}
	}
	return nil
}

// besideGit measures git log and gitseal audit in turn.
func (b *bench) besideGit(ctx context.Context, h *history, program, grade string) error {
	var grading, auditing []usage
	var ratios []float64
	for range again {
		git, grades, err := b.watch(ctx, h.dir, "git", "log", "--format=%G?")
		if err != nil {
			return err
		}
		if good := strings.Count(grades, grade); good != h.commits {
			return fmt.Errorf("git finds %d of %d signatures good", good, h.commits)
		}
		audit, err := b.auditHistory(ctx, h, 0, "--no-cache")
		if err != nil {
			return err
		}
		grading, auditing = append(grading, git), append(auditing, audit)
		ratios = append(ratios, git.Wall/audit.Wall)
	}
	each := func(all []usage, value func(usage) float64) float64 {
		return medianOf(all, value) / float64(h.commits) * 1e3
	}
	b.table.fact(fmt.Sprintf("%s: git with %s, beside gitseal audit", h.kinds[0].name, program),
		fmt.Sprintf("%.0f x  (%.2f and %.3f ms a commit; processor %.2f and %.3f)", median(ratios),
			each(grading, wallOf), each(auditing, wallOf), each(grading, cpuOf), each(auditing, cpuOf)))
	return nil
}

func verifyByGitseal(_ context.Context, b *bench, h *history) ([][2]string, error) {
	return [][2]string{
		{"gpg.format", "x509"}, {"gpg.x509.program", b.gitseal},
		{"gitseal.trustedRoot", h.trustedRoot}, {"gitseal.anyIdentity", "true"},
	}, nil
}

// verifyByGPG gives gpg the keys, and has it trust them: what it knows of
// their owners is not what is measured.
func verifyByGPG(ctx context.Context, b *bench, h *history) ([][2]string, error) {
	if _, err := exec.LookPath("gpg"); err != nil {
		return nil, err
	}
	// Without a daemon there is none left at the end.
	conf := []byte("trust-model always\nno-autostart\n")
	if err := os.WriteFile(filepath.Join(b.scratch, "GNUPGHOME", "gpg.conf"), conf, 0o600); err != nil {
		return nil, err
	}
	err := b.each(ctx, h.dir, []string{"gpg", "--batch", "--quiet", "--import", h.keyring})
	return [][2]string{{"gpg.format", "openpgp"}}, err
}

func verifyBySSH(_ context.Context, _ *bench, h *history) ([][2]string, error) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		return nil, err
	}
	return [][2]string{{"gpg.format", "ssh"}, {"gpg.ssh.allowedSignersFile", h.allowedSigners}}, nil
}
