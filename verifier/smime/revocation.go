package smime

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"gitseal/verifier"
)

var oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}

// A list is a revocation list made ready.
type list struct {
	crl     *x509.RevocationList
	entries map[string]*x509.RevocationListEntry // by the octets of the serial number
	scope   scope

	mu     sync.Mutex
	signed map[[32]byte]error // guarded by mu; by key of an issuer: whether that signed it
}

// A scope says of which of its issuer's certificates a list tells whether they
// are revoked.
type scope struct {
	signers, authorities bool     // only of those
	points               []string // URLs, one of which the certificate has; nil: any
}

// newList makes a list ready that is whole in itself. Deltas and lists of other
// authorities' certificates are refused, and so is one that never ends: that it
// is out of date could not be seen.
func newList(crl *x509.RevocationList) (*list, error) {
	l := &list{crl: crl, entries: make(map[string]*x509.RevocationListEntry, len(crl.RevokedCertificateEntries)),
		signed: make(map[[32]byte]error)}
	switch crl.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.MD5WithRSA:
		return nil, fmt.Errorf("signed with %v, which is too weak", crl.SignatureAlgorithm)
	}
	if crl.NextUpdate.IsZero() {
		return nil, errors.New("it does not say when the next one comes")
	}
	for _, ext := range crl.Extensions {
		if ext.Id.Equal(oidIssuingDistributionPoint) {
			if err := l.scope.parse(ext.Value); err != nil {
				return nil, err
			}
		} else if ext.Critical {
			return nil, fmt.Errorf("unknown critical extension %v", ext.Id)
		}
	}
	for i := range crl.RevokedCertificateEntries {
		entry := &crl.RevokedCertificateEntries[i]
		for _, ext := range entry.Extensions {
			if ext.Critical {
				return nil, fmt.Errorf("unknown critical extension %v of certificate %x", ext.Id, entry.SerialNumber)
			}
		}
		l.entries[string(entry.SerialNumber.Bytes())] = entry
	}
	return l, nil
}

// parse reads (RFC 5280, section 5.2.5)
//
//	IssuingDistributionPoint ::= SEQUENCE {
//	  distributionPoint          [0] DistributionPointName OPTIONAL,
//	  onlyContainsUserCerts      [1] BOOLEAN DEFAULT FALSE,
//	  onlyContainsCACerts        [2] BOOLEAN DEFAULT FALSE,
//	  onlySomeReasons            [3] ReasonFlags OPTIONAL,
//	  indirectCRL                [4] BOOLEAN DEFAULT FALSE,
//	  onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
//
// as far as [2].
func (s *scope) parse(der []byte) error {
	in := cryptobyte.String(der)
	var body, point cryptobyte.String
	var present bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadOptionalASN1(&point, &present, explicit(0)) {
		return errors.New("malformed issuing distribution point")
	}
	if present {
		if err := s.parsePoint(point); err != nil {
			return err
		}
	}
	for i, only := range []*bool{&s.signers, &s.authorities} {
		var flag cryptobyte.String
		if !body.ReadOptionalASN1(&flag, only, cbasn1.Tag(i+1).ContextSpecific()) {
			return errors.New("malformed issuing distribution point")
		}
		// DER omits the default, so only TRUE may be written.
		if *only && !bytes.Equal(flag, []byte{0xff}) {
			return errors.New("malformed issuing distribution point")
		}
	}
	if !body.Empty() {
		return errors.New("it is of other certificates, or of some reasons only")
	}
	return nil
}

// parsePoint reads
//
//	DistributionPointName ::= CHOICE {
//	  fullName                [0] GeneralNames,
//	  nameRelativeToCRLIssuer [1] RelativeDistinguishedName }
//
// and keeps the URLs of the first.
func (s *scope) parsePoint(in cryptobyte.String) error {
	var names cryptobyte.String
	if !in.ReadASN1(&names, explicit(0)) || !in.Empty() {
		return errors.New("malformed or relative name of its distribution point")
	}
	s.points = []string{}
	for !names.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return errors.New("malformed name of its distribution point")
		}
		if tag == cbasn1.Tag(6).ContextSpecific() {
			s.points = append(s.points, string(name))
		}
	}
	return nil
}

