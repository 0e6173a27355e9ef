package smime_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/smime"
)

// revoke makes a revocation list of an authority that names certificates. It
// tells up to ten days after now, unless edit says otherwise.
func revoke(t testing.TB, ca *holder, edit func(l *x509.RevocationList), certs ...*x509.Certificate) *x509.RevocationList {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: days(-10), NextUpdate: days(10)}
	for _, cert := range certs {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: days(-20)})
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func withLists(lists ...*x509.RevocationList) func(cfg *smime.Config) {
	return func(cfg *smime.Config) { cfg.Lists = lists }
}

func TestRevocation(t *testing.T) {
	p := newPKI(t)
	other := p.signer(t, func(c *x509.Certificate) {})
	reasons := func(code int) func(l *x509.RevocationList) {
		return func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = code }
	}
	// Of the name and the key identifier of the authority, by another key.
	imposter := issue(t, nil, "Issuing", nil, func(c *x509.Certificate) { isAuthority(c); c.SubjectKeyId = p.ca.cert.SubjectKeyId })
	renewed := issue(t, p.root, "Issuing", nil, isAuthority)
	signature := p.sign(t, p.alice, form{})
	rootList := revoke(t, p.root, nil)
	const told, untold = "", "no list"
	for _, tt := range []struct {
		name   string
		lists  []*x509.RevocationList
		class  verifier.Class
		reason string
	}{
		{"in no list", []*x509.RevocationList{revoke(t, p.ca, nil, other.cert), rootList}, verifier.Verified, told},
		{"no list of the authority's", []*x509.RevocationList{rootList}, verifier.Verified, untold},
		{"in a list", []*x509.RevocationList{rootList, revoke(t, p.ca, nil, other.cert, p.alice.cert)}, verifier.Revoked, `"CN=Alice,O=Example" was revoked at 2026-05-12T12:00:00Z by "CN=Issuing,O=Example"`},
		{"replaced by another", []*x509.RevocationList{revoke(t, p.ca, reasons(4), p.alice.cert)}, verifier.Revoked, "was revoked"},
		{"revoked later", []*x509.RevocationList{revoke(t, p.ca, func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].RevocationTime = days(5) }, p.alice.cert)}, verifier.Revoked, "2026-06-06"},
		{"in an old list", []*x509.RevocationList{revoke(t, p.ca, func(l *x509.RevocationList) { l.NextUpdate = days(-5) }, p.alice.cert)}, verifier.Revoked, "was revoked"},
		{"the authority", []*x509.RevocationList{revoke(t, p.ca, nil), revoke(t, p.root, nil, p.ca.cert)}, verifier.Revoked, `"CN=Issuing,O=Example" was revoked`},
		{"the list has ended", []*x509.RevocationList{revoke(t, p.ca, func(l *x509.RevocationList) { l.NextUpdate = days(-1) })}, verifier.UnknownKey, `revocation list of "CN=Issuing,O=Example" ended at 2026-05-31`},
		{"one of two lists has ended", []*x509.RevocationList{rootList, revoke(t, p.ca, func(l *x509.RevocationList) { l.NextUpdate = days(-1) }), revoke(t, p.ca, nil)}, verifier.Verified, told},
		{"the other has ended", []*x509.RevocationList{rootList, revoke(t, p.ca, nil), revoke(t, p.ca, func(l *x509.RevocationList) { l.NextUpdate = days(-1) })}, verifier.Verified, told},
		{"the root's list is of signers", []*x509.RevocationList{revoke(t, p.root, scoped(0x81, 1, 0xff)), revoke(t, p.ca, nil)}, verifier.Verified, untold},
		{"an imposter's list", []*x509.RevocationList{revoke(t, imposter, nil, p.alice.cert)}, verifier.UnknownKey, "cannot tell"},
		{"a list by another key of the authority", []*x509.RevocationList{rootList, revoke(t, renewed, nil, p.alice.cert)}, verifier.Verified, untold},
		{"a list of signers", []*x509.RevocationList{rootList, revoke(t, p.ca, scoped(0x81, 1, 0xff))}, verifier.Verified, told},
		{"a list of authorities", []*x509.RevocationList{rootList, revoke(t, p.ca, scoped(0x82, 1, 0xff))}, verifier.Verified, untold},
		{"in a list of authorities", []*x509.RevocationList{rootList, revoke(t, p.ca, scoped(0x82, 1, 0xff), p.alice.cert)}, verifier.Revoked, "was revoked"},
		{"a list of another point", []*x509.RevocationList{rootList, revoke(t, p.ca, scoped(0xa0, 5, 0xa0, 3, 0x86, 1, 'x'))}, verifier.Verified, untold},
	} {
		v := p.verifier(t, withLists(tt.lists...))
		if tt.class != verifier.Verified {
			wantBad(t, tt.name, v, signature, tt.class, tt.reason)
			continue
		}
		got := wantGood(t, tt.name, v, signature)
		wantNotes := 0
		if tt.reason == untold {
			wantNotes = 1
		}
		if len(got.Notes) != wantNotes || wantNotes == 1 && !strings.Contains(got.Notes[0], `no revocation list of "CN=`) {
			t.Errorf("%s: notes %q, want %d", tt.name, got.Notes, wantNotes)
		}
		if !got.Lapses.Equal(days(10)) {
			t.Errorf("%s: lapses at %v, want %v", tt.name, got.Lapses, days(10))
		}
	}
}

