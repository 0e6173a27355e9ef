package verifier_test

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"gitseal/fakeca"
	"gitseal/verifier"
)

// mutationDifferences are by generation, what was changed or left out, and,
// where that says too little, the class that we give.
var mutationDifferences = map[string]difference{
	"Rekor v1 entry kind_version":         {they, kindIgnored},
	"Rekor v1 entry kind_version.kind":    {they, kindIgnored},
	"Rekor v1 entry kind_version.version": {they, kindIgnored},
	"Rekor v2 entry kind_version":         {they, kindIgnored},
	"Rekor v2 entry kind_version.kind":    {they, kindIgnored},
	"Rekor v2 entry kind_version.version": {they, kindIgnored},

	"Rekor v2 entry inclusion_proof.log_index": {they, "it uses the entry's index for both; we want them to agree"},
	"Rekor v2 entry inclusion_proof.root_hash": {they, "it uses the checkpoint's; we want them to agree"},
	"Rekor v2 entry inclusion_proof.tree_size": {they, "as above"},

	"Rekor v1 entry unknown field": {they, "it passes over fields that it does not know, and what is left is enough"},
	"Rekor v2 entry unknown field": {they, "as above"},

	"Rekor v1 entry inclusion_proof.checkpoint.envelope key name":  {they, "it ignores the name of the key; we want that of the origin (C2SP signed-note)"},
	"Rekor v1 entry inclusion_proof.checkpoint.envelope signature": {they, spareBits},
	"Rekor v2 entry inclusion_proof.checkpoint.envelope signature": {they, spareBits},

	"Rekor v1 token bad-time":              {they, stampIgnored},
	"Rekor v1 token malformed-signature":   {they, stampIgnored},
	"Rekor v1 token unsupported-signature": {they, stampIgnored},
	"Rekor v1 transplant bad-time":         {they, stampIgnored},
	"Rekor v2 token malformed-signature":   {they, "it reads less of the parts that are not signed (RFC 5652, 5.1: version, digestAlgorithms; eContentType)"},
}

const (
	kindIgnored = "it goes by the body, which a git signature does not carry; we refuse an entry that calls itself something else"
	spareBits   = "it ignores spare bits of base64"
)

// A specimen is a good signature to be spoilt.
type specimen struct {
	*pair
	*parts
}

// specimens returns a signature under each generation of log, both with a
// time-stamp.
func specimens(t *testing.T) []specimen {
	t.Helper()
	var list []specimen
	for _, cfg := range []fakeca.Config{{Log: fakeca.RekorV2, Curve: elliptic.P256()}, {Log: fakeca.RekorV1, Curve: elliptic.P384()}} {
		a := fixedAuthority(t, cfg.Log, cfg.Curve)
		signature := a.Sign(payload, fakeca.Fixture{Timestamp: true})
		s := specimen{newPair(t, a.TrustedRoot()), mustTakeApart(t, signature)}
		if again, err := s.armor(); err != nil || !bytes.Equal(again, signature) {
			t.Fatalf("%v: put together again it is another signature (%v)", cfg.Log, err)
		}
		if _, ours, theirs := s.compare(signature, s.parts, payload); ours != nil || theirs != nil {
			t.Fatalf("%v: unchanged\nwe: %v\nsigstore-go: %v", cfg.Log, ours, theirs)
		}
		list = append(list, s)
	}
	return list
}

// check verifies spoilt parts both ways and returns our error. The verdicts
// may differ only as mutationDifferences says of the name, or of the name and
// the class that we give.
func (s *specimen) check(t *testing.T, name string, spoilt *parts) error {
	t.Helper()
	name = fmt.Sprintf("%v %s", s.generation, name)
	signature, err := spoilt.armor()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	accept, ours, theirs := s.compare(signature, spoilt, payload)
	known, ok := mutationDifferences[name]
	if verr := (*verifier.VerifyError)(nil); !ok && errors.As(ours, &verr) {
		known = mutationDifferences[name+" "+string(verr.Class)]
	}
	if accept != "" && accept != known.accept {
		t.Errorf("%s: %q accepts it, and that is not known\nwe: %v\nsigstore-go: %v", name, accept, ours, theirs)
	}
	// The same parts in a bundle get the same verdict from us, without CMS
	// around them.
	if inBundle, ok := s.verifyOurs(t, spoilt); ok && (inBundle == nil) != (ours == nil) && !bundleDifferences[name] {
		t.Errorf("%s: the verdict is another in a bundle\nas git stores it: %v\nin a bundle: %v", name, ours, inBundle)
	}
	return ours
}

// TestSigstoreAgreesOnMutations changes single bits all over the parts.
func TestSigstoreAgreesOnMutations(t *testing.T) {
	for _, s := range specimens(t) {
		for _, part := range []struct {
			name string
			of   func(*parts) *[]byte
			step int
		}{
			{"certificate", func(p *parts) *[]byte { return &p.certificate }, 5},
			{"signature", func(p *parts) *[]byte { return &p.signature }, 1},
			{"entry", func(p *parts) *[]byte { return &p.entry }, 1},
			{"token", func(p *parts) *[]byte { return &p.token }, 5},
		} {
			if testing.Short() {
				part.step *= 11
			}
			for i := 0; i < len(*part.of(s.parts)); i += part.step {
				p := *s.parts
				changed := bytes.Clone(*part.of(&p))
				changed[i] ^= 1 << (i % 8)
				*part.of(&p) = changed
				name := part.name
				if name == "entry" {
					name += " " + changedField(s.entry, changed)
				}
				if err := s.check(t, name, &p); err == nil {
					t.Errorf("%v: bit %d of byte %d of the %s changed, and still we verify it", s.generation, i%8, i, part.name)
				}
			}
		}
	}
}

