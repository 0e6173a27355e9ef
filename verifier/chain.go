package verifier

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitseal/internal/fixedkey"
	"gitseal/internal/trust"
)

// maxIntermediates bounds how many certificates that a signature carries may
// stand between its leaf and an authority of the trusted root.
const maxIntermediates = 3

// A root is a trusted root made ready: what needs checking only once is
// checked once.
type root struct {
	trusted *trust.TrustedRoot
	cas     []*authority
	tsas    []*authority
	logKeys map[*trust.Log]crypto.PublicKey // of trusted's logs, to verify with

	scts        seen[seenSCT]
	checkpoints seen[seenCheckpoint]
}

// An authority is a certificate authority or time-stamp authority that a
// trusted root names.
type authority struct {
	*trust.Authority
	keys  []crypto.PublicKey // of its chain, to verify with
	links func() error       // checks, once, that its chain is signed from the top down
	seen  seen[seenLeaf]     // certificates that it signed
}

// newRoot makes a trusted root ready. Its keys are in keys, too: all that are
// used again and again, and none else.
func newRoot(tr *trust.TrustedRoot, keys *fixedkey.Set) *root {
	r := &root{trusted: tr, logKeys: make(map[*trust.Log]crypto.PublicKey)}
	for i := range tr.CertificateAuthorities {
		r.cas = append(r.cas, newAuthority(&tr.CertificateAuthorities[i], keys))
	}
	for i := range tr.TimestampAuthorities {
		r.tsas = append(r.tsas, newAuthority(&tr.TimestampAuthorities[i], keys))
	}
	for _, logs := range [][]trust.Log{tr.TLogs, tr.CTLogs} {
		for i := range logs {
			r.logKeys[&logs[i]] = keys.Key(logs[i].PublicKey)
		}
	}
	return r
}

func newAuthority(a *trust.Authority, set *fixedkey.Set) *authority {
	var keys []crypto.PublicKey
	for _, cert := range a.Chain {
		keys = append(keys, set.Key(cert.PublicKey))
	}
	ready := &authority{Authority: a, keys: keys}
	ready.links = sync.OnceValue(func() error {
		for i, cert := range a.Chain[:len(a.Chain)-1] {
			if err := ready.signedBy(cert, i+1); err != nil {
				return fmt.Errorf("certificate %d of %s in the trusted root: %w", i, a.URI, err)
			}
		}
		return nil
	})
	return ready
}

// chain checks that a certificate authority of the trusted root issued the
// signer's certificate for signing code, with every certificate in between,
// and the authority itself, valid at each of the times. It returns the
// certificate that issued the leaf.
func (r *root) chain(s *signature, times []ProvenTime) (issuer *x509.Certificate, err error) {
	for _, ca := range r.cas {
		path, perr := ca.path(s.leaf, s.extra, x509.ExtKeyUsageCodeSigning)
		if perr == nil {
			perr = ca.validAt(path, times)
		}
		if perr == nil {
			return path[1], nil
		}
		// A failure of the authority that does name itself as the issuer
		// says more than a stranger's.
		if !errors.Is(perr, errNoPath) {
			err = perr
		}
	}
	if err == nil {
		err = fmt.Errorf("certificate issued by %q, not by an authority of the trusted root", s.leaf.Issuer)
	}
	return nil, err
}

var errNoPath = errors.New("no path to this authority")

// path returns the certificates from leaf up to the top of the authority's
// chain, each signed by the next. Only a's own certificates are trusted;
// extra ones may stand in between.
func (a *authority) path(leaf *x509.Certificate, extra []*x509.Certificate, usage x509.ExtKeyUsage) ([]*x509.Certificate, error) {
	path := append(make([]*x509.Certificate, 0, maxIntermediates+2), leaf)
	for cert := leaf; len(path) <= maxIntermediates+1; {
		if i := a.issuerOf(cert); i >= 0 {
			if err := a.signed(cert, i); err != nil {
				return nil, err
			}
			if err := a.links(); err != nil {
				return nil, err
			}
			path = append(path, a.Chain[i:]...)
			return path, fit(path, usage)
		}
		i := slices.IndexFunc(extra, func(c *x509.Certificate) bool { return c.IsCA && issues(c, cert) && c != cert })
		if i < 0 {
			return nil, errNoPath
		}
		if err := signedBy(cert, extra[i]); err != nil {
			return nil, err
		}
		cert = extra[i]
		path = append(path, cert)
	}
	return nil, errNoPath
}

