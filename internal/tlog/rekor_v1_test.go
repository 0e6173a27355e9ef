package tlog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rekorV1ID returns the entry id of a body.
func rekorV1ID(body []byte) string {
	leaf := LeafHash(body)
	return hex.EncodeToString(leaf[:])
}

// toRekorV1 returns the entry as a Rekor v1 server has it.
func toRekorV1(t testing.TB, e *Entry) any {
	t.Helper()
	type m map[string]any
	hashes := []string{}
	for _, h := range e.Proof.Hashes {
		hashes = append(hashes, hex.EncodeToString(h[:]))
	}
	return m{
		"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime, "logID": hex.EncodeToString(e.LogID), "logIndex": e.LogIndex,
		"verification": m{
			"inclusionProof": m{
				"checkpoint": string(e.Proof.Checkpoint), "hashes": hashes, "logIndex": e.Proof.LogIndex,
				"rootHash": hex.EncodeToString(e.Proof.RootHash[:]), "treeSize": e.Proof.TreeSize,
			},
			"signedEntryTimestamp": e.Promise.SET,
		},
	}
}

// testRekorV1 returns an entry, its id without a tree's, and what a server
// answers.
func testRekorV1(t testing.TB) (*Entry, string, string) {
	t.Helper()
	e := testEntry()
	e.CanonicalizedBody = HashedRekordV1(bodyDigest, bodySignature, bodyCertificate)
	id := rekorV1ID(e.CanonicalizedBody)
	text, err := json.Marshal(map[string]any{id: toRekorV1(t, e)})
	if err != nil {
		t.Fatal(err)
	}
	return e, id, string(text)
}

