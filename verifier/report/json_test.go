package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gitseal/verifier"
)

// keys returns the names of an object's fields, in order.
func keys(t *testing.T, document string) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(document))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestJSONHasItsFieldsInOrder(t *testing.T) {
	document := writeJSON(t, sample())
	if got, want := strings.Join(keys(t, document), " "),
		"schema tool repository scope policy trust startedAt finishedAt complete notExamined totals signers unknownKeys logs months continuity findings result"; got != want {
		t.Errorf("fields %q, want %q", got, want)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &parts); err != nil {
		t.Fatal(err)
	}
	element := func(list json.RawMessage) string {
		var all []json.RawMessage
		if err := json.Unmarshal(list, &all); err != nil || len(all) == 0 {
			t.Fatalf("%s is no list with an element: %v", list, err)
		}
		return string(all[0])
	}
	totals := []string{"examined", "commits", "tags"}
	for _, class := range Classes() {
		totals = append(totals, string(class))
	}
	for part, want := range map[string]string{
		string(parts["repository"]):   "objectFormat shallow grafted replaced partialClone",
		string(parts["scope"]):        "refs revisions",
		string(parts["policy"]):       "source digest",
		string(parts["trust"]):        "sources digest",
		element(parts["notExamined"]): "what reason",
		string(parts["totals"]):       strings.Join(totals, " "),
		element(parts["signers"]):     "kind identity issuer role objects good first last times",
		element(parts["unknownKeys"]): "kind key objects",
		element(parts["months"]):      "month good exempt other none",
		element(parts["continuity"]):  "ref oid commits since streak gaps gapCount merged mergedBad",
		element(parts["logs"]):        "origin entries largestSize",
		element(parts["findings"]):    "id severity object identity message hint",
	} {
		if got := strings.Join(keys(t, part), " "); got != want {
			t.Errorf("fields %q, want %q", got, want)
		}
	}
	for _, want := range []string{
		`"startedAt": "2026-01-02T02:04:05Z"`, `"first": "2026-01-02T02:04:05Z"`,
		`"digest": "sha256:01000`, `"result": "violation"`, `"examined": 1205`,
	} {
		if !strings.Contains(document, want) {
			t.Errorf("the document lacks %s:\n%s", want, document)
		}
	}
}

func TestJSONOfAnEmptyReport(t *testing.T) {
	document := writeJSON(t, new(Report))
	var doc struct {
		Policy      *struct{}
		Scope       struct{ Refs, Revisions []any }
		Trust       struct{ Sources []any }
		NotExamined []any
		Signers     []any
		UnknownKeys []any
		Logs        []any
		Months      []any
		Continuity  []any
		Findings    []any
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Policy != nil || doc.Scope.Refs == nil || doc.Scope.Revisions == nil || doc.Trust.Sources == nil ||
		doc.NotExamined == nil || doc.Signers == nil || doc.UnknownKeys == nil || doc.Logs == nil || doc.Months == nil || doc.Continuity == nil || doc.Findings == nil {
		t.Errorf("a list is null, or policy is not:\n%s", document)
	}
}

func TestJSONIsIndentedAsAWhole(t *testing.T) {
	for _, reports := range [][]*Report{{sample()}, set(), {}} {
		document := writeJSON(t, reports...)
		var want bytes.Buffer
		if err := json.Indent(&want, []byte(document), "", "  "); err != nil {
			t.Fatal(err)
		}
		if document != want.String() {
			t.Errorf("got\n%s\nwant\n%s", document, &want)
		}
	}
	document := writeJSON(t, sample())
	if again := writeJSON(t, sample()); again != document {
		t.Error("the same report gives two documents")
	}
}

func TestJSONOfHostileBytes(t *testing.T) {
	r := sample()
	r.Signers[0].Identity = hostile
	id := verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Issuer: hostile, Subject: hostile}, Key: hostile}
	r.Findings.Add(Finding{"bad-time", Error, Object{"commit", hostile}, &id, hostile, hostile})
	r.NotExamined = append(r.NotExamined, Omission{hostile, hostile})
	document := writeJSON(t, r)
	if !utf8.ValidString(document) || !json.Valid([]byte(document)) {
		t.Error("not valid JSON in UTF-8")
	}
	if !strings.Contains(document, "<script>&amp;") {
		t.Error("escaped for HTML")
	}
}

