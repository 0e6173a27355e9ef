package verifier_test

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// The tests of this file and of mutation_test.go ask sigstore-go for a second
// opinion on whatever a git signature and a Sigstore bundle can both say. The
// two verdicts must be the same, but for the differences that are listed and
// explained.

// A difference is a case in which the two verdicts are known to differ.
type difference struct {
	accept who // the one that accepts
	why    string
}

type who string

const (
	we   who = "we"
	they who = "sigstore-go"
)

// faultDifferences are by generation and fault.
var faultDifferences = map[string]difference{
	"Rekor v1 leaf-is-ca": {they, "a CA's certificate is no signer's (RFC 5280, 4.2.1.9); it does not look at the leaf's basic constraints"},
	"Rekor v2 leaf-is-ca": {they, "as for Rekor v1"},

	"Rekor v2 tree-size-off-by-one": {they, "it takes the size from the checkpoint and ignores what the entry says; we want them to agree"},
	"Rekor v2 root-hash-wrong":      {they, "the same of the root hash"},

	"Rekor v1 checkpoint-of-other-log": {they, "it does not compare the origin with the name of the key (C2SP signed-note)"},
	"Rekor v1 checkpoint-cosigned":     {we, "cosignatures by unknown keys are to be ignored (C2SP signed-note); it wants each line to be the log's"},

	"Rekor v1 timestamp-over-other": {they, stampIgnored},
	"Rekor v1 timestamp-by-other":   {they, stampIgnored},
	"Rekor v1 timestamp-flipped":    {they, stampIgnored},
}

// rootDifferences are by generation and what the trusted root does not trust.
var rootDifferences = map[string]difference{
	"Rekor v2 log later":          {they, "it asks whether the log's key was valid for promises only"},
	"Rekor v1 no certificate log": {we, "a root without certificate logs asks for no promise of theirs, and the result says so"},
	"Rekor v2 no certificate log": {we, "as for Rekor v1"},
}

// realDifferences are by object id.
var realDifferences = map[string]difference{
	// bad/tsa-gentime-changed of the private matrix, which is by Rekor v1.
	"c98445990aea8eac7bed242e5e818f602fd76d6a": {they, stampIgnored},
}

const stampIgnored = "it ignores a time-stamp that does not verify where the log tells the time; what is present must be valid"

// notInBundle says why a fault cannot be told by a bundle.
var notInBundle = map[fakeca.Fault]string{
	fakeca.TextBeforeBegin: noArmor, fakeca.TextAfterEnd: noArmor, fakeca.TwoArmors: noArmor, fakeca.ArmorSpareBits: noArmor,
	fakeca.TrailingBytes: noMessage, fakeca.BERLength: noMessage, fakeca.TwoSigners: noMessage, fakeca.SignerSecond: noMessage,
	fakeca.SignerMissing: noMessage, fakeca.AttachedContent: noMessage, fakeca.TwoEntryValues: noMessage, fakeca.OldAttribute: noMessage,
	fakeca.WrongContentType: noAttributes, fakeca.NoContentType: noAttributes, fakeca.NoMessageDigest: noAttributes,
	fakeca.DuplicateAttribute: noAttributes, fakeca.TwoDigestValues: noAttributes, fakeca.AttributesUnsorted: noAttributes,
	fakeca.UnknownDigest: noAttributes, fakeca.SHA1Digest: noAttributes, fakeca.WrongDigest: noAttributes,
}

const (
	noArmor      = "a bundle has no armor"
	noMessage    = "a bundle has no CMS message around its parts"
	noAttributes = "the signed attributes are the bundle's artifact, which may be anything"
)

// fixedAuthority returns an authority whose keys and signatures are the same
// in every run.
func fixedAuthority(t testing.TB, generation fakeca.Generation, curve elliptic.Curve) *fakeca.Authority {
	t.Helper()
	return newAuthority(t, fakeca.Config{
		Log: generation, Curve: curve, Rand: rand.NewChaCha8([32]byte{byte(generation)}),
		Clock: func() time.Time { return time.Date(2026, 9, 21, 12, 0, 0, 0, time.UTC) },
	})
}

func TestSigstoreAgreesOnFaults(t *testing.T) {
	seen := make(map[string]bool)
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
			a := fixedAuthority(t, generation, curve)
			v := newPair(t, a.TrustedRoot())
			for _, fault := range append([]fakeca.Fault{""}, fakeca.Faults()...) {
				if !fault.In(generation) || notInBundle[fault] != "" {
					continue
				}
				for _, stamped := range []bool{false, true} {
					name := fmt.Sprintf("%v %s", generation, fault)
					signature := a.Sign(payload, fakeca.Fixture{Fault: fault, Timestamp: stamped})
					accept, ours, theirs := v.compare(signature, mustTakeApart(t, signature), payload)
					if known := faultDifferences[name]; accept != known.accept {
						t.Errorf("%s (%s, stamped %v): known is that %q accepts it\nwe: %v\nsigstore-go: %v",
							name, curve.Params().Name, stamped, known.accept, ours, theirs)
					}
					seen[name] = true
				}
			}
		}
	}
	for name := range faultDifferences {
		if !seen[name] {
			t.Errorf("%s is listed as a difference and was not tried", name)
		}
	}
}

