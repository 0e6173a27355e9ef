package pending

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
)

func TestWhatIsAddedIsListed(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	wantQueue(t, "before", r.queue)
	if _, err := os.Lstat(r.queue.Dir); !os.IsNotExist(err) {
		t.Errorf("reading the queue made it: %v", err)
	}
	if f := r.flush(t); len(f.Recorded)+len(f.Failed)+len(f.Lost)+len(f.Bad) > 0 {
		t.Errorf("flushing no queue: %+v", f)
	}
	records, _ := r.queued(t, true, "one", "two")
	wantQueue(t, "both", r.queue, records...)
	if err := r.queue.Add(records[0]); err != nil {
		t.Errorf("adding again: %v", err)
	}
	wantQueue(t, "added again", r.queue, records...)
	if runtime.GOOS != "windows" {
		for name, mode := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, "..": fs.ModeDir | 0o700, records[0].name(): 0o600} {
			if info, err := os.Lstat(filepath.Join(r.queue.Dir, name)); err != nil || info.Mode() != mode {
				t.Errorf("mode of %q is %v, %v, want %v", name, info.Mode(), err, mode)
			}
		}
	}
	for range 2 { // it need not be there
		if err := r.queue.Remove(records[0]); err != nil {
			t.Error(err)
		}
		wantQueue(t, "one removed", r.queue, records[1])
	}
	if err := (Queue{filepath.Join(r.queue.Dir, "none")}).Remove(records[0]); err != nil {
		t.Errorf("removing from no queue: %v", err)
	}
}

func TestAddRefusesWhatItWouldNotRead(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	records, _ := r.sign(t, true, "one")
	bad := *records[0]
	bad.Object = "\x1b[2J"
	if err := r.queue.Add(&bad); err == nil || !strings.Contains(err.Error(), "is no object") {
		t.Errorf("Add = %v, want an error", err)
	}
	wantQueue(t, "after", r.queue)
}

// TestAddThatFailsLeavesNothing has something in the record's place that no
// file can take.
func TestAddThatFailsLeavesNothing(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	records, _ := r.sign(t, true, "one")
	if err := os.MkdirAll(filepath.Join(r.queue.Dir, records[0].name(), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.queue.Add(records[0]); err == nil || !strings.Contains(err.Error(), "adding to queue "+r.queue.Dir) {
		t.Errorf("Add = %v, want an error that names the queue", err)
	}
	if left, err := filepath.Glob(filepath.Join(r.queue.Dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("left are %q, %v, want what was there alone", left, err)
	}
}

// TestListNamesWhatIsNoRecord has one such file at a time beside a good one. It
// is neither used nor removed.
func TestListNamesWhatIsNoRecord(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	records, _ := r.sign(t, true, "one", "two")
	good, victim := records[0], records[1]
	text, err := victim.marshal()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(elsewhere, text, 0o600); err != nil {
		t.Fatal(err)
	}
	put := func(text []byte, mode fs.FileMode) func(string) error {
		return func(path string) error {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				return err
			}
			return os.Chmod(path, mode)
		}
	}
	for name, tt := range map[string]struct {
		as   string // "": by its own name
		make func(path string) error
		want string
		unix bool
	}{
		"truncated":           {"", put(text[:len(text)/2], 0o600), "reading record", false},
		"empty":               {"", put(nil, 0o600), "reading record", false},
		"too long":            {"", put(make([]byte, maxRecord+1), 0o600), "longer than", false},
		"one character":       {"", put([]byte(strings.Replace(string(text), `"instance":"`, `"instance":"!`, 1)), 0o600), "reading record", false},
		"by another name":     {strings.Repeat("0", 64) + recordSuffix, put(text, 0o600), "another signature", false},
		"by no name":          {"README", put(text, 0o600), "another signature", false},
		"writable by a group": {"", put(text, 0o620), "others may write", true},
		"writable by all":     {"", put(text, 0o602), "others may write", true},
		"a link":              {"", func(path string) error { return os.Symlink(elsewhere, path) }, "not a file", true},
		"a directory":         {"", func(path string) error { return os.Mkdir(path, 0o700) }, "not a file", false},
		"of another user":     {"", func(path string) error { return planted(path, text) }, "another user", true},
	} {
		if tt.unix && runtime.GOOS == "windows" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			r.queue.Dir = filepath.Join(t.TempDir(), "pending")
			if err := r.queue.Add(good); err != nil {
				t.Fatal(err)
			}
			if tt.as == "" {
				tt.as = victim.name()
			}
			path := filepath.Join(r.queue.Dir, tt.as)
			if err := tt.make(path); err == errNotRoot {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			got, bad, err := r.queue.List()
			if err != nil || len(got) != 1 || got[0].Key() != good.Key() || len(bad) != 1 || bad[0].Name != tt.as || !strings.Contains(bad[0].Err.Error(), tt.want) {
				t.Fatalf("List = %d records, %v, %v, want %s named with %q", len(got), bad, err, tt.as, tt.want)
			}
			f := r.flush(t)
			if len(f.Recorded) != 1 || len(f.Bad) != 1 || f.Bad[0].Name != tt.as {
				t.Errorf("Flush = %+v, want the good one recorded and the other named", f)
			}
			if _, err := os.Lstat(path); err != nil || r.kept[victim.Key()] != nil {
				t.Errorf("it was used, or removed: %v", err)
			}
		})
	}
}

// errNotRoot is why planted cannot do what it should.
var errNotRoot = errors.New("only root can make files of another user")

// planted makes a file that belongs to another user.
func planted(path string, text []byte) error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	if text == nil {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
	} else if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	return os.Chown(path, 12345, 12345)
}

