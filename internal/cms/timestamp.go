package cms

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A Token is a time-stamp token of RFC 3161: a SignedData over a TSTInfo.
type Token struct {
	SignedData *SignedData
	Info       TSTInfo
}

// TSTInfo is the statement of a time-stamp authority (RFC 3161, section
// 2.4.2). The name the authority gives itself is not kept: its certificate
// says who it is.
type TSTInfo struct {
	Policy           OID
	ImprintAlgorithm AlgorithmIdentifier
	Imprint          []byte
	SerialNumber     []byte    // contents of the INTEGER
	GenTime          time.Time // UTC
	Accuracy         time.Duration
	Nonce            *big.Int // nil: absent
}

// ParseToken reads a TimeStampToken. The result is parsed, not verified.
func ParseToken(der []byte) (*Token, error) {
	sd, err := Parse(der)
	if err != nil {
		return nil, fmt.Errorf("parsing time-stamp token: %w", err)
	}
	if sd.Version != 3 || sd.ContentType != OIDTSTInfo || sd.Content == nil {
		return nil, errors.New("parsing time-stamp token: content is not a TSTInfo")
	}
	token := &Token{SignedData: sd}
	if err := token.Info.parse(sd.Content); err != nil {
		return nil, fmt.Errorf("parsing time-stamp token: %w", err)
	}
	return token, nil
}

// parse reads
//
//	TSTInfo ::= SEQUENCE {
//	  version INTEGER { v1(1) },
//	  policy TSAPolicyId,
//	  messageImprint MessageImprint,
//	  serialNumber INTEGER,
//	  genTime GeneralizedTime,
//	  accuracy Accuracy OPTIONAL,
//	  ordering BOOLEAN DEFAULT FALSE,
//	  nonce INTEGER OPTIONAL,
//	  tsa [0] GeneralName OPTIONAL,
//	  extensions [1] IMPLICIT Extensions OPTIONAL }
//
// No extensions are in use; they are refused, as RFC 5280 asks for unknown
// critical ones.
func (info *TSTInfo) parse(der []byte) error {
	in := cryptobyte.String(der)
	var body, imprint, hash, serial, genTime cryptobyte.String
	var version int
	var ok bool
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() || !readSmallInt(&body, &version) || version != 1 {
		return errors.New("malformed TSTInfo")
	}
	if info.Policy, ok = readOID(&body); !ok || !body.ReadASN1(&imprint, asn1.SEQUENCE) {
		return errors.New("malformed TSTInfo policy or messageImprint")
	}
	if info.ImprintAlgorithm, ok = readAlgorithm(&imprint); !ok ||
		!imprint.ReadASN1(&hash, asn1.OCTET_STRING) || !imprint.Empty() {
		return errors.New("malformed messageImprint")
	}
	info.Imprint = []byte(hash)
	if !body.ReadASN1(&serial, asn1.INTEGER) || !minimalInt(serial) {
		return errors.New("malformed TSTInfo serialNumber")
	}
	info.SerialNumber = []byte(serial)
	if !body.ReadASN1(&genTime, asn1.GeneralizedTime) {
		return errors.New("malformed genTime")
	}
	if info.GenTime, ok = parseGeneralizedTime(string(genTime)); !ok {
		return errors.New("malformed genTime")
	}
	return info.parseOptional(&body)
}

// parseOptional reads what follows genTime.
func (info *TSTInfo) parseOptional(body *cryptobyte.String) error {
	if body.PeekASN1Tag(asn1.SEQUENCE) {
		var accuracy cryptobyte.String
		body.ReadASN1(&accuracy, asn1.SEQUENCE)
		if err := info.parseAccuracy(accuracy); err != nil {
			return err
		}
	}
	if body.PeekASN1Tag(asn1.BOOLEAN) {
		// DER omits the default, so only TRUE may be written.
		var ordering bool
		if !body.ReadASN1Boolean(&ordering) || !ordering {
			return errors.New("malformed TSTInfo ordering")
		}
	}
	if body.PeekASN1Tag(asn1.INTEGER) {
		info.Nonce = new(big.Int)
		if !body.ReadASN1Integer(info.Nonce) {
			return errors.New("malformed TSTInfo nonce")
		}
	}
	var tsa cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&tsa, &present, tag0c) {
		return errors.New("malformed TSTInfo tsa")
	}
	if !body.Empty() {
		return errors.New("TSTInfo has extensions or trailing bytes")
	}
	return nil
}

