package audit_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// unverifiable are signatures in the formats that this version knows by name
// only, and what is no signature at all.
const (
	openPGP = "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
	openSSH = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
	noArmor = "usage: sign [options]\n"
)

func TestEachObjectGetsItsClass(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		t.Run(generation.String(), func(t *testing.T) {
			a := authority(t, fakeca.Config{Log: generation})
			r := newRepo(t)
			want := make(map[verifier.Class]int)
			var tip []string
			for _, fault := range []fakeca.Fault{
				"", fakeca.TextBeforeBegin, fakeca.TrailingBytes, fakeca.WrongDigest, fakeca.NoEntry, fakeca.EntryOfOtherLog,
				fakeca.ProofHashFlipped, fakeca.CertificateByOther, fakeca.CertificateExpired, fakeca.OldAttribute,
			} {
				tip = []string{r.signed(a, fakeca.Fixture{Fault: fault}, string(fault), tip...)}
				want[verifier.Class(fault.Class())]++
			}
			for class, signature := range map[verifier.Class]string{
				verifier.UnknownKey: openPGP, verifier.MalformedSignature: noArmor,
			} {
				tip = []string{r.write("commit", insertHeader(commitBytes(r.emptyTree(), "other", tip...), "gpgsig", []byte(signature)))}
				want[class]++
			}
			tip = []string{r.write("commit", insertHeader(commitBytes(r.emptyTree(), "ssh", tip...), "gpgsig", []byte(openSSH)))}
			want[verifier.UnknownKey]++
			tip = []string{r.unsigned("unsigned", tip...)}
			want[report.Unsigned]++
			malformed := []byte("tree " + r.emptyTree() + "\nparent " + tip[0] + "\nauthor A <a@example.com> 1 +0000\n\nno committer\n")
			tip = []string{r.write("commit", malformed)}
			want[report.MalformedObject]++
			r.branch("main", tip[0])

			cfg := trusting(t, a.TrustedRoot())
			cfg.Repo = r.open()
			got := run(t, cfg)
			wantClasses(t, got, want)
			if got.Result != report.Violation {
				t.Errorf("result %q, want a violation", got.Result)
			}
		})
	}
}

func TestFindingsHaveTheHintsOfTheConfig(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	r.branch("main", r.unsigned("two", r.signed(a, fakeca.Fixture{Fault: fakeca.EntryOfOtherLog}, "one")))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	for _, hint := range []func(verifier.Class) string{nil, func(class verifier.Class) string { return "mend " + string(class) }} {
		cfg.Hint = hint
		if hint == nil {
			hint = report.Hint
		}
		found := 0
		for finding := range classed(run(t, cfg)) {
			found++
			if want := hint(verifier.Class(finding.ID)); finding.Hint != want || want == "" {
				t.Errorf("hint for %s: %q, want %q", finding.ID, finding.Hint, want)
			}
		}
		if found != 2 {
			t.Errorf("%d findings, want 2", found)
		}
	}
}

