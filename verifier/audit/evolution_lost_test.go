package audit_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// TestFollowingAPolicyThatIsNotAllThere could not tell.
func TestFollowingAPolicyThatIsNotAllThere(t *testing.T) {
	h := newHistory(t)
	one := h.commit(commitment{by: "alice", files: holding(only("bob"))})
	two := h.commit(commitment{by: "alice", files: holding(only("carol"))}, one)
	three := h.commit(commitment{by: "alice", files: holding(only("bob"))}, two)
	h.branch("main", three)
	if got, r := follow(h); len(got) != 0 || r.Result != report.Pass {
		t.Fatalf("not allowed: %v, result %q, want a pass", got, r.Result)
	}
	h.remove(h.git("rev-parse", two+":"+policyFile))
	if got, r := follow(h); r.Result != report.Indeterminate || r.Complete {
		t.Errorf("not allowed: %v, result %q, not examined %v, want indeterminate", got, r.Result, r.NotExamined)
	}
}

// TestPolicyChangesByUnknownKeys could not be told to be allowed or not.
func TestPolicyChangesByUnknownKeys(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: holding(only("bob"))})
	h.branch("main", h.commit(commitment{by: "nobody", files: holding(only("carol"))}, base))
	if got, r := follow(h); len(got) != 0 || r.Result != report.Indeterminate || !omitted(r, policyFile) {
		t.Errorf("not allowed: %v, result %q, not examined %v, want indeterminate", got, r.Result, r.NotExamined)
	}
	// What is not allowed beside it is found nevertheless.
	h.branch("main", h.commit(commitment{by: "bob", files: holding(only("mallory"))}, h.git("rev-parse", "main")))
	if got, r := follow(h); len(got) != 1 || r.Result != report.Violation || r.Complete {
		t.Errorf("not allowed: %v, result %q, complete %v, want one", got, r.Result, r.Complete)
	}
}

// TestPolicyFollowedInAShallowClone begins where history was cut off.
func TestPolicyFollowedInAShallowClone(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "mallory", files: holding(only("bob"))}, h.commit(commitment{by: "alice", files: holding(only())}))
	two := h.commit(commitment{by: "alice", files: holding(only("bob", "carol"))}, base)
	three := h.commit(commitment{by: "bob", files: holding(only("mallory"))}, two)
	h.branch("main", three)
	if got, _ := follow(h); len(got) != 2 {
		t.Fatalf("not allowed: %v, want 2", got)
	}
	dir := filepath.Join(t.TempDir(), "shallow")
	h.git("clone", "-q", "--no-checkout", "--depth=2", "file://"+h.dir, dir)
	clone := &history{h.at(dir), h.keys, h.format, h.cfg}
	cfg := clone.cfg
	cfg.Repo, cfg.AllowShallow, cfg.Policy = clone.open(), true, parsePolicy(t, only("mallory"))
	cfg.PolicyFile = &audit.PolicyFile{Commit: three, Ref: "refs/heads/main", Path: policyFile}
	r := run(t, cfg)
	if got := faults(r)[three]; !slices.Contains(got, "policy-change-not-allowed") || slices.Contains(faults(r)[two], "policy-change-not-allowed") {
		t.Errorf("findings %v, want the change at the tip, and not where history begins", faults(r))
	}
}

// TestPolicyFromAnIDIsJudgedForTheAuditsRef has a policy that was named by an
// id: the rules for the ref that is audited count.
func TestPolicyFromAnIDIsJudgedForTheAuditsRef(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: holding(only("bob"))})
	bobs := h.commit(commitment{by: "bob", files: holding(only("bob", "mallory"))}, base)
	h.branch("main", bobs)
	for ref, want := range map[string]int{"refs/heads/main": 1, "": 0} {
		cfg := h.cfg
		cfg.Repo, cfg.Policy, cfg.Revisions, cfg.Ref = h.open(), parsePolicy(t, only("bob", "mallory")), []string{"main"}, ref
		cfg.PolicyFile = &audit.PolicyFile{Commit: bobs, Path: policyFile}
		if got := strings.Count(fmt.Sprint(faults(run(t, cfg))), "policy-change-not-allowed"); got != want {
			t.Errorf("for %q: %d changes are not allowed, want %d", ref, got, want)
		}
	}
}

// TestPolicyOfTheBranchUnderTest audits a branch by the policy of main: what
// the branch makes of the policy counts for nothing.
func TestPolicyOfTheBranchUnderTest(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: holding(only("bob"))})
	h.branch("main", base)
	mallory := h.commit(commitment{by: "mallory", files: holding(ruled("mallory"))}, base)
	h.branch("topic", mallory)
	cfg := h.cfg
	cfg.Repo, cfg.Policy = h.open(), parsePolicy(t, only("bob"))
	cfg.PolicyFile = &audit.PolicyFile{Commit: base, Ref: "refs/heads/main", Path: policyFile}
	cfg.Revisions, cfg.Ref = []string{"main..topic"}, "refs/heads/main"
	wantFaults(t, cfg, mallory, notAllowed)
}

// TestPolicyHistoryThatLies has an object in the history of the policy, out of
// the audit's scope, whose bytes are not its own and lead git past a change.
func TestPolicyHistoryThatLies(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: holding(only("bob"))})
	evil := holding(ruled("mallory"))
	changed := h.commit(commitment{by: "mallory", files: evil}, base)
	between := h.commit(commitment{by: "mallory", files: evil, message: "between"}, changed)
	main := h.commit(commitment{by: "mallory", files: evil, message: "main"}, between)
	h.branch("main", main)
	h.branch("topic", h.commit(commitment{by: "mallory", files: evil, message: "topic"}, main))
	cfg := h.cfg
	cfg.Repo, cfg.Policy = h.open(), parsePolicy(t, evil[policyFile])
	cfg.PolicyFile = &audit.PolicyFile{Commit: main, Ref: "refs/heads/main", Path: policyFile}
	cfg.Revisions, cfg.Ref = []string{"main..topic"}, "refs/heads/main"
	wantFaults(t, cfg, changed, "policy-change-not-allowed")

	root := h.commit(commitment{by: "mallory", files: evil, message: "root"})
	h.put(between, "commit", h.bytes(commitment{by: "mallory", files: evil, message: "between"}, root))
	if r := run(t, cfg); r.Result == report.Pass {
		t.Errorf("result %q, not examined %v", r.Result, r.NotExamined)
	}
}
