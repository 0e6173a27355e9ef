package smime

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/verifier"
)

// usages are the purposes one of which a chain has to allow, if it names any.
// Signing commits is neither, and public authorities issue for e-mail what
// smimesign and gpgsm sign commits with.
var usages = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageCodeSigning}

// chains returns the chains from the signer's certificate to a root, of
// certificates that are all valid at one time. There is at least one if err is
// nil.
func (v *Verifier) chains(m *message, at time.Time) ([][]*x509.Certificate, error) {
	// crypto/x509 takes a zero time for now.
	if at.IsZero() {
		return nil, errors.New("certificate has no time")
	}
	if err := fit(m.leaf); err != nil {
		return nil, err
	}
	now := v.momentOf(m, at)
	if chains := v.seen.get(now); chains != nil {
		return chains, nil
	}
	intermediates := v.intermediates
	if authentic := v.authentic(m); len(authentic) > 0 {
		intermediates = intermediates.Clone()
		for _, cert := range authentic {
			intermediates.AddCert(cert)
		}
	}
	chains, err := m.leaf.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: usages,
	})
	if err != nil {
		return nil, fmt.Errorf("certificate issued by %q: %w", m.leaf.Issuer, err)
	}
	chains = slices.DeleteFunc(chains, func(chain []*x509.Certificate) bool {
		cerr := v.fitAuthorities(chain[1:])
		if cerr != nil {
			err = fmt.Errorf("certificate issued by %q: %w", m.leaf.Issuer, cerr)
		}
		return cerr != nil
	})
	if len(chains) == 0 {
		return nil, err
	}
	v.seen.add(now, chains)
	return chains, nil
}

// authentic returns those of the certificates carried that an authority signed
// that was named, or another of them. crypto/x509 tries certificates in every
// order, up to a hundred signatures, and with the rest these would all be by
// keys that a stranger has chosen for being slow.
func (v *Verifier) authentic(m *message) []*x509.Certificate {
	if m.authentic != nil {
		return m.authentic
	}
	m.authentic = []*x509.Certificate{}
	left := slices.DeleteFunc(slices.Clone(m.carried), func(c *x509.Certificate) bool { return slices.ContainsFunc(v.named, c.Equal) })
	for found := true; found; {
		found = false
		left = slices.DeleteFunc(left, func(cert *x509.Certificate) bool {
			signed := func(by *x509.Certificate) bool {
				return bytes.Equal(by.RawSubject, cert.RawIssuer) && cert.CheckSignatureFrom(by) == nil
			}
			if !slices.ContainsFunc(v.named, signed) && !slices.ContainsFunc(m.authentic, signed) {
				return false
			}
			m.authentic = append(m.authentic, cert)
			found = true
			return true
		})
	}
	return m.authentic
}

// fitAuthorities checks of the authorities of a chain what crypto/x509 does not.
// It takes every root of version 1 for one, which has no place to say that it
// is: whoever has such a certificate for signing could issue any.
func (v *Verifier) fitAuthorities(chain []*x509.Certificate) error {
	for _, cert := range chain {
		if !cert.IsCA {
			return fmt.Errorf("the certificate of %q is none of an authority", cert.Subject)
		}
		if v.isKeylessAuthority(cert) {
			return fmt.Errorf("%q issues certificates for keyless signatures", cert.Subject)
		}
	}
	return nil
}

// everChained returns chains to a root of certificates that were all valid at
// once when the signer's certificate began, or when it ends. There is at least
// one if err is nil.
func (v *Verifier) everChained(m *message) (chains [][]*x509.Certificate, err error) {
	for _, at := range []time.Time{m.leaf.NotBefore, m.leaf.NotAfter} {
		chains, cerr := v.chains(m, at)
		if cerr == nil {
			return chains, nil
		}
		if err == nil {
			err = cerr
		}
	}
	return nil, err
}

// fit checks that a certificate is one to sign with. crypto/x509 checks only
// its extended key usage.
func fit(leaf *x509.Certificate) error {
	if leaf.IsCA {
		return errors.New("certificate is an authority's, not a signer's")
	}
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if leaf.KeyUsage != 0 && leaf.KeyUsage&signs == 0 {
		return errors.New("certificate is not for digital signatures")
	}
	return nil
}

// isKeylessAuthority reports whether cert is of an authority that issues
// certificates for keyless signatures.
func (v *Verifier) isKeylessAuthority(cert *x509.Certificate) bool {
	return slices.ContainsFunc(v.keyless, func(a *x509.Certificate) bool { return sameAuthority(a, cert) })
}

// sameAuthority reports whether two certificates, which others may have issued
// and for other times, are of one name and key.
func sameAuthority(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// expiry says which certificate of a chain is not valid at a time; nil if all
// are.
func expiry(chain []*x509.Certificate, at time.Time) error {
	for i, cert := range chain {
		if !at.Before(cert.NotBefore) && !at.After(cert.NotAfter) {
			continue
		}
		what := "the signer's certificate"
		if i > 0 {
			what = fmt.Sprintf("the certificate of %q", cert.Subject)
		}
		return fmt.Errorf("%s is not valid at %s, only from %s to %s", what, at.UTC().Format(time.RFC3339),
			cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// strong returns the first chain without a weak key, or with those only that
// the rules accept.
func (v *Verifier) strong(m *message, chains [][]*x509.Certificate) ([]*x509.Certificate, *verifier.KeyError) {
	refused := func(w weakness) bool { return w.name == "" || !slices.Contains(v.rules.Weak, w.name) }
	if i := slices.IndexFunc(m.weak, refused); i >= 0 {
		return nil, m.fail(verifier.WeakAlgorithm, errors.New(m.weak[i].what))
	}
	var weak *verifier.KeyError
	for _, chain := range chains {
		i := slices.IndexFunc(chain[1:], func(c *x509.Certificate) bool {
			w, is := weakKey(c.PublicKey)
			return is && refused(w)
		})
		if i < 0 {
			return chain, nil
		}
		w, _ := weakKey(chain[1+i].PublicKey)
		weak = cmp.Or(weak, m.fail(verifier.WeakAlgorithm, fmt.Errorf("authority %q: %s", chain[1+i].Subject, w.what)))
	}
	return nil, weak
}
