package audit_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

// onlyAlice lets alice alone change what is in infra, on main.
const onlyAlice = `
[[rule]]
refs  = ["refs/heads/main"]
paths = ["infra/**"]
allow = ["alice"]
`

const notAllowed = "identity-not-allowed"

// tree returns files as given by pairs of path and content.
func tree(pairs ...string) map[string]string {
	files := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		files[pairs[i]] = pairs[i+1]
	}
	return files
}

func TestPathRulesAreForWhatACommitChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after map[string]string
		want          string
	}{
		"another file":         {tree("infra/a", "1", "b", "1"), tree("infra/a", "1", "b", "2"), ""},
		"changed":              {tree("infra/a", "1"), tree("infra/a", "2"), notAllowed},
		"added":                {tree("b", "1"), tree("b", "1", "infra/a", "1"), notAllowed},
		"removed":              {tree("b", "1", "infra/a", "1"), tree("b", "1"), notAllowed},
		"moved away":           {tree("infra/a", "1"), tree("a", "1"), notAllowed},
		"directory to link":    {tree("infra/a", "1", "b/a", "1"), tree("infra", "-> b", "b/a", "1"), notAllowed},
		"file to link":         {tree("infra/a", "1"), tree("infra/a", "-> 1"), notAllowed},
		"name that looks like": {tree("infra/a", "1"), tree("infra/a", "1", "Infra/a", "2", "infra./a", "2", "ınfra/a", "2"), ""},
		"nested":               {tree("infra/a/b/c", "1"), tree("infra/a/b/c", "2"), notAllowed},
		"below another":        {tree("infra/a", "1"), tree("infra/a", "1", "x/infra/a", "1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			one := h.commit(commitment{by: "alice", files: test.before})
			two := h.commit(commitment{by: "bob", files: test.after}, one)
			h.branch("main", two)
			wantFaults(t, h.under(onlyAlice), pair(two, test.want)...)
			// The same by her.
			h.branch("main", h.commit(commitment{by: "alice", files: test.after}, one))
			wantFaults(t, h.under(onlyAlice))
		})
	}
}

func TestPathRulesOfRootCommits(t *testing.T) {
	h := newHistory(t)
	one := h.commit(commitment{by: "bob", files: tree("infra/a", "1")})
	h.branch("main", one)
	wantFaults(t, h.under(onlyAlice), one, notAllowed)
	// Another root, merged in, is a root too.
	alice := h.commit(commitment{by: "alice", files: tree("a", "1")})
	h.branch("main", h.commit(commitment{by: "alice", files: tree("a", "1", "infra/a", "1")}, alice, one))
	wantFaults(t, h.under(onlyAlice), one, notAllowed)
}

// TestPathRulesOfMerges merges what alice did to infra on main, after the base,
// with what was done on a side.
func TestPathRulesOfMerges(t *testing.T) {
	t.Parallel()
	old, new := tree("infra/a", "1"), tree("infra/a", "2")
	with := func(files map[string]string, pairs ...string) map[string]string {
		all := maps.Clone(files)
		maps.Copy(all, tree(pairs...))
		return all
	}
	for name, test := range map[string]struct {
		main, side, merge map[string]string
		want              string
	}{
		"plain":              {new, with(old, "b", "1"), with(new, "b", "1"), ""},
		"hers from the side": {with(old, "b", "1"), new, with(new, "b", "1"), ""},
		"evil":               {new, with(old, "b", "1"), with(new, "b", "1", "infra/evil", "1"), notAllowed},
		"stale side":         {new, with(old, "b", "1"), with(old, "b", "1"), notAllowed},
		"her change undone":  {with(old, "b", "1"), new, with(old, "b", "1"), notAllowed},
		"deleted":            {new, with(old, "b", "1"), tree("b", "1"), notAllowed},
		"other file evil":    {new, with(old, "b", "1"), with(new, "b", "2"), ""},
		"all of theirs":      {new, with(old, "b", "1"), with(old, "b", "1"), notAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			base := h.commit(commitment{by: "alice", files: old})
			main := h.commit(commitment{by: "alice", files: test.main, message: "main"}, base)
			side := h.commit(commitment{by: "alice", files: test.side, message: "side"}, base)
			merge := h.commit(commitment{by: "bob", files: test.merge}, main, side)
			h.branch("main", merge)
			wantFaults(t, h.under(onlyAlice), pair(merge, test.want)...)
			// The order of the parents makes no difference, nor does naming one
			// of them, or what it is made of, again.
			for _, parents := range [][]string{{side, main}, {main, side, main}} {
				merge := h.commit(commitment{by: "bob", files: test.merge}, parents...)
				h.branch("main", merge)
				wantFaults(t, h.under(onlyAlice), pair(merge, test.want)...)
			}
		})
	}
}