// TestSigstoreAgreesOnOmissions leaves out each field of the entry, and the
// whole of it, and the time-stamp: no check may be skipped for want of what
// it is about.
func TestSigstoreAgreesOnOmissions(t *testing.T) {
	enough := map[string]bool{ // what is left proves as much
		"Rekor v1 token":                                          true, // the promise tells the time
		"Rekor v1 entry inclusion_promise":                        true, // the time-stamp does
		"Rekor v1 entry inclusion_promise.signed_entry_timestamp": true,
		"Rekor v1 entry inclusion_proof":                          true, // the promise is one of inclusion
	}
	for _, s := range specimens(t) {
		try := func(name string, p *parts) {
			t.Helper()
			err := s.check(t, name, p)
			if full := fmt.Sprintf("%v %s", s.generation, name); (err == nil) != enough[full] {
				t.Errorf("without %s: %v", full, err)
			}
		}
		p := *s.parts
		p.token = nil
		try("token", &p)
		p = *s.parts
		p.entry = nil
		try("entry", &p)
		for _, path := range fieldPaths(mustEntry(t, s.entry).ProtoReflect(), nil) {
			message := mustEntry(t, s.entry)
			m := message.ProtoReflect()
			name := "entry "
			for _, f := range path[:len(path)-1] {
				m = m.Mutable(f).Message()
				name += string(f.Name()) + "."
			}
			last := path[len(path)-1]
			m.Clear(last)
			p := *s.parts
			var err error
			if p.entry, err = (proto.MarshalOptions{Deterministic: true}).Marshal(message); err != nil {
				t.Fatal(err)
			}
			try(name+string(last.Name()), &p)
		}
	}
}

// TestTransplantsAreRefused puts together the parts of two good signatures by
// one authority in every way.
func TestTransplantsAreRefused(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		now := time.Now()
		a := newAuthority(t, fakeca.Config{Log: generation, Clock: func() time.Time {
			now = now.Add(time.Second) // or the signed attributes would be the same
			return now
		}})
		s := specimen{pair: newPair(t, a.TrustedRoot())}
		var donors [2]*parts
		for i := range donors {
			donors[i] = mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
		}
		for choice := range 1 << 5 {
			from := func(bit int) *parts { return donors[choice>>bit&1] }
			// The signer identifier goes with the certificate.
			p := *from(0)
			p.message.Signer.SignedAttributes, p.signed = from(1).message.Signer.SignedAttributes, from(1).signed
			p.signature, p.entry, p.token = from(2).signature, from(3).entry, from(4).token
			s.parts = &p
			err := s.check(t, "transplant", &p)
			if whole := choice == 0 || choice == 1<<5-1; (err == nil) != whole {
				t.Errorf("%v: parts %05b: %v", generation, choice, err)
			}
		}
	}
}

func mustTakeApart(t testing.TB, signature []byte) *parts {
	t.Helper()
	p, err := takeApart(signature)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustEntry(t testing.TB, pb []byte) *protorekor.TransparencyLogEntry {
	t.Helper()
	entry := new(protorekor.TransparencyLogEntry)
	if err := proto.Unmarshal(pb, entry); err != nil {
		t.Fatal(err)
	}
	return entry
}

// fieldPaths returns the paths of all fields that m and the messages in it
// have.
func fieldPaths(m protoreflect.Message, above []protoreflect.FieldDescriptor) [][]protoreflect.FieldDescriptor {
	var paths [][]protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		path := append(above[:len(above):len(above)], f)
		paths = append(paths, path)
		if f.Message() != nil {
			paths = append(paths, fieldPaths(v.Message(), path)...)
		}
		return true
	})
	return paths
}

// changedField returns the name of the first field in which two entries
// differ.
func changedField(a, b []byte) string {
	before, after := new(protorekor.TransparencyLogEntry), new(protorekor.TransparencyLogEntry)
	if proto.Unmarshal(a, before) != nil || proto.Unmarshal(b, after) != nil {
		return "encoding"
	}
	name := firstChange(before.ProtoReflect(), after.ProtoReflect())
	if strings.HasSuffix(name, unknownField) {
		return unknownField // wherever
	}
	return name
}

const unknownField = "unknown field"

func firstChange(a, b protoreflect.Message) string {
	if !bytes.Equal(a.GetUnknown(), b.GetUnknown()) {
		return unknownField
	}
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch before, after := a.Get(f), b.Get(f); {
		case before.Equal(after) && a.Has(f) == b.Has(f):
		case f.Name() == "envelope":
			return "envelope " + changedNotePart(before.String(), after.String())
		case f.Message() != nil && a.Has(f) && b.Has(f):
			return string(f.Name()) + "." + firstChange(before.Message(), after.Message())
		default:
			return string(f.Name())
		}
	}
	return "encoding"
}

// changedNotePart says where two notes of one signature differ first.
func changedNotePart(before, after string) string {
	i := 0
	for i < min(len(before), len(after)) && before[i] == after[i] {
		i++
	}
	const dash = "\n\n\u2014 "
	name := strings.Index(before, dash) + len(dash)
	switch signature := strings.LastIndex(before, " "); {
	case i < name:
		return "text"
	case i < signature:
		return "key name"
	default:
		return "signature"
	}
}
