package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// A pushTest is a repository that receives pushes, with rules for main, for
// release branches, which have one more, for tags and for notes.
type pushTest struct {
	*testRepo
	t   *testing.T
	a   *fakeca.Authority
	cfg audit.Config
}

func newPushTest(t *testing.T, initArgs ...string) *pushTest {
	t.Helper()
	a := authority(t, fakeca.Config{})
	p := &pushTest{newRepo(t, initArgs...), t, a, trusting(t, a.TrustedRoot())}
	p.cfg.Policy = parsePolicy(t, fmt.Sprintf(`version = 1
[identity.alice]
subject = "alice@example.com"
issuer = %[1]q
[identity.bob]
subject = "bob@example.com"
issuer = %[1]q
[[rule]]
refs = ["refs/heads/main", "refs/heads/release/*", "refs/heads/frozen"]
allow = ["alice"]
[[rule]]
refs = ["refs/heads/release/*"]
allow = ["alice"]
[[rule]]
refs = ["refs/heads/frozen"]
allow = ["alice"]
immutable = true
[[rule]]
refs = ["refs/tags/v*", "refs/notes/signed"]
allow = ["alice"]
`, a.Issuer()))
	return p
}

// by returns a commit that somebody of example.com signed.
func (p *pushTest) by(who, message string, parents ...string) string {
	p.t.Helper()
	return p.signed(p.a, fakeca.Fixture{Subject: who + "@example.com"}, message, parents...)
}

