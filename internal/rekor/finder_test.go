package rekor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/internal/entries"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// A clock is set by the test.
type clock struct{ now time.Time }

func (l *fakeLog) finder(t testing.TB, dir string, change func(*FinderConfig)) (*Finder, *clock) {
	t.Helper()
	c := &clock{time.Now()}
	cfg := FinderConfig{
		Store: entries.Store{Dir: dir}, Roots: []*trust.TrustedRoot{l.root}, Now: func() time.Time { return c.now },
		Open: func(log *trust.Log) (*V1, error) { return &V1{l.client, log.BaseURL}, nil },
	}
	if change != nil {
		change(&cfg)
	}
	return NewFinder(cfg), c
}

func offline(cfg *FinderConfig) { cfg.Open = nil }

// find looks for the entries of a certificate, and checks that their bodies
// are those of want.
func find(t testing.TB, f *Finder, certificate []byte, object string, want ...*tlog.Entry) {
	t.Helper()
	got, err := f.Find(t.Context(), certificate, object)
	if err != nil {
		t.Fatal(err)
	}
	var bodies, wanted []string
	for _, pb := range got {
		e, err := tlog.ParseEntry(pb)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(e.CanonicalizedBody))
	}
	for _, e := range want {
		wanted = append(wanted, string(e.CanonicalizedBody))
	}
	if !slices.Equal(bodies, wanted) {
		t.Errorf("Find = %v, want %v", bodies, wanted)
	}
}

func TestFinderAsksOnce(t *testing.T) {
	l, dir := newLog(t), t.TempDir()
	l.sign(t, "other")
	object, e, certificate := l.sign(t, "payload")
	f, _ := l.finder(t, dir, nil)
	find(t, f, certificate, object, e)
	if n := l.total(); n != 2 {
		t.Errorf("%d questions, want one for ids and one for entries", n)
	}
	find(t, f, certificate, object, e)
	again, later := l.finder(t, dir, nil)
	later.now = later.now.Add(1000 * time.Hour)
	find(t, again, certificate, object, e)
	kept, _ := l.finder(t, dir, offline)
	find(t, kept, certificate, object, e)
	if n := l.total(); n != 2 {
		t.Errorf("%d questions after the entry was kept, want no more than 2", n)
	}
}

func TestFinderWithoutClientAsksNothing(t *testing.T) {
	l := newLog(t)
	object, _, certificate := l.sign(t, "payload")
	f, _ := l.finder(t, t.TempDir(), offline)
	find(t, f, certificate, object)
	if n := l.total(); n != 0 {
		t.Errorf("%d questions, want none", n)
	}
	if got := f.String(); got != "the entries kept here" {
		t.Errorf("String() = %q", got)
	}
}

func TestFinderRemembersForAnHourThatThereIsNothing(t *testing.T) {
	l, dir := newLog(t), t.TempDir()
	object, e, certificate := l.sign(t, "payload")
	// The index is behind: it knows nothing of the certificate yet.
	empty := true
	l.answer = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if empty && strings.HasSuffix(r.URL.Path, "index/retrieve") {
			io.WriteString(w, "[]")
			return true
		}
		return false
	}
	f, clock := l.finder(t, dir, nil)
	begin := clock.now
	for _, tt := range []struct {
		after time.Duration
		want  int // questions in all
	}{{0, 1}, {time.Minute, 1}, {time.Hour - time.Second, 1}, {time.Hour, 2}, {time.Hour + time.Minute, 2}, {-time.Hour, 3}} {
		clock.now = begin.Add(tt.after)
		find(t, f, certificate, object)
		if n := l.total(); n != tt.want {
			t.Errorf("after %v: %d questions, want %d", tt.after, n, tt.want)
		}
	}
	empty = false
	clock.now = begin.Add(3 * time.Hour)
	find(t, f, certificate, object, e)
}

