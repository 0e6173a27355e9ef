package tlog

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// testEntry returns an entry with a value in every field.
func testEntry() *Entry {
	id := LeafHash([]byte("log"))
	return &Entry{
		LogIndex: 2276584560, LogID: id[:], Kind: "hashedrekord", KindVersion: "0.0.1", IntegratedTime: 1785272080,
		Promise: &InclusionPromise{SET: []byte("signed entry timestamp")},
		Proof: &EntryProof{
			LogIndex: 2154680298, RootHash: testRoot, TreeSize: 2154680340, Hashes: testLeaves(12),
			Checkpoint: []byte(testText() + "\n" + signatureLine("log.example", 1, 2, 3, 4, 5)),
		},
		CanonicalizedBody: []byte(`{"kind":"hashedrekord"}`),
	}
}

// testEntries returns entries that leave out what may be left out.
func testEntries() map[string]*Entry {
	entries := map[string]*Entry{}
	add := func(name string, change func(e *Entry)) {
		e := testEntry()
		change(e)
		entries[name] = e
	}
	add("everything", func(e *Entry) {})
	add("no index", func(e *Entry) { e.LogIndex = 0 })
	add("no kind", func(e *Entry) { e.Kind = "" })
	add("no kind version", func(e *Entry) { e.KindVersion = "" })
	add("neither", func(e *Entry) { e.Kind, e.KindVersion = "", "" })
	add("no time", func(e *Entry) { e.IntegratedTime = 0 })
	add("no promise", func(e *Entry) { e.Promise = nil })
	add("empty promise", func(e *Entry) { e.Promise = &InclusionPromise{} })
	add("no proof", func(e *Entry) { e.Proof = nil })
	add("proof in a tree of one", func(e *Entry) { e.Proof.LogIndex, e.Proof.TreeSize, e.Proof.Hashes = 0, 1, nil })
	add("no checkpoint", func(e *Entry) { e.Proof.Checkpoint = nil })
	add("zero root", func(e *Entry) { e.Proof.RootHash = Hash{} })
	add("no body", func(e *Entry) { e.CanonicalizedBody = nil })
	add("largest numbers", func(e *Entry) {
		e.LogIndex, e.IntegratedTime, e.Proof.LogIndex, e.Proof.TreeSize = math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64
		e.Proof.Hashes = testLeaves(maxHashes)
	})
	add("log id only", func(e *Entry) { *e = Entry{LogID: e.LogID} })
	return entries
}

func TestEntryRoundTrip(t *testing.T) {
	for name, e := range testEntries() {
		pb := e.Marshal()
		got, err := ParseEntry(pb)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s: ParseEntry(Marshal(e)) = %+v, want %+v", name, got, e)
		}
		if got := e.Marshal(); len(got) > 0 && cap(got) > 2*len(got)+64 {
			t.Errorf("%s: Marshal returns %d bytes with room for %d", name, len(got), cap(got))
		}
	}
}

// toProto returns the entry as the reference implementation has it.
func toProto(e *Entry) *rekor.TransparencyLogEntry {
	m := &rekor.TransparencyLogEntry{
		LogIndex: e.LogIndex, LogId: &common.LogId{KeyId: e.LogID}, IntegratedTime: e.IntegratedTime,
		CanonicalizedBody: e.CanonicalizedBody,
	}
	if e.Kind != "" || e.KindVersion != "" {
		m.KindVersion = &rekor.KindVersion{Kind: e.Kind, Version: e.KindVersion}
	}
	if e.Promise != nil {
		m.InclusionPromise = &rekor.InclusionPromise{SignedEntryTimestamp: e.Promise.SET}
	}
	if p := e.Proof; p != nil {
		m.InclusionProof = &rekor.InclusionProof{
			LogIndex: p.LogIndex, RootHash: p.RootHash[:], TreeSize: p.TreeSize, Hashes: merkleHashes(p.Hashes),
		}
		if len(p.Checkpoint) > 0 {
			m.InclusionProof.Checkpoint = &rekor.Checkpoint{Envelope: string(p.Checkpoint)}
		}
	}
	return m
}

func TestEntryAgreesWithProtobuf(t *testing.T) {
	for name, e := range testEntries() {
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(toProto(e))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Marshal(); !bytes.Equal(got, want) {
			t.Errorf("%s: Marshal = %x, want %x", name, got, want)
		}
	}
}

