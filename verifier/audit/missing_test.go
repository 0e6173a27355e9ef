package audit_test

import (
	"path/filepath"
	"testing"

	"gitseal/fakeca"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

func TestMissingParent(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	two := r.signed(a, fakeca.Fixture{}, "two", one)
	r.branch("main", r.signed(a, fakeca.Fixture{}, "three", two))
	r.remove(two)
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	// Before version 2.44 git cannot list such a history at all, and
	// afterwards it names what is missing.
	got := run(t, cfg)
	if got.Complete || len(got.NotExamined) != 1 || got.Result != report.Indeterminate {
		t.Errorf("result %q, complete %v, not examined %v", got.Result, got.Complete, got.NotExamined)
	}
	if !omitted(got, "git could not read") && got.Totals.Classes[report.MissingObject] != 1 {
		t.Errorf("totals %+v, want one missing object", got.Totals)
	}
}

func TestMissingTipsAndTags(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	r.branch("main", one)
	gone := r.signed(a, fakeca.Fixture{}, "gone")
	tag := r.tag(a, "v1", gone, "commit") // of a commit that is missing
	inner := r.tag(a, "inner", one, "commit")
	outer := r.tag(a, "outer", inner, "tag") // of a tag that is missing
	lost := r.tag(a, "lost", one, "commit")  // itself missing
	branch := r.signed(a, fakeca.Fixture{}, "branch")
	for ref, oid := range map[string]string{
		"refs/tags/v1": tag, "refs/tags/outer": outer, "refs/tags/lost": lost, "refs/heads/gone": branch, "refs/remotes/o/gone": branch,
	} {
		r.git("update-ref", ref, oid)
	}
	for _, oid := range []string{gone, inner, lost, branch} {
		r.remove(oid)
	}
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 3, report.MissingObject: 4})
	kinds := make(map[string]string)
	for f := range classed(got) {
		kinds[f.Object.OID] = f.Object.Type
	}
	for oid, want := range map[string]string{gone: "commit", inner: "tag", lost: "tag", branch: "commit"} {
		if kinds[oid] != want {
			t.Errorf("%s is missing as %q, want as a %s", oid, kinds[oid], want)
		}
	}
	if got.Complete || got.Result != report.Indeterminate || !omitted(got, "missing objects (4)") {
		t.Errorf("result %q, complete %v, not examined %v", got.Result, got.Complete, got.NotExamined)
	}
}

func TestTagThatLiesAboutItsObject(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	r.branch("main", r.signed(a, fakeca.Fixture{}, "one"))
	r.git("update-ref", "refs/tags/v1", r.tag(a, "v1", r.write("blob", []byte("blob")), "commit"))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.Verified: 2, report.MalformedObject: 1})
}

func TestForgedTagLeadsNowhere(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	r.branch("main", one)
	tag := r.tag(a, "v1", one, "commit")
	r.git("update-ref", "refs/tags/v1", tag)
	other := r.tag(nil, "other", one, "commit")
	r.overwrite(tag, "tag", []byte(r.git("cat-file", "tag", r.tag(nil, "v1", other, "tag"))))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.Verified: 1, report.MalformedObject: 1})
}

func TestEndlessTagsOfTags(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.unsigned("one")
	r.branch("main", one)
	oid, typ := one, "commit"
	for range 105 {
		oid, typ = r.tag(nil, "deep", oid, typ), "tag"
	}
	r.git("update-ref", "refs/tags/deep", oid)
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	got := run(t, cfg)
	if got.Complete || got.Totals.Tags != 100 || got.Totals.Commits != 1 {
		t.Errorf("%d tags, complete %v, not examined %v", got.Totals.Tags, got.Complete, got.NotExamined)
	}
}

func TestPartialCloneFetchesNothing(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	tag := r.tag(a, "v1", one, "commit")
	r.branch("main", one)
	r.git("update-ref", "refs/tags/v1", tag)
	r.git("config", "uploadpack.allowFilter", "true")
	dir := filepath.Join(t.TempDir(), "partial")
	r.git("clone", "-q", "--no-checkout", "--filter=tree:0", "file://"+r.dir, dir)
	clone := r.at(dir)
	// What the remote could deliver and the clone does not hold is missing.
	later := r.signed(a, fakeca.Fixture{}, "later", one)
	if err := writeRef(clone, "refs/heads/later", later); err != nil {
		t.Fatal(err)
	}
	before := clone.git("count-objects", "-v")
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = clone.open(), true
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 2, report.MissingObject: 1})
	if after := clone.git("count-objects", "-v"); after != before {
		t.Errorf("the audit changed the repository from\n%s\nto\n%s", before, after)
	}
}
