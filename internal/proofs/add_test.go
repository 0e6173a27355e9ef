package proofs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"gitseal/verifier"
)

// TestAddKeepsProofsInEveryKindOfRepository adds to repositories of both hashes,
// bare ones, and from a worktree, without a user, and with one who signs
// everything and has a hook for it.
func TestAddKeepsProofsInEveryKindOfRepository(t *testing.T) {
	for _, args := range [][]string{nil, {"--bare"}, {"--object-format=sha256"}, {"--object-format=sha256", "--bare"}} {
		r := newRig(t, args...)
		hook := filepath.Join(r.dir, "hooks", "reference-transaction")
		if err := os.MkdirAll(filepath.Dir(hook), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(hook, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		r.git("config", "commit.gpgSign", "true")
		r.git("config", "gpg.program", "/nowhere")
		r.git("config", "user.useConfigOnly", "true")
		r.git("config", "fastimport.unpackLimit", "1")
		p, q := proof(t, 1), proof(t, 0)
		r.add(one(1, p))
		r.add(one(2, q))
		for n, want := range map[int]verifier.Proof{1: p, 2: q} {
			if found, ignored := r.find(keyOf(n)); !same(found, []verifier.Proof{want}) || len(ignored) > 0 {
				t.Errorf("%q: %d proofs of signature %d, ignored %q, want the one that was added", args, len(found), n, ignored)
			}
		}
		if got := r.git("log", "--format=%an <%ae> %cn <%ce> %G?", Ref); got != strings.Repeat(author+" "+author+" N\n", 1)+author+" "+author+" N" {
			t.Errorf("%q: the commits are by %q, want two by %s, not signed", args, got, author)
		}
		r.git("fsck", "--strict", "--no-dangling")
	}
}

func TestAddFromAWorktreeIsOfTheRepository(t *testing.T) {
	r := newRig(t)
	r.put("refs/heads/main", r.tree("100644 blob "+r.blob("x")+"\tx"))
	tree := filepath.Join(t.TempDir(), "w")
	r.git("worktree", "add", "-q", "-b", "other", tree, "main")
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "elsewhere"))
	t.Setenv("GIT_QUARANTINE_PATH", "x")
	t.Setenv("GIT_CONFIG_COUNT", "hello")
	r.add(one(1, proof(t, 0)))
	if err := Add(t.Context(), filepath.Join(r.dir, "worktrees", "w"), one(2, proof(t, 0))); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		if found, _ := r.find(keyOf(n)); len(found) != 1 {
			t.Errorf("%d proofs of signature %d, want 1", len(found), n)
		}
	}
	r.git("worktree", "remove", tree)
}

func TestAddChangesNothingIfNothingIsNew(t *testing.T) {
	r := newRig(t)
	r.add(nil)
	if refs := r.git("for-each-ref"); refs != "" {
		t.Errorf("Add of nothing made %q", refs)
	}
	p := proof(t, 0)
	r.add(one(1, p))
	before := r.git("rev-parse", Ref)
	r.add(one(1, p))
	r.add(nil)
	if after := r.git("rev-parse", Ref); after != before {
		t.Errorf("the ref was moved from %s to %s for what is there already", before, after)
	}
}

func TestAddRefusesWhatIsNoProof(t *testing.T) {
	r := newRig(t)
	if err := Add(t.Context(), r.dir, one(1, verifier.Proof{Entry: []byte("x")})); err == nil {
		t.Error("Add took what it would not read")
	}
	if err := Add(t.Context(), t.TempDir(), one(1, proof(t, 0))); err == nil {
		t.Error("Add wrote to a directory that is no repository")
	}
	// What somebody has on the ref that is no proofs is not thrown away.
	r.git("update-ref", Ref, r.blob("mine"))
	if err := Add(t.Context(), r.dir, one(1, proof(t, 0))); !errors.Is(err, ErrForeign) {
		t.Errorf("Add = %v, want it to leave what the ref holds", err)
	}
	// Nor is a directory that nobody reads, in which there may be some.
	var lines []string
	mine := r.blob("mine")
	for i := range maxDir + 1 {
		lines = append(lines, fmt.Sprintf("100644 blob %s\t%062x", mine, i))
	}
	tree := r.tree("040000 tree " + r.tree(lines...) + "\tff")
	full := r.put(Ref, tree)
	for range 2 {
		if err := Add(t.Context(), r.dir, one(1, proof(t, 0))); !errors.Is(err, ErrForeign) || r.git("rev-parse", Ref) != full {
			t.Errorf("Add = %v, want it to leave a directory that is too full", err)
		}
		r.put(Remotes+"origin", tree, full) // which goes on from ours
	}
}

