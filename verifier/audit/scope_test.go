package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// examined returns the ids of the objects that an audit of unsigned objects
// examined, in order.
func examined(r *report.Report) []string {
	var oids []string
	for f := range classed(r) {
		oids = append(oids, f.Object.OID)
	}
	return oids
}

// wantExamined checks which unsigned objects an audit examines, in any order.
func wantExamined(t *testing.T, cfg audit.Config, want ...string) *report.Report {
	t.Helper()
	r := run(t, cfg)
	got := examined(r)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || !r.Complete {
		t.Errorf("examined %v, complete %v, not examined %v; want %v", got, r.Complete, r.NotExamined, want)
	}
	return r
}

// scopes makes a repository of unsigned objects,
//
//	one - two - merge (main)
//	   \- side -/  \- topic (remote-tracking ref)
//
// and a Config without what to audit.
func scopes(t *testing.T) (r *testRepo, cfg audit.Config, one, two, side, merge, topic string) {
	t.Helper()
	r = newRepo(t)
	one = r.unsigned("one")
	two, side = r.unsigned("two", one), r.unsigned("side", one)
	merge = r.unsigned("merge", two, side)
	topic = r.unsigned("topic", side)
	r.branch("main", merge)
	r.git("update-ref", "refs/remotes/origin/topic", topic)
	cfg = trusting(t, authority(t, fakeca.Config{}).TrustedRoot())
	cfg.Repo = r.open()
	return r, cfg, one, two, side, merge, topic
}

func TestRevisions(t *testing.T) {
	r, cfg, one, two, side, merge, topic := scopes(t)
	tag := r.tag(nil, "v1", merge, "commit")
	r.git("update-ref", "refs/tags/v1", tag)
	cfg.Repo = r.open()
	for _, test := range []struct {
		revisions string
		want      []string
	}{
		{"", []string{merge, two, side, one}},
		{"main", []string{merge, two, side, one}},
		{"main^1", []string{two, one}},
		{topic, []string{topic, side, one}},
		{"main origin/topic", []string{merge, two, side, topic, one}},
		{"main main", []string{merge, two, side, one}},
		{two + "..main", []string{merge, side}},
		{two + "..", []string{merge, side}},
		{"main...origin/topic", []string{merge, two, topic}},
		{"main..main", nil},
		{"^" + two, []string{merge, side}},
		{"^" + two + " origin/topic", []string{topic, side}},
		{"v1", []string{tag, merge, two, side, one}},
		{two + "..v1", []string{merge, side}},
	} {
		t.Run(test.revisions, func(t *testing.T) {
			cfg := cfg
			cfg.Revisions = strings.Split(test.revisions, " ")
			wantExamined(t, cfg, test.want...)
		})
	}
}

func TestSinceLeavesOutHistory(t *testing.T) {
	_, cfg, _, two, side, merge, topic := scopes(t)
	cfg.Since = two
	r := wantExamined(t, cfg, merge, side)
	if got := r.Scope.Revisions[0]; got.Revision != "^"+two || got.Resolved[0] != "^"+two {
		t.Errorf("scope %+v, want ^%s", r.Scope, two)
	}
	if !omitted(r, "far side of the range") || !r.Complete {
		t.Errorf("not examined %v, complete %v, want the far side of the range, and true", r.NotExamined, r.Complete)
	}
	cfg.All = true
	wantExamined(t, cfg, merge, side, topic)
}

func TestFirstParentIsSaid(t *testing.T) {
	_, cfg, one, two, _, merge, _ := scopes(t)
	cfg.FirstParent = true
	if r := wantExamined(t, cfg, merge, two, one); !omitted(r, "further parents") {
		t.Errorf("not examined %v, want further parents", r.NotExamined)
	}
}

