package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/internal/tlog"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// knownEntries are entries by the object they are of.
type knownEntries struct {
	byObject map[string][][]byte
	err      error                    // returned with whatever is found
	find     func(certificate []byte) // called first; nil: nothing

	mu             sync.Mutex
	asked          []string // guarded by mu
	inFlight, most int      // guarded by mu

}

func newEntries() *knownEntries { return &knownEntries{byObject: make(map[string][][]byte)} }

func (k *knownEntries) String() string { return "what the test knows" }

func (k *knownEntries) Find(ctx context.Context, certificate []byte, object string) ([][]byte, error) {
	k.mu.Lock()
	k.asked = append(k.asked, object)
	k.inFlight++
	k.most = max(k.most, k.inFlight)
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.inFlight--
		k.mu.Unlock()
	}()
	if k.find != nil {
		k.find(certificate)
	}
	return k.byObject[object], errors.Join(k.err, ctx.Err())
}

// object returns the id of an object with that signature, as gitsign computes
// it: with the headers of a SHA-1 repository, and as SHA-1.
func object(t testing.TB, typ string, payload, signature []byte) string {
	t.Helper()
	data := append(bytes.Clone(payload), signature...)
	if typ == "commit" {
		data = insertHeader(payload, "gpgsig", signature)
	}
	oid, err := gitutil.HashObject(gitutil.SHA1, typ, data)
	if err != nil {
		t.Fatal(err)
	}
	return oid
}

// online signs a payload and keeps the entry outside of the signature.
func (k *knownEntries) online(t testing.TB, a *fakeca.Authority, typ string, payload []byte, f fakeca.Fixture) (signature []byte) {
	t.Helper()
	var id string
	signature, entry := a.SignOnline(payload, func(armored []byte) string {
		id = object(t, typ, payload, armored)
		return id
	}, f)
	if entry != nil {
		k.byObject[id] = append(k.byObject[id], entry)
	}
	return signature
}

// onlineCommit writes a commit whose entry is kept outside of it.
func (r *testRepo) onlineCommit(a *fakeca.Authority, k *knownEntries, f fakeca.Fixture, message string, parents ...string) string {
	r.t.Helper()
	payload := commitBytes(r.emptyTree(), message, parents...)
	name := "gpgsig"
	if r.sha256() {
		name = "gpgsig-sha256"
	}
	return r.write("commit", insertHeader(payload, name, k.online(r.t, a, "commit", payload, f)))
}

func TestEntriesOutsideOfSignatures(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
			r := newRepo(t, "--object-format="+format)
			one := r.onlineCommit(a, k, fakeca.Fixture{}, "one")
			two := r.onlineCommit(a, k, fakeca.Fixture{}, "two", one)
			payload := fmt.Appendf(nil, "object %s\ntype commit\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nv1\n", two)
			tag := r.write("tag", append(payload, k.online(t, a, "tag", payload, fakeca.Fixture{})...))
			r.branch("main", two)
			r.git("update-ref", "refs/tags/v1", tag)

			cfg := trusting(t, a.TrustedRoot())
			cfg.Repo, cfg.All = r.open(), true
			got := run(t, cfg)
			wantClasses(t, got, map[verifier.Class]int{verifier.NotLogged: 3})
			cfg.Entries = k
			got = run(t, cfg)
			wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 3})
			if got.Result != report.Pass || len(got.Logs) != 1 || got.Logs[0].Entries != 3 {
				t.Errorf("result %q, logs %+v; want to pass by one log", got.Result, got.Logs)
			}
		})
	}
}