// push pushes "REF OLD NEW" and returns the ids that were examined, in the
// order of the runs, the findings, and what was left out.
func (p *pushTest) push(lines ...string) (examined, findings, omitted []string) {
	p.t.Helper()
	var push audit.Push
	for _, line := range lines {
		f := strings.Split(line, " ")
		push.Updates = append(push.Updates, gitutil.PushUpdate{Ref: f[0], Old: f[1], New: f[2]})
	}
	cfg := p.cfg
	cfg.Repo = p.open()
	var err error
	if push.Refs, err = cfg.Repo.Refs(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	if push.Targets, err = cfg.Repo.SymbolicRefs(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	cfg.Row = func(row report.Row) { examined = append(examined, row.Object.OID) }
	reports, err := audit.RunPush(p.t.Context(), cfg, push)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range reports {
		for f := range r.Findings.All() {
			if f.Severity != report.Note {
				findings = append(findings, f.ID+" "+f.Object.OID)
			}
		}
		for _, o := range r.NotExamined {
			omitted = append(omitted, o.What)
		}
		if (len(findings) > 0) == (report.Merge(reports).Result == report.Pass) || !r.Complete {
			p.t.Errorf("result %s, complete %v with findings %v; not examined %v", r.Result, r.Complete, findings, r.NotExamined)
		}
	}
	return examined, findings, omitted
}

// want pushes and checks what is examined, in any order, and found.
func (p *pushTest) want(name string, lines, examined, findings []string) {
	p.t.Helper()
	got, found, _ := p.push(lines...)
	slices.Sort(got)
	slices.Sort(examined)
	if !slices.Equal(got, examined) {
		p.t.Errorf("%s: examined %v, want %v", name, got, examined)
	}
	if !slices.Equal(found, findings) {
		p.t.Errorf("%s: findings %v, want %v", name, found, findings)
	}
}

func TestPushExaminesWhatIsNewToARef(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		p := newPushTest(t, "--object-format="+format)
		old := p.unsigned("before the hook")
		p.branch("main", old)
		one := p.by("alice", "one", old)
		two := p.by("bob", "two", one)
		p.want("by somebody the rules allow", []string{"refs/heads/main " + old + " " + one}, []string{one}, nil)
		p.want("by somebody else", []string{"refs/heads/main " + old + " " + two}, []string{one, two}, []string{"identity-not-allowed " + two})
		p.want("to a branch without rules", []string{"refs/heads/topic  " + two}, []string{one, two}, nil)
		p.want("nothing new", []string{"refs/heads/topic  " + old}, nil, nil)
		unsigned := p.unsigned("unsigned", old)
		p.want("unsigned", []string{"refs/heads/topic  " + unsigned}, []string{unsigned}, []string{"unsigned " + unsigned})
	}
}

// What was let in on a branch that asks for less is examined again.
func TestPushByADetourIsExamined(t *testing.T) {
	p := newPushTest(t)
	one := p.by("alice", "one")
	p.branch("main", one)
	bobs := p.by("bob", "bobs", one)
	p.branch("topic", bobs)
	bad := []string{"identity-not-allowed " + bobs}
	p.want("from a branch", []string{"refs/heads/main " + one + " " + bobs}, []string{bobs}, bad)
	merge := p.by("alice", "merge", one, bobs)
	p.want("by a merge", []string{"refs/heads/main " + one + " " + merge}, []string{merge, bobs}, bad)

	tag := p.tag(p.a, "v1", bobs, "commit")
	p.git("update-ref", "refs/tags/v1", tag)
	p.git("branch", "-D", "topic")
	p.want("from a tag", []string{"refs/heads/main " + one + " " + bobs}, []string{bobs}, bad)
	p.want("to where a tag is enough", []string{"refs/heads/topic  " + bobs}, nil, nil)

	// Notes are let in unseen, so they vouch for nothing.
	unsigned := p.unsigned("unsigned", one)
	p.git("update-ref", "refs/notes/x", unsigned)
	p.want("from notes", []string{"refs/heads/topic  " + unsigned}, []string{unsigned}, []string{"unsigned " + unsigned})

	// A branch with other rules says nothing about those that it lacks.
	p.want("to a branch with more rules", []string{"refs/heads/release/1  " + one}, []string{one}, nil)
	p.branch("release/1", one)
	p.want("to a branch with the same rules", []string{"refs/heads/release/2  " + one}, nil, nil)
	p.git("update-ref", "-d", "refs/heads/main")
	p.want("to a branch with fewer rules", []string{"refs/heads/main  " + one}, nil, nil)
}

func TestPushOfSeveralRefs(t *testing.T) {
	p := newPushTest(t)
	one := p.by("alice", "one")
	two, bobs := p.by("alice", "two", one), p.by("bob", "bobs", one)
	// What is examined under more rules is not examined under fewer.
	p.want("the same commits", []string{"refs/heads/topic  " + two, "refs/heads/main  " + two, "refs/heads/release/1  " + two},
		[]string{two, one}, nil)
	p.want("others on top", []string{"refs/heads/topic  " + bobs, "refs/heads/main  " + one}, []string{one, bobs}, nil)
	p.want("each by its rules", []string{"refs/heads/topic  " + bobs, "refs/heads/main  " + bobs}, []string{one, bobs},
		[]string{"identity-not-allowed " + bobs})
}

func TestPushOfTags(t *testing.T) {
	p := newPushTest(t)
	one := p.by("alice", "one")
	two := p.unsigned("two", one)
	p.branch("main", one)
	good, bare, behind := p.tag(p.a, "v1", one, "commit"), p.tag(nil, "v2", one, "commit"), p.tag(p.a, "v3", two, "commit")
	p.want("signed", []string{"refs/tags/v1  " + good}, []string{good}, nil)
	p.want("under another name", []string{"refs/tags/v9  " + good}, []string{good}, []string{"tag-name-mismatch " + good})
	p.want("unsigned", []string{"refs/tags/v2  " + bare}, []string{bare}, []string{"unsigned " + bare})
	p.want("of what is unsigned", []string{"refs/tags/v3  " + behind}, []string{behind, two}, []string{"unsigned " + two})
	p.want("lightweight", []string{"refs/tags/v4  " + one}, nil, []string{"lightweight-tag " + one})
	p.want("lightweight where no rule is", []string{"refs/tags/x  " + one}, nil, nil)
	p.want("lightweight and unsigned", []string{"refs/tags/x  " + two}, []string{two}, []string{"unsigned " + two})
	p.want("moved", []string{"refs/tags/v1 " + behind + " " + good}, []string{good}, []string{"tag-moved " + good})
	p.want("deleted", []string{"refs/tags/v1 " + good + " "}, nil, []string{"tag-deleted " + good})
	outer := p.tag(p.a, "v5", bare, "tag")
	p.want("of a tag", []string{"refs/tags/v5  " + outer}, []string{outer, bare}, []string{"unsigned " + bare})
}

func TestPushThatRewindsOrDeletes(t *testing.T) {
	p := newPushTest(t)
	one := p.by("alice", "one")
	two := p.by("alice", "two", one)
	other := p.by("alice", "other", one)
	for _, name := range []string{"main", "topic", "frozen"} {
		p.branch(name, two)
	}
	p.want("back", []string{"refs/heads/main " + two + " " + one}, nil, []string{"ref-rewound " + one})
	p.want("aside", []string{"refs/heads/main " + two + " " + other}, []string{other}, []string{"ref-rewound " + other})
	p.want("away", []string{"refs/heads/main " + two + " "}, nil, []string{"ref-deleted " + two})
	p.want("aside where no rule is", []string{"refs/heads/topic " + two + " " + other}, []string{other}, nil)
	p.want("away where no rule is", []string{"refs/heads/topic " + two + " "}, nil, nil)
	three := p.by("alice", "three", two)
	p.want("forward where it stays", []string{"refs/heads/frozen " + two + " " + three}, []string{three}, []string{"ref-rewound " + three})
	p.want("nowhere where it stays", []string{"refs/heads/frozen " + two + " " + two}, nil, nil)
	elsewhere := strings.Repeat("1", 40)
	p.want("from what is not here", []string{"refs/heads/main " + elsewhere + " " + three}, []string{three}, []string{"ref-rewound " + three})
}

// To push to a symbolic ref is to push to the one that it stands for.
func TestPushToASymbolicRef(t *testing.T) {
	p := newPushTest(t)
	one := p.by("alice", "one")
	bobs := p.by("bob", "bobs", one)
	p.branch("main", one)
	p.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
	p.want("what the target refuses", []string{"refs/heads/alias " + one + " " + bobs}, []string{bobs}, []string{"identity-not-allowed " + bobs})
	p.want("away", []string{"refs/heads/alias " + one + " "}, nil, []string{"ref-deleted " + one})
}

func TestPushOfOtherRefs(t *testing.T) {
	p := newPushTest(t)
	unsigned := p.unsigned("notes")
	blob := p.write("blob", []byte("x"))
	for ref, oid := range map[string]string{"refs/notes/x": unsigned, "refs/stash": unsigned, "refs/keys/x": blob} {
		if examined, findings, omitted := p.push(ref + "  " + oid); examined != nil || findings != nil || !slices.Equal(omitted, []string{ref}) {
			t.Errorf("push of %s: examined %v, findings %v, left out %v", ref, examined, findings, omitted)
		}
	}
	p.want("notes with a rule", []string{"refs/notes/signed  " + unsigned}, []string{unsigned}, []string{"unsigned " + unsigned})
	p.want("another kind of ref", []string{"refs/for/x  " + unsigned}, []string{unsigned}, []string{"unsigned " + unsigned})
}

// Without a policy validity is judged, and no branch is guarded.
func TestPushWithoutAPolicy(t *testing.T) {
	p := newPushTest(t)
	p.cfg.Policy = nil
	one := p.by("carol", "one")
	two := p.unsigned("two", one)
	p.branch("main", one)
	three := p.by("carol", "three", one)
	p.want("valid", []string{"refs/heads/other  " + three}, []string{three}, nil)
	p.want("unsigned", []string{"refs/heads/main " + one + " " + two}, []string{two}, []string{"unsigned " + two})
	p.want("away", []string{"refs/heads/main " + one + " "}, nil, nil)
}

// TestPushOfWhatStandsElsewhere pushes to main what was merged well into next:
// on the way by which main gets it nobody but its author stands for it.
func TestPushOfWhatStandsElsewhere(t *testing.T) {
	p := newPushTest(t)
	p.cfg.Policy = parsePolicy(t, fmt.Sprintf(`version = 1
[identity.alice]
subject = "alice@example.com"
issuer = %[1]q
[identity.bob]
subject = "bob@example.com"
issuer = %[1]q
[[rule]]
refs = ["refs/heads/main", "refs/heads/next"]
allow = ["alice", "bob"]
threshold = 2
[baseline]
after = [%[2]q]
`, p.a.Issuer(), p.by("alice", "base")))
	base := p.cfg.Policy.Baseline()[0]
	side := p.by("alice", "side", base)
	merge := p.by("bob", "merge", base, side)
	p.branch("main", base)
	p.branch("next", merge)
	if _, findings, _ := p.push("refs/heads/main " + base + " " + side); !slices.Equal(findings, []string{"threshold-not-met " + side}) {
		t.Errorf("findings %v, want threshold-not-met of %s", findings, side)
	}
	if _, findings, _ := p.push("refs/heads/main " + base + " " + merge); len(findings) != 0 {
		t.Errorf("findings %v of the merge, want none", findings)
	}
}
