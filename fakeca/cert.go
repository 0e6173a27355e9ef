package fakeca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"io"
	"slices"
	"time"
)

// A certificate is what goes into one before it is signed (RFC 5280).
type certificate struct {
	serial              []byte // big-endian, not negative
	issuer, subject     []byte // Name
	notBefore, notAfter time.Time
	spki                []byte
	extensions          [][]byte
}

// tbs returns the TBSCertificate for a signature by the key.
func (c *certificate) tbs(key *ecdsa.PrivateKey) []byte {
	return sequence(
		explicit(0, integer(2)), // v3
		integer(c.serial...),
		algorithm(signatureAlgorithm(key)),
		c.issuer,
		sequence(moment(c.notBefore), moment(c.notAfter)),
		c.subject,
		c.spki,
		explicit(3, sequence(c.extensions...)),
	)
}

// sign returns the certificate, signed by the issuer's key.
func (c *certificate) sign(key *ecdsa.PrivateKey) ([]byte, error) {
	tbs := c.tbs(key)
	signature, err := sign(key, tbs)
	if err != nil {
		return nil, err
	}
	return sequence(tbs, algorithm(signatureAlgorithm(key)), bitString(signature)), nil
}

func signatureAlgorithm(key *ecdsa.PrivateKey) oid {
	if key.Curve == elliptic.P384() {
		return oidECDSAWithSHA384
	}
	return oidECDSAWithSHA256
}

// name returns the Name with an organization and a common name.
func name(organization, commonName string) []byte {
	return sequence(
		element(tagSet, sequence(oidOrganization.der(), utf8String(organization))),
		element(tagSet, sequence(oidCommonName.der(), utf8String(commonName))),
	)
}

func extension(id oid, value []byte) []byte {
	return sequence(id.der(), octetString(value))
}

func criticalExtension(id oid, value []byte) []byte {
	return sequence(id.der(), boolean(), octetString(value))
}

// Key usages (RFC 5280, section 4.2.1.3).

func digitalSignature() []byte {
	return criticalExtension(oidKeyUsage, element(tagBitString, []byte{7, 0x80}))
}

func certSignAndCRLSign() []byte {
	return criticalExtension(oidKeyUsage, element(tagBitString, []byte{1, 0x06}))
}

// isCA returns the basic constraints of an authority with at most pathLen
// authorities below it.
func isCA(pathLen byte) []byte {
	return criticalExtension(oidBasicConstraints, sequence(boolean(), integer(pathLen)))
}

func extKeyUsage(purpose oid) []byte {
	return extension(oidExtKeyUsage, sequence(purpose.der()))
}

// criticalExtKeyUsage is what RFC 3161, section 2.3, demands of a timestamp
// authority.
func criticalExtKeyUsage(purpose oid) []byte {
	return criticalExtension(oidExtKeyUsage, sequence(purpose.der()))
}

// keyID returns the SHA-1 of the key's bits, the usual way of making a key
// identifier (RFC 5280, section 4.2.1.2). It protects nothing.
func keyID(spki []byte) ([]byte, error) {
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, err
	}
	id := sha1.Sum(info.Key.Bytes)
	return id[:], nil
}

func subjectKeyID(id []byte) []byte { return extension(oidSubjectKeyID, octetString(id)) }

func authorityKeyID(id []byte) []byte {
	return extension(oidAuthorityKeyID, sequence(element(tagContext, id)))
}

// organization is the subject organization in every certificate of an
// authority, so that nobody takes one for a public authority's.
const organization = "gitseal local authority"

// lifetime is how long the authority's own certificates last.
const lifetime = 10 // years

// A chainConfig says what newChain is to make.
type chainConfig struct {
	random        io.Reader
	start         time.Time // of both certificates
	root, subject string    // common names
	key           *ecdsa.PrivateKey
	extensions    [][]byte // of the key's certificate: what it is for
}

// newChain makes a root and below it the certificate of a key, and returns the
// latter first. The root's key is dropped: nothing else is ever signed with it.
func newChain(c chainConfig) (chain [][]byte, err error) {
	rootKey, err := newECDSAKey(c.key.Curve, c.random)
	if err != nil {
		return nil, err
	}
	root, rootID, err := c.certificate(c.root, &rootKey.PublicKey)
	if err != nil {
		return nil, err
	}
	root.extensions = [][]byte{certSignAndCRLSign(), isCA(1), subjectKeyID(rootID)}
	issued, id, err := c.certificate(c.subject, &c.key.PublicKey)
	if err != nil {
		return nil, err
	}
	issued.extensions = append(slices.Clone(c.extensions), subjectKeyID(id), authorityKeyID(rootID))
	for _, cert := range []*certificate{issued, root} {
		cert.issuer = root.subject
		signed, err := cert.sign(rootKey)
		if err != nil {
			return nil, err
		}
		chain = append(chain, signed)
	}
	return chain, nil
}

// certificate returns what the two certificates have in common.
func (c *chainConfig) certificate(commonName string, key *ecdsa.PublicKey) (*certificate, []byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, nil, err
	}
	id, err := keyID(spki)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial(c.random)
	if err != nil {
		return nil, nil, err
	}
	return &certificate{
		serial:    serial,
		subject:   name(organization, commonName),
		notBefore: c.start,
		notAfter:  c.start.AddDate(lifetime, 0, 0),
		spki:      spki,
	}, id, nil
}

// newSerial returns 20 random octets of which the first is neither negative
// nor zero, so that every serial number has the same length.
func newSerial(random io.Reader) ([]byte, error) {
	serial := make([]byte, 20)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x7f | 0x40
	return serial, nil
}
