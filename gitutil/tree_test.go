package gitutil

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// formatTree writes entries as a tree object, in the order given.
func formatTree(entries []entry, f Format) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&b, "%o %s\x00", e.mode, e.name)
		b.Write(e.hash[:f.hexLen()/2])
	}
	return b.Bytes()
}

// hashOf returns a hash that differs with n, and is not zero.
func hashOf(n byte) hash { return hash{1, n} }

func TestParseTree(t *testing.T) {
	entries := []entry{
		{"a", version{modeFile, hashOf(1)}},
		{"a.b", version{modeExecutable, hashOf(1)}},
		{"b", version{modeTree, hashOf(2)}},
		{"b0", version{modeSymlink, hashOf(3)}},
		{"c\xff\n", version{modeSubmodule, hashOf(4)}},
	}
	for _, f := range []Format{SHA1, SHA256} {
		got, err := parseTree(formatTree(entries, f), f)
		if err != nil || !slices.Equal(got, entries) {
			t.Errorf("%s: parseTree = %v, %v, want %v", f, got, err, entries)
		}
		if got, err := parseTree(nil, f); err != nil || len(got) != 0 {
			t.Errorf("%s: parseTree(empty) = %v, %v, want none", f, got, err)
		}
	}
	if _, err := parseTree(formatTree(entries, SHA256), SHA1); err == nil {
		t.Error("parseTree(other format) = nil, want an error")
	}
}

func TestParseTreeAcceptsModesOfOldPrograms(t *testing.T) {
	id := strings.Repeat("1", 20)
	for mode, want := range map[string]mode{
		"040000": modeTree, "0100644": modeFile, "100664": modeFile, "100600": modeFile,
		"100775": modeExecutable, "100700": modeExecutable, "100655": modeFile,
	} {
		got, err := parseTree([]byte(mode+" x\x00"+id), SHA1)
		if err != nil || len(got) != 1 || got[0].mode != want {
			t.Errorf("parseTree(mode %s) = %v, %v, want mode %o", mode, got, err, want)
		}
	}
}

