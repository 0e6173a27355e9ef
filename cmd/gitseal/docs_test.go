package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitseal/monitor"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

// TestJSONIsDocumented finds in the pages on JSON the name of every form, every
// field, and every value of those that have a few. Fields that are written out
// in other words for being many are listed here.
func TestJSONIsDocumented(t *testing.T) {
	var pages string
	names, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// Some pages have such a section.
		_, section, _ := strings.Cut(string(page), "\n## In JSON\n")
		pages += section
	}
	words := make(map[string]bool)
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(pages, -1) {
		words[m[1]] = true
		words[m[1][strings.LastIndexByte(m[1], '.')+1:]] = true // of signature.log
	}
	documented := func(what, word string) {
		if !words[word] {
			t.Errorf("the pages on JSON lack the %s %q", what, word)
		}
	}

	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{report.Schema}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(gitseal\.[a-z-]+/\d+)"`).FindAllStringSubmatch(string(text), -1) {
			forms = append(forms, m[1])
		}
	}
	if len(forms) < 8 {
		t.Errorf("found the forms %q, want 8 or more", forms)
	}
	for _, form := range forms {
		documented("form", form)
	}

	for _, doc := range []any{objectJSON{}, blobJSON{}, checkpointJSON{}, entryJSON{}, trustJSON{}, lastFailure{}, whoamiJSON{}, agentJSON{}, pendingJSON{}, badFileJSON{},
		report.Repository{}, report.Policy{}, report.Omission{}, report.Signer{}, report.Log{}} {
		for _, field := range fieldsOf(reflect.TypeOf(doc)) {
			if field != "schema" && !slices.Contains(inOtherWords, field) {
				documented("field", field)
			}
		}
	}
	for _, check := range []verifier.Check{verifier.CheckArmor, verifier.CheckCMS, verifier.CheckDigest, verifier.CheckSignature,
		verifier.CheckLogEntry, verifier.CheckInclusion, verifier.CheckCheckpoint, verifier.CheckPromise, verifier.CheckTimestamp,
		verifier.CheckTime, verifier.CheckChain, verifier.CheckSCT, verifier.CheckIdentity, verifier.CheckBundle, verifier.CheckStatement} {
		documented("check", string(check))
	}
	for _, value := range []string{string(monitor.FirstSeen), string(monitor.Unchanged), string(monitor.Grown), string(monitor.Stale),
		string(report.Pass), string(report.Violation), string(report.Indeterminate), string(report.Equivocation),
		string(report.Error), string(report.Warning), string(report.Note), string(report.Proven),
		string(verifier.LogTime), string(verifier.StampTime), "email", "uri", "other-name"} {
		documented("value", value)
	}
}

// inOtherWords are the fields that the pages do not name one by one: versions
// of TUF metadata, and what an authority, a log, a server or a statement is
// described by.
var inOtherWords = []string{
	"root", "timestamp", "snapshot", "targets", "operator", "logSelection", "timestampSelection", "oidcProviders", "predicateType",
}

// fieldsOf returns the names of a struct's fields in JSON, and those in them.
func fieldsOf(typ reflect.Type) []string {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" {
			names = append(names, name)
		}
		names = append(names, fieldsOf(field.Type)...)
	}
	return names
}
