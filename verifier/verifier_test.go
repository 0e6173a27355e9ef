package verifier_test

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

var payload = []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.com> 1700000000 +0000\n\nno final newline")

func newAuthority(t testing.TB, cfg fakeca.Config) *fakeca.Authority {
	t.Helper()
	a, err := fakeca.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// rootOf returns the authority's trusted root, changed by change if that is
// not nil.
func rootOf(t testing.TB, a *fakeca.Authority, change func(*trust.TrustedRoot)) *verifier.TrustedRoot {
	t.Helper()
	root, err := trust.Parse(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	if change == nil {
		return root
	}
	changed := *root
	change(&changed)
	text, err := changed.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if root, err = trust.Parse(text); err != nil {
		t.Fatal(err)
	}
	return root
}

func verifierOf(t testing.TB, roots ...*verifier.TrustedRoot) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(verifier.Config{TrustedRoots: roots})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// checks says which check each fault fails, for the audit class alone does
// not show that it was refused for its own reason.
var checks = map[fakeca.Fault]verifier.Check{
	fakeca.TextAfterEnd: verifier.CheckArmor, fakeca.TwoArmors: verifier.CheckArmor, fakeca.ArmorSpareBits: verifier.CheckArmor,
	fakeca.TrailingBytes: verifier.CheckCMS, fakeca.BERLength: verifier.CheckCMS, fakeca.TwoSigners: verifier.CheckCMS,
	fakeca.SignerMissing: verifier.CheckCMS, fakeca.AttachedContent: verifier.CheckCMS, fakeca.DuplicateAttribute: verifier.CheckCMS,
	fakeca.AttributesUnsorted: verifier.CheckCMS,
	fakeca.WrongContentType:   verifier.CheckDigest, fakeca.NoContentType: verifier.CheckDigest, fakeca.NoMessageDigest: verifier.CheckDigest,
	fakeca.TwoDigestValues: verifier.CheckDigest, fakeca.UnknownDigest: verifier.CheckDigest, fakeca.SHA1Digest: verifier.CheckDigest,
	fakeca.WrongDigest:         verifier.CheckDigest,
	fakeca.SignatureByOtherKey: verifier.CheckSignature, fakeca.SignatureFlipped: verifier.CheckSignature,
	fakeca.TwoEntryValues: verifier.CheckLogEntry, fakeca.OldAttribute: verifier.CheckLogEntry,
	fakeca.NoEntry: verifier.CheckLogEntry, fakeca.NoProof: verifier.CheckLogEntry, fakeca.EntryOfOtherLog: verifier.CheckLogEntry,
	fakeca.SignatureComplement: verifier.CheckInclusion, fakeca.EntryForOtherSignature: verifier.CheckInclusion,
	fakeca.ProofHashFlipped: verifier.CheckInclusion, fakeca.ProofHashDropped: verifier.CheckInclusion, fakeca.ProofHashExtra: verifier.CheckInclusion,
	fakeca.IndexOffByOne: verifier.CheckInclusion, fakeca.TreeSizeOffByOne: verifier.CheckInclusion, fakeca.RootHashWrong: verifier.CheckInclusion,
	fakeca.CheckpointForged: verifier.CheckCheckpoint, fakeca.CheckpointByOtherKey: verifier.CheckCheckpoint,
	fakeca.CheckpointOfOtherLog: verifier.CheckCheckpoint, fakeca.CheckpointRootChanged: verifier.CheckInclusion,
	fakeca.PromiseFlipped: verifier.CheckPromise, fakeca.IntegratedTimeChanged: verifier.CheckPromise,
	fakeca.NoPromise: verifier.CheckTime, fakeca.NoTimestamp: verifier.CheckTime, fakeca.ClaimedTime: verifier.CheckTime,
	fakeca.TimestampBackdated: verifier.CheckChain, fakeca.CertificateExpired: verifier.CheckChain, fakeca.CertificateNotYetValid: verifier.CheckChain,
	fakeca.TimestampOverOther: verifier.CheckTimestamp, fakeca.TimestampByOther: verifier.CheckTimestamp, fakeca.TimestampFlipped: verifier.CheckTimestamp,
	fakeca.CertificateByOther: verifier.CheckChain, fakeca.CertificateForged: verifier.CheckChain, fakeca.NoCodeSigning: verifier.CheckChain,
	fakeca.LeafIsCA: verifier.CheckChain,
	fakeca.NoSCT:    verifier.CheckSCT, fakeca.SCTByUnknownLog: verifier.CheckSCT, fakeca.SCTFlipped: verifier.CheckSCT,
}

// TestEachFaultFailsItsCheck verifies a signature with each fault that the
// fixture maker knows: each gives its class, at its check, and the harmless
// ones verify.
func TestEachFaultFailsItsCheck(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
			a := newAuthority(t, fakeca.Config{Log: generation, Curve: curve})
			v := verifierOf(t, rootOf(t, a, nil))
			for _, fault := range append([]fakeca.Fault{""}, fakeca.Faults()...) {
				if !fault.In(generation) {
					continue
				}
				name := fmt.Sprintf("%v %s %s", generation, curve.Params().Name, fault)
				signature := a.Sign(payload, fakeca.Fixture{Subject: "alice@example.com", Fault: fault})
				result, err := v.Verify(payload, signature, verifier.AnyIdentity{})
				if fault.Class() == "verified" {
					checkGood(t, name, a, result, err)
					continue
				}
				var verr *verifier.VerifyError
				if !errors.As(err, &verr) {
					t.Errorf("%s: error %v, want a VerifyError", name, err)
					continue
				}
				want := checks[fault]
				if string(verr.Class) != fault.Class() || verr.Check != want {
					t.Errorf("%s: %s at %s (%v), want %s at %s", name, verr.Class, verr.Check, err, fault.Class(), want)
				}
				if slices.Contains(verr.Passed, verr.Check) || result != nil {
					t.Errorf("%s: check %s both passed and failed, or a result came with the error", name, verr.Check)
				}
			}
		}
	}
}

