package fakeca

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// leafLifetime is how long a signing certificate lasts.
const leafLifetime = 10 * time.Minute

// Certify exchanges a token for a certificate over the public key (DER
// SubjectPublicKeyInfo, P-256), as Fulcio does. The proof is an ECDSA signature
// by that key over the SHA-256 of the token's e-mail address or, if it has none,
// its subject. Certify returns leaf, intermediate and root, in DER, once the
// certificate's entry in the CT log is durable.
func (a *Authority) Certify(ctx context.Context, token string, publicKey, proof []byte) (chain [][]byte, err error) {
	c, err := a.checkToken(token)
	if err != nil {
		return nil, &RequestError{"token", err}
	}
	key, err := parseP256(publicKey)
	if err != nil {
		return nil, &RequestError{"public key", err}
	}
	digest := sha256.Sum256([]byte(c.name()))
	if !ecdsa.VerifyASN1(key, digest[:], proof) {
		return nil, &RequestError{"proof of possession", errors.New("it is not by the public key")}
	}
	return a.certify(ctx, c, publicKey)
}

// CertifyRequest is Certify with a certificate signing request (PKCS #10, DER)
// in the place of public key and proof, as Fulcio takes it too. The request is
// believed in nothing but the key that it is signed with.
func (a *Authority) CertifyRequest(ctx context.Context, token string, request []byte) (chain [][]byte, err error) {
	c, err := a.checkToken(token)
	if err != nil {
		return nil, &RequestError{"token", err}
	}
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, &RequestError{"signing request", err}
	}
	if _, err := parseP256(csr.RawSubjectPublicKeyInfo); err != nil {
		return nil, &RequestError{"public key", err}
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, &RequestError{"proof of possession", err}
	}
	return a.certify(ctx, c, csr.RawSubjectPublicKeyInfo)
}

// certify issues the certificate of whom the token is about, who has proved to
// have the key.
func (a *Authority) certify(ctx context.Context, c *claims, publicKey []byte) (chain [][]byte, err error) {
	leaf, err := a.newLeaf(c, publicKey)
	if err != nil {
		return nil, fmt.Errorf("making certificate: %w", err)
	}
	a.spoilLeaf(leaf)
	cert, err := a.issue(ctx, leaf)
	if err != nil {
		return nil, fmt.Errorf("issuing certificate: %w", err)
	}
	return [][]byte{cert, a.caChain[0].Raw, a.caChain[1].Raw}, nil
}

// parseP256 reads a DER SubjectPublicKeyInfo of a P-256 key.
func parseP256(spki []byte) (*ecdsa.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	p256, ok := key.(*ecdsa.PublicKey)
	if !ok || p256.Curve != elliptic.P256() {
		return nil, errors.New("not an ECDSA key on P-256")
	}
	if again, err := x509.MarshalPKIXPublicKey(p256); err != nil || !bytes.Equal(again, spki) {
		return nil, errors.New("not in canonical form")
	}
	return p256, nil
}

// A leaf is a signing certificate in the making. Fixtures change it.
type leaf struct {
	certificate
	scts func(ctx context.Context, tbs []byte) ([][]byte, error) // where its SCTs come from
	key  *ecdsa.PrivateKey                                       // of the issuer
}

// newLeaf returns the certificate for whom the token is about as Fulcio would
// make it (its docs/certificate-specification.md), but for the SCTs.
func (a *Authority) newLeaf(c *claims, spki []byte) (*leaf, error) {
	serial, err := newSerial(a.random)
	if err != nil {
		return nil, err
	}
	id, err := keyID(spki)
	if err != nil {
		return nil, err
	}
	now := a.now()
	l := &leaf{key: a.caKey, certificate: certificate{
		serial:    serial,
		issuer:    a.caChain[0].RawSubject,
		subject:   sequence(),
		notBefore: now,
		notAfter:  now.Add(leafLifetime),
		spki:      spki,
		extensions: [][]byte{
			digitalSignature(),
			extKeyUsage(oidCodeSigning),
			subjectKeyID(id),
			authorityKeyID(a.caChain[0].SubjectKeyId),
			criticalExtension(oidSubjectAltName, sequence(generalName(c.name()))),
			extension(oidFulcioIssuerV1, []byte(c.Issuer)),
			extension(oidFulcioIssuer, utf8String(c.Issuer)),
			extension(oidFulcioSubject, utf8String(c.Subject)),
		},
	}}
	l.scts = func(ctx context.Context, tbs []byte) ([][]byte, error) {
		sct, err := a.submit(ctx, tbs, a.caChain[0])
		return [][]byte{sct}, err
	}
	return l, nil
}

