package audit_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/audit/cache"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// mixed makes a history with objects of every kind: every class that a
// signature can have here, merges, mergetags, tags and tags of tags. Its
// policy has rules for refs and paths, a threshold and an exemption.
func mixed(t testing.TB) (*history, audit.Config) {
	t.Helper()
	a := authority(t, fakeca.Config{})
	h := newHistory(t)
	cfg := trusting(t, a.TrustedRoot())
	h.keys.expires = map[string]time.Time{"carol": time.Unix(1700000500, 0)}
	cfg.Keys.SSH = h.keys
	h.cfg = cfg

	tip := h.commit(commitment{by: "alice", files: tree("infra/a", "0")})
	var exempt string
	for i, fault := range []fakeca.Fault{"", fakeca.TrailingBytes, fakeca.WrongDigest, fakeca.NoEntry, fakeca.ProofHashFlipped, fakeca.CertificateByOther} {
		tip = h.signed(a, fakeca.Fixture{Fault: fault}, fmt.Sprint(i), tip)
		side := h.commit(commitment{by: "bob", files: tree("infra/a", fmt.Sprint(i)), date: fmt.Sprintf("%d +0100", 1600000000+i*5000000)}, tip)
		asked := h.tagged("carol", "asked", side, "commit")
		tip = h.commit(commitment{by: []string{"alice", "carol", "forge", "nobody", ""}[i%5], files: tree("infra/a", "1"), mergetags: []string{asked}}, tip, side)
		exempt = tip
	}
	for _, signature := range []string{openPGP, openSSH, noArmor} {
		tip = h.object("commit", insertHeader(commitBytes(h.files(nil), "other", tip), "gpgsig", []byte(signature)))
	}
	tip = h.object("commit", []byte("tree "+h.files(nil)+"\nparent "+tip+"\nauthor A <a@example.com> 1 +0000\n\nno committer\n"))
	h.branch("main", tip)
	h.branch("topic", h.by("bob", "topic", tip))
	inner := h.tagged("alice", "v1", tip, "commit")
	h.ref("refs/tags/v1", inner)
	h.ref("refs/tags/outer", h.tagged("bob", "v1", inner, "tag"))
	h.ref("refs/tags/light", tip)

	cfg = h.under(twoOnMain + onlyAlice + fmt.Sprintf("[[rule]]\nrefs=[\"refs/tags/**\"]\nallow=[\"alice\"]\n[[exempt]]\nobject=%q\nreason=\"old\"\n", exempt))
	return h, cfg
}

// kept returns the Config with a cache in a file, and what saves it.
func kept(t testing.TB, cfg audit.Config, file string) (audit.Config, func()) {
	t.Helper()
	c, err := cache.Open(cache.Config{File: file, Key: cfg.CacheKey(), Format: string(cfg.Repo.ObjectFormat())})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Cache = c
	return cfg, func() {
		t.Helper()
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
	}
}

// rowsOf returns the report's JSON document, with a row for each object.
func rowsOf(t testing.TB, cfg audit.Config) []byte {
	t.Helper()
	var b bytes.Buffer
	cfg.Row = func(r report.Row) { fmt.Fprintf(&b, "%+v %+v\n", r, r.Signer) }
	document := jsonOf(t, run(t, cfg))
	return append(document, b.Bytes()...)
}

// wantCached checks that an audit with what is in a file finds what one
// without does, and returns how many objects it knew before.
func wantCached(t *testing.T, name string, cfg audit.Config, file string) (known int) {
	t.Helper()
	want := rowsOf(t, cfg)
	cfg, save := kept(t, cfg, file)
	known = cfg.Cache.Len()
	if got := rowsOf(t, cfg); !bytes.Equal(got, want) {
		t.Errorf("%s: with a cache of %d the report is\n%s\nwant\n%s", name, known, firstDifference(got, want), firstDifference(want, got))
	}
	save()
	return known
}

// firstDifference returns the part of a where it is no longer like b.
func firstDifference(a, b []byte) []byte {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[max(0, i-200):min(len(a), i+200)]
}