// TestAddChangesNoRefBehindItsOwn has the ref stand for a branch.
func TestAddChangesNoRefBehindItsOwn(t *testing.T) {
	r := newRig(t)
	branch := r.put("refs/heads/main", r.tree("100644 blob "+r.blob("x")+"\tREADME"))
	for _, target := range []string{"refs/heads/main", "refs/heads/none"} {
		r.git("symbolic-ref", Ref, target)
		if err := Add(t.Context(), r.dir, one(1, proof(t, 0))); err == nil || !strings.Contains(err.Error(), target) {
			t.Errorf("Add = %v, want that the ref stands for %s", err, target)
		}
		if refs := r.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads"); refs != branch+" refs/heads/main" {
			t.Errorf("the branches are %q now", refs)
		}
	}
}

// TestAddUnitesWithRemotes has two repositories that both have proofs, some of
// the same signature, and a remote that went on from ours.
func TestAddUnitesWithRemotes(t *testing.T) {
	ours, theirs := newRig(t), newRig(t)
	a, b, c, d := proof(t, 0), proof(t, 0), proof(t, 0), proof(t, 0)
	ours.add(map[[32]byte][]verifier.Proof{keyOf(1): {a}, keyOf(2): {b}})
	theirs.add(map[[32]byte][]verifier.Proof{keyOf(1): {c}, keyOf(3): {d}})
	fetch := func() { ours.git("fetch", "-q", theirs.dir, "+"+Ref+":"+Remotes+"origin") }
	fetch()
	ours.add(nil)
	for n, want := range map[int][]verifier.Proof{1: {a, c}, 2: {b}, 3: {d}} {
		reader := ours.open()
		reader.sources = reader.sources[:1] // the repository's own
		if found, err := reader.Find(t.Context(), keyOf(n)); err != nil || !same(found, want) {
			t.Errorf("%d proofs of signature %d on the own ref, %v, want %d", len(found), n, err, len(want))
		}
	}
	if out := ours.git("rev-list", "--count", Remotes+"origin", "^"+Ref); out != "0" {
		t.Errorf("%s commits of the remote are not in the history, so that a push would not be a fast-forward", out)
	}
	before := ours.git("rev-parse", Ref)
	ours.add(nil)
	if after := ours.git("rev-parse", Ref); after != before {
		t.Error("united again, the ref was moved")
	}
	// Theirs takes ours over, and goes on: ours follows without a commit.
	theirs.git("fetch", "-q", ours.dir, "+"+Ref+":"+Ref)
	theirs.add(one(4, proof(t, 1)))
	fetch()
	ours.add(nil)
	if ours.git("rev-parse", Ref) != theirs.git("rev-parse", Ref) {
		t.Error("a remote that is ahead was not just followed")
	}
	// And a repository without any takes all that it has fetched.
	third := newRig(t)
	third.git("fetch", "-q", theirs.dir, "+"+Ref+":"+Remotes+"origin")
	third.add(nil)
	if third.git("rev-parse", Ref) != theirs.git("rev-parse", Ref) {
		t.Error("the first proofs are not those that were fetched")
	}
}

// TestAddLeavesOutWhatIsHostile unites with remotes that hold other things than
// proofs: on a history of their own, and one that goes on from ours.
func TestAddLeavesOutWhatIsHostile(t *testing.T) {
	r := newRig(t)
	r.add(one(1, proof(t, 0)))
	blob := r.blob("hello\n")
	good, err := formatFile([]verifier.Proof{proof(t, 0)})
	if err != nil {
		t.Fatal(err)
	}
	k2, k3 := path(keyOf(2)), path(keyOf(3))
	hostile := r.tree(
		"100644 blob "+blob+"\tREADME \\\"x\"",
		"120000 blob "+blob+"\tff",
		"040000 tree "+r.tree("100644 blob "+blob+"\t"+k2[3:], "100644 blob "+blob+"\tother")+"\t"+k2[:2],
		"040000 tree "+r.tree("100644 blob "+r.blob(string(good))+"\t"+k3[3:])+"\t"+k3[:2])
	for _, goesOn := range []bool{false, true} {
		var parents []string
		if goesOn {
			parents = []string{r.git("rev-parse", Ref)}
		}
		r.put(Remotes+"evil", hostile, parents...)
		r.add(one(4, proof(t, 0)))
		// The second one has taken the first away.
		want := []string{path(keyOf(1)), path(keyOf(3)), path(keyOf(4))}
		files := r.git("ls-tree", "-r", "--name-only", Ref)
		for _, file := range want {
			if !strings.Contains(files, file) {
				t.Errorf("%s is not among %q", file, files)
			}
		}
		if got := len(strings.Fields(files)); got != 3 {
			t.Errorf("the ref has %d files, want 3: %q", got, files)
		}
		if err := Check(t.Context(), r.repo, "", r.git("rev-parse", Ref)); err != nil {
			t.Errorf("what Add wrote does not pass Check: %v", err)
		}
	}
}