// generalName returns the subject as the kind of name it is.
func generalName(subject string) []byte {
	switch {
	case isEmail(subject):
		return element(tagContext|1, []byte(subject)) // rfc822Name
	case isURI(subject):
		return element(tagContext|6, []byte(subject)) // uniformResourceIdentifier
	}
	return explicit(0, oidFulcioOtherName.der(), explicit(0, utf8String(subject))) // otherName
}

// issue signs the leaf with the SCTs for it inside.
func (a *Authority) issue(ctx context.Context, l *leaf) ([]byte, error) {
	scts, err := l.scts(ctx, l.tbs(l.key))
	if err != nil {
		return nil, err
	}
	if len(scts) > 0 {
		l.extensions = append(l.extensions, extension(oidSCTList, octetString(sctList(scts))))
	}
	return l.sign(l.key)
}

// submit enters a precertificate in the CT log and returns the log's signed
// certificate timestamp for it (RFC 6962, sections 3.2 to 3.4), once the entry
// is durable. The precertificate is given by its TBSCertificate, which is what
// the log is about; nobody needs the poisoned form of it.
func (a *Authority) submit(ctx context.Context, tbs []byte, issuer *x509.Certificate) ([]byte, error) {
	s := sct{
		logID:      a.ct.key.id,
		timestamp:  a.clock().UnixMilli(),
		issuerHash: sha256.Sum256(issuer.RawSubjectPublicKeyInfo),
		tbs:        tbs,
	}
	logged, err := a.ct.append(ctx, func(index int64) []byte {
		s.index = index
		return s.entry(0) // leaf_type timestamped_entry
	})
	if err != nil {
		return nil, err
	}
	s.index = logged.index
	return s.sign(a.ctKey)
}

// An sct is what a signed certificate timestamp is about.
type sct struct {
	logID      [sha256.Size]byte
	timestamp  int64 // milliseconds
	index      int64
	issuerHash [sha256.Size]byte
	tbs        []byte
}

// extensions returns the CtExtensions: the leaf index (C2SP static-ct-api).
func (s *sct) extensions() []byte {
	b := []byte{0, 0, 5} // extension_type leaf_index, length
	return append(b, byte(s.index>>32), byte(s.index>>24), byte(s.index>>16), byte(s.index>>8), byte(s.index))
}

// entry returns the TimestampedEntry of a precertificate behind version 1 and a
// type: of the leaf for the tree, of the signature for the signature.
func (s *sct) entry(kind byte) []byte {
	b := []byte{0, kind}
	b = binary.BigEndian.AppendUint64(b, uint64(s.timestamp))
	b = append(b, 0, 1) // entry_type precert_entry
	b = append(b, s.issuerHash[:]...)
	b = append(b, byte(len(s.tbs)>>16), byte(len(s.tbs)>>8), byte(len(s.tbs)))
	b = append(b, s.tbs...)
	return appendVector(b, s.extensions())
}

// sign returns the SignedCertificateTimestamp.
func (s *sct) sign(key *ecdsa.PrivateKey) ([]byte, error) {
	signature, err := sign(key, s.entry(0)) // signature_type certificate_timestamp
	if err != nil {
		return nil, err
	}
	b := append([]byte{0}, s.logID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.timestamp))
	b = appendVector(b, s.extensions())
	b = append(b, 4, 3) // sha256, ecdsa
	return appendVector(b, signature), nil
}

// sctList returns the SignedCertificateTimestampList.
func sctList(scts [][]byte) []byte {
	var list []byte
	for _, sct := range scts {
		list = appendVector(list, sct)
	}
	return appendVector(nil, list)
}

// appendVector appends b behind its 16-bit length.
func appendVector(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(b))), b...)
}
