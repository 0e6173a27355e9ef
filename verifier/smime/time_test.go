package smime_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/smime"
)

func days(n int) time.Time { return now.AddDate(0, 0, n) }

// TestTimeAtWhichCertificatesAreJudged has a signer whose certificate is valid
// from a hundred days before now to ten days before now, and others.
func TestTimeAtWhichCertificatesAreJudged(t *testing.T) {
	p := newPKI(t)
	span := func(from, until int) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = days(from), days(until) }
	}
	old, next, current := p.signer(t, span(-100, -10)), p.signer(t, span(10, 100)), p.signer(t, span(-10, 10))
	// The signer's certificate outlives its authority's, or is older.
	late := *p
	late.ca = issue(t, p.root, "Issuing", nil, func(c *x509.Certificate) { isAuthority(c); span(-50, -5)(c) })
	outlives := issue(t, late.ca, "Alice", nil, func(c *x509.Certificate) { isSigner(c); span(-40, 40)(c) })
	older := issue(t, late.ca, "Alice", nil, func(c *x509.Certificate) { isSigner(c); span(-60, -10)(c) })
	none := form{attrs: func(sd *cms.SignedData) {
		a := sd.Signer.SignedAttributes
		sd.Signer.SignedAttributes = append(a[:1:1], a[2])
	}}
	claims := func(day int) form { return form{claimed: days(day)} }
	for _, tt := range []struct {
		name      string
		pki       *pki
		signer    *holder
		form      form
		atSigning bool
		expired   string    // why; "": it is good
		lapses    time.Time // zero: never
	}{
		{"valid", p, current, claims(-1), false, "", days(10)},
		{"valid, at signing", p, current, claims(-1), true, "", time.Time{}},
		{"expired", p, old, claims(-20), false, "the signer's certificate is not valid at 2026-06-01", days(365)},
		{"expired, at signing", p, old, claims(-20), true, "", time.Time{}},
		{"expired, at signing too", p, old, claims(-5), true, "the signer's certificate is not valid at 2026-05-27", time.Time{}},
		{"expired, claims nothing", p, old, none, true, "the signer's certificate is not valid at 2026-06-01", days(365)},
		{"valid, claims nothing", p, current, none, true, "", days(10)},
		{"not valid yet", p, next, claims(-1), false, "the signer's certificate is not valid at 2026-06-01", days(10)},
		{"not valid yet, claims the future", p, next, claims(20), true, "the signer's certificate is not valid at 2026-06-01", days(10)},
		{"valid, claims the future", p, current, claims(5), true, "", days(5)},
		{"claims the year one", p, current, form{attrs: func(sd *cms.SignedData) {
			for i := range sd.Signer.SignedAttributes {
				if a := &sd.Signer.SignedAttributes[i]; a.Type == cms.OIDSigningTime {
					a.Values = [][]byte{append([]byte{0x18, 15}, "00010101000000Z"...)}
				}
			}
		}}, true, "", days(10)},
		{"authority expired", &late, outlives, claims(-20), false, `the certificate of "CN=Issuing,O=Example" is not valid at 2026-06-01`, days(40)},
		{"authority expired, at signing", &late, outlives, claims(-20), true, "", time.Time{}},
		{"authority not valid yet, at signing", &late, older, claims(-55), true, `the certificate of "CN=Issuing,O=Example" is not valid at 2026-04-07`, time.Time{}},
	} {
		v := tt.pki.verifier(t, func(cfg *smime.Config) { cfg.Rules.AtSigning = tt.atSigning })
		signature := tt.pki.sign(t, tt.signer, tt.form)
		if tt.expired == "" {
			if got := wantGood(t, tt.name, v, signature).Lapses; !got.Equal(tt.lapses) {
				t.Errorf("%s: lapses at %v, want %v", tt.name, got, tt.lapses)
			}
			continue
		}
		kerr := wantBad(t, tt.name, v, signature, verifier.ExpiredKey, tt.expired)
		want := tt.lapses
		if want.Equal(days(365)) {
			want = p.root.cert.NotAfter // nothing else ends or begins before
		}
		if !kerr.Lapses.Equal(want) {
			t.Errorf("%s: lapses at %v, want %v", tt.name, kerr.Lapses, want)
		}
		wantBadOver(t, tt.name+", another payload", v, flip(payload, 0), signature, verifier.BadSignature, "message digest")
	}
}

// TestBoundsOfValidityAreInclusive judges at the first and last second.
func TestBoundsOfValidityAreInclusive(t *testing.T) {
	p := newPKI(t)
	signature := p.sign(t, p.alice, form{})
	for _, tt := range []struct {
		at   time.Time
		good bool
	}{
		{p.alice.cert.NotBefore.Add(-time.Second), false}, {p.alice.cert.NotBefore, true},
		{p.alice.cert.NotAfter, true}, {p.alice.cert.NotAfter.Add(time.Second), false},
	} {
		v := p.verifier(t, func(cfg *smime.Config) { cfg.Rules.At = tt.at })
		if tt.good {
			wantGood(t, tt.at.String(), v, signature)
		} else {
			wantBad(t, tt.at.String(), v, signature, verifier.ExpiredKey, "not valid at")
		}
	}
}

