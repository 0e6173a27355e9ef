package gitutil

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// importHistory makes n commits with a merge every tenth, and returns the head.
func importHistory(r testRepo, n int) string {
	r.t.Helper()
	var stream strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&stream, "commit refs/heads/main\nmark :%d\ncommitter C <c@example.com> %d +0000\ndata %d\n", i, 1700000000+i, 4*i%5000)
		stream.WriteString(strings.Repeat("line", i%1250) + "\n")
		if i > 1 {
			fmt.Fprintf(&stream, "from :%d\n", i-1)
		}
		if i%10 == 0 {
			fmt.Fprintf(&stream, "merge :%d\n", i-7)
		}
	}
	if out, err := r.try(stream.String(), "fast-import", "--quiet"); err != nil {
		r.t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	return r.git("rev-parse", "main")
}

// walkAll returns what a walk yields, which is not to fail.
func walkAll(t *testing.T, repo *Repo, w Walk) []Object {
	t.Helper()
	var objects []Object
	for o, err := range repo.Walk(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

func TestWalkKnownYieldsTheSameInOrder(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		head := importHistory(r, 3000)
		r.git("tag", "-a", "-m", "x", "v1", "main~3")
		repo := r.open()
		tags := []string{r.git("rev-parse", "v1"), r.git("rev-parse", "v1")}
		for _, w := range []Walk{
			{Revs: []string{head}},
			{Revs: []string{head}, Tags: tags},
			{Revs: []string{head}, FirstParent: true},
			{Revs: []string{head}, AnyOrder: true},
			{Revs: []string{head, "^" + r.git("rev-parse", "main~50")}},
			{Revs: []string{head, "^" + head}, Tags: tags},
		} {
			all := walkAll(t, repo, w)
			for _, share := range []float64{0, 0.01, 0.5, 0.99, 1} {
				random := rand.New(rand.NewPCG(1, uint64(100*share)))
				known := make(map[string]bool)
				want := append([]Object{}, all...)
				for i, o := range want {
					if o.Type == "commit" && random.Float64() < share {
						known[o.OID] = true
						want[i] = Object{OID: o.OID, Known: true}
					}
				}
				w.Known = func(oid string) bool { return known[oid] }
				if got := walkAll(t, repo, w); !slices.EqualFunc(got, want, sameObject) {
					t.Fatalf("%s: walk of %d objects, %v known, differs from the one that reads all", f, len(all), share)
				}
			}
		}
	}
}

func sameObject(a, b Object) bool {
	data := bytes.Equal(a.Data, b.Data)
	a.Data, b.Data = nil, nil
	return data && reflect.DeepEqual(a, b)
}

func TestKnownObjectDoesNotVerify(t *testing.T) {
	oid, err := HashObject(SHA1, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (Object{OID: oid, Known: true}).Verify(SHA1); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("Verify(known) = %v, want an error that it was not read", err)
	}
}

func TestWalkKnownIsNotAskedForTags(t *testing.T) {
	r := newRepo(t, SHA1)
	head := r.commit("one")
	lost := strings.Repeat("1", 40)
	got := walkAll(t, r.open(), Walk{Revs: []string{head}, Tags: []string{lost, head}, Known: func(string) bool { return true }})
	if len(got) != 3 || !got[0].Missing || got[1].Data == nil || !got[2].Known {
		t.Errorf("walk = %v, want a missing tag, one that is read, and a known commit", got)
	}
}

// TestWalkKnownNeverLosesHistorySilently takes a commit out of the middle,
// which is known nevertheless.
func TestWalkKnownNeverLosesHistorySilently(t *testing.T) {
	r := newRepo(t, SHA1)
	r.commit("one")
	lost := r.commit("two")
	head := r.commit("three")
	if err := os.Remove(r.loose(lost)); err != nil {
		t.Fatal(err)
	}
	said := false
	for o, err := range r.open().Walk(t.Context(), Walk{Revs: []string{head}, Known: func(string) bool { return true }}) {
		var git *GitError
		if errors.As(err, &git) && git.Command == "rev-list" && strings.Contains(git.Stderr, lost) {
			said = true // before 2.44, git ends there
		}
		if o.Missing && o.OID == lost {
			said = true
		}
	}
	if !said {
		t.Errorf("the walk did not say that %s is missing", lost)
	}
}

func TestWalkKnownCanBeBrokenOff(t *testing.T) {
	r := newRepo(t, SHA1)
	w := Walk{Revs: []string{importHistory(r, 5000)}}
	repo := r.open()
	for _, share := range []uint64{0, 2, 1000} { // unknown are all, a half, few
		var over atomic.Bool
		asked := uint64(0)
		w.Known = func(string) bool {
			if over.Load() {
				t.Error("Known is called after the end of the walk")
			}
			asked++
			return share > 0 && asked%share != 0
		}
		for _, stop := range []int{1, 2, 100} {
			n := 0
			for _, err := range repo.Walk(t.Context(), w) {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n == stop {
					break
				}
			}
		}

		ctx, cancel := context.WithCancel(t.Context())
		var last error
		for _, err := range repo.Walk(ctx, w) {
			cancel()
			last = err
		}
		cancel()
		over.Store(true)
		if !errors.Is(last, context.Canceled) {
			t.Errorf("cancelled walk = %v, want %v", last, context.Canceled)
		}
	}
}

// otherGit returns a program that is git, but for subcommands for which it
// runs a script of the shell. The scripts find git as $git.
func otherGit(t *testing.T, scripts map[string]string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the other git is a shell script")
	}
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\ngit='%s'\nfor arg; do case \"$arg\" in\n", git)
	for subcommand, script := range scripts {
		fmt.Fprintf(&b, "%s) %s\nexit;;\n", subcommand, script)
	}
	b.WriteString("esac; done\nexec \"$git\" \"$@\"\n")
	name := filepath.Join(t.TempDir(), "git")
	if err := os.WriteFile(name, []byte(b.String()), 0o777); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestWalkKnownEndsWithErrors has each of the two processes fail in each way.
