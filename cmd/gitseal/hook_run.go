package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// A hookRun is one run of a hook.
type hookRun struct {
	*auditRun
	kind  *hookKind
	args  []string
	input []byte // what git wrote to the hook; nil for those that it writes nothing to

	waiting  map[string]bool   // objects whose log entry comes after the push, as the user wants it
	local    map[string]string // what the pusher calls what is pushed, by the ref that it is pushed to
	policyAt string            // where in the repository the policy is, for who reads it again; empty: elsewhere
	// policyRef and policyPath are where pushes can change the policy; empty:
	// they cannot.
	policyRef, policyPath string
}

// maxPush bounds what git says of a push: half a million refs.
const maxPush = 64 << 20

func runHook(c *cli.Context, e *env, kind *hookKind) error {
	if err := checkHookFlags(c, kind); err != nil {
		return err
	}
	args := c.Args().Slice()
	if want := len(strings.Fields(kind.args)); len(args) != want {
		return fail(exitUsage, fmt.Errorf("hook run %s: %s, want %d as git hands them over", kind.name, count(len(args), "argument", "arguments"), want),
			"gitseal hook install "+kind.name+"   # has git call it")
	}
	// Refs of a namespace have other names in the repository than in the push.
	if e.getenv("GIT_NAMESPACE") != "" {
		return usage("hook run %s: GIT_NAMESPACE is set, and namespaces are not supported", kind.name)
	}
	var input []byte
	if kind.name == "pre-receive" || kind.name == "pre-push" {
		var err error
		if input, err = readLimited(e.stdin, maxPush, "what git says of the push"); err != nil {
			return err
		}
	}
	if err := runFirst(c, e, args, input); err != nil {
		return err
	}
	var own *proofPush
	if kind.name == "pre-push" {
		var err error
		if own, err = openProofPush(c.Context, e, args[0], input); err != nil {
			return err
		}
	}
	if input == nil || len(input) > 0 { // else everything is there already
		if err := judgeHook(c, e, kind, args, input, own); err != nil {
			return err
		}
	}
	if own != nil {
		own.push(c.Context)
	}
	return nil
}

// judgeHook judges what the hook is about. own is nil but for pre-push.
func judgeHook(c *cli.Context, e *env, kind *hookKind, args []string, input []byte, own *proofPush) error {
	run, ctx, stop, err := newHistoryRun(c, e, nil)
	if err != nil {
		return err
	}
	defer stop()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // see runAudit
	h := &hookRun{auditRun: run, kind: kind, args: args, input: input}
	if own != nil {
		h.waiting = own.waiting
	}
	if err := kind.run(h, ctx); err != nil {
		return explainAudit(ctx, err)
	}
	return nil
}

// runFirst runs the hook that was there before, as git would have.
func runFirst(c *cli.Context, e *env, args []string, input []byte) error {
	first := c.String("first")
	if first == "" {
		return nil
	}
	// By a shell, which finds the program of a script on every system.
	cmd := exec.CommandContext(c.Context, "sh", append([]string{"-c", `exec "$0" "$@"`, first}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), e.stdout, e.stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return quiet(max(exit.ExitCode(), exitFinding)) // it has said why
	case err != nil:
		return fail(exitUsage, fmt.Errorf("running %s: %w", first, err), "gitseal hook uninstall NAME   # if it is not wanted any more")
	}
	return nil
}

// config returns what an audit of a push has beside the push.
func (h *hookRun) config(ctx context.Context, choose func(context.Context, *audit.Config) error) (cfg *audit.Config, done func(), err error) {
	h.readPolicy = func(ctx context.Context, cfg *audit.Config) error {
		err := choose(ctx, cfg)
		cfg.PolicyFile = nil // how it came to be was judged when it was pushed
		return err
	}
	if cfg, err = h.auditRun.config(ctx, ""); err != nil {
		return nil, nil, err
	}
	// Where there is no home, nothing can have been kept in it.
	online := h.c.Bool("online")
	if _, err := h.settings.entryStore(); err != nil && !online {
		return cfg, func() {}, nil
	}
	entries, err := h.settings.entryFinder(h.env, h.trust, online)
	if err != nil {
		return nil, nil, err
	}
	if online || !entries.isEmpty() {
		cfg.Entries = entries
	}
	return cfg, entries.Close, nil
}