// A rejection is a bad encoding of an entry, and a part of the error.
type rejection struct {
	name string
	in   []byte
	want string
}

func checkRejections(t *testing.T, tests []rejection) {
	t.Helper()
	for _, tt := range tests {
		e, err := ParseEntry(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseEntry = %+v, %v; want error with %q", tt.name, e, err, tt.want)
		}
	}
}

func TestParseEntryRejectsValues(t *testing.T) {
	// message returns a well-encoded message with the change.
	message := func(change func(m *rekor.TransparencyLogEntry)) []byte {
		m := toProto(testEntry())
		change(m)
		out, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	hash := bytes.Repeat([]byte{1}, 32)
	checkRejections(t, []rejection{
		{"empty", nil, "no log id"},
		{"no log id", message(func(m *rekor.TransparencyLogEntry) { m.LogId = nil }), "no log id"},
		{"empty log id", message(func(m *rekor.TransparencyLogEntry) { m.LogId.KeyId = nil }), "no log id"},
		{"short log id", message(func(m *rekor.TransparencyLogEntry) { m.LogId.KeyId = hash[:31] }), "log id of 31 bytes"},
		{"long log id", message(func(m *rekor.TransparencyLogEntry) { m.LogId.KeyId = append(hash, 1) }), "longer than 32"},
		{"negative index", message(func(m *rekor.TransparencyLogEntry) { m.LogIndex = -1 }), "field 1: negative"},
		{"negative time", message(func(m *rekor.TransparencyLogEntry) { m.IntegratedTime = -1 }), "field 4: negative"},
		{"negative proof index", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.LogIndex = -1 }), "field 6: field 1: negative"},
		{"negative tree size", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.TreeSize = -1 }), "field 6: field 3: negative"},
		{"short hash", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.Hashes[3] = hash[:31] }), "field 6: field 4: hash of 31"},
		{"long hash", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.Hashes[3] = append(hash, 1) }), "field 6: field 4: hash of 33"},
		{"no root", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.RootHash = nil }), "no root hash"},
		{"short root", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.RootHash = hash[:31] }), "field 6: field 2: hash of 31"},
		{"65 hashes", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.Hashes = merkleHashes(testLeaves(65)) }), "more than 64"},
		{"empty proof", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof = &rekor.InclusionProof{} }), "no root hash"},
		{"empty checkpoint", message(func(m *rekor.TransparencyLogEntry) { m.InclusionProof.Checkpoint.Envelope = "" }), "canonical"},
		{"long checkpoint", message(func(m *rekor.TransparencyLogEntry) {
			m.InclusionProof.Checkpoint.Envelope = strings.Repeat("x", maxNote+1)
		}), "longer than"},
		{"long SET", message(func(m *rekor.TransparencyLogEntry) {
			m.InclusionPromise.SignedEntryTimestamp = make([]byte, maxSET+1)
		}), "longer than"},
		{"long kind", message(func(m *rekor.TransparencyLogEntry) { m.KindVersion.Kind = strings.Repeat("x", maxString+1) }), "longer than"},
		{"empty kind version", message(func(m *rekor.TransparencyLogEntry) { m.KindVersion = &rekor.KindVersion{} }), "canonical"},
		{"longer than an entry", message(func(m *rekor.TransparencyLogEntry) { m.CanonicalizedBody = make([]byte, maxEntry) }), "longer than"},
	})
}

