package gitutil

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	oidA = strings.Repeat("a", 40)
	oidB = strings.Repeat("b", 40)
	oidC = strings.Repeat("c", 40)
)

const (
	authorLine    = "author A U Thor <author@example.com> 1319256362 -0700\n"
	committerLine = "committer C O Mitter <committer@example.com> 1700000000 +0530\n"
)

func TestParseCommit(t *testing.T) {
	data := "tree " + oidA + "\nparent " + oidB + "\nparent " + oidC + "\n" + authorLine + committerLine +
		"mergetag object " + oidB + "\n type commit\n tag one\n \n message\n" +
		"mergetag object " + oidC + "\n type commit\n tag two\n" +
		"HG:extra a\nHG:extra b\nencoding ISO-8859-1\ngpgsig x\n y\n\nL\xe4tin\x00\n\nmore"
	got, err := ParseCommit([]byte(data), SHA1)
	if err != nil {
		t.Fatal(err)
	}
	want := &Commit{
		Tree:      oidA,
		Parents:   []string{oidB, oidC},
		Author:    Ident{"A U Thor", "author@example.com", time.Date(2011, 10, 21, 21, 6, 2, 0, time.FixedZone("-0700", -7*3600))},
		Committer: Ident{"C O Mitter", "committer@example.com", time.Date(2023, 11, 15, 3, 43, 20, 0, time.FixedZone("+0530", 5*3600+1800))},
		Mergetags: [][]byte{
			[]byte("object " + oidB + "\ntype commit\ntag one\n\nmessage\n"),
			[]byte("object " + oidC + "\ntype commit\ntag two\n"),
		},
		Encoding: "ISO-8859-1",
		Message:  []byte("L\xe4tin\x00\n\nmore"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseCommit: %s", diff)
	}
}

func TestParseCommitAcceptsWhatGitAccepts(t *testing.T) {
	head := "tree " + oidA + "\n"
	for _, tt := range []struct{ name, data string }{
		{"root commit", head + authorLine + committerLine + "\nm\n"},
		{"no message", head + authorLine + committerLine},
		{"empty message", head + authorLine + committerLine + "\n"},
		{"no name", head + "author <a@b> 1 +0000\ncommitter  <> 1 +0000\n\nm\n"},
		{"no e-mail address", head + "author A 1 +0000\ncommitter C 1 +0000\n\nm\n"},
		{"no date", head + "author A <a@b>\ncommitter C <a@b>\n\nm\n"},
		{"nothing at all", head + "author \ncommitter \n\nm\n"},
		{"two authors", head + authorLine + authorLine + committerLine + "\nm\n"},
		{"header without a value", head + authorLine + committerLine + "empty\nempty \n\nm\n"},
		{"header lines in the message", head + authorLine + committerLine + "\n" + head + "parent x\n"},
		{"names that are not UTF-8", head + "author \xff <\xfe> 1 +0000\n" + committerLine + "\nm\n"},
	} {
		if _, err := ParseCommit([]byte(tt.data), SHA1); err != nil {
			t.Errorf("ParseCommit(%s) = %v", tt.name, err)
		}
	}
}

func TestParseCommitRejects(t *testing.T) {
	head := "tree " + oidA + "\n"
	for _, tt := range []struct{ name, data, want string }{
		{"nothing", "", "missing tree"},
		{"no tree", authorLine + committerLine + "\nm\n", "missing tree"},
		{"tree after the parent", "parent " + oidB + "\n" + head + authorLine + committerLine + "\nm\n", "missing tree"},
		{"two trees", head + head + authorLine + committerLine + "\nm\n", "missing author"},
		{"tree at the end", head + authorLine + committerLine + head + "\nm\n", "tree header out of place"},
		{"short tree", "tree " + oidA[1:] + "\n" + authorLine + committerLine + "\nm\n", "tree header is not"},
		{"tree of the other format", "tree " + oidA + oidA[:24] + "\n" + authorLine + committerLine + "\nm\n", "tree header is not"},
		{"tree in upper case", "tree " + strings.ToUpper(oidA) + "\n" + authorLine + committerLine + "\nm\n", "tree header is not"},
		{"tree with a space after", "tree " + oidA + " \n" + authorLine + committerLine + "\nm\n", "tree header is not"},
		{"tree with CR", "tree " + oidA + "\r\n" + authorLine + committerLine + "\nm\n", "tree header is not"},
		{"tree on two lines", "tree " + oidA + "\n x\n" + authorLine + committerLine + "\nm\n", "several lines"},
		{"bad parent", head + "parent " + oidA[:39] + "g\n" + authorLine + committerLine + "\nm\n", "parent header is not"},
		{"parent after the author", head + authorLine + "parent " + oidB + "\n" + committerLine + "\nm\n", "missing committer"},
		{"parent at the end", head + authorLine + committerLine + "parent " + oidB + "\n\nm\n", "parent header out of place"},
		{"no author", head + committerLine + "\nm\n", "missing author"},
		{"no committer", head + authorLine + "\nm\n", "missing committer"},
		{"committer in the message only", head + authorLine + "\n" + committerLine, "missing committer"},
		{"two committers", head + authorLine + committerLine + committerLine + "\nm\n", "committer header out of place"},
		{"author at the end", head + authorLine + committerLine + authorLine + "\nm\n", "author header out of place"},
		{"author on two lines", head + authorLine + " x\n" + committerLine + "\nm\n", "several lines"},
		{"NUL in the author", head + "author A\x00 <a@b> 1 +0000\n" + committerLine + "\nm\n", "NUL"},
		{"NUL in an extra header", head + authorLine + committerLine + "x \x00\n\nm\n", "NUL"},
		{"NUL in a continuation", head + authorLine + committerLine + "x y\n \x00\n\nm\n", "NUL"},
		{"committer without a space", head + authorLine + "committer\n\nm\n", "missing committer"},
		{"continuation first", " x\n" + head + authorLine + committerLine + "\nm\n", "continuation"},
		{"too many headers", head + strings.Repeat("parent "+oidB+"\n", maxHeaders) + authorLine + committerLine + "\nm\n", "headers"},
		{"header cut short", head + authorLine + strings.TrimSuffix(committerLine, "\n"), "within a line"},
	} {
		_, err := ParseCommit([]byte(tt.data), SHA1)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseCommit(%s) = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestParseCommitTakesIDsOfTheFormatOnly(t *testing.T) {
	oid := strings.Repeat("a", 64)
	data := []byte("tree " + oid + "\nparent " + oid + "\n" + authorLine + committerLine + "\nm\n")
	if _, err := ParseCommit(data, SHA256); err != nil {
		t.Errorf("ParseCommit(SHA-256) = %v", err)
	}
	if _, err := ParseCommit(data, SHA1); err == nil {
		t.Error("ParseCommit(SHA-256 commit as SHA-1) = nil, want an error")
	}
}

// TestMergetagIsTheTag merges a signed tag with git and wants the tag's own
// bytes out of the merge.
func TestMergetagIsTheTag(t *testing.T) {
	repo := newRepo(t, SHA1)
	repo.commit("base")
	repo.git("checkout", "-q", "-b", "side")
	side := repo.commit("side")
	tag := repo.write("tag", []byte("object "+side+"\ntype commit\ntag v1\ntagger T <t@example.com> 1700000000 +0000\n\nmessage\n\nmore\n"+x509Armor))
	repo.git("update-ref", "refs/tags/v1", tag)
	repo.git("checkout", "-q", "main")
	repo.git("-c", "gpg.x509.program=false", "merge", "-q", "--no-ff", "-m", "merge", "v1")

	o, err := repo.open().Object(t.Context(), repo.git("rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCommit(o.Data, SHA1)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Mergetags) != 1 {
		t.Fatalf("mergetags = %q, want one", c.Mergetags)
	}
	if got, err := HashObject(SHA1, "tag", c.Mergetags[0]); err != nil || got != tag {
		t.Errorf("HashObject(mergetag) = %s, %v, want %s", got, err, tag)
	}
}

func TestParseTag(t *testing.T) {
	head := "object " + oidA + "\ntype commit\ntag v1.0\n"
	data := head + "tagger T <t@example.com> 1700000000 +0000\n\nmessage\n" + x509Armor
	got, err := ParseTag([]byte(data), SHA1)
	if err != nil {
		t.Fatal(err)
	}
	want := &Tag{
		Object:  oidA,
		Type:    "commit",
		Name:    "v1.0",
		Tagger:  &Ident{"T", "t@example.com", time.Unix(1700000000, 0).UTC()},
		Message: []byte("message\n" + x509Armor),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseTag: %s", diff)
	}
	for _, tt := range []struct{ name, data string }{
		{"no tagger", head + "\nm\n"},
		{"no message", head},
		{"empty message", head + "\n"},
		{"extra header", head + "tagger T <t> 1 +0000\ngpgsig x\n y\n\nm\n"},
		{"of a blob", strings.Replace(head, "commit", "blob", 1) + "\nm\n"},
	} {
		if _, err := ParseTag([]byte(tt.data), SHA1); err != nil {
			t.Errorf("ParseTag(%s) = %v", tt.name, err)
		}
	}
}

func TestParseTagRejects(t *testing.T) {
	const tagger = "tagger T <t@example.com> 1 +0000\n"
	object := "object " + oidA + "\n"
	for _, tt := range []struct{ name, data, want string }{
		{"nothing", "", "missing object"},
		{"no object", "type commit\ntag x\n\nm\n", "missing object"},
		{"short object", "object " + oidA[1:] + "\ntype commit\ntag x\n\nm\n", "object header is not"},
		{"no type", object + "tag x\n\nm\n", "missing type"},
		{"unknown type", object + "type chunk\ntag x\n\nm\n", "unknown object type"},
		{"no name", object + "type commit\n" + tagger + "\nm\n", "missing tag"},
		{"name without a space", object + "type commit\ntag\n\nm\n", "missing tag"},
		{"name on two lines", object + "type commit\ntag x\n y\n\nm\n", "several lines"},
		{"two objects", object + "type commit\ntag x\n" + object + "\nm\n", "object header out of place"},
		{"two types", object + "type commit\ntag x\ntype tree\n\nm\n", "type header out of place"},
		{"two names", object + "type commit\ntag x\ntag y\n\nm\n", "tag header out of place"},
		{"two taggers", object + "type commit\ntag x\n" + tagger + tagger + "\nm\n", "tagger header out of place"},
		{"NUL in the name", object + "type commit\ntag x\x00y\n\nm\n", "NUL"},
		{"header cut short", object + "type commit\ntag x", "within a line"},
	} {
		_, err := ParseTag([]byte(tt.data), SHA1)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseTag(%s) = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestParseIdent(t *testing.T) {
	zone := func(name string, seconds int) *time.Location { return time.FixedZone(name, seconds) }
	at := time.Unix(1366043, 0)
	for _, tt := range []struct {
		line string
		want Ident
	}{
		{"A B <a@b> 1366043 -0600", Ident{"A B", "a@b", at.In(zone("-0600", -6*3600))}},
		{"A <> 1366043 +0000", Ident{"A", "", at.UTC()}},
		{" <> 1366043 -0000", Ident{"", "", at.UTC()}},
		{"<a@b> 1366043 +2359", Ident{"", "a@b", at.In(zone("+2359", 23*3600+59*60))}},
		{"A <a@b>  1366043  +0100 ", Ident{"A", "a@b", at.In(zone("+0100", 3600))}},
		{"A <a@b>1366043 +0100", Ident{"A", "a@b", at.In(zone("+0100", 3600))}},
		{"A <a@b> 1366043", Ident{"A", "a@b", at.UTC()}},
		{"A <a@b> 1366043 +051800", Ident{"A", "a@b", at.UTC()}},
		{"A <a@b> 1366043 EST", Ident{"A", "a@b", at.UTC()}},
		{"A <a@b> 1366043 +9999", Ident{"A", "a@b", at.UTC()}},
		{"A <a<b> c> 1366043 +0000", Ident{"A", "a<b", at.UTC()}},
		{"A <a@b> -1 +0000", Ident{"A", "a@b", time.Time{}}},
		{"A <a@b> +1 +0000", Ident{"A", "a@b", time.Time{}}},
		{"A <a@b> 253402300800 +0000", Ident{"A", "a@b", time.Time{}}},
		{"A <a@b> 99999999999999999999 +0000", Ident{"A", "a@b", time.Time{}}},
		{"A <a@b> yesterday", Ident{"A", "a@b", time.Time{}}},
		{"A <a@b>", Ident{"A", "a@b", time.Time{}}},
		{"A <a@b 1366043 +0000", Ident{"A", "", time.Time{}}},
		{"A a@b 1366043 +0000", Ident{"A a@b 1366043 +0000", "", time.Time{}}},
		{"", Ident{}},
	} {
		if diff := cmp.Diff(tt.want, parseIdent([]byte(tt.line))); diff != "" {
			t.Errorf("parseIdent(%q): %s", tt.line, diff)
		}
	}
}

// FuzzParseCommit checks that what parses has one reading: the parsed parts
// are where the grammar has them, byte for byte.
func FuzzParseCommit(f *testing.F) {
	for _, c := range commitCases() {
		f.Add(c.fill(SHA1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCommit(data, SHA1)
		if err != nil {
			return
		}
		head := "tree " + c.Tree + "\n"
		for _, parent := range c.Parents {
			head += "parent " + parent + "\n"
		}
		if head += "author "; !strings.HasPrefix(string(data), head) {
			t.Errorf("ParseCommit(%q): does not begin with %q", data, head)
		}
		if !bytes.HasSuffix(data, c.Message) {
			t.Errorf("ParseCommit(%q): message %q is not the end", data, c.Message)
		}
		header := data[:len(data)-len(c.Message)]
		if bytes.Contains(bytes.TrimSuffix(header, []byte("\n")), []byte("\n\n")) {
			t.Errorf("ParseCommit(%q): message %q is not the whole message", data, c.Message)
		}
		if bytes.Count(header, []byte("\ntree ")) > 0 || bytes.Count(header, []byte("\ncommitter ")) != 1 || bytes.IndexByte(header, 0) >= 0 {
			t.Errorf("ParseCommit(%q) accepted a header with two readings", data)
		}
		for _, id := range []Ident{c.Author, c.Committer} {
			if _, err := id.When.MarshalText(); err != nil {
				t.Errorf("ParseCommit(%q): date: %v", data, err)
			}
		}
	})
}

// FuzzParseTag is FuzzParseCommit for tags.
func FuzzParseTag(f *testing.F) {
	for _, c := range tagCases() {
		f.Add(c.fill(SHA1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tag, err := ParseTag(data, SHA1)
		if err != nil {
			return
		}
		head := "object " + tag.Object + "\ntype " + tag.Type + "\ntag " + tag.Name + "\n"
		if !strings.HasPrefix(string(data), head) {
			t.Fatalf("ParseTag(%q): does not begin with %q", data, head)
		}
		if (tag.Tagger != nil) != bytes.HasPrefix(data[len(head):], []byte("tagger ")) {
			t.Errorf("ParseTag(%q): tagger = %v", data, tag.Tagger)
		}
		if !bytes.HasSuffix(data, tag.Message) {
			t.Errorf("ParseTag(%q): message %q is not the end", data, tag.Message)
		}
	})
}