// parseAccuracy reads
//
//	Accuracy ::= SEQUENCE {
//	  seconds INTEGER OPTIONAL,
//	  millis [0] INTEGER (1..999) OPTIONAL,
//	  micros [1] INTEGER (1..999) OPTIONAL }
func (info *TSTInfo) parseAccuracy(in cryptobyte.String) error {
	var seconds, millis, micros uint32
	if in.PeekASN1Tag(asn1.INTEGER) && !in.ReadASN1Integer(&seconds) {
		return errors.New("malformed accuracy")
	}
	for i, out := range []*uint32{&millis, &micros} {
		tag := asn1.Tag(i).ContextSpecific()
		if !in.PeekASN1Tag(tag) {
			continue
		}
		var body cryptobyte.String
		if !in.ReadASN1(&body, tag) || !minimalInt(body) || len(body) > 2 || body[0] >= 0x80 {
			return errors.New("malformed accuracy")
		}
		for _, b := range body {
			*out = *out<<8 | uint32(b)
		}
		if *out < 1 || *out > 999 {
			return errors.New("malformed accuracy")
		}
	}
	if !in.Empty() {
		return errors.New("malformed accuracy")
	}
	info.Accuracy = time.Duration(seconds)*time.Second + time.Duration(millis)*time.Millisecond +
		time.Duration(micros)*time.Microsecond
	return nil
}

// parseGeneralizedTime reads YYYYMMDDhhmmss[.s...]Z in the DER form that RFC
// 3161 section 2.4.2 asks for: UTC, and a fraction without trailing zeros.
func parseGeneralizedTime(s string) (time.Time, bool) {
	const layout = "20060102150405"
	if len(s) < len(layout)+1 || s[len(s)-1] != 'Z' {
		return time.Time{}, false
	}
	fraction := s[len(layout) : len(s)-1]
	if fraction != "" && (len(fraction) < 2 || len(fraction) > 10 || fraction[0] != '.' || fraction[len(fraction)-1] == '0') {
		return time.Time{}, false
	}
	// time.Parse accepts a fraction after the seconds, and a comma for its
	// point; digits and point are held to here.
	for i := 0; i < len(s)-1; i++ {
		if (s[i] < '0' || s[i] > '9') && i != len(layout) {
			return time.Time{}, false
		}
	}
	t, err := time.Parse(layout, s[:len(s)-1])
	return t, err == nil
}

// CheckSigningCertificate checks that the signed attribute signingCertificate
// (RFC 2634) or signingCertificateV2 (RFC 5035), one of which RFC 3161
// section 2.4.1 requires, names cert by its hash.
//
//	SigningCertificateV2 ::= SEQUENCE {
//	  certs SEQUENCE OF ESSCertIDv2,
//	  policies SEQUENCE OF PolicyInformation OPTIONAL }
//	ESSCertIDv2 ::= SEQUENCE {
//	  hashAlgorithm AlgorithmIdentifier DEFAULT {algorithm id-sha256},
//	  certHash OCTET STRING,
//	  issuerSerial IssuerSerial OPTIONAL }
//
// The first certificate named must be the signer's. The SHA-1 of the first
// version is refused: every authority in use writes the second.
func (si *SignerInfo) CheckSigningCertificate(cert *x509.Certificate) error {
	value, err := si.SignedAttribute(OIDSigningCertificateV2)
	if err != nil {
		return err
	}
	if value == nil {
		if old, err := si.SignedAttribute(OIDSigningCertificate); err == nil && old != nil {
			return fmt.Errorf("signingCertificate attribute with SHA-1: %w", ErrWeakAlgorithm)
		}
		return errors.New("no signingCertificateV2 attribute")
	}
	in := cryptobyte.String(value)
	var body, certs, id, want cryptobyte.String
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() || !body.ReadASN1(&certs, asn1.SEQUENCE) || !certs.ReadASN1(&id, asn1.SEQUENCE) {
		return errors.New("malformed signingCertificateV2 attribute")
	}
	hash := crypto.SHA256
	if id.PeekASN1Tag(asn1.SEQUENCE) {
		alg, ok := readAlgorithm(&id)
		if !ok {
			return errors.New("malformed signingCertificateV2 attribute")
		}
		if hash, err = HashOf(alg); err != nil {
			return err
		}
	}
	if !id.ReadASN1(&want, asn1.OCTET_STRING) {
		return errors.New("malformed signingCertificateV2 attribute")
	}
	h := hash.New()
	h.Write(cert.Raw)
	if string(h.Sum(nil)) != string(want) {
		return errors.New("signingCertificateV2 attribute names another certificate")
	}
	return nil
}