func TestPlainJSONEscapesWhatTerminalsObey(t *testing.T) {
	for in, want := range map[string]string{
		`"plain ünï"`:                   `"plain ünï"`,
		"\"\u009b31m\"":                 `"\u009b31m"`,
		"\"a\u202eb\u2066c\u200b\"":     `"a\u202eb\u2066c\u200b"`,
		"\"\u2028\U000e0001\"":          `"\u2028\udb40\udc01"`,
		"\"\u07bb\"":                    `"\u07bb"`,
		"{\n  \"indented\": \"\\t\"\n}": "{\n  \"indented\": \"\\t\"\n}",
	} {
		got := string(PlainJSON([]byte(in)))
		if got != want {
			t.Errorf("PlainJSON(%q) = %s, want %s", in, got, want)
		}
		var a, b any
		if json.Unmarshal([]byte(in), &a) != nil || json.Unmarshal([]byte(got), &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("PlainJSON(%q) says something else: %v", in, b)
		}
	}
}

// TestJSONOfTimesThatCannotBe has what clocks may have shown.
func TestJSONOfTimesThatCannotBe(t *testing.T) {
	r := sample()
	far := time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	r.Signers[0].First, r.Signers[0].Last = far, time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
	r.Continuity[0].Since.Date, r.Continuity[0].Gaps[0].Newest.Date = far, far
	if document := writeJSON(t, r); strings.Count(document, `"0001-01-01T00:00:00Z"`) != 4 {
		t.Errorf("not each of 4 times written as none:\n%s", document)
	}
	if !r.Continuity[0].Since.Date.Equal(far) {
		t.Error("the report was changed")
	}
}

// TestJSONOfFindingsThatDifferInTheirObjects has findings whose text is made
// once, with what could be taken for the place of the id in them.
func TestJSONOfFindingsThatDifferInTheirObjects(t *testing.T) {
	r := new(Report)
	var want []Finding
	signer := verifier.Signer{Kind: verifier.SSH, Key: `"oid": ""`}
	for i := range 30 {
		x := Finding{`"oid": ""`, Note, Object{`"oid":""`, fmt.Sprintf("%040x", i)}, &signer, `"oid": ""`, hostile}
		switch i % 5 {
		case 1:
			x.Object.OID = ""
		case 2:
			x.Object.OID = `"oid": ""`
		case 3:
			x.Message = fmt.Sprint(i)
		case 4:
			x.Object.OID = sha256OID
		}
		want = append(want, x)
		r.Findings.Add(x)
	}
	var doc struct{ Findings []jsonFinding }
	if err := json.Unmarshal([]byte(writeJSON(t, r)), &doc); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := NewJSONL(&lines).Close(r); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(lines.String(), "\n")[:len(want)] {
		var x jsonFindingLine
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		for _, got := range []jsonFinding{doc.Findings[i], x.jsonFinding} {
			if got.ID != want[i].ID || got.Object != want[i].Object || got.Message != want[i].Message || got.Identity.Key != signer.Key {
				t.Errorf("finding %d is %+v, want %+v", i, got, want[i])
			}
		}
	}
}

// TestJSONIsWrittenPieceByPiece checks that of no list more is in memory as
// text than an element.
func TestJSONIsWrittenPieceByPiece(t *testing.T) {
	r := sample()
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf("%040x", i)
		r.Scope.Refs = append(r.Scope.Refs, Ref{"refs/heads/" + many[i], many[i]})
		r.NotExamined = append(r.NotExamined, Omission{many[i], "no"})
		r.Signers = append(r.Signers, Signer{Kind: verifier.SSH, Key: many[i]})
		r.UnknownKeys = append(r.UnknownKeys, UnknownKey{verifier.SSH, many[i], 1})
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", many[i]}, nil, many[i], ""})
	}
	r.Scope.Revisions = append(r.Scope.Revisions, Revision{"--all", many})
	for _, compact := range []bool{false, true} {
		d := newDocument(io.Discard)
		d.compact = compact
		d.report(r)
		if err := d.finish(); err != nil {
			t.Fatal(err)
		}
		if n := d.buf.Cap(); n > 16<<10 {
			t.Errorf("compact %v: %d bytes in memory at once", compact, n)
		}
	}
}

func BenchmarkJSONOfManyRefs(b *testing.B) {
	r := new(Report)
	for i := range 100_000 {
		r.Scope.Refs = append(r.Scope.Refs, Ref{fmt.Sprintf("refs/heads/topic-%d", i), fmt.Sprintf("%040x", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := WriteJSON(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
