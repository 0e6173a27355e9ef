package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/rogpeppe/go-internal/testscript"
)

func init() {
	scriptCommands["mode"] = cmdMode
	scriptCommands["appendto"] = cmdAppendto
}

// mode MODE FILE fails unless a file has that mode, where files have one.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "mode MODE FILE")
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] && runtime.GOOS != "windows" {
		ts.Fatalf("mode %s of %s, want %s", got, args[1], args[0])
	}
}

// appendto FILE TEXT adds to a file.
func cmdAppendto(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "appendto FILE TEXT")
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteString(unescape(ts, args[1]))
	ts.Check(err)
	ts.Check(f.Close())
}

// TestLogOfFailuresIsRotated: two files of a bounded size, and what is newest in
// one of them.
func TestLogOfFailuresIsRotated(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sign.log")
	const more = 100
	line := func(i int) []byte {
		return fmt.Appendf(nil, `{"time":"t","error":"%d %s"}`+"\n", i, strings.Repeat("x", 1000))
	}
	n := 3*maxFailures/len(line(0)) + more
	for i := range n {
		appendRotated(name, line(i))
		f, err := readLastFailure(name)
		if err != nil || f == nil || !strings.HasPrefix(f.Error, fmt.Sprint(i, " ")) {
			t.Fatalf("after line %d the last failure is %+v, %v", i, f, err)
		}
	}
	for _, file := range []string{name, name + ".1"} {
		if info, err := os.Stat(file); err != nil || info.Size() > maxFailures || info.Size() == 0 {
			t.Errorf("%s: %v, %v, want at most %d bytes, and some", file, info, err, maxFailures)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if f, err := readLastFailure(name); err != nil || f == nil {
		t.Errorf("the last failure of what was moved away is %+v, %v", f, err)
	}
}

// TestFailuresAtOnceAreAllKept: as many processes as commit at once may fail,
// while one of them moves the log away.
func TestFailuresAtOnceAreAllKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sign.log")
	const writers, lines = 16, 100
	filler := strings.Repeat("x", maxFailures*5/4/writers/lines)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range lines {
				appendRotated(name, fmt.Appendf(nil, `{"error":"%d %d %s"}`+"\n", w, i, filler))
			}
		})
	}
	all.Wait()
	seen := make(map[string]int)
	for _, file := range []string{name, name + ".1"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			var f failure
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatalf("%s: %v in %q", file, err, line)
			}
			seen[f.Error]++
		}
	}
	if len(seen) != writers*lines {
		t.Errorf("%d of %d failures were kept", len(seen), writers*lines)
	}
}

// TestALogThatAnotherMovesAwayIsNotWaitedForLong is a process that was stopped
// while it had the lock.
func TestALogThatAnotherMovesAwayIsNotWaitedForLong(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sign.log")
	if err := os.WriteFile(name, make([]byte, maxFailures), 0o600); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockedfile.MutexAt(name + ".lock").Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	began := time.Now()
	appendRotated(name, []byte("{}\n"))
	if took := time.Since(began); took > 10*rotateWait {
		t.Errorf("appending took %v, want about %v", took, rotateWait)
	}
	if info, err := os.Stat(name); err != nil || info.Size() != maxFailures+3 {
		t.Errorf("%v, %v: want the line in the log as it is", info, err)
	}
}

func TestSecretsAreTakenOut(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"asking https://issuer.example/token: status 400", "asking https://issuer.example/token: status 400"},
		{"the header was Bearer " + token + ", refused", "the header was Bearer [token], refused"},
		{token + token, "[token]"},
		{"a part, " + token[:len(token)-12] + ", too", "a part, [token], too"},
		{"proxy http://alice:secret@proxy.example:3128 says no", "proxy http://[password]@proxy.example:3128 says no"},
		{"mail alice@example.com at https://example.com/@x", "mail alice@example.com at https://example.com/@x"},
	} {
		if got := secretless(test.in); got != test.want {
			t.Errorf("secretless(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestAgo(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0 seconds ago"}, {time.Second, "1 second ago"}, {119 * time.Second, "119 seconds ago"}, {2 * time.Minute, "2 minutes ago"},
		{2 * time.Hour, "2 hours ago"}, {49 * time.Hour, "2 days ago"}, {-time.Second, "later than this machine's clock"},
	} {
		if got := ago(test.d); got != test.want {
			t.Errorf("ago(%v) = %q, want %q", test.d, got, test.want)
		}
	}
}

func TestMayPrompt(t *testing.T) {
	for value, want := range map[string]bool{"": true, "1": true, "true": true, "0": false, "false": false, "No": false, "off": false} {
		if got := mayPrompt(func(string) string { return value }); got != want {
			t.Errorf("mayPrompt with GIT_TERMINAL_PROMPT=%q: %t, want %t", value, got, want)
		}
	}
}

// FuzzLastFailure reads a log that anything may be in: nothing of it reaches a
// terminal that is not a line of text.
func FuzzLastFailure(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","error":"signing: no","steps":[{"at":1,"step":"certifying the key"}]}` + "\n"))
	f.Add([]byte("\n\n{}\n{\"time\":\"\\u001b[2J\",\"error\":\"a\\nb\",\"hints\":[\"\\r\"],\"git\":\"\\u202e\"}\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := parseLastFailure(data)
		if last == nil {
			return
		}
		if last.Time == "" || last.Error == "" {
			t.Errorf("parseLastFailure = %+v, which is none", last)
		}
		for _, line := range (&lastFailure{Failure: last}).lines() {
			if strings.ContainsFunc(line, unprintable) {
				t.Errorf("line %q", line)
			}
		}
	})
}