// TestAddKeepsWhatIsNewBesideWhatCannotBeRead has the repository be a partial
// clone, which has fetched proofs without their content: those that the remote has
// beside ours, and those that go on from ours. What was recorded is kept; who
// wants no more than theirs is told.
func TestAddKeepsWhatIsNewBesideWhatCannotBeRead(t *testing.T) {
	for _, goesOn := range []bool{false, true} {
		ours, theirs := newRig(t), newRig(t)
		theirs.git("config", "uploadpack.allowFilter", "true")
		ours.git("config", "remote.origin.url", "file://"+theirs.dir)
		ours.git("config", "remote.origin.promisor", "true")
		ours.add(one(1, proof(t, 0)))
		if goesOn {
			theirs.git("fetch", "-q", ours.dir, Ref+":"+Ref)
		}
		theirs.add(one(2, proof(t, 0)))
		ours.git("fetch", "-q", "--filter=blob:none", "origin", "+"+Ref+":"+Remotes+"origin")
		if err := Add(t.Context(), ours.dir, nil); err == nil || !strings.Contains(err.Error(), Remotes+"origin") {
			t.Errorf("goes on %v: Add of nothing = %v, want that what was fetched could not be read", goesOn, err)
		}
		ours.add(one(3, proof(t, 0)))
		reader := ours.open()
		reader.sources = reader.sources[:1] // the repository's own
		for n, want := range map[int]int{1: 1, 2: 0, 3: 1} {
			if found, err := reader.Find(t.Context(), keyOf(n)); err != nil || len(found) != want {
				t.Errorf("goes on %v: %d proofs of signature %d, %v, want %d", goesOn, len(found), n, err, want)
			}
		}
		ours.git("fetch", "-q", "--refetch", "--no-filter", "origin", "+"+Ref+":"+Remotes+"origin")
		ours.add(nil)
		if out := ours.git("rev-list", "--count", Remotes+"origin", "^"+Ref); out != "0" {
			t.Errorf("goes on %v: %s commits of the remote are not in the history, now that they can be read", goesOn, out)
		}
		if found, _ := ours.find(keyOf(2)); len(found) != 1 {
			t.Errorf("goes on %v: %d proofs of what was fetched again, want 1", goesOn, len(found))
		}
	}
}

// TestAddKeepsItsOwnInAFullFile has remotes bring as many proofs of a signature as
// a file holds, in place of the one that we have, in a history of their own and in
// one that goes on from ours.
func TestAddKeepsItsOwnInAFullFile(t *testing.T) {
	for _, goesOn := range []bool{false, true} {
		r := newRig(t)
		own, more := proof(t, 0), proof(t, 0)
		r.add(one(1, own))
		var many []verifier.Proof
		for range maxProofs {
			many = append(many, proof(t, 0))
		}
		text, err := formatFile(many)
		if err != nil {
			t.Fatal(err)
		}
		var parents []string
		if goesOn {
			parents = []string{r.git("rev-parse", Ref)}
		}
		files := r.tree("100644 blob " + r.blob(string(text)) + "\t" + path(keyOf(1))[3:])
		r.put(Remotes+"evil", r.tree("040000 tree "+files+"\t"+path(keyOf(1))[:2]), parents...)
		r.add(one(1, more))
		reader := r.open()
		reader.sources = reader.sources[:1] // the repository's own
		found, err := reader.Find(t.Context(), keyOf(1))
		if err != nil || len(found) != maxProofs {
			t.Fatalf("goes on %v: %d proofs, %v, want %d", goesOn, len(found), err, maxProofs)
		}
		for _, want := range []verifier.Proof{own, more} {
			if !slices.ContainsFunc(found, func(p verifier.Proof) bool { return equal(p, want) }) {
				t.Errorf("goes on %v: a proof that was there, or was added, is gone", goesOn)
			}
		}
	}
}