func TestReportDoesNotDependOnTheCache(t *testing.T) {
	t.Parallel()
	h, cfg := mixed(t)
	file := filepath.Join(t.TempDir(), "verdicts")
	if n := wantCached(t, "cold", cfg, file); n != 0 {
		t.Errorf("a new cache has %d objects", n)
	}
	known := wantCached(t, "warm", cfg, file)
	if want := run(t, cfg).Totals.Commits - 1; known < want { // not the malformed one
		t.Errorf("the cache has %d objects, want %d at least", known, want)
	}

	// Other jobs, other scopes, another policy: the facts are the same.
	other := cfg
	other.Jobs = 7
	wantCached(t, "jobs", other, file)
	other.All, other.Revisions = false, []string{"main"}
	wantCached(t, "one branch", other, file)
	other.FirstParent = true
	wantCached(t, "first parent", other, file)
	other = cfg
	other.Policy = nil
	wantCached(t, "no policy", other, file)
	other.Policy = new(policy.Policy)
	wantCached(t, "nobody", other, file)

	// New commits.
	h.branch("main", h.by("alice", "new", h.git("rev-parse", "main")))
	wantCached(t, "new commits", h.under(""), file)
	wantCached(t, "new commits again", h.under(""), file)

	// A key expires, of signatures and mergetags.
	later := h.under("")
	at := time.Unix(1700000600, 0)
	later.Now = func() time.Time { return at }
	keys := *h.keys
	keys.at = at
	later.Keys.SSH = &keys
	before, after := run(t, h.under("")), run(t, later)
	if before.Totals.Classes[verifier.ExpiredKey] != 0 || after.Totals.Classes[verifier.ExpiredKey] == 0 {
		t.Errorf("expired keys: %d and then %d, want none and then some", before.Totals.Classes[verifier.ExpiredKey], after.Totals.Classes[verifier.ExpiredKey])
	}
	if n := wantCached(t, "expired", later, file); n < known {
		t.Errorf("the cache has %d objects, want %d at least", n, known)
	}

	// Other keys, another trusted root, another program: nothing is known.
	keys.salt = "other"
	for name, cfg := range map[string]audit.Config{"keys": later, "trust": func() audit.Config {
		cfg := trusting(t, root)
		cfg.Repo, cfg.All, cfg.Keys.SSH = h.open(), true, h.keys
		return cfg
	}(), "tool": func() audit.Config {
		cfg := h.under("")
		cfg.Tool = "gitseal 2"
		return cfg
	}()} {
		if n := wantCached(t, name, cfg, file); n != 0 {
			t.Errorf("%s: the cache has %d objects under another key", name, n)
		}
	}
}

func TestCacheThatIsDamaged(t *testing.T) {
	t.Parallel()
	_, cfg := mixed(t)
	file := filepath.Join(t.TempDir(), "verdicts")
	wantCached(t, "cold", cfg, file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := rowsOf(t, cfg)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 9 {
		damaged := bytes.Clone(whole)
		switch {
		case i < 3:
			damaged = damaged[:random.IntN(len(whole))]
		case i < 6:
			damaged[random.IntN(len(whole))] ^= 1 << random.IntN(8)
		default:
			copy(damaged[random.IntN(len(whole)):], whole[random.IntN(len(whole)):])
		}
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := cfg
		// Damage is said, and what comes before it is used.
		cfg.Cache, _ = cache.Open(cache.Config{File: file, Key: cfg.CacheKey(), Format: "sha1"})
		if got := rowsOf(t, cfg); !bytes.Equal(got, want) {
			t.Errorf("%d: with a damaged cache the report is\n%s\nwant\n%s", i, firstDifference(got, want), firstDifference(want, got))
		}
	}
}

// TestCacheThatChangesUnderneath has the file replaced once it is open.
func TestCacheThatChangesUnderneath(t *testing.T) {
	t.Parallel()
	_, cfg := mixed(t)
	file := filepath.Join(t.TempDir(), "verdicts")
	wantCached(t, "cold", cfg, file)
	want := rowsOf(t, cfg)
	cfg, _ = kept(t, cfg, file)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Repeat([]byte{0xa5}, int(info.Size())), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, cfg); !bytes.Equal(got, want) {
		t.Errorf("the report is\n%s\nwant\n%s", firstDifference(got, want), firstDifference(want, got))
	}
}