// In a SHA-1 repository, what is put together again is what git wrote.
func TestEntryObjectIsTheObject(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	commit := r.signed(a, fakeca.Fixture{}, "one")
	merge := r.signed(a, fakeca.Fixture{}, "merge\n\nof two", commit, r.signed(a, fakeca.Fixture{}, "two"))
	for oid, split := range map[string]func([]byte, gitutil.Format) (gitutil.Split, error){
		commit: gitutil.SplitCommit, merge: gitutil.SplitCommit, r.tag(a, "v1", merge, "commit"): gitutil.SplitTag,
	} {
		object, err := r.open().Object(t.Context(), oid)
		if err != nil {
			t.Fatal(err)
		}
		s, err := split(object.Data, gitutil.SHA1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := audit.EntryObject(s.Payload, s.Signature); err != nil || got != oid {
			t.Errorf("EntryObject of %s %s = %s, %v", object.Type, oid, got, err)
		}
	}
	for _, payload := range []string{"", "certificate version 0.1\n\n", "tree of nothing", "\n\nobject "} {
		if got, err := audit.EntryObject([]byte(payload), []byte("signature")); err == nil {
			t.Errorf("EntryObject of %q = %s, want an error", payload, got)
		}
	}
}

// A merge has a tag inside, whose id is its own.
func TestEntriesOfMergetags(t *testing.T) {
	a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
	r := newRepo(t)
	one, two := r.onlineCommit(a, k, fakeca.Fixture{}, "one"), r.onlineCommit(a, k, fakeca.Fixture{}, "two")
	payload := fmt.Appendf(nil, "object %s\ntype commit\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nv1\n", two)
	tag := append(payload, k.online(t, a, "tag", payload, fakeca.Fixture{})...)
	merge := insertHeader(commitBytes(r.emptyTree(), "merge", one, two), "mergetag", tag)
	r.branch("main", r.write("commit", insertHeader(merge, "gpgsig", k.online(t, a, "commit", merge, fakeca.Fixture{}))))

	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Entries = r.open(), k
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 3})
	listed := 0
	for f := range classed(got) {
		if listed++; f.Object.Type != "mergetag" || f.ID != string(verifier.Verified) || f.Signer == nil {
			t.Errorf("finding %+v, want a verified mergetag", f)
		}
	}
	if listed != 1 {
		t.Errorf("%d findings, want the mergetag", listed)
	}
}

// What is embedded decides alone, good or bad, and nothing else is looked for.
func TestEntriesAreNotLookedForInVain(t *testing.T) {
	a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
	r := newRepo(t)
	var tip []string
	want := make(map[verifier.Class]int)
	for _, fault := range []fakeca.Fault{"", fakeca.TrailingBytes, fakeca.WrongDigest, fakeca.ProofHashFlipped, fakeca.PromiseFlipped, fakeca.NoPromise, fakeca.CertificateByOther} {
		tip = []string{r.signed(a, fakeca.Fixture{Fault: fault}, string(fault), tip...)}
		want[verifier.Class(fault.Class())]++
	}
	r.branch("main", r.unsigned("unsigned", tip...))
	want[report.Unsigned]++
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Entries = r.open(), k
	wantClasses(t, run(t, cfg), want)
	if len(k.asked) != 0 {
		t.Errorf("entries of %v were looked for", k.asked)
	}
}

