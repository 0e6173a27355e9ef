package verifier_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// TestEachFaultOfAnUnloggedSignatureFailsItsCheck has the faults of message,
// time-stamp and certificate, with no entry.
func TestEachFaultOfAnUnloggedSignatureFailsItsCheck(t *testing.T) {
	tried := 0
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		v := verifierOf(t, rootOf(t, a, nil))
		for _, fault := range append([]fakeca.Fault{""}, fakeca.Faults()...) {
			if !fault.In(generation) {
				continue
			}
			signature := a.Sign(payload, fakeca.Fixture{Fault: fault, Timestamp: true})
			switch checks[fault] {
			case verifier.CheckLogEntry, verifier.CheckInclusion, verifier.CheckCheckpoint, verifier.CheckPromise, verifier.CheckTime:
				continue // what is wrong goes with the entry
			case verifier.CheckArmor, verifier.CheckCMS, verifier.CheckDigest, verifier.CheckSignature:
			default:
				if notInBundle[fault] != "" {
					continue // harmless, and lost with what is taken apart
				}
				signature, _ = mustTakeApart(t, signature).outside(t, true, false)
			}
			tried++
			name := fmt.Sprintf("%v %q", generation, fault)
			u, err := v.VerifyUnlogged(payload, signature, time.Now(), verifier.AnyIdentity{})
			if check, bad := checks[fault]; bad {
				wantClass(t, name, err, verifier.Class(fault.Class()), check)
				if u != nil {
					t.Errorf("%s: facts came with the error", name)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			want := verifier.Identity{Issuer: a.Issuer(), Subject: "alice@example.com"}
			if u.Certificate.Identity != want || len(u.Times) != 1 || !u.Time.Equal(u.Times[0].Time) || u.Time.IsZero() || u.TrustedRoot == [32]byte{} {
				t.Errorf("%s: %+v, want it by %v at the time of the time-stamp", name, u, want)
			}
			for _, check := range []verifier.Check{verifier.CheckLogEntry, verifier.CheckInclusion, verifier.CheckCheckpoint, verifier.CheckPromise} {
				if slices.Contains(u.Passed, check) {
					t.Errorf("%s: passed %s without an entry", name, check)
				}
			}
			if !slices.Contains(u.Passed, verifier.CheckIdentity) || !slices.Contains(u.Passed, verifier.CheckSCT) {
				t.Errorf("%s: passed %v", name, u.Passed)
			}
		}
	}
	if tried < 50 {
		t.Errorf("%d faults tried: too few to mean much", tried)
	}
}

func TestUnloggedIsNotForEntries(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	for _, fault := range []fakeca.Fault{"", fakeca.NoProof, fakeca.ProofHashFlipped} {
		_, err := v.VerifyUnlogged(payload, a.Sign(payload, fakeca.Fixture{Fault: fault}), time.Now(), verifier.AnyIdentity{})
		wantClass(t, fmt.Sprintf("%q", fault), err, verifier.UnsupportedSignature, verifier.CheckLogEntry)
	}
}

// TestUnloggedIsOfATime has signatures with and without a time-stamp, at times
// in and out of the certificate's validity.
func TestUnloggedIsOfATime(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
	stamped, _ := p.outside(t, true, false)
	bare, _ := p.outside(t, false, false)
	leaf := parse(t, p.certificate)
	for _, tt := range []struct {
		name      string
		signature []byte
		at        time.Time
		good      bool
	}{
		{"in time", bare, leaf.NotBefore, true},
		{"at the end", bare, leaf.NotAfter, true},
		{"too early", bare, leaf.NotBefore.Add(-time.Second), false},
		{"too late", bare, leaf.NotAfter.Add(time.Second), false},
		{"no time", bare, time.Time{}, false},
		{"too late, with a time-stamp that is not", stamped, leaf.NotAfter.Add(time.Hour), true},
	} {
		u, err := v.VerifyUnlogged(payload, tt.signature, tt.at, verifier.AnyIdentity{})
		if !tt.good {
			wantClass(t, tt.name, err, verifier.BadTime, verifier.CheckChain)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if proven := len(u.Times) > 0; proven == u.Time.IsZero() || proven != (len(tt.signature) == len(stamped)) {
			t.Errorf("%s: time %v of %v: what the caller says is proof of nothing", tt.name, u.Time, u.Times)
		}
	}
}

// asked remembers what it was asked.
type asked struct {
	id verifier.Identity
	at time.Time
}

func (a *asked) Allow(id verifier.Identity, at time.Time) error {
	a.id, a.at = id, at
	return nil
}

func TestUnloggedAsksForAnIdentity(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
	stamped, _ := p.outside(t, true, false)
	bare, _ := p.outside(t, false, false)
	leaf := parse(t, p.certificate)
	for name, allowed := range map[string]verifier.Allowed{"nil": nil, "nobody": nobody{}} {
		u, err := v.VerifyUnlogged(payload, stamped, time.Now(), allowed)
		wantClass(t, name, err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
		var verr *verifier.VerifyError
		if u != nil || errors.As(err, &verr) && verr.Valid != nil {
			t.Errorf("%s: a signature that no log has is said to be valid", name)
		}
	}
	for name, signature := range map[string][]byte{"stamped": stamped, "bare": bare} {
		who := new(asked)
		u, err := v.VerifyUnlogged(payload, signature, leaf.NotAfter, who)
		if err != nil {
			t.Fatal(err)
		}
		want := u.Time
		if name == "bare" {
			want = leaf.NotBefore
		}
		if who.id != u.Certificate.Identity || !who.at.Equal(want) {
			t.Errorf("%s: asked about %v at %v, want %v at %v", name, who.id, who.at, u.Certificate.Identity, want)
		}
	}
}

// TestUnloggedHoldsUnderOneRoot has two roots that each lack what the other one
// has.
func TestUnloggedHoldsUnderOneRoot(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	signature, _ := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true})).outside(t, true, false)
	full := rootOf(t, a, nil)
	noStamps := rootOf(t, a, func(r *trust.TrustedRoot) { r.TimestampAuthorities = nil })
	noCA := rootOf(t, a, func(r *trust.TrustedRoot) { r.CertificateAuthorities = r.TimestampAuthorities })
	noCT := rootOf(t, a, func(r *trust.TrustedRoot) { r.CTLogs = r.TLogs })
	noLog := rootOf(t, a, func(r *trust.TrustedRoot) { r.TLogs = nil })
	for name, tt := range map[string]struct {
		roots []*verifier.TrustedRoot
		class verifier.Class // "": good
		check verifier.Check
	}{
		"no time-stamp authority":    {[]*verifier.TrustedRoot{noStamps}, verifier.BadTime, verifier.CheckTimestamp},
		"no certificate authority":   {[]*verifier.TrustedRoot{noCA}, verifier.UntrustedCertificate, verifier.CheckChain},
		"no certificate log":         {[]*verifier.TrustedRoot{noCT}, verifier.UntrustedCertificate, verifier.CheckSCT},
		"each without another":       {[]*verifier.TrustedRoot{noStamps, noCA, noCT}, verifier.UntrustedCertificate, verifier.CheckSCT},
		"one that is whole":          {[]*verifier.TrustedRoot{noStamps, full}, "", ""},
		"the log is not asked about": {[]*verifier.TrustedRoot{noLog}, "", ""},
	} {
		u, err := verifierOf(t, tt.roots...).VerifyUnlogged(payload, signature, time.Now(), verifier.AnyIdentity{})
		if tt.class != "" {
			wantClass(t, name, err, tt.class, tt.check)
		} else if want := tt.roots[len(tt.roots)-1].Digest(); err != nil || u.TrustedRoot != want {
			t.Errorf("%s: %+v, %v, want it under root %x", name, u, err, want)
		}
	}
}

// TestUnloggedNamesSomebody has a certificate that names nobody.
func TestUnloggedNamesSomebody(t *testing.T) {
	for name, spoil := range map[string]func(*office){"": nil, "no subject": func(o *office) { o.leaf.EmailAddresses = nil }} {
		o := newOffice(t)
		if spoil != nil {
			spoil(o)
		}
		leaf, extra, chain := o.certificates(t)
		message, _ := o.message(t, leaf)
		message.Certificates = append(message.Certificates, extra...)
		u, err := verifierOf(t, o.root(t, chain...)).VerifyUnlogged(payload, armored(t, message), leaf.NotBefore, verifier.AnyIdentity{})
		if spoil == nil {
			if err != nil {
				t.Errorf("as it should be: %v", err)
			}
			continue
		}
		wantClass(t, name, err, verifier.UntrustedCertificate, verifier.CheckIdentity)
		if u != nil {
			t.Errorf("%s: facts came with the error", name)
		}
	}
}
