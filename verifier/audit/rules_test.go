package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gitseal/verifier/audit"
)

// rule returns a rule for refs that allows some people.
func rule(refs string, who ...string) string {
	return fmt.Sprintf("[[rule]]\nrefs = [%q]\nallow = [\"%s\"]\n", refs, strings.Join(who, "\", \""))
}

func TestCommitsAreJudgedByTheRulesOfEveryRefThatReachesThem(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	base := h.by("alice", "base")
	bobs := h.by("bob", "bob's", base)
	carols := h.by("carol", "carol's", base)
	merge := h.by("alice", "merge", bobs, carols)
	for name, test := range map[string]struct {
		refs  map[string]string
		rules string
		want  []string
	}{
		"one":                {map[string]string{"refs/heads/main": merge}, rule("refs/heads/main", "alice", "bob", "carol"), nil},
		"by a merge":         {map[string]string{"refs/heads/main": merge}, rule("refs/heads/main", "alice", "bob"), []string{carols, notAllowed}},
		"both branches":      {map[string]string{"refs/heads/main": bobs, "refs/heads/next": bobs}, rule("refs/heads/main", "alice", "bob") + rule("refs/heads/next", "alice"), []string{bobs, notAllowed}},
		"an ancestor of one": {map[string]string{"refs/heads/main": bobs, "refs/heads/next": merge}, rule("refs/heads/next", "alice"), []string{bobs, notAllowed, carols, notAllowed}},
		"none":               {map[string]string{"refs/heads/other": merge}, rule("refs/heads/main", "alice"), nil},
		"remote-tracking":    {map[string]string{"refs/remotes/origin/main": bobs}, rule("refs/heads/main", "alice"), []string{bobs, notAllowed}},
		"remote's head":      {map[string]string{"refs/remotes/origin/HEAD": bobs}, rule("refs/heads/main", "alice"), nil},
		"heads in heads":     {map[string]string{"refs/heads/refs/heads/main": bobs}, rule("refs/heads/main", "alice"), nil},
		"everything":         {map[string]string{"refs/heads/a/b/c": bobs}, rule("**", "alice"), []string{bobs, notAllowed}},
		"one level":          {map[string]string{"refs/heads/a/b": bobs, "refs/heads/c": carols}, rule("refs/heads/*", "alice"), []string{carols, notAllowed}},
		"any level":          {map[string]string{"refs/heads/a/b": bobs, "refs/heads/c": carols}, rule("refs/heads/**", "alice"), []string{bobs, notAllowed, carols, notAllowed}},
		"upper case":         {map[string]string{"refs/heads/Main": bobs}, rule("refs/heads/main", "alice"), nil},
		"odd names":          {map[string]string{"refs/heads/-x": bobs, "refs/heads/ü": carols}, rule("refs/heads/-x", "alice") + rule("refs/heads/ü", "alice"), []string{bobs, notAllowed, carols, notAllowed}},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			for ref, oid := range test.refs {
				h.ref(ref, oid)
			}
			wantFaults(t, h.under(test.rules), test.want...)
			for ref := range test.refs {
				h.git("update-ref", "-d", ref)
			}
		})
	}
}

func TestSymbolicRefsAreJudgedByBothNames(t *testing.T) {
	h := newHistory(t)
	bobs := h.by("bob", "one")
	h.branch("topic", bobs)
	h.git("symbolic-ref", "refs/heads/main", "refs/heads/topic")
	wantFaults(t, h.under(rule("refs/heads/main", "alice")), bobs, notAllowed)
	wantFaults(t, h.under(rule("refs/heads/topic", "alice")), bobs, notAllowed)
	// One revision is the ref that it stands for.
	cfg := h.under(rule("refs/heads/topic", "alice"))
	cfg.All, cfg.Revisions = false, []string{"main"}
	wantFaults(t, cfg, bobs, notAllowed)
}

