package gitutil

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A treeStore holds trees in memory, and remembers which were read.
type treeStore struct {
	t       testing.TB
	format  Format
	objects map[string][]byte
	reads   map[string]int
}

func newTreeStore(t testing.TB, f Format) *treeStore {
	return &treeStore{t, f, make(map[string][]byte), make(map[string]int)}
}

func (s *treeStore) trees() *Trees {
	return &Trees{format: s.format, cache: treeCache{limit: 1000}, read: func(ctx context.Context, oid string, _ int64) (Object, error) {
		s.reads[oid]++
		data, ok := s.objects[oid]
		return Object{OID: oid, Type: "tree", Size: int64(len(data)), Data: data, Missing: !ok}, ctx.Err()
	}}
}

// put stores a tree of entries, which it sorts.
func (s *treeStore) put(entries ...entry) version {
	s.t.Helper()
	slices.SortFunc(entries, entry.compare)
	data := formatTree(entries, s.format)
	oid, err := HashObject(s.format, "tree", data)
	if err != nil {
		s.t.Fatal(err)
	}
	s.objects[oid] = data
	h, err := s.format.parseOID(oid)
	if err != nil {
		s.t.Fatal(err)
	}
	return version{modeTree, h}
}

// A files is the content of a tree by full paths.
type files map[string]version

// tree stores the trees that hold the files and returns the id of the first.
func (s *treeStore) tree(f files) string { return s.format.oid(s.dir(f, "").hash) }

func (s *treeStore) dir(f files, prefix string) version {
	below := make(map[string]version)
	for path, v := range f {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			name, _, isDir := strings.Cut(rest, "/")
			if _, done := below[name]; isDir && !done {
				v = s.dir(f, prefix+name+"/")
			} else if isDir {
				continue
			}
			below[name] = v
		}
	}
	var entries []entry
	for name, v := range below {
		entries = append(entries, entry{name, v})
	}
	return s.put(entries...)
}

// plainChanged is Changed path by path, without a thought for speed.
func plainChanged(commit files, parents []files, base files) []string {
	all := maps.Clone(commit)
	for _, p := range parents {
		maps.Copy(all, p)
	}
	var changed []string
	for path := range all {
		explained := false
		for i, p := range parents {
			fits := p[path] == commit[path]
			for j, other := range parents {
				if j != i && base != nil && other[path] != base[path] && other[path] != commit[path] {
					fits = false
				}
			}
			explained = explained || fits
		}
		if !explained {
			changed = append(changed, path)
		}
	}
	slices.Sort(changed)
	return changed
}

// edit changes some files at random, and takes some from another tree.
func edit(random *rand.Rand, f, other files) files {
	names := []string{"a", "a.b", "a0", "b", "B\xff"}
	f = maps.Clone(f)
	for range random.IntN(4) {
		var path []string
		for range 1 + random.IntN(3) {
			path = append(path, names[random.IntN(len(names))])
		}
		name := strings.Join(path, "/")
		v := version{[]mode{modeFile, modeFile, modeExecutable, modeSymlink, modeSubmodule}[random.IntN(5)], hashOf(byte(random.IntN(3)))}
		switch random.IntN(4) {
		case 0:
			v = version{}
		case 1:
			v = other[name]
		}
		delete(f, name)
		if v == (version{}) {
			continue
		}
		// No file where there is a directory, nor the other way round.
		maps.DeleteFunc(f, func(p string, _ version) bool {
			return strings.HasPrefix(p, name+"/") || strings.HasPrefix(name, p+"/")
		})
		f[name] = v
	}
	return f
}

// TestChangedAsPlainly compares random histories with the naive reference.
func TestChangedAsPlainly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		f := []Format{SHA1, SHA256}[i%2]
		s := newTreeStore(t, f)
		base := files{}
		for range 5 {
			base = edit(random, base, nil)
		}
		var parents []files
		var parentIDs []string
		for range random.IntN(4) {
			p := edit(random, base, nil)
			parents = append(parents, p)
			parentIDs = append(parentIDs, s.tree(p))
		}
		commit := base
		if len(parents) > 0 {
			commit = parents[random.IntN(len(parents))]
			for _, p := range parents {
				commit = edit(random, commit, p)
			}
		}
		baseID := s.tree(base)
		if random.IntN(3) == 0 {
			base, baseID = nil, ""
		}
		got, err := s.trees().Changed(t.Context(), s.tree(commit), parentIDs, baseID)
		if want := plainChanged(commit, parents, base); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d: Changed(%v, %v, %v) = %q, %v, want %q", i, commit, parents, base, got, err, want)
		}
	}
}

