package smime_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/smime"
)

func TestUsages(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, nil)
	usage := func(of ...x509.ExtKeyUsage) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = of }
	}
	for _, tt := range []struct {
		name string
		edit func(c *x509.Certificate)
		good bool
	}{
		{"no usages", func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil }, true},
		{"content commitment", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment }, true},
		{"encryption too", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment }, true},
		{"certificates only", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, false},
		{"code signing", usage(x509.ExtKeyUsageCodeSigning), true},
		{"any", usage(x509.ExtKeyUsageAny), true},
		{"e-mail and clients", usage(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection), true},
		{"clients", usage(x509.ExtKeyUsageClientAuth), false},
		{"time-stamps", usage(x509.ExtKeyUsageTimeStamping), false},
		{"unknown", func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		}, false},
	} {
		signature := p.sign(t, p.signer(t, tt.edit), form{})
		if tt.good {
			wantGood(t, tt.name, v, signature)
		} else {
			wantBad(t, tt.name, v, signature, verifier.UntrustedCertificate, "")
		}
	}
}

// TestAuthoritiesAreHeldToWhatTheyMayIssue has authorities that the signer's
// certificate does not fit.
func TestAuthoritiesAreHeldToWhatTheyMayIssue(t *testing.T) {
	p := newPKI(t)
	for _, tt := range []struct {
		name, reason string
		edit         func(c *x509.Certificate)
	}{
		{"for servers", "key usage", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		{"for code, the signer for e-mail", "key usage", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }},
		{"no authority", "", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, 0 }},
		{"not for certificates", "", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }},
		{"of other addresses", "", func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedEmailAddresses = true, []string{"example.org"}
		}},
		{"an unknown critical extension", "critical extension", func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, extension(1, 2, 3)) }},
	} {
		q := *p
		q.ca = issue(t, p.root, "Issuing", nil, func(c *x509.Certificate) { isAuthority(c); tt.edit(c) })
		q.alice = issue(t, q.ca, "Alice", nil, isSigner)
		wantBad(t, tt.name, q.verifier(t, nil), q.sign(t, q.alice, form{}), verifier.UntrustedCertificate, tt.reason)
	}

	// The root allows no authority below it.
	q := pki{root: issue(t, nil, "Root", nil, func(c *x509.Certificate) { isAuthority(c); c.MaxPathLenZero = true })}
	q.ca = issue(t, q.root, "Issuing", nil, isAuthority)
	q.alice = issue(t, q.ca, "Alice", nil, isSigner)
	wantBad(t, "path length", q.verifier(t, nil), q.sign(t, q.alice, form{}), verifier.UntrustedCertificate, "too many intermediates")

	// What is named as an intermediate is no root.
	only := newPKI(t).verifier(t, func(cfg *smime.Config) { cfg.Intermediates = []*x509.Certificate{p.root.cert, p.ca.cert} })
	wantBad(t, "intermediates only", only, p.sign(t, p.alice, form{}), verifier.UntrustedCertificate, "unknown authority")
	// What is named as one need not be carried.
	named := p.verifier(t, func(cfg *smime.Config) { cfg.Intermediates = []*x509.Certificate{p.ca.cert} })
	wantGood(t, "intermediate named", named, p.sign(t, p.alice, form{carried: []*x509.Certificate{}}))
}

// TestCertificatesThatLeadAstray names so many that crypto/x509 gives up, in an
// order in which it does not get to the right one; but not when the signer's
// certificate began, for then they were not valid yet.
func TestCertificatesThatLeadAstray(t *testing.T) {
	p := newPKI(t)
	var named []*x509.Certificate
	for range 14 {
		decoy := issue(t, p.ca, "Issuing", p.ca.key, func(c *x509.Certificate) { isAuthority(c); c.NotBefore = days(-5) })
		named = append(named, decoy.cert)
	}
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Intermediates = append(named, p.ca.cert) })
	wantBad(t, "", v, p.sign(t, p.alice, form{}), verifier.UntrustedCertificate, "limit")
}

