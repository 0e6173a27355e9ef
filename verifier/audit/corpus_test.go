package audit_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// publicGood returns what trusts Sigstore's public instance.
func publicGood(t testing.TB) audit.Config {
	t.Helper()
	data, err := os.ReadFile(corpus(t, "trust", "prod", "trusted_root.json"))
	if err != nil {
		t.Fatal(err)
	}
	return trusting(t, data)
}

// openHistory makes the corpus' real history a repository.
func openHistory(t testing.TB) *testRepo {
	t.Helper()
	script := corpus(t, "history", "open.sh")
	r := &testRepo{t: t, dir: filepath.Join(t.TempDir(), "history"), env: gitEnv(t)}
	cmd := exec.Command("bash", script, r.dir)
	cmd.Env = r.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("opening the history: %v\n%s", err, out)
	}
	return r
}

// byFormat returns how many findings there are of each signature format.
func byFormat(r *report.Report) map[string]int {
	n := make(map[string]int)
	for f := range classed(r) {
		switch {
		case f.Object.Type == "mergetag":
		case strings.Contains(f.Message, "an OpenPGP signature"):
			n["openpgp"]++
		case strings.Contains(f.Message, "an SSH signature"):
			n["ssh"]++
		case f.ID == string(report.Unsigned):
			n["unsigned"]++
		default:
			n["x509"]++
		}
	}
	n["x509"] += r.Totals.Classes[verifier.Verified]
	return n
}

func TestRealHistory(t *testing.T) {
	cfg := publicGood(t)
	r := openHistory(t)
	// Most of the corpus hangs on refs of a forge and on lightweight tags,
	// which All leaves out, and says so.
	cfg.Repo, cfg.All = r.open(), true
	if got := run(t, cfg); !omitted(got, "refs/pull/") || got.Totals.Commits >= 5358 {
		t.Errorf("%d commits examined, and refs of a forge not said to be left out", got.Totals.Commits)
	}
	var branches strings.Builder
	for line := range strings.Lines(r.git("for-each-ref", "--format=%(objecttype) %(objectname) %(refname)", "refs/pull", "refs/tags") + "\n") {
		if f := strings.Fields(line); f[0] == "commit" {
			branches.WriteString("create refs/heads/" + f[2] + " " + f[1] + "\n")
		}
	}
	r.run(r.dir, []byte(branches.String()), "update-ref", "--stdin")
	cfg.Repo = r.open()
	var reports [][]byte
	for _, jobs := range []int{1, 5} {
		cfg.Jobs = jobs
		done, total := 0, 0
		cfg.Progress = func(d, n int) { done, total = d, n }
		r := run(t, cfg)
		reports = append(reports, jsonOf(t, r))
		if r.Totals.Commits != 5358 || r.Totals.Tags != 4 || !r.Complete {
			t.Errorf("%d commits and %d tags, complete: %v; want 5358, 4 and true", r.Totals.Commits, r.Totals.Tags, r.Complete)
		}
		formats := byFormat(r)
		for format, want := range map[string]int{"unsigned": 2075, "openpgp": 1797, "ssh": 1, "x509": 1485 + 4} {
			if formats[format] != want {
				t.Errorf("%d objects are %s, want %d", formats[format], format, want)
			}
		}
		if n := r.Totals.Classes[verifier.Verified]; n < 187 {
			t.Errorf("%d objects verified, want the 187 that embed an entry", n)
		}
		if done != r.Totals.Examined || total != 0 && total != done {
			t.Errorf("progress ended at %d of %d, want %d", done, total, r.Totals.Examined)
		}
	}
	if !bytes.Equal(reports[0], reports[1]) {
		t.Error("the report depends on the number of jobs")
	}
}

func TestOddObjects(t *testing.T) {
	dir := corpus(t, "odd", "objects")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := newRepo(t, "--bare")
	var refs, cut strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		typ, ref := "commit", "refs/heads/"
		if bytes.HasPrefix(data, []byte("object ")) {
			typ, ref = "tag", "refs/tags/"
		} else {
			cut.WriteString(e.Name() + "\n")
		}
		if got := r.write(typ, data); got != e.Name() {
			t.Fatalf("%s has the id %s", e.Name(), got)
		}
		refs.WriteString(e.Name() + " " + ref + e.Name() + "\n")
	}
	// The parents are not in the corpus, so the history is cut off at every
	// commit; and update-ref would refuse some of these objects.
	for name, text := range map[string]string{"packed-refs": refs.String(), "shallow": cut.String()} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cfg := publicGood(t)
	cfg.Repo, cfg.All, cfg.AllowShallow = r.open(), true, true
	got := run(t, cfg)
	t.Log(got.Totals, got.Complete, got.NotExamined)
	if n := got.Totals.Examined - got.Totals.Classes[report.MissingObject]; n != len(entries) {
		t.Errorf("%d objects examined, want %d", n, len(entries))
	}
}