// TestMergesThatExplainEverything has bob put back what alice changed by merges
// of which some parent has it that way.
func TestMergesThatExplainEverything(t *testing.T) {
	t.Parallel()
	old, new := tree("infra/a", "1"), tree("infra/a", "2")
	for name, parents := range map[string]func(h *history, base, main string) []string{
		"with its own ancestor":      func(h *history, base, main string) []string { return []string{main, base} },
		"with its ancestor, first":   func(h *history, base, main string) []string { return []string{base, main} },
		"octopus of ancestors":       func(h *history, base, main string) []string { return []string{main, base, h.by("alice", "no files")} },
		"octopus, the ancestor last": func(h *history, base, main string) []string { return []string{h.by("alice", "no files"), main, base} },
		"ancestor twice":             func(h *history, base, main string) []string { return []string{main, base, base} },
		"unrelated history": func(h *history, base, main string) []string {
			return []string{main, h.commit(commitment{by: "alice", files: old, message: "another root"})}
		},
		"unrelated history, first": func(h *history, base, main string) []string {
			return []string{h.commit(commitment{by: "alice", files: old, message: "another root"}), main}
		},
		"octopus from before": func(h *history, base, main string) []string {
			again := h.commit(commitment{by: "alice", files: new, message: "again"}, base)
			return []string{main, again, base}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			base := h.commit(commitment{by: "alice", files: old})
			main := h.commit(commitment{by: "alice", files: new}, base)
			merge := h.commit(commitment{by: "bob", files: old}, parents(h, base, main)...)
			h.branch("main", merge)
			wantFaults(t, h.under(onlyAlice), merge, notAllowed)
		})
	}
}

// TestOctopusOfBranches is one that git would make.
func TestOctopusOfBranches(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: tree("infra/a", "1", "b", "1")})
	parents := []string{
		h.commit(commitment{by: "alice", files: tree("infra/a", "2", "b", "1")}, base),
		h.commit(commitment{by: "bob", files: tree("infra/a", "1", "b", "2")}, base),
		h.commit(commitment{by: "bob", files: tree("infra/a", "1", "b", "1", "c", "1")}, base),
	}
	h.branch("main", h.commit(commitment{by: "bob", files: tree("infra/a", "2", "b", "2", "c", "1")}, parents...))
	wantFaults(t, h.under(onlyAlice))
	evil := h.commit(commitment{by: "bob", files: tree("infra/a", "3", "b", "2", "c", "1")}, parents...)
	h.branch("main", evil)
	wantFaults(t, h.under(onlyAlice), evil, notAllowed)
}

func TestCommitWithAThousandParents(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: tree("infra/a", "1")})
	same := h.files(tree("infra/a", "1"))
	var parents []string
	for i := range 1000 {
		parents = append(parents, h.commit(commitment{by: "bob", tree: same, message: fmt.Sprint(i)}, base))
	}
	good := h.commit(commitment{by: "bob", files: tree("infra/a", "1")}, parents...)
	h.branch("main", good)
	wantFaults(t, h.under(onlyAlice))
	evil := h.commit(commitment{by: "bob", files: tree("infra/a", "2")}, parents...)
	h.branch("main", evil)
	wantFaults(t, h.under(onlyAlice), evil, notAllowed)
}