// stamped returns a signature by s with a time-stamp of an authority of its own
// at each of the times, and a Timestamps that knows them.
func stamped(t *testing.T, p *pki, s *holder, f form, at ...time.Time) ([]byte, func(token, signature []byte) (time.Time, error)) {
	t.Helper()
	after := f.after
	f.after = func(sd *cms.SignedData) {
		for _, at := range at {
			tsa, err := fakeca.New(fakeca.Config{Clock: func() time.Time { return at }})
			if err != nil {
				t.Fatal(err)
			}
			token, err := tsa.Timestamp(context.Background(), sha256.Sum256(sd.Signer.Signature))
			if err != nil {
				t.Fatal(err)
			}
			sd.Signer.AddTimeStamp(token)
		}
		if after != nil {
			after(sd)
		}
	}
	return p.sign(t, s, f), func(token, signature []byte) (time.Time, error) {
		parsed, err := cms.ParseToken(token)
		if err != nil {
			return time.Time{}, &verifier.KeyError{Class: verifier.MalformedSignature, Err: err}
		}
		if sum := sha256.Sum256(signature); !bytes.Equal(parsed.Info.Imprint, sum[:]) {
			return time.Time{}, errors.New("imprint of another signature")
		}
		return parsed.Info.GenTime, nil
	}
}

func TestProvenTimeCounts(t *testing.T) {
	p := newPKI(t)
	old := p.signer(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = days(-100), days(-10) })
	signature, check := stamped(t, p, old, form{claimed: days(-1)}, days(-20), days(-5), days(-30))
	for _, atSigning := range []bool{false, true} {
		v := p.verifier(t, func(cfg *smime.Config) { cfg.Timestamps, cfg.Rules.AtSigning = check, atSigning })
		got := wantGood(t, "the earliest", v, signature)
		if !got.Time.Equal(days(-30)) || !got.Lapses.IsZero() || len(got.Notes) != 0 {
			t.Errorf("time %v, lapses %v, notes %q, want %v, never and none", got.Time, got.Lapses, got.Notes, days(-30))
		}
	}
	// What was proven is not passed over where the claim suits better.
	signature, check = stamped(t, p, old, form{claimed: days(-20)}, days(-5))
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Timestamps, cfg.Rules.AtSigning = check, true })
	if kerr := wantBad(t, "too late", v, signature, verifier.ExpiredKey, "not valid at 2026-05-27"); !kerr.Lapses.IsZero() {
		t.Errorf("lapses at %v, want never", kerr.Lapses)
	}
}

func TestTimeStampsThatProveNothing(t *testing.T) {
	p := newPKI(t)
	signature, check := stamped(t, p, p.alice, form{}, days(-1))
	unknown := func(_, _ []byte) (time.Time, error) {
		return time.Time{}, fmt.Errorf("asking: %w", &verifier.KeyError{Class: verifier.UnknownKey, Err: errors.New("nobody's")})
	}
	for _, tt := range []struct {
		check func(_, _ []byte) (time.Time, error)
		note  string
	}{{nil, "no authority was named"}, {unknown, "no trusted authority"}} {
		v := p.verifier(t, func(cfg *smime.Config) { cfg.Timestamps = tt.check })
		got := wantGood(t, tt.note, v, signature)
		if !got.Time.IsZero() || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], tt.note) {
			t.Errorf("time %v, notes %q, want none and one with %q", got.Time, got.Notes, tt.note)
		}
	}

	var token []byte
	many, _ := stamped(t, p, p.alice, form{after: func(sd *cms.SignedData) {
		attr := &sd.Signer.UnsignedAttributes[0]
		for range 8 {
			attr.Values = append(attr.Values, attr.Values[0])
		}
	}}, days(-1))
	twice, _ := stamped(t, p, p.alice, form{after: func(sd *cms.SignedData) {
		token = sd.Signer.UnsignedAttributes[0].Values[0]
		sd.Signer.AddTimeStamp(token)
	}}, days(-1))
	other, _ := stamped(t, p, p.alice, form{after: func(sd *cms.SignedData) {
		sd.Signer.UnsignedAttributes[0].Values[0] = token
	}}, days(-1))
	none, _ := stamped(t, p, p.alice, form{after: func(sd *cms.SignedData) {
		sd.Signer.UnsignedAttributes[0].Values[0] = []byte{0x30, 0}
	}}, days(-1))
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Timestamps = check })
	wantGood(t, "one", v, signature)
	wantBad(t, "nine", v, many, verifier.MalformedSignature, "more than the limit of 8")
	wantBad(t, "one twice", v, twice, verifier.MalformedSignature, "occurs twice")
	wantBad(t, "of another signature", v, other, verifier.BadTime, "imprint of another signature")
	wantBad(t, "no token", v, none, verifier.MalformedSignature, "checking the time-stamp")
	stranger := newPKI(t)
	wantBad(t, "a stranger's", stranger.verifier(t, func(cfg *smime.Config) { cfg.Timestamps = check }), other, verifier.UntrustedCertificate, "imprint")
	timeless := p.verifier(t, func(cfg *smime.Config) {
		cfg.Timestamps = func(_, _ []byte) (time.Time, error) { return time.Time{}, nil }
	})
	wantBad(t, "no time", timeless, signature, verifier.BadTime, "no time")
	// A class of the time-stamp's is not one of the signature's.
	weak := p.verifier(t, func(cfg *smime.Config) {
		cfg.Timestamps = func(_, _ []byte) (time.Time, error) {
			return time.Time{}, &verifier.KeyError{Class: verifier.WeakAlgorithm, Err: errors.New("SHA-1")}
		}
	})
	var kerr *verifier.KeyError
	if _, err := weak.Verify(payload, signature); !errors.As(err, &kerr) || kerr.Class != verifier.WeakAlgorithm || kerr.Valid != nil {
		t.Errorf("weak: Verify = %v, want weak-algorithm and no facts", err)
	}
}
