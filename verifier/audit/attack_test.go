package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// Each of these makes a history look better than it is, and must not pass.

func TestDuplicateParentsHideNothing(t *testing.T) {
	h := newHistory(t)
	bad := h.by("mallory", "bad")
	h.branch("main", h.by("alice", "two", bad, bad, bad))
	wantFaults(t, h.under(""), bad, notAllowed)
}

// TestParentThatIsATag is a commit that no git makes.
func TestParentThatIsATag(t *testing.T) {
	h := newHistory(t)
	bad := h.by("mallory", "bad")
	for _, parent := range []string{h.tagged("alice", "v1", bad, "commit"), h.files(nil), h.object("blob", []byte("x"))} {
		good := h.by("alice", "good")
		for _, parents := range [][]string{{parent}, {good, parent}} {
			h.branch("side", good)
			h.ref("refs/heads/main", h.by("alice", "tip", parents...))
			if r := run(t, h.under("")); r.Result == report.Pass {
				t.Errorf("result %q, totals %v, not examined %v", r.Result, r.Totals.Classes, r.NotExamined)
			}
		}
	}
}

func TestRefsToOddObjects(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ref  string
		make func(h *history, bad string) string
	}{
		"branch at a tag": {"refs/heads/x", func(h *history, bad string) string { return h.tagged("alice", "v", bad, "commit") }},
		"branch at a tag of a tag": {"refs/heads/x", func(h *history, bad string) string {
			return h.tagged("alice", "v", h.tagged("alice", "w", bad, "commit"), "tag")
		}},
		"tag of a tag": {"refs/tags/v", func(h *history, bad string) string {
			return h.tagged("alice", "v", h.tagged("alice", "w", bad, "commit"), "tag")
		}},
		"tag that lies about a type": {"refs/tags/v", func(h *history, bad string) string { return h.tagged("alice", "v", bad, "tag") }},
		"remote tracking":            {"refs/remotes/o/x", func(h *history, bad string) string { return bad }},
		"heads in heads":             {"refs/heads/refs/heads/x", func(h *history, bad string) string { return bad }},
		"heads in tags":              {"refs/tags/refs/heads/x", func(h *history, bad string) string { return h.tagged("alice", "refs/heads/x", bad, "commit") }},
		"remote's head":              {"refs/remotes/o/HEAD", func(h *history, bad string) string { return bad }},
		"merge of it":                {"refs/heads/x", func(h *history, bad string) string { return h.by("alice", "m", h.by("alice", "r"), bad) }},
		"behind a hundred good ones": {"refs/heads/x", func(h *history, bad string) string { rows := h.row(strings.Repeat("a", 100), bad); return rows[99] }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			h.branch("main", h.by("alice", "good"))
			bad := h.by("mallory", "bad")
			h.ref(test.ref, test.make(h, bad))
			r := run(t, h.under(""))
			if r.Result == report.Pass {
				t.Errorf("result %q, totals %v, not examined %v", r.Result, r.Totals.Classes, r.NotExamined)
			}
		})
	}
}