// scoped returns an edit that gives a list an issuing distribution point.
func scoped(body ...byte) func(l *x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: []int{2, 5, 29, 28}, Critical: true,
			Value: append([]byte{0x30, byte(len(body))}, body...)})
	}
}

func TestListOfTheCertificatesPointTells(t *testing.T) {
	p := newPKI(t)
	alice := p.signer(t, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://a", "x"} })
	for _, ended := range []bool{false, true} {
		v := p.verifier(t, withLists(revoke(t, p.root, nil), revoke(t, p.ca, func(l *x509.RevocationList) {
			scoped(0xa0, 8, 0xa0, 6, 0x82, 1, 'y', 0x86, 1, 'x')(l)
			if ended {
				l.NextUpdate = days(-1)
			}
		})))
		if ended {
			wantBad(t, "ended", v, p.sign(t, alice, form{}), verifier.UnknownKey, "ended at")
		} else if notes := wantGood(t, "", v, p.sign(t, alice, form{})).Notes; len(notes) != 0 {
			t.Errorf("notes %q, want none", notes)
		}
	}
}

// TestRevocationAndTime has times at which the key was still its holder's.
func TestRevocationAndTime(t *testing.T) {
	p := newPKI(t)
	for _, tt := range []struct {
		name   string
		proven time.Time // zero: none
		claims time.Time
		reason int
		good   bool
	}{
		{"claimed before", time.Time{}, days(-30), 4, false},
		{"proven before", days(-30), days(-30), 4, true},
		{"proven before, another affiliation", days(-30), days(-30), 3, true},
		{"proven before, no longer used", days(-30), days(-30), 5, true},
		{"proven before, stolen", days(-30), days(-30), 1, false},
		{"proven before, no reason", days(-30), days(-30), 0, false},
		{"proven before, on hold", days(-30), days(-30), 6, false},
		{"proven after", days(-15), days(-30), 4, false},
	} {
		list := revoke(t, p.ca, func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = tt.reason }, p.alice.cert)
		var at []time.Time
		if !tt.proven.IsZero() {
			at = append(at, tt.proven)
		}
		signature, check := stamped(t, p, p.alice, form{claimed: tt.claims}, at...)
		v := p.verifier(t, func(cfg *smime.Config) {
			cfg.Lists, cfg.Timestamps, cfg.Rules.AtSigning = []*x509.RevocationList{list}, check, true
		})
		if tt.good {
			if got := wantGood(t, tt.name, v, signature); !got.Lapses.IsZero() {
				t.Errorf("%s: lapses at %v, want never", tt.name, got.Lapses)
			}
		} else {
			wantBad(t, tt.name, v, signature, verifier.Revoked, "was revoked")
		}
	}
}

// TestListOfADeadAuthorityTells judges at signing, which a list reaches that
// ended since.
func TestListOfADeadAuthorityTells(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, func(cfg *smime.Config) {
		cfg.Lists = []*x509.RevocationList{revoke(t, p.root, nil), revoke(t, p.ca, func(l *x509.RevocationList) { l.NextUpdate = days(-5) })}
		cfg.Rules.AtSigning = true
	})
	wantGood(t, "before its end", v, p.sign(t, p.alice, form{claimed: days(-6)}))
	wantBad(t, "after its end", v, p.sign(t, p.alice, form{claimed: days(-4)}), verifier.UnknownKey, "ended at")
}