// TestAddBelievesNoGraft has the repository say that our proofs go on from those
// of a remote, which they do not: a push would be no fast-forward.
func TestAddBelievesNoGraft(t *testing.T) {
	ours, theirs := newRig(t), newRig(t)
	ours.add(one(1, proof(t, 0)))
	theirs.add(one(2, proof(t, 0)))
	ours.git("fetch", "-q", theirs.dir, "+"+Ref+":"+Remotes+"origin")
	graft := ours.git("rev-parse", Ref) + " " + ours.git("rev-parse", Remotes+"origin") + "\n"
	if err := os.WriteFile(filepath.Join(ours.dir, "info", "grafts"), []byte(graft), 0o600); err != nil {
		t.Fatal(err)
	}
	ours.add(nil)
	if err := os.Remove(filepath.Join(ours.dir, "info", "grafts")); err != nil {
		t.Fatal(err)
	}
	if out := ours.git("rev-list", "--count", Remotes+"origin", "^"+Ref); out != "0" {
		t.Errorf("%s commits of the remote are not in the history", out)
	}
}

// TestAddLosesNothingOfMany has several write at once, in this process and
// others, while somebody else moves the ref of a remote.
func TestAddLosesNothingOfMany(t *testing.T) {
	if dir := os.Getenv("PROOFS_ADD"); dir != "" {
		for n := range 4 {
			if err := Add(t.Context(), dir, one(100+n, proof(t, 0))); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	r := newRig(t)
	var wait sync.WaitGroup
	for worker := range 3 {
		wait.Go(func() {
			for n := range 4 {
				if err := Add(t.Context(), r.dir, one(worker*10+n, proof(t, 0))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Go(func() {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAddLosesNothingOfMany$")
		cmd.Env = append(r.env, "PROOFS_ADD="+r.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("another process: %v: %s", err, out)
		}
	})
	wait.Wait()
	reader := r.open()
	for _, from := range []int{0, 10, 20, 100} {
		for n := range 4 {
			if found, err := reader.Find(t.Context(), keyOf(from+n)); err != nil || len(found) != 1 {
				t.Errorf("%d proofs of signature %d, %v, want 1", len(found), from+n, err)
			}
		}
	}
}

// TestAddBeginsAgainIfTheRefMoves has git itself move the ref, which takes no
// lock of ours, between what Add reads and what it writes.
func TestAddBeginsAgainIfTheRefMoves(t *testing.T) {
	r, other := newRig(t), newRig(t)
	r.add(one(1, proof(t, 0)))
	other.add(one(2, proof(t, 0)))
	r.git("fetch", "-q", other.dir, Ref+":refs/heads/moved")
	moved := r.git("rev-parse", "refs/heads/moved")
	// git is a program that moves the ref the first time that it is to import.
	dir := t.TempDir()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *fast-import*)\n if mkdir '%s/once' 2>/dev/null; then '%s' -c core.hooksPath=/dev/null update-ref %s %s; fi;;\nesac\nexec '%s' \"$@\"\n", dir, git, Ref, moved, git)
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	r.add(one(3, proof(t, 0)))
	if _, err := os.Stat(filepath.Join(dir, "once")); err != nil {
		t.Fatal("the ref was not moved meanwhile")
	}
	for n, want := range map[int]int{2: 1, 3: 1} {
		if found, _ := r.find(keyOf(n)); len(found) != want {
			t.Errorf("%d proofs of signature %d, want %d", len(found), n, want)
		}
	}
}

// BenchmarkAdd adds 1,000 proofs at once to 10,000, and BenchmarkFind finds one
// of those.
func BenchmarkAdd(b *testing.B) {
	r := newRig(b)
	p := proof(b, 1)
	batch := func(from, n int) map[[32]byte][]verifier.Proof {
		more := make(map[[32]byte][]verifier.Proof)
		for i := range n {
			more[keyOf(from+i)] = []verifier.Proof{p}
		}
		return more
	}
	r.add(batch(0, 10_000))
	next := 10_000
	for b.Loop() {
		r.add(batch(next, 1000))
		next += 1000
	}
}

func BenchmarkFind(b *testing.B) {
	r := newRig(b)
	p := proof(b, 1)
	more := make(map[[32]byte][]verifier.Proof)
	for i := range 10_000 {
		more[keyOf(i)] = []verifier.Proof{p}
	}
	r.add(more)
	reader := r.open()
	n := 0
	for b.Loop() {
		if found, err := reader.Find(b.Context(), keyOf(n%10_000)); err != nil || len(found) != 1 {
			b.Fatal(len(found), err)
		}
		n++
	}
}

// TestAddPassesOverWhatIsTooMuch has a remote that is small where it is kept and
// huge where it is read: the same tree, or the same file, under very many names.
func TestAddPassesOverWhatIsTooMuch(t *testing.T) {
	r := newRig(t)
	r.add(one(1, proof(t, 0)))
	var many []verifier.Proof
	for range maxProofs {
		many = append(many, proof(t, 2))
	}
	text, err := formatFile(many)
	if err != nil {
		t.Fatal(err)
	}
	files := func(n int, blob string) string {
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf("100644 blob %s\t%062x", blob, i))
		}
		return r.tree(lines...)
	}
	everywhere := func(tree string) string {
		var dirs []string
		for i := range 256 {
			dirs = append(dirs, fmt.Sprintf("040000 tree %s\t%02x", tree, i))
		}
		return r.tree(dirs...)
	}
	proven, small := r.blob(string(text)), r.git("rev-parse", Ref+":"+path(keyOf(1)))
	wide := everywhere(files(maxFiles/256+1, r.blob("x")))
	crowd := everywhere(files(maxFiles/512+1, proven))
	dir := r.tree("040000 tree " + files(maxDir/2+1, small) + "\tff")
	deep := r.tree("040000 tree " + files(maxBrought/len(text)*2, proven) + "\tff")
	for _, test := range []struct {
		name, tree string
		goesOn     bool // from ours
	}{
		{"the same tree everywhere", wide, false},
		{"the same file everywhere", deep, false},
		{"the same tree everywhere, after ours", wide, true},
		{"so many that there would be no room for ours", crowd, true},
		{"so many in one directory", dir, false},
		{"so many in one directory, after ours", dir, true},
	} {
		var parents []string
		if test.goesOn {
			parents = []string{r.git("rev-parse", Ref)}
		}
		r.put(Remotes+"evil", test.tree, parents...)
		r.add(one(2, proof(t, 0)))
		if files := r.git("ls-tree", "-r", "--name-only", Ref); len(strings.Fields(files)) != 2 {
			t.Errorf("%s: the ref has %d files, want the 2 that are ours", test.name, len(strings.Fields(files)))
		}
		if r.git("rev-list", "--max-count=1", Remotes+"evil", "^"+Ref) == "" {
			t.Errorf("%s: it is in the history, so that what it has counts as taken", test.name)
		}
		if found, _ := r.find(keyOf(1)); len(found) != 1 {
			t.Errorf("%s: %d proofs, want ours", test.name, len(found))
		}
	}
	var hostile *HostileError
	r.put(Remotes+"evil", wide)
	if err := Check(t.Context(), r.repo, "", r.git("rev-parse", Remotes+"evil")); !errors.As(err, &hostile) || !strings.Contains(err.Error(), "more than 1048576 files") {
		t.Errorf("Check of the same tree everywhere = %v, want that it is too much", err)
	}
}

// TestAddTakesNoMoreOfManyThanOfOne has remotes bring in turns what would be too
// much of one of them: the last ones are passed over.
func TestAddTakesNoMoreOfManyThanOfOne(t *testing.T) {
	r := newRig(t)
	r.add(one(1, proof(t, 0)))
	file := r.git("rev-parse", Ref+":"+path(keyOf(1)))
	const each = maxDir / 5
	for i := range 4 {
		var lines []string
		for n := range each {
			lines = append(lines, fmt.Sprintf("100644 blob %s\t%d%061x", file, i, n))
		}
		r.put(fmt.Sprintf("%sevil%d", Remotes, i), r.tree("040000 tree "+r.tree(lines...)+"\tff"))
	}
	r.add(one(2, proof(t, 0)))
	if files := r.git("ls-tree", "-r", "--name-only", Ref); len(strings.Fields(files)) != 2*each+2 {
		t.Errorf("the ref has %d files, want those of two remotes and ours, %d", len(strings.Fields(files)), 2*each+2)
	}
	for n := 1; n <= 2; n++ {
		if found, _ := r.find(keyOf(n)); len(found) != 1 {
			t.Errorf("%d proofs of signature %d, want 1", len(found), n)
		}
	}
}

// TestAddWaitsNoLongerThanItMay: whoever may write to the repository can hold
// the lock for ever.
func TestAddWaitsNoLongerThanItMay(t *testing.T) {
	r := newRig(t)
	unlock, err := lockedfile.MutexAt(filepath.Join(r.dir, "gitseal-proofs.lock")).Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("out of patience"))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Add(ctx, r.dir, one(1, proof(t, 0))) }()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "out of patience") {
			t.Errorf("Add = %v, want that it is out of patience", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Add waits on")
	}
}
