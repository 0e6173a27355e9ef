package fakeca

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Timestamp returns an RFC 3161 TimeStampToken, in DER, that says when the
// authority saw the SHA-256 imprint. The token carries the timestamp
// authority's certificate.
func (a *Authority) Timestamp(ctx context.Context, imprint [32]byte) (token []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("issuing timestamp: %w", err)
	}
	t, err := a.newTimestamp(imprint)
	if err != nil {
		return nil, fmt.Errorf("issuing timestamp: %w", err)
	}
	token, err = t.issue()
	if err != nil {
		return nil, fmt.Errorf("issuing timestamp: %w", err)
	}
	return token, nil
}

// A timestamp is a TimeStampToken in the making. Fixtures change it.
type timestamp struct {
	imprint [sha256.Size]byte
	serial  []byte
	time    time.Time
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	spoil   func(signature []byte) // nil: nothing is wrong with it

	// What a request can ask for.
	algorithm []byte // AlgorithmIdentifier of the imprint
	nonce     []byte // contents of the INTEGER; nil: none
	bare      bool   // without the certificate
}

func (a *Authority) newTimestamp(imprint [sha256.Size]byte) (*timestamp, error) {
	serial, err := newSerial(a.random)
	if err != nil {
		return nil, err
	}
	t := &timestamp{
		imprint: imprint, serial: serial, time: a.now(), cert: a.tsaChain[0], key: a.tsaKey,
		algorithm: algorithm(oidSHA256),
	}
	a.spoilTimestamp(t)
	return t, nil
}

// info returns the TSTInfo (RFC 3161, section 2.4.2).
func (t *timestamp) info() []byte {
	fields := [][]byte{
		integer(1),
		oidTSAPolicy.der(),
		sequence(t.algorithm, octetString(t.imprint[:])),
		integer(t.serial...),
		generalizedTime(t.time),
	}
	if t.nonce != nil {
		fields = append(fields, element(tagInteger, t.nonce))
	}
	return sequence(fields...)
}

// issue signs the token.
func (t *timestamp) issue() ([]byte, error) {
	info := t.info()
	s := &signerInfo{
		issuer: t.cert.RawIssuer,
		serial: t.cert.SerialNumber.Bytes(),
		digest: oidSHA256,
		signed: sorted([][]byte{
			attribute(oidContentType, oidTSTInfo.der()),
			attribute(oidSigningTime, moment(t.time)),
			attribute(oidMessageDigest, octetString(sum(info))),
			// SigningCertificateV2 with one ESSCertIDv2 (RFC 5035), whose hash
			// is SHA-256 by default.
			attribute(oidSigningCertificateV2, sequence(sequence(sequence(octetString(sum(t.cert.Raw)))))),
		}),
		signatureType: oidECDSAWithSHA256,
	}
	var err error
	if s.signature, err = sign(t.key, s.message()); err != nil {
		return nil, err
	}
	if t.spoil != nil {
		s.signature = slices.Clone(s.signature)
		t.spoil(s.signature)
	}
	d := signedData{
		version:     3, // the content is not id-data
		digests:     []oid{oidSHA256},
		contentType: oidTSTInfo,
		content:     info,
		signers:     []*signerInfo{s},
	}
	if !t.bare {
		d.certificates = [][]byte{t.cert.Raw}
	}
	return d.marshal(), nil
}