func TestAllRefs(t *testing.T) {
	r, cfg, one, two, side, merge, topic := scopes(t)
	tag := r.tag(nil, "v1", one, "commit")
	tagged := r.unsigned("only a tag reaches it")
	inner := r.tag(nil, "inner", tagged, "commit")
	outer := r.tag(nil, "outer", inner, "tag")
	tree := r.tag(nil, "tree", r.emptyTree(), "tree")
	for ref, oid := range map[string]string{
		"refs/tags/v1": tag, "refs/tags/same": tag, "refs/tags/outer": outer, "refs/tags/tree": tree,
		"refs/tags/light":    r.unsigned("only a lightweight tag reaches it"),
		"refs/notes/commits": r.unsigned("a note"), "refs/stash": r.unsigned("a stash"), "refs/pull/1/head": r.unsigned("pulled"),
	} {
		r.git("update-ref", ref, oid)
	}
	r.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/topic")
	cfg.Repo, cfg.All = r.open(), true
	got := wantExamined(t, cfg, one, two, side, merge, topic, tag, outer, inner, tree, tagged)
	if got.Totals.Tags != 4 {
		t.Errorf("%d tags, want 4", got.Totals.Tags)
	}
	var refs []string
	for _, ref := range got.Scope.Refs {
		refs = append(refs, ref.Name)
	}
	if want := []string{"refs/heads/main", "refs/remotes/origin/HEAD", "refs/remotes/origin/topic",
		"refs/tags/outer", "refs/tags/same", "refs/tags/tree", "refs/tags/v1"}; !slices.Equal(refs, want) {
		t.Errorf("refs %v, want %v", refs, want)
	}
	var left []string
	for _, o := range got.NotExamined {
		left = append(left, o.What)
	}
	if want := []string{"refs/notes/commits", "refs/pull/1/head", "refs/stash", "refs/tags/light"}; !slices.Equal(left, want) {
		t.Errorf("not examined %v, want %v", left, want)
	}
	// The same tag by name is a tag, its tag, and the history behind both.
	cfg.All, cfg.Revisions = false, []string{"outer"}
	wantExamined(t, cfg, outer, inner, tagged)
	cfg.Revisions = []string{"tree"}
	wantExamined(t, cfg, tree)
}

func TestNewestFirst(t *testing.T) {
	r, cfg, one, two, side, merge, _ := scopes(t)
	tag := r.tag(nil, "v1", two, "commit")
	r.git("update-ref", "refs/tags/v1", tag)
	cfg.Repo, cfg.Revisions = r.open(), []string{"main", "v1"}
	got := examined(run(t, cfg))
	if len(got) != 5 || got[0] != tag || got[1] != merge || got[4] != one || !slices.Contains(got, side) {
		t.Errorf("order %v, want the tag, the merge, its parents, the root", got)
	}
}

func TestNothingToExamine(t *testing.T) {
	cfg := trusting(t, authority(t, fakeca.Config{}).TrustedRoot())
	r := newRepo(t)
	cfg.Repo = r.open()
	for _, all := range []bool{false, true} {
		cfg.All = all
		if _, err := audit.Run(t.Context(), cfg); !errors.Is(err, audit.ErrEmpty) {
			t.Errorf("audit of an empty repository, all %v: %v, want %v", all, err, audit.ErrEmpty)
		}
	}
	r.branch("other", r.unsigned("one"))
	cfg.Repo, cfg.All = r.open(), false
	var unknown *audit.RevisionError
	if _, err := audit.Run(t.Context(), cfg); !errors.As(err, &unknown) || unknown.Revision != "HEAD" {
		t.Errorf("audit of an unborn branch: %v, want a RevisionError of HEAD", err)
	}
	cfg.All = true
	if got := run(t, cfg); got.Totals.Commits != 1 {
		t.Errorf("%d commits, want 1", got.Totals.Commits)
	}
}

func TestUnknownRevisions(t *testing.T) {
	r, cfg, _, _, _, _, _ := scopes(t)
	tree := r.emptyTree()
	for _, revision := range []string{
		"nothing", "main..nothing", "nothing..main", "^nothing", "--all", "-x", "main~99", "main^{tree}", "main^{tree}..main",
		"main.." + tree, "^" + tree, "main:file", strings.Repeat("0", 40), "a\nb",
	} {
		cfg.Revisions = []string{revision}
		var unknown *audit.RevisionError
		if _, err := audit.Run(t.Context(), cfg); !errors.As(err, &unknown) || unknown.Revision != revision {
			t.Errorf("audit of %q: %v, want a RevisionError", revision, err)
		}
	}
}

