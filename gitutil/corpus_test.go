package gitutil

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// corpus returns a folder of the corpus of real objects beside the checkout,
// and skips the test if there is none: nothing of it is copied here.
func corpus(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "corpus", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus of real objects is not beside the checkout: %v", err)
	}
	return dir
}

// expectation is what expected.jsonl says of an object, as far as it matters
// here.
type expectation struct {
	OID    string `json:"oid"`
	Object string `json:"object"`
	Kind   string `json:"kind"`
}

func expectations(t *testing.T, dir string) []expectation {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []expectation
	for d := json.NewDecoder(bufio.NewReader(file)); ; {
		var e expectation
		if err := d.Decode(&e); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

// kindOf names the kind of an object as the corpus does.
func kindOf(s Split) string {
	switch kind := s.Kind(); {
	case s.Signature == nil:
		return "unsigned"
	case kind == "":
		return "other"
	default:
		return kind
	}
}

func TestCorpusObjects(t *testing.T) {
	for _, folder := range []string{"offline", "online", "openpgp", "ssh", "odd"} {
		dir := corpus(t, folder)
		all := expectations(t, dir)
		files, err := os.ReadDir(filepath.Join(dir, "objects"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != len(all) {
			t.Errorf("%s: %d objects, expected.jsonl has %d", folder, len(files), len(all))
		}
		for _, e := range all {
			data, err := os.ReadFile(filepath.Join(dir, "objects", e.OID))
			if err != nil {
				t.Error(err)
				continue
			}
			checkCorpusObject(t, folder, e, data)
		}
	}
}

func checkCorpusObject(t *testing.T, folder string, e expectation, data []byte) {
	t.Helper()
	o := Object{OID: e.OID, Type: e.Object, Size: int64(len(data)), Data: data}
	if err := o.Verify(SHA1); err != nil {
		t.Errorf("%s: %v", folder, err)
	}
	var s Split
	var err error
	if e.Object == "tag" {
		if _, err := ParseTag(data, SHA1); err != nil {
			t.Errorf("%s %s: %v", folder, e.OID, err)
		}
		s, err = SplitTag(data, SHA1)
	} else {
		if _, err := ParseCommit(data, SHA1); err != nil {
			t.Errorf("%s %s: %v", folder, e.OID, err)
		}
		s, err = SplitCommit(data, SHA1)
	}
	if err != nil {
		t.Errorf("%s %s: %v", folder, e.OID, err)
	}
	if got := kindOf(s); got != e.Kind {
		t.Errorf("%s %s: kind %q, want %q", folder, e.OID, got, e.Kind)
	}
}

// history makes a repository of the corpus's real history.
func history(t testing.TB) testRepo {
	t.Helper()
	script := filepath.Join(corpus(t, "history"), "open.sh")
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	r := testRepo{t, filepath.Join(t.TempDir(), "history.git"), testEnv(t)}
	cmd := exec.Command("bash", script, r.dir)
	cmd.Env = r.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("open.sh: %v\n%s", err, out)
	}
	return r
}

// everything returns the walk of all commits and annotated tags.
func everything(t testing.TB, repo *Repo) Walk {
	t.Helper()
	refs, err := repo.Refs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var w Walk
	for _, ref := range refs {
		if ref.Type == "tag" {
			w.Tags = append(w.Tags, ref.OID)
		}
		if ref.PeeledType == "commit" {
			w.Revs = append(w.Revs, ref.Peeled)
		}
	}
	return w
}

func TestCorpusHistory(t *testing.T) {
	repo := history(t).open()
	w := everything(t, repo)
	got := map[string]int{}
	total := 0
	for o, err := range repo.Walk(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		total++
		if err := o.Verify(SHA1); err != nil {
			t.Error(err)
		}
		s, err := splitObject(o)
		if err != nil {
			t.Error(err)
		}
		got[o.Type+" "+kindOf(s)]++
	}
	want := map[string]int{"commit unsigned": 2075, "commit openpgp": 1797, "commit ssh": 1, "commit x509": 1485, "tag x509": 4}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%s: %d, want %d", kind, got[kind], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("kinds = %v, want %v", got, want)
	}
	n, err := repo.Count(t.Context(), w)
	if err != nil || n != total || n != 5362 {
		t.Errorf("Count = %d, %v; walked %d, want 5362", n, err, total)
	}
}

// splitObject parses and splits a commit or tag.
func splitObject(o Object) (Split, error) {
	if o.Type == "tag" {
		if _, err := ParseTag(o.Data, SHA1); err != nil {
			return Split{}, err
		}
		return SplitTag(o.Data, SHA1)
	}
	if _, err := ParseCommit(o.Data, SHA1); err != nil {
		return Split{}, err
	}
	return SplitCommit(o.Data, SHA1)
}

// BenchmarkHistory compares a walk, without and with what an audit does to
// each object before it looks at a signature, with git doing the reading
// alone.
func BenchmarkHistory(b *testing.B) {
	r := history(b)
	repo := r.open()
	w := everything(b, repo)
	n, err := repo.Count(b.Context(), w)
	if err != nil {
		b.Fatal(err)
	}
	perSecond := func(b *testing.B) {
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
	}
	walk := func(b *testing.B, do func(Object) error) {
		for b.Loop() {
			for o, err := range repo.Walk(b.Context(), w) {
				if err == nil {
					err = do(o)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		perSecond(b)
	}
	b.Run("git", func(b *testing.B) {
		revs := strings.Join(append(w.Tags, w.Revs...), "\n")
		const pipe = "git -c core.commitGraph=false rev-list --topo-order --stdin | git cat-file --batch --buffer >/dev/null"
		for b.Loop() {
			cmd := exec.Command("bash", "-o", "pipefail", "-c", pipe)
			cmd.Dir, cmd.Env, cmd.Stdin = r.dir, r.env, strings.NewReader(revs)
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
	b.Run("walk", func(b *testing.B) { walk(b, func(Object) error { return nil }) })
	b.Run("walk+verify+split", func(b *testing.B) {
		walk(b, func(o Object) error {
			if err := o.Verify(SHA1); err != nil {
				return err
			}
			_, err := splitObject(o)
			return err
		})
	})
}

// BenchmarkObject measures the pure half on one commit of usual size.
func BenchmarkObject(b *testing.B) {
	data := []byte(commitHead + folded("gpgsig", "-----BEGIN SIGNED MESSAGE-----\n"+strings.Repeat(strings.Repeat("A", 64)+"\n", 35)+"-----END SIGNED MESSAGE-----\n") + "\nmessage\n")
	data = []byte(strings.ReplaceAll(string(data), "OID", oidA))
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := HashObject(SHA1, "commit", data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("split", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := SplitCommit(data, SHA1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseCommit(data, SHA1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