func TestMissingObjectsAreLookedForAgain(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	two := h.by("alice", "two", one)
	h.branch("main", two)
	gone := h.by("alice", "gone", one)
	h.branch("topic", gone)
	data := h.git("cat-file", "commit", gone) + "\n"
	h.remove(gone)
	file := filepath.Join(t.TempDir(), "verdicts")
	for range 2 {
		wantCached(t, "missing", h.under(""), file)
	}
	cfg, _ := kept(t, h.under(""), file)
	if r := run(t, cfg); r.Totals.Classes[report.MissingObject] != 1 || r.Result != report.Indeterminate {
		t.Errorf("totals %v, result %q, want a missing object", r.Totals.Classes, r.Result)
	}
	h.put(gone, "commit", []byte(data))
	cfg, _ = kept(t, h.under(""), file)
	if r := run(t, cfg); r.Result != report.Pass || !r.Complete {
		t.Errorf("totals %v, result %q, want a pass now that it is there", r.Totals.Classes, r.Result)
	}
}

// TestEntriesAreNotRemembered verifies commits, a tag and mergetags by entries
// that are found outside, which the next audit does without. One mergetag is in
// a merge of which no entry is found.
func TestEntriesAreNotRemembered(t *testing.T) {
	a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
	r := newRepo(t)
	tip := r.onlineCommit(a, k, fakeca.Fixture{}, "one")
	for i, of := range []*knownEntries{k, newEntries()} {
		side := r.onlineCommit(a, k, fakeca.Fixture{}, fmt.Sprint("side ", i), tip)
		payload := fmt.Appendf(nil, "object %s\ntype commit\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nv1\n", side)
		tag := append(payload, k.online(t, a, "tag", payload, fakeca.Fixture{})...)
		r.git("update-ref", fmt.Sprint("refs/tags/v1-", i), r.write("tag", tag))
		merge := insertHeader(commitBytes(r.emptyTree(), fmt.Sprint("merge ", i), tip, side), "mergetag", tag)
		tip = r.write("commit", insertHeader(merge, "gpgsig", of.online(t, a, "commit", merge, fakeca.Fixture{})))
	}
	r.branch("main", r.onlineCommit(a, newEntries(), fakeca.Fixture{}, "of which there is none", tip))
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	with := cfg
	with.Entries = k
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.NotLogged: 8})
	wantClasses(t, run(t, with), map[verifier.Class]int{verifier.NotLogged: 2, verifier.Verified: 6})
	file := filepath.Join(t.TempDir(), "verdicts")
	for i, cfg := range []audit.Config{cfg, with, with, cfg, with, cfg} {
		wantCached(t, fmt.Sprint(i), cfg, file)
	}
	file = filepath.Join(t.TempDir(), "verdicts")
	for i, cfg := range []audit.Config{with, cfg} {
		wantCached(t, fmt.Sprint("with entries first ", i), cfg, file)
	}
}

// TestCorruptObjectsThatAreKnown has the bytes of a commit change after an
// audit has seen them: what was found of it was found of the bytes that its id
// names.
func TestCorruptObjectsThatAreKnown(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	two := h.by("alice", "two", one)
	h.branch("main", h.by("alice", "three", two))
	file := filepath.Join(t.TempDir(), "verdicts")
	wantCached(t, "cold", h.under(""), file)
	// Git is led past one, to another root.
	other := h.by("mallory", "other")
	h.put(two, "commit", h.bytes(commitment{by: "alice", message: "two"}, other))
	for range 2 {
		cfg, _ := kept(t, h.under(""), file)
		r := run(t, cfg)
		if r.Result == report.Pass && r.Complete {
			t.Errorf("totals %v, result %q, want not all of the history", r.Totals.Classes, r.Result)
		}
	}
	if r := run(t, h.under("")); r.Result == report.Pass || !strings.Contains(fmt.Sprint(r.Totals.Classes), "malformed") {
		t.Errorf("without a cache: totals %v, result %q", r.Totals.Classes, r.Result)
	}
}

func TestReportDoesNotDependOnTheOrderOfRevisions(t *testing.T) {
	t.Parallel()
	h, cfg := mixed(t)
	cfg.All = false
	first, second := h.git("rev-parse", "main~2"), h.git("rev-parse", "main~4^2")
	h.branch("a", first)
	h.branch("b", second)
	cfg.Repo = h.open()
	var want map[string][]string
	for _, revisions := range [][]string{{"main", "a", "b", "topic"}, {"topic", "b", "a", "main"}, {"b", "main", "topic", "a", "b"}} {
		cfg.Revisions = revisions
		r := run(t, cfg)
		if want == nil {
			want = faults(r)
		}
		if got := faults(r); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: findings %v, want %v", revisions, got, want)
		}
	}
}
