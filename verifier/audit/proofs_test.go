package audit_test

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// knownProofs are proofs by the key of the signature they are said to be of.
type knownProofs struct {
	err error // returned with whatever is found

	mu    sync.Mutex
	byKey map[[32]byte][]verifier.Proof // guarded by mu
	asked int                           // guarded by mu
}

func newProofs() *knownProofs { return &knownProofs{byKey: make(map[[32]byte][]verifier.Proof)} }

func (k *knownProofs) Find(ctx context.Context, key [32]byte) ([]verifier.Proof, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	return k.byKey[key], errors.Join(k.err, ctx.Err())
}

func (k *knownProofs) Version(ctx context.Context, key [32]byte) (version [32]byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if found := k.byKey[key]; len(found) > 0 {
		h := sha256.New()
		for _, p := range found {
			h.Write(p.Entry)
		}
		h.Sum(version[:0])
	}
	return version, errors.Join(k.err, ctx.Err())
}

// later signs a payload without an entry, makes that afterwards, and keeps it.
func (k *knownProofs) later(t testing.TB, a *fakeca.Authority, payload []byte) (signature []byte) {
	t.Helper()
	signature = a.Sign(payload, fakeca.Fixture{Fault: fakeca.NoEntry, Timestamp: true})
	key, err := verifier.ProofKey(signature)
	if err != nil {
		t.Fatal(err)
	}
	k.byKey[key] = append(k.byKey[key], proofOf(t, a, signature))
	return signature
}

// proofOf has a log record a signature.
func proofOf(t testing.TB, a *fakeca.Authority, signature []byte) verifier.Proof {
	t.Helper()
	block, _ := pem.Decode(signature)
	sd, err := cms.Parse(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}
	entry, err := a.Add(t.Context(), sha256.Sum256(signed), sd.Signer.Signature, sd.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Proof{Entry: entry}
}

// laterCommit writes a commit whose entry is kept outside of it.
func (r *testRepo) laterCommit(a *fakeca.Authority, k *knownProofs, message string, parents ...string) string {
	r.t.Helper()
	payload := commitBytes(r.emptyTree(), message, parents...)
	name := "gpgsig"
	if r.sha256() {
		name = "gpgsig-sha256"
	}
	return r.write("commit", insertHeader(payload, name, k.later(r.t, a, payload)))
}

// A merge, a mergetag in it and a tag are proven by what the repository keeps as
// by what is embedded.
func TestProofsCountLikeEmbeddedEntries(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		for _, log := range []fakeca.Generation{fakeca.RekorV1, fakeca.RekorV2} {
			a, k := authority(t, fakeca.Config{Log: log}), newProofs()
			r := newRepo(t, "--object-format="+format)
			one, two := r.laterCommit(a, k, "one"), r.laterCommit(a, k, "two")
			payload := fmt.Appendf(nil, "object %s\ntype commit\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nv1\n", two)
			tag := append(payload, k.later(t, a, payload)...)
			merge := insertHeader(commitBytes(r.emptyTree(), "merge", one, two), "mergetag", tag)
			header := "gpgsig"
			if format == "sha256" {
				header = "gpgsig-sha256"
			}
			tip := r.write("commit", insertHeader(merge, header, k.later(t, a, merge)))
			r.branch("main", tip)
			r.git("update-ref", "refs/tags/v1", r.write("tag", tag))

			cfg := trusting(t, a.TrustedRoot())
			cfg.Repo, cfg.All = r.open(), true
			wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.NotLogged: 4})
			cfg.Proofs = k
			got := run(t, cfg)
			wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 4})
			if got.Result != report.Pass || len(got.Logs) != 1 || got.Logs[0].Entries != 4 {
				t.Errorf("%s, %v: result %q, logs %+v; want to pass by one log", format, log, got.Result, got.Logs)
			}
			object, err := r.open().Object(t.Context(), one)
			if err != nil {
				t.Fatal(err)
			}
			v := (&audit.Judge{Format: cfg.Repo.ObjectFormat(), Verifier: cfg.Verifier, Allowed: audit.Anyone{}, Proofs: k}).Object(t.Context(), object)
			if v.Result == nil || !slices.Contains(v.Result.Notes, audit.ProofsNote) || slices.Contains(v.Result.Notes, "log entry from outside the signature") {
				t.Errorf("%s, %v: the verdict %+v does not say where the entry is from", format, log, v)
			}
		}
	}
}