func checkGood(t *testing.T, name string, a *fakeca.Authority, r *verifier.Result, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if want := (verifier.Identity{Issuer: a.Issuer(), Subject: "alice@example.com"}); r.Certificate.Identity != want {
		t.Errorf("%s: identity %v, want %v", name, r.Certificate.Identity, want)
	}
	if r.Time.IsZero() || len(r.Times) == 0 || r.Time.Before(r.Certificate.NotBefore) || r.Time.After(r.Certificate.NotAfter) {
		t.Errorf("%s: time %v of %v, certificate from %v to %v", name, r.Time, r.Times, r.Certificate.NotBefore, r.Certificate.NotAfter)
	}
	for _, check := range []verifier.Check{verifier.CheckArmor, verifier.CheckCMS, verifier.CheckDigest, verifier.CheckSignature,
		verifier.CheckLogEntry, verifier.CheckTime, verifier.CheckChain, verifier.CheckSCT, verifier.CheckIdentity} {
		if !slices.Contains(r.Passed, check) {
			t.Errorf("%s: verified without passing %s: %v", name, check, r.Passed)
		}
	}
}

// TestNoBitOfASignatureIsSpare flips every bit of the encoded message: none
// may leave it verifying, but in the parts that say nothing.
func TestNoBitOfASignatureIsSpare(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	signature := a.Sign(payload, fakeca.Fixture{})
	step := 1
	if testing.Short() {
		step = 17
	}
	for i := 0; i < len(signature); i += step {
		flipped := bytes.Clone(signature)
		flipped[i] ^= 1 << (i % 7)
		if _, err := v.Verify(payload, flipped, verifier.AnyIdentity{}); err == nil && !spare(signature, i) {
			t.Errorf("byte %d of the armor, bit %d: still verifies", i, i%7)
		}
	}
	for i := range payload {
		changed := bytes.Clone(payload)
		changed[i] ^= 1
		if _, err := v.Verify(changed, signature, verifier.AnyIdentity{}); err == nil {
			t.Errorf("byte %d of the payload: still verifies", i)
		}
	}
}

