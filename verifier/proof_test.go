package verifier_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/internal/tlog"
	"gitseal/verifier"
)

// outside takes what proves a signature out of it. Its time-stamp stays in it,
// or goes with the proof; the entry gets its body, or goes without.
func (p *parts) outside(t testing.TB, stampStays, withBody bool) ([]byte, verifier.Proof) {
	t.Helper()
	proof := verifier.Proof{Entry: p.entry}
	if e, err := tlog.ParseEntry(p.entry); err == nil && withBody {
		e.CanonicalizedBody = p.body()
		proof.Entry = e.Marshal()
	}
	bare := *p
	bare.entry = nil
	if !stampStays && p.token != nil {
		bare.token = nil
		proof.Timestamps = [][]byte{p.token}
	}
	signature, err := bare.armor()
	if err != nil {
		t.Fatal(err)
	}
	return signature, proof
}

// partsOf returns the parts that VerifyParts takes of a signature.
func partsOf(t testing.TB, signature []byte) verifier.Parts {
	t.Helper()
	p := mustTakeApart(t, signature)
	parts := verifier.Parts{SignedAttributes: p.signed, Signature: p.signature, Certificate: p.certificate}
	if p.token != nil {
		parts.Timestamps = [][]byte{p.token}
	}
	return parts
}

// verifyBy verifies a signature by proofs.
func verifyBy(v *verifier.Verifier, signature []byte, proofs ...verifier.Proof) (*verifier.Result, error) {
	return v.VerifyDetached(payload, signature, verifier.Detached{Proofs: proofs}, verifier.AnyIdentity{})
}

// TestEachFaultOfAProofFailsItsCheck takes entry and time-stamp of each faulty
// signature out of it. They fail at the check at which they fail inside, but for
// an entry that does not even speak of the signature: that one is nobody's. The
// same in a bundle is for sigstore-go to judge, which knows nothing of where it
// was.
func TestEachFaultOfAProofFailsItsCheck(t *testing.T) {
	tried := 0
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation, Curve: elliptic.P256()})
		v := newPair(t, a.TrustedRoot())
		for _, fault := range append([]fakeca.Fault{""}, fakeca.Faults()...) {
			if !fault.In(generation) || notInBundle[fault] != "" || fault == fakeca.NoEntry {
				continue
			}
			for _, at := range []struct{ stays, body, stamped bool }{{true, true, true}, {true, false, true}, {false, true, true}, {false, false, true}, {true, true, false}} {
				tried++
				name := fmt.Sprintf("%v %q, %+v", generation, fault, at)
				p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Fault: fault, Timestamp: at.stamped}))
				p.generation = generation // which an entry that lacks something does not tell
				signature, proof := p.outside(t, at.stays, at.body)
				result, err := verifyBy(v.ours, signature, proof)
				_, partsErr := v.ours.VerifyParts(partsOf(t, signature), proof, verifier.AnyIdentity{})
				if (err == nil) != (partsErr == nil) {
					t.Errorf("%s: %v, and by its parts %v", name, err, partsErr)
				}
				if fault.Class() == "verified" || fault == fakeca.NoPromise && at.stamped { // the time-stamp tells the time
					checkGood(t, name, a, result, err)
					if err == nil && !slices.Contains(result.Notes, "log entry from outside the signature") {
						t.Errorf("%s: notes %q do not say where the entry is from", name, result.Notes)
					}
					if _, err := v.ours.Verify(payload, signature, verifier.AnyIdentity{}); err == nil {
						t.Errorf("%s: verifies without the proof", name)
					}
				} else {
					_, without := v.ours.Verify(payload, signature, verifier.AnyIdentity{})
					wantProofFault(t, name, err, without, fault, at.body)
				}
				if theirs := v.verifyParts(p); err == nil && theirs != nil && faultDifferences[fmt.Sprintf("%v %s", generation, fault)].accept != we {
					t.Errorf("%s: verifies, and sigstore-go says %v", name, theirs)
				}
			}
		}
	}
	if tried < 300 {
		t.Errorf("%d faults tried: too few to mean much", tried)
	}
}

// wantProofFault checks the error for a proof with a fault, of a signature that
// gives the error without if there is none: the class is still that, where
// nothing else is wrong than that nobody is known to have logged it.
func wantProofFault(t *testing.T, name string, err, without error, fault fakeca.Fault, withBody bool) {
	t.Helper()
	class, check := verifier.Class(fault.Class()), checks[fault]
	var verr *verifier.VerifyError
	if errors.As(without, &verr) && verr.Class == verifier.NotLogged && check != verifier.CheckIdentity {
		class = verifier.NotLogged
	}
	if !errors.As(err, &verr) {
		t.Errorf("%s: error %v, want a VerifyError", name, err)
		return
	}
	// Without its body an entry is known by where it leads to. One of another
	// signature, or that leads elsewhere, is of nobody.
	stranger := verr.Class == verifier.NotLogged && verr.Check == verifier.CheckLogEntry
	leads := check == verifier.CheckInclusion || check == verifier.CheckPromise || check == verifier.CheckLogEntry
	if stranger && leads && (!withBody || fault == fakeca.EntryForOtherSignature || fault == fakeca.SignatureComplement) {
		return
	}
	wantClass(t, name, err, class, check)
}

