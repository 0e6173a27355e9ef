package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
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
		"schema tool repository scope policy trust startedAt finishedAt complete notExamined totals signers logs findings result"; got != want {
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
		element(parts["signers"]):     "kind identity issuer objects first last",
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
		Logs        []any
		Findings    []any
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Policy != nil || doc.Scope.Refs == nil || doc.Scope.Revisions == nil || doc.Trust.Sources == nil ||
		doc.NotExamined == nil || doc.Signers == nil || doc.Logs == nil || doc.Findings == nil {
		t.Errorf("a list is null, or policy is not:\n%s", document)
	}
}

func TestJSONIsIndentedAsAWhole(t *testing.T) {
	document := writeJSON(t, sample())
	var want bytes.Buffer
	if err := json.Indent(&want, []byte(document), "", "  "); err != nil {
		t.Fatal(err)
	}
	if document != want.String() {
		t.Errorf("got\n%s\nwant\n%s", document, &want)
	}
	if again := writeJSON(t, sample()); again != document {
		t.Error("the same report gives two documents")
	}
}

func TestJSONOfHostileBytes(t *testing.T) {
	r := sample()
	r.Signers[0].Identity = hostile
	id := verifier.Identity{Issuer: hostile, Subject: hostile}
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
