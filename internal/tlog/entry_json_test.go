package tlog

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	rekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func TestEntryJSONRoundTrip(t *testing.T) {
	for name, e := range testEntries() {
		text, err := e.MarshalJSON()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := ParseEntryJSON(text)
		if err != nil {
			t.Errorf("%s: ParseEntryJSON(%s): %v", name, text, err)
		} else if !reflect.DeepEqual(got, e) {
			t.Errorf("%s: ParseEntryJSON(MarshalJSON(e)) = %+v, want %+v", name, got, e)
		}
	}
}

func TestEntryJSONAgreesWithProtoJSON(t *testing.T) {
	for name, e := range testEntries() {
		// What we write is what protobuf reads, and writes but for its white
		// space.
		text, err := json.Marshal(e)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var m rekor.TransparencyLogEntry
		if err := protojson.Unmarshal(text, &m); err != nil {
			t.Errorf("%s: protojson does not read %s: %v", name, text, err)
		} else if !proto.Equal(&m, toProto(e)) {
			t.Errorf("%s: protojson reads %v, want %v", name, &m, toProto(e))
		}
		// What protobuf writes, with or without what is not there, is what
		// we read.
		for _, unpopulated := range []bool{false, true} {
			text, err := protojson.MarshalOptions{EmitUnpopulated: unpopulated}.Marshal(toProto(e))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ParseEntryJSON(text); err != nil {
				t.Errorf("%s: ParseEntryJSON(%s): %v", name, text, err)
			} else if !reflect.DeepEqual(got, e) {
				t.Errorf("%s: ParseEntryJSON(%s) = %+v, want %+v", name, text, got, e)
			}
		}
	}
}

// testEntryJSON is an entry with a value in every member.
const testEntryJSON = `{"logIndex":"7","logId":{"keyId":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},` +
	`"kindVersion":{"kind":"dsse","version":"0.0.2"},"integratedTime":"1785272080",` +
	`"inclusionPromise":{"signedEntryTimestamp":"c2V0"},"inclusionProof":{"logIndex":"3",` +
	`"rootHash":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","treeSize":"5",` +
	`"hashes":["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],"checkpoint":{"envelope":"\u2014\n"}},` +
	`"canonicalizedBody":"e30="}`

