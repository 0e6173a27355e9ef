//go:build unix

package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/gitutil"
	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/openpgp"
	"gitseal/verifier/sshsig"
)

// every is a plan with every kind of signature.
var every = plan{commits: leastCommits, percent: 10, kinds: []kind{keyless, shared, fulcio, pgp, ssh}, steps: 1}

// newBench returns what generates histories.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{scratch: t.TempDir()}
	if err := b.setEnv(); err != nil {
		t.Fatal(err)
	}
	return b
}

// generated generates a history in a directory of its own.
func generated(t *testing.T, p plan) (*bench, *history) {
	t.Helper()
	b := newBench(t)
	h, err := b.generate(t.Context(), p, b.scratch+"/generated")
	if err != nil {
		t.Fatalf("generate(%v) = %v", p, err)
	}
	return b, h
}

func TestGeneratedHistoryIsTheSameEachTime(t *testing.T) {
	_, one := generated(t, every)
	_, two := generated(t, every)
	if !slices.Equal(one.tips, two.tips) {
		t.Errorf("equal plans make %v and %v", one.tips, two.tips)
	}
	if len(one.tips) != every.steps+1 {
		t.Errorf("%d tips, want %d", len(one.tips), every.steps+1)
	}
}

func TestGeneratedHistoryVerifies(t *testing.T) {
	b, h := generated(t, every)
	if err := h.moveTo(t.Context(), b, 1); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Run(t.Context(), auditConfig(t, b, h))
	if err != nil {
		t.Fatal(err)
	}
	commits := every.total()
	if report.Totals.Examined != commits {
		t.Errorf("%d commits examined, want %d", report.Totals.Examined, commits)
	}
	if got, want := report.Totals.Classes[verifier.Verified], every.signed(commits); got != want {
		t.Errorf("%d commits verified, want %d", got, want)
	}
}

// auditConfig returns what gitseal audit makes of the flags that auditHistory
// gives it.
func auditConfig(t *testing.T, b *bench, h *history) audit.Config {
	t.Helper()
	read := func(file string) []byte {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	root, err := verifier.ParseTrustedRoot(read(h.trustedRoot))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC) }
	cfg := audit.Config{TrustedRoots: []*verifier.TrustedRoot{root}, Now: now}
	if cfg.Verifier, err = verifier.New(verifier.Config{TrustedRoots: cfg.TrustedRoots}); err != nil {
		t.Fatal(err)
	}
	if cfg.Repo, err = gitutil.Open(t.Context(), gitutil.Config{Dir: h.dir, Env: b.env}); err != nil {
		t.Fatal(err)
	}
	rules := verifier.KeyRules{At: now()}
	ring, err := openpgp.ReadKeyring("keyring", read(h.keyring))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Keys.OpenPGP, err = openpgp.New(openpgp.Config{Keyrings: []*openpgp.Keyring{ring}, Rules: rules}); err != nil {
		t.Fatal(err)
	}
	allowed, err := sshsig.ReadAllowedSigners("allowed_signers", read(h.allowedSigners))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Keys.SSH, err = sshsig.New(sshsig.Config{AllowedSigners: []*sshsig.AllowedSigners{allowed}, Rules: rules}); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestGeneratedHistoryIsWhatWasPlanned(t *testing.T) {
	b, h := generated(t, every)
	for steps, tip := range h.tips {
		count, err := b.output(t.Context(), h.dir, "git", "rev-list", "--count", tip)
		if want := fmt.Sprint(every.commits + steps*step); err != nil || count != want {
			t.Errorf("git rev-list --count tips[%d] = %s, %v, want %s", steps, count, err, want)
		}
	}
	if out, err := b.output(t.Context(), h.dir, "git", "fsck", "--strict", "--no-dangling"); err != nil || out != "" {
		t.Errorf("git fsck = %q, %v", out, err)
	}
	text, err := b.output(t.Context(), h.dir, "git", "log", "--format=%P", h.tips[0])
	if err != nil {
		t.Fatal(err)
	}
	if parents := strings.Fields(strings.SplitN(text, "\n", 2)[0]); len(parents) != lines {
		t.Errorf("the last commit of main has the parents %q, want %d", parents, lines)
	}
}

// Each kind is signed by a certificate of its own, or as many as it should be.
func TestCertificatesAreShared(t *testing.T) {
	for _, c := range []struct {
		kind kind
		want int
	}{{keyless, 150}, {shared, 2}} {
		l, err := newLine(0, []kind{c.kind})
		if err != nil {
			t.Fatal(err)
		}
		certificates := make(map[string]bool)
		for range 150 {
			armored, err := l.signers[c.kind.name]([]byte("payload"))
			if err != nil {
				t.Fatal(err)
			}
			certificates[string(certificateIn(t, armored))] = true
			l.now = l.now.Add(time.Second)
		}
		if len(certificates) != c.want {
			t.Errorf("%s: %d certificates sign 150 commits, want %d", c.kind.name, len(certificates), c.want)
		}
	}
}

func TestKindOfSignsAsManyAsPlanned(t *testing.T) {
	for _, percent := range []int{1, 10, 100} {
		p := plan{commits: 12_345, percent: percent, kinds: []kind{keyless, pgp}}
		var signed int
		var work operations
		for i := range p.commits {
			if k := p.kindOf(i); k != nil {
				signed++
				work = work.plus(k.each)
			}
		}
		if want := p.signed(p.commits); signed != want || want != p.commits*percent/100 {
			t.Errorf("%v: %d commits are signed, want %d", p, signed, want)
		}
		if got := p.work(p.commits); got != work {
			t.Errorf("%v: work = %+v, want %+v", p, got, work)
		}
	}
}

func TestGenerateStopsWithItsContext(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.generate(ctx, every, b.scratch+"/generated"); err == nil {
		t.Error("generate = nil with a context that has ended")
	}
}

func TestCountOfReadsReports(t *testing.T) {
	const text = "  verified     1,234\n  unsigned 5\nunsigned: not this\n"
	for class, want := range map[string]int{"verified": 1234, "unsigned": 5, "revoked": 0} {
		if got := countOf(text, class); got != want {
			t.Errorf("countOf(%s) = %d, want %d", class, got, want)
		}
	}
}

// certificateIn returns the certificate that a signature carries.
func certificateIn(t *testing.T, armored []byte) []byte {
	t.Helper()
	der, _, err := cms.Dearmor(armored)
	if err != nil {
		t.Fatal(err)
	}
	sd, err := cms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return sd.Certificates[0]
}

func TestPartOfIsBounded(t *testing.T) {
	for _, c := range []struct {
		seconds float64
		cores   int
		want    float64
	}{{0.1, 1, 5}, {0.1, 2, 10}, {2, 1, 1}, {16, 2, 1}, {80, 1, 0.1}} {
		if got := partOf(c.seconds, c.cores); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("partOf(%v s, %d cores) = %v, want %v", c.seconds, c.cores, got, c.want)
		}
	}
}

func TestChecksAreDoneOnce(t *testing.T) {
	var n operations
	count := func(f *float64) func() bool { return func() bool { *f++; return true } }
	c := checks{p256: count(&n.p256), p384: count(&n.p384), ed25519: count(&n.ed25519)}
	var done operations
	for _, due := range []operations{{1.5, 0.1, 0}, {3, 0.2, 2}, {3, 0.3, 4}} {
		if !c.until(due, &done) {
			t.Error("until = false where each check is true")
		}
	}
	if want := (operations{p256: 3, p384: 1, ed25519: 4}); n != want || done != want {
		t.Errorf("%+v checks, %+v said to be done, want %+v", n, done, want)
	}
}