func TestParseRekorV1(t *testing.T) {
	e, id, text := testRekorV1(t)
	full := "3ffa1547685c4e29" + id
	for name, tt := range map[string]struct {
		text string
		want []RekorV1Entry
	}{
		"object":            {text, []RekorV1Entry{{id, e}}},
		"array":             {"[" + text + "]\n", []RekorV1Entry{{id, e}}},
		"with tree id":      {strings.Replace(text, id, full, 1), []RekorV1Entry{{full, e}}},
		"empty attestation": {strings.Replace(text, `{"body"`, `{"attestation":{},"body"`, 1), []RekorV1Entry{{id, e}}},
		"attestation":       {strings.Replace(text, `{"body"`, `{"attestation":{"data":"e30="},"body"`, 1), []RekorV1Entry{{id, e}}},
		"none":              {"{}", nil},
		"empty array":       {"[]", nil},
	} {
		got, err := ParseRekorV1([]byte(tt.text))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: ParseRekorV1 = %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
}

func TestParseRekorV1LeavesOutWhatIsAbsent(t *testing.T) {
	e, id, text := testRekorV1(t)
	verification := text[strings.Index(text, `,"verification"`) : len(text)-2]
	e.Promise, e.Proof = nil, nil
	for name, without := range map[string]string{"no verification": "", "empty verification": `,"verification":{}`} {
		got, err := ParseRekorV1([]byte(strings.Replace(text, verification, without, 1)))
		if want := []RekorV1Entry{{id, e}}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: ParseRekorV1 = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestParseRekorV1SortsByIndex(t *testing.T) {
	var objects []string
	for i, index := range []int64{3, 1, 2} {
		e := testEntry()
		e.LogIndex, e.CanonicalizedBody = index, HashedRekordV1(bodyDigest, []byte{byte(i)}, bodyCertificate)
		text, err := json.Marshal(map[string]any{rekorV1ID(e.CanonicalizedBody): toRekorV1(t, e)})
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, string(text))
	}
	for _, text := range []string{
		"[" + strings.Join(objects, ",") + "]",
		strings.ReplaceAll(strings.Join(objects, ","), "},{", ","),
	} {
		entries, err := ParseRekorV1([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, e := range entries {
			got = append(got, e.LogIndex)
		}
		if want := []int64{1, 2, 3}; !slices.Equal(got, want) {
			t.Errorf("ParseRekorV1(%.20s…) has indexes %v, want %v", text, got, want)
		}
	}
}

func TestParseRekorV1Rejects(t *testing.T) {
	e, id, good := testRekorV1(t)
	member := strings.TrimSuffix(strings.TrimPrefix(good, "{"), "}")
	other := []byte(`{"apiVersion":"0.0.1","spec":{}}`)
	set := b64(e.Promise.SET)
	for _, tt := range []struct{ name, old, new, want string }{
		{"another body", b64(e.CanonicalizedBody), b64([]byte(`{}`)), "the body is that of entry"},
		{"id of another entry", id, rekorV1ID(other), "the body is that of entry " + id},
		{"short id", id, id[2:], "entry id of 62 digits"},
		{"id with a short tree id", id, "00" + id, "entry id of 66 digits"},
		{"upper-case id", id, strings.ToUpper(id), "lower-case"},
		{"endless id", id, strings.Repeat(id, 10), "name longer than"},
		{"same entry twice", member, member + "," + member, "duplicate entry"},
		{"no body", `"body":"` + b64(e.CanonicalizedBody) + `",`, ``, `no member "body"`},
		{"duplicate member", `{"body"`, `{"logIndex":1,"body"`, "duplicate member"},
		{"unknown member", `"logIndex"`, `"logindex"`, "unknown member"},
		{"number as a string", `"logIndex":` + strconv.FormatInt(e.LogIndex, 10), `"logIndex":"7"`, "a non-negative integer is expected"},
		{"negative time", `"integratedTime":`, `"integratedTime":-`, "a non-negative integer is expected"},
		{"short log id", `"logID":"`, `"logID":"00`, "not 32 bytes"},
		{"upper-case root", `"rootHash":"` + hex.EncodeToString(e.Proof.RootHash[:]), `"rootHash":"` + strings.ToUpper(hex.EncodeToString(e.Proof.RootHash[:])), "lower-case"},
		{"short hash", `"hashes":["`, `"hashes":["00`, "not 32 bytes"},
		{"many hashes", `"hashes":[`, `"hashes":[` + strings.Repeat(`"`+id+`",`, maxHashes), "more than 64"},
		{"no root", `"rootHash":"` + hex.EncodeToString(e.Proof.RootHash[:]) + `",`, ``, `no member "rootHash"`},
		{"SET not base64", set, "_" + set, "not canonical base64"},
		{"long SET", set, b64(make([]byte, maxSET+3)), "longer than"},
		{"large attestation", `{"body"`, `{"attestation":{"data":"` + b64(make([]byte, maxAttestation+3)) + `"},"body"`, "longer than"},
		{"null proof", `"verification":{`, `"verification":{"inclusionProof":null,`, "an object is expected"},
		{"text after", good, good + "x", "the end is expected"},
		{"second line", good, good + "\n" + good, "the end is expected"},
		{"array of arrays", good, "[[" + good + "]]", "an object is expected"},
	} {
		in := strings.Replace(good, tt.old, tt.new, 1)
		if in == good {
			t.Fatalf("%s: nothing changed", tt.name)
		}
		got, err := ParseRekorV1([]byte(in))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseRekorV1 = %+v, %v; want error with %q", tt.name, got, err, tt.want)
		}
	}
	for _, body := range []string{`{"apiVersion":"0.0.1","spec":{}}`, `{"apiVersion":"","kind":"dsse","spec":{}}`, `{"kind":"dsse","spec":{}}`, `{}`, `x`,
		`{"apiVersion": "0.0.1","kind":"dsse","spec":{}}`, `{"apiVersion":"0.0.1","kind":"dsse"}`} {
		in := strings.NewReplacer(id, rekorV1ID([]byte(body)), b64(e.CanonicalizedBody), b64([]byte(body))).Replace(good)
		if got, err := ParseRekorV1([]byte(in)); err == nil || !strings.Contains(err.Error(), `"body"`) {
			t.Errorf("body %s: ParseRekorV1 = %+v, %v; want an error about the body", body, got, err)
		}
	}
	if _, err := ParseRekorV1(bytes.Repeat([]byte(" "), maxRekorV1+1)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("long text: %v, want error about its length", err)
	}
}

// FuzzParseRekorV1 checks that what parses is what encoding/json reads, and
// that each entry can be written as protocol buffers.
func FuzzParseRekorV1(f *testing.F) {
	_, id, text := testRekorV1(f)
	f.Add([]byte(text))
	f.Add([]byte("[" + text + "]"))
	f.Add([]byte(strings.Replace(text, id, "3ffa1547685c4e29"+id, 1)))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := ParseRekorV1(text)
		if err != nil {
			return
		}
		objects := []map[string]struct {
			Body           []byte
			IntegratedTime int64
			LogIndex       int64
		}{{}}
		if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
			err = json.Unmarshal(text, &objects)
		} else {
			err = json.Unmarshal(text, &objects[0])
		}
		if err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		n := 0
		for _, object := range objects {
			for id, want := range object {
				n++
				i := slices.IndexFunc(entries, func(e RekorV1Entry) bool { return e.ID == id })
				if i < 0 {
					t.Fatalf("entry %s is missing", id)
				}
				if e := entries[i]; !bytes.Equal(e.CanonicalizedBody, want.Body) || e.LogIndex != want.LogIndex || e.IntegratedTime != want.IntegratedTime {
					t.Errorf("entry %s = %+v, want %+v", id, e.Entry, want)
				}
			}
		}
		if n != len(entries) {
			t.Errorf("%d entries, want %d", len(entries), n)
		}
		for _, e := range entries {
			if got, err := ParseEntry(e.Marshal()); err != nil || !reflect.DeepEqual(got, e.Entry) {
				t.Errorf("ParseEntry(Marshal) = %+v, %v; want %+v", got, err, e.Entry)
			}
		}
	})
}