// TestSigstoreAgreesOnTrustedRoots verifies good signatures under roots that
// do not trust all that made them, or not then.
func TestSigstoreAgreesOnTrustedRoots(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := fixedAuthority(t, generation, elliptic.P256())
		signature := a.Sign(payload, fakeca.Fixture{})
		p := mustTakeApart(t, signature)
		later := trust.Window{Start: time.Date(2026, 9, 21, 13, 0, 0, 0, time.UTC)}
		for name, change := range map[string]func(*trust.TrustedRoot){
			"unchanged":                  func(*trust.TrustedRoot) {},
			"no log":                     func(r *trust.TrustedRoot) { r.TLogs = nil },
			"log later":                  func(r *trust.TrustedRoot) { r.TLogs = logsFrom(r.TLogs, later) },
			"no time-stamp authority":    func(r *trust.TrustedRoot) { r.TimestampAuthorities = nil },
			"time-stamp authority later": func(r *trust.TrustedRoot) { r.TimestampAuthorities = authoritiesFrom(r.TimestampAuthorities, later) },
			"certificate authority later": func(r *trust.TrustedRoot) {
				r.CertificateAuthorities = authoritiesFrom(r.CertificateAuthorities, later)
			},
			"no certificate log":    func(r *trust.TrustedRoot) { r.CTLogs = nil },
			"certificate log later": func(r *trust.TrustedRoot) { r.CTLogs = logsFrom(r.CTLogs, later) },
		} {
			name = fmt.Sprintf("%v %s", generation, name)
			text, err := rootOf(t, a, change).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			accept, ours, theirs := newPair(t, text).compare(signature, p, payload)
			if known := rootDifferences[name]; accept != known.accept {
				t.Errorf("%s: known is that %q accepts it\nwe: %v\nsigstore-go: %v", name, known.accept, ours, theirs)
			}
		}
	}
}

// TestSigstoreAgreesOnRealSignatures compares the verdicts on signatures that
// others made, as far as they can be put as a bundle.
func TestSigstoreAgreesOnRealSignatures(t *testing.T) {
	dir := corpus(t, "offline")
	v := newPair(t, readFile(t, corpus(t, "trust", "prod", "trusted_root.json")))
	verified := 0
	for _, e := range readExpected(t, dir) {
		if v.compareObject(t, e.OID, split(t, e.Object, e.data, gitutil.SHA1)) {
			verified++
		}
	}
	if verified != 88 {
		t.Errorf("%d of the public instance's signatures verify, want 88", verified)
	}

	v = newPair(t, readFile(t, corpus(t, "keyless", "trust", "trusted_root.json")))
	for _, name := range []string{"matrix.bundle", "sha256.bundle"} {
		dir := unbundle(t, corpus(t, "keyless", name))
		format := gitutil.Format(strings.TrimSpace(git(t, dir, "rev-parse", "--show-object-format")))
		objects := git(t, dir, "rev-list", "--all") + git(t, dir, "for-each-ref", "--format=%(objectname)", "refs/tags")
		verified := 0
		for _, oid := range strings.Fields(objects) {
			kind := strings.TrimSpace(git(t, dir, "cat-file", "-t", oid))
			if v.compareObject(t, oid, split(t, kind, []byte(git(t, dir, "cat-file", kind, oid)), format)) {
				verified++
			}
		}
		if verified == 0 {
			t.Errorf("%s: nothing verifies", name)
		}
	}
}

// compareObject compares the verdicts on the signature of a git object and
// reports whether both accept it.
func (v *pair) compareObject(t *testing.T, oid string, s gitutil.Split) bool {
	t.Helper()
	p, err := takeApart(s.Signature)
	if err != nil {
		return false
	}
	accept, ours, theirs := v.compare(s.Signature, p, s.Payload)
	var verr *verifier.VerifyError
	if errors.As(ours, &verr) && verr.Check == verifier.CheckDigest {
		return false // a bundle does not know the payload
	}
	if accept != realDifferences[oid].accept {
		t.Errorf("%s: known is that %q accepts it\nwe: %v\nsigstore-go: %v", oid, realDifferences[oid].accept, ours, theirs)
	}
	return ours == nil && theirs == nil
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