func TestRevisionsAreJudgedForTheRefsThatTheyName(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	base := h.by("alice", "base")
	bobs := h.by("bob", "bob's", base)
	carols := h.by("carol", "carol's", base)
	h.branch("main", base)
	h.branch("bobs", bobs)
	h.branch("carols", carols)
	h.ref("refs/heads/refs/heads/main", carols)
	h.ref("refs/remotes/origin/bobs", bobs)
	rules := rule("refs/heads/bobs", "alice") + rule("refs/heads/refs/heads/main", "alice") + rule("refs/heads/carols", "alice", "carol")
	for _, test := range []struct {
		revisions string
		ref       string
		want      []string // nil: there is no ref
	}{
		{"bobs", "", []string{bobs, notAllowed}},
		{"heads/bobs", "", []string{bobs, notAllowed}},
		{"refs/heads/bobs", "", []string{bobs, notAllowed}},
		{"origin/bobs", "", []string{bobs, notAllowed}},
		{"bobs", "refs/heads/main", []string{}},
		{"main..bobs", "", []string{bobs, notAllowed}},
		{"main..carols", "", []string{}},
		{"main..carols", "refs/heads/bobs", []string{carols, notAllowed}},
		{"carols...bobs", "", []string{bobs, notAllowed}},
		{"bobs...carols", "", []string{bobs, notAllowed}},
		{"^main bobs", "", []string{bobs, notAllowed}},
		{"^bobs carols", "", []string{}},
		{"refs/heads/refs/heads/main", "", []string{carols, notAllowed}},
		{bobs, "", nil},
		{"bobs^0", "", nil},
		{"main.." + bobs, "", nil},
		{"bobs~1", "", nil},
		{bobs, "refs/heads/bobs", []string{bobs, notAllowed}},
		{bobs, "refs/heads/nobody's", []string{}},
	} {
		t.Run(test.revisions+" "+test.ref, func(t *testing.T) {
			cfg := h.under(rules)
			cfg.All, cfg.Revisions, cfg.Ref = false, strings.Split(test.revisions, " "), test.ref
			if test.want != nil {
				wantFaults(t, cfg, test.want...)
				return
			}
			_, err := audit.Run(t.Context(), cfg)
			if revision := (*audit.RevisionError)(nil); !errors.Is(err, audit.ErrNoRef) || !errors.As(err, &revision) {
				t.Errorf("error %v, want ErrNoRef", err)
			}
			// Without rules there is nothing to tell apart.
			cfg.Policy = parsePolicy(t, people)
			wantFaults(t, cfg)
		})
	}

	// A name that is a branch's and a tag's is neither, nor one that is whole
	// and a branch's.
	h.ref("refs/tags/carols", base)
	for _, revision := range []string{"carols", "main..carols", "refs/heads/main"} {
		cfg := h.under(rules)
		cfg.All, cfg.Revisions = false, []string{revision}
		if _, err := audit.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "ambiguous") {
			t.Errorf("%s: error %v, want that it is ambiguous", revision, err)
		}
	}
}

func TestDetachedHeadIsJudgedByIdentitiesAlone(t *testing.T) {
	h := newHistory(t)
	base := h.by("alice", "base")
	h.branch("main", base)
	bobs, stranger := h.by("bob", "bob's", base), h.by("mallory", "mallory's", base)
	for oid, want := range map[string]string{bobs: "", stranger: notAllowed} {
		h.git("update-ref", "--no-deref", "HEAD", oid)
		h.git("checkout", "-q", "--detach", oid)
		wantFaults(t, h.under(rule("refs/heads/main", "alice")), pair(oid, want)...)
		cfg := h.under(rule("refs/heads/main", "alice"))
		cfg.All = false
		if _, err := audit.Run(t.Context(), cfg); !errors.Is(err, audit.ErrNoRef) {
			t.Errorf("error %v, want ErrNoRef", err)
		}
		h.git("checkout", "-q", "main")
	}
}

