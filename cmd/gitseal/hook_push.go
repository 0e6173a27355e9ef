package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier/audit"
)

// preReceive judges a push as a whole: the lines "OLD NEW REF" on standard
// input.
func (h *hookRun) preReceive(ctx context.Context) error {
	return h.receive(ctx, func(f gitutil.Format) ([]gitutil.PushUpdate, error) { return gitutil.ParsePushUpdates(h.input, f) })
}

// update judges one ref of a push: the arguments REF OLD NEW.
func (h *hookRun) update(ctx context.Context) error {
	return h.receive(ctx, func(f gitutil.Format) ([]gitutil.PushUpdate, error) {
		return gitutil.ParsePushUpdates(fmt.Appendf(nil, "%s %s %s\n", h.args[1], h.args[2], h.args[0]), f)
	})
}

// receive judges what a push would change in this repository.
func (h *hookRun) receive(ctx context.Context, parse func(gitutil.Format) ([]gitutil.PushUpdate, error)) error {
	push := new(audit.Push)
	cfg, done, err := h.config(ctx, func(ctx context.Context, cfg *audit.Config) (err error) {
		if push.Refs, err = cfg.Repo.Refs(ctx); err != nil {
			return err
		}
		return h.receiverPolicy(ctx, cfg, push.Refs)
	})
	if err != nil {
		return err
	}
	defer done()
	if push.Refs == nil { // without a policy they were not needed yet
		if push.Refs, err = cfg.Repo.Refs(ctx); err != nil {
			return err
		}
	}
	if push.Targets, err = cfg.Repo.SymbolicRefs(ctx); err != nil {
		return err
	}
	if push.Updates, err = parse(cfg.Repo.ObjectFormat()); err != nil {
		return fail(exitUsage, fmt.Errorf("reading what is pushed: %w", err))
	}
	// Git says so if what is to be deleted is not there.
	push.Updates = slices.DeleteFunc(push.Updates, func(u gitutil.PushUpdate) bool { return u.Old == "" && u.New == "" })
	if err := checkUpdates(ctx, cfg, push); err != nil {
		return err
	}
	closeProofs, err := h.useProofs(ctx, cfg, push.Updates)
	if err != nil {
		return err
	}
	defer closeProofs()
	if err := h.checkCertificate(ctx, cfg, push.Updates); err != nil {
		return err
	}
	if err := h.judge(ctx, cfg, push, "push refused"); err != nil {
		return err
	}
	return h.checkNextPolicy(ctx, cfg, push)
}

// checkNextPolicy refuses a push that leaves a policy that cannot be read:
// every push after it would be refused, the one that mends it included.
func (h *hookRun) checkNextPolicy(ctx context.Context, cfg *audit.Config, push *audit.Push) error {
	whole := func(ref string) string { return cmp.Or(push.Targets[ref], ref) }
	for _, u := range push.Updates {
		if h.policyRef == "" || u.New == "" || whole(u.Ref) != whole(h.policyRef) {
			continue
		}
		if err := readPolicyAt(ctx, &audit.Config{Repo: cfg.Repo}, u.New+":"+h.policyPath); err != nil {
			return fail(exitFinding, fmt.Errorf("push refused: it leaves no policy that can be read: %w", err), "gitseal policy check "+shellWord(h.policyPath))
		}
	}
	return nil
}

// checkUpdates refuses what cannot be judged by what the repository holds.
func checkUpdates(ctx context.Context, cfg *audit.Config, push *audit.Push) error {
	held := make(map[string]*gitutil.Ref)
	folded := make(map[string]string) // names that a rule is for, by themselves in lower case
	for i := range push.Refs {
		name := push.Refs[i].Name
		held[name] = &push.Refs[i]
		if cfg.Policy != nil && cfg.Policy.RulesOf(name) != "" {
			folded[strings.ToLower(name)] = name
		}
	}
	for _, u := range push.Updates {
		now := held[u.Ref]
		switch like := folded[strings.ToLower(u.Ref)]; {
		case strings.HasPrefix(u.Ref, "refs/replace/") && u.New != "":
			return fail(exitFinding, fmt.Errorf("push refused: %s would show another object than the one that is judged", u.Ref))
		case u.New != "" && printable(u.Ref) != u.Ref:
			return fail(exitFinding, fmt.Errorf("push refused: the name %s has a character that cannot be seen", printable(u.Ref)))
		// There are file systems on which both are one.
		case u.New != "" && now == nil && like != "":
			return fail(exitFinding, fmt.Errorf("push refused: %s is %s but for upper and lower case", u.Ref, like))
		case u.New != "" && looksWhole(u.Ref):
			return fail(exitFinding, fmt.Errorf("push refused: %s could be taken for another ref, whose name it ends in", u.Ref))
		case now != nil && now.OID == "":
			return fail(exitUnknown, fmt.Errorf("push refused: %s is broken in the repository that receives it", u.Ref))
		// What the pusher says it holds decides nothing. Git checks it, too,
		// but not before the hook.
		case now == nil && u.Old != "" || now != nil && u.Old != now.OID:
			return fail(exitUnknown, fmt.Errorf("push refused: %s was changed meanwhile", u.Ref), "git fetch   # and push again")
		case now != nil:
			continue
		}
		// A symbolic ref whose target is not there is in no list.
		if target, err := cfg.Repo.SymbolicTarget(ctx, u.Ref); err != nil {
			return err
		} else if target != "" {
			return fail(exitUnknown, fmt.Errorf("push refused: %s stands for %s, which is not there", u.Ref, target),
				"git push REMOTE HEAD:"+shellWord(target))
		}
	}
	return nil
}