// TestNoCertificateIsJudgedByTheClock has a certificate that begins at the zero
// time, which crypto/x509 takes for now, and a root that is good now but at no
// time that the certificate names.
func TestNoCertificateIsJudgedByTheClock(t *testing.T) {
	p := newPKI(t)
	p.root = issue(t, nil, "Root", nil, func(c *x509.Certificate) { isAuthority(c); c.NotAfter = now.AddDate(74, 0, 0) })
	alice := issue(t, p.root, "Alice", nil, func(c *x509.Certificate) {
		isSigner(c)
		c.NotBefore, c.NotAfter = time.Time{}, now.AddDate(100, 0, 0)
	})
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Rules.At = now.AddDate(-20, 0, 0) })
	wantBad(t, "", v, p.sign(t, alice, form{}), verifier.UntrustedCertificate, "no time")
}

func TestCertificatesMayStandInAnyOrder(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, nil)
	certs := [][]byte{p.root.cert.Raw, p.ca.cert.Raw, p.alice.cert.Raw, newPKI(t).ca.cert.Raw}
	for range certs {
		certs = append(certs[1:], certs[0])
		wantGood(t, "", v, p.sign(t, p.alice, form{after: func(sd *cms.SignedData) { sd.Certificates = certs }}))
	}
}

// TestKeylessCertificatesAreNotForMail has an instance whose authority stands
// below a root that is trusted for mail, and certificates that it issued with
// Sigstore's extension and without.
func TestKeylessCertificatesAreNotForMail(t *testing.T) {
	p := newPKI(t)
	root := &verifier.TrustedRoot{CertificateAuthorities: parseRoot(t).CertificateAuthorities[:1]}
	root.CertificateAuthorities[0].Chain = []*x509.Certificate{p.ca.cert, p.root.cert}
	signature := p.sign(t, p.alice, form{})
	instance := func(cfg *smime.Config) { cfg.TrustedRoots = []*verifier.TrustedRoot{root} }
	wantGood(t, "without the instance", p.verifier(t, nil), signature)
	wantBad(t, "with it", p.verifier(t, instance), signature, verifier.UntrustedCertificate, "keyless signatures")

	// Another certificate of the same authority is the same authority.
	cross := issue(t, p.root, "Issuing", p.ca.key, isAuthority)
	wantBad(t, "renewed", p.verifier(t, instance), p.sign(t, p.alice, form{carried: []*x509.Certificate{cross.cert}}), verifier.UntrustedCertificate, "keyless signatures")

	// The authority's root may have others below it.
	mail := *p
	mail.ca = issue(t, p.root, "Mail", nil, isAuthority)
	mail.alice = issue(t, mail.ca, "Alice", nil, isSigner)
	wantGood(t, "another authority", p.verifier(t, instance), mail.sign(t, mail.alice, form{}))

	cfg := p.config()
	cfg.Roots = append(cfg.Roots, cross.cert)
	instance(&cfg)
	if _, err := smime.New(cfg); err == nil || !strings.Contains(err.Error(), `root "CN=Issuing,O=Example" issues the certificates of keyless signatures`) {
		t.Errorf("New = %v, want that a root is the instance's", err)
	}
}