func TestGoodHistoryPasses(t *testing.T) {
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := authority(t, fakeca.Config{Clock: func() time.Time { return clock }})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	clock = clock.Add(48 * time.Hour)
	two := r.signed(a, fakeca.Fixture{Subject: "bob@example.com"}, "two", one)
	clock = clock.Add(24 * time.Hour)
	three := r.signed(a, fakeca.Fixture{}, "three", one, two)
	r.branch("main", three)

	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Tool, cfg.TrustSources = r.open(), "gitseal test", []string{"memory"}
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 3})
	if got.Result != report.Pass || !got.Complete || len(got.NotExamined) != 0 {
		t.Errorf("result %q, complete %v, not examined %v", got.Result, got.Complete, got.NotExamined)
	}
	want := []report.Signer{
		{Kind: "keyless", Identity: "alice@example.com", Issuer: a.Issuer(), Objects: 2, Good: 2, Times: report.ProvenTimes,
			First: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Last: time.Date(2026, 1, 5, 3, 4, 5, 0, time.UTC)},
		{Kind: "keyless", Identity: "bob@example.com", Issuer: a.Issuer(), Objects: 1, Good: 1, Times: report.ProvenTimes,
			First: time.Date(2026, 1, 4, 3, 4, 5, 0, time.UTC), Last: time.Date(2026, 1, 4, 3, 4, 5, 0, time.UTC)},
	}
	if len(got.Signers) != 2 || got.Signers[0] != want[0] || got.Signers[1] != want[1] {
		t.Errorf("signers %+v, want %+v", got.Signers, want)
	}
	if len(got.Logs) != 1 || got.Logs[0].Entries != 3 || got.Logs[0].LargestSize < 3 || !strings.HasSuffix(got.Logs[0].Origin, ".gitseal.internal") {
		t.Errorf("logs %+v, want one with 3 objects", got.Logs)
	}
	if got.Trust.Digest != report.Digest(cfg.TrustedRoots[0].Digest()) || got.Tool != "gitseal test" || got.Trust.Sources[0] != "memory" {
		t.Errorf("trust %+v, tool %q", got.Trust, got.Tool)
	}
	if len(got.Scope.Revisions) != 1 || got.Scope.Revisions[0].Revision != "HEAD" || got.Scope.Revisions[0].Resolved[0] != three {
		t.Errorf("scope %+v, want HEAD", got.Scope)
	}
}

func TestPromisesAloneNameTheLogByURL(t *testing.T) {
	a := authority(t, fakeca.Config{Log: fakeca.RekorV1})
	r := newRepo(t)
	r.branch("main", r.signed(a, fakeca.Fixture{Fault: fakeca.PromiseOnly}, "one"))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	got := run(t, cfg)
	if len(got.Logs) != 1 || !strings.HasPrefix(got.Logs[0].Origin, "https://") || got.Logs[0].LargestSize != 0 {
		t.Errorf("logs %+v, want a base URL without a size", got.Logs)
	}
}

func TestPolicyDecidesWhoMaySign(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{Subject: "alice@example.com"}, "one")
	two := r.signed(a, fakeca.Fixture{Subject: "mallory@example.com"}, "two", one)
	r.branch("main", two)

	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.PolicySource = r.open(), "policy.toml"
	cfg.Policy = parsePolicy(t, "version = 1\n[identity.alice]\nsubject = \"alice@example.com\"\nissuer = \""+a.Issuer()+"\"\n")
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 1, verifier.IdentityNotAllowed: 1})
	for f := range classed(got) {
		if f.Object != (report.Object{Type: "commit", OID: two}) || f.Signer == nil || f.Signer.Identity.Subject != "mallory@example.com" {
			t.Errorf("finding %+v, want mallory's commit", f)
		}
	}
	if got.Policy == nil || got.Policy.Digest != report.Digest(cfg.Policy.Digest()) || got.Policy.Source != "policy.toml" {
		t.Errorf("policy %+v", got.Policy)
	}
	if len(got.Signers) != 2 {
		t.Errorf("signers %+v, want both", got.Signers)
	}

	// The zero policy allows nobody.
	cfg.Policy = new(policy.Policy)
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.IdentityNotAllowed: 2})
}

func TestCouldNotTellIsIndeterminate(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	r.branch("main", r.signed(a, fakeca.Fixture{Fault: fakeca.NoEntry}, "one", r.signed(a, fakeca.Fixture{}, "zero")))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 1, verifier.NotLogged: 1})
	if got.Result != report.Indeterminate {
		t.Errorf("result %q, want indeterminate", got.Result)
	}
}

