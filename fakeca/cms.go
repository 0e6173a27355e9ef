package fakeca

import "encoding/base64"

// A signedData is a CMS SignedData in the making (RFC 5652, section 5).
// Fixtures change it.
type signedData struct {
	version      byte
	digests      []oid
	contentType  oid
	content      []byte   // nil: detached
	certificates [][]byte // DER, in this order
	signers      []*signerInfo
}

// A signerInfo is one signature of a signedData.
type signerInfo struct {
	issuer        []byte // Name
	serial        []byte
	digest        oid
	signed        [][]byte // Attributes, in this order
	signatureType oid
	signature     []byte
	unsigned      [][]byte // Attributes
}

// attribute returns an Attribute with its values.
func attribute(kind oid, values ...[]byte) []byte {
	return sequence(kind.der(), set(values...))
}

// marshal returns the ContentInfo.
func (d *signedData) marshal() []byte {
	encap := [][]byte{d.contentType.der()}
	if d.content != nil {
		encap = append(encap, explicit(0, octetString(d.content)))
	}
	var digests, signers [][]byte
	for _, digest := range d.digests {
		digests = append(digests, algorithm(digest))
	}
	for _, s := range d.signers {
		signers = append(signers, s.marshal())
	}
	fields := [][]byte{integer(d.version), set(digests...), sequence(encap...)}
	if len(d.certificates) > 0 {
		fields = append(fields, explicit(0, d.certificates...)) // IMPLICIT SET, which DER would sort; there is one, or a fixture
	}
	fields = append(fields, set(signers...))
	return sequence(oidSignedData.der(), explicit(0, sequence(fields...)))
}

// message returns what the signature is over: the signed attributes as a SET
// (RFC 5652, section 5.4).
func (s *signerInfo) message() []byte { return element(tagSet, s.signed...) }

func (s *signerInfo) marshal() []byte {
	fields := [][]byte{
		integer(1), // issuerAndSerialNumber
		sequence(s.issuer, integer(s.serial...)),
		algorithm(s.digest),
		explicit(0, s.signed...), // IMPLICIT SET
		algorithm(s.signatureType),
		octetString(s.signature),
	}
	if len(s.unsigned) > 0 {
		fields = append(fields, explicit(1, sorted(s.unsigned)...)) // IMPLICIT SET
	}
	return sequence(fields...)
}

// armor returns the DER as git stores it: in base64 of 64 columns between the
// lines of a SIGNED MESSAGE.
func armor(der []byte) []byte {
	text := base64.StdEncoding.EncodeToString(der)
	b := []byte("-----BEGIN SIGNED MESSAGE-----\n")
	for len(text) > 64 {
		b = append(append(b, text[:64]...), '\n')
		text = text[64:]
	}
	b = append(append(b, text...), '\n')
	return append(b, "-----END SIGNED MESSAGE-----\n"...)
}
