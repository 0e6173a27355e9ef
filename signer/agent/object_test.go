package agent

import (
	"fmt"
	"strings"
	"testing"
)

const ident = "A U Thor <a@example.com> 1700000000 +0000"

var (
	oid1 = fmt.Sprintf("%040d", 1)
	oid2 = fmt.Sprintf("%064d", 2)
)

func TestReadsWhatGitSigns(t *testing.T) {
	for _, tt := range []struct{ payload, kind, title string }{
		{"tree " + oid1 + "\nparent " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\n\ntitle\n\nbody\n", "commit", "title"},
		{"tree " + oid2 + "\nauthor " + ident + "\ncommitter " + ident + "\nencoding latin1\n\nSHA-256 \xe9\n", "commit", "SHA-256 ?"},
		{"tree " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\n\n\x1b[2Jhidden\u202e\n", "commit", "?[2Jhidden?"},
		{"tree " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\n\n" + strings.Repeat("x", 101), "commit", strings.Repeat("x", 100) + "…"},
		{"tree " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\nmergetag object " + oid1 + "\n type commit\n tag v0\n tagger " + ident + "\n \n gpgsig\n\nm\n", "commit", "m"},
		{"object " + oid1 + "\ntype commit\ntag v1.0\ntagger " + ident + "\n\nrelease\n", "tag", "v1.0"},
		{"certificate version 0.1\npusher " + ident + "\npushee https://git.example/\nnonce 1-2\n\n" + oid1 + " " + oid1 + " refs/heads/main\n", "push", "refs/heads/main"},
	} {
		got, err := readObject([]byte(tt.payload))
		if want := (object{tt.kind, tt.title}); err != nil || got != want {
			t.Errorf("readObject(%q) = %v, %v, want %v", tt.payload, got, err, want)
		}
	}
}

// TestReadsNothingElse: each differs from what git signs in one thing.
func TestReadsNothingElse(t *testing.T) {
	for name, payload := range map[string]string{
		"no committer":        "tree " + oid1 + "\nauthor " + ident + "\n\nm\n",
		"no author":           "tree " + oid1 + "\ncommitter " + ident + "\n\nm\n",
		"short tree":          "tree 00\nauthor " + ident + "\ncommitter " + ident + "\n\nm\n",
		"formats mixed":       "tree " + oid1 + "\nparent " + oid2 + "\nauthor " + ident + "\ncommitter " + ident + "\n\nm\n",
		"two trees":           "tree " + oid1 + "\ntree " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\n\nm\n",
		"a signature":         "tree " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\ngpgsig x\n\nm\n",
		"a SHA-256 signature": "tree " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\ngpgsig-sha256 x\n\nm\n",
		"NUL":                 "tree " + oid1 + "\nauthor " + ident + "\ncommitter " + ident + "\nx \x00\n\nm\n",
		"tag of nothing":      "object " + oid1 + "\ntag v1.0\ntagger " + ident + "\n\nm\n",
		"tag of what is none": "object " + oid1 + "\ntype blobs\ntag v1.0\ntagger " + ident + "\n\nm\n",
		"tag with signature":  "object " + oid1 + "\ntype commit\ntag v1.0\ntagger " + ident + "\ngpgsig x\n\nm\n",
		"certificate 0.2":     "certificate version 0.2\npusher " + ident + "\npushee x\n\n" + oid1 + " " + oid1 + " refs/heads/main\n",
		"no pusher":           "certificate version 0.1\npushee x\n\n" + oid1 + " " + oid1 + " refs/heads/main\n",
		"no update":           "certificate version 0.1\npusher " + ident + "\npushee x\n\n",
		"push with signature": "certificate version 0.1\npusher " + ident + "\npushee x\n\n" + oid1 + " " + oid1 + " refs/heads/main\n" + armor,
		"tree of a blob":      "tree " + oid1 + "\x00",
	} {
		if got, err := readObject([]byte(payload)); err == nil {
			t.Errorf("%s is read as %v", name, got)
		} else if !strings.Contains(err.Error(), "what is to be signed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzObject: what is read can be shown on one line.
func FuzzObject(f *testing.F) {
	f.Add(commit("x"))
	f.Add([]byte("object " + oid1 + "\ntype commit\ntag v1.0\ntagger " + ident + "\n\nrelease\n"))
	f.Add([]byte("certificate version 0.1\npusher " + ident + "\n\n" + oid1 + " " + oid1 + " refs/heads/main\n"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		what, err := readObject(payload)
		if err != nil {
			return
		}
		if what.kind == "" || strings.ContainsAny(what.title, "\n\r\x1b\x00") {
			t.Errorf("read as %q", what)
		}
	})
}
