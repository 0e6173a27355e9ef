package audit_test

import (
	"fmt"
	"strings"
	"testing"

	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// policyFile is where the tests' repositories keep their policy.
const policyFile = ".gitseal/policy.toml"

// ruled returns a policy that allows some people to sign what is on main, and
// the first of them alone to change the policy.
func ruled(who ...string) string {
	text := "version = 1\n"
	for _, name := range who {
		text += fmt.Sprintf("[identity.%s]\nssh = %q\n", name, fingerprint(name))
	}
	return text + fmt.Sprintf("[[rule]]\nrefs = [\"refs/heads/main\"]\nallow = [\"%s\"]\n"+
		"[[rule]]\nrefs = [\"refs/heads/main\"]\npaths = [\"/.gitseal/\"]\nallow = [%q]\n",
		strings.Join(who, "\", \""), who[0])
}

// only returns a policy of alice's that allows others too.
func only(who ...string) string { return ruled(append([]string{"alice"}, who...)...) }

// holding returns files with a policy.
func holding(policy string, more ...string) map[string]string {
	return tree(append([]string{policyFile, policy}, more...)...)
}

// follow returns the ids of the commits that an audit says were not allowed to
// change the policy, with what the audit says of them. The policy is that of
// main.
func follow(h *history) (map[string]string, *report.Report) {
	h.t.Helper()
	cfg := h.cfg
	cfg.Repo, cfg.All = h.open(), true
	tip := h.git("rev-parse", "main")
	cfg.Policy = parsePolicy(h.t, h.git("cat-file", "blob", tip+":"+policyFile)+"\n")
	cfg.PolicyFile = &audit.PolicyFile{Commit: tip, Ref: "refs/heads/main", Path: policyFile}
	r := run(h.t, cfg)
	found := make(map[string]string)
	for f := range r.Findings.All() {
		if f.ID == "policy-change-not-allowed" {
			found[f.Object.OID] = f.Message
		}
	}
	return found, r
}

func TestPolicyChangesAreJudgedByThePolicyBefore(t *testing.T) {
	t.Parallel()
	// Each makes a history whose main ends in a policy, after base, where alice
	// put one that allows bob to sign other things. The commit that it returns
	// is not allowed, and what comes after it may not be; empty: all are.
	evil := holding(only("bob", "mallory"))
	mallorys := holding(ruled("mallory"))
	for name, make := range map[string]func(h *history, base string) (tip, want string){
		"nothing": func(h *history, base string) (string, string) {
			return h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, base), ""
		},
		"by alice": func(h *history, base string) (string, string) {
			return h.commit(commitment{by: "alice", files: evil}, base), ""
		},
		"by bob": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "bob", files: evil}, base)
			return one, one
		},
		"by nobody": func(h *history, base string) (string, string) {
			one := h.commit(commitment{files: evil}, base)
			return one, one
		},
		"allowing itself": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "mallory", files: mallorys}, base)
			return one, one
		},
		"undone since": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "bob", files: evil}, base)
			return h.commit(commitment{by: "alice", files: holding(only("bob"))}, one), one
		},
		"deleted by bob": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "bob", files: tree("a", "1")}, base)
			return h.commit(commitment{by: "mallory", files: mallorys}, one), one
		},
		"deleted by alice, and another": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "alice", files: tree("a", "1")}, base)
			return h.commit(commitment{by: "mallory", files: mallorys}, one), ""
		},
		"replaced by a link": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "bob", files: tree(policyFile, "-> other", "other", "x")}, base)
			return h.commit(commitment{by: "mallory", files: mallorys}, one), one
		},
		"replaced by a directory": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "bob", files: tree(policyFile+"/x", "x")}, base)
			return h.commit(commitment{by: "mallory", files: mallorys}, one), one
		},
		"its directory by a file": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "bob", files: tree(".gitseal", "x")}, base)
			return h.commit(commitment{by: "mallory", files: mallorys}, one), one
		},
		"broken, by alice": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "alice", files: holding("version = 1\n[identity")}, base)
			two := h.commit(commitment{by: "alice", files: holding(only("bob"))}, one)
			return two, two
		},
		"empty, by alice": func(h *history, base string) (string, string) {
			one := h.commit(commitment{by: "alice", files: holding("")}, base)
			two := h.commit(commitment{by: "mallory", files: mallorys}, one)
			return two, two
		},
		"merged from a side, by alice": func(h *history, base string) (string, string) {
			side := h.commit(commitment{by: "alice", files: evil}, base)
			main := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, base)
			return h.commit(commitment{by: "bob", files: holding(only("bob", "mallory"), "a", "1")}, main, side), ""
		},
		"merged from a side, by bob": func(h *history, base string) (string, string) {
			side := h.commit(commitment{by: "bob", files: evil}, base)
			return h.commit(commitment{by: "bob", files: evil}, base, side), side
		},
		"hers, merged by a stranger": func(h *history, base string) (string, string) {
			side := h.commit(commitment{by: "alice", files: holding(only("carol"))}, base)
			main := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, base)
			merge := h.commit(commitment{by: "mallory", files: holding(only("carol"))}, main, side)
			return merge, merge
		},
		"hers, merged by a stranger, main second": func(h *history, base string) (string, string) {
			side := h.commit(commitment{by: "alice", files: holding(only("carol"))}, base)
			main := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, base)
			merge := h.commit(commitment{by: "mallory", files: holding(only("carol"))}, side, main)
			return merge, merge
		},
		"merge of a stale side": func(h *history, base string) (string, string) {
			side := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, base)
			main := h.commit(commitment{by: "alice", files: holding(only("carol"))}, base)
			return h.commit(commitment{by: "carol", files: holding(only("carol"), "a", "1")}, main, side), ""
		},
		"merge that puts the old one back": func(h *history, base string) (string, string) {
			main := h.commit(commitment{by: "alice", files: holding(only())}, base)
			side := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, base)
			merge := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, main, side)
			return merge, merge
		},
		"the same, with main second": func(h *history, base string) (string, string) {
			main := h.commit(commitment{by: "alice", files: holding(only())}, base)
			side := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, base)
			merge := h.commit(commitment{by: "bob", files: holding(only("bob"), "a", "1")}, side, main)
			return merge, merge
		},
		"from before there was any": func(h *history, base string) (string, string) {
			merge := h.commit(commitment{by: "mallory", files: mallorys}, h.by("bob", "root"), base)
			return merge, merge
		},
		"from a side where there was none": func(h *history, base string) (string, string) {
			side := h.commit(commitment{by: "mallory", files: mallorys}, h.git("rev-parse", base+"^"))
			merge := h.commit(commitment{by: "mallory", files: mallorys}, side, base)
			return merge, merge
		},
		"of another root": func(h *history, base string) (string, string) {
			merge := h.commit(commitment{by: "mallory", files: mallorys}, h.commit(commitment{by: "mallory", files: mallorys}), base)
			return merge, merge
		},
		"of another root, by bob": func(h *history, base string) (string, string) {
			merge := h.commit(commitment{by: "bob", files: evil}, h.commit(commitment{by: "bob", files: evil}), base)
			return merge, merge
		},
		"octopus": func(h *history, base string) (string, string) {
			side := h.commit(commitment{by: "mallory", files: mallorys})
			merge := h.commit(commitment{by: "bob", files: mallorys}, side, h.by("bob", "x"), base)
			return merge, merge
		},
		"deletion merged from another root": func(h *history, base string) (string, string) {
			merge := h.commit(commitment{by: "bob"}, h.by("bob", "root"), base)
			return h.commit(commitment{by: "mallory", files: mallorys}, merge), merge
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			base := h.commit(commitment{by: "alice", files: holding(only("bob"))}, h.by("alice", "before"))
			tip, want := make(h, base)
			h.branch("main", tip)
			got, r := follow(h)
			if _, ok := got[want]; ok != (want != "") || want == "" && len(got) > 0 {
				t.Errorf("not allowed: %v, want %s", got, want)
			}
			if want != "" && r.Result != report.Violation {
				t.Errorf("result %q, want a violation", r.Result)
			}
			if t.Failed() {
				t.Log(h.git("log", "--graph", "--format=%H %s", "main"))
			}
		})
	}
}
