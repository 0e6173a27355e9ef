package verifier_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"gitseal/fakeca"
	"gitseal/internal/tlog"
	"gitseal/verifier"
)

// TestLateEntries has entries that came when the certificate had expired, or
// before it began.
func TestLateEntries(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		start := time.Now().Truncate(time.Second)
		now := start
		a := newAuthority(t, fakeca.Config{Log: generation, Clock: func() time.Time { return now }})
		v := newPair(t, a.TrustedRoot())
		now = now.Add(5 * time.Minute)
		signed := now.UTC()
		p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
		at := func(when time.Time) (entry, token []byte) {
			now = when
			entry, err := a.Add(t.Context(), sha256.Sum256(p.signed), p.signature, p.certificate)
			if err == nil {
				token, err = a.Timestamp(t.Context(), sha256.Sum256(p.signature))
			}
			if err != nil {
				t.Fatal(err)
			}
			return entry, token
		}
		late, lateToken := at(signed.Add(24 * time.Hour))
		early, _ := at(start.Add(-time.Minute))
		chain := verifier.CheckChain
		for _, tt := range []struct {
			name     string
			embedded []byte // entry; nil: that of the proof
			own      []byte // time-stamp in the signature
			entry    []byte
			stamps   [][]byte
			v1, v2   verifier.Check // that fails; "": none
		}{
			{"in time, stamped", nil, p.token, p.entry, nil, "", ""},
			{"in time, stamped by the proof", nil, nil, p.entry, [][]byte{p.token}, "", ""},
			{"in time, not stamped", nil, nil, p.entry, nil, "", verifier.CheckTime},
			{"in time, stamped late", nil, lateToken, p.entry, nil, chain, chain},
			{"late, stamped in time", nil, p.token, late, nil, "", ""},
			{"late, stamped in time by the proof", nil, nil, late, [][]byte{p.token}, "", ""},
			{"late, not stamped", nil, nil, late, nil, chain, verifier.CheckTime},
			{"late, stamped late", nil, lateToken, late, nil, chain, chain},
			{"late, stamped late by the proof", nil, nil, late, [][]byte{lateToken}, chain, chain},
			{"late, stamped in time and late", nil, p.token, late, [][]byte{lateToken}, chain, chain},
			{"too early, stamped in time", nil, p.token, early, nil, chain, ""}, // a Rekor v2 log tells no time
			{"embedded late, stamped in time", late, p.token, nil, nil, chain, ""},
			{"embedded late, beside a proof in time", late, p.token, p.entry, nil, chain, ""},
		} {
			name := fmt.Sprintf("%v, %s", generation, tt.name)
			s := *p
			s.entry, s.token = nil, tt.own
			if tt.embedded != nil {
				s.entry = bodiless(t, tt.embedded)
			}
			signature, err := s.armor()
			if err != nil {
				t.Fatal(err)
			}
			result, err := verifyBy(v.ours, signature, verifier.Proof{Entry: tt.entry, Timestamps: tt.stamps})
			want := tt.v2
			if generation == fakeca.RekorV1 {
				want = tt.v1
			}
			var verr *verifier.VerifyError
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case want == "" && (!result.Time.Equal(signed) || len(result.Times) == 0):
				t.Errorf("%s: at %v of %v, want %v", name, result.Time, result.Times, signed)
			case want != "" && (!errors.As(err, &verr) || verr.Check != want):
				t.Errorf("%s: %v, want that %s fails", name, err, want)
			}
			if tt.embedded == nil && (tt.own == nil || tt.stamps == nil) {
				compareLate(t, v, name, p, bodiless(t, tt.entry), append(slices.Clone(tt.stamps), tt.own)[0], err)
			}
		}
	}
}

// bodiless returns an entry as it is embedded.
func bodiless(t testing.TB, pb []byte) []byte {
	t.Helper()
	e, err := tlog.ParseEntry(pb)
	if err != nil {
		t.Fatal(err)
	}
	e.CanonicalizedBody = nil
	return e.Marshal()
}

// compareLate asks sigstore-go about a proof in a bundle. It wants the
// certificate to be valid at a log's time too, whatever a time-stamp says: where
// that is the difference, it is none without the promise, which is what tells
// the log's time. A Rekor v1 log is asked for nothing else then.
func compareLate(t *testing.T, v *pair, name string, p *parts, entry, token []byte, ours error) {
	t.Helper()
	bundled := *p
	bundled.entry, bundled.token = entry, token
	theirs := v.verifyParts(&bundled)
	if ours == nil && theirs != nil && p.generation == fakeca.RekorV1 && strings.HasPrefix(strings.SplitN(name, ", ", 2)[1], "late") {
		e, err := tlog.ParseEntry(entry)
		if err != nil {
			t.Fatal(err)
		}
		e.Promise, e.IntegratedTime = nil, 0
		bundled.entry = e.Marshal()
		theirs = v.verifyParts(&bundled)
	}
	if (ours == nil) != (theirs == nil) {
		t.Errorf("%s: we say %v, sigstore-go %v", name, ours, theirs)
	}
}

// TestPromiseAloneIsAProof has an entry of a Rekor v1 log without its inclusion
// proof, as it may be embedded.
func TestPromiseAloneIsAProof(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	v := verifierOf(t, rootOf(t, a, nil))
	signature, proof := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{})).outside(t, true, false)
	e, err := tlog.ParseEntry(proof.Entry)
	if err != nil {
		t.Fatal(err)
	}
	e.Proof = nil
	if _, err := verifyBy(v, signature, verifier.Proof{Entry: e.Marshal()}); err != nil {
		t.Errorf("by its promise: %v", err)
	}
	e.IntegratedTime++
	_, err = verifyBy(v, signature, verifier.Proof{Entry: e.Marshal()})
	wantClass(t, "of another time", err, verifier.NotLogged, verifier.CheckLogEntry)
	e.Promise = nil
	_, err = verifyBy(v, signature, verifier.Proof{Entry: e.Marshal()})
	wantClass(t, "without anything", err, verifier.NotLogged, verifier.CheckLogEntry)
}

// TestBundleByALateProof has a bundle made of a proof, in time and late: whoever
// reads it knows of no proofs, and verifies it all the same.
func TestBundleByALateProof(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		now := time.Now()
		a := newAuthority(t, fakeca.Config{Log: generation, Clock: func() time.Time { return now }})
		v := newPair(t, a.TrustedRoot())
		p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
		signature, proof := p.outside(t, true, false)
		for _, wait := range []time.Duration{0, 24 * time.Hour} {
			name := fmt.Sprintf("%v, after %v", generation, wait)
			if now = now.Add(wait); wait > 0 {
				entry, err := a.Add(t.Context(), sha256.Sum256(p.signed), p.signature, p.certificate)
				if err != nil {
					t.Fatal(err)
				}
				proof.Entry = entry
			}
			b, signed, err := v.ours.Bundle(payload, signature, verifier.AnyIdentity{}, proof)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text, err := b.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			read, err := verifier.ParseBundle(text)
			if err != nil {
				t.Fatal(err)
			}
			digests, err := read.Artifact(bytes.NewReader(signed))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.ours.VerifyBundle(read, digests, verifier.AnyIdentity{}); err != nil {
				t.Errorf("%s: we say %v", name, err)
			}
			their := new(bundle.Bundle)
			if err := their.UnmarshalJSON(text); err != nil {
				t.Fatal(err)
			}
			if _, err := v.theirs.Verify(their, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(signed)), verify.WithoutIdentitiesUnsafe())); err != nil {
				t.Errorf("%s: sigstore-go says %v", name, err)
			}
		}
	}
}
