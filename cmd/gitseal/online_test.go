package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
	"gitseal/gitutil"
)

func init() {
	scriptCommands["online"] = cmdOnline
	scriptCommands["serve"] = cmdServe
	scriptCommands["asked"] = cmdAsked
	scriptCommands["fail"] = cmdFail
	scriptCommands["capture"] = cmdCapture
}

// online NAME REV [FAULT] has the authority sign a commit or tag again, with
// the log entry outside of the signature, and sets NAME to the id of the
// result.
func cmdOnline(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 3, "online NAME REV [FAULT]")
	var f fakeca.Fixture
	if len(args) > 2 {
		f.Fault = fakeca.Fault(args[2])
	}
	typ, data := readObject(ts, args[1])
	a := openAuthority(ts)
	armor, _ := a.SignOnline([]byte(data), func(armored []byte) string {
		oid, err := gitutil.HashObject(gitutil.SHA1, typ, []byte(attach(typ, data, armored)))
		ts.Check(err)
		return oid
	}, f)
	ts.Check(a.Close())
	store(ts, args[0], typ, attach(typ, data, armor))
}

// A servedLog counts what it is asked.
type servedLog struct {
	asked  atomic.Int64
	status atomic.Int64 // what it answers everything with; 0: as it should
}

// servedLogs are the *servedLog of scripts, by URL.
var servedLogs sync.Map

// served returns the log that the script serves.
func served(ts *testscript.TestScript) *servedLog {
	l, ok := servedLogs.Load(ts.Getenv("LOG"))
	if !ok {
		ts.Fatalf("no log is served")
	}
	return l.(*servedLog)
}

// serve ROOT serves the authority, whose log is of Rekor v1, and writes a
// trusted root that names the log by where it is served.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "serve ROOT")
	a := openAuthority(ts)
	handler := server.New(a)
	l := new(servedLog)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.asked.Add(1)
		if status := int(l.status.Load()); status != 0 {
			http.Error(w, `{"code":0,"message":"out of order"}`, status)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	ts.Defer(func() {
		s.Close()
		ts.Check(a.Close())
	})
	ts.Setenv("LOG", s.URL)
	servedLogs.Store(s.URL, l)
	// The id of a Rekor v1 log is that of its key, wherever it is.
	root := regexp.MustCompile(`https://log\.[^"]*`).ReplaceAll(a.TrustedRoot(), []byte(s.URL))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), root, 0o600))
}

// asked N fails unless the log was asked N questions since the last time; "+"
// is any number but none.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "asked N")
	n := served(ts).asked.Swap(0)
	if got := strconv.FormatInt(n, 10); got != args[0] && (args[0] != "+" || n == 0) {
		ts.Fatalf("the log was asked %d times, want %s", n, args[0])
	}
}

// fail STATUS has the log answer with a status from now on; 0 is as it should.
func cmdFail(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "fail STATUS")
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	served(ts).status.Store(int64(status))
}

// capture FILE writes every entry of the log that can be asked for, as it
// answers, one to a line.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "capture FILE")
	var text strings.Builder
	const first = 1 << 20 // those before are of earlier trees
	for i := first; ; i++ {
		resp, err := http.Get(fmt.Sprintf("%s/api/v1/log/entries?logIndex=%d", ts.Getenv("LOG"), i))
		ts.Check(err)
		body, err := io.ReadAll(resp.Body)
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if resp.StatusCode == http.StatusNotFound {
			break
		}
		text.WriteString(strings.TrimSpace(string(body)) + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text.String()), 0o600))
}

// TestRealEntriesImported has the signatures that gitsign made with their
// entries left in a log verify by what was captured of that log.
func TestRealEntriesImported(t *testing.T) {
	corpus, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "corpus", "keyless"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(corpus); err != nil {
		t.Skip("the shared corpus is not here")
	}
	root := filepath.Join(corpus, "trust", "trusted_root.json")
	for _, tt := range []struct {
		bundle, format string
		pattern        string // of the subjects of commits and tags
		objects        int
	}{
		{"matrix.bundle", "sha1", `^rekor v1 online|^t-v1-online`, 5},
		{"sha256.bundle", "sha256", `^sha256 v1 online`, 1},
	} {
		t.Run(tt.bundle, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "repo")
			git := func(args ...string) string {
				t.Helper()
				out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
				if err != nil {
					t.Fatalf("git %v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			if out, err := exec.Command("git", "init", "-q", "--bare", "--object-format="+tt.format, dir).CombinedOutput(); err != nil {
				t.Fatalf("git init: %v\n%s", err, out)
			}
			git("fetch", "-q", filepath.Join(corpus, tt.bundle), "refs/*:refs/*")
			var online []string
			subject := regexp.MustCompile(tt.pattern)
			for line := range strings.Lines(git("log", "master", "--format=%H %s") + git("for-each-ref", "--format=%(objectname) %(refname:short)", "refs/tags")) {
				oid, text, _ := strings.Cut(strings.TrimSpace(line), " ")
				if subject.MatchString(text) {
					online = append(online, oid)
				}
			}
			if len(online) != tt.objects {
				t.Fatalf("%d objects whose entry is in the log only, want %d", len(online), tt.objects)
			}
			verify := append([]string{"verify", "--any-identity", "--trusted-root", root}, online...)
			if code, out := runIn(t, dir, verify...); code != exitUnknown {
				t.Errorf("before: exit %d\n%s", code, out)
			}
			if code, out := runIn(t, dir, "log", "import", filepath.Join(corpus, "rekor1-entries.jsonl")); code != exitGood || string(out) != "132 entries for 132 certificates: 132 new, 0 known before\n" {
				t.Errorf("import: exit %d\n%s", code, out)
			}
			if code, out := runIn(t, dir, verify...); code != exitGood {
				t.Errorf("after: exit %d\n%s", code, out)
			}
		})
	}
	// Entries of one log say nothing of others.
	t.Run("public", func(t *testing.T) {
		public, err := filepath.Abs(prodRoot)
		if err != nil {
			t.Fatal(err)
		}
		dir, expected := corpusRepo(t, "online")
		if code, out := runIn(t, dir, "log", "import", filepath.Join(corpus, "rekor1-entries.jsonl")); code != exitGood {
			t.Fatalf("import: exit %d\n%s", code, out)
		}
		unlogged := 0
		for _, e := range expected {
			if code, _ := runIn(t, dir, "verify", "--any-identity", "--trusted-root", public, e["oid"].(string)); code == exitUnknown {
				unlogged++
			} else if code != exitFinding {
				t.Errorf("%s: exit %d", e["oid"], code)
			}
		}
		if unlogged != 53 {
			t.Errorf("%d objects could not be told, want the 53 that are not logged", unlogged)
		}
	})
}