// issuerOf returns the index in a's chain of the certificate that names
// itself as cert's issuer, or -1.
func (a *authority) issuerOf(cert *x509.Certificate) int {
	return slices.IndexFunc(a.Chain, func(c *x509.Certificate) bool { return c.IsCA && issues(c, cert) })
}

// issues reports whether the names and key identifiers say that parent
// issued child (RFC 5280, sections 4.1.2.4 and 4.2.1.1).
func issues(parent, child *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, child.RawIssuer) &&
		(len(child.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 ||
			bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId))
}

// signedBy checks child's signature with parent's key, and that parent is a
// certificate authority that may sign certificates.
func signedBy(child, parent *x509.Certificate) error {
	if err := child.CheckSignatureFrom(parent); err != nil {
		return errNotSigned(parent, err)
	}
	return nil
}

func errNotSigned(parent *x509.Certificate, err error) error {
	return fmt.Errorf("certificate not signed by %q: %w", parent.Subject, err)
}

// fit checks that a path, from its leaf up, is one for the given purpose.
func fit(path []*x509.Certificate, usage x509.ExtKeyUsage) error {
	if err := leafFit(path[0], usage); err != nil {
		return err
	}
	return authoritiesFit(path[1:], usage)
}

// leafFit checks that a certificate may sign for the given purpose and is
// not an authority itself.
func leafFit(cert *x509.Certificate, usage x509.ExtKeyUsage) error {
	if cert.IsCA {
		return errors.New("certificate is an authority's, not a signer's")
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return errors.New("certificate is not for digital signatures")
	}
	if !slices.Contains(cert.ExtKeyUsage, usage) {
		return fmt.Errorf("certificate is not for %s", purpose(usage))
	}
	for _, id := range cert.UnhandledCriticalExtensions {
		// crypto/x509 knows no otherName; readSubject does.
		if !id.Equal(oidSubjectAltName) {
			return fmt.Errorf("certificate has an unknown critical extension %v", id)
		}
	}
	return nil
}

func purpose(usage x509.ExtKeyUsage) string {
	if usage == x509.ExtKeyUsageTimeStamping {
		return "time-stamping"
	}
	return "code signing"
}

// authoritiesFit checks what RFC 5280 section 6.1 asks of the authorities
// above a leaf: path length, extended key usage, no constraint left unread.
func authoritiesFit(cas []*x509.Certificate, usage x509.ExtKeyUsage) error {
	for i, ca := range cas {
		if ca.MaxPathLen >= 0 && (ca.MaxPathLen > 0 || ca.MaxPathLenZero) && i > ca.MaxPathLen {
			return fmt.Errorf("certificate of %q: path too long", ca.Subject)
		}
		if len(ca.ExtKeyUsage) > 0 && !slices.Contains(ca.ExtKeyUsage, usage) && !slices.Contains(ca.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return fmt.Errorf("certificate of %q is not for %s", ca.Subject, purpose(usage))
		}
		if len(ca.UnhandledCriticalExtensions) > 0 || constrained(ca) {
			return fmt.Errorf("certificate of %q has constraints that are not supported", ca.Subject)
		}
	}
	return nil
}

// constrained reports whether ca has name constraints. No authority of this
// field uses them; one that did must not be taken for unconstrained.
func constrained(ca *x509.Certificate) bool {
	return len(ca.PermittedDNSDomains)+len(ca.ExcludedDNSDomains)+
		len(ca.PermittedIPRanges)+len(ca.ExcludedIPRanges)+
		len(ca.PermittedEmailAddresses)+len(ca.ExcludedEmailAddresses)+
		len(ca.PermittedURIDomains)+len(ca.ExcludedURIDomains) > 0
}

// validAt checks that the authority and every certificate of path were valid
// at each of the times. Bounds are inclusive: a log may record a signature in
// the second in which its certificate begins.
func (a *authority) validAt(path []*x509.Certificate, times []ProvenTime) error {
	for i := range times {
		t := times[i].Time
		if !a.ValidFor.Contains(t) {
			return classed(BadTime, "authority %s is not trusted at %s", a.URI, t.Format(time.RFC3339))
		}
		for i, cert := range path {
			if t.Before(cert.NotBefore) || t.After(cert.NotAfter) {
				what := "the signer's certificate"
				if i > 0 {
					what = fmt.Sprintf("the certificate of %q", cert.Subject)
				}
				return classed(BadTime, "%s is not valid at %s, only from %s to %s", what, t.Format(time.RFC3339),
					cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
			}
		}
	}
	return nil
}
