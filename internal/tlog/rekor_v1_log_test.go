package tlog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// testTree returns a tree and what a server says of it.
func testTree(id string, size uint64) (RekorV1Tree, map[string]any) {
	cp := Checkpoint{Origin: "log.example - " + id, Size: size, Root: testRoot}
	note := (&SignedCheckpoint{Checkpoint: cp, Text: cp.Marshal(), Signatures: []NoteSignature{{"log.example", [4]byte{1}, []byte{2}}}}).Marshal()
	return RekorV1Tree{id, size, testRoot, note}, map[string]any{
		"rootHash": hex.EncodeToString(testRoot[:]), "signedTreeHead": string(note), "treeID": id, "treeSize": size,
	}
}

func testRekorV1Log(t testing.TB, inactive any) string {
	t.Helper()
	_, log := testTree("3904496407287907110", 7)
	log["inactiveShards"] = inactive
	text, err := json.Marshal(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestParseRekorV1Log(t *testing.T) {
	want, _ := testTree("3904496407287907110", 7)
	first, firstJSON := testTree("1", 3)
	second, secondJSON := testTree("9223372036854775807", 0)
	for name, tt := range map[string]struct {
		inactive any
		want     []RekorV1Tree
	}{
		"null": {nil, nil},
		"none": {[]any{}, nil},
		"two":  {[]any{firstJSON, secondJSON}, []RekorV1Tree{first, second}},
	} {
		got, inactive, err := ParseRekorV1Log([]byte(testRekorV1Log(t, tt.inactive)))
		if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(inactive, tt.want) {
			t.Errorf("%s: ParseRekorV1Log = %+v, %+v, %v; want %+v, %+v", name, got, inactive, err, want, tt.want)
		}
	}
}

func TestParseRekorV1LogRejects(t *testing.T) {
	good := testRekorV1Log(t, nil)
	for _, tt := range []struct{ name, old, new, want string }{
		{"another size", `"treeSize":7`, `"treeSize":8`, "of another size or root"},
		{"another root", hex.EncodeToString(testRoot[:]), strings.Repeat("0", 64), "of another size or root"},
		{"no checkpoint", `\n\n`, `\n`, "parsing checkpoint"},
		{"negative size", `"treeSize":7`, `"treeSize":-7`, "a non-negative integer is expected"},
		{"tree id as a number", `"treeID":"3904496407287907110"`, `"treeID":3904496407287907110`, "a string is expected"},
		{"tree id in another form", `"treeID":"3`, `"treeID":"03`, "not an integer"},
		{"empty tree id", `"treeID":"3904496407287907110"`, `"treeID":""`, "not an integer"},
		{"no tree id", `"treeID":"3904496407287907110",`, ``, `no member "treeID"`},
		{"unknown member", `"treeID"`, `"treeId"`, "unknown member"},
		{"tree in a tree", `null`, `[{"inactiveShards":null}]`, "unknown member"},
		{"many trees", `null`, `[` + strings.Repeat(`{},`, maxTrees+1) + `{}]`, "no member"},
		{"text after", good, good + "{}", "the end is expected"},
	} {
		in := strings.Replace(good, tt.old, tt.new, 1)
		if in == good {
			t.Fatalf("%s: nothing changed", tt.name)
		}
		if got, _, err := ParseRekorV1Log([]byte(in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseRekorV1Log = %+v, %v; want error with %q", tt.name, got, err, tt.want)
		}
	}
	_, tree := testTree("1", 3)
	many := testRekorV1Log(t, slices.Repeat([]any{tree}, maxTrees+1))
	if _, _, err := ParseRekorV1Log([]byte(many)); err == nil || !strings.Contains(err.Error(), "more than 256") {
		t.Errorf("many trees: %v, want an error about their number", err)
	}
	if _, _, err := ParseRekorV1Log(bytes.Repeat([]byte(" "), maxLogInfo+1)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("long text: %v, want an error about its length", err)
	}
}

func TestParseRekorV1Proof(t *testing.T) {
	root := strings.Repeat("ab", 32)
	text := `{"hashes":["` + root + `","` + root + `"],"rootHash":"` + root + `"}`
	h := Hash(bytes.Repeat([]byte{0xab}, 32))
	if got, err := ParseRekorV1Proof([]byte(text)); err != nil || !slices.Equal(got, []Hash{h, h}) {
		t.Errorf("ParseRekorV1Proof = %x, %v; want twice %x", got, err, h)
	}
	if got, err := ParseRekorV1Proof([]byte(`{"hashes":[],"rootHash":"` + root + `"}`)); err != nil || len(got) != 0 {
		t.Errorf("ParseRekorV1Proof of no hashes = %x, %v", got, err)
	}
	for name, in := range map[string]string{
		"no hashes":       `{"rootHash":"` + root + `"}`,
		"null":            `{"hashes":null,"rootHash":"` + root + `"}`,
		"no root":         `{"hashes":[]}`,
		"short hash":      strings.Replace(text, root, root[2:], 1),
		"upper case":      strings.Replace(text, root, strings.ToUpper(root), 1),
		"too many hashes": strings.Replace(text, `["`, `["`+strings.Repeat(root+`","`, maxHashes), 1),
		"unknown member":  strings.Replace(text, `{`, `{"more":1,`, 1),
		"text after":      text + "x",
	} {
		if got, err := ParseRekorV1Proof([]byte(in)); err == nil {
			t.Errorf("%s: ParseRekorV1Proof = %x, want an error", name, got)
		}
	}
}

func TestParseRekorV1IDs(t *testing.T) {
	short, long := strings.Repeat("0a", 32), strings.Repeat("0b", 40)
	text := fmt.Sprintf("[%q, %q,%q]\n", short, long, short)
	if got, err := ParseRekorV1IDs([]byte(text)); err != nil || !slices.Equal(got, []string{short, long}) {
		t.Errorf("ParseRekorV1IDs = %v, %v; want each once", got, err)
	}
	if got, err := ParseRekorV1IDs([]byte("[]")); err != nil || len(got) != 0 {
		t.Errorf("ParseRekorV1IDs of none = %v, %v", got, err)
	}
	for name, in := range map[string]string{
		"null":       "null",
		"object":     "{}",
		"number":     "[1]",
		"short id":   `["` + short[2:] + `"]`,
		"upper case": `["` + strings.ToUpper(short) + `"]`,
		"a path":     `["../` + short[3:] + `"]`,
		"text after": text + "x",
		"long":       strings.Repeat(" ", maxIDs) + text,
	} {
		if got, err := ParseRekorV1IDs([]byte(in)); err == nil {
			t.Errorf("%s: ParseRekorV1IDs = %v, want an error", name, got)
		}
	}
}

// FuzzParseRekorV1Answers checks that what parses is what encoding/json reads.
func FuzzParseRekorV1Answers(f *testing.F) {
	_, tree := testTree("1", 3)
	root := strings.Repeat("ab", 32)
	f.Add([]byte(testRekorV1Log(f, []any{tree})))
	f.Add([]byte(testRekorV1Log(f, nil)))
	f.Add([]byte(`{"hashes":["` + root + `"],"rootHash":"` + root + `"}`))
	f.Add([]byte(`["` + root + `"]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if current, inactive, err := ParseRekorV1Log(text); err == nil {
			var want struct {
				InactiveShards         []struct{ TreeID string }
				TreeID, SignedTreeHead string
				TreeSize               uint64
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatalf("encoding/json: %v", err)
			}
			if current.ID != want.TreeID || current.Size != want.TreeSize || string(current.Checkpoint) != want.SignedTreeHead || len(inactive) != len(want.InactiveShards) {
				t.Errorf("ParseRekorV1Log = %+v, %+v; want %+v", current, inactive, want)
			}
		}
		if hashes, err := ParseRekorV1Proof(text); err == nil {
			var want struct{ Hashes []string }
			if err := json.Unmarshal(text, &want); err != nil || len(hashes) != len(want.Hashes) {
				t.Errorf("ParseRekorV1Proof = %x, want %v, %v", hashes, want, err)
			}
		}
		if ids, err := ParseRekorV1IDs(text); err == nil {
			var want []string
			if err := json.Unmarshal(text, &want); err != nil || len(ids) > len(want) {
				t.Errorf("ParseRekorV1IDs = %v, want %v, %v", ids, want, err)
			}
		}
	})
}
