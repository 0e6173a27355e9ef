package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// TestExplanationsAgreeWithTheAudit explains every object of a mixed history,
// and holds what is said of rules beside what was found.
func TestExplanationsAgreeWithTheAudit(t *testing.T) {
	t.Parallel()
	_, cfg := mixed(t)
	var rows []report.Row
	cfg.Row = func(r report.Row) { rows = append(rows, r) }
	run(t, cfg)
	cfg.Row = nil
	byRules := []string{"threshold-not-met", "committer-mismatch", "author-mismatch", "forge-content"}
	for i, row := range rows {
		if i%2 > 0 {
			continue // half of them are enough
		}
		x := audit.Explanation{OID: row.Object.OID}
		cfg.Explain = &x
		if _, err := audit.Run(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if !x.Found || x.Object != row.Object || x.Class != row.Class || x.Message != row.Message || x.Entry != row.Entry || !slices.Equal(x.Findings, row.Findings) {
			t.Errorf("%s is explained as %+v, want %+v", row.Object.OID, x, row)
		}
		if x.Signature != verifier.Verified || x.Class == report.Exempt || x.Untold != nil {
			continue
		}
		satisfied := !slices.ContainsFunc(x.Rules, func(r policy.RuleResult) bool { return !r.Satisfied })
		good := x.Class == verifier.Verified && !slices.ContainsFunc(x.Findings, func(id string) bool { return slices.Contains(byRules, id) })
		if satisfied != good {
			t.Errorf("%s is %s with %v, and its rules %v", row.Object.OID, x.Class, x.Findings, x.Rules)
		}
	}
	x := audit.Explanation{OID: strings.Repeat("0", 40)}
	cfg.Explain = &x
	run(t, cfg)
	if x.Found {
		t.Errorf("what was not examined is explained: %+v", x)
	}
}

func TestExplanationsNameVouchersAndWhatCouldNotBeTold(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "carol", files: tree("infra/a", "1")})
	side := h.commit(commitment{by: "alice", files: tree("infra/a", "2")}, base)
	h.branch("main", h.commit(commitment{by: "bob", files: tree("infra/a", "2")}, base, side))
	h.ref("refs/tags/v1", h.tagged("carol", "v1", side, "commit"))
	cfg := h.under(twoOnMain + onlyAlice)
	cfg.Vouchers = map[string][]string{side: {"forge"}}
	x := audit.Explanation{OID: side}
	cfg.Explain = &x
	run(t, cfg)
	if !slices.Equal(x.Vouchers, []string{"bob", "carol", "forge"}) || x.Entry != "alice" || x.Class != verifier.Verified || x.Untold != nil || x.Signer == nil || x.Source != verifier.ClaimedTime {
		t.Errorf("explained as %+v", x)
	}
	h.remove(h.git("rev-parse", side+"^{tree}"))
	x = audit.Explanation{OID: side}
	cfg.Repo = h.open()
	run(t, cfg)
	if !errors.Is(x.Untold, gitutil.ErrMissing) || x.Class != verifier.Verified {
		t.Errorf("without its tree: %+v", x)
	}
}

// TestSHA256 has rules of every kind in a repository of the other format.
func TestSHA256(t *testing.T) {
	h := newHistory(t, "--object-format=sha256")
	base := h.commit(commitment{by: "alice", files: tree("infra/a", "1", "b", "1")})
	left := h.commit(commitment{by: "alice", files: tree("infra/a", "2", "b", "1")}, base)
	right := h.commit(commitment{by: "bob", files: tree("infra/a", "1", "b", "2")}, base)
	asked := h.tagged("carol", "asked", right, "commit")
	merge := h.commit(commitment{by: "forge", files: tree("infra/a", "2", "b", "2"), mergetags: []string{asked}}, left, right)
	evil := h.commit(commitment{by: "bob", files: tree("infra/a", "1", "b", "2")}, merge, right)
	octopus := h.commit(commitment{by: "bob", files: tree("infra/a", "2", "b", "2")}, evil, left, base)
	h.branch("main", octopus)
	h.ref("refs/tags/v1", h.tagged("bob", "v1", merge, "commit"))
	rest := onlyAlice + rule("refs/tags/*", "alice") + fmt.Sprintf("[[exempt]]\nobject=%q\nreason=\"x\"\n", octopus)
	want := []string{evil, notAllowed, h.git("rev-parse", "refs/tags/v1"), notAllowed}
	wantFaults(t, h.under(rest), want...)
	file := t.TempDir() + "/verdicts"
	for _, name := range []string{"cold", "warm"} {
		wantCached(t, name, h.under(rest), file)
	}
	cfg := h.under(rest)
	if found, _, _ := auditWith(t, cfg, fmt.Appendf(nil, `{"schema": "gitseal.audit-state/1", "refs": {"refs/heads/main": %q}}`, left)); len(found) != 0 {
		t.Errorf("found %v of a fast-forward", found)
	}
}
