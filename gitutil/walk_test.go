package gitutil

import (
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// walkIDs walks and returns the ids of what was yielded, verified.
func walkIDs(t *testing.T, repo *Repo, w Walk) []string {
	t.Helper()
	var ids []string
	for o, err := range repo.Walk(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Verify(repo.ObjectFormat()); err != nil {
			t.Error(err)
		}
		ids = append(ids, o.OID)
	}
	return ids
}

// branched makes a history with a merge and returns its head.
func branched(r testRepo) string {
	r.t.Helper()
	r.commit("one")
	r.commit("two")
	r.git("checkout", "-q", "-b", "side")
	r.commit("side one")
	r.commit("side two")
	r.git("checkout", "-q", "main")
	r.commit("three")
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	return r.commit("four")
}

func TestWalkHasGitsOrder(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		head := branched(r)
		r.git("tag", "-a", "-m", "x", "v1")
		r.git("tag", "-a", "-m", "y", "v2", "side")
		repo := r.open()
		tags := []string{r.git("rev-parse", "v2"), r.git("rev-parse", "v1")}
		two := r.git("rev-parse", "main~3")
		for _, tt := range []struct {
			name string
			walk Walk
			list string // arguments of git rev-list
		}{
			{"history", Walk{Revs: []string{head}}, "HEAD"},
			{"range", Walk{Revs: []string{head, "^" + two}}, "HEAD ^main~3"},
			{"first parent", Walk{Revs: []string{head}, FirstParent: true}, "--first-parent HEAD"},
			{"from a tag", Walk{Revs: tags[:1]}, "side"},
			{"tags too", Walk{Revs: []string{head}, Tags: tags}, "HEAD"},
			{"empty range", Walk{Revs: []string{two, "^" + head}}, "main~3 ^HEAD"},
		} {
			args := append([]string{"rev-list", "--topo-order"}, strings.Fields(tt.list)...)
			want := append(append([]string{}, tt.walk.Tags...), strings.Fields(r.git(args...))...)
			got := walkIDs(t, repo, tt.walk)
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s: walk of %s = %v, want %v", f, tt.name, got, want)
			}
			if n, err := repo.Count(t.Context(), tt.walk); err != nil || n != len(want) {
				t.Errorf("%s: Count(%s) = %d, %v, want %d", f, tt.name, n, err, len(want))
			}
		}
		if got := walkIDs(t, repo, Walk{Tags: tags}); strings.Join(got, " ") != strings.Join(tags, " ") {
			t.Errorf("%s: walk of tags = %v, want %v", f, got, tags)
		}
		if got := walkIDs(t, repo, Walk{}); len(got) != 0 {
			t.Errorf("%s: walk of nothing = %v", f, got)
		}
	}
}

func TestWalkRejectsWhatIsNotAnID(t *testing.T) {
	r := newRepo(t, SHA1)
	oid := r.commit("one")
	repo := r.open()
	for _, w := range []Walk{
		{Revs: []string{"HEAD"}},
		{Revs: []string{"--all"}},
		{Revs: []string{""}},
		{Revs: []string{"^^" + oid}},
		{Revs: []string{oid + "\n--all"}},
		{Tags: []string{"^" + oid}},
		{Tags: []string{"v1"}},
	} {
		err := errors.New("nothing yielded")
		for _, err = range repo.Walk(t.Context(), w) {
		}
		if err == nil || !strings.Contains(err.Error(), "object id") {
			t.Errorf("Walk(%v) = %v, want a refusal", w, err)
		}
		if n, err := repo.Count(t.Context(), w); err == nil {
			t.Errorf("Count(%v) = %d, want an error", w, n)
		}
	}
}

func TestWalkRejectsHistoryOfWhatIsNoCommit(t *testing.T) {
	r := newRepo(t, SHA1)
	head := r.commit("one")
	tree := r.git("rev-parse", "HEAD^{tree}")
	r.git("tag", "-a", "-m", "x", "tree", tree)
	for _, oid := range []string{tree, r.git("rev-parse", "refs/tags/tree"), strings.Repeat("1", 40)} {
		var last error
		for _, err := range r.open().Walk(t.Context(), Walk{Revs: []string{head, oid}}) {
			last = err
		}
		var git *GitError
		if !errors.As(last, &git) || !strings.Contains(git.Stderr, oid) {
			t.Errorf("Walk(%s) = %v, want git's word on it", oid, last)
		}
	}
}