// covers reports whether a list of this scope tells of cert.
func (s *scope) covers(cert *x509.Certificate) bool {
	if s.signers && cert.IsCA || s.authorities && !cert.IsCA {
		return false
	}
	return s.points == nil || slices.ContainsFunc(s.points, func(url string) bool {
		return slices.Contains(cert.CRLDistributionPoints, url)
	})
}

// isBy reports whether names and key identifiers say that the list is
// issuer's. An authority may have had other keys.
func (l *list) isBy(issuer *x509.Certificate) bool {
	return len(l.crl.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 ||
		bytes.Equal(l.crl.AuthorityKeyId, issuer.SubjectKeyId)
}

// signedBy checks, once for each key, that issuer signed the list.
func (l *list) signedBy(issuer *x509.Certificate) error {
	key := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	l.mu.Lock()
	defer l.mu.Unlock()
	err, ok := l.signed[key]
	if !ok {
		err = l.crl.CheckSignatureFrom(issuer)
		l.signed[key] = err
	}
	return err
}

// checkRevoked checks that no revocation list names a certificate of any of
// the chains, all of which are good otherwise: where an authority was revoked,
// no way around it is looked for. A list that is at hand has to be authentic,
// and reach up to the time at which the certificates have to be good; if not,
// whether they are revoked cannot be told.
func (v *Verifier) checkRevoked(m *message, chains [][]*x509.Certificate, at time.Time) *verifier.KeyError {
	if len(v.lists) == 0 {
		return nil
	}
	var unknown error
	unlisted := make(map[string]bool)
	for _, chain := range chains {
		for i, cert := range chain[:len(chain)-1] {
			state, err := v.consult(m, cert, chain[i+1], at)
			switch {
			case err != nil && state == listed:
				return m.fail(verifier.Revoked, err)
			case err != nil && unknown == nil:
				unknown = err
			case state == untold:
				unlisted[cert.Issuer.String()] = true
			}
		}
	}
	if unknown != nil {
		return m.fail(verifier.UnknownKey, unknown)
	}
	for _, name := range slices.Sorted(maps.Keys(unlisted)) {
		m.note("no revocation list of %q was named", name)
	}
	return nil
}

// A state is what revocation lists say of a certificate.
type state int

const (
	untold   state = iota // none is about it, or err says why one is of no use
	unlisted              // it is in none
	listed
)

// consult asks the lists of a certificate's issuer for it.
func (v *Verifier) consult(m *message, cert, issuer *x509.Certificate, at time.Time) (state, error) {
	var until time.Time // up to which lists tell
	covered := false
	for _, l := range v.lists[string(cert.RawIssuer)] {
		if !l.isBy(issuer) {
			continue
		}
		if err := l.signedBy(issuer); err != nil {
			return untold, fmt.Errorf("cannot tell whether a certificate is revoked: revocation list of %q: %w", l.crl.Issuer, err)
		}
		if entry := l.entries[string(cert.SerialNumber.Bytes())]; entry != nil && !v.harmless(m, entry) {
			return listed, fmt.Errorf("certificate of %q was revoked at %s by %q", cert.Subject,
				entry.RevocationTime.UTC().Format(time.RFC3339), l.crl.Issuer)
		}
		if l.scope.covers(cert) {
			covered = true
			if l.crl.NextUpdate.After(until) {
				until = l.crl.NextUpdate
			}
		}
	}
	switch {
	case !covered:
		return untold, nil
	case until.Before(at):
		return untold, fmt.Errorf("cannot tell whether the certificate of %q is revoked: the revocation list of %q ended at %s",
			cert.Subject, cert.Issuer, until.UTC().Format(time.RFC3339))
	}
	m.lapses(until)
	return unlisted, nil
}

// harmless reports whether a revocation leaves a signature good: only where it
// is proven that the signature is older, and the reason says that the key did
// not get into other hands. A claimed time proves nothing to who has the key.
func (v *Verifier) harmless(m *message, entry *x509.RevocationListEntry) bool {
	const affiliationChanged, superseded, cessationOfOperation = 3, 4, 5 // RFC 5280, section 5.3.1
	switch entry.ReasonCode {
	case affiliationChanged, superseded, cessationOfOperation:
		return !m.facts.Time.IsZero() && m.facts.Time.Before(entry.RevocationTime)
	}
	return false
}