// spare reports whether a change of byte i of an armor may leave it valid:
// only the final line end may.
func spare(armor []byte, i int) bool { return i == len(armor)-1 }

func TestIdentityIsAskedLast(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	signature := a.Sign(payload, fakeca.Fixture{Subject: "mallory@example.com"})
	_, err := v.Verify(payload, signature, nobody{})
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) || verr.Class != verifier.IdentityNotAllowed || verr.Check != verifier.CheckIdentity {
		t.Fatalf("error %v, want identity-not-allowed", err)
	}
	if verr.Valid == nil || verr.Valid.Certificate.Identity.Subject != "mallory@example.com" || !errors.Is(err, errNobody) {
		t.Errorf("the error does not hold the facts and the reason: %+v", verr)
	}
	if _, err := v.Verify(payload, signature, nil); err == nil {
		t.Error("a nil Allowed allows anyone")
	}
}

var errNobody = errors.New("nobody may sign")

type nobody struct{}

func (nobody) Allow(verifier.Identity, time.Time) error { return errNobody }

func TestTrustedRootDecides(t *testing.T) {
	now := time.Now().UTC()
	later := trust.Window{Start: now.Add(time.Hour)}
	for _, tt := range []struct {
		name   string
		gen    fakeca.Generation
		change func(*trust.TrustedRoot)
		class  verifier.Class // "": verified
		check  verifier.Check
	}{
		{"unchanged", fakeca.RekorV2, func(*trust.TrustedRoot) {}, "", ""},
		{"no log", fakeca.RekorV2, func(r *trust.TrustedRoot) { r.TLogs = nil }, verifier.UntrustedLog, verifier.CheckLogEntry},
		{"log key not valid yet", fakeca.RekorV2, func(r *trust.TrustedRoot) { r.TLogs = logsFrom(r.TLogs, later) }, verifier.UntrustedLog, verifier.CheckTime},
		{"log key not valid yet", fakeca.RekorV1, func(r *trust.TrustedRoot) { r.TLogs = logsFrom(r.TLogs, later) }, verifier.UntrustedLog, verifier.CheckTime},
		{"no time-stamp authority", fakeca.RekorV2, func(r *trust.TrustedRoot) { r.TimestampAuthorities = nil }, verifier.BadTime, verifier.CheckTimestamp},
		{"time-stamp authority not valid yet", fakeca.RekorV2, func(r *trust.TrustedRoot) { r.TimestampAuthorities = authoritiesFrom(r.TimestampAuthorities, later) }, verifier.BadTime, verifier.CheckTimestamp},
		{"authority not valid yet", fakeca.RekorV2, func(r *trust.TrustedRoot) {
			r.CertificateAuthorities = authoritiesFrom(r.CertificateAuthorities, later)
		}, verifier.BadTime, verifier.CheckChain},
		{"certificate log not valid yet", fakeca.RekorV2, func(r *trust.TrustedRoot) { r.CTLogs = logsFrom(r.CTLogs, later) }, verifier.UntrustedCertificate, verifier.CheckSCT},
		{"no certificate log", fakeca.RekorV2, func(r *trust.TrustedRoot) { r.CTLogs = nil }, "", ""},
	} {
		a := newAuthority(t, fakeca.Config{Log: tt.gen})
		v := verifierOf(t, rootOf(t, a, tt.change))
		result, err := v.Verify(payload, a.Sign(payload, fakeca.Fixture{}), verifier.AnyIdentity{})
		if tt.class == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			} else if tt.name == "no certificate log" && (len(result.Notes) != 1 || slices.Contains(result.Passed, verifier.CheckSCT)) {
				t.Errorf("%s: notes %q, passed %v: it must say that no SCT was checked", tt.name, result.Notes, result.Passed)
			}
			continue
		}
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || verr.Class != tt.class || verr.Check != tt.check {
			t.Errorf("%s: error %v, want %s at %s", tt.name, err, tt.class, tt.check)
		}
	}
}

// logsFrom and authoritiesFrom return what a root lists, with another window.
func logsFrom(logs []trust.Log, w trust.Window) []trust.Log {
	logs = slices.Clone(logs)
	for i := range logs {
		logs[i].ValidFor = w
	}
	return logs
}