// TestChangedAsGit compares with git diff-tree, of a commit with one parent
// and of one without.
func TestChangedAsGit(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		one, two := r.write("blob", []byte("1")), r.write("blob", []byte("2"))
		commit := r.commit("one")
		before := r.mktree("100644 "+one+" same", "100644 "+one+" changed", "100644 "+one+" mode", "100644 "+one+" type",
			"100644 "+one+" removed", "100644 "+one+" file/to/dir", "100644 "+one+" dir", "160000 "+commit+" sub",
			"120000 "+one+" link", "100644 "+one+" deep/er/same", "100644 "+one+" deep/er/changed", "100644 "+one+" gone/a", "100644 "+one+" gone/b")
		other := r.git("commit-tree", "-m", "two", before)
		after := r.mktree("100644 "+one+" same", "100644 "+two+" changed", "100755 "+one+" mode", "120000 "+one+" type",
			"100644 "+one+" added", "100644 "+one+" file", "100644 "+one+" dir/of/it", "160000 "+other+" sub",
			"120000 "+two+" link", "100644 "+one+" deep/er/same", "100644 "+two+" deep/er/changed", "100644 "+one+" new/ä\n\t\"\xff")
		trees := r.trees()
		for _, tt := range []struct {
			parents []string
			args    []string
		}{
			{[]string{before}, []string{"diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after}},
			{[]string{before, before}, []string{"diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after}},
			{[]string{after}, []string{"diff-tree", "-r", after, after}},
			{nil, []string{"ls-tree", "-r", "-z", "--name-only", after}},
		} {
			got, err := trees.Changed(t.Context(), after, tt.parents, "")
			want := r.git(tt.args...)
			if joined := strings.Join(got, "\x00") + "\x00"; err != nil || joined != want && len(got)+len(want) > 0 {
				t.Errorf("%s: Changed(%v) = %q, %v, want %q", f, tt.parents, got, err, want)
			}
		}
	}
}

// TestChangedReadsNoMore checks that subtrees which cannot tell anything are
// not read: in the store they are missing.
func TestChangedReadsNoMore(t *testing.T) {
	s := newTreeStore(t, SHA1)
	dir := func(n byte) entry { return entry{fmt.Sprintf("dir%d", n), version{modeTree, hashOf(n)}} }
	file := func(n byte) entry { return entry{"file", version{modeFile, hashOf(n)}} }
	base := SHA1.oid(s.put(dir(1), file(1)).hash)
	ours := SHA1.oid(s.put(dir(1), dir(2), file(1)).hash)
	theirs := SHA1.oid(s.put(dir(1), dir(3), file(2)).hash)
	merged := SHA1.oid(s.put(dir(1), dir(2), dir(3), file(2)).hash)
	evil := SHA1.oid(s.put(dir(1), dir(2), dir(3), file(3)).hash)
	for _, tt := range []struct {
		commit  string
		parents []string
		base    string
		want    string
	}{
		{merged, []string{ours, theirs}, base, "[]"},
		{merged, []string{ours, theirs}, "", "[]"},
		{evil, []string{ours, theirs}, base, "[file]"},
		{ours, []string{ours}, "", "[]"},
		{ours, []string{ours, ours}, base, "[]"},
	} {
		got, err := s.trees().Changed(t.Context(), tt.commit, tt.parents, tt.base)
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("Changed = %v, %v, want %s", got, err, tt.want)
		}
	}
	// The base throws out what theirs added, so that has to be looked at.
	if got, err := s.trees().Changed(t.Context(), ours, []string{ours, theirs}, base); err == nil {
		t.Errorf("Changed = %v, want an error for the missing tree", got)
	}
}

func TestChangedRejects(t *testing.T) {
	s := newTreeStore(t, SHA1)
	good := s.tree(files{"a": {modeFile, hashOf(1)}})
	bad := s.put(entry{".git", version{modeFile, hashOf(1)}})
	nested := SHA1.oid(s.put(entry{"dir", bad}).hash)
	for _, tt := range []struct {
		name, commit string
		parents      []string
		base, want   string
	}{
		{"no id", "", nil, "", "object id"},
		{"name", "HEAD", nil, "", "object id"},
		{"no id of a parent", good, []string{""}, "", "object id"},
		{"no id of the base", good, []string{good, good}, "HEAD", "object id"},
		{"malformed", nested, nil, "", "bad name"},
		{"malformed parent", good, []string{nested}, "", "bad name"},
		{"malformed second parent", good, []string{good, nested}, good, "bad name"},
		{"malformed base", nested, []string{good, s.tree(nil)}, nested, "bad name"},
	} {
		got, err := s.trees().Changed(t.Context(), tt.commit, tt.parents, tt.base)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Changed = %v, %v, want %q", tt.name, got, err, tt.want)
		}
		if tt.want == "bad name" && !strings.Contains(err.Error(), SHA1.oid(bad.hash)) {
			t.Errorf("%s: Changed = %v, want the id of the tree", tt.name, err)
		}
	}
}

// TestChangedEnds has trees that are small and have no end.
func TestChangedEnds(t *testing.T) {
	s := newTreeStore(t, SHA1)
	wide := func(v version) version {
		var entries []entry
		for i := range 100 {
			entries = append(entries, entry{fmt.Sprint(i), v})
		}
		return s.put(entries...)
	}
	file, empty := version{modeFile, hashOf(1)}, s.put()
	deep := s.put(entry{"file", file})
	for range maxTreeDepth {
		deep = s.put(entry{"d", deep})
	}
	deeper := s.put(entry{"d", deep})
	long := s.put(entry{strings.Repeat("n", 1<<20), file})
	for range 5 {
		long = s.put(entry{"1", long}, entry{"2", long}, entry{"3", long}, entry{"4", long})
	}
	for _, tt := range []struct {
		name string
		top  version
		want string
	}{
		{"files", wide(wide(wide(wide(file)))), "more than 1000000 paths"},
		{"nothing", wide(wide(wide(wide(empty)))), "too large to compare"},
		{"depth", deeper, "nested more than"},
		{"long paths", long, "more than 256 MiB"},
	} {
		got, err := s.trees().Changed(t.Context(), SHA1.oid(tt.top.hash), nil, "")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Changed = %d paths, %v, want %q", tt.name, len(got), err, tt.want)
		}
	}
	if got, err := s.trees().Changed(t.Context(), SHA1.oid(deep.hash), nil, ""); err != nil || len(got) != 1 {
		t.Errorf("Changed at the greatest depth = %d paths, %v, want one", len(got), err)
	}
}

