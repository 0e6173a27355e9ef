package monitor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

func openTestIndex(t testing.TB, dir string, l *Log) *Index {
	t.Helper()
	x, err := OpenIndex(dir, l)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func closeIndex(t testing.TB, x *Index) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkIndex checks that the index holds the log's entries, each once.
func checkIndex(t testing.TB, x *Index, l *testLog) {
	t.Helper()
	if want := l.size(); int(x.Size()) != want {
		t.Fatalf("index of %d entries, want %d", x.Size(), want)
	}
	n := 0
	for r, err := range x.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if int(r.Index) != n || r.Kind != "hashedrekord 0.0.2" || r.Problem != "" || len(r.Certificates) != 1 || len(r.Keys) != 1 {
			t.Fatalf("record %d is %+v", n, r)
		}
		// The fixture fills the log with five entries of its own.
		if want := (Identity{fmt.Sprintf("user%d@example.com", max(n, 5)), l.authority.Issuer()}); n > 5 && (len(r.Identities) != 1 || r.Identities[0] != want) {
			t.Fatalf("record %d names %v, want %v", n, r.Identities, want)
		}
		n++
	}
	if n != int(x.Size()) {
		t.Errorf("%d records, want %d", n, x.Size())
	}
}

func updateIndex(t testing.TB, x *Index, l *testLog) {
	t.Helper()
	if _, err := l.fetch(t.Context(), "checkpoint"); err != nil { // exports
		t.Fatal(err)
	}
	if err := x.Update(t.Context(), l.now(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestIndexFollowsTheLog(t *testing.T) {
	l, dir := newLog(t, 1, 0), t.TempDir()
	x := openTestIndex(t, dir, l.Log)
	updateIndex(t, x, l)
	if x.Size() != 0 {
		t.Fatalf("index of %d entries of an empty log", x.Size())
	}
	for i, size := range []int{7, 9, 255, 256, 257, 600} {
		l.grow(size)
		if i%2 == 0 { // in a new process
			closeIndex(t, x)
			x = openTestIndex(t, dir, l.Log)
		}
		updateIndex(t, x, l)
		checkIndex(t, x, l)
	}
	asked := l.asked
	updateIndex(t, x, l)
	if l.asked > asked+4 {
		t.Errorf("asked %d times for what is indexed", l.asked-asked)
	}
	checkIndex(t, x, l)
	closeIndex(t, x)
}

func TestIndexReadsOnlyWhatIsNew(t *testing.T) {
	l, dir := newLog(t, 1, 600), t.TempDir()
	x := openTestIndex(t, dir, l.Log)
	defer closeIndex(t, x)
	updateIndex(t, x, l)
	l.grow(601)
	l.spoil["tile/entries/000"] = func([]byte) ([]byte, error) { return nil, errors.New("asked again") }
	updateIndex(t, x, l)
	checkIndex(t, x, l)
}

func TestIndexTellsOfItsProgress(t *testing.T) {
	l := newLog(t, 1, 600)
	x := openTestIndex(t, t.TempDir(), l.Log)
	defer closeIndex(t, x)
	l.size()
	if _, err := l.fetch(t.Context(), "checkpoint"); err != nil {
		t.Fatal(err)
	}
	var sizes []uint64
	if err := x.Update(t.Context(), l.now(), func(n uint64) { sizes = append(sizes, n) }); err != nil {
		t.Fatal(err)
	}
	if len(sizes) != 1 || sizes[0] != 600 {
		t.Errorf("progress %v, want [600]", sizes)
	}
}

// TestIndexSurvivesACrash leaves behind what a process that died may leave.
func TestIndexSurvivesACrash(t *testing.T) {
	for name, crash := range map[string]func(t *testing.T, records, state string){
		"records without state":   func(t *testing.T, _, state string) { remove(t, state) },
		"state without records":   func(t *testing.T, records, _ string) { remove(t, records) },
		"records cut":             func(t *testing.T, records, _ string) { truncate(t, records, -10) },
		"a tail of half a record": func(t *testing.T, records, _ string) { appendTo(t, records, `{"index":9,"ki`) },
		"a tail of records":       func(t *testing.T, records, _ string) { appendTo(t, records, `{"index":9}`+"\n") },
		"state cut":               func(t *testing.T, _, state string) { truncate(t, state, -10) },
		"empty state":             func(t *testing.T, _, state string) { truncate(t, state, 0) },
		"state with more":         func(t *testing.T, _, state string) { edit(t, state, `{`, `{"more":1,`) },
		"state of the future":     func(t *testing.T, _, state string) { edit(t, state, `"version":1`, `"version":2`) },
		"state of no root":        func(t *testing.T, _, state string) { edit(t, state, `"root":"`, `"root":"x`) },
		"state of another root":   func(t *testing.T, _, state string) { edit(t, state, `"size":9`, `"size":8`) },
	} {
		l, dir := newLog(t, 1, 9), t.TempDir()
		x := openTestIndex(t, dir, l.Log)
		updateIndex(t, x, l)
		closeIndex(t, x)
		crash(t, filepath.Join(dir, l.id(), "records.jsonl"), filepath.Join(dir, l.id(), "index.json"))
		l.grow(11)
		x = openTestIndex(t, dir, l.Log)
		if _, err := l.fetch(t.Context(), "checkpoint"); err != nil {
			t.Fatal(err)
		}
		if err := x.Update(t.Context(), l.now(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkIndex(t, x, l)
		closeIndex(t, x)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// truncate cuts a file to n bytes, or by -n.
func truncate(t *testing.T, path string, n int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if n < 0 {
		n += info.Size()
	}
	if err := os.Truncate(path, n); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(data, text...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, path, before, after string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), before) {
		t.Fatalf("%s does not hold %s", path, before)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), before, after, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestIndexKeepsWhatWasReadBeforeAnInterruption(t *testing.T) {
	const bundles = commitBundles + 2*parallelBundles
	l, dir := newBigLog(t, bundles*rekor.TileWidth), t.TempDir()
	x := openTestIndex(t, dir, l.Log)
	l.fail = fmt.Sprintf("tile/entries/%03d", bundles-1)
	if err := x.Update(t.Context(), l.now, nil); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("Update = %v, want an interruption", err)
	}
	if want := uint64(commitBundles * rekor.TileWidth); x.Size() != want {
		t.Fatalf("index of %d entries after the interruption, want %d", x.Size(), want)
	}
	closeIndex(t, x)

	l.fail = "tile/entries/000"
	x = openTestIndex(t, dir, l.Log)
	defer closeIndex(t, x)
	if err := x.Update(t.Context(), l.now, nil); err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	for r, err := range x.Records() {
		if err != nil || r.Index != n || r.Problem == "" {
			t.Fatalf("record %d is %+v, %v", n, r, err)
		}
		n++
	}
	if n != bundles*rekor.TileWidth {
		t.Errorf("%d records, want %d", n, bundles*rekor.TileWidth)
	}
}

func TestIndexNoticesALogThatForks(t *testing.T) {
	l, dir := newLog(t, 1, 9), t.TempDir()
	x := openTestIndex(t, dir, l.Log)
	updateIndex(t, x, l)
	closeIndex(t, x)
	other := newLog(t, 1, 11)
	before := l.now()
	x = openTestIndex(t, dir, l.replaced(other))
	defer closeIndex(t, x)
	if _, err := other.fetch(t.Context(), "checkpoint"); err != nil {
		t.Fatal(err)
	}
	wantFork(t, x.Update(t.Context(), other.now(), nil), before, other.now())
}

func TestIndexTakesNoEntryThatTheCheckpointDoesNotCover(t *testing.T) {
	l := newLog(t, 1, 9)
	l.spoil["tile/entries/000.p/9"] = func(b []byte) ([]byte, error) {
		b[len(b)-5] ^= 1
		return b, nil
	}
	x := openTestIndex(t, t.TempDir(), l.Log)
	defer closeIndex(t, x)
	if _, err := l.fetch(t.Context(), "checkpoint"); err != nil {
		t.Fatal(err)
	}
	if err := x.Update(t.Context(), l.now(), nil); !errors.Is(err, rekor.ErrContradiction) || x.Size() != 0 {
		t.Errorf("Update = %v with %d entries, want ErrContradiction and none", err, x.Size())
	}
}

func TestDamagedRecordIsAnErrorUntilReset(t *testing.T) {
	l, dir := newLog(t, 1, 9), t.TempDir()
	x := openTestIndex(t, dir, l.Log)
	updateIndex(t, x, l)
	closeIndex(t, x)
	edit(t, filepath.Join(dir, l.id(), "records.jsonl"), `"index":7`, `"index":6`)
	x = openTestIndex(t, dir, l.Log)
	defer closeIndex(t, x)
	var last error
	n := 0
	for _, err := range x.Records() {
		last = err
		n++
	}
	if last == nil || n != 8 || !strings.Contains(last.Error(), "entry 7") {
		t.Errorf("%d records, then %v, want an error about entry 7", n, last)
	}
	if err := x.Reset(); err != nil {
		t.Fatal(err)
	}
	updateIndex(t, x, l)
	checkIndex(t, x, l)
}

func TestEntryThatCannotBeReadIsRecorded(t *testing.T) {
	for _, test := range []struct{ body, problem string }{
		{"", "parsing body"},
		{"not JSON", "parsing body"},
		{`{"apiVersion":"0.0.1","kind":"alpine","spec":{}}`, "unsupported log entry"},
		{strings.Repeat("x", 5000), "parsing body"},
		{"\xff", "parsing body"},
	} {
		r := NewRecord(3, []byte(test.body))
		if r.Index != 3 || !strings.Contains(r.Problem, test.problem) || len(r.Problem) > maxProblem+3 {
			t.Errorf("record of %.40q is %+v, want problem %q", test.body, r, test.problem)
		}
		line, err := r.line()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseRecord(line[:len(line)-1])
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("record of %.40q comes back as %+v, %v, want %+v", test.body, again, err, r)
		}
	}
	digest := sha256.Sum256([]byte("x"))
	r := NewRecord(4, tlog.HashedRekordV2(digest, []byte("signature"), []byte("no certificate")))
	if r.Digest != "sha256:"+hex.EncodeToString(digest[:]) || r.Problem == "" || len(r.Certificates) != 1 {
		t.Errorf("record of an entry without a certificate is %+v", r)
	}
}

func TestIndexIsOfTiledLogsOnly(t *testing.T) {
	l := newLog(t, 1, 0)
	if _, err := OpenIndex(t.TempDir(), &Log{trusted: l.trusted}); err == nil {
		t.Error("OpenIndex of a log that is not tiled: no error")
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, r := range []Record{
		{}, {Index: 7, Kind: "hashedrekord 0.0.2", Digest: "sha256:00", Identities: []Identity{{"a@example.com", "https://x"}, {"é", ""}}, Keys: []string{"00"}},
		{Index: 1 << 40, Problem: "<&\u2028>"},
	} {
		line, err := r.line()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line[:len(line)-1])
	}
	f.Add([]byte(`{"index":1} {}`))
	f.Add([]byte(`{"index":1,"Index":2}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line)
		if err != nil {
			return
		}
		again, err := r.line()
		if err != nil || string(again) != string(line)+"\n" {
			t.Errorf("record %q is written as %q, %v", line, again, err)
		}
	})
}

func FuzzIndexState(f *testing.F) {
	good, err := json.Marshal(indexState{1, 5, strings.Repeat("0a", 32), 100, "note"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"version":1,"size":5,"root":"0a","length":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s indexState
		if !s.parse(data) {
			return
		}
		if _, err := s.root(); err != nil || s.Size == 0 || s.Length <= 0 {
			t.Errorf("state %q is taken", data)
		}
	})
}

// A bigLog is a log whose entries are no entries, of any size.
type bigLog struct {
	*Log
	now  Seen
	fail string // the path that is not answered
}

func newBigLog(t testing.TB, size int) *bigLog {
	t.Helper()
	fetch, root := memoryTiles(t, size)
	l := &bigLog{now: Seen{Checkpoint: tlog.Checkpoint{Origin: "big.example.com", Size: uint64(size), Root: root}, Note: []byte("note")}}
	l.Log = NewTiled(&trust.Log{BaseURL: "https://big.example.com", KeyID: make([]byte, 32)}, func(ctx context.Context, path string) ([]byte, error) {
		if path == l.fail {
			return nil, errors.New("interrupted")
		}
		return fetch(ctx, path)
	})
	return l
}
