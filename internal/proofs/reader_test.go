package proofs

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitseal/gitutil"
	"gitseal/verifier"
)

func TestReaderOfARepositoryWithoutProofsIsEmpty(t *testing.T) {
	r := newRig(t)
	reader := r.open()
	found, err := reader.Find(t.Context(), keyOf(1))
	version, versionErr := reader.Version(t.Context(), keyOf(1))
	if !reader.Empty() || len(found) > 0 || err != nil || version != [32]byte{} || versionErr != nil {
		t.Errorf("Empty %v, Find %v, %v, Version %x, %v, want nothing", reader.Empty(), found, err, version, versionErr)
	}
}

// TestReaderFindsInEverySource has proofs of one signature on the repository's
// ref, on those of two remotes, and in a commit that no ref holds.
func TestReaderFindsInEverySource(t *testing.T) {
	r := newRig(t)
	own, theirs, others, pushed := proof(t, 0), proof(t, 1), proof(t, 0), proof(t, 0)
	var last string
	for _, source := range []struct {
		ref string
		p   verifier.Proof
	}{{Remotes + "theirs", theirs}, {Remotes + "a/b", others}, {"refs/heads/pushed", pushed}, {Ref, own}} {
		text, err := formatFile([]verifier.Proof{source.p})
		if err != nil {
			t.Fatal(err)
		}
		dir, name, _ := strings.Cut(path(keyOf(1)), "/")
		files := r.tree("100644 blob " + r.blob(string(text)) + "\t" + name)
		commit := r.put(source.ref, r.tree("040000 tree "+files+"\t"+dir))
		if source.ref == "refs/heads/pushed" {
			last = commit
		}
	}
	found, ignored := r.find(keyOf(1))
	if !same(found, []verifier.Proof{own, theirs, others}) || len(ignored) > 0 {
		t.Errorf("Find returned %d proofs, ignored %q, want 3 and nothing", len(found), ignored)
	}
	if found, _ := r.find(keyOf(2)); len(found) > 0 {
		t.Errorf("Find of another signature returned %d proofs", len(found))
	}
	reader, err := Open(t.Context(), r.repo.Config(), last)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if found, err := reader.Find(t.Context(), keyOf(1)); err != nil || len(found) != 4 {
		t.Errorf("Find with a commit that is pushed returned %d proofs, %v, want 4", len(found), err)
	}
}

func TestVersionChangesWithTheProofs(t *testing.T) {
	r := newRig(t)
	version := func(n int) [32]byte {
		v, err := r.open().Version(t.Context(), keyOf(n))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	r.add(one(1, proof(t, 0)))
	first := version(1)
	r.add(one(2, proof(t, 0)))
	if version(1) != first || version(2) == [32]byte{} || version(3) != [32]byte{} {
		t.Error("the version of a signature's proofs changes with those of others")
	}
	r.add(one(1, proof(t, 0)))
	if v := version(1); v == first || v == [32]byte{} {
		t.Error("the version of a signature's proofs is as before after one was added")
	}
}

// TestHostileContentIsIgnoredAndNamed puts one thing that is wrong on the ref of
// a remote at a time. Beside it everything else is found.
func TestHostileContentIsIgnoredAndNamed(t *testing.T) {
	r := newRig(t)
	good := proof(t, 0)
	text, err := formatFile([]verifier.Proof{good})
	if err != nil {
		t.Fatal(err)
	}
	dir, name, _ := strings.Cut(path(keyOf(1)), "/")
	blob := r.blob(string(text))
	files := func(lines ...string) string { return r.tree(append(lines, "100644 blob "+blob+"\t"+name)...) }
	root := func(files string, lines ...string) string {
		return r.tree(append(lines, "040000 tree "+files+"\t"+dir)...)
	}
	const none = "1111111111111111111111111111111111111111"
	other := func(data string) string { // the file of another signature, in the same directory
		return root(files("100644 blob " + r.blob(data) + "\t" + strings.Repeat("0", 62)))
	}
	otherKey, err := hex.DecodeString(dir + strings.Repeat("0", 62))
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("100644 blob %s\tx%d", blob, i))
	}
	var strange []string
	for i := range 100 {
		strange = append(strange, fmt.Sprintf("100644 blob %s\tx%02d", blob, i))
	}
	for _, test := range []struct {
		name, tree string
		want       string // what is named
		rest       bool   // the good proof is found
	}{
		{"a file at the root", root(files(), "100644 blob "+blob+"\tREADME"), "README: a file that is no directory", true},
		{"a directory with another name", root(files(), "040000 tree "+files()+"\tABC"), "ABC: a directory that is no directory", true},
		{"a file in place of a directory", root(files(), "100644 blob "+blob+"\tff"), "ff: a file that is no directory", true},
		{"a symbolic link at the root", root(files(), "120000 blob "+blob+"\tff"), "ff: a symbolic link", true},
		{"a submodule at the root", root(files(), "160000 commit "+none+"\tff"), "ff: a submodule", true},
		{"a file with a short name", root(files("100644 blob " + blob + "\tcd")), "/cd: a file that is none of proofs", true},
		{"a file with a name in capitals", root(files("100644 blob " + blob + "\t" + strings.Repeat("A", 62))), "a file that is none of proofs", true},
		{"a symbolic link to another file", root(files("120000 blob " + r.blob(name) + "\t" + strings.Repeat("0", 62))), "a symbolic link that is none", true},
		{"a submodule in place of a file", root(files("160000 commit " + none + "\t" + strings.Repeat("0", 62))), "a submodule that is none", true},
		{"a directory in place of a file", root(files("040000 tree " + files() + "\t" + strings.Repeat("0", 62))), "a directory that is none", true},
		{"a file that is no JSON", other("hello\n"), "line 1:", true},
		{"an empty file", other(""), "empty", true},
		{"a file out of order", other(string(text) + string(text)), "line 2: out of order", true},
		{"a huge file", other(strings.Repeat("x", maxFile) + "\n"), "bytes are more than the", true},
		{"a huge root", root(files(), many...), "a tree of 301 entries", false},
		{"a root with much that is strange", root(files(), strange[:19]...), "x18: a file", true},
	} {
		r.put(Remotes+"evil", test.tree)
		reader := r.open()
		found, err := reader.Find(t.Context(), keyOf(1))
		if err != nil || (len(found) == 1) != test.rest {
			t.Errorf("with %s: %d proofs, %v, want the good one: %v", test.name, len(found), err, test.rest)
		}
		if found, err := reader.Find(t.Context(), [32]byte(otherKey)); err != nil || len(found) != 0 {
			t.Errorf("with %s: Find = %d proofs, %v, want none of the other signature", test.name, len(found), err)
		}
		if got := strings.Join(reader.Ignored(), "\n"); !strings.Contains(got, test.want) || !strings.Contains(got, Remotes+"evil") {
			t.Errorf("with %s: ignored %q, want %q", test.name, got, test.want)
		}
		// What is hostile on one ref changes nothing about another.
		r.put(Ref, root(files()))
		if found, _ := r.find(keyOf(1)); len(found) != 1 {
			t.Errorf("with %s on another ref: %d proofs, want 1", test.name, len(found))
		}
		r.git("update-ref", "-d", Ref)
	}
}