// An entry from outside goes through the checks of one that is embedded.
func TestEntriesAreNotBelieved(t *testing.T) {
	a, other := authority(t, fakeca.Config{Log: fakeca.RekorV1}), authority(t, fakeca.Config{Log: fakeca.RekorV1})
	change := func(spoil func(e *tlog.Entry)) func([][]byte, []byte) [][]byte {
		return func(entries [][]byte, _ []byte) [][]byte {
			e, err := tlog.ParseEntry(entries[0])
			if err != nil {
				t.Fatal(err)
			}
			spoil(e)
			return [][]byte{e.Marshal()}
		}
	}
	for name, tt := range map[string]struct {
		fault  fakeca.Fault
		change func(entries [][]byte, of []byte) [][]byte
		want   verifier.Class
	}{
		"good":                    {"", nil, verifier.Verified},
		"none":                    {fakeca.NoEntry, nil, verifier.NotLogged},
		"forged promise":          {fakeca.PromiseFlipped, nil, verifier.BadLogProof},
		"forged time":             {fakeca.IntegratedTimeChanged, nil, verifier.BadLogProof},
		"forged checkpoint":       {fakeca.CheckpointForged, nil, verifier.BadLogProof},
		"nothing tells the time":  {fakeca.NoPromise, nil, verifier.BadTime},
		"outside the certificate": {fakeca.CertificateExpired, nil, verifier.BadTime},
		"of another log":          {"", change(func(e *tlog.Entry) { e.LogID[0] ^= 1 }), verifier.UntrustedLog},
		"of another object":       {"", func([][]byte, []byte) [][]byte { return [][]byte{entryOf(t, a, "another object")} }, verifier.NotLogged},
		"unreadable":              {"", func([][]byte, []byte) [][]byte { return [][]byte{[]byte("entry")} }, verifier.NotLogged},
		"of another certificate":  {"", func(_ [][]byte, id []byte) [][]byte { return [][]byte{entryOf(t, a, string(id))} }, verifier.NotLogged},
		"by another authority":    {"", func(_ [][]byte, id []byte) [][]byte { return [][]byte{entryOf(t, other, string(id))} }, verifier.NotLogged},
		"without its body":        {"", change(func(e *tlog.Entry) { e.CanonicalizedBody = nil }), verifier.NotLogged},
		"a good one beside others": {"", func(entries [][]byte, id []byte) [][]byte {
			return append([][]byte{entryOf(t, a, string(id)), nil}, entries...)
		}, verifier.Verified},
	} {
		t.Run(name, func(t *testing.T) {
			k, r := newEntries(), newRepo(t)
			r.branch("main", r.onlineCommit(a, k, fakeca.Fixture{Fault: tt.fault}, "one"))
			for id, entries := range k.byObject {
				if tt.change != nil {
					k.byObject[id] = tt.change(entries, []byte(id))
				}
			}
			cfg := trusting(t, a.TrustedRoot())
			cfg.Repo, cfg.Entries = r.open(), k
			got := run(t, cfg)
			wantClasses(t, got, map[verifier.Class]int{tt.want: 1})
			for f := range classed(got) {
				if tt.want == verifier.NotLogged && !strings.HasSuffix(f.Message, "; none was found in what the test knows") {
					t.Errorf("message %q does not say that an entry was looked for", f.Message)
				}
			}
		})
	}
}

// entryOf returns an entry of an object by a certificate made for it.
func entryOf(t testing.TB, a *fakeca.Authority, object string) []byte {
	t.Helper()
	_, entry := a.SignOnline([]byte("payload"), func([]byte) string { return object }, fakeca.Fixture{})
	return entry
}

// That a log did not answer is said once, and is not held against anybody.
func TestEntriesThatCouldNotBeLookedFor(t *testing.T) {
	a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
	r := newRepo(t)
	var tip []string
	for i := range 12 {
		tip = []string{r.onlineCommit(a, k, fakeca.Fixture{}, fmt.Sprint(i), tip...)}
	}
	clear(k.byObject)
	tip = []string{r.onlineCommit(a, k, fakeca.Fixture{}, "found", tip...)}
	r.branch("main", tip[0])
	k.err = errors.New("Rekor at https://rekor.example: connection refused")
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Entries = r.open(), k
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.NotLogged: 12, verifier.Verified: 1})
	if got.Result != report.Indeterminate || got.Complete {
		t.Errorf("result %q, complete %v; want indeterminate and incomplete", got.Result, got.Complete)
	}
	if want := []report.Omission{{What: "log entries that are not in the signatures", Reason: k.err.Error()}}; !slices.Equal(got.NotExamined, want) {
		t.Errorf("not examined: %+v, want %+v", got.NotExamined, want)
	}
	for f := range classed(got) {
		if want := "; whether a log has one could not be told: " + k.err.Error(); !strings.HasSuffix(f.Message, want) {
			t.Errorf("message %q, want one that ends with %q", f.Message, want)
		}
	}
}