// TestFinderReadsWhatIsKeptOnce looks for many objects of one certificate, as
// of a long rebase, of which each would otherwise read the entries of all.
func TestFinderReadsWhatIsKeptOnce(t *testing.T) {
	l, dir := newLog(t), t.TempDir()
	object, e, certificate := l.sign(t, "payload")
	f, _ := l.finder(t, dir, nil)
	find(t, f, certificate, object, e)
	find(t, f, certificate, object, e)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	find(t, f, certificate, object, e)
	for i := range maxRecent + 1 {
		object, e, certificate := l.sign(t, fmt.Sprint(i))
		find(t, f, certificate, object, e)
		find(t, f, certificate, object, e)
	}
	if len(f.recent) != maxRecent {
		t.Errorf("what is kept of %d certificates is remembered, want %d", len(f.recent), maxRecent)
	}
	if asked := l.total(); asked != 2*(maxRecent+2) {
		t.Errorf("%d questions, want %d", asked, 2*(maxRecent+2))
	}
}

// An entry of another object is no reason not to ask: a certificate may sign
// again after it was asked for.
func TestFinderAsksForWhatIsNotKept(t *testing.T) {
	l, dir := newLog(t), t.TempDir()
	object, e, certificate := l.sign(t, "payload")
	f, clock := l.finder(t, dir, nil)
	other := strings.Repeat("0", 40)
	find(t, f, certificate, object, e)
	find(t, f, certificate, other)
	if n := l.total(); n != 2 {
		t.Errorf("%d questions within the hour, want 2", n)
	}
	clock.now = clock.now.Add(2 * time.Hour)
	find(t, f, certificate, other)
	if n := l.total(); n != 4 {
		t.Errorf("%d questions after it, want 4", n)
	}
}

func TestFinderIsPolite(t *testing.T) {
	l, dir := newLog(t), t.TempDir()
	const commits = 1000
	type commit struct {
		object      string
		certificate []byte
		entry       *tlog.Entry
	}
	var all []commit
	for i := range commits {
		object, e, certificate := l.sign(t, fmt.Sprint(i))
		all = append(all, commit{object, certificate, e})
	}
	f, _ := l.finder(t, dir, nil)
	var running sync.WaitGroup
	work := make(chan commit)
	for range 64 {
		running.Go(func() {
			for c := range work {
				got, err := f.Find(t.Context(), c.certificate, c.object)
				if err != nil || len(got) != 1 || !bytes.Contains(got[0], c.entry.CanonicalizedBody) {
					t.Errorf("Find(%s) = %d entries, %v; want its own", c.object, len(got), err)
				}
			}
		})
	}
	for _, c := range all {
		work <- c
	}
	close(work)
	running.Wait()
	if l.most > maxInFlight {
		t.Errorf("%d requests in flight, want at most %d", l.most, maxInFlight)
	}
	if n := l.asked["/api/v1/index/retrieve"]; n != commits {
		t.Errorf("%d questions for ids, want %d", n, commits)
	}
	if n := l.asked["/api/v1/log/entries/retrieve"]; n > commits || l.largest > maxRetrieve || l.largest < 2 {
		t.Errorf("%d questions for entries, of up to %d; want some of several, of up to %d", n, l.largest, maxRetrieve)
	}
	if err := f.Err(); err != nil {
		t.Error(err)
	}
}

func TestFinderAsksTheSameOnce(t *testing.T) {
	l := newLog(t)
	object, _, certificate := l.sign(t, "payload")
	f, _ := l.finder(t, t.TempDir(), nil)
	release := make(chan struct{})
	var once sync.Once
	arrived := make(chan struct{})
	l.answer = func(http.ResponseWriter, *http.Request, []byte) bool {
		once.Do(func() { close(arrived) })
		<-release
		return false
	}
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			if got, err := f.Find(t.Context(), certificate, object); err != nil || len(got) != 1 {
				t.Errorf("Find = %d entries, %v; want 1", len(got), err)
			}
		})
	}
	<-arrived
	close(release)
	running.Wait()
	if n := l.total(); n != 2 {
		t.Errorf("%d questions, want 2", n)
	}
}