// TestProofsOfOthersDoNotCount has proofs that are none of the signature: it is
// as if there were none, and said so.
func TestProofsOfOthersDoNotCount(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		v := verifierOf(t, rootOf(t, a, nil))
		p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
		signature, good := p.outside(t, true, true)
		_, other := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true})).outside(t, false, true)
		_, bare := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{})).outside(t, false, false)
		stamps := func(list ...[]byte) verifier.Proof { return verifier.Proof{Entry: good.Entry, Timestamps: list} }
		for name, proof := range map[string]verifier.Proof{
			"of another":                    other,
			"of another, without body":      bare,
			"empty":                         {},
			"cut off":                       {Entry: good.Entry[:len(good.Entry)-1]},
			"something after":               {Entry: append(bytes.Clone(good.Entry), 0)},
			"time-stamp that is none":       stamps([]byte{0x30, 0}),
			"time-stamp that is embedded":   stamps(p.token),
			"time-stamp that occurs twice":  stamps(other.Timestamps[0], other.Timestamps[0]),
			"more time-stamps than allowed": stamps(slices.Repeat([][]byte{other.Timestamps[0]}, 8)...),
		} {
			name = fmt.Sprintf("%v, %s", generation, name)
			_, err := verifyBy(v, signature, proof)
			wantClass(t, name, err, verifier.NotLogged, verifier.CheckLogEntry)
			if err == nil || !strings.Contains(err.Error(), "none of 1 proofs from outside is of it") {
				t.Errorf("%s: error %v does not say that there was a proof", name, err)
			}
			if _, err := v.VerifyParts(partsOf(t, signature), proof, verifier.AnyIdentity{}); err == nil {
				t.Errorf("%s: verifies by its parts", name)
			}
			// Nor does it take anything from one that is good.
			for _, proofs := range [][]verifier.Proof{{proof, good}, {good, proof}} {
				if _, err := verifyBy(v, signature, proofs...); err != nil {
					t.Errorf("%s beside a good one: %v", name, err)
				}
			}
		}
		_, err := v.VerifyDetached(payload, signature, verifier.Detached{Proofs: []verifier.Proof{other}, Object: objectID(signature), Entries: [][]byte{nil}}, verifier.AnyIdentity{})
		if err == nil || !strings.Contains(err.Error(), "none of 1 proofs") || !strings.Contains(err.Error(), "none of 1 log entries") {
			t.Errorf("%v: error %v does not say what was looked at", generation, err)
		}
	}
}

// TestJunkAmongProofs has proofs of the signature that are bad beside a good
// one, in every order: they change nothing. Alone, nobody is known to have logged
// the signature, and what came furthest is said.
func TestJunkAmongProofs(t *testing.T) {
	a, stranger := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1}), newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{}))
	signature, good := p.outside(t, true, true)
	token, err := stranger.Timestamp(t.Context(), sha256.Sum256(p.signature))
	if err != nil {
		t.Fatal(err)
	}
	junk := []verifier.Proof{{Entry: good.Entry, Timestamps: [][]byte{token}}}
	for _, spoil := range []func(*tlog.Entry){
		func(e *tlog.Entry) { e.LogIndex -= 9 },
		func(e *tlog.Entry) { e.LogIndex, e.Promise, e.Proof = 0, nil, nil },
		func(e *tlog.Entry) { e.LogID[0] ^= 1 },
	} {
		e, err := tlog.ParseEntry(good.Entry)
		if err != nil {
			t.Fatal(err)
		}
		spoil(e)
		junk = append(junk, verifier.Proof{Entry: e.Marshal()})
	}
	for i := range len(junk) + 1 {
		if _, err := verifyBy(v, signature, slices.Insert(slices.Clone(junk), i, good)...); err != nil {
			t.Errorf("good proof at %d of %d: %v", i, len(junk)+1, err)
		}
	}
	_, err = verifyBy(v, signature, junk...)
	wantClass(t, "junk alone", err, verifier.NotLogged, verifier.CheckTimestamp)
	_, err = verifyBy(v, signature, junk[2:]...)
	wantClass(t, "less of it", err, verifier.NotLogged, verifier.CheckLogEntry) // found after the certificate was checked
	_, err = verifyBy(v, signature, junk[3:]...)
	wantClass(t, "even less", err, verifier.NotLogged, verifier.CheckLogEntry)
}

