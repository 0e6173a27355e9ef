package fakeca

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DER (X.690) is written here as nested calls that return bytes. That copies
// more than a builder would, and reads like the ASN.1 it stands for.

// Tags used in certificates and CMS messages.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagNull            = 0x05
	tagOID             = 0x06
	tagUTF8String      = 0x0c
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
	tagSet             = 0x31

	tagContext     = 0x80 // [n] IMPLICIT of a primitive type, plus n
	tagConstructed = 0x20 // and of a constructed type, or EXPLICIT
)

// An oid is an object identifier as people write it.
type oid string

const (
	oidSHA256          oid = "2.16.840.1.101.3.4.2.1" // RFC 5754
	oidECDSAWithSHA256 oid = "1.2.840.10045.4.3.2"    // RFC 5758
	oidECDSAWithSHA384 oid = "1.2.840.10045.4.3.3"    // RFC 5758

	oidCommonName   oid = "2.5.4.3"  // X.520
	oidOrganization oid = "2.5.4.10" // X.520

	oidSubjectKeyID     oid = "2.5.29.14"               // RFC 5280
	oidKeyUsage         oid = "2.5.29.15"               // RFC 5280
	oidSubjectAltName   oid = "2.5.29.17"               // RFC 5280
	oidBasicConstraints oid = "2.5.29.19"               // RFC 5280
	oidAuthorityKeyID   oid = "2.5.29.35"               // RFC 5280
	oidExtKeyUsage      oid = "2.5.29.37"               // RFC 5280
	oidCodeSigning      oid = "1.3.6.1.5.5.7.3.3"       // RFC 5280
	oidTimeStamping     oid = "1.3.6.1.5.5.7.3.8"       // RFC 5280
	oidSCTList          oid = "1.3.6.1.4.1.11129.2.4.2" // RFC 6962

	oidFulcioIssuerV1  oid = "1.3.6.1.4.1.57264.1.1"  // Fulcio, oid-info
	oidFulcioOtherName oid = "1.3.6.1.4.1.57264.1.7"  // Fulcio, oid-info
	oidFulcioIssuer    oid = "1.3.6.1.4.1.57264.1.8"  // Fulcio, oid-info
	oidFulcioSubject   oid = "1.3.6.1.4.1.57264.1.24" // Fulcio, oid-info
	oidTSAPolicy       oid = "1.3.6.1.4.1.57264.2"    // Sigstore's TSA
	oidRekorEntry      oid = "1.3.6.1.4.1.57264.3.1"  // gitsign

	oidData                 oid = "1.2.840.113549.1.7.1"       // RFC 5652
	oidSignedData           oid = "1.2.840.113549.1.7.2"       // RFC 5652
	oidContentType          oid = "1.2.840.113549.1.9.3"       // RFC 5652
	oidMessageDigest        oid = "1.2.840.113549.1.9.4"       // RFC 5652
	oidSigningTime          oid = "1.2.840.113549.1.9.5"       // RFC 5652
	oidTSTInfo              oid = "1.2.840.113549.1.9.16.1.4"  // RFC 3161
	oidTimeStampToken       oid = "1.2.840.113549.1.9.16.2.14" // RFC 3161
	oidSigningCertificateV2 oid = "1.2.840.113549.1.9.16.2.47" // RFC 5035
)

// der returns the identifier as an element.
func (o oid) der() []byte {
	var arcs []uint64
	for _, s := range strings.Split(string(o), ".") {
		arc, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			panic("fakeca: no object identifier: " + string(o))
		}
		arcs = append(arcs, arc)
	}
	arcs[1] += 40 * arcs[0]
	var content []byte
	for _, arc := range arcs[1:] {
		b := []byte{byte(arc & 0x7f)}
		for arc >>= 7; arc > 0; arc >>= 7 {
			b = append(b, byte(arc&0x7f)|0x80)
		}
		slices.Reverse(b)
		content = append(content, b...)
	}
	return element(tagOID, content)
}

// element returns the element with the tag and the concatenated contents.
func element(tag byte, contents ...[]byte) []byte {
	length := 0
	for _, content := range contents {
		length += len(content)
	}
	b := make([]byte, 0, 5+length)
	b = append(b, tag)
	switch {
	case length < 0x80:
		b = append(b, byte(length))
	case length < 1<<8:
		b = append(b, 0x81, byte(length))
	case length < 1<<16:
		b = append(b, 0x82, byte(length>>8), byte(length))
	default:
		b = append(b, 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
	for _, content := range contents {
		b = append(b, content...)
	}
	return b
}

func sequence(contents ...[]byte) []byte    { return element(tagSequence, contents...) }
func octetString(contents ...[]byte) []byte { return element(tagOctetString, contents...) }
func utf8String(s string) []byte            { return element(tagUTF8String, []byte(s)) }
func boolean() []byte                       { return element(tagBoolean, []byte{0xff}) } // TRUE; FALSE is left out

// explicit returns contents under the tag [n]: an EXPLICIT one, or, since that
// looks the same, an IMPLICIT one of a SET or SEQUENCE of the contents.
func explicit(n byte, contents ...[]byte) []byte {
	return element(tagContext|tagConstructed|n, contents...)
}

// bitString returns a BIT STRING of whole octets.
func bitString(b []byte) []byte { return element(tagBitString, []byte{0}, b) }

// integer returns the INTEGER with a big-endian, not negative value.
func integer(value ...byte) []byte {
	value = bytes.TrimLeft(value, "\x00")
	if len(value) == 0 || value[0] >= 0x80 {
		return element(tagInteger, []byte{0}, value)
	}
	return element(tagInteger, value)
}

// set returns the SET OF the elements.
func set(elements ...[]byte) []byte { return element(tagSet, sorted(elements)...) }

// sorted returns the elements in the order in which DER has them in a SET OF.
func sorted(elements [][]byte) [][]byte {
	elements = slices.Clone(elements)
	slices.SortFunc(elements, bytes.Compare)
	return elements
}

// moment returns a Time: UTCTime through 2049, then GeneralizedTime
// (RFC 5280, section 4.1.2.5).
func moment(t time.Time) []byte {
	if t = t.UTC(); t.Year() < 2050 {
		return element(tagUTCTime, []byte(t.Format("060102150405Z")))
	}
	return generalizedTime(t)
}

func generalizedTime(t time.Time) []byte {
	return element(tagGeneralizedTime, []byte(t.UTC().Format("20060102150405Z")))
}

// algorithm returns an AlgorithmIdentifier without parameters.
func algorithm(o oid) []byte { return sequence(o.der()) }
