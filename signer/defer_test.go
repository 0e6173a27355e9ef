package signer_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/signer"
	"gitseal/verifier"
)

// errGone is what a server that is out of reach leaves.
type errGone struct{}

func (errGone) Error() string     { return "nobody answers" }
func (errGone) Unreachable() bool { return true }

// gone returns an authority whose log or time-stamps fail with those errors,
// nil for one that works.
func gone(a *fakeca.Authority, log, stamp error) fakes {
	f := fakes{Authority: a}
	if log != nil {
		f.add = func([]byte) ([]byte, error) { return nil, log }
	}
	if stamp != nil {
		f.timestamp = func([]byte) ([]byte, error) { return nil, stamp }
	}
	return f
}

// deferring returns a Config of servers that fail so.
func deferring(t testing.TB, a *fakeca.Authority, when signer.Defer, log, stamp error) signer.Config {
	t.Helper()
	cfg := config(t, a)
	f := gone(a, log, stamp)
	cfg.Logs, cfg.Timestampers, cfg.Defer = []signer.Log{f}, []signer.Timestamper{f}, when
	return cfg
}

// attributesOf returns the types of the unsigned attributes of a signature.
func attributesOf(t testing.TB, armored []byte) (types []cms.OID, sd *cms.SignedData) {
	t.Helper()
	der, _, err := cms.Dearmor(armored)
	if err != nil {
		t.Fatal(err)
	}
	if sd, err = cms.Parse(der); err != nil {
		t.Fatal(err)
	}
	for _, attr := range sd.Signer.UnsignedAttributes {
		types = append(types, attr.Type)
	}
	return types, sd
}

// checkDeferred checks a signature without its entry: what it is, and that it
// does not verify until it has one, and then does.
func checkDeferred(t *testing.T, name string, a *fakeca.Authority, sig *signer.Signature, stamped bool) {
	t.Helper()
	payload := []byte("x")
	types, sd := attributesOf(t, sig.Armored)
	want := []cms.OID(nil)
	if stamped {
		want = []cms.OID{cms.OIDTimeStampToken}
	}
	if !slices.Equal(types, want) {
		t.Errorf("%s: unsigned attributes %v, want %v", name, types, want)
	}
	p := sig.Pending
	if p == nil {
		t.Fatalf("%s: nothing is pending", name)
	}
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.SignedAttributes, signed) || !bytes.Equal(p.Signature, sd.Signer.Signature) || !bytes.Equal(p.Certificate, sd.Certificates[0]) ||
		(len(p.Timestamps) == 1) != stamped || stamped && !bytes.Equal(p.Timestamps[0], sd.Signer.UnsignedAttributes[0].Values[0]) {
		t.Errorf("%s: what is pending is not what was signed", name)
	}
	if r := sig.Result; r == nil || r.Certificate.Identity.Subject != alice || r.Log != (verifier.LogEntry{}) || r.Time.IsZero() == stamped {
		t.Errorf("%s: result %+v, want one without a log entry", name, r)
	}
	v := newVerifier(t, a)
	_, err = v.Verify(payload, sig.Armored, verifier.AnyIdentity{})
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) || verr.Class != verifier.NotLogged {
		t.Errorf("%s: verifies as %v, want not-logged", name, err)
	}
	entry, err := a.Add(t.Context(), sha256.Sum256(p.SignedAttributes), p.Signature, p.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	proof := verifier.Proof{Entry: entry}
	if !stamped {
		token, err := a.Timestamp(t.Context(), sha256.Sum256(p.Signature))
		if err != nil {
			t.Fatal(err)
		}
		proof.Timestamps = [][]byte{token}
	}
	if _, err := v.VerifyDetached(payload, sig.Armored, verifier.Detached{Proofs: []verifier.Proof{proof}}, verifier.AnyIdentity{}); err != nil {
		t.Errorf("%s: with its proof: %v", name, err)
	}
}

func TestDefer(t *testing.T) {
	refused := errors.New("the log says no")
	wrapped := fmt.Errorf("asking: %w", errGone{})
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		for _, tt := range []struct {
			name       string
			when       signer.Defer
			log, stamp error
			deferred   bool
			stamped    bool
			step, want string // of the error; "": none
		}{
			{"never, all there", signer.DeferNever, nil, nil, false, true, "", ""},
			{"never, no log", signer.DeferNever, errGone{}, nil, false, false, "recording the signature in the log", "nobody answers"},
			{"never, no stamp", signer.DeferNever, nil, errGone{}, false, false, "getting a time-stamp", "nobody answers"},
			{"unreachable, all there", signer.DeferUnreachable, nil, nil, false, true, "", ""},
			{"unreachable, no log", signer.DeferUnreachable, wrapped, nil, true, true, "", ""},
			{"unreachable, neither", signer.DeferUnreachable, errGone{}, errGone{}, true, false, "", ""},
			{"unreachable, no stamp", signer.DeferUnreachable, nil, errGone{}, true, false, "", ""},
			{"unreachable, refused", signer.DeferUnreachable, refused, nil, false, false, "recording the signature in the log", "says no"},
			{"unreachable, no log, stamp refused", signer.DeferUnreachable, errGone{}, refused, false, false, "getting a time-stamp", "says no"},
			{"always, all there", signer.DeferAlways, nil, nil, true, true, "", ""},
			{"always, log refuses", signer.DeferAlways, refused, nil, true, true, "", ""},
			{"always, no stamp", signer.DeferAlways, nil, wrapped, true, false, "", ""},
			{"always, stamp refused", signer.DeferAlways, nil, refused, false, false, "getting a time-stamp", "says no"},
		} {
			name := fmt.Sprintf("%v, %s", generation, tt.name)
			sig, err := sign(t, deferring(t, a, tt.when, tt.log, tt.stamp), []byte("x"))
			switch {
			case tt.step != "":
				atStep(t, name, err, tt.step, tt.want)
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case tt.deferred:
				checkDeferred(t, name, a, sig, tt.stamped)
			case sig.Pending != nil || sig.Result.Log.URL == "":
				t.Errorf("%s: pending %v, log %q, want a recorded signature", name, sig.Pending, sig.Result.Log.URL)
			}
		}
	}
}