func TestAlteredHistoryIsRefusedAndThenSaid(t *testing.T) {
	for _, test := range []struct {
		name  string
		alter func(r *testRepo, one, two string) *testRepo
		want  audit.AlteredHistoryError
		said  string
		left  int // commits there are to examine
	}{
		{"shallow", func(r *testRepo, one, two string) *testRepo {
			dir := filepath.Join(r.t.TempDir(), "clone")
			r.git("clone", "-q", "--depth=1", "file://"+r.dir, dir)
			return r.at(dir)
		}, audit.AlteredHistoryError{Shallow: true}, "cut off", 1},
		{"grafts", func(r *testRepo, one, two string) *testRepo {
			if err := os.WriteFile(filepath.Join(r.dir, ".git", "info", "grafts"), []byte(two+"\n"), 0o666); err != nil {
				r.t.Fatal(err)
			}
			return r
		}, audit.AlteredHistoryError{Grafted: true}, "grafts", 2},
		{"replace refs", func(r *testRepo, one, two string) *testRepo {
			r.git("replace", two, one)
			return r
		}, audit.AlteredHistoryError{Replaced: true}, "replace refs", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := authority(t, fakeca.Config{})
			r := newRepo(t)
			one := r.signed(a, fakeca.Fixture{}, "one")
			two := r.signed(a, fakeca.Fixture{}, "two", one)
			r.branch("main", two)
			cfg := trusting(t, a.TrustedRoot())
			cfg.Repo = test.alter(r, one, two).open()
			var altered *audit.AlteredHistoryError
			if _, err := audit.Run(t.Context(), cfg); !errors.As(err, &altered) || *altered != test.want {
				t.Fatalf("audit: %v, want %+v", err, test.want)
			}
			cfg.AllowShallow = true
			got := run(t, cfg)
			wantClasses(t, got, map[verifier.Class]int{verifier.Verified: test.left})
			if !omitted(got, test.said) || got.Result != report.Pass {
				t.Errorf("result %q, not examined %v, want %q said", got.Result, got.NotExamined, test.said)
			}
			if repo := got.Repository; repo.Shallow != test.want.Shallow || repo.Grafted != test.want.Grafted || repo.Replaced != test.want.Replaced {
				t.Errorf("repository %+v, want %+v", repo, test.want)
			}
		})
	}
}

func TestBrokenRefIsIncomplete(t *testing.T) {
	r, cfg, one, two, side, merge, topic := scopes(t)
	if err := os.WriteFile(filepath.Join(r.dir, ".git", "refs", "heads", "broken"), []byte("nonsense\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg.Repo, cfg.All = r.open(), true
	got := run(t, cfg)
	if got.Complete || !omitted(got, "refs/heads/broken") || got.Totals.Examined != len([]string{one, two, side, merge, topic}) {
		t.Errorf("complete %v, not examined %v, totals %+v", got.Complete, got.NotExamined, got.Totals)
	}
}

func TestKindsOfRepositories(t *testing.T) {
	a := authority(t, fakeca.Config{})
	audited := func(t *testing.T, r *testRepo) *report.Report {
		t.Helper()
		cfg := trusting(t, a.TrustedRoot())
		cfg.Repo, cfg.All = r.open(), true
		got := run(t, cfg)
		wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 3})
		if got.Result != report.Pass {
			t.Errorf("result %q, not examined %v", got.Result, got.NotExamined)
		}
		return got
	}
	fill := func(r *testRepo) *testRepo {
		one := r.signed(a, fakeca.Fixture{}, "one")
		two := r.signed(a, fakeca.Fixture{}, "two", one)
		r.branch("main", two)
		r.git("update-ref", "refs/tags/v1", r.tag(a, "v1", two, "commit"))
		return r
	}
	t.Run("bare", func(t *testing.T) { audited(t, fill(newRepo(t, "--bare"))) })
	t.Run("SHA-256", func(t *testing.T) {
		if got := audited(t, fill(newRepo(t, "--object-format=sha256"))); got.Repository.ObjectFormat != string(gitutil.SHA256) {
			t.Errorf("object format %q", got.Repository.ObjectFormat)
		}
	})
	t.Run("linked worktree", func(t *testing.T) {
		r := fill(newRepo(t))
		dir := filepath.Join(t.TempDir(), "linked")
		r.git("worktree", "add", "-q", "--detach", dir, "main")
		audited(t, r.at(dir))
	})
	t.Run("partial clone", func(t *testing.T) {
		r := fill(newRepo(t))
		r.git("config", "uploadpack.allowFilter", "true")
		dir := filepath.Join(t.TempDir(), "partial")
		r.git("clone", "-q", "--no-checkout", "--filter=tree:0", "file://"+r.dir, dir)
		if got := audited(t, r.at(dir)); !got.Repository.PartialClone {
			t.Error("not said to be a partial clone")
		}
	})
}

// TestAllTakesDetachedHead has a commit that HEAD alone leads to.
func TestAllTakesDetachedHead(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	r.branch("main", one)
	r.git("update-ref", "--no-deref", "HEAD", r.unsigned("loose", one))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.Verified: 1, report.Unsigned: 1})
}
