// Package cms reads and writes the Cryptographic Message Syntax (RFC 5652)
// as far as git signatures and RFC 3161 time-stamp tokens use it: one
// SignedData in a ContentInfo, with one SignerInfo that has signed attributes.
//
// The package is strict. Input is DER, whole, with nothing after it; what
// Parse accepts, Marshal writes again byte for byte. It never looks at a
// clock, never decides whom to trust and never picks a certificate: callers
// do that with the parsed parts.
package cms

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// MaxSize is the largest encoding that Parse reads, in bytes. The largest
// signature among 155,888 real ones is far below it; the bound keeps a
// signature of hundreds of megabytes from costing more than its own bytes.
const MaxSize = 1 << 20

// maxAttributes bounds a set of attributes. Real ones hold five at most, and
// to find one that occurs twice each is compared with all before it.
const maxAttributes = 64

// An AlgorithmIdentifier names an algorithm (RFC 5280, section 4.1.1.2).
type AlgorithmIdentifier struct {
	Algorithm  OID
	Parameters []byte // DER of the parameters; nil: absent
}

// An Attribute is a type with a set of values (RFC 5652, section 5.3). Each
// value is one DER element.
type Attribute struct {
	Type   OID
	Values [][]byte
}

// SignedData is the SignedData of RFC 5652, section 5.1, with exactly one
// signer and no revocation lists.
type SignedData struct {
	Version          int
	DigestAlgorithms []AlgorithmIdentifier
	ContentType      OID
	Content          []byte   // nil: detached
	Certificates     [][]byte // DER, in the order found; untrusted. nil: absent, which an empty set is not
	Signer           SignerInfo
}

// SignerInfo is the SignerInfo of RFC 5652, section 5.3. The signer is named
// either by Issuer and Serial or by SubjectKeyID.
type SignerInfo struct {
	Version            int
	Issuer             []byte // DER of the issuer's Name
	Serial             []byte // contents of the INTEGER
	SubjectKeyID       []byte
	DigestAlgorithm    AlgorithmIdentifier
	SignedAttributes   []Attribute
	SignatureAlgorithm AlgorithmIdentifier
	Signature          []byte
	UnsignedAttributes []Attribute // nil: absent
}

var (
	tag0 = asn1.Tag(0).ContextSpecific()
	// Context tag 0 and 1, constructed: certificates, signedAttrs, eContent;
	// crls, unsignedAttrs.
	tag0c = asn1.Tag(0).ContextSpecific().Constructed()
	tag1c = asn1.Tag(1).ContextSpecific().Constructed()
)

// Parse reads a ContentInfo that holds a SignedData:
//
//	ContentInfo ::= SEQUENCE {
//	  contentType ContentType,
//	  content [0] EXPLICIT ANY DEFINED BY contentType }
//
//	SignedData ::= SEQUENCE {
//	  version CMSVersion,
//	  digestAlgorithms DigestAlgorithmIdentifiers,
//	  encapContentInfo EncapsulatedContentInfo,
//	  certificates [0] IMPLICIT CertificateSet OPTIONAL,
//	  crls [1] IMPLICIT RevocationInfoChoices OPTIONAL,
//	  signerInfos SignerInfos }
//
// Signed attributes must be present, and attributes unique. Their order is
// kept; SignedBytes asks for the right one.
func Parse(der []byte) (*SignedData, error) {
	if len(der) > MaxSize {
		return nil, fmt.Errorf("parsing CMS: %d bytes, more than the limit of %d", len(der), MaxSize)
	}
	sd, err := parse(der)
	if err != nil {
		return nil, fmt.Errorf("parsing CMS: %w", err)
	}
	return sd, nil
}

func parse(der []byte) (*SignedData, error) {
	in := cryptobyte.String(der)
	var info, explicit, body cryptobyte.String
	if !in.ReadASN1(&info, asn1.SEQUENCE) {
		return nil, errors.New("ContentInfo is not a DER sequence")
	}
	if !in.Empty() {
		return nil, fmt.Errorf("%d bytes after the ContentInfo", len(in))
	}
	typ, ok := readOID(&info)
	if !ok || typ != OIDSignedData {
		return nil, errors.New("ContentInfo does not hold a SignedData")
	}
	if !info.ReadASN1(&explicit, tag0c) || !info.Empty() || !explicit.ReadASN1(&body, asn1.SEQUENCE) || !explicit.Empty() {
		return nil, errors.New("malformed SignedData")
	}
	return parseSignedData(body)
}