// Who asks for all may give up.
func TestFinderDoesNotGiveUpForOthers(t *testing.T) {
	l := newLog(t)
	object, _, certificate := l.sign(t, "payload")
	f, _ := l.finder(t, t.TempDir(), nil)
	first, cancel := context.WithCancel(t.Context())
	defer cancel()
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.answer = func(http.ResponseWriter, *http.Request, []byte) bool {
		once.Do(func() { close(arrived); <-release })
		return false
	}
	var running sync.WaitGroup
	running.Go(func() {
		if _, err := f.Find(first, certificate, object); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
	<-arrived
	running.Go(func() {
		if got, err := f.Find(t.Context(), certificate, object); err != nil || len(got) != 1 {
			t.Errorf("not canceled: Find = %d entries, %v; want 1", len(got), err)
		}
	})
	cancel()
	close(release)
	running.Wait()
}

func TestFinderReportsLogsThatDoNotAnswer(t *testing.T) {
	l := newLog(t)
	l.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		http.Error(w, "broken", http.StatusForbidden)
		return true
	}
	f, _ := l.finder(t, t.TempDir(), nil)
	for i := range 5 {
		object, _, certificate := l.sign(t, fmt.Sprint(i))
		got, err := f.Find(t.Context(), certificate, object)
		if err == nil || !strings.Contains(err.Error(), l.url) || len(got) != 0 {
			t.Errorf("Find = %v, %v; want an error about %s", got, err, l.url)
		}
	}
	if n := l.total(); n != maxFailures {
		t.Errorf("%d questions, want none after %d failures in a row", n, maxFailures)
	}
}

func TestFinderReportsLogsThatCannotBeOpened(t *testing.T) {
	l := newLog(t)
	object, _, certificate := l.sign(t, "payload")
	opened := 0
	f, _ := l.finder(t, t.TempDir(), func(cfg *FinderConfig) {
		cfg.Open = func(*trust.Log) (*V1, error) {
			opened++
			return nil, fs.ErrPermission
		}
	})
	for range 2 {
		if _, err := f.Find(t.Context(), certificate, object); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Find = %v, want fs.ErrPermission", err)
		}
	}
	if opened != 1 {
		t.Errorf("opened %d times, want once", opened)
	}
}

func TestFinderForgivesFailuresInBetween(t *testing.T) {
	l := newLog(t)
	n := 0
	l.answer = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if n++; n%2 == 1 {
			http.Error(w, "broken", http.StatusForbidden)
			return true
		}
		if strings.HasSuffix(r.URL.Path, "index/retrieve") {
			io.WriteString(w, "[]")
			return true
		}
		return false
	}
	f, _ := l.finder(t, t.TempDir(), nil)
	for i := range 10 {
		object, _, certificate := l.sign(t, fmt.Sprint(i))
		if _, err := f.Find(t.Context(), certificate, object); (err != nil) != (i%2 == 0) {
			t.Errorf("question %d: %v", i, err)
		}
	}
}

func TestFinderDropsEntriesOfOtherCertificates(t *testing.T) {
	l := newLog(t)
	object, _, certificate := l.sign(t, "payload")
	_, other, _ := l.sign(t, "other")
	l.answer = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if strings.HasSuffix(r.URL.Path, "index/retrieve") {
			io.WriteString(w, `["`+idOf(other)+`"]`)
			return true
		}
		return false
	}
	f, _ := l.finder(t, t.TempDir(), nil)
	find(t, f, certificate, object)
}

// TestFinderIsNotHeldByAFalseEntry has the store poisoned by what looks like
// the entry: the log is asked all the same, and what it answers takes the
// place of the false one.
func TestFinderIsNotHeldByAFalseEntry(t *testing.T) {
	for name, spoil := range map[string]func(*tlog.Entry){
		"promise": func(e *tlog.Entry) { e.Promise = &tlog.InclusionPromise{SET: []byte("forged")} },
		"proof":   func(e *tlog.Entry) { e.Proof = &tlog.EntryProof{TreeSize: 1, Checkpoint: []byte("forged")} },
		"absence": func(e *tlog.Entry) { e.Promise = nil },
	} {
		l, dir := newLog(t), t.TempDir()
		object, e, certificate := l.sign(t, "payload")
		f, clock := l.finder(t, dir, nil)
		find(t, f, certificate, object, e)
		if n := l.total(); n != 2 {
			t.Fatalf("%s: %d questions at first, want 2", name, n)
		}

		store := entries.Store{Dir: dir}
		fingerprint := sha256.Sum256(certificate)
		poisoned := store.Get(fingerprint)
		spoil(poisoned.Entries[0])
		poisoned.Asked[l.url] = clock.now
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Add(fingerprint, poisoned); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Find(t.Context(), certificate, object); err != nil || len(got) != 2 {
			t.Errorf("%s: Find = %d entries, %v; want the false one and the right one", name, len(got), err)
		}
		find(t, f, certificate, object, e)
		if n := l.total(); n != 4 {
			t.Errorf("%s: %d questions, want 4: none once it is kept", name, n)
		}
	}
}

