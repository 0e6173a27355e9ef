package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

func TestBaseline(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	oldest := h.by("", "oldest")
	old := h.by("mallory", "old", oldest)
	oldSide := h.by("", "old side", oldest)
	oldMerge := h.by("", "old merge", old, oldSide)
	malformed := h.object("commit", []byte("tree "+h.files(nil)+"\nauthor A <a@example.com> 1 +0000\n\nno committer\n"))
	good := h.by("alice", "signed before", oldMerge)
	base := h.by("", "base", good)
	late := h.by("", "late side of old", oldSide)
	after := h.by("alice", "after", base)
	bad := h.by("mallory", "bad", after)
	merge := h.by("alice", "merge", bad, late)
	h.branch("main", merge)
	baseline := func(oids ...string) string {
		return fmt.Sprintf("[baseline]\nafter = [\"%s\"]\nreason = \"from here on\"\n", strings.Join(oids, "\", \""))
	}

	r := wantFaults(t, h.under(baseline(base)), bad, notAllowed, late, "unsigned")
	wantClasses(t, r, map[verifier.Class]int{verifier.Verified: 3, verifier.IdentityNotAllowed: 1, report.Unsigned: 1, report.Exempt: 5})
	if c := r.Continuity[0]; c.GapCount != 1 || c.MergedBad != 1 || c.Merged != 2 || c.Streak != 1 {
		t.Errorf("continuity %+v, want one gap, and one merged commit that is bad", c)
	}
	// Two baselines, one not in the history, one that is a tag.
	wantFaults(t, h.under(baseline(base, late)), bad, notAllowed)
	wantFaults(t, h.under(baseline(base, late, strings.Repeat("a", 40))), bad, notAllowed)
	tag := h.tagged("", "v0", base, "commit")
	if got := faults(run(t, h.under(baseline(strings.Repeat("a", 40))))); len(got) != 7 {
		t.Errorf("with a baseline that is nowhere, %d objects have findings, want 7", len(got))
	}
	// What is after is judged, however old it says it is; a tag is no part of
	// the history before it.
	h.ref("refs/tags/v0", tag)
	wantFaults(t, h.under(baseline(base, late)), bad, notAllowed, tag, "unsigned")
	h.git("update-ref", "-d", "refs/tags/v0")

	// Malformed and missing objects are never exempt.
	h.branch("main", h.by("alice", "x", base, malformed))
	wantFaults(t, h.under(baseline(base, malformed)), malformed, "malformed-object")
	h.branch("main", merge)
	h.remove(oldSide)
	for _, rest := range []string{baseline(base), baseline(base, late, oldSide)} {
		if r := run(t, h.under(rest)); r.Result == report.Pass || r.Complete {
			t.Errorf("result %q, complete %v, though an object before the baseline is missing", r.Result, r.Complete)
		}
	}
}

// TestBaselineOnTheFarSide has the baseline in what a range leaves out.
func TestBaselineOnTheFarSide(t *testing.T) {
	h := newHistory(t)
	old := h.by("", "old")
	base := h.by("alice", "base", old)
	bad := h.by("", "bad", old)
	h.branch("main", base)
	h.branch("topic", h.by("alice", "merge", h.by("alice", "two", base), bad))
	cfg := h.under(fmt.Sprintf("[baseline]\nafter=[%q]\n", base))
	cfg.All, cfg.Revisions = false, []string{"main..topic"}
	wantFaults(t, cfg, bad, "unsigned")
}