// TestRefsThatAreNoCommits are named; nothing else is lost.
func TestRefsThatAreNoCommits(t *testing.T) {
	r := newRig(t)
	r.add(one(1, proof(t, 0)))
	blob := r.blob("hello")
	r.git("update-ref", Remotes+"blob", blob)
	r.git("update-ref", Remotes+"tree", r.tree("100644 blob "+blob+"\tx"))
	// A tag of a good one: that is not what Add makes, and nobody's to peel.
	r.git("-c", "user.name=x", "-c", "user.email=x", "tag", "-a", "-m", "x", "x", Ref)
	r.git("update-ref", Remotes+"tag", "refs/tags/x")
	// Anybody can have a remote's ref be of a size that takes long to read.
	huge := r.put(Remotes+"huge", r.git("rev-parse", Ref+"^{tree}"))
	long := r.gitIn(strings.Replace(r.git("cat-file", "commit", huge), "\n\n", "\n\n"+strings.Repeat("x", maxCommit), 1), "hash-object", "-t", "commit", "-w", "--stdin")
	r.git("update-ref", Remotes+"huge", long)
	if err := os.WriteFile(filepath.Join(r.dir, "refs", "gitseal", "remotes", "broken"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, ignored := r.find(keyOf(1))
	if len(found) != 1 || len(ignored) != 5 {
		t.Errorf("%d proofs, ignored %q, want 1 and 5 refs", len(found), ignored)
	}
}

func TestIgnoredIsBounded(t *testing.T) {
	r := newRig(t)
	blob := r.blob("x")
	var lines []string
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("100644 blob %s\tx%04d", blob, i))
	}
	dir, _, _ := strings.Cut(path(keyOf(1)), "/")
	r.put(Ref, r.tree("040000 tree "+r.tree(lines...)+"\t"+dir))
	_, ignored := r.find(keyOf(1))
	if len(ignored) != maxNamed+1 || !strings.HasSuffix(ignored[maxNamed], "4980 more") {
		t.Errorf("%d lines, the last %q, want %d and a count of the others", len(ignored), ignored[len(ignored)-1], maxNamed+1)
	}
}

