package audit_test

import (
	"slices"
	"testing"

	"gitseal/verifier/report"
)

func TestForgeMayMergeAndNothingElse(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: tree("a", "1\n2\n3\n4\n5\n", "b", "1")})
	left := h.commit(commitment{by: "alice", files: tree("a", "one\n2\n3\n4\n5\n", "b", "1")}, base)
	right := h.commit(commitment{by: "bob", files: tree("a", "1\n2\n3\n4\nfive\n", "b", "1")}, base)
	clash := h.commit(commitment{by: "bob", files: tree("a", "uno\n2\n3\n4\n5\n", "b", "1")}, base)
	merged := tree("a", "one\n2\n3\n4\nfive\n", "b", "1")
	for name, test := range map[string]struct {
		files   map[string]string
		parents []string
		want    string
	}{
		"clean":         {merged, []string{left, right}, ""},
		"evil":          {tree("a", "one\n2\n3\n4\nfive\n", "b", "2"), []string{left, right}, "forge-content"},
		"ours":          {tree("a", "one\n2\n3\n4\n5\n", "b", "1"), []string{left, right}, "forge-content"},
		"conflict":      {tree("a", "one\n2\n3\n4\n5\n", "b", "1"), []string{left, clash}, "forge-content"},
		"octopus":       {merged, []string{left, right, base}, "forge-content"},
		"single parent": {merged, []string{left}, notAllowed},
		"root":          {merged, nil, notAllowed},
		"same twice":    {tree("a", "one\n2\n3\n4\n5\n", "b", "1"), []string{left, left}, ""},
		"evil twice":    {merged, []string{left, left}, "forge-content"},
		"unrelated":     {tree("a", "one\n2\n3\n4\n5\n", "b", "1"), []string{left, h.by("alice", "root")}, "forge-content"},
	} {
		t.Run(name, func(t *testing.T) {
			merge := h.commit(commitment{by: "forge", author: "alice@example.com", files: test.files}, test.parents...)
			h.branch("main", merge)
			wantFaults(t, h.under(""), pair(merge, test.want)...)
		})
	}
	// A conflict that a person resolves is no matter of the forge's.
	h.branch("main", h.commit(commitment{by: "alice", files: tree("a", "one\n2\n3\n4\n5\n", "b", "1")}, left, clash))
	wantFaults(t, h.under(""))
	tag := h.tagged("forge", "v1", left, "commit")
	h.ref("refs/tags/v1", tag)
	wantFaults(t, h.under(""), tag, notAllowed)
}

func TestForgeMergeOfMissingTreeCannotBeTold(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: tree("a", "1")})
	left := h.commit(commitment{by: "alice", files: tree("a", "2")}, base)
	right := h.commit(commitment{by: "alice", files: tree("a", "1", "b", "1")}, base)
	h.branch("main", h.commit(commitment{by: "forge", files: tree("a", "2", "b", "1")}, left, right))
	wantFaults(t, h.under(""))
	h.remove(h.git("rev-parse", right+"^{tree}"))
	r := run(t, h.under(""))
	if ids := faults(r)[h.git("rev-parse", "main")]; r.Result != report.Indeterminate || !slices.Equal(ids, []string{"rule-not-applied"}) {
		t.Errorf("result %q, findings %v, want indeterminate", r.Result, faults(r))
	}
}