// looksWhole reports whether what git lets people leave out of a ref's name
// leaves another whole one: refs/tags/refs/heads/main makes refs/heads/main
// ambiguous, by which a policy may be read.
func looksWhole(ref string) bool {
	rest := strings.TrimPrefix(ref, "refs/")
	_, further, _ := strings.Cut(rest, "/")
	return strings.HasPrefix(rest, "refs/") || strings.HasPrefix(further, "refs/")
}

// judge audits a push and says what is wrong with it.
func (h *hookRun) judge(ctx context.Context, cfg *audit.Config, push *audit.Push, outcome string) error {
	reports, err := audit.RunPush(ctx, *cfg, *push)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fail(exitInterrupted, errors.New("interrupted"))
	}
	j := &hookJudgment{run: h, repo: cfg.Repo, updates: push.Updates, reports: reports}
	j.printOmissions()
	code := j.exit()
	if code == exitGood || code == exitUnknown && j.onlyWaits() {
		return nil
	}
	j.printFindings()
	return fail(code, fmt.Errorf("%s: %s", outcome, j.summary()), j.hints(ctx)...)
}

// prePush judges what is about to be pushed as the other side would, as far as
// that is known here: the lines "LOCAL-REF NEW REF OLD" on standard input.
func (h *hookRun) prePush(ctx context.Context) error {
	push := new(audit.Push)
	cfg, done, err := h.config(ctx, h.pusherPolicy)
	if err != nil {
		return err
	}
	defer done()
	cfg.AllowShallow = true // the other side has the rest
	if push.Updates, h.local, err = parsePrePush(h.input, cfg.Repo.ObjectFormat()); err != nil {
		return fail(exitUsage, fmt.Errorf("reading what is pushed: %w", err))
	}
	closeProofs, err := h.useProofs(ctx, cfg, nil)
	if err != nil {
		return err
	}
	defer closeProofs()
	if push.Refs, err = remoteRefs(ctx, cfg.Repo, h.args[0], push.Updates); err != nil {
		return err
	}
	return h.judge(ctx, cfg, push, "push stopped")
}

// remoteRefs returns what is known here of the refs that a remote has: by
// remote-tracking branches, and by what it has said of those that are pushed.
func remoteRefs(ctx context.Context, repo *gitutil.Repo, remote string, updates []gitutil.PushUpdate) ([]gitutil.Ref, error) {
	here, err := repo.Refs(ctx)
	if err != nil {
		return nil, err
	}
	var refs []gitutil.Ref
	for _, u := range updates {
		if u.Old != "" {
			refs = append(refs, gitutil.Ref{Name: u.Ref, OID: u.Old})
		}
	}
	if err := repo.Types(ctx, refs); err != nil {
		return nil, err
	}
	for _, ref := range here {
		if branch, ok := strings.CutPrefix(ref.Name, "refs/remotes/"+remote+"/"); ok && branch != "HEAD" {
			ref.Name = "refs/heads/" + branch
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// pusherPolicy gives the audit of a push the policy that the other side is
// expected to judge by: the one named, that on the remote's branches as they
// were last seen, or the user's own.
func (h *hookRun) pusherPolicy(ctx context.Context, cfg *audit.Config) (err error) {
	name := h.c.String("policy")
	switch {
	case name != "" && isRevisionPath(name):
		h.policyAt = name
		return readPolicyAt(ctx, cfg, name)
	case name == "":
		updates, _, err := parsePrePush(h.input, cfg.Repo.ObjectFormat())
		if err != nil {
			return fail(exitUsage, fmt.Errorf("reading what is pushed: %w", err))
		}
		branches := []string{"HEAD"}
		for _, u := range updates {
			if branch, ok := strings.CutPrefix(u.Ref, "refs/heads/"); ok {
				branches = append(branches, branch)
			}
		}
		branches = append(branches, "main", "master") // origin/HEAD is there only after a clone
		for _, branch := range branches {
			rev := "refs/remotes/" + h.args[0] + "/" + branch
			if found, err := policyOf(ctx, cfg, rev, rev); found || err != nil {
				h.policyAt = rev + ":" + policyPath
				return err
			}
		}
	}
	cfg.Policy, cfg.PolicySource, err = h.settings.policy(name)
	return err
}

// parsePrePush parses what git hands to a pre-push hook:
//
//	*( local SP oid SP ref SP oid LF )
//
// local is what the pusher wrote, such as "HEAD^{/a word}", or "(delete)". It
// is returned by the ref that it is pushed to.
func parsePrePush(data []byte, f gitutil.Format) ([]gitutil.PushUpdate, map[string]string, error) {
	var lines bytes.Buffer
	local := make(map[string]string)
	for line := range bytes.Lines(data) {
		fields := strings.Split(strings.TrimSuffix(string(line), "\n"), " ")
		n := len(fields)
		if n < 4 || line[len(line)-1] != '\n' {
			return nil, nil, errors.New("a line is not a name, an id, a ref and an id")
		}
		local[fields[n-2]] = strings.Join(fields[:n-3], " ")
		fmt.Fprintf(&lines, "%s %s %s\n", fields[n-1], fields[n-3], fields[n-2])
	}
	updates, err := gitutil.ParsePushUpdates(lines.Bytes(), f)
	return updates, local, err
}