func TestMergetagsAreListedAndNotCounted(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one, two := r.signed(a, fakeca.Fixture{}, "one"), r.signed(a, fakeca.Fixture{}, "two")
	oids := make(map[string]string)
	merge := commitBytes(r.emptyTree(), "merge", one, two)
	for _, a := range []*fakeca.Authority{a, nil} {
		tag := r.tag(a, "asked", two, "commit")
		class := "unsigned"
		if a != nil {
			class = "verified"
		}
		oids[tag] = class
		merge = insertHeader(merge, "mergetag", []byte(r.git("cat-file", "tag", tag)))
	}
	signed := insertHeader(merge, "gpgsig", a.Sign(merge, fakeca.Fixture{}))
	commit := r.write("commit", signed)
	r.branch("main", commit)

	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 3})
	if got.Result != report.Pass || got.Signers[0].Objects != 3 {
		t.Errorf("result %q, signers %+v; mergetags must not count", got.Result, got.Signers)
	}
	for f := range classed(got) {
		if f.Object.Type != "mergetag" || f.ID != oids[f.Object.OID] || f.Severity != report.Note ||
			!strings.Contains(f.Message, commit) || (f.Signer != nil) != (f.ID == "verified") {
			t.Errorf("finding %+v, want one of %v", f, oids)
		}
		delete(oids, f.Object.OID)
	}
	if len(oids) != 0 {
		t.Errorf("mergetags not listed: %v", oids)
	}
}

// TestMergetagOfAnotherMerge has a merge carry a good tag that was made for
// another one.
func TestMergetagOfAnotherMerge(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one, two, other := r.unsigned("one"), r.unsigned("two"), r.unsigned("other")
	tag := r.git("cat-file", "tag", r.tag(a, "asked", other, "commit"))
	r.branch("main", r.write("commit", insertHeader(commitBytes(r.emptyTree(), "merge", one, two), "mergetag", []byte(tag))))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	for f := range classed(run(t, cfg)) {
		if f.Object.Type == "mergetag" && (f.ID != string(report.MalformedObject) || f.Signer != nil) {
			t.Errorf("finding %+v, want a malformed mergetag", f)
		}
	}
}

func TestReportDoesNotDependOnJobs(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	var tip []string
	for i, fault := range []fakeca.Fault{"", fakeca.NoEntry, fakeca.WrongDigest, "", fakeca.NoTimestamp, fakeca.NoSCT, "", fakeca.TrailingBytes} {
		subject := []string{"b@example.com", "a@example.com"}[i%2]
		tip = []string{r.signed(a, fakeca.Fixture{Fault: fault, Subject: subject}, "signed", tip...)}
		tip = []string{r.unsigned("unsigned", tip...)}
	}
	r.branch("main", tip[0])
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	var first []byte
	for _, jobs := range []int{0, 1, 2, 7} {
		cfg.Jobs = jobs
		document := jsonOf(t, run(t, cfg))
		if first == nil {
			first = document
		}
		if !bytes.Equal(document, first) {
			t.Errorf("with %d jobs the report is\n%s\nwant\n%s", jobs, document, first)
		}
	}
}

func TestTrustDigestOfSeveralRoots(t *testing.T) {
	a, b := authority(t, fakeca.Config{}), authority(t, fakeca.Config{})
	r := newRepo(t)
	r.branch("main", r.signed(b, fakeca.Fixture{}, "two", r.signed(a, fakeca.Fixture{}, "one")))
	digests := make(map[report.Digest]bool)
	for _, roots := range [][][]byte{{a.TrustedRoot()}, {b.TrustedRoot()}, {a.TrustedRoot(), b.TrustedRoot()}} {
		cfg := trusting(t, roots...)
		cfg.Repo = r.open()
		got := run(t, cfg)
		digests[got.Trust.Digest] = true
		if want := len(roots); got.Totals.Classes[verifier.Verified] != want {
			t.Errorf("%d verified under %d roots", got.Totals.Classes[verifier.Verified], want)
		}
	}
	if len(digests) != 3 {
		t.Errorf("%d different digests of three trusts", len(digests))
	}
}

func TestCancelledAudit(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	r.branch("main", r.unsigned("two", r.unsigned("one")))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Progress = func(int, int) { cancel() }
	got, err := audit.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got.Complete || !omitted(got, "the rest of the history") || got.Totals.Examined == 0 {
		t.Errorf("complete %v, examined %d, not examined %v; want what there was of it", got.Complete, got.Totals.Examined, got.NotExamined)
	}
}

func TestRunNeedsRepositoryAndVerifier(t *testing.T) {
	if _, err := audit.Run(t.Context(), audit.Config{}); err == nil {
		t.Error("Run without repository and verifier succeeded")
	}
}

