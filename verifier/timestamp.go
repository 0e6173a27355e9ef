package verifier

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/internal/cms"
)

// checkTimes returns every time that is proven for the signature: the logs'
// integrated times under their promises (Rekor v1), and those of the
// time-stamps. All that are present must hold. Entries that prove no time are
// an error; a signature without an entry may have none, and so may one by a key
// that the caller trusts at any time.
//
// It then knows when the logs' keys must have been valid, and checks that.
func (r *root) checkTimes(s *signature, logged []loggedEntry) ([]ProvenTime, *VerifyError) {
	times := make([]ProvenTime, 0, len(logged)+len(s.tokens))
	for i := range logged {
		if l := &logged[i]; l.promised {
			times = append(times, ProvenTime{LogTime, l.log.BaseURL, time.Unix(l.entry.IntegratedTime, 0).UTC()})
		}
	}
	for _, token := range s.tokens {
		stamp, err := r.checkToken(token, s.value)
		if err != nil {
			return nil, s.fail(CheckTimestamp, classOf(err, BadTime), fmt.Errorf("checking the time-stamp: %w", err))
		}
		s.pass(CheckTimestamp)
		times = append(times, stamp)
	}
	if len(logged) == 0 {
		return times, nil
	}
	if len(times) == 0 && s.leaf == nil {
		return nil, nil
	}
	if len(times) == 0 {
		return nil, s.fail(CheckTime, BadTime,
			errors.New("nothing proves a time: the log entry has no signed entry timestamp, and there is no time-stamp"))
	}
	for i := range logged {
		log := logged[i].log
		for _, t := range times {
			if findLog(r.trusted.TLogs, log.KeyID, t.Time) == nil {
				return nil, s.fail(CheckTime, UntrustedLog,
					fmt.Errorf("the key of log %s is not trusted at %s", log.BaseURL, t.Time.Format(time.RFC3339)))
			}
		}
	}
	s.pass(CheckTime)
	return times, nil
}

// errNoStamper means that no authority of a trusted root made a time-stamp.
var errNoStamper = errors.New("not by a time-stamp authority of the trusted root")

// Timestamp checks that an RFC 3161 token, in DER, is one over a signature value
// by a time-stamp authority of a trusted root, and returns its time in UTC. An
// error is a *KeyError; its class is UnknownKey if no such authority made the
// token.
func (v *Verifier) Timestamp(token, signature []byte) (time.Time, error) {
	fail := func(err error, class Class) (time.Time, error) {
		return time.Time{}, &KeyError{Class: classOf(err, class), Err: fmt.Errorf("checking the time-stamp: %w", err)}
	}
	parsed, err := cms.ParseToken(token)
	if err != nil {
		return fail(err, MalformedSignature)
	}
	var other error
	for _, r := range v.roots {
		stamp, err := r.checkToken(parsed, signature)
		if err == nil {
			return stamp.Time, nil
		}
		if !errors.Is(err, errNoStamper) && other == nil {
			other = err
		}
	}
	if other != nil {
		return fail(other, BadTime)
	}
	return fail(errNoStamper, UnknownKey)
}

// checkToken checks an RFC 3161 time-stamp over signature: by an authority of
// the trusted root, whose certificates were valid at the time it gives.
func (r *root) checkToken(token *cms.Token, signature []byte) (ProvenTime, error) {
	// What was stamped is the signature value, nothing else.
	hash, err := cms.HashOf(token.Info.ImprintAlgorithm)
	if err != nil {
		return ProvenTime{}, err
	}
	h := hash.New()
	h.Write(signature)
	if string(h.Sum(nil)) != string(token.Info.Imprint) {
		return ProvenTime{}, errors.New("message imprint is of another signature")
	}

	// The certificates the token carries, if it carries any.
	var carried []*x509.Certificate
	for _, der := range token.SignedData.Certificates {
		cert := r.stampCertificate(der)
		if cert == nil {
			if cert, err = parseCertificate(der); err != nil {
				return ProvenTime{}, fmt.Errorf("reading its certificate: %w", err)
			}
		}
		carried = append(carried, cert)
	}
	at := []ProvenTime{{Source: StampTime, Time: token.Info.GenTime}}
	err = errNoStamper
	for _, tsa := range r.tsas {
		path, perr := tsa.stamper(&token.SignedData.Signer, carried)
		if perr == nil {
			perr = checkStamp(token, path[0], tsa.keyOf(path[0]))
		}
		if perr == nil {
			perr = tsa.validAt(path, at)
		}
		if perr == nil {
			at[0].Authority = tsa.URI
			return at[0], nil
		}
		if !errors.Is(perr, errNoPath) {
			err = perr
		}
	}
	return ProvenTime{}, err
}

// stampCertificate returns the certificate of a time-stamp authority of the
// trusted root that der is, or nil. Most tokens carry one of those, which has
// been read already.
func (r *root) stampCertificate(der []byte) *x509.Certificate {
	for _, tsa := range r.tsas {
		for _, cert := range tsa.Chain {
			if bytes.Equal(cert.Raw, der) {
				return cert
			}
		}
	}
	return nil
}

// stamper returns the path of certificates from the one that signed a token up
// to the top of this authority's chain. A trusted root lists a time-stamp
// authority either from its signing certificate or from the authority above
// it. What the token carries beside the path is refused: nothing checks it.
func (a *authority) stamper(signer *cms.SignerInfo, carried []*x509.Certificate) (path []*x509.Certificate, err error) {
	const usage = x509.ExtKeyUsageTimeStamping
	if own := a.Chain[0]; !own.IsCA {
		if !signer.Identifies(own) {
			return nil, errNoPath
		}
		if err := a.links(); err != nil {
			return nil, err
		}
		path, err = a.Chain, fit(a.Chain, usage)
	} else {
		i := slices.IndexFunc(carried, signer.Identifies)
		if i < 0 {
			return nil, errNoPath
		}
		path, err = a.path(carried[i], carried, usage)
	}
	if err != nil {
		return nil, err
	}
	for _, cert := range carried {
		if !slices.ContainsFunc(path, cert.Equal) {
			return nil, fmt.Errorf("it carries a certificate of %q that is not its authority's", cert.Subject)
		}
	}
	return path, nil
}

// checkStamp checks that cert, with its key, may sign time-stamps and signed
// this one (RFC 3161, sections 2.3 and 2.4.2).
func checkStamp(token *cms.Token, cert *x509.Certificate, key crypto.PublicKey) error {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) != 1 || !criticalUsage(cert) {
		return errors.New("time-stamping must be the certificate's only extended key usage, and critical")
	}
	signer := &token.SignedData.Signer
	if err := signer.CheckContent(cms.OIDTSTInfo, token.SignedData.Content); err != nil {
		return err
	}
	signed, err := signer.SignedBytes()
	if err != nil {
		return err
	}
	if err := signer.CheckSignature(key, signed); err != nil {
		return err
	}
	return signer.CheckSigningCertificate(cert)
}

// criticalUsage reports whether the extended key usage of cert is critical,
// as RFC 3161 section 2.3 asks.
func criticalUsage(cert *x509.Certificate) bool {
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oidExtKeyUsage) {
			return ext.Critical
		}
	}
	return false
}