// receiverPolicy gives an audit the policy of the side that receives a push. In
// the repository it is read by the ref's full name and no other: for a short
// one git would take a tag of that name, which anybody may have pushed.
func (h *hookRun) receiverPolicy(ctx context.Context, cfg *audit.Config, refs []gitutil.Ref) (err error) {
	name := h.c.String("policy")
	if name == "" || !isRevisionPath(name) {
		if cfg.Policy, cfg.PolicySource, err = h.settings.policy(name); err == nil && cfg.Policy == nil {
			err = fail(exitUsage, errors.New("no policy says who may push"), installHint(h.kind, "--policy refs/heads/main:"+policyPath),
				"or, to judge validity only: "+installHint(h.kind, "--any-identity"))
		}
		return err
	}
	ref, commit, path, err := policyAt(ctx, cfg.Repo, refs, name)
	if err != nil {
		return err
	}
	if err := readPolicyAt(ctx, cfg, commit+":"+path); err != nil {
		return err
	}
	cfg.PolicySource = name
	h.policyRef, h.policyPath, h.policyAt = ref, path, short(commit)+":"+path
	return nil
}

// anyPolicy reads the policy by which a hook will judge, as far as it is known
// before anything is pushed or merged.
func (h *hookRun) anyPolicy(ctx context.Context, cfg *audit.Config) (err error) {
	if h.kind.server {
		refs, err := cfg.Repo.Refs(ctx)
		if err != nil {
			return err
		}
		return h.receiverPolicy(ctx, cfg, refs)
	}
	if name := h.c.String("policy"); !isRevisionPath(name) {
		cfg.Policy, cfg.PolicySource, err = h.settings.policy(name)
	}
	return err
}

func installHint(kind *hookKind, args string) string {
	return "gitseal hook install " + kind.name + " " + args
}

// policyAt returns what REF:PATH names: the full name of the ref, the commit that
// it holds, and the path.
func policyAt(ctx context.Context, repo *gitutil.Repo, refs []gitutil.Ref, name string) (ref, commit, path string, err error) {
	ref, path, ok := strings.Cut(name, ":")
	if !ok || path == "" {
		return "", "", "", usage("--policy %s: want REF:PATH", name)
	}
	if ref == "HEAD" {
		if ref, err = repo.FullName(ctx, ref); err != nil {
			return "", "", "", fail(exitUsage, err)
		}
	}
	if !strings.HasPrefix(ref, "refs/") {
		return "", "", "", wantFullName("policy", name)
	}
	for _, r := range refs {
		if r.Name == ref && r.PeeledType == "commit" {
			return ref, r.Peeled, path, nil
		}
	}
	return "", "", "", fail(exitUsage, fmt.Errorf("--policy %s: there is no %s here, so there is no policy to judge by", name, ref),
		"push the policy before the hook is installed, or keep it in a file beside the repository: --policy /path/to/policy.toml")
}

// postMerge says what is wrong with what a merge brought. It changes nothing,
// so whatever that is, the hook is good.
func (h *hookRun) postMerge(ctx context.Context) error {
	if h.args[0] == "1" {
		return nil // of a squash nothing is committed yet
	}
	cfg, done, err := h.config(ctx, func(ctx context.Context, cfg *audit.Config) (err error) {
		name := h.c.String("policy")
		switch {
		case name != "" && isRevisionPath(name):
			return readPolicyAt(ctx, cfg, name)
		case name == "":
			// What was merged does not say who may have signed it.
			if found, err := policyOf(ctx, cfg, "ORIG_HEAD", "the branch before the merge"); found || err != nil {
				return err
			}
		}
		cfg.Policy, cfg.PolicySource, err = h.settings.policy(name)
		return err
	})
	if err != nil {
		return err
	}
	defer done()
	closeProofs, err := h.useProofs(ctx, cfg, nil)
	if err != nil {
		return err
	}
	defer closeProofs()
	cfg.AllowShallow = true
	cfg.Revisions = []string{"ORIG_HEAD..HEAD"}
	if _, _, err := cfg.Repo.Resolve(ctx, "ORIG_HEAD"); errors.Is(err, gitutil.ErrMissing) {
		cfg.Revisions = []string{"HEAD"} // there was nothing before
	}
	r, err := audit.Run(ctx, *cfg)
	if err != nil {
		return err
	}
	if r.Result == report.Pass {
		return nil
	}
	j := &hookJudgment{run: h, repo: cfg.Repo, reports: []*report.Report{r}}
	j.printFindings()
	h.env.printError("what was merged is not as it should be: "+j.summary(), []string{
		"gitseal audit " + cfg.Revisions[0] + "   # says more", "git reset --hard ORIG_HEAD   # takes the merge back"})
	return nil
}

// policyOf gives an audit the policy in a commit, and reports whether there is
// one.
func policyOf(ctx context.Context, cfg *audit.Config, rev, source string) (found bool, err error) {
	at := rev + ":" + policyPath
	_, _, err = cfg.Repo.Resolve(ctx, at)
	if errors.Is(err, gitutil.ErrMissing) {
		return false, nil
	}
	if err == nil {
		err = readPolicyAt(ctx, cfg, at)
	}
	cfg.PolicySource = source + ": " + policyPath
	return err == nil, err
}