func parseSignedData(body cryptobyte.String) (*SignedData, error) {
	sd := new(SignedData)
	if !readSmallInt(&body, &sd.Version) {
		return nil, errors.New("malformed SignedData version")
	}
	var algs cryptobyte.String
	if !body.ReadASN1(&algs, asn1.SET) || algs.Empty() {
		return nil, errors.New("malformed digestAlgorithms")
	}
	for !algs.Empty() {
		alg, ok := readAlgorithm(&algs)
		if !ok {
			return nil, errors.New("malformed digestAlgorithms")
		}
		sd.DigestAlgorithms = append(sd.DigestAlgorithms, alg)
	}
	if err := sd.parseContent(&body); err != nil {
		return nil, err
	}
	if err := sd.parseCertificates(&body); err != nil {
		return nil, err
	}
	if body.PeekASN1Tag(tag1c) {
		return nil, errors.New("revocation lists are not allowed")
	}
	var signers cryptobyte.String
	if !body.ReadASN1(&signers, asn1.SET) || !body.Empty() {
		return nil, errors.New("malformed signerInfos")
	}
	if err := sd.Signer.parse(&signers); err != nil {
		return nil, err
	}
	if !signers.Empty() {
		return nil, errors.New("more than one SignerInfo")
	}
	if !slices.ContainsFunc(sd.DigestAlgorithms, func(alg AlgorithmIdentifier) bool {
		return alg.Algorithm == sd.Signer.DigestAlgorithm.Algorithm
	}) {
		return nil, errors.New("digestAlgorithms does not list the signer's")
	}
	return sd, nil
}

// parseContent reads encapContentInfo:
//
//	EncapsulatedContentInfo ::= SEQUENCE {
//	  eContentType ContentType,
//	  eContent [0] EXPLICIT OCTET STRING OPTIONAL }
func (sd *SignedData) parseContent(body *cryptobyte.String) error {
	var encap cryptobyte.String
	var ok bool
	if !body.ReadASN1(&encap, asn1.SEQUENCE) {
		return errors.New("malformed encapContentInfo")
	}
	if sd.ContentType, ok = readOID(&encap); !ok {
		return errors.New("malformed eContentType")
	}
	if encap.Empty() {
		return nil
	}
	var explicit, content cryptobyte.String
	if !encap.ReadASN1(&explicit, tag0c) || !encap.Empty() || !explicit.ReadASN1(&content, asn1.OCTET_STRING) || !explicit.Empty() {
		return errors.New("malformed eContent")
	}
	sd.Content = []byte(content)
	return nil
}

// parseCertificates keeps each certificate as found. Attribute certificates
// and other formats of CertificateChoices are refused. A set of none is not
// nil: time-stamp authorities that were asked for no certificate send one.
func (sd *SignedData) parseCertificates(body *cryptobyte.String) error {
	var certs cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&certs, &present, tag0c) {
		return errors.New("malformed certificates")
	}
	if present {
		sd.Certificates = [][]byte{}
	}
	for !certs.Empty() {
		var cert cryptobyte.String
		if !certs.ReadASN1Element(&cert, asn1.SEQUENCE) {
			return errors.New("malformed certificates")
		}
		sd.Certificates = append(sd.Certificates, cert)
	}
	return nil
}

// parse reads one SignerInfo:
//
//	SignerInfo ::= SEQUENCE {
//	  version CMSVersion,
//	  sid SignerIdentifier,
//	  digestAlgorithm DigestAlgorithmIdentifier,
//	  signedAttrs [0] IMPLICIT SignedAttributes OPTIONAL,
//	  signatureAlgorithm SignatureAlgorithmIdentifier,
//	  signature SignatureValue,
//	  unsignedAttrs [1] IMPLICIT UnsignedAttributes OPTIONAL }
func (si *SignerInfo) parse(in *cryptobyte.String) error {
	var body, attrs, signature cryptobyte.String
	var ok, present bool
	var err error
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !readSmallInt(&body, &si.Version) {
		return errors.New("malformed SignerInfo")
	}
	if err := si.parseID(&body); err != nil {
		return err
	}
	if si.DigestAlgorithm, ok = readAlgorithm(&body); !ok {
		return errors.New("malformed digestAlgorithm")
	}
	if !body.ReadASN1(&attrs, tag0c) {
		return errors.New("no signed attributes")
	}
	if si.SignedAttributes, err = parseAttributes(attrs); err != nil {
		return fmt.Errorf("signed attributes: %w", err)
	}
	if si.SignatureAlgorithm, ok = readAlgorithm(&body); !ok {
		return errors.New("malformed signatureAlgorithm")
	}
	if !body.ReadASN1(&signature, asn1.OCTET_STRING) {
		return errors.New("malformed signature value")
	}
	si.Signature = []byte(signature)
	if !body.ReadOptionalASN1(&attrs, &present, tag1c) || !body.Empty() {
		return errors.New("malformed SignerInfo")
	}
	if present {
		if si.UnsignedAttributes, err = parseAttributes(attrs); err != nil {
			return fmt.Errorf("unsigned attributes: %w", err)
		}
	}
	return nil
}