// TestQueueOfOthersIsRefused has directories that somebody else could write to.
func TestQueueOfOthersIsRefused(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	records, _ := r.queued(t, true, "one")
	real := r.queue.Dir
	for name, tt := range map[string]struct {
		make func(path string) error
		want string
		unix bool
	}{
		"a link":              {func(path string) error { return os.Symlink(real, path) }, "not a directory", true},
		"a file":              {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "not a directory", false},
		"writable by a group": {func(path string) error { os.Mkdir(path, 0o700); return os.Chmod(path, 0o770) }, "others may write", true},
		"of another user":     {func(path string) error { return planted(path, nil) }, "another user", true},
	} {
		if tt.unix && runtime.GOOS == "windows" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			q := Queue{filepath.Join(t.TempDir(), "pending")}
			if err := tt.make(q.Dir); err == errNotRoot {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			refused(t, r, q, records[0], tt.want)
		})
	}
	refused(t, r, Queue{"pending"}, records[0], "not an absolute path")
	refused(t, r, Queue{}, records[0], "not an absolute path")
	wantQueue(t, "what the link leads to", r.queue, records...)
}

func refused(t *testing.T, r *rig, q Queue, record *Record, want string) {
	t.Helper()
	_, _, listErr := q.List()
	_, flushErr := q.Flush(t.Context(), r.config())
	for name, err := range map[string]error{"Add": q.Add(record), "List": listErr, "Flush": flushErr, "Remove": q.Remove(record)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s in %q = %v, want an error with %q", name, q.Dir, err, want)
		}
	}
}

// TestWhatWasNeverFinishedIsSwept has the files of those who were killed while
// they added, long ago, and of one who is still at it.
func TestWhatWasNeverFinishedIsSwept(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	records, _ := r.queued(t, true, "one")
	for name, age := range map[string]time.Duration{"old" + newSuffix: leftAfter, "new" + newSuffix: leftAfter - time.Minute} {
		path := filepath.Join(r.queue.Dir, name)
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := r.time().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	wantQueue(t, "with unfinished files", r.queue, records...)
	r.flush(t)
	wantQueue(t, "flushed", r.queue)
	left, err := filepath.Glob(filepath.Join(r.queue.Dir, "*"+newSuffix))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "new"+newSuffix {
		t.Errorf("left are %q, %v, want the new one alone", left, err)
	}
}

func BenchmarkAdd(b *testing.B) {
	r := newRig(b, fakeca.RekorV2)
	records, _ := r.sign(b, true, "x")
	b.ReportAllocs()
	for b.Loop() {
		if err := r.queue.Add(records[0]); err != nil {
			b.Fatal(err)
		}
	}
}
