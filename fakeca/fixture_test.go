package fakeca

import (
	"bytes"
	"crypto/elliptic"
	"encoding/pem"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/proto"
)

func TestGoodSignatureIsArmored(t *testing.T) {
	a := newTestAuthority(t, Config{})
	d := a.draft([]byte("payload"), Fixture{})
	block, rest := pem.Decode(d.armor)
	if block == nil || block.Type != "SIGNED MESSAGE" || len(rest) != 0 || !bytes.Equal(block.Bytes, d.der) {
		t.Errorf("not an armored message: %s", d.armor)
	}
	if again := pem.EncodeToMemory(block); !bytes.Equal(again, d.armor) {
		t.Errorf("armored as\n%s, not as\n%s", d.armor, again)
	}
}

// TestFaultsDiffer checks that each fault makes another signature than none,
// from equal randomness.
func TestFaultsDiffer(t *testing.T) {
	for _, shape := range []Config{{Curve: elliptic.P256()}, {Curve: elliptic.P256(), Log: RekorV1}} {
		seen := make(map[string]Fault)
		for _, fault := range append(Faults(), "") {
			if !fault.In(shape.Log) {
				continue
			}
			sig := string(newTestAuthority(t, shape).Sign([]byte("payload"), Fixture{Fault: fault}))
			if other, ok := seen[sig]; ok {
				t.Errorf("%v: %q and %q are the same", shape.Log, fault, other)
			}
			seen[sig] = fault
		}
	}
}

// TestFaultsAreUnique checks the table: each name once, each with a class that
// audits know, and each possible somewhere.
func TestFaultsAreUnique(t *testing.T) {
	classes := []string{
		"verified", "bad-signature", "bad-log-proof", "untrusted-certificate", "untrusted-log", "bad-time",
		"not-logged", "weak-algorithm", "malformed-signature", "unsupported-signature",
	}
	seen := make(map[Fault]bool)
	for _, fault := range Faults() {
		if seen[fault] || fault == "" {
			t.Errorf("fault %q is listed twice or has no name", fault)
		}
		seen[fault] = true
		if !slices.Contains(classes, fault.Class()) {
			t.Errorf("fault %q has class %q", fault, fault.Class())
		}
		if !fault.In(RekorV1) && !fault.In(RekorV2) {
			t.Errorf("fault %q cannot occur", fault)
		}
	}
	if got := Fault("").Class(); got != "verified" {
		t.Errorf("no fault has class %q", got)
	}
}

// TestFaultsListsEachFault reads the source.
func TestFaultsListsEachFault(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			value := spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value
			if name, err := strconv.Unquote(value); err != nil || !slices.Contains(Faults(), Fault(name)) {
				t.Errorf("fault %s is not in Faults()", value)
			}
			n++
		}
	}
	if n != len(Faults()) {
		t.Errorf("%d faults are declared, Faults() lists %d", n, len(Faults()))
	}
}

func TestSignPanicsOnImpossibleFault(t *testing.T) {
	a := newTestAuthority(t, Config{})
	for _, fault := range []Fault{NoPromise, "no such fault"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Sign with fault %q does not panic", fault)
				}
			}()
			a.Sign(nil, Fixture{Fault: fault})
		}()
	}
}

// TestEntryIsSigstores lets Sigstore's own types read an entry, down to fields
// they do not know.
func TestEntryIsSigstores(t *testing.T) {
	for _, shape := range shapes()[:2] {
		a := newTestAuthority(t, shape)
		d := a.draft([]byte("payload"), Fixture{})
		entry := new(protorekor.TransparencyLogEntry)
		if err := proto.Unmarshal(d.entry.marshal(), entry); err != nil {
			t.Fatal(err)
		}
		if len(entry.ProtoReflect().GetUnknown()) != 0 || entry.CanonicalizedBody != nil {
			t.Errorf("entry has more than it should: %v", entry)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(entry)
		if err != nil || !bytes.Equal(again, d.entry.marshal()) {
			t.Errorf("entry is not as protobuf writes it (%v)", err)
		}
		same := entry.LogIndex == entry.InclusionProof.LogIndex
		if same != (shape.Log == RekorV2) {
			t.Errorf("%v: index %d in the log, %d in the proof", shape.Log, entry.LogIndex, entry.InclusionProof.LogIndex)
		}
	}
}