// What the log did not sign is for the verifier to judge, and not to be kept:
// the next answer may be better.
func TestFinderKeepsNothingWithoutPromise(t *testing.T) {
	l := newLog(t)
	object, e, certificate := l.sign(t, "payload")
	forge := true
	l.answer = func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		if forge {
			w.Write(bytes.Replace(body, fmt.Appendf(nil, `"integratedTime":%d`, e.IntegratedTime), fmt.Appendf(nil, `"integratedTime":%d`, e.IntegratedTime+1), 1))
		}
		return forge
	}
	dir := t.TempDir()
	f, _ := l.finder(t, dir, nil)
	find(t, f, certificate, object, e)
	kept, _ := l.finder(t, dir, offline)
	find(t, kept, certificate, object)
	forge = false
	find(t, f, certificate, object, e)
	find(t, kept, certificate, object, e)
}

func TestFinderAsksOnlyLogsOfTheIssuersRoots(t *testing.T) {
	l, other := newLog(t), newLog(t)
	object, e, certificate := l.sign(t, "payload")
	both := func(cfg *FinderConfig) { cfg.Roots = []*trust.TrustedRoot{other.root, l.root} }
	f, _ := l.finder(t, t.TempDir(), both)
	find(t, f, certificate, object, e)
	if n := other.total(); n != 0 {
		t.Errorf("a log that has nothing to do with the certificate was asked %d times", n)
	}
	// If nobody knows the issuer, anyone may.
	_, _, certificate = newLog(t).sign(t, "payload")
	find(t, f, certificate, object)
	if n := other.total(); n != 1 {
		t.Errorf("the other log was asked %d times for a certificate of an unknown issuer, want once", n)
	}
}

func TestFinderAsksOnlyLogsThatMayHaveTheEntry(t *testing.T) {
	for name, change := range map[string]func(*trust.Log){
		"closed before":    func(l *trust.Log) { l.ValidFor.End = l.ValidFor.Start.Add(time.Nanosecond) },
		"opened after":     func(l *trust.Log) { l.ValidFor.Start = time.Now().Add(time.Hour) },
		"without a URL":    func(l *trust.Log) { l.BaseURL = "" },
		"certainly tiled":  func(l *trust.Log) { l.KeyID = make([]byte, 32) },
		"nothing is wrong": func(*trust.Log) {},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			object, e, certificate := l.sign(t, "payload")
			l.root.TLogs[0].ValidFor.Start = time.Now().Add(-time.Hour)
			change(&l.root.TLogs[0])
			f, _ := l.finder(t, t.TempDir(), nil)
			if name == "nothing is wrong" {
				find(t, f, certificate, object, e)
				return
			}
			find(t, f, certificate, object)
			if n := l.total(); n != 0 {
				t.Errorf("asked %d times, want never", n)
			}
		})
	}
}

// A Rekor v2 log with an ECDSA key looks like Rekor v1 until it is asked.
func TestFinderTakesALogWithoutIndexAsKnowingNothing(t *testing.T) {
	l := newLog(t)
	object, _, certificate := l.sign(t, "payload")
	l.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		http.NotFound(w, nil)
		return true
	}
	f, _ := l.finder(t, t.TempDir(), nil)
	find(t, f, certificate, object)
}

func TestFinderBoundsTheEntriesOfACertificate(t *testing.T) {
	l := newLog(t)
	object, _, certificate := l.sign(t, "payload")
	l.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		io.WriteString(w, `["`)
		for i := range maxFound {
			fmt.Fprintf(w, `%064x","`, i)
		}
		io.WriteString(w, idOf(&tlog.Entry{})+`"]`)
		return true
	}
	f, _ := l.finder(t, t.TempDir(), nil)
	if _, err := f.Find(t.Context(), certificate, object); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Errorf("Find = %v, want an error about the number", err)
	}
}

func TestFinderWorksWithoutAPlaceToKeepThings(t *testing.T) {
	l := newLog(t)
	object, e, certificate := l.sign(t, "payload")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, _ := l.finder(t, file, nil)
	find(t, f, certificate, object, e)
	if err := f.Err(); err == nil {
		t.Error("Err() = nil, want what is wrong with the store")
	}
}
