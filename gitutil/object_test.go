package gitutil

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// formatAnswer writes an object as git cat-file --batch does.
func formatAnswer(o Object) string {
	if o.Missing {
		return o.OID + " missing\n"
	}
	return fmt.Sprintf("%s %s %d\n%s\n", o.OID, o.Type, o.Size, o.Data)
}

func TestReadObject(t *testing.T) {
	want := []Object{
		{OID: oidA, Type: "commit", Size: 9, Data: []byte("line\nline")},
		{OID: oidB, Missing: true},
		{OID: oidC, Type: "tag", Size: 0, Data: []byte{}},
	}
	var answers string
	for _, o := range want {
		answers += formatAnswer(o)
	}
	// Git since 2.44 lists a missing commit with a question mark.
	answers += "?" + oidA + " missing\n"
	want = append(want, Object{OID: oidA, Missing: true})

	r := bufio.NewReader(strings.NewReader(answers))
	for _, o := range want {
		got, err := readObject(r, SHA1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, got); diff != "" {
			t.Errorf("readObject: %s", diff)
		}
	}
	if _, err := readObject(r, SHA1); err != io.EOF {
		t.Errorf("readObject at the end = %v, want %v", err, io.EOF)
	}
}

func TestReadObjectRejects(t *testing.T) {
	for _, tt := range []struct{ name, answer string }{
		{"cut short in the first line", oidA + " commit 1"},
		{"cut short in the content", oidA + " commit 2\nx"},
		{"cut short after the content", oidA + " commit 1\nx"},
		{"content longer than its size", oidA + " commit 1\nxy\n"},
		{"negative size", oidA + " commit -1\n\n"},
		{"size with a sign", oidA + " commit +1\nx\n"},
		{"size with a leading zero", oidA + " commit 01\nx\n"},
		{"size that is not a number", oidA + " commit x\n\n"},
		{"size that is too large", oidA + " commit 99999999999999999999\n\n"},
		{"short id", oidA[1:] + " commit 1\nx\n"},
		{"id of the other format", strings.Repeat("a", 64) + " commit 1\nx\n"},
		{"question mark with content", "?" + oidA + " commit 1\nx\n"},
		{"ambiguous name", "abcd ambiguous\n"},
		{"too many words", oidA + " commit 1 x\nx\n"},
		{"too few words", oidA + "\n"},
		{"long line", strings.Repeat("a", 128<<10) + "\n"},
	} {
		got, err := readObject(bufio.NewReaderSize(strings.NewReader(tt.answer), 64<<10), SHA1)
		if err == nil || err == io.EOF {
			t.Errorf("readObject(%s) = %+v, %v, want an error", tt.name, got, err)
		}
	}
}

// FuzzReadObject checks that answers have one form: what is read is written
// again as it was.
func FuzzReadObject(f *testing.F) {
	f.Add([]byte(oidA + " commit 9\nline\nline\n" + oidB + " missing\n"))
	f.Add([]byte("?" + oidA + " missing\n"))
	f.Add([]byte(oidA + " tag 0\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.NewReader(data)
		o, err := readObject(bufio.NewReaderSize(in, 64<<10), SHA1)
		if err != nil {
			return
		}
		answer := bytes.TrimPrefix(data, []byte("?"))
		if want := formatAnswer(o); !strings.HasPrefix(string(answer), want) {
			t.Errorf("readObject(%q) = %q", data, want)
		}
	})
}