func TestBytesOfAnotherObject(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	two := r.signed(a, fakeca.Fixture{}, "two", one)
	r.branch("main", two)
	changed := strings.Replace(r.git("cat-file", "commit", two)+"\n", "\ntwo", "\ntow", 1)
	r.overwrite(two, "commit", []byte(changed))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	got := run(t, cfg)
	if got.Result == report.Pass || got.Totals.Classes[report.MalformedObject] == 0 && got.Complete {
		t.Errorf("result %q, totals %+v: changed bytes went unnoticed", got.Result, got.Totals)
	}
}

func TestHistoryHiddenByACycle(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	root := r.signed(a, fakeca.Fixture{}, "root")
	bad := r.unsigned("bad", root)
	one := r.signed(a, fakeca.Fixture{}, "one", bad)
	two := r.signed(a, fakeca.Fixture{}, "two", one)
	r.branch("main", two)
	// Git, finding that one is its own parent, lists two alone, and ends
	// well.
	data, err := os.ReadFile(r.looseFile(two))
	if err != nil {
		t.Fatal(err)
	}
	r.remove(one)
	if err := os.WriteFile(r.looseFile(one), data, 0o444); err != nil {
		t.Fatal(err)
	}
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	if got := run(t, cfg); got.Result == report.Pass || got.Complete && got.Totals.Classes[report.MalformedObject] == 0 {
		t.Errorf("result %q, complete %v, totals %+v: hidden history went unnoticed", got.Result, got.Complete, got.Totals)
	}
	cfg.Revisions = []string{root + ".." + two}
	if got := run(t, cfg); got.Result == report.Pass || got.Complete && got.Totals.Classes[report.MalformedObject] == 0 {
		t.Errorf("of a range: result %q, complete %v, totals %+v: hidden history went unnoticed", got.Result, got.Complete, got.Totals)
	}
}

// TestHistoryHiddenBehindTheExcluded has an object in the history that is left
// out that names, in bytes that are not its own, an unsigned commit from after
// it. Git passes over that commit as left out; the report must not.
func TestHistoryHiddenBehindTheExcluded(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	one := r.signed(a, fakeca.Fixture{}, "one")
	two := r.signed(a, fakeca.Fixture{}, "two", one)
	hidden := r.unsigned("hidden", two)
	tip := r.signed(a, fakeca.Fixture{}, "tip", hidden)
	r.branch("main", tip)
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Revisions = r.open(), []string{two + ".." + tip}
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.Verified: 1, report.Unsigned: 1})

	r.overwrite(one, "commit", commitBytes(r.emptyTree(), "one", hidden))
	got := run(t, cfg)
	if got.Totals.Classes[report.Unsigned] == 0 && (got.Complete || got.Result != report.Indeterminate || !omitted(got, "git did not list")) {
		t.Errorf("result %q, complete %v, totals %+v, not examined %v", got.Result, got.Complete, got.Totals, got.NotExamined)
	}
}

// TestHistoryHiddenBehindAFalseMergeBase has git take an unsigned commit of
// one side for a merge base of both.
func TestHistoryHiddenBehindAFalseMergeBase(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	root := r.signed(a, fakeca.Fixture{}, "root")
	one := r.signed(a, fakeca.Fixture{}, "one", root)
	// Old, so that git comes to it last.
	hidden := r.write("commit", bytes.ReplaceAll(commitBytes(r.emptyTree(), "hidden", one), []byte("1700000000"), []byte("1000000000")))
	r.branch("left", r.signed(a, fakeca.Fixture{}, "left", hidden))
	r.branch("right", r.signed(a, fakeca.Fixture{}, "right", one))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Revisions = r.open(), []string{"left...right"}
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.Verified: 2, report.Unsigned: 1})

	r.overwrite(root, "commit", commitBytes(r.emptyTree(), "root", hidden))
	got, err := audit.Run(t.Context(), cfg)
	if err == nil && (got.Result == report.Pass || got.Complete && got.Totals.Classes[report.Unsigned] == 0) {
		t.Errorf("result %q, complete %v, totals %+v, revisions %v: hidden history went unnoticed", got.Result, got.Complete, got.Totals, got.Scope.Revisions)
	}
}