// What is embedded decides alone, and proofs of others prove nothing.
func TestProofsAreNotBelieved(t *testing.T) {
	a, other, k := authority(t, fakeca.Config{}), authority(t, fakeca.Config{}), newProofs()
	r := newRepo(t)
	tip := r.signed(a, fakeca.Fixture{Fault: fakeca.ProofHashFlipped}, "embedded")
	tip = r.signed(a, fakeca.Fixture{}, "good", tip)
	r.branch("main", tip)
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Proofs = r.open(), k
	wantClasses(t, run(t, cfg), map[verifier.Class]int{verifier.BadLogProof: 1, verifier.Verified: 1})
	if k.asked != 0 {
		t.Errorf("proofs were looked for %d times of signatures in which one is embedded", k.asked)
	}

	payload := commitBytes(r.emptyTree(), "later")
	signature := a.Sign(payload, fakeca.Fixture{Fault: fakeca.NoEntry})
	stranger := a.Sign(commitBytes(r.emptyTree(), "another"), fakeca.Fixture{Fault: fakeca.NoEntry})
	key, err := verifier.ProofKey(signature)
	if err != nil {
		t.Fatal(err)
	}
	r.branch("main", r.write("commit", insertHeader(payload, "gpgsig", signature)))
	good := proofOf(t, a, signature)
	for name, tt := range map[string]struct {
		proofs []verifier.Proof
		want   verifier.Class
	}{
		"good":                        {[]verifier.Proof{good}, verifier.Verified},
		"of another signature":        {[]verifier.Proof{proofOf(t, a, stranger)}, verifier.NotLogged},
		"unreadable":                  {[]verifier.Proof{{Entry: []byte("entry")}}, verifier.NotLogged},
		"by a log that is not ours":   {[]verifier.Proof{proofOf(t, other, signature)}, verifier.NotLogged},
		"a good one beside others":    {[]verifier.Proof{{}, proofOf(t, other, signature), proofOf(t, a, stranger), good}, verifier.Verified},
		"nothing under the signature": {nil, verifier.NotLogged},
	} {
		k.byKey = map[[32]byte][]verifier.Proof{key: tt.proofs}
		got := run(t, cfg)
		if got.Totals.Classes[tt.want] != 1 || got.Totals.Examined != 1 {
			t.Errorf("%s: classes %v, want one %s", name, got.Totals.Classes, tt.want)
		}
	}
}

// That proofs could not be read is no answer, unless another is found.
func TestProofsThatCouldNotBeReadAreNamed(t *testing.T) {
	a, k := authority(t, fakeca.Config{}), newProofs()
	r := newRepo(t)
	r.branch("main", r.laterCommit(a, k, "two", r.signed(a, fakeca.Fixture{Fault: fakeca.NoEntry}, "one")))
	k.err = errors.New("the disk is gone")
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.Proofs = r.open(), k
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.NotLogged: 1, verifier.Verified: 1})
	for f := range classed(got) {
		if !strings.Contains(f.Message, "could not be told: the disk is gone") {
			t.Errorf("finding %q does not say why it could not be told", f.Message)
		}
	}
	if got.Result != report.Indeterminate || got.Complete {
		t.Errorf("result %q, complete %v, want neither", got.Result, got.Complete)
	}
}

// What was found of an object holds as long as the proofs of its signature are
// those by which it was judged, and those of others do not matter.
func TestKeptFactsDoNotOutliveTheProofs(t *testing.T) {
	a, k := authority(t, fakeca.Config{}), newProofs()
	r := newRepo(t)
	r.branch("main", r.laterCommit(a, k, "two", r.laterCommit(a, k, "one")))
	all := k.byKey
	keys := slices.Collect(func(yield func([32]byte) bool) {
		for key := range all {
			if !yield(key) {
				return
			}
		}
	})
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo = r.open()
	file := filepath.Join(t.TempDir(), "verdicts")
	subset := func(n int) map[[32]byte][]verifier.Proof {
		some := make(map[[32]byte][]verifier.Proof)
		for _, key := range keys[:n] {
			some[key] = all[key]
		}
		return some
	}
	for i, step := range []struct {
		proofs map[[32]byte][]verifier.Proof // nil: the repository keeps none, and none are looked for
		good   int
	}{{nil, 0}, {subset(0), 0}, {subset(1), 1}, {subset(1), 1}, {subset(2), 2}, {subset(2), 2}, {subset(1), 1}, {nil, 0}, {subset(2), 2}, {nil, 0}} {
		now := cfg
		if step.proofs != nil {
			k.byKey = step.proofs
			now.Proofs = k
		}
		with, save := kept(t, now, file)
		got := run(t, with)
		save()
		if n := got.Totals.Classes[verifier.Verified]; n != step.good || got.Totals.Examined != 2 {
			t.Errorf("step %d: %v, want %d verified of 2", i, got.Totals.Classes, step.good)
		}
	}
}

// The refs of proofs are no history: they are said not to be examined, alone or
// in a push, and cover nothing up.
func TestRefsOfProofsAreNotHistory(t *testing.T) {
	a := authority(t, fakeca.Config{})
	r := newRepo(t)
	good := r.signed(a, fakeca.Fixture{}, "good")
	unsigned := r.unsigned("unsigned", good)
	r.branch("main", good)
	r.git("update-ref", "refs/gitseal/proofs", unsigned)
	r.git("update-ref", "refs/gitseal/remotes/origin", unsigned)
	cfg := trusting(t, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	got := run(t, cfg)
	wantClasses(t, got, map[verifier.Class]int{verifier.Verified: 1})
	var omitted []string
	for _, o := range got.NotExamined {
		omitted = append(omitted, o.What)
	}
	for _, ref := range []string{"refs/gitseal/proofs", "refs/gitseal/remotes/origin"} {
		if !slices.Contains(omitted, ref) {
			t.Errorf("%s is not among what was not examined: %q", ref, omitted)
		}
	}
}