// That it ends at all is half of the test.
func TestWalkKnownEndsWithErrors(t *testing.T) {
	r := newRepo(t, SHA1)
	head := importHistory(r, 3000)
	for _, tt := range []struct{ name, subcommand, script, want string }{
		{"list fails at once", "rev-list", "echo fatal: no list >&2; exit 128", "no list"},
		{"list fails in the end", "rev-list", `"$git" "$@"; echo fatal: no end >&2; exit 128`, "no end"},
		{"list has no ids", "rev-list", "yes garbage", `answered "garbage\n"`},
		{"list has long lines", "rev-list", "yes | tr -d '\\n'", "buffer full"},
		{"list ends within a line", "rev-list", "printf " + head[:20], "unexpected EOF"},
		{"list ends within a line and fails", "rev-list", "printf " + head[:20] + "; echo fatal: cut >&2; exit 128", "cut"},
		{"reader fails at once", "cat-file", "echo fatal: no answer >&2; exit 128", "no answer"},
		{"reader ends at once", "cat-file", "exit 0", "unexpected EOF"},
		{"reader fails in the end", "cat-file", `"$git" "$@"; echo fatal: no end >&2; exit 128`, "no end"},
		{"reader answers for another", "cat-file", "yes " + oidA + " missing", "answered for " + oidA},
		{"reader answers garbage", "cat-file", "yes", `answered "y"`},
		{"reader answers too much", "cat-file", `"$git" "$@"; echo ` + oidA + " missing", "more objects than"},
		{"reader answers too little", "cat-file", `head -n 5 | "$git" "$@"; exec <&-`, "EOF"},
	} {
		repo, err := Open(t.Context(), Config{Dir: r.dir, Env: r.env, Git: otherGit(t, map[string]string{tt.subcommand: tt.script})})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var last error
		for _, err := range repo.Walk(t.Context(), Walk{Revs: []string{head}, Known: func(string) bool { n++; return n%3 == 0 }}) {
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), tt.want) {
			t.Errorf("%s: walk = %v, want %q", tt.name, last, tt.want)
		}
	}
}