// TestMissingTreesCannotBeTold audits without the trees that rules ask for.
func TestMissingTreesCannotBeTold(t *testing.T) {
	h := newHistory(t)
	one := h.commit(commitment{by: "alice", files: tree("infra/a", "1", "b", "1")})
	two := h.commit(commitment{by: "bob", files: tree("infra/a", "1", "b", "2")}, one)
	h.branch("main", two)
	cfg := h.under(onlyAlice)
	wantFaults(t, cfg)
	h.remove(h.git("rev-parse", two+"^{tree}"))
	for _, rest := range []string{onlyAlice, onlyAlice + "[[rule]]\nrefs=[\"refs/heads/main\"]\npaths=[\"doc/**\"]\nallow=[\"bob\"]\n"} {
		cfg := h.under(rest)
		r := run(t, cfg)
		if r.Result != report.Indeterminate || !slices.Equal(faults(r)[two], []string{"rule-not-applied"}) {
			t.Errorf("result %q, findings %v, want indeterminate", r.Result, faults(r))
		}
		if len(r.Continuity) != 1 || r.Continuity[0].GapCount != 1 {
			t.Errorf("continuity %+v, want a gap where it could not be told", r.Continuity)
		}
		wantClasses(t, r, map[verifier.Class]int{verifier.Verified: 2})
	}
	// Somebody whom no rule could allow is not let off.
	three := h.commit(commitment{by: "carol", files: tree("b", "3")}, two)
	h.branch("main", three)
	cfg = h.under(onlyAlice + "[[rule]]\nrefs=[\"refs/heads/main\"]\nallow=[\"alice\", \"bob\"]\n")
	if got := run(t, cfg); got.Result != report.Violation || faults(got)[two] == nil {
		t.Errorf("result %q, findings %v, want a violation, and what could not be told", got.Result, faults(got))
	}
}

// TestCorruptTreesCannotBeTold has a tree whose content is not what its id
// says: one in which nothing was changed.
func TestCorruptTreesCannotBeTold(t *testing.T) {
	h := newHistory(t)
	one := h.commit(commitment{by: "alice", files: tree("infra/a", "1")})
	two := h.commit(commitment{by: "bob", files: tree("infra/a", "2")}, one)
	h.branch("main", two)
	wantFaults(t, h.under(onlyAlice), two, notAllowed)
	first, second := h.git("rev-parse", one+":infra"), h.git("rev-parse", two+":infra")
	h.put(second, "tree", []byte(h.run(h.dir, nil, "cat-file", "tree", first)))
	if r := run(t, h.under(onlyAlice)); r.Result == report.Pass {
		t.Errorf("result %q, not examined %v", r.Result, r.NotExamined)
	}
}

// TestFirstParentJudgesPaths follows one line only; what merges brought in is
// not examined, and their own changes are.
func TestFirstParentJudgesPaths(t *testing.T) {
	h := newHistory(t)
	base := h.commit(commitment{by: "alice", files: tree("infra/a", "1")})
	side := h.commit(commitment{by: "bob", files: tree("infra/a", "2")}, base)
	merge := h.commit(commitment{by: "bob", files: tree("infra/a", "3")}, base, side)
	h.branch("main", merge)
	cfg := h.under(onlyAlice)
	cfg.FirstParent = true
	wantFaults(t, cfg, merge, notAllowed)
}

func TestAddressesMatch(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	rest := func(what string) string {
		return fmt.Sprintf("[[rule]]\nrefs=[\"refs/heads/main\"]\nallow=[\"alice\", \"forge\"]\nmatch=%q\n", what)
	}
	for _, test := range []struct{ author, committer, match, want string }{
		{"", "", "committer", ""},
		{"", "", "author", ""},
		{"bob@example.com", "", "committer", ""},
		{"bob@example.com", "", "author", "author-mismatch"},
		{"", "bob@example.com", "committer", "committer-mismatch"},
		{"", "bob@example.com", "author", ""},
		{"", "Alice@example.com", "committer", "committer-mismatch"},
		{"", "alice@EXAMPLE.com", "committer", ""},
		{"", "аlice@example.com", "committer", "committer-mismatch"}, // Cyrillic
		{"", "alice@example.com ", "committer", "committer-mismatch"},
		{"", "alice@example.com@example.net", "committer", "committer-mismatch"},
	} {
		one := h.commit(commitment{by: "alice", author: test.author, committer: test.committer})
		h.branch("main", one)
		wantFaults(t, h.under(rest(test.match)), pair(one, test.want)...)
	}
	// Without a match, whatever the commit says of itself.
	h.branch("main", h.commit(commitment{by: "alice", committer: "bob@example.com"}))
	wantFaults(t, h.under(strings.Replace(rest("committer"), "match=", "# ", 1)))
}