// TestChangedHoldsNoMore has a commit with parents whose directories fit into
// no memory.
func TestChangedHoldsNoMore(t *testing.T) {
	s := newTreeStore(t, SHA1)
	var entries []entry
	for i := range 100_000 {
		entries = append(entries, entry{fmt.Sprintf("%06d", i), version{modeFile, hashOf(1)}})
	}
	data := formatTree(entries, SHA1)
	var parents []string
	for i := range 50 {
		data[len(data)-1] = byte(i)
		oid, err := HashObject(SHA1, "tree", data)
		if err != nil {
			t.Fatal(err)
		}
		s.objects[oid] = slices.Clone(data)
		parents = append(parents, oid)
	}
	got, err := s.trees().Changed(t.Context(), s.tree(nil), parents, "")
	if err == nil || !strings.Contains(err.Error(), "too large to compare") {
		t.Errorf("Changed = %d paths, %v, want an error", len(got), err)
	}
}

func TestChangedOfAThousandParents(t *testing.T) {
	s := newTreeStore(t, SHA1)
	commit := files{}
	var parents []string
	for i := range 1000 {
		path := filepath.ToSlash(filepath.Join("dir", fmt.Sprint(i)))
		commit[path] = version{modeFile, hashOf(1)}
		parents = append(parents, s.tree(files{path: commit[path]}))
	}
	commit["dir/evil"] = version{modeFile, hashOf(2)}
	got, err := s.trees().Changed(t.Context(), s.tree(commit), parents, s.tree(nil))
	if err != nil || fmt.Sprint(got) != "[dir/evil]" {
		t.Errorf("Changed = %v, %v, want the one file that no parent has", got, err)
	}
}

// BenchmarkChanged lists the changes of a history over 1,000 files in three
// levels of directories, beside git log.
func BenchmarkChanged(b *testing.B) {
	r := newRepo(b, SHA1)
	const commits = 2000
	var stream strings.Builder
	for i := range commits {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter C <c@example.com> %d +0000\ndata 1\nx\n", 1700000000+i)
		for j := range 1000 {
			if n := i * 7919; i == 0 || n%1000 == j {
				fmt.Fprintf(&stream, "M 100644 inline %d/%d/%d\ndata <<END\n%d\nEND\n", j%10, j/10%10, j/100, i)
			}
		}
	}
	if out, err := r.try(stream.String(), "fast-import", "--quiet"); err != nil {
		b.Fatalf("git fast-import: %v\n%s", err, out)
	}
	ids := strings.Fields(r.git("log", "--format=%T", "main"))
	b.Run("gitutil", func(b *testing.B) {
		for b.Loop() {
			trees := r.open().Trees()
			for i, tree := range ids[:commits-1] {
				if got, err := trees.Changed(b.Context(), tree, ids[i+1:i+2], ""); err != nil || len(got) != 1 {
					b.Fatal(got, err)
				}
			}
			if err := trees.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/commits, "µs/commit")
	})
	b.Run("git", func(b *testing.B) {
		for b.Loop() {
			r.git("log", "--name-only", "--format=%H", "main")
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/commits, "µs/commit")
	})
}