func TestReasonsThatEntriesCouldNotBeLookedForAreBounded(t *testing.T) {
	a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
	r := newRepo(t)
	var tip []string
	for i := range 20 {
		tip = []string{r.onlineCommit(a, k, fakeca.Fixture{}, fmt.Sprint(i), tip...)}
	}
	clear(k.byObject)
	r.branch("main", tip[0])
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Entries = r.open(), reasons{k}
	if got := run(t, cfg); len(got.NotExamined) != 8 {
		t.Errorf("%d omissions, want 8", len(got.NotExamined))
	}
}

// reasons has another reason for each object.
type reasons struct{ *knownEntries }

func (r reasons) Find(_ context.Context, _ []byte, object string) ([][]byte, error) {
	return nil, errors.New("no answer about " + object)
}

// TestManyEntriesAreLookedForAtOnce has a thousand commits, of whose entries
// the first comes only when as many are waited for as may be.
func TestManyEntriesAreLookedForAtOnce(t *testing.T) {
	a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
	r := newRepo(t)
	const commits, lookups = 1000, 16
	want := r.onlineHistory(a, k, commits)
	missing := make(map[string]bool)
	for i, oid := range want {
		if i%7 == 0 {
			delete(k.byObject, oid)
			missing[oid] = true
		}
	}
	full := make(chan struct{})
	var once sync.Once
	k.find = func([]byte) {
		k.mu.Lock()
		most := k.most
		k.mu.Unlock()
		if most == lookups {
			once.Do(func() { close(full) })
		}
		<-full
	}
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Entries, cfg.Jobs = r.open(), k, 2
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: commits - len(missing), verifier.NotLogged: len(missing)})
	if k.most != lookups {
		t.Errorf("up to %d lookups at once, want %d", k.most, lookups)
	}
	if len(k.asked) != commits {
		t.Errorf("%d lookups, want %d", len(k.asked), commits)
	}
	var order []string
	for f := range classed(got) {
		order = append(order, f.Object.OID)
	}
	slices.Reverse(want)
	if wanted := slices.DeleteFunc(want, func(oid string) bool { return !missing[oid] }); !slices.Equal(order, wanted) {
		t.Error("findings are not in the order of the history")
	}
}

// onlineHistory writes a line of commits whose entries are kept outside, and
// returns their ids, the first first.
func (r *testRepo) onlineHistory(a *fakeca.Authority, k *knownEntries, n int) (oids []string) {
	r.t.Helper()
	dir := r.t.TempDir()
	tree := r.emptyTree()
	var paths bytes.Buffer
	for i := range n {
		payload := commitBytes(tree, fmt.Sprint(i), oids[max(0, i-1):]...)
		data := insertHeader(payload, "gpgsig", k.online(r.t, a, "commit", payload, fakeca.Fixture{}))
		oid, err := gitutil.HashObject(gitutil.SHA1, "commit", data)
		if err != nil {
			r.t.Fatal(err)
		}
		path := filepath.Join(dir, oid)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintln(&paths, path)
		oids = append(oids, oid)
	}
	r.run(r.dir, paths.Bytes(), "hash-object", "-t", "commit", "-w", "--literally", "--stdin-paths", "--no-filters")
	r.branch("main", oids[n-1])
	return oids
}

func TestCancelledAuditWaitsForNoLog(t *testing.T) {
	a, k := authority(t, fakeca.Config{Log: fakeca.RekorV1}), newEntries()
	r := newRepo(t)
	r.onlineHistory(a, k, 40)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.find = func([]byte) {
		cancel()
		<-ctx.Done()
	}
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Entries = r.open(), k
	if got, err := audit.Run(ctx, cfg); err != nil || got.Complete {
		t.Errorf("Run = %v, %v; want a report that is not complete", got, err)
	}
}