func authoritiesFrom(list []trust.Authority, w trust.Window) []trust.Authority {
	list = slices.Clone(list)
	for i := range list {
		list[i].ValidFor = w
	}
	return list
}

// TestNoMixOfRoots trusts an authority of one root and the log of another:
// a signature verifies whole under one root or not at all.
func TestNoMixOfRoots(t *testing.T) {
	a, b := newAuthority(t, fakeca.Config{}), newAuthority(t, fakeca.Config{})
	signature := a.Sign(payload, fakeca.Fixture{})
	withoutLog := rootOf(t, a, func(r *trust.TrustedRoot) { r.TLogs = nil })
	other := rootOf(t, b, nil)
	otherWithLog := rootOf(t, b, func(r *trust.TrustedRoot) { r.TLogs = append(r.TLogs, rootOf(t, a, nil).TLogs...) })
	if _, err := verifierOf(t, withoutLog, otherWithLog).Verify(payload, signature, verifier.AnyIdentity{}); err == nil {
		t.Error("certificate by one root, log by another: verified")
	}
	result, err := verifierOf(t, other, rootOf(t, a, nil)).Verify(payload, signature, verifier.AnyIdentity{})
	if err != nil {
		t.Fatalf("the second of two roots does not count: %v", err)
	}
	if want := rootOf(t, a, nil).Digest(); result.TrustedRoot != want {
		t.Errorf("verified under root %x, want %x", result.TrustedRoot, want)
	}
	// Of several failures the one that came furthest is told.
	_, err = verifierOf(t, other, withoutLog).Verify(payload, signature, verifier.AnyIdentity{})
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) || verr.Class != verifier.UntrustedLog {
		t.Errorf("error %v, want untrusted-log", err)
	}
}

func TestBothTimesMustHold(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	v := verifierOf(t, rootOf(t, a, nil))
	result, err := v.Verify(payload, a.Sign(payload, fakeca.Fixture{Timestamp: true}), verifier.AnyIdentity{})
	if err != nil || len(result.Times) != 2 {
		t.Fatalf("promise and time-stamp: %+v, %v", result, err)
	}
	for _, fault := range []fakeca.Fault{fakeca.TimestampFlipped, fakeca.TimestampByOther, fakeca.TimestampOverOther, fakeca.TimestampBackdated} {
		if _, err := v.Verify(payload, a.Sign(payload, fakeca.Fixture{Timestamp: true, Fault: fault}), verifier.AnyIdentity{}); err == nil {
			t.Errorf("%s beside a good promise: verified", fault)
		}
	}
}

func TestSubjectsOfEachType(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	for subject, kind := range map[string]string{
		"alice@example.com": "email", "https://example.com/alice": "uri", "alice": "other-name", "Ünï cöde": "other-name",
	} {
		result, err := v.Verify(payload, a.Sign(payload, fakeca.Fixture{Subject: subject}), verifier.AnyIdentity{})
		if err != nil || result.Certificate.Identity.Subject != subject || result.Certificate.SubjectType != kind {
			t.Errorf("%q: %+v, %v", subject, result, err)
		}
	}
}

func TestNewWantsATrustedRoot(t *testing.T) {
	if _, err := verifier.New(verifier.Config{}); err == nil || !strings.Contains(err.Error(), "no trusted root") {
		t.Errorf("New without a root: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		f.Fatal(err)
	}
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		f.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		f.Fatal(err)
	}
	good := a.Sign(payload, fakeca.Fixture{})
	f.Add(good)
	for _, fault := range fakeca.Faults() {
		if fault.In(fakeca.RekorV2) {
			f.Add(a.Sign(payload, fakeca.Fixture{Fault: fault}))
		}
	}
	f.Fuzz(func(t *testing.T, signature []byte) {
		result, err := v.Verify(payload, signature, verifier.AnyIdentity{})
		if (err == nil) != (result != nil) {
			t.Fatalf("result %v with error %v", result, err)
		}
	})
}