// TestGraftsReplaceRefsAndCommitGraphHideNothing has git's own ways to show
// another history.
func TestGraftsReplaceRefsAndCommitGraphHideNothing(t *testing.T) {
	h := newHistory(t)
	good := h.by("alice", "root")
	bad := h.by("mallory", "bad", good)
	tip := h.by("alice", "tip", bad)
	h.branch("main", tip)
	wantFaults(t, h.under(""), bad, notAllowed)
	h.git("commit-graph", "write", "--reachable")
	// The commit-graph says that tip is a child of good.
	graph := filepath.Join(h.dir, ".git", "objects", "info", "commit-graph")
	data, err := os.ReadFile(graph)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(graph, 0o666); err != nil {
		t.Fatal(err)
	}
	raw := []byte(binaryID(t, bad))
	if err := os.WriteFile(graph, bytes.Replace(data, raw, []byte(binaryID(t, good)), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	wantFaults(t, h.under(""), bad, notAllowed)

	h.git("replace", bad, h.by("alice", "replaced", good))
	if err := os.WriteFile(filepath.Join(h.dir, ".git", "info", "grafts"), []byte(tip+" "+good+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg := h.under("")
	if _, err := audit.Run(t.Context(), cfg); err == nil {
		t.Error("a history that is altered was audited")
	}
	cfg.AllowShallow = true
	wantFaults(t, cfg, bad, notAllowed)
}

// TestShallowFileHidesNothing has somebody write a shallow file.
func TestShallowFileHidesNothing(t *testing.T) {
	h := newHistory(t)
	bad := h.by("mallory", "bad")
	tip := h.by("alice", "tip", bad)
	h.branch("main", tip)
	if err := os.WriteFile(filepath.Join(h.dir, ".git", "shallow"), []byte(tip+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Run(t.Context(), h.under("")); err == nil {
		t.Errorf("result %q of a shallow history", r.Result)
	}
}

// TestLiesAboutOrder has objects whose bytes are not their own make git list
// parents before their children, so that no rule is known of them yet.
func TestLiesAboutOrder(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	base := h.by("bob", "base")
	bobs := h.by("bob", "bob's", base)
	middle := h.by("alice", "middle", bobs)
	tip := h.by("alice", "tip", middle)
	free := h.by("bob", "free", bobs)
	h.branch("main", tip)
	h.branch("free", free)
	rules := rule("refs/heads/main", "alice")
	wantFaults(t, h.under(rules), bobs, notAllowed, base, notAllowed)
	for name, c := range map[string]struct {
		at     string
		lie    commitment
		behind []string
	}{
		"middle is a root":      {middle, commitment{by: "alice", message: "middle"}, nil},
		"middle is below free":  {middle, commitment{by: "alice", message: "middle"}, []string{free}},
		"bob's is below middle": {bobs, commitment{by: "bob", message: "bob's"}, []string{base, base}},
		"bob's is a root":       {bobs, commitment{by: "bob", message: "bob's"}, nil},
		"base is tip's child":   {base, commitment{by: "bob", message: "base"}, []string{tip}},
	} {
		before := []byte(h.git("cat-file", "commit", c.at) + "\n")
		h.put(c.at, "commit", h.bytes(c.lie, c.behind...))
		r, err := audit.Run(t.Context(), h.under(rules))
		if err == nil && (r.Result == report.Pass || faults(r)[bobs] == nil && r.Complete && r.Totals.Classes[report.MalformedObject] == 0) {
			t.Errorf("%s: result %q, totals %v, not examined %v", name, r.Result, r.Totals.Classes, r.NotExamined)
		}
		h.put(c.at, "commit", before)
	}
	wantFaults(t, h.under(rules), bobs, notAllowed, base, notAllowed)
}

// TestTagsInACircle has tags whose bytes are not their own name one another.
func TestTagsInACircle(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	h.branch("main", one)
	a, b := h.tagged("alice", "a", one, "commit"), h.tagged("alice", "b", one, "commit")
	h.ref("refs/tags/a", a)
	h.ref("refs/tags/b", b)
	for oid, other := range map[string]string{a: b, b: a} {
		h.put(oid, "tag", fmt.Appendf(nil, "object %s\ntype tag\ntag a\ntagger A <a@example.com> 1 +0000\n\nround\n", other))
	}
	r := run(t, h.under(""))
	if r.Result == report.Pass || r.Totals.Tags != 2 {
		t.Errorf("result %q, totals %+v, not examined %v", r.Result, r.Totals, r.NotExamined)
	}
}

// TestCorruptPack flips bytes of a pack.
func TestCorruptPack(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	rows := h.row(strings.Repeat("ab", 30))
	bad := h.by("mallory", "bad", rows[59])
	h.branch("main", bad)
	h.git("repack", "-q", "-a", "-d")
	h.git("prune-packed")
	packs, err := filepath.Glob(filepath.Join(h.dir, ".git", "objects", "pack", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs %v, %v", packs, err)
	}
	whole, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(packs[0], 0o666); err != nil {
		t.Fatal(err)
	}
	wantFaults(t, h.under(""), bad, notAllowed)
	for i := 20; i < len(whole)-20; i += len(whole) / 7 {
		data := bytes.Clone(whole)
		for j := range 40 {
			data[min(i+j, len(data)-1)] ^= 0x55
		}
		if err := os.WriteFile(packs[0], data, 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := audit.Run(t.Context(), h.under(""))
		if err != nil {
			t.Logf("byte %d: %v", i, err)
			continue
		}
		if r.Result == report.Pass || r.Result == report.Violation && r.Complete && r.Totals.Classes[report.MalformedObject]+r.Totals.Classes[report.MissingObject] == 0 && r.Totals.Commits != 61 {
			t.Errorf("byte %d: result %q, complete %v, totals %v, not examined %v", i, r.Result, r.Complete, r.Totals.Classes, r.NotExamined)
		}
	}
	// Without the offender nothing is wrong but the pack.
	h.branch("main", rows[59])
	if err := os.WriteFile(packs[0], whole, 0o666); err != nil {
		t.Fatal(err)
	}
	wantFaults(t, h.under(""))
	for i := 20; i < len(whole)-20; i += len(whole) / 7 {
		data := bytes.Clone(whole)
		for j := range 40 {
			data[min(i+j, len(data)-1)] ^= 0x55
		}
		if err := os.WriteFile(packs[0], data, 0o666); err != nil {
			t.Fatal(err)
		}
		if r, err := audit.Run(t.Context(), h.under("")); err == nil && r.Result == report.Pass && (r.Totals.Commits != 60 || !r.Complete) {
			t.Errorf("byte %d: result %q, complete %v, totals %v, not examined %v", i, r.Result, r.Complete, r.Totals.Classes, r.NotExamined)
		}
	}
}

// TestManyRefs audits a repository of 20,000 refs.
func TestManyRefs(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	base := h.by("alice", "base")
	empty := h.files(nil)
	var packed strings.Builder
	packed.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	const n = 20_000
	var bad string
	for i := range n {
		oid := base
		if i%100 == 0 {
			by := "alice"
			if i == n/2 {
				by = "mallory"
			}
			oid = h.commit(commitment{by: by, tree: empty, message: fmt.Sprint(i)}, base)
			if by == "mallory" {
				bad = oid
			}
		}
		fmt.Fprintf(&packed, "%s refs/heads/b%05d\n", oid, i)
	}
	if err := os.WriteFile(filepath.Join(h.dir, ".git", "packed-refs"), []byte(packed.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg := h.under(rule("refs/heads/b0000*", "alice") + twoOnMain)
	cfg.State = new(audit.State)
	r := wantFaults(t, cfg, bad, notAllowed)
	wantClasses(t, r, map[verifier.Class]int{verifier.Verified: n / 100, verifier.IdentityNotAllowed: 1})
}

// TestWorktreesAreOneRepository has a commit that only the detached HEAD of a
// linked worktree reaches.
func TestWorktreesAreOneRepository(t *testing.T) {
	h := newHistory(t)
	good := h.by("alice", "good")
	h.branch("main", good)
	bad := h.by("mallory", "bad", good)
	dir := filepath.Join(t.TempDir(), "linked")
	h.git("worktree", "add", "-q", "--detach", dir, bad)
	wantFaults(t, h.under(""))
	linked := &history{h.at(dir), h.keys, h.format, h.cfg}
	wantFaults(t, linked.under(""), bad, notAllowed)
	// Refs of its own are neither branches nor tags, and said so.
	linked.git("update-ref", "refs/worktree/x", bad)
	if r := run(t, linked.under("")); !omitted(r, "refs/worktree/x") {
		t.Errorf("not examined %v, want refs/worktree/x", r.NotExamined)
	}
}
