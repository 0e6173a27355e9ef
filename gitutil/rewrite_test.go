package gitutil

import (
	"bytes"
	"strings"
	"testing"
)

const (
	someOID  = "1111111111111111111111111111111111111111"
	otherOID = "2222222222222222222222222222222222222222"
	newOID   = "3333333333333333333333333333333333333333"
	keptOID  = "4444444444444444444444444444444444444444"
	newIdent = "N \xc3\x9c <n@example.com> 1800000000 -0330"
)

func TestRewriteCommitChangesParentsAndCommitterAlone(t *testing.T) {
	const (
		tree   = "tree " + someOID + "\n"
		author = "author A <a@example.com> 1700000000 +0000\n"
		before = tree + "parent " + otherOID + "\nparent " + keptOID + "\n" + author
		after  = tree + "parent " + newOID + "\nparent " + keptOID + "\n" + author
		old    = "committer C <c@example.com> 1700000001 +0000\n"
		now    = "committer " + newIdent + "\n"
	)
	signed := folded("gpgsig", x509Armor)
	ofReplaced := folded("mergetag", "object "+otherOID+"\ntype commit\ntag t\n\nm\n"+pgpArmor)
	ofKept := folded("mergetag", "object "+keptOID+"\ntype commit\ntag t\n\nm\n"+pgpArmor)
	parents := map[string]string{otherOID: newOID}
	for _, tt := range []struct{ name, data, committer, want string }{
		{"unsigned", before + old + "\nm\n", newIdent, after + now + "\nm\n"},
		{"signed", before + old + signed + "\nm\n", newIdent, after + now + "\nm\n"},
		{"committer kept", before + old + signed + "\nm\n", "", after + old + "\nm\n"},
		{"both signatures", before + old + folded("gpgsig-sha256", pgpArmor) + signed + "\nm\n", "", after + old + "\nm\n"},
		{"longer name", before + old + folded("gpgsigs", pgpArmor) + "\nm\n", "", after + old + "\nm\n"},
		{"no message", before + old + signed, newIdent, after + now},
		{"empty message", before + old + signed + "\n", newIdent, after + now + "\n"},
		{"no final newline", before + old + signed + "\nm", newIdent, after + now + "\nm"},
		{"CRLF and NUL in the message", before + old + "\nm\r\n\x00\r\n", newIdent, after + now + "\nm\r\n\x00\r\n"},
		{"headers in the message", before + old + "\nparent " + otherOID + "\ncommitter x\n" + signed, newIdent,
			after + now + "\nparent " + otherOID + "\ncommitter x\n" + signed},
		{"headers that nobody knows", before + old + "HG:extra x\n more\n" + signed + "change-id y\n\nm\n", newIdent, after + now + "HG:extra x\n more\nchange-id y\n\nm\n"},
		{"another encoding", before + old + "encoding ISO-8859-1\n\n\xe4\n", "N <n@example.com> 1 +0000",
			after + "committer N <n@example.com> 1 +0000\nencoding ISO-8859-1\n\n\xe4\n"},
		{"UTF-8 said", before + old + "encoding utf-8\n\nm\n", newIdent, after + now + "encoding utf-8\n\nm\n"},
		{"two authors", before + author + old + "\nm\n", newIdent, after + author + now + "\nm\n"},
		{"an author in any form", tree + "author \xff<>\n" + old + "\nm\n", newIdent, tree + "author \xff<>\n" + now + "\nm\n"},
		{"tag of what is replaced", before + old + "a b\n" + ofReplaced + "c d\n\nm\n", "", after + old + "a b\nc d\n\nm\n"},
		{"tag of what is replaced, last", before + old + ofReplaced, "", after + old},
		{"tag of what stays", before + old + ofKept + "\nm\n", "", after + old + ofKept + "\nm\n"},
		{"tags of both", before + old + ofReplaced + ofKept + "\nm\n", "", after + old + ofKept + "\nm\n"},
		{"tag that does not parse", before + old + "mergetag object " + otherOID + "\n\nm\n", "", after + old + "mergetag object " + otherOID + "\n\nm\n"},
	} {
		data := []byte(tt.data)
		got, err := RewriteCommit(data, SHA1, parents, tt.committer)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: RewriteCommit = %q, %v, want %q", tt.name, got, err, tt.want)
		}
		if string(data) != tt.data {
			t.Errorf("%s: RewriteCommit changed what it was given", tt.name)
		}
	}
}

