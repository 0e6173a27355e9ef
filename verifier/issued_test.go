package verifier_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// issuedTo returns a certificate of the authority's, in DER, and when it
// begins.
func issuedTo(t testing.TB, a *fakeca.Authority, subject string) ([]byte, time.Time) {
	t.Helper()
	key := newKey(t)
	token, err := a.Token(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(subject))
	proof, err := ecdsa.SignASN1(nil, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	chain, err := a.Certify(t.Context(), token, spki, proof)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return chain[0], leaf.NotBefore
}

func TestCertificateAlone(t *testing.T) {
	a, other := newAuthority(t, fakeca.Config{}), newAuthority(t, fakeca.Config{})
	der, from := issuedTo(t, a, "alice@example.com")
	until := from.Add(10 * time.Minute)
	root := rootOf(t, a, nil)
	ended := trust.Window{Start: root.CTLogs[0].ValidFor.Start, End: from.Add(-time.Second)}
	for _, tt := range []struct {
		name    string
		der     []byte
		roots   []*verifier.TrustedRoot
		at      time.Time
		allowed verifier.Allowed
		check   verifier.Check // "": good
		class   verifier.Class
		words   string
	}{
		{name: "good", at: from},
		{name: "in its last second", at: until},
		{name: "under the second of two roots", roots: []*verifier.TrustedRoot{rootOf(t, other, nil), root}},
		{name: "no log of certificates", roots: []*verifier.TrustedRoot{rootOf(t, a, func(r *trust.TrustedRoot) { r.CTLogs = nil })}},
		{name: "too early", at: from.Add(-time.Second), check: verifier.CheckChain, class: verifier.BadTime, words: "the signer's certificate is not valid at"},
		{name: "too late", at: until.Add(time.Second), check: verifier.CheckChain, class: verifier.BadTime, words: "the signer's certificate is not valid at"},
		{name: "another authority", roots: []*verifier.TrustedRoot{rootOf(t, other, nil)},
			check: verifier.CheckChain, class: verifier.UntrustedCertificate, words: "not by an authority of the trusted root"},
		{name: "authority that ended", roots: []*verifier.TrustedRoot{rootOf(t, a, func(r *trust.TrustedRoot) {
			r.CertificateAuthorities = authoritiesFrom(r.CertificateAuthorities, ended)
		})}, check: verifier.CheckChain, class: verifier.BadTime, words: "is not trusted at"},
		{name: "log of certificates that ended", roots: []*verifier.TrustedRoot{rootOf(t, a, func(r *trust.TrustedRoot) { r.CTLogs = logsFrom(r.CTLogs, ended) })},
			check: verifier.CheckSCT, class: verifier.UntrustedCertificate, words: "by no certificate log of the trusted root"},
		{name: "nobody allowed", allowed: nobody{}, check: verifier.CheckIdentity, class: verifier.IdentityNotAllowed, words: errNobody.Error()},
		{name: "authority's own", der: a.CAChain()[0], check: verifier.CheckChain, class: verifier.UntrustedCertificate, words: "is an authority's"},
		{name: "something after it", der: append(bytes.Clone(der), 0), check: verifier.CheckChain, class: verifier.UntrustedCertificate, words: "reading the certificate"},
		{name: "too long", der: make([]byte, 1<<15+1), check: verifier.CheckChain, class: verifier.UntrustedCertificate, words: "more than the limit"},
	} {
		if tt.der == nil {
			tt.der = der
		}
		if tt.roots == nil {
			tt.roots = []*verifier.TrustedRoot{root}
		}
		if tt.at.IsZero() {
			tt.at = from
		}
		if tt.allowed == nil {
			tt.allowed = verifier.AnyIdentity{}
		}
		c, err := verifierOf(t, tt.roots...).VerifyCertificate(tt.der, tt.at, tt.allowed)
		if tt.check == "" {
			if err != nil || c.Identity != (verifier.Identity{Issuer: a.Issuer(), Subject: "alice@example.com"}) {
				t.Errorf("%s: %v, %v", tt.name, c, err)
			}
			continue
		}
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || c != nil || verr.Check != tt.check || verr.Class != tt.class || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v, %v, want %s, %s and %q", tt.name, c, err, tt.check, tt.class, tt.words)
		}
	}
	if c, err := verifierOf(t, root).VerifyCertificate(der, from, nil); err == nil || c != nil {
		t.Errorf("nil allowed: %v, %v, want a refusal", c, err)
	}
}

// TestCertificateAloneNoMixOfRoots: the authority of one trusted root and the
// certificate log of another are none.
func TestCertificateAloneNoMixOfRoots(t *testing.T) {
	a, other := newAuthority(t, fakeca.Config{}), newAuthority(t, fakeca.Config{})
	der, from := issuedTo(t, a, "alice@example.com")
	strangers := rootOf(t, other, nil)
	v := verifierOf(t,
		rootOf(t, a, func(r *trust.TrustedRoot) { r.CTLogs = strangers.CTLogs }),
		rootOf(t, other, func(r *trust.TrustedRoot) { r.CTLogs = rootOf(t, a, nil).CTLogs }))
	_, err := v.VerifyCertificate(der, from, verifier.AnyIdentity{})
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) || verr.Check != verifier.CheckSCT {
		t.Errorf("error %v, want one of check %s", err, verifier.CheckSCT)
	}
}