func TestParseTreeRejects(t *testing.T) {
	id := strings.Repeat("1", 20)
	e := func(mode, name string) string { return mode + " " + name + "\x00" + id }
	for _, tt := range []struct{ name, tree, want string }{
		{"out of order", e("100644", "b") + e("100644", "a"), "order"},
		{"subtree before what is less with its slash", e("40000", "a") + e("100644", "a.b"), "order"},
		{"file after what is more without a slash", e("100644", "a.b") + e("100644", "a"), "order"},
		{"two files of one name", e("100644", "a") + e("120000", "a"), "order"},
		{"two trees of one name", e("40000", "a") + e("40000", "a"), "order"},
		{"file and tree of one name", e("100644", "a") + e("40000", "a"), "two entries"},
		{"file and tree of one name, apart", e("100644", "a") + e("100644", "a.b") + e("40000", "a"), "two entries"},
		{"submodule and tree of one name", e("160000", "a") + e("100644", "a-") + e("40000", "a"), "two entries"},
		{"empty name", e("100644", ""), "bad name"},
		{"name of the directory", e("40000", "."), "bad name"},
		{"name of the parent directory", e("40000", ".."), "bad name"},
		{"slash", e("100644", "a/b"), "bad name"},
		{"slash at the end", e("40000", "a/"), "bad name"},
		{"git's directory", e("40000", ".git"), "bad name"},
		{"git's directory in other case", e("100644", ".GiT"), "bad name"},
		{"no object", "100644 a\x00" + strings.Repeat("\x00", 20), "no object"},
		{"no mode", " a\x00" + id, "bad mode"},
		{"mode zero", e("0", "a"), "bad mode"},
		{"mode with a digit of ten", e("100648", "a"), "bad mode"},
		{"mode with a sign", e("-40000", "a"), "bad mode"},
		{"mode after a space", " " + e("40000", "a"), "bad mode"},
		{"mode of no kind", e("644", "a"), "bad mode"},
		{"mode of a device", e("60000", "a"), "bad mode"},
		{"mode with setuid", e("104755", "a"), "bad mode"},
		{"tree with permissions", e("40755", "a"), "bad mode"},
		{"symbolic link with permissions", e("120777", "a"), "bad mode"},
		{"long mode", e("00040000", "a"), "bad mode"},
		{"mode that overflows", e("40000100644", "a"), "bad mode"},
		{"ends within a mode", "100644", "ends within"},
		{"ends within a name", "100644 a", "ends within"},
		{"ends within an id", e("100644", "a")[:20], "ends within"},
		{"ends in one byte more", e("100644", "a") + "1", "ends within"},
	} {
		got, err := parseTree([]byte(tt.tree), SHA1)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parseTree(%s) = %v, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

// TestParseTreeAsGit compares with git ls-tree.
func TestParseTreeAsGit(t *testing.T) {
	for _, f := range []Format{SHA1, SHA256} {
		r := newRepo(t, f)
		blob := r.write("blob", []byte("content"))
		sub, err := r.try("100644 blob "+blob+"\tfile\n", "mktree")
		if err != nil {
			t.Fatal(err)
		}
		commit := r.commit("one")
		lines := strings.Join([]string{
			"100644 blob " + blob + "\ta", "100755 blob " + blob + "\ta.b", "040000 tree " + sub + "\ta-b",
			"120000 blob " + blob + "\tb", "160000 commit " + commit + "\tb.c", "040000 tree " + sub + "\tb0",
			"040000 tree " + sub + "\tä ö", "100644 blob " + blob + "\t-x\ttab", "100644 blob " + blob + "\t.gitignore",
		}, "\x00") + "\x00"
		tree, err := r.try(lines, "mktree", "-z")
		if err != nil {
			t.Fatal(tree, err)
		}
		o, err := r.open().Object(t.Context(), tree)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := parseTree(o.Data, f)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, e := range entries {
			typ := map[mode]string{modeTree: "tree", modeSubmodule: "commit"}[e.mode]
			if typ == "" {
				typ = "blob"
			}
			fmt.Fprintf(&got, "%06o %s %s\t%s\x00", e.mode, typ, f.oid(e.hash), e.name)
		}
		if want := r.git("ls-tree", "-z", tree); got.String() != want {
			t.Errorf("%s: parseTree = %q, git ls-tree %q", f, got.String(), want)
		}
		if data := formatTree(entries, f); !bytes.Equal(data, o.Data) {
			t.Errorf("%s: formatTree(parseTree) = %q, want %q", f, data, o.Data)
		}
	}
}

// FuzzParseTree checks that what is read is written again as it was, but for
// modes of old programs, that go-git reads the same, and that each entry is
// found by its name.
func FuzzParseTree(f *testing.F) {
	id := strings.Repeat("1", 20)
	f.Add([]byte(nil))
	f.Add([]byte("100644 a\x00" + id + "100755 a.b\x00" + id + "40000 a0\x00" + id + "120000 l\x00" + id + "160000 s\x00" + id))
	f.Add([]byte("100644 a\x00" + id + "100644 a.b\x00" + id + "40000 a\x00" + id))
	f.Add([]byte("040000 old\x00" + id + "100664 older\x00" + id))
	f.Add([]byte("40000 .git\x00" + id))
	f.Add([]byte("100644 a\x00" + id[1:]))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseTree(data, SHA1)
		if err != nil {
			return
		}
		again, err := parseTree(formatTree(entries, SHA1), SHA1)
		if err != nil || !slices.Equal(again, entries) {
			t.Fatalf("parseTree(%q) = %v, written again %v, %v", data, entries, again, err)
		}
		o := &plumbing.MemoryObject{}
		o.SetType(plumbing.TreeObject)
		if _, err := o.Write(data); err != nil {
			t.Fatal(err)
		}
		var other object.Tree
		if err := other.Decode(o); err != nil || len(other.Entries) != len(entries) {
			t.Fatalf("parseTree(%q) = %v, go-git %v, %v", data, entries, other.Entries, err)
		}
		for i, e := range entries {
			if theirs := other.Entries[i]; theirs.Name != e.name || theirs.Hash.String() != SHA1.oid(e.hash) {
				t.Errorf("entry %d = %v, go-git %v", i, e, theirs)
			}
			if found, ok := find(entries, e); !ok || found != e {
				t.Errorf("find(%q) = %v, %v, want %v", e.name, found, ok, e)
			}
		}
	})
}