func TestParseEntryJSONTakesWhatProtoJSONAllows(t *testing.T) {
	want, err := ParseEntryJSON([]byte(testEntryJSON))
	if err != nil {
		t.Fatal(err)
	}
	if want.LogIndex != 7 || want.Proof.LogIndex != 3 || want.Proof.TreeSize != 5 || string(want.Proof.Checkpoint) != "—\n" {
		t.Errorf("ParseEntryJSON = %+v", want)
	}
	for name, change := range map[string][2]string{
		"number":         {`"logIndex":"7"`, `"logIndex":7`},
		"white space":    {`,"`, " ,\r\n\t\""},
		"literal dash":   {`\u2014`, "—"},
		"escaped letter": {`dsse`, `ds\u0073e`},
	} {
		got, err := ParseEntryJSON([]byte(strings.ReplaceAll(testEntryJSON, change[0], change[1])))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: ParseEntryJSON = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestParseEntryJSONRejects(t *testing.T) {
	long := strings.Repeat("A", 2000)
	for _, tt := range []struct{ name, old, new, want string }{
		{"trailing brace", `"e30="}`, `"e30="}}`, "where the end is expected"},
		{"second object", `"e30="}`, `"e30="}{}`, "where the end is expected"},
		{"unknown member", `"logIndex":"7"`, `"logindex":"7"`, `"logindex": unknown member`},
		{"proto name", `"logIndex":"7"`, `"log_index":"7"`, "unknown member"},
		{"duplicate", `"logIndex":"7"`, `"logIndex":"7","logIndex":"7"`, "duplicate member"},
		{"duplicate by escape", `"logIndex":"7"`, `"logIndex":"7","log\u0049ndex":"7"`, "duplicate member"},
		{"no log id", `"logId":{"keyId":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},`, ``, `no member "logId"`},
		{"null log id", `{"keyId":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`, `null`, "an object is expected"},
		{"empty log id", `{"keyId":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`, `{"keyId":""}`, "log id of 0 bytes"},
		{"short log id", `"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},"kind`, `"AAEC"},"kind`, "log id of 3 bytes"},
		{"long log id", `"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},"kind`, `"` + long + `"},"kind`, "longer than 32 bytes"},
		{"negative", `"logIndex":"7"`, `"logIndex":"-7"`, "not an integer"},
		{"negative number", `"logIndex":"7"`, `"logIndex":-7`, "a non-negative integer is expected"},
		{"leading zero", `"logIndex":"7"`, `"logIndex":"07"`, "not an integer"},
		{"leading zero in number", `"logIndex":"7"`, `"logIndex":07`, "not an integer"},
		{"plus", `"logIndex":"7"`, `"logIndex":"+7"`, "not an integer"},
		{"fraction", `"logIndex":"7"`, `"logIndex":7.0`, "a comma or } is expected"},
		{"exponent", `"logIndex":"7"`, `"logIndex":7e0`, "a comma or } is expected"},
		{"too large", `"logIndex":"7"`, `"logIndex":"9223372036854775808"`, "not an integer"},
		{"empty number", `"logIndex":"7"`, `"logIndex":""`, "not an integer"},
		{"null number", `"logIndex":"7"`, `"logIndex":null`, "a non-negative integer is expected"},
		{"URL base64", `"e30="`, `"_30="`, "not canonical base64"},
		{"unpadded base64", `"e30="`, `"e30"`, "not canonical base64"},
		{"spare bits", `"e30="`, `"e31="`, "not canonical base64"},
		{"line break in base64", `"e30="`, `"e3\n0="`, "not canonical base64"},
		{"null bytes", `"e30="`, `null`, "a string is expected"},
		{"long kind", `"dsse"`, `"` + strings.Repeat("k", maxString+1) + `"`, "longer than 64 bytes"},
		{"long promise", `"c2V0"`, `"` + long + `"`, "longer than 1024 bytes"},
		{"no root", `"rootHash":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",`, ``, `no member "rootHash"`},
		{"empty root", `"rootHash":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="`, `"rootHash":""`, "hash of 0 bytes"},
		{"empty hash", `"hashes":["`, `"hashes":["","`, "element 0: hash of 0 bytes"},
		{"hash of 33 bytes", `"hashes":["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]`, `"hashes":["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"]`, "hash of 33 bytes"},
		{"many hashes", `"hashes":[`, `"hashes":[` + strings.Repeat(`"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",`, maxHashes), "more than 64 elements"},
		{"null hashes", `["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]`, `null`, "an array is expected"},
		{"comma before bracket", `8="]`, `8=",]`, "a string is expected"},
		{"comma before brace", `"e30="}`, `"e30=",}`, "a string is expected"},
		{"long note", `\u2014`, strings.Repeat("a", maxNote), "longer than"},
		{"half a surrogate pair", `\u2014`, `\ud83d`, "half a surrogate pair"},
		{"two first halves", `\u2014`, `\ud83d\ud83d`, "half a surrogate pair"},
		{"not UTF-8", `\u2014`, "\xff", "not UTF-8"},
		{"not UTF-8 beside an escape", `\u2014`, "\\n\xff", "not UTF-8"},
		{"control character", `\u2014`, "\n", "a character of a string is expected"},
		{"control character after an escape", `\u2014`, "\\n\n", "a character of a string is expected"},
		{"unknown escape", `\u2014`, `\x`, "unknown escape"},
		{"short escape", `\u2014`, `\u201`, "incomplete escape"},
		{"byte order mark", `{"logIndex"`, "\ufeff" + `{"logIndex"`, "an object is expected"},
	} {
		in := strings.Replace(testEntryJSON, tt.old, tt.new, 1)
		if in == testEntryJSON {
			t.Fatalf("%s: nothing changed", tt.name)
		}
		e, err := ParseEntryJSON([]byte(in))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseEntryJSON = %+v, %v; want error with %q", tt.name, e, err, tt.want)
		}
	}
	if _, err := ParseEntryJSON([]byte(strings.Repeat(" ", maxEntryJSON) + testEntryJSON)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("long text: %v, want error about its length", err)
	}
	for n := range testEntryJSON {
		if _, err := ParseEntryJSON([]byte(testEntryJSON[:n])); err == nil {
			t.Errorf("first %d bytes accepted", n)
		}
	}
}

func TestMarshalJSONRefusesWhatDoesNotParse(t *testing.T) {
	for name, change := range map[string]func(e *Entry){
		"negative index":  func(e *Entry) { e.LogIndex = -1 },
		"negative size":   func(e *Entry) { e.Proof.TreeSize = math.MinInt64 },
		"no log id":       func(e *Entry) { e.LogID = nil },
		"kind not UTF-8":  func(e *Entry) { e.Kind = "\xff" },
		"note not UTF-8":  func(e *Entry) { e.Proof.Checkpoint = []byte("\xff") },
		"too many hashes": func(e *Entry) { e.Proof.Hashes = testLeaves(maxHashes + 1) },
	} {
		e := testEntry()
		change(e)
		if text, err := e.MarshalJSON(); err == nil {
			t.Errorf("%s: MarshalJSON = %s, want an error", name, text)
		}
	}
}

// FuzzParseEntryJSON checks that what parses is what protobuf reads, and that
// it can be written in both encodings.
func FuzzParseEntryJSON(f *testing.F) {
	for _, e := range testEntries() {
		text, err := e.MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(testEntryJSON))
	f.Add([]byte(strings.ReplaceAll(testEntryJSON, `{"signedEntryTimestamp":"c2V0"}`, "null")))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseEntryJSON(text)
		if err != nil {
			return
		}
		var m rekor.TransparencyLogEntry
		if err := protojson.Unmarshal(text, &m); err != nil {
			t.Fatalf("protojson: %v", err)
		}
		// An empty message is not told from one that is absent.
		if m.KindVersion != nil && proto.Equal(m.KindVersion, &rekor.KindVersion{}) {
			m.KindVersion = nil
		}
		if p := m.GetInclusionProof(); p != nil && p.Checkpoint.GetEnvelope() == "" {
			p.Checkpoint = nil
		}
		if !proto.Equal(&m, toProto(e)) {
			t.Errorf("protojson reads %v, we read %+v", &m, e)
		}
		again, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseEntryJSON(again); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("ParseEntryJSON(%s) = %+v, %v; want %+v", again, got, err, e)
		}
		if got, err := ParseEntry(e.Marshal()); err != nil || !bytes.Equal(got.Marshal(), e.Marshal()) {
			t.Errorf("ParseEntry = %+v, %v; want %+v", got, err, e)
		}
	})
}