// sortLines runs a sorter over a list and yields what it sorted, answered with
// answers.
func sortLines(t *testing.T, list, answers string, known func(string) bool) (objects []Object, asked string, err error) {
	t.Helper()
	ask := &writeBuffer{}
	s := &sorter{format: SHA1, known: known, ask: ask, batches: make(chan []listed, batchesAhead)}
	sorted := make(chan error, 1)
	go func() { sorted <- s.sort(t.Context(), nil, strings.NewReader(list)) }()
	_, err = yieldListed(s.batches, bufio.NewReader(strings.NewReader(answers)), SHA1, func(o Object) bool {
		objects = append(objects, o)
		return true
	})
	return objects, ask.String(), errors.Join(<-sorted, err)
}

type writeBuffer struct{ bytes.Buffer }

func (*writeBuffer) Close() error { return nil }

// TestKnownIsNotAskedForWhatIsMissing has a list as git since 2.44 writes it.
func TestKnownIsNotAskedForWhatIsMissing(t *testing.T) {
	list := oidA + "\n?" + oidB + "\n" + oidC + "\n"
	objects, asked, err := sortLines(t, list, oidC+" commit 1\nx\n", func(oid string) bool {
		if oid == oidB {
			t.Error("Known is asked for a missing commit")
		}
		return oid == oidA
	})
	want := []Object{{OID: oidA, Known: true}, {OID: oidB, Missing: true}, {OID: oidC, Type: "commit", Size: 1, Data: []byte("x")}}
	if diff := cmp.Diff(want, objects); diff != "" || err != nil {
		t.Errorf("sorted %q: %v, %s", list, err, diff)
	}
	if asked != oidC+"\n" {
		t.Errorf("asked for %q, want %s", asked, oidC)
	}
}

// TestKnownRunsAheadNoFurtherThanBounded has a list without end, of which
// nothing is yielded.
func TestKnownRunsAheadNoFurtherThanBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		s := &sorter{format: SHA1, ask: &writeBuffer{}, batches: make(chan []listed, batchesAhead), known: func(string) bool {
			calls++
			return true
		}}
		sorted := make(chan error, 1)
		go func() { sorted <- s.sort(ctx, nil, endless{}) }()
		synctest.Wait()
		if calls == 0 || calls > (batchesAhead+1)*maxBatch {
			t.Errorf("Known was called %d times, want at most %d", calls, (batchesAhead+1)*maxBatch)
		}
		cancel()
		if err := <-sorted; !errors.Is(err, context.Canceled) {
			t.Errorf("sort = %v, want %v", err, context.Canceled)
		}
	})
}

// endless is an endless list.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	n := 0
	for len(p)-n > len(oidA) {
		n += copy(p[n:], oidA+"\n")
	}
	if n == 0 {
		return 0, io.ErrShortBuffer
	}
	return n, nil
}

func BenchmarkWalkKnown(b *testing.B) {
	r := newRepo(b, SHA1)
	w := Walk{Revs: []string{importHistory(r, 50000)}}
	repo := r.open()
	for _, tt := range []struct {
		name  string
		known func(string) bool
	}{
		{"nil", nil},
		{"none", func(string) bool { return false }},
		{"all", func(string) bool { return true }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			w.Known = tt.known
			for b.Loop() {
				for _, err := range repo.Walk(b.Context(), w) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	b.Run("rev-list", func(b *testing.B) {
		for b.Loop() {
			r.git("-c", "core.commitGraph=false", "rev-list", "--topo-order", "main")
		}
	})
}