func TestParseEntryRejectsEncodings(t *testing.T) {
	pb := testEntry().Marshal()
	// replace puts raw in the place of the top-level field with that number.
	replace := func(num protowire.Number, raw []byte) []byte {
		var out []byte
		for rest := pb; len(rest) > 0; {
			n, _, size := protowire.ConsumeField(rest)
			if n == num {
				out = append(out, raw...)
			} else {
				out = append(out, rest[:size]...)
			}
			rest = rest[size:]
		}
		return out
	}
	varint := func(num protowire.Number, raw ...byte) []byte {
		return append(protowire.AppendTag(nil, num, protowire.VarintType), raw...)
	}
	nested := func(num protowire.Number, raw ...byte) []byte { return appendBytes(nil, num, raw) }
	hash := bytes.Repeat([]byte{1}, 32)
	checkRejections(t, []rejection{
		{"unknown field", append(bytes.Clone(pb), varint(8, 1)...), "field 8: unknown"},
		{"unknown field in log id", replace(2, nested(2, append(nested(1, hash...), varint(2, 1)...)...)), "field 2: field 2: unknown"},
		{"unknown field in kind", replace(3, nested(3, varint(3, 1)...)), "field 3: field 3: unknown"},
		{"unknown field in promise", replace(5, nested(5, varint(2, 1)...)), "field 5: field 2: unknown"},
		{"unknown field in proof", replace(6, nested(6, varint(6, 1)...)), "field 6: field 6: unknown"},
		{"unknown field in checkpoint", replace(6, nested(6, nested(5, varint(2, 1)...)...)), "field 6: field 5: field 2: unknown"},
		{"bytes for a number", replace(1, nested(1, 1)), "wire type"},
		{"number for bytes", replace(7, varint(7, 1)), "wire type"},
		{"number for a message", replace(6, varint(6, 1)), "wire type"},
		{"number for a hash", replace(6, nested(6, varint(4, 1)...)), "wire type"},
		{"number for a string", replace(3, nested(3, varint(1, 1)...)), "wire type"},
		{"fixed64", append(bytes.Clone(pb), protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 1)...), "wire type"},
		{"group", append(bytes.Clone(pb), protowire.AppendTag(nil, 1, protowire.StartGroupType)...), "wire type"},
		{"field number zero", append(bytes.Clone(pb), 0x02, 0x00), "invalid field number"},
		{"varint of 11 bytes", replace(1, varint(1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1)), "overflow"},
		{"not minimal varint", replace(1, varint(1, 0x81, 0x00)), "canonical"},
		{"not minimal length", replace(7, []byte{7<<3 | 2, 0x81, 0x00, 'x'}), "canonical"},
		{"not minimal tag", replace(1, []byte{0x88, 0x00, 1}), "canonical"},
		{"explicit zero", replace(1, varint(1, 0)), "canonical"},
		{"explicit empty body", replace(7, appendHeader(nil, 7, 0)), "canonical"},
		{"repeated field", append(bytes.Clone(pb), nested(7, 'x')...), "canonical"},
		{"repeated message", append(bytes.Clone(pb), nested(5, nested(1, 'x')...)...), "canonical"},
		{"same field twice", append(varint(1, 1), pb...), "canonical"},
		{"fields out of order", append(nested(7, 'x'), replace(7, nil)...), "canonical"},
		{"kind not UTF-8", replace(3, nested(3, nested(1, 0xff)...)), "not UTF-8"},
		{"version not UTF-8", replace(3, nested(3, nested(2, 0xff)...)), "not UTF-8"},
		{"checkpoint not UTF-8", replace(6, nested(6, nested(5, nested(1, 0xff)...)...)), "not UTF-8"},
		{"trailing byte", append(bytes.Clone(pb), 0), "invalid field number"},
	})
}

// A message cut anywhere is refused, or is a whole message with less in it.
func TestParseEntryRejectsTruncation(t *testing.T) {
	pb := testEntry().Marshal()
	ends := map[int]bool{}
	for pos := 0; pos < len(pb); {
		_, _, size := protowire.ConsumeField(pb[pos:])
		pos += size
		ends[pos] = true
	}
	for n := range pb {
		if _, err := ParseEntry(pb[:n]); err == nil && !ends[n] {
			t.Errorf("first %d of %d bytes accepted", n, len(pb))
		}
	}
}

func TestParseEntrySharesNoMemory(t *testing.T) {
	want := testEntry()
	pb := want.Marshal()
	got, err := ParseEntry(pb)
	if err != nil {
		t.Fatal(err)
	}
	clear(pb)
	if !reflect.DeepEqual(got, want) {
		t.Error("entry changes with the bytes it was parsed from")
	}
}

// FuzzParseEntry checks that what parses is what protobuf reads, and is written
// back byte for byte by both.
func FuzzParseEntry(f *testing.F) {
	for _, e := range testEntries() {
		f.Add(e.Marshal())
	}
	f.Fuzz(func(t *testing.T, pb []byte) {
		e, err := ParseEntry(pb)
		if err != nil {
			return
		}
		if got := e.Marshal(); !bytes.Equal(got, pb) {
			t.Errorf("Marshal = %x, want %x", got, pb)
		}
		var m rekor.TransparencyLogEntry
		if err := proto.Unmarshal(pb, &m); err != nil {
			t.Fatalf("protobuf: %v", err)
		}
		if !proto.Equal(&m, toProto(e)) {
			t.Errorf("protobuf reads %v, we read %+v", &m, e)
		}
	})
}