// TestEmbeddedEntryDecidesAlsoOverProofs has a good proof beside an entry that is
// embedded and bad, or proves nothing.
func TestEmbeddedEntryDecidesAlsoOverProofs(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	v := verifierOf(t, rootOf(t, a, nil))
	p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{}))
	_, good := p.outside(t, true, true)
	for name, tt := range map[string]struct {
		embedded []byte
		class    verifier.Class
		check    verifier.Check
	}{
		"of another signature": {mustTakeApart(t, a.Sign(payload, fakeca.Fixture{})).entry, verifier.BadLogProof, verifier.CheckInclusion},
		"that proves nothing":  {mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Fault: fakeca.NoProof})).entry, verifier.NotLogged, verifier.CheckLogEntry},
		"unreadable":           {[]byte("entry"), verifier.MalformedSignature, verifier.CheckLogEntry},
	} {
		spoilt := *p
		spoilt.entry = tt.embedded
		signature, err := spoilt.armor()
		if err != nil {
			t.Fatal(err)
		}
		_, err = verifyBy(v, signature, good)
		wantClass(t, name, err, tt.class, tt.check)
	}
}

// TestEmbeddedStampMustHoldBesideAProof has a signature with a time-stamp that
// is bad. That of the proof does not stand in for it, nor the log's time.
func TestEmbeddedStampMustHoldBesideAProof(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		v := verifierOf(t, rootOf(t, a, nil))
		p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
		_, good := p.outside(t, false, false)
		for _, fault := range []fakeca.Fault{fakeca.TimestampByOther, fakeca.TimestampFlipped} {
			spoilt := *p
			spoilt.token = mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Fault: fault})).token
			signature, _ := spoilt.outside(t, true, false)
			_, err := verifyBy(v, signature, good)
			wantClass(t, fmt.Sprintf("%v, %s", generation, fault), err, verifier.BadTime, verifier.CheckTimestamp)
		}
	}
}

func TestProofsAskForAnIdentity(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	signature, proof := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{})).outside(t, true, false)
	for name, allowed := range map[string]verifier.Allowed{"nil": nil, "nobody": nobody{}} {
		_, err := v.VerifyDetached(payload, signature, verifier.Detached{Proofs: []verifier.Proof{proof}}, allowed)
		wantClass(t, name, err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
		_, err = v.VerifyParts(partsOf(t, signature), proof, allowed)
		wantClass(t, name+", by its parts", err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
	}
}

// TestRealSignaturesByProofs takes the proof out of what others signed with the
// public instance.
func TestRealSignaturesByProofs(t *testing.T) {
	dir := corpus(t, "offline")
	v := newPair(t, readFile(t, corpus(t, "trust", "prod", "trusted_root.json")))
	verified := 0
	for _, e := range readExpected(t, dir) {
		s := split(t, e.Object, e.data, gitutil.SHA1)
		if _, err := v.ours.Verify(s.Payload, s.Signature, verifier.AnyIdentity{}); err != nil {
			continue
		}
		p := mustTakeApart(t, s.Signature)
		if err := v.verifyParts(p); err != nil {
			t.Errorf("%s: sigstore-go: %v", e.OID, err)
		}
		signature, proof := p.outside(t, false, false)
		result, err := v.ours.VerifyDetached(s.Payload, signature, verifier.Detached{Proofs: []verifier.Proof{proof}}, verifier.AnyIdentity{})
		if err != nil || result.Time.Unix() != e.IntegratedTime || result.Log.Index != e.LogIndex {
			t.Errorf("%s: by its proof: %+v, %v", e.OID, result, err)
			continue
		}
		verified++
	}
	if verified != 88 {
		t.Errorf("%d of the public instance's signatures verify by their proofs, want 88", verified)
	}
}

// A bundle of a signature that nothing is embedded in has what proves it from
// outside, and its verifier cannot tell.
func TestBundleByAProof(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		v := newPair(t, a.TrustedRoot())
		for _, stays := range []bool{true, false} {
			p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
			p.generation = generation
			signature, proof := p.outside(t, stays, false)
			if _, _, err := v.ours.Bundle(payload, signature, verifier.AnyIdentity{}); err == nil {
				t.Errorf("%v: a bundle was made of a signature that nothing proves", generation)
			}
			b, signed, err := v.ours.Bundle(payload, signature, verifier.AnyIdentity{}, verifier.Proof{}, proof)
			if err != nil {
				t.Errorf("%v: %v", generation, err)
				continue
			}
			if len(b.Entries) != 1 || len(b.Stamps) != 1 {
				t.Errorf("%v: the bundle has %d entries and %d time-stamps, want one of each", generation, len(b.Entries), len(b.Stamps))
			}
			artifact, err := b.Artifact(bytes.NewReader(signed))
			if err == nil {
				_, err = v.ours.VerifyBundle(b, artifact, verifier.AnyIdentity{})
			}
			if err != nil {
				t.Errorf("%v, time-stamp in the signature %v: the bundle does not verify: %v", generation, stays, err)
			}
		}
	}
}
