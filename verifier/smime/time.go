package smime

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/internal/cms"
	"gitseal/verifier"
)

// maxStamps bounds the time-stamps that a signature carries. Nobody is known
// to write more than one.
const maxStamps = 8

// readStamps sets the time that time-stamps over the signature value prove,
// the earliest of them. All that can be checked must hold.
func (v *Verifier) readStamps(m *message) *verifier.KeyError {
	signer := &m.cms.Signer
	for _, attr := range signer.UnsignedAttributes {
		if attr.Type == cms.OIDLogEntry {
			m.note("a log entry, which proves nothing of a certificate that lives for years, was not read")
		}
		if attr.Type != cms.OIDTimeStampToken {
			continue
		}
		if n := len(attr.Values); n > maxStamps {
			return m.fail(verifier.MalformedSignature, fmt.Errorf("reading the time-stamp: %d of them, more than the limit of %d", n, maxStamps))
		}
		for i, token := range attr.Values {
			if slices.ContainsFunc(attr.Values[:i], func(other []byte) bool { return bytes.Equal(other, token) }) {
				return m.fail(verifier.MalformedSignature, errors.New("reading the time-stamp: it occurs twice"))
			}
			if kerr := v.readStamp(m, token); kerr != nil {
				return kerr
			}
		}
	}
	return nil
}

func (v *Verifier) readStamp(m *message, token []byte) *verifier.KeyError {
	if v.timestamps == nil {
		m.note("a time-stamp, for which no authority was named, proves nothing")
		return nil
	}
	at, err := v.timestamps(slices.Clone(token), slices.Clone(m.cms.Signer.Signature))
	if err == nil && at.IsZero() {
		err = errors.New("it has no time")
	}
	if err == nil {
		if at = at.UTC(); m.facts.Time.IsZero() || at.Before(m.facts.Time) {
			m.facts.Time = at
		}
		return nil
	}
	class := verifier.BadTime
	if kerr := (*verifier.KeyError)(nil); errors.As(err, &kerr) {
		class = kerr.Class
	}
	if class == verifier.UnknownKey {
		m.note("a time-stamp of no trusted authority proves nothing")
		return nil
	}
	return m.fail(class, fmt.Errorf("checking the time-stamp: %w", err))
}

// judgedAt returns the time at which the certificates have to be good.
func (v *Verifier) judgedAt(m *message) time.Time {
	switch claimed := m.facts.Claimed; {
	case !m.facts.Time.IsZero():
		return m.facts.Time
	case v.rules.AtSigning && !claimed.IsZero() && !claimed.After(v.rules.At):
		return claimed
	}
	return v.rules.At
}

// atNow reports whether judgedAt goes by the time of the judging, so that
// later the verdict may be another one.
func (v *Verifier) atNow(m *message) bool {
	claimed := m.facts.Claimed
	return m.facts.Time.IsZero() && (!v.rules.AtSigning || claimed.IsZero() || claimed.After(v.rules.At))
}

// setLapses says until when the signature is good.
func (v *Verifier) setLapses(m *message, chain []*x509.Certificate) {
	if !v.atNow(m) {
		m.facts.Lapses = time.Time{} // what revocation lists said of a later time
		return
	}
	for _, cert := range chain {
		m.lapses(cert.NotAfter)
	}
	if v.rules.AtSigning && !m.facts.Claimed.IsZero() {
		m.lapses(m.facts.Claimed)
	}
}

// lapsing says when a verdict on a certificate may become another one: at the
// next moment at which any of those at hand begins or ends.
func (v *Verifier) lapsing(m *message, kerr *verifier.KeyError) *verifier.KeyError {
	if !v.atNow(m) {
		return kerr
	}
	next := func(t time.Time) {
		if t.After(v.rules.At) && (kerr.Lapses.IsZero() || t.Before(kerr.Lapses)) {
			kerr.Lapses = t.UTC()
		}
	}
	for _, cert := range slices.Concat([]*x509.Certificate{m.leaf}, m.carried, v.named) {
		next(cert.NotBefore)
		next(cert.NotAfter)
	}
	if v.rules.AtSigning {
		next(m.facts.Claimed)
	}
	return kerr
}