func TestWalkYieldsMissingTags(t *testing.T) {
	r := newRepo(t, SHA1)
	head := r.commit("one")
	lost := strings.Repeat("1", 40)
	var got []Object
	for o, err := range r.open().Walk(t.Context(), Walk{Revs: []string{head}, Tags: []string{lost}}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	if len(got) != 2 || !got[0].Missing || got[0].OID != lost || got[1].OID != head {
		t.Fatalf("walk = %v, want %s missing, then %s", got, lost, head)
	}
	if err := got[0].Verify(SHA1); !errors.Is(err, ErrMissing) {
		t.Errorf("Verify = %v, want %v", err, ErrMissing)
	}
}

// TestWalkNeverLosesHistorySilently takes a commit out of the middle.
func TestWalkNeverLosesHistorySilently(t *testing.T) {
	r := newRepo(t, SHA1)
	r.commit("one")
	lost := r.commit("two")
	head := r.commit("three")
	if err := os.Remove(r.loose(lost)); err != nil {
		t.Fatal(err)
	}
	said := false
	for o, err := range r.open().Walk(t.Context(), Walk{Revs: []string{head}}) {
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

func TestWalkYieldsOtherContentForVerifyToRefuse(t *testing.T) {
	r := newRepo(t, SHA1)
	first := r.commit("one")
	changed := r.commit("two")
	head := r.commit("three")
	substitute(t, r, changed, r.git("commit-tree", "-p", first, "-m", "forged", "HEAD^{tree}"))
	wrong := 0
	for o, err := range r.open().Walk(t.Context(), Walk{Revs: []string{head}}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Verify(SHA1); err != nil {
			wrong++
			if o.OID != changed || errors.Is(err, ErrMissing) {
				t.Errorf("Verify(%s) = %v, want a mismatch of %s", o.OID, err, changed)
			}
		}
	}
	if wrong != 1 {
		t.Errorf("%d objects do not verify, want 1", wrong)
	}
}

// TestWalkFailsOnCorruptObject cuts the file of an object in half: git reads
// its size and then not its content.
func TestWalkFailsOnCorruptObject(t *testing.T) {
	r := newRepo(t, SHA1)
	head := r.commit("one")
	var message strings.Builder
	for i := range 10000 {
		fmt.Fprintln(&message, i*i)
	}
	tag := r.write("tag", []byte("object "+head+"\ntype commit\ntag v1\n\n"+message.String()))
	file, err := os.ReadFile(r.loose(tag))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.loose(tag)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.loose(tag), file[:len(file)/2], 0o444); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range r.open().Walk(t.Context(), Walk{Revs: []string{head}, Tags: []string{tag}}) {
		last = err
	}
	var git *GitError
	if !errors.As(last, &git) || !strings.Contains(git.Stderr, tag) {
		t.Errorf("walk = %v, want git's word on %s", last, tag)
	}
	if _, err := r.open().Object(t.Context(), tag); !errors.As(err, &git) || !strings.Contains(git.Stderr, tag) {
		t.Errorf("Object = %v, want git's word on %s", err, tag)
	}
}

// TestWalkSeesTheHistoryInTheObjects cuts history off by each thing beside the
// objects that git believes.
func TestWalkSeesTheHistoryInTheObjects(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  func(r testRepo, head string)
	}{
		{"replace ref", func(r testRepo, head string) { r.git("replace", "--graft", head) }},
		{"grafts file", func(r testRepo, head string) {
			if err := os.WriteFile(filepath.Join(r.dir, ".git", "info", "grafts"), []byte(head+"\n"), 0o666); err != nil {
				r.t.Fatal(err)
			}
		}},
		{"commit-graph", func(r testRepo, _ string) { forgeCommitGraph(r) }},
	} {
		r := newRepo(t, SHA1)
		r.commit("one")
		r.commit("two")
		head := r.commit("three")
		tt.cut(r, head)
		if n := r.git("-c", "advice.graftFileDeprecated=false", "rev-list", "--count", "HEAD"); n != "1" {
			t.Errorf("%s: git sees %s commits; the test does not cut history", tt.name, n)
		}
		if got := walkIDs(t, r.open(), Walk{Revs: []string{head}}); len(got) != 3 {
			t.Errorf("%s: walk = %v, want 3 commits", tt.name, got)
		}
	}
}

// forgeCommitGraph writes a commit-graph (gitformat-commit-graph(5)) in which
// no commit has a parent.
func forgeCommitGraph(r testRepo) {
	r.t.Helper()
	r.git("commit-graph", "write", "--reachable")
	name := filepath.Join(r.dir, ".git", "objects", "info", "commit-graph")
	graph, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	const noParent = 0x70000000
	for i := range int(graph[6]) { // the table of chunks: id, offset
		entry := graph[8+12*i:]
		if string(entry[:4]) != "CDAT" {
			continue
		}
		start, end := binary.BigEndian.Uint64(entry[4:]), binary.BigEndian.Uint64(entry[16:])
		// Each commit: tree, two parents, generation and date.
		for row := graph[start:end]; len(row) > 0; row = row[sha1.Size+16:] {
			binary.BigEndian.PutUint32(row[sha1.Size:], noParent)
		}
	}
	sum := sha1.Sum(graph[:len(graph)-sha1.Size])
	copy(graph[len(graph)-sha1.Size:], sum[:])
	if err := os.Remove(name); err != nil { // it is read-only
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, graph, 0o444); err != nil {
		r.t.Fatal(err)
	}
}

func TestWalkCanBeBrokenOff(t *testing.T) {
	r := newRepo(t, SHA1)
	// More than the pipes hold, so that both processes are still at work.
	message := strings.Repeat("m", 64<<10)
	var import_ strings.Builder
	for range 200 {
		import_.WriteString("commit refs/heads/main\ncommitter C <c@example.com> 1700000000 +0000\ndata <<END\n" + message + "\nEND\n\n")
	}
	if out, err := r.try(import_.String(), "fast-import", "--quiet"); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	repo := r.open()
	w := Walk{Revs: []string{r.git("rev-parse", "main")}}

	n := 0
	for _, err := range repo.Walk(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range repo.Walk(ctx, w) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled walk = %v, want %v", last, context.Canceled)
	}
}

func TestWalkSkipsContentThatIsTooLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("writes an object larger than MaxObjectSize")
	}
	r := newRepo(t, SHA1)
	head := r.commit("one")
	large := filepath.Join(t.TempDir(), "large")
	file, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(MaxObjectSize + 1); err != nil {
		t.Fatal(err)
	}
	oid := r.git("hash-object", "-w", "--no-filters", large)
	var got []Object
	for o, err := range r.open().Walk(t.Context(), Walk{Revs: []string{head}, Tags: []string{oid}}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	if len(got) != 2 || got[0].OID != oid || got[0].Data != nil || got[0].Size != MaxObjectSize+1 || got[1].OID != head {
		t.Fatalf("walk = %d objects, want the large one without content, then the commit", len(got))
	}
	if err := got[0].Verify(SHA1); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("Verify(large) = %v, want an error", err)
	}
}