func TestRulesOfTags(t *testing.T) {
	t.Parallel()
	const tags = "refs/tags/v*"
	for name, test := range map[string]struct {
		make func(h *history, one string) (want []string)
	}{
		"good": {func(h *history, one string) []string {
			h.ref("refs/tags/v1", h.tagged("alice", "v1", one, "commit"))
			return nil
		}},
		"by another": {func(h *history, one string) []string {
			tag := h.tagged("bob", "v1", one, "commit")
			h.ref("refs/tags/v1", tag)
			return []string{tag, notAllowed}
		}},
		"unsigned": {func(h *history, one string) []string {
			tag := h.tagged("", "v1", one, "commit")
			h.ref("refs/tags/v1", tag)
			return []string{tag, "unsigned"}
		}},
		"no rule for it": {func(h *history, one string) []string {
			h.ref("refs/tags/x1", h.tagged("bob", "x1", one, "commit"))
			return nil
		}},
		"other name": {func(h *history, one string) []string {
			tag := h.tagged("alice", "v1", one, "commit")
			h.ref("refs/tags/v1", tag)
			h.ref("refs/tags/v2", tag)
			return []string{tag, "tag-name-mismatch"}
		}},
		"lightweight": {func(h *history, one string) []string {
			h.ref("refs/tags/v1", one)
			return []string{one, "lightweight-tag"}
		}},
		"lightweight, no rule": {func(h *history, one string) []string {
			h.ref("refs/tags/x1", one)
			return nil
		}},
		"of a tree": {func(h *history, one string) []string {
			tag := h.tagged("bob", "v1", h.files(nil), "tree")
			h.ref("refs/tags/v1", tag)
			return []string{tag, notAllowed}
		}},
		"nested": {func(h *history, one string) []string {
			inner := h.tagged("bob", "v1", one, "commit")
			outer := h.tagged("alice", "v1", inner, "tag")
			h.ref("refs/tags/v1", outer)
			return nil // what is behind the tag, another may sign
		}},
		"nested, by others": {func(h *history, one string) []string {
			inner := h.tagged("mallory", "v1", one, "commit")
			outer := h.tagged("bob", "v1", inner, "tag")
			h.ref("refs/tags/v1", outer)
			return []string{inner, notAllowed, outer, notAllowed}
		}},
		"nested, both held": {func(h *history, one string) []string {
			inner := h.tagged("bob", "v1", one, "commit")
			h.ref("refs/tags/v1", inner)
			h.ref("refs/tags/v2", h.tagged("alice", "v2", inner, "tag"))
			return []string{inner, notAllowed}
		}},
		"commit behind it": {func(h *history, one string) []string {
			h.ref("refs/tags/v1", h.tagged("alice", "v1", h.by("bob", "two", one), "commit"))
			return nil
		}},
		"stranger behind it": {func(h *history, one string) []string {
			two := h.by("mallory", "two", one)
			h.ref("refs/tags/v1", h.tagged("alice", "v1", two, "commit"))
			return []string{two, notAllowed}
		}},
		"on a branch": {func(h *history, one string) []string {
			tag := h.tagged("bob", "v1", h.by("bob", "two", one), "commit")
			h.ref("refs/heads/odd", tag)
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			one := h.by("alice", "one")
			h.branch("main", one)
			want := test.make(h, one)
			wantFaults(t, h.under(rule(tags, "alice")), want...)
			// The same, asked for by name, without the branches.
			cfg := h.under(rule(tags, "alice"))
			cfg.All, cfg.Revisions = false, strings.Fields(h.git("for-each-ref", "--format=%(refname)", "refs/tags", "refs/heads/odd"))
			if name == "of a tree" {
				return // which has no history
			}
			wantFaults(t, cfg, want...)
		})
	}
}

func TestTagsWithSeveralIdentities(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	h.branch("main", one)
	inner := h.tagged("alice", "v1", one, "commit")
	h.ref("refs/tags/v1", inner)
	rules := "[[rule]]\nrefs=[\"refs/tags/v1\"]\nallow=[\"alice\", \"bob\"]\nthreshold=2\n"
	wantFaults(t, h.under(rules), inner, "threshold-not-met")
	h.ref("refs/tags/reviewed", h.tagged("bob", "reviewed", inner, "tag"))
	wantFaults(t, h.under(rules))
}

// TestIdentitiesThatLookAlike are others.
func TestIdentitiesThatLookAlike(t *testing.T) {
	h := newHistory(t)
	var want []string
	tip := h.by("alice", "one")
	for _, who := range []string{"Alice", "аlice", "alice\u200b", "ALICE", "al\u0131ce"} {
		tip = h.by(who, "x", tip)
		want = append(want, tip, notAllowed)
	}
	h.branch("main", tip)
	wantFaults(t, h.under(""), want...)
}

func TestRulesNeedNoObjectThatTheyDoNotAskFor(t *testing.T) {
	h := newHistory(t)
	tip := h.commit(commitment{by: "alice", files: tree("infra/a", "1")})
	tip = h.commit(commitment{by: "bob", files: tree("infra/a", "2")}, tip)
	h.branch("main", tip)
	h.branch("topic", tip)
	h.remove(h.git("rev-parse", tip+"^{tree}"))
	// The rule with paths is for another branch, or refuses before.
	wantFaults(t, h.under(strings.ReplaceAll(onlyAlice, "heads/main", "heads/other")))
	wantFaults(t, h.under(onlyAlice+rule("refs/heads/topic", "alice")), tip, notAllowed)
}
