package cms

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// NewDetached returns the SignedData of a git signature by cert, still
// without its signature value: version 1, content detached, the signer named
// by issuer and serial number, algorithms without parameters.
func NewDetached(cert *x509.Certificate, digest, signature OID, attrs []Attribute) *SignedData {
	return &SignedData{
		Version:          1,
		DigestAlgorithms: []AlgorithmIdentifier{{Algorithm: digest}},
		ContentType:      OIDData,
		Certificates:     [][]byte{cert.Raw},
		Signer: SignerInfo{
			Version:            1,
			Issuer:             cert.RawIssuer,
			Serial:             serialContents(cert),
			DigestAlgorithm:    AlgorithmIdentifier{Algorithm: digest},
			SignedAttributes:   attrs,
			SignatureAlgorithm: AlgorithmIdentifier{Algorithm: signature},
		},
	}
}

// AddLogEntry adds the unsigned attribute that holds a transparency log
// entry, a protocol buffers message, in an OCTET STRING.
func (si *SignerInfo) AddLogEntry(entry []byte) error {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1OctetString(entry)
	value, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("writing log entry attribute: %w", err)
	}
	si.UnsignedAttributes = append(si.UnsignedAttributes, Attribute{OIDLogEntry, [][]byte{value}})
	return nil
}

// AddTimeStamp adds a TimeStampToken, as it is, to the unsigned attribute that
// holds them (RFC 3161, appendix A). Several are values of the one attribute,
// in the DER order of a SET OF.
func (si *SignerInfo) AddTimeStamp(token []byte) {
	attr := find(si.UnsignedAttributes, OIDTimeStampToken)
	if attr == nil {
		si.UnsignedAttributes = append(si.UnsignedAttributes, Attribute{OIDTimeStampToken, [][]byte{token}})
		return
	}
	attr.Values = append(attr.Values, token)
	slices.SortFunc(attr.Values, bytes.Compare)
}