// TestExpiredCertificateIsJudgedByLists has a list that names it, and one that
// ended before.
func TestExpiredCertificateIsJudgedByLists(t *testing.T) {
	p := newPKI(t)
	old := p.signer(t, func(c *x509.Certificate) { c.NotAfter = days(-10) })
	signature := p.sign(t, old, form{})
	wantBad(t, "named", p.verifier(t, withLists(revoke(t, p.ca, nil, old.cert))), signature, verifier.Revoked, "was revoked")
	ended := revoke(t, p.ca, func(l *x509.RevocationList) { l.NextUpdate = days(-9) })
	wantBad(t, "ended", p.verifier(t, withLists(ended)), signature, verifier.ExpiredKey, "not valid at")
}

// TestNoWayAroundARevokedAuthority has another root that certifies the key of
// an authority that the first has revoked.
func TestNoWayAroundARevokedAuthority(t *testing.T) {
	p := newPKI(t)
	second := issue(t, nil, "Second", nil, isAuthority)
	cross := issue(t, second, "Issuing", p.ca.key, isAuthority)
	signature := p.sign(t, p.alice, form{carried: []*x509.Certificate{cross.cert, p.ca.cert}})
	both := func(cfg *smime.Config) {
		cfg.Roots = append(cfg.Roots, second.cert)
		cfg.Lists = []*x509.RevocationList{revoke(t, p.root, nil, p.ca.cert), revoke(t, second, nil)}
	}
	wantBad(t, "", p.verifier(t, both), signature, verifier.Revoked, "was revoked")
}

func TestListsThatAreRefused(t *testing.T) {
	p := newPKI(t)
	p.ca = issue(t, p.root, "Issuing", rsa2048(), isAuthority)
	critical := func(id ...int) pkix.Extension { return extension(id...) }
	for _, tt := range []struct {
		name string
		edit func(l *x509.RevocationList)
		want string
	}{
		{"SHA-1", func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.SHA1WithRSA }, "too weak"},
		{"a delta", func(l *x509.RevocationList) { l.ExtraExtensions = append(l.ExtraExtensions, critical(2, 5, 29, 27)) }, "unknown critical extension 2.5.29.27"},
		{"others' certificates", func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{critical(2, 5, 29, 29)}
		}, "unknown critical extension 2.5.29.29"},
		{"some reasons", scoped(0x83, 2, 7, 0x80), "some reasons only"},
		{"indirect", scoped(0x84, 1, 0xff), "other certificates"},
		{"false written", scoped(0x81, 1, 0), "malformed issuing"},
		{"relative name", scoped(0xa0, 2, 0xa1, 0), "relative name"},
		{"broken names", scoped(0xa0, 4, 0xa0, 2, 0x86, 9), "malformed name"},
		{"broken point", scoped(0xa0, 9), "malformed issuing"},
		{"trailing bytes", func(l *x509.RevocationList) {
			l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: []int{2, 5, 29, 28}, Value: []byte{0x30, 0, 0}})
		}, "malformed issuing"},
	} {
		cfg := p.config()
		cfg.Lists = []*x509.RevocationList{revoke(t, p.ca, tt.edit, p.alice.cert)}
		if _, err := smime.New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `revocation list of "CN=Issuing`) {
			t.Errorf("%s: New = %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	endless := *revoke(t, p.ca, nil)
	endless.NextUpdate = time.Time{}
	cfg := p.config()
	cfg.Lists = []*x509.RevocationList{&endless}
	if _, err := smime.New(cfg); err == nil || !strings.Contains(err.Error(), "does not say when the next") {
		t.Errorf("endless: New = %v, want an error", err)
	}
}

// TestReadLists has also what x509.ParseRevocationList passes over.
func TestReadLists(t *testing.T) {
	p := newPKI(t)
	list := revoke(t, p.ca, nil, p.alice.cert)
	got, err := smime.ReadLists("f", slices.Concat(list.Raw, list.Raw))
	if err != nil || len(got) != 2 || len(got[0].RevokedCertificateEntries) != 1 {
		t.Errorf("ReadLists of two in DER = %v, %v", got, err)
	}
	got, err = smime.ReadLists("f", pemBlock("X509 CRL", list.Raw))
	if err != nil || len(got) != 1 {
		t.Errorf("ReadLists of one in PEM = %v, %v", got, err)
	}
	for name, data := range map[string][]byte{
		"a certificate": p.root.cert.Raw, "a certificate in PEM": pemBlock("CERTIFICATE", p.root.cert.Raw),
		"bytes after it": pemBlock("X509 CRL", append(slices.Clone(list.Raw), 0)), "nothing": nil,
	} {
		if got, err := smime.ReadLists("f", data); err == nil || got != nil || !strings.Contains(err.Error(), "reading f: ") {
			t.Errorf("%s: ReadLists = %v, %v, want an error", name, got, err)
		}
	}
}