func TestRewriteCommitRefuses(t *testing.T) {
	const good = "tree " + someOID + "\nauthor A <a@example.com> 1 +0000\ncommitter C <c@example.com> 1 +0000\n"
	for _, tt := range []struct{ name, data, committer, want string }{
		{"no tree", strings.TrimPrefix(good, "tree "+someOID+"\n") + "\nm\n", "", "missing tree header"},
		{"parent out of place", good + "parent " + someOID + "\n\nm\n", "", "parent header out of place"},
		{"a second committer", good + "committer C <c@example.com> 1 +0000\n\nm\n", "", "committer header out of place"},
		{"a continued parent", "tree " + someOID + "\nparent " + someOID + "\n x\n" + strings.TrimPrefix(good, "tree "+someOID+"\n"), "", "parent header on several lines"},
		{"an encoding and a name", good + "encoding latin1\n\nm\n", newIdent, `it is in "latin1", and the name of the committer is not in ASCII`},
		{"a name in another encoding", good + "\nm\n", "N \xe4 <n@example.com> 1 +0000", "the name of the committer is not in UTF-8"},
		{"a committer of two lines", good + "\nm\n", "N\nparent <n@example.com> 1 +0000", "is not a name, an address and a date"},
		{"a committer without a date", good + "\nm\n", "N <n@example.com>", "is not a name, an address and a date"},
	} {
		got, err := RewriteCommit([]byte(tt.data), SHA1, nil, tt.committer)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: RewriteCommit = %q, %v, want an error with %q", tt.name, got, err, tt.want)
		}
	}
	if got, err := RewriteCommit([]byte(good), "md5", nil, ""); err == nil {
		t.Errorf("RewriteCommit(md5) = %q, want an error", got)
	}
}

func TestIsIdent(t *testing.T) {
	for _, tt := range []struct {
		ident string
		want  bool
	}{
		{"A U Thor <a@example.com> 1700000000 +0100", true},
		{"\xff <> 0 -0000", true},
		{" <a@example.com> 1 +0000", true},
		{"", false},
		{"A <a@example.com>", false},
		{"A <a@example.com> 1", false},
		{"A <a@example.com> 1 +000", false},
		{"A <a@example.com> 1 0000", false},
		{"A <a@example.com> -1 +0000", false},
		{"A <a@example.com> x +0000", false},
		{"A <a@example.com>  1 +0000", false},
		{"A <a@example.com> 1 +0000 ", false},
		{"A<a@example.com> 1 +0000", false},
		{"A > <a@example.com> 1 +0000", false},
		{"A <a@<b>> 1 +0000", false},
		{"A <a@example.com> 1 +0000\n", false},
		{"A\r <a@example.com> 1 +0000", false},
		{"A\x00 <a@example.com> 1 +0000", false},
	} {
		if got := isIdent(tt.ident); got != tt.want {
			t.Errorf("isIdent(%q) = %v, want %v", tt.ident, got, tt.want)
		}
	}
}

func TestSignedCommitIsWhatGitWouldStore(t *testing.T) {
	for _, tt := range []struct {
		f                   Format
		payload, want, fail string
		armor               string
	}{
		{f: SHA1, payload: commitHead + "\nm\n", armor: x509Armor, want: commitHead + folded("gpgsig", x509Armor) + "\nm\n"},
		{f: SHA256, payload: commitHead + "\nm\n", armor: x509Armor, want: commitHead + folded("gpgsig-sha256", x509Armor) + "\nm\n"},
		{f: SHA1, payload: commitHead, armor: sshArmor, want: commitHead + folded("gpgsig", sshArmor)},
		{f: SHA1, payload: commitHead + "x y\n\n\n\nm", armor: x509Armor, want: commitHead + "x y\n" + folded("gpgsig", x509Armor) + "\n\n\nm"},
		{f: SHA1, payload: commitHead + "\nm\n", armor: "", fail: "not armored"},
		{f: SHA1, payload: commitHead + "\nm\n", armor: strings.TrimSuffix(x509Armor, "\n"), fail: "not armored"},
		{f: SHA1, payload: commitHead + "\nm\n", armor: "signature\n", fail: "not armored"},
		{f: SHA1, payload: commitHead + folded("gpgsig", pgpArmor) + "\nm\n", armor: x509Armor, fail: "would not come apart"},
		{f: SHA256, payload: commitHead + folded("gpgsig", pgpArmor) + "\nm\n", armor: x509Armor, fail: "would not come apart"},
		{f: SHA1, payload: strings.TrimSuffix(commitHead, "\n"), armor: x509Armor, fail: "would not come apart"},
		{f: "md5", payload: commitHead + "\nm\n", armor: x509Armor, fail: "unknown object format"},
	} {
		got, err := SignedCommit([]byte(tt.payload), []byte(tt.armor), tt.f)
		if tt.fail != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fail) {
				t.Errorf("SignedCommit(%q, %q) = %q, %v, want an error with %q", tt.payload, tt.armor, got, err, tt.fail)
			}
			continue
		}
		if err != nil || string(got) != tt.want {
			t.Errorf("SignedCommit(%q, %q) = %q, %v, want %q", tt.payload, tt.armor, got, err, tt.want)
		}
	}
}