// TestMissingObjectsAreNoAnswer has each object on the way to a proof be missing:
// whether there is a proof cannot be told then, and nothing is fetched.
func TestMissingObjectsAreNoAnswer(t *testing.T) {
	for _, rev := range []string{Ref, Ref + "^{tree}", Ref + ":" + path(keyOf(1))[:2], Ref + ":" + path(keyOf(1))} {
		r := newRig(t)
		r.add(one(1, proof(t, 0)))
		r.git("config", "remote.origin.url", "/nowhere")
		r.git("config", "remote.origin.promisor", "true")
		r.git("config", "extensions.partialClone", "origin")
		oid := r.git("rev-parse", rev)
		file := filepath.Join(r.dir, "objects", oid[:2], oid[2:])
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		reader := r.open()
		found, err := reader.Find(t.Context(), keyOf(1))
		if len(found) > 0 || !errors.Is(err, gitutil.ErrMissing) {
			t.Errorf("without %s: Find = %d proofs, %v, want ErrMissing", rev, len(found), err)
		}
		if rev == Ref+":"+path(keyOf(1)) {
			continue // what is there is known
		}
		if _, err := reader.Version(t.Context(), keyOf(1)); !errors.Is(err, gitutil.ErrMissing) {
			t.Errorf("without %s: Version = %v, want ErrMissing", rev, err)
		}
		if err := Add(t.Context(), r.dir, one(2, proof(t, 0))); err == nil {
			t.Errorf("without %s: Add went on, and what is there would be lost", rev)
		}
	}
}

// TestReaderIsOfWhenItWasOpened has somebody add proofs meanwhile.
func TestReaderIsOfWhenItWasOpened(t *testing.T) {
	r := newRig(t)
	r.add(one(1, proof(t, 0)))
	reader := r.open()
	r.add(one(2, proof(t, 0)))
	if found, err := reader.Find(t.Context(), keyOf(2)); err != nil || len(found) != 0 {
		t.Errorf("Find = %d proofs, %v, want none of after it was opened", len(found), err)
	}
}

// TestReaderTakesNoSubstitutes has a repository whose objects are in another one,
// which is cut off and grafted, and which shows other objects in the place of each
// on the way to a proof.
func TestReaderTakesNoSubstitutes(t *testing.T) {
	origin, r := newRig(t), newRig(t)
	p, forged := proof(t, 0), proof(t, 0)
	origin.add(one(2, proof(t, 0)))
	origin.add(one(1, p))
	tip := origin.git("rev-parse", Ref)
	for name, text := range map[string]string{
		"objects/info/alternates": filepath.Join(origin.dir, "objects") + "\n",
		"shallow":                 tip + "\n",
		"info/grafts":             tip + "\n",
	} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.git("update-ref", Ref, tip)
	text, err := formatFile([]verifier.Proof{forged})
	if err != nil {
		t.Fatal(err)
	}
	other := r.tree("040000 tree " + r.tree("100644 blob "+r.blob(string(text))+"\t"+path(keyOf(1))[3:]) + "\t" + path(keyOf(1))[:2])
	commit := r.put("refs/heads/other", other)
	for _, rev := range []string{":" + path(keyOf(1)), ":" + path(keyOf(1))[:2], "^{tree}", ""} {
		r.git("replace", "-f", r.git("--no-replace-objects", "rev-parse", Ref+rev), r.git("rev-parse", commit+rev))
	}
	if found, ignored := r.find(keyOf(1)); !same(found, []verifier.Proof{p}) || len(ignored) > 0 {
		t.Errorf("%d proofs, ignored %q, want the one that is there", len(found), ignored)
	}
	r.add(one(3, forged))
	for n := 1; n <= 3; n++ {
		if found, _ := r.find(keyOf(n)); len(found) != 1 {
			t.Errorf("after Add: %d proofs of signature %d, want 1", len(found), n)
		}
	}
}

// TestManyProofsOfOneSignatureAreNamed has remotes bring more than is looked at:
// what the repository has itself comes first.
func TestManyProofsOfOneSignatureAreNamed(t *testing.T) {
	r := newRig(t)
	own := proof(t, 0)
	r.add(one(1, own))
	for i := range maxFound/maxProofs + 1 {
		var many []verifier.Proof
		for range maxProofs {
			many = append(many, proof(t, 0))
		}
		text, err := formatFile(many)
		if err != nil {
			t.Fatal(err)
		}
		files := r.tree("100644 blob " + r.blob(string(text)) + "\t" + path(keyOf(1))[3:])
		r.put(fmt.Sprintf("%sevil%d", Remotes, i), r.tree("040000 tree "+files+"\t"+path(keyOf(1))[:2]))
	}
	found, ignored := r.find(keyOf(1))
	if len(found) != maxFound || !equal(found[0], own) {
		t.Errorf("%d proofs, want %d, our own first", len(found), maxFound)
	}
	if got := strings.Join(ignored, "\n"); !strings.Contains(got, "evil4:"+path(keyOf(1))+": more than 64 proofs of one signature") {
		t.Errorf("ignored %q, want the proofs that are not looked at", got)
	}
}
