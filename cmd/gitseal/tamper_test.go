package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/fakeca"
	"gitseal/gitutil"
)

// The commands of scripts that make signed objects which git would not make.

// readObject returns an object that is not peeled, as git has it.
func readObject(ts *testscript.TestScript, rev string) (typ, data string) {
	typ = strings.TrimSpace(git(ts, "cat-file", "-t", rev))
	return typ, git(ts, "cat-file", typ, rev)
}

// store writes an object into the repository, however malformed, and sets a
// variable to its id.
func store(ts *testscript.TestScript, name, typ, data string) {
	file := filepath.Join(ts.Getenv("WORK"), "object")
	ts.Check(os.WriteFile(file, []byte(data), 0o644))
	ts.Setenv(name, strings.TrimSpace(git(ts, "hash-object", "-t", typ, "-w", "--literally", file)))
}

// tamper NAME REV OLD NEW makes a copy of an object in which the TEXT OLD,
// where it stands first, is the TEXT NEW, and sets a variable to its id. OLD has
// to hold something that base64 does not, or it might stand in a signature.
func cmdTamper(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 4, 4, "tamper NAME REV OLD NEW")
	if !strings.ContainsAny(unescape(ts, args[2]), " \n-") {
		ts.Fatalf("%q may occur in a signature by chance", args[2])
	}
	typ, data := readObject(ts, args[1])
	store(ts, args[0], typ, replace(ts, data, args[2], args[3]))
}

// openAuthority opens the authority of the script's user.
func openAuthority(ts *testscript.TestScript) *fakeca.Authority {
	dir := ts.Getenv("GITSEAL_AUTHORITY")
	if dir == "" {
		dir = ts.Getenv("AUTHORITY")
	}
	a, err := fakeca.Open(dir, fakeca.Config{})
	ts.Check(err)
	return a
}

// fixture NAME REV [FAULT [SUBJECT]] signs a copy of a commit or tag that is
// not signed, with one thing wrong, and sets a variable to its id.
func cmdFixture(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 4, "fixture NAME REV [FAULT [SUBJECT]]")
	var f fakeca.Fixture
	if len(args) > 2 {
		f.Fault = fakeca.Fault(args[2])
	}
	if len(args) > 3 {
		f.Subject = unescape(ts, args[3])
	}
	typ, data := readObject(ts, args[1])
	a := openAuthority(ts)
	signed := attach(typ, data, a.Sign([]byte(data), f))
	ts.Check(a.Close())
	store(ts, args[0], typ, signed)
}

// attach puts a signature where git puts it.
func attach(typ, data string, armor []byte) string {
	if typ == "tag" {
		return data + string(armor)
	}
	header, message, _ := strings.Cut(data, "\n\n")
	lines := strings.TrimSuffix(string(armor), "\n")
	return header + "\ngpgsig " + strings.ReplaceAll(lines, "\n", "\n ") + "\n\n" + message
}

// faults REV signs a commit with each thing wrong that there is in turn,
// and fails unless git grades each as its class demands.
func cmdFaults(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "faults REV")
	_, data := readObject(ts, args[0])
	a := openAuthority(ts)
	for _, fault := range fakeca.Faults() {
		if !fault.In(a.Generation()) || fault == fakeca.TextBeforeBegin { // git itself refuses the latter
			continue
		}
		store(ts, "FAULT", "commit", attach("commit", data, a.Sign([]byte(data), fakeca.Fixture{Fault: fault})))
		letter := map[string]string{"verified": "G", "bad-signature": "B"}[fault.Class()]
		if letter == "" {
			letter = "E"
		}
		ts.Logf("%s: %s", fault, fault.Class())
		checkGrade(ts, ts.Getenv("FAULT"), letter)
	}
	ts.Check(a.Close())
}

// attach NAME REV SIGNATURE… makes a copy of a commit that is not signed with
// the signatures in files, each in a header of its own.
func cmdAttach(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, len(args), "attach NAME REV SIGNATURE…")
	typ, data := readObject(ts, args[1])
	for _, file := range args[2:] {
		data = attach(typ, data, []byte(ts.ReadFile(file)))
	}
	store(ts, args[0], typ, data)
}

// flips REV changes characters of a commit's signature, one at a time, and
// fails if any of them goes unnoticed. Those it takes are spread over all of
// the signature.
func cmdFlips(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "flips REV")
	const flips = 40
	_, data := readObject(ts, args[0])
	begin := strings.Index(data, "\ngpgsig ")
	end := strings.Index(data, "-----END SIGNED MESSAGE-----")
	for i := range flips {
		flipped := []byte(data)
		flipped[begin+len("\ngpgsig -----BEGIN ")+i*(end-begin)/flips] ^= 1
		store(ts, "FLIPPED", "commit", string(flipped))
		code := runCode(ts, "git", "log", "-1", "--no-show-signature", "--format=%G?", ts.Getenv("FLIPPED"))
		if letter := strings.TrimSpace(ts.ReadFile("stdout")); code == 0 && letter != "B" && letter != "E" {
			ts.Fatalf("character %d changed: %%G? = %s", i*(end-begin)/flips, letter)
		}
	}
}

// take-apart REV SIGNATURE PAYLOAD writes what git would have verified.
func cmdTakeApart(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, 3, "take-apart REV SIGNATURE PAYLOAD")
	typ, data := readObject(ts, args[0])
	split, err := gitutil.SplitCommit([]byte(data), gitutil.SHA1)
	if typ == "tag" {
		split, err = gitutil.SplitTag([]byte(data), gitutil.SHA1)
	}
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), split.Signature, 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), split.Payload, 0o644))
}