// parseRoot returns the trusted root of an authority of its own.
func parseRoot(t testing.TB) *verifier.TrustedRoot {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestTakes(t *testing.T) {
	p := newPKI(t)
	sigstore := p.signer(t, func(c *x509.Certificate) {
		e := extension(1, 3, 6, 1, 4, 1, 57264, 1, 1)
		e.Critical = false
		c.ExtraExtensions = append(c.ExtraExtensions, e)
	})
	near := p.signer(t, func(c *x509.Certificate) {
		e := extension(1, 3, 6, 1, 4, 1, 57264, 2)
		e.Critical = false
		c.ExtraExtensions = append(c.ExtraExtensions, e)
	})
	good := p.sign(t, p.alice, form{})
	for _, tt := range []struct {
		name      string
		signature []byte
		want      bool
	}{
		{"S/MIME", good, true},
		{"a stranger's", newPKI(t).sign(t, p.alice, form{}), true},
		{"wrong", p.sign(t, p.alice, form{signed: func(der []byte) []byte { return flip(der, 9) }}), true},
		{"a near extension", p.sign(t, near, form{}), true},
		{"Sigstore's", p.sign(t, sigstore, form{}), false},
		{"Sigstore's, beside another's", p.sign(t, sigstore, form{carried: []*x509.Certificate{p.alice.cert}}), false},
		{"another's, beside Sigstore's", p.sign(t, p.alice, form{carried: []*x509.Certificate{sigstore.cert}}), true},
		{"cut off", good[:len(good)-40], false},
		{"not CMS", cms.Armor([]byte{0x30, 0}), false},
		{"nothing", nil, false},
	} {
		if got := smime.Takes(tt.signature); got != tt.want {
			t.Errorf("%s: Takes = %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestNewNeedsRootAndTime(t *testing.T) {
	p := newPKI(t)
	for want, edit := range map[string]func(cfg *smime.Config){
		"no root": func(cfg *smime.Config) { cfg.Roots = nil },
		"no time": func(cfg *smime.Config) { cfg.Rules = verifier.KeyRules{} },
	} {
		cfg := p.config()
		edit(&cfg)
		if v, err := smime.New(cfg); v != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, %v, want an error with %q", v, err, want)
		}
	}
}

func TestDigestIsOfAllThatVerdictsDependOn(t *testing.T) {
	p := newPKI(t)
	root := parseRoot(t)
	base := func(edit func(cfg *smime.Config)) [32]byte {
		return p.verifier(t, func(cfg *smime.Config) {
			cfg.Roots = append(cfg.Roots, p.ca.cert)
			cfg.Rules.Weak = []string{"sha1", "rsa1024"}
			edit(cfg)
		}).Digest()
	}
	same := base(func(*smime.Config) {})
	for name, edit := range map[string]func(cfg *smime.Config){
		"order of roots":  func(cfg *smime.Config) { slices.Reverse(cfg.Roots) },
		"a root twice":    func(cfg *smime.Config) { cfg.Roots = append(cfg.Roots, p.root.cert) },
		"order of names":  func(cfg *smime.Config) { slices.Reverse(cfg.Rules.Weak) },
		"time of judging": func(cfg *smime.Config) { cfg.Rules.At = days(1) },
	} {
		if got := base(edit); got != same {
			t.Errorf("%s: the digest is another", name)
		}
	}
	seen := map[[32]byte]string{same: "unchanged"}
	for name, edit := range map[string]func(cfg *smime.Config){
		"fewer roots":  func(cfg *smime.Config) { cfg.Roots = cfg.Roots[:1] },
		"other root":   func(cfg *smime.Config) { cfg.Roots[1] = p.alice.cert },
		"intermediate": func(cfg *smime.Config) { cfg.Intermediates = []*x509.Certificate{p.ca.cert} },
		"moved":        func(cfg *smime.Config) { cfg.Roots, cfg.Intermediates = cfg.Roots[:1], cfg.Roots[1:] },
		"list":         withLists(revoke(t, p.ca, nil)),
		"trusted root": func(cfg *smime.Config) { cfg.TrustedRoots = []*verifier.TrustedRoot{root} },
		"weak":         func(cfg *smime.Config) { cfg.Rules.Weak = nil },
		"less weak":    func(cfg *smime.Config) { cfg.Rules.Weak = cfg.Rules.Weak[:1] },
		"at signing":   func(cfg *smime.Config) { cfg.Rules.AtSigning = true },
		"time-stamps":  func(cfg *smime.Config) { _, cfg.Timestamps = stamped(t, p, p.alice, form{}) },
	} {
		d := base(edit)
		if other, ok := seen[d]; ok {
			t.Errorf("%s: the digest is that of %s", name, other)
		}
		seen[d] = name
	}
}

// TestVerifierIsSafeForSeveralGoroutines shares what is kept: whether an
// authority signed a list.
func TestVerifierIsSafeForSeveralGoroutines(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, withLists(revoke(t, p.ca, nil), revoke(t, p.root, nil)))
	signature := p.sign(t, p.alice, form{})
	want := bytes.Clone(signature)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				wantGood(t, "", v, signature)
			}
		})
	}
	wg.Wait()
	if !bytes.Equal(signature, want) {
		t.Error("Verify changed the signature")
	}
}
