package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runIn runs the program in this process, in dir, and returns its exit code
// and what it wrote to stdout.
func runIn(t *testing.T, dir string, args ...string) (int, []byte) {
	t.Helper()
	t.Chdir(dir)
	out, err := os.CreateTemp(t.TempDir(), "stdout")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	code := run(append([]string{"gitseal"}, args...), &env{
		stdin: null, stdout: out, stderr: null, now: time.Now,
		getenv: func(name string) string {
			if strings.HasPrefix(name, "XDG_") {
				return filepath.Join(dir, "none")
			}
			return ""
		},
	})
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, data
}

// corpusRepo returns a repository that holds the real objects of a folder of
// the shared corpus, and the lines of its expected.jsonl.
func corpusRepo(t *testing.T, folder string) (dir string, expected []map[string]any) {
	t.Helper()
	corpus := filepath.Join("..", "..", "..", "shared", "corpus", folder)
	lines, err := os.ReadFile(filepath.Join(corpus, "expected.jsonl"))
	if err != nil {
		t.Skip("the shared corpus is not here")
	}
	dir = filepath.Join(t.TempDir(), "repo")
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	for line := range bytes.Lines(lines) {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		expected = append(expected, e)
		file, err := filepath.Abs(filepath.Join(corpus, "objects", e["oid"].(string)))
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("git", "-C", dir, "hash-object", "-w", "--literally", "-t", e["object"].(string), file).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != e["oid"] {
			t.Fatalf("git hash-object %s: %v\n%s", e["oid"], err, out)
		}
	}
	return dir, expected
}

const prodRoot = "../../../shared/corpus/trust/prod/trusted_root.json"

// TestShowRealSignatures holds show --format json to the truth of the corpus:
// who, when, and where in the log.
func TestShowRealSignatures(t *testing.T) {
	dir, expected := corpusRepo(t, "offline")
	root, err := filepath.Abs(prodRoot)
	if err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, e := range expected {
		oid := e["oid"].(string)
		code, out := runIn(t, dir, "show", "--format", "json", "--trusted-root", root, oid)
		var doc struct {
			Class     string
			Verified  bool
			Signature struct {
				Checked  bool
				Identity struct{ Subject, Issuer string }
				Time     time.Time
				Log      struct {
					ID        string
					Index     int64
					TreeIndex int64
					TreeSize  int64
					Origin    string
				}
			}
		}
		if err := json.Unmarshal(out, &doc); err != nil {
			t.Fatalf("%s: %v\n%s", oid, err, out)
		}
		s := doc.Signature
		if s.Identity.Subject != e["san"] || s.Identity.Issuer != e["oidc_issuer"] {
			t.Errorf("%s: identity %v", oid, s.Identity)
		}
		if e["expected"] != "good" {
			if code != exitUnknown || doc.Class != "unsupported-signature" || doc.Verified || s.Checked {
				t.Errorf("%s: exit %d, class %s, want it unsupported", oid, code, doc.Class)
			}
			continue
		}
		good++
		if code != exitGood || !doc.Verified || doc.Class != "verified" || !s.Checked ||
			s.Time.Unix() != int64(e["integrated_time"].(float64)) || s.Log.Index != int64(e["log_index"].(float64)) ||
			s.Log.TreeIndex != int64(e["proof_index"].(float64)) || s.Log.TreeSize != int64(e["tree_size"].(float64)) ||
			s.Log.ID != e["log_id"] || s.Log.Origin != e["checkpoint_origin"] {
			t.Errorf("%s: exit %d, %+v", oid, code, doc)
		}
	}
	if good != 88 {
		t.Errorf("%d good signatures, want 88", good)
	}
}

// TestShowSaysWhichCheckFailed looks at the real signatures whose value is
// wrong and at those without a log entry.
func TestShowSaysWhichCheckFailed(t *testing.T) {
	dir, expected := corpusRepo(t, "online")
	root, err := filepath.Abs(prodRoot)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(map[string]int)
	for _, e := range expected {
		_, out := runIn(t, dir, "show", "--format", "json", "--trusted-root", root, e["oid"].(string))
		var doc struct {
			Class    string
			Verified bool
			Error    string
			Checks   []struct {
				Check  string
				Passed bool
			}
		}
		if err := json.Unmarshal(out, &doc); err != nil {
			t.Fatal(err)
		}
		last := doc.Checks[len(doc.Checks)-1]
		if doc.Verified || doc.Error == "" || last.Passed {
			t.Errorf("%s: verified %v, error %q, last check %v", e["oid"], doc.Verified, doc.Error, last)
		}
		failed[e["expected"].(string)+" "+doc.Class+" "+last.Check]++
	}
	for what, n := range map[string]int{
		"needs-online-rekor not-logged log-entry":                  53,
		"untrusted-issuer untrusted-certificate certificate-chain": 3,
		"untrusted-issuer untrusted-certificate cms":               2,
		"bad-signature untrusted-certificate cms":                  2,
	} {
		if failed[what] != n {
			t.Errorf("%d objects are %s, want %d", failed[what], what, n)
		}
	}
}
