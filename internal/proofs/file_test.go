package proofs

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"gitseal/verifier"
)

func TestFileHoldsProofsInOrderOnceEach(t *testing.T) {
	a, b, c := proof(t, 0), proof(t, 1), proof(t, 2)
	text, err := formatFile([]verifier.Proof{c, a, b, a})
	if err != nil {
		t.Fatal(err)
	}
	again, err := formatFile([]verifier.Proof{b, c, a})
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("formatFile depends on the order of the proofs (%v)", err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if len(lines) != 4 || lines[3] != "" || !slices.IsSorted(lines[:3]) {
		t.Errorf("formatFile wrote %d lines, sorted %v, want 3 sorted ones", len(lines)-1, slices.IsSorted(lines[:3]))
	}
	got, err := parseFile(text)
	if err != nil || !same(got, []verifier.Proof{a, b, c}) {
		t.Errorf("parseFile returned %d proofs, %v, want the 3 that were written", len(got), err)
	}
}

// TestLineIsVerificationMaterial has the Sigstore project's own types read a
// line.
func TestLineIsVerificationMaterial(t *testing.T) {
	p := proof(t, 1)
	line, err := formatLine(p)
	if err != nil {
		t.Fatal(err)
	}
	var m protobundle.VerificationMaterial
	if err := protojson.Unmarshal(line, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.TlogEntries) != 1 || len(m.GetTimestampVerificationData().GetRfc3161Timestamps()) != 1 || m.Content != nil {
		t.Errorf("the line is read as %v, want one entry, one time-stamp, and no content", &m)
	}
	if got := m.GetTimestampVerificationData().GetRfc3161Timestamps()[0].SignedTimestamp; !bytes.Contains(got, p.Timestamps[0]) {
		t.Error("the time-stamp of the line is not that of the proof")
	}
}

func TestFileRefuses(t *testing.T) {
	p, q := proof(t, 1), proof(t, 0)
	file := func(proofs ...verifier.Proof) string {
		text, err := formatFile(proofs)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	good, other, both := file(p), file(q), file(p, q)
	lines := strings.SplitAfter(both, "\n")
	var many []string
	for range maxProofs + 1 {
		many = append(many, file(proof(t, 0)))
	}
	slices.Sort(many)
	stamp := good[strings.Index(good, `{"signedTimestamp"`) : len(good)-4]
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "empty"},
		{"no line end", strings.TrimSuffix(good, "\n"), "ends within a line"},
		{"an empty line", good + "\n", "line 2: out of order"},
		{"lines in another order", lines[1] + lines[0], "line 2: out of order"},
		{"a line twice", good + good, "line 2: out of order"},
		{"too many lines", strings.Join(many, ""), "more than 16 proofs"},
		{"too much", strings.Repeat(" ", maxFile) + "\n", "more than 1048576 bytes"},
		{"no JSON", "hello\n", "line 1: byte 0: 'h' where an object is expected"},
		{"white space", " " + good, "not as a proof is written"},
		{"a member twice", strings.Replace(good, `{"tlogEntries"`, `{"tlogEntries":[],"tlogEntries"`, 1), "line 1:"},
		{"another member", strings.Replace(good, `{"tlogEntries"`, `{"certificate":{},"tlogEntries"`, 1), `"certificate"`},
		{"something after it", strings.Replace(other, "\n", "{}\n", 1), "line 1:"},
		{"no entry", `{"tlogEntries":[]}` + "\n", "no log entry"},
		{"two entries", strings.Replace(other, "]}\n", ","+other[len(`{"tlogEntries":[`):], 1), "more than 1"},
		{"an entry that is none", `{"tlogEntries":[{}]}` + "\n", "line 1:"},
		{"no time-stamps where some are announced", strings.Replace(good, stamp, "", 1), "not as a proof is written"},
		{"a time-stamp that is none", strings.Replace(good, stamp, `{"signedTimestamp":"AAAA"}`, 1), "line 1:"},
		{"too many time-stamps", strings.Replace(good, stamp, strings.Repeat(stamp+",", maxStamps)+stamp, 1), "more than 8"},
		{"an escape", strings.Replace(good, `"tlogEntries"`, `"\u0074logEntries"`, 1), "line 1:"},
	} {
		got, err := parseFile([]byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("parseFile of %s = %d proofs, %v, want an error with %q", test.name, len(got), err, test.want)
		}
	}
}

func TestFileTakesTheFirstWhereThereAreTooMany(t *testing.T) {
	var all []verifier.Proof
	for range maxProofs + 3 {
		all = append(all, proof(t, 0))
	}
	text, err := formatFile(all)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseFile(text)
	if err != nil || !same(got, all[:maxProofs]) {
		t.Errorf("the file has %d proofs, %v, want the first %d", len(got), err, maxProofs)
	}
}

func TestFileIsNotWrittenOfWhatIsNoProof(t *testing.T) {
	p := proof(t, 1)
	for name, all := range map[string][]verifier.Proof{
		"nothing":                  nil,
		"an entry that is none":    {{Entry: []byte("x")}},
		"a stamp that is none":     {{Entry: p.Entry, Timestamps: [][]byte{[]byte("x")}}},
		"a good one and a bad one": {p, {Entry: nil}},
	} {
		if text, err := formatFile(all); err == nil {
			t.Errorf("formatFile of %s = %q, want an error", name, text)
		}
	}
}

// FuzzFile holds parseFile to files that are written as they are read.
func FuzzFile(f *testing.F) {
	for _, n := range []int{0, 1, 2} {
		text, err := formatFile([]verifier.Proof{proof(f, n), proof(f, 0)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("{\"tlogEntries\":[]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseFile(text)
		if err != nil {
			return
		}
		again, err := formatFile(all)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("parseFile takes %q, which is written as %q, %v", text, again, err)
		}
	})
}