// flip returns an id of a format by its own; flip(flip(oid)) is oid.
func flip(oid string) string {
	return string("fedcba9876543210"[strings.IndexByte("0123456789abcdef", oid[0])]) + oid[1:]
}

// FuzzRewrite rewrites a commit and back: nothing but parents, committer,
// signatures and tags of what is replaced may differ.
func FuzzRewrite(f *testing.F) {
	for _, c := range commitCases() {
		f.Add(c.fill(SHA1))
	}
	f.Add([]byte("tree " + someOID + "\nparent " + otherOID + "\nauthor A <a> 1 +0000\ncommitter C\n" + folded("mergetag", "object "+otherOID+"\ntype commit\ntag t\n\nm\n") + "x\n y\n\nm"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const ident = "N <n@example.com> 1800000000 -0330"
		payload, err := RewriteCommit(data, SHA1, nil, "")
		c, perr := ParseCommit(payload, SHA1)
		if err != nil {
			return
		}
		split, serr := SplitCommit(data, SHA1)
		if perr != nil || serr != nil || !bytes.Equal(payload, split.Payload) {
			t.Fatalf("RewriteCommit(%q) = %q, %v, want the payload %q", data, payload, perr, split.Payload)
		}
		there, back := make(map[string]string), make(map[string]string)
		for _, oid := range c.Parents {
			there[oid], back[flip(oid)] = flip(oid), oid
		}
		moved, err := RewriteCommit(payload, SHA1, there, ident)
		if err != nil {
			t.Fatalf("RewriteCommit(%q): %v", payload, err)
		}
		m, err := ParseCommit(moved, SHA1)
		if err != nil {
			t.Fatalf("RewriteCommit(%q) = %q: %v", payload, moved, err)
		}
		if m.Committer.Email != "n@example.com" || m.Author.Name != c.Author.Name || !m.Author.When.Equal(c.Author.When) || m.Tree != c.Tree || !bytes.Equal(m.Message, c.Message) || len(m.Parents) != len(c.Parents) {
			t.Errorf("RewriteCommit(%q) = %q", payload, moved)
		}
		for i, oid := range m.Parents {
			if oid != flip(c.Parents[i]) {
				t.Errorf("RewriteCommit(%q): parent %d = %s, want %s", payload, i, oid, flip(c.Parents[i]))
			}
		}
		// The line of the committer is the only other one that may differ.
		begin := bytes.Index(payload, []byte("\ncommitter ")) + 1
		line, _ := lineAt(payload, begin)
		undone, err := RewriteCommit(moved, SHA1, back, "")
		undone = bytes.Replace(undone, []byte("committer "+ident+"\n"), line, 1)
		if len(m.Mergetags) == len(c.Mergetags) && (err != nil || !bytes.Equal(undone, payload)) {
			t.Errorf("RewriteCommit(RewriteCommit(%q)) = %q, %v", payload, undone, err)
		}
		signed, err := SignedCommit(moved, []byte(x509Armor), SHA1)
		if err != nil {
			t.Fatalf("SignedCommit(%q): %v", moved, err)
		}
		if again, err := RewriteCommit(signed, SHA1, nil, ""); err != nil || !bytes.Equal(again, moved) {
			t.Errorf("RewriteCommit(SignedCommit(%q)) = %q, %v", moved, again, err)
		}
	})
}