func TestExemptions(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	unsigned := h.by("", "unsigned")
	stranger := h.by("mallory", "stranger", unsigned)
	nobody := h.by("nobody", "nobody", stranger)
	good := h.by("alice", "good", nobody)
	malformed := h.object("commit", []byte("tree "+h.files(nil)+"\nauthor A <a@example.com> 1 +0000\n\nno committer\n"))
	merge := h.by("bob", "merge", good, malformed)
	h.branch("main", merge)
	exempt := func(oid, rest string) string {
		return fmt.Sprintf("[[exempt]]\nobject = %q\nreason = \"why not\"\n%s\n", oid, rest)
	}
	all := []string{unsigned, "unsigned", stranger, notAllowed, nobody, "unknown-key", malformed, "malformed-object"}
	wantFaults(t, h.under(""), all...)
	for _, oid := range []string{unsigned, stranger, nobody} {
		i := slices.Index(all, oid)
		wantFaults(t, h.under(exempt(oid, "")), append(slices.Clone(all[:i]), all[i+2:]...)...)
		// Until yesterday, and until tomorrow.
		r := wantFaults(t, h.under(exempt(oid, "until = 2023-11-14T22:13:20Z")), all...)
		noted := false
		for f := range r.Findings.All() {
			noted = noted || f.ID == "exemption-expired" && f.Object.OID == oid && f.Severity == report.Note
		}
		if !noted {
			t.Errorf("nothing is said of the exemption of %s that is over", oid)
		}
		wantFaults(t, h.under(exempt(oid, "until = 2023-11-14T22:13:21Z")), append(slices.Clone(all[:i]), all[i+2:]...)...)
	}
	// Malformed objects are what nobody can have meant; good ones need none.
	wantFaults(t, h.under(exempt(malformed, "")), all...)
	r := wantFaults(t, h.under(exempt(good, "")), all...)
	wantClasses(t, r, map[verifier.Class]int{verifier.Verified: 2, report.Unsigned: 1, verifier.IdentityNotAllowed: 1, verifier.UnknownKey: 1, report.MalformedObject: 1})
	// Findings beside the class go too, and the voucher with the signature.
	strict := twoOnMain + exempt(merge, "")
	if got := faults(run(t, h.under(strict)))[merge]; got != nil {
		t.Errorf("findings %v of an object that is exempt", got)
	}
	// Nothing is exempt by being near.
	wantFaults(t, h.under(exempt(strings.Repeat("0", 40), "")), all...)
	h.remove(unsigned)
	if r := run(t, h.under(exempt(unsigned, ""))); r.Result == report.Pass || r.Complete {
		t.Errorf("result %q, complete %v, want what is missing to be so", r.Result, r.Complete)
	}
}

// TestExemptionsVouchForNothing has an exempt merge, signed by a stranger,
// bring in a commit that needs a second person.
func TestExemptionsVouchForNothing(t *testing.T) {
	h := newHistory(t)
	base := h.by("carol", "base")
	side := h.by("alice", "side", base)
	merge := h.by("mallory", "merge", base, side)
	h.branch("main", merge)
	rest := twoOnMain + fmt.Sprintf("[[exempt]]\nobject=%q\nreason=\"x\"\n[[exempt]]\nobject=%q\nreason=\"x\"\n", merge, base)
	wantFaults(t, h.under(rest), side, "threshold-not-met")
}

func TestCompromisedAndUntil(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	one := h.by("dave", "one")
	h.branch("main", h.by("dave", "two", one))
	two := h.git("rev-parse", "main")
	for _, test := range []struct{ top, rest, want string }{
		{"", "", ""},
		{"", "until = 2030-01-01T00:00:00Z", notAllowed}, // when is not proven
		{"key-time = \"claimed\"\n", "until = 2030-01-01T00:00:00Z", ""},
		{"key-time = \"claimed\"\n", "until = 2023-11-14T22:13:20Z", notAllowed},
		{"key-time = \"claimed\"\n", "until = 2023-11-14T22:13:21Z", ""},
		{"key-time = \"claimed\"\n", "from = 2023-11-14T22:13:20Z", ""},
		{"key-time = \"claimed\"\n", "from = 2023-11-14T22:13:21Z", notAllowed},
		{"", "compromised = {from = 2030-01-01T00:00:00Z}", notAllowed},
		{"key-time = \"claimed\"\n", "compromised = {from = 2030-01-01T00:00:00Z}", ""},
		{"key-time = \"claimed\"\n", "compromised = {from = 2023-11-14T22:13:20Z, until = 2023-11-14T22:13:21Z}", notAllowed},
	} {
		cfg := h.under("")
		text := "version = 1\n" + test.top + fmt.Sprintf("[identity.dave]\nssh = %q\n%s\n", fingerprint("dave"), test.rest)
		cfg.Policy = parsePolicy(t, text)
		r := wantFaults(t, cfg, append(pair(one, test.want), pair(two, test.want)...)...)
		late := 0
		for f := range r.Findings.All() {
			if f.ID == "key-after-until" {
				late++
			}
		}
		if want := test.want != "" && test.top != "" && strings.HasPrefix(test.rest, "until"); late != map[bool]int{true: 1}[want] {
			t.Errorf("%s: %d notes that the key went on signing, want it %v", test.rest, late, want)
		}
	}
}