// parseID reads the sid and holds the version to it (section 5.3: version 1
// with issuerAndSerialNumber, 3 with subjectKeyIdentifier).
func (si *SignerInfo) parseID(body *cryptobyte.String) error {
	if body.PeekASN1Tag(tag0) {
		var id cryptobyte.String
		if !body.ReadASN1(&id, tag0) || id.Empty() || si.Version != 3 {
			return errors.New("malformed subjectKeyIdentifier")
		}
		si.SubjectKeyID = []byte(id)
		return nil
	}
	var sid, issuer, serial cryptobyte.String
	if !body.ReadASN1(&sid, asn1.SEQUENCE) || !sid.ReadASN1Element(&issuer, asn1.SEQUENCE) ||
		!sid.ReadASN1(&serial, asn1.INTEGER) || !sid.Empty() || !minimalInt(serial) || si.Version != 1 {
		return errors.New("malformed issuerAndSerialNumber")
	}
	si.Issuer, si.Serial = []byte(issuer), []byte(serial)
	return nil
}

// parseAttributes reads a non-empty set of attributes with unique types.
func parseAttributes(in cryptobyte.String) ([]Attribute, error) {
	if in.Empty() {
		return nil, errors.New("empty set")
	}
	attrs := make([]Attribute, 0, 4)
	for !in.Empty() {
		var body, values cryptobyte.String
		if !in.ReadASN1(&body, asn1.SEQUENCE) {
			return nil, errors.New("malformed attribute")
		}
		typ, ok := readOID(&body)
		if !ok || !body.ReadASN1(&values, asn1.SET) || !body.Empty() || values.Empty() {
			return nil, errors.New("malformed attribute")
		}
		if len(attrs) == maxAttributes {
			return nil, fmt.Errorf("more than %d attributes", maxAttributes)
		}
		if find(attrs, typ) != nil {
			return nil, fmt.Errorf("attribute %v occurs twice", typ)
		}
		attr := Attribute{Type: typ, Values: make([][]byte, 0, 1)}
		for !values.Empty() {
			var value cryptobyte.String
			var tag asn1.Tag
			if !values.ReadAnyASN1Element(&value, &tag) {
				return nil, fmt.Errorf("malformed value of attribute %v", typ)
			}
			attr.Values = append(attr.Values, value)
		}
		attrs = append(attrs, attr)
	}
	return attrs, nil
}

func find(attrs []Attribute, typ OID) *Attribute {
	for i := range attrs {
		if attrs[i].Type == typ {
			return &attrs[i]
		}
	}
	return nil
}

// SignedAttribute returns the single value of the signed attribute typ, or
// nil when it is absent. More than one value is an error.
func (si *SignerInfo) SignedAttribute(typ OID) ([]byte, error) {
	return single(si.SignedAttributes, typ)
}

// UnsignedAttribute is SignedAttribute for the unsigned attributes.
func (si *SignerInfo) UnsignedAttribute(typ OID) ([]byte, error) {
	return single(si.UnsignedAttributes, typ)
}

func single(attrs []Attribute, typ OID) ([]byte, error) {
	attr := find(attrs, typ)
	if attr == nil {
		return nil, nil
	}
	if len(attr.Values) != 1 {
		return nil, fmt.Errorf("attribute %v has %d values, want one", typ, len(attr.Values))
	}
	return attr.Values[0], nil
}

func readOID(s *cryptobyte.String) (OID, bool) {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.OBJECT_IDENTIFIER) || !OID(body).valid() {
		return "", false
	}
	return OID(body), true
}

func readAlgorithm(s *cryptobyte.String) (AlgorithmIdentifier, bool) {
	var body, params cryptobyte.String
	var alg AlgorithmIdentifier
	var tag asn1.Tag
	if !s.ReadASN1(&body, asn1.SEQUENCE) {
		return alg, false
	}
	oid, ok := readOID(&body)
	if !ok {
		return alg, false
	}
	alg.Algorithm = oid
	if body.Empty() {
		return alg, true
	}
	if !body.ReadAnyASN1Element(&params, &tag) || !body.Empty() {
		return alg, false
	}
	alg.Parameters = []byte(params)
	return alg, true
}

// readSmallInt reads a version number: one octet, not negative.
func readSmallInt(s *cryptobyte.String, out *int) bool {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.INTEGER) || len(body) != 1 || body[0] > 127 {
		return false
	}
	*out = int(body[0])
	return true
}

// minimalInt reports whether body is the shortest encoding of an INTEGER
// (X.690, section 8.3.2).
func minimalInt(body []byte) bool {
	if len(body) == 0 {
		return false
	}
	if len(body) == 1 {
		return true
	}
	return !(body[0] == 0 && body[1] < 0x80 || body[0] == 0xff && body[1] >= 0x80)
}

// OctetString returns the contents of the DER OCTET STRING that is all of
// value.
func OctetString(value []byte) ([]byte, error) {
	in := cryptobyte.String(value)
	var out cryptobyte.String
	if !in.ReadASN1(&out, asn1.OCTET_STRING) || !in.Empty() {
		return nil, errors.New("not a DER OCTET STRING")
	}
	return out, nil
}