// TestDeferredIsChecked has answers that are wrong, not missing: nothing is
// given away.
func TestDeferredIsChecked(t *testing.T) {
	a, other := newAuthority(t, fakeca.Config{}), newAuthority(t, fakeca.Config{})
	for _, when := range []signer.Defer{signer.DeferUnreachable, signer.DeferAlways} {
		for name, change := range map[string]func(*signer.Config){
			"time-stamp by another authority": func(c *signer.Config) { c.Timestampers = []signer.Timestamper{other} },
			"time-stamp that is none": func(c *signer.Config) {
				c.Timestampers = []signer.Timestamper{fakes{Authority: a, timestamp: func([]byte) ([]byte, error) { return []byte{0x30, 0}, nil }}}
			},
		} {
			cfg := deferring(t, a, when, errGone{}, nil)
			change(&cfg)
			sig, err := sign(t, cfg, []byte("x"))
			atStep(t, fmt.Sprintf("%s, %s", when, name), err, "checking the finished signature", "time-stamp")
			if sig != nil {
				t.Errorf("%s, %s: a signature came with the error", when, name)
			}
		}
	}
	cfg := deferring(t, a, signer.DeferUnreachable, nil, nil)
	cfg.Logs = []signer.Log{other}
	_, err := sign(t, cfg, []byte("x"))
	atStep(t, "entry of another log", err, "checking the finished signature", "not in the trusted root")
}

// TestDeferredIsOfTheIdentityAsked signs with a credential whose certificate
// another verifier would let pass.
func TestDeferredIsOfTheIdentityAsked(t *testing.T) {
	a, other := newAuthority(t, fakeca.Config{}), newAuthority(t, fakeca.Config{})
	_, cred := newCredential(t, config(t, other))
	cfg := deferring(t, a, signer.DeferAlways, nil, nil)
	s, err := signer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.SignWith(t.Context(), cred, []byte("x"))
	atStep(t, "certificate of an authority that is not trusted", err, "checking the finished signature", "not by an authority of the trusted root")
}

func TestBlobsAreNotDeferred(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	s, cred := newCredential(t, deferring(t, a, signer.DeferUnreachable, errGone{}, nil))
	_, err := s.SignDigest(t.Context(), cred, [32]byte{1})
	atStep(t, "SignDigest", err, "recording the signature in the log", "nobody answers")
	s, cred = newCredential(t, deferring(t, a, signer.DeferAlways, nil, nil))
	if blob, err := s.SignDigest(t.Context(), cred, [32]byte{1}); err != nil || len(blob.Entries) != 1 {
		t.Errorf("SignDigest = %v, %v, want one with its entry", blob, err)
	}
}

func TestAcceptIsAskedBeforeTheAuthority(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	errNotMe := errors.New("not me")
	var asked []string
	cfg := config(t, a)
	cfg.CA = fakes{Authority: a, certify: func(chain [][]byte) ([][]byte, error) { asked = append(asked, "authority"); return chain, nil }}
	cfg.Accept = func(c *signer.Claims) error { asked = append(asked, c.Email); return errNotMe }
	_, err := sign(t, cfg, []byte("x"))
	atStep(t, "Accept", err, "getting a token", "not me")
	if !errors.Is(err, errNotMe) || !slices.Equal(asked, []string{alice}) {
		t.Errorf("error %v after %q, want that of Accept before the authority is asked", err, asked)
	}
	asked, cfg.Accept = nil, func(c *signer.Claims) error { asked = append(asked, c.Email); return nil }
	if _, err := sign(t, cfg, []byte("x")); err != nil || !slices.Equal(asked, []string{alice, "authority"}) {
		t.Errorf("error %v after %q, want Accept, then the authority", err, asked)
	}
}

func TestNewKnowsWhatToDefer(t *testing.T) {
	cfg := config(t, newAuthority(t, fakeca.Config{}))
	cfg.Defer = "sometimes"
	if _, err := signer.New(cfg); err == nil || !strings.Contains(err.Error(), `"sometimes"`) {
		t.Errorf("New = %v, want an error about when to defer", err)
	}
}

func BenchmarkSignWithDeferred(b *testing.B) {
	a := newAuthority(b, fakeca.Config{})
	cfg := config(b, a)
	cfg.Defer = signer.DeferAlways
	s, err := signer.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	cred, err := s.NewCredential(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.SignWith(b.Context(), cred, []byte("payload")); err != nil {
			b.Fatal(err)
		}
	}
}
