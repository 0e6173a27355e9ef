package cms

import (
	"strconv"
	"strings"
)

// An OID is an object identifier as the contents octets of its DER encoding
// (X.690, section 8.19), so that comparing and switching need no decoding.
// String gives the dotted form.
type OID string

// The object identifiers that git signatures and time-stamp tokens use. A
// test holds each against its dotted form.
const (
	OIDData       OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"         // 1.2.840.113549.1.7.1, RFC 5652
	OIDSignedData OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"         // 1.2.840.113549.1.7.2, RFC 5652
	OIDTSTInfo    OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04" // 1.2.840.113549.1.9.16.1.4, RFC 3161

	OIDContentType          OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"         // 1.2.840.113549.1.9.3, RFC 5652
	OIDMessageDigest        OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"         // 1.2.840.113549.1.9.4, RFC 5652
	OIDSigningTime          OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"         // 1.2.840.113549.1.9.5, RFC 5652
	OIDSigningCertificate   OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x0c" // 1.2.840.113549.1.9.16.2.12, RFC 2634
	OIDSigningCertificateV2 OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f" // 1.2.840.113549.1.9.16.2.47, RFC 5035
	OIDTimeStampToken       OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x0e" // 1.2.840.113549.1.9.16.2.14, RFC 3161
	OIDLogEntry             OID = "\x2b\x06\x01\x04\x01\x83\xbf\x30\x03\x01"     // 1.3.6.1.4.1.57264.3.1, Sigstore

	OIDSHA1   OID = "\x2b\x0e\x03\x02\x1a"                 // 1.3.14.3.2.26
	OIDSHA256 OID = "\x60\x86\x48\x01\x65\x03\x04\x02\x01" // 2.16.840.1.101.3.4.2.1
	OIDSHA384 OID = "\x60\x86\x48\x01\x65\x03\x04\x02\x02" // 2.16.840.1.101.3.4.2.2
	OIDSHA512 OID = "\x60\x86\x48\x01\x65\x03\x04\x02\x03" // 2.16.840.1.101.3.4.2.3

	OIDECPublicKey     OID = "\x2a\x86\x48\xce\x3d\x02\x01"         // 1.2.840.10045.2.1
	OIDECDSAWithSHA256 OID = "\x2a\x86\x48\xce\x3d\x04\x03\x02"     // 1.2.840.10045.4.3.2
	OIDECDSAWithSHA384 OID = "\x2a\x86\x48\xce\x3d\x04\x03\x03"     // 1.2.840.10045.4.3.3
	OIDECDSAWithSHA512 OID = "\x2a\x86\x48\xce\x3d\x04\x03\x04"     // 1.2.840.10045.4.3.4
	OIDRSAEncryption   OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" // 1.2.840.113549.1.1.1
	OIDSHA256WithRSA   OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b" // 1.2.840.113549.1.1.11
	OIDSHA384WithRSA   OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c" // 1.2.840.113549.1.1.12
	OIDSHA512WithRSA   OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d" // 1.2.840.113549.1.1.13
	OIDRSAPSS          OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" // 1.2.840.113549.1.1.10
	OIDMGF1            OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" // 1.2.840.113549.1.1.8
	OIDEd25519         OID = "\x2b\x65\x70"                         // 1.3.101.112, RFC 8410

	// Of signatures that are too weak, which are looked at only to say so.
	OIDSHA1WithRSA   OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05" // 1.2.840.113549.1.1.5
	OIDECDSAWithSHA1 OID = "\x2a\x86\x48\xce\x3d\x04\x01"         // 1.2.840.10045.4.1
)

// sigstoreLegacy is the arc 1.3.6.1.4.1.57264.3 under which pre-release
// versions of gitsign stored the parts of a log entry as separate attributes.
const sigstoreLegacy = "\x2b\x06\x01\x04\x01\x83\xbf\x30\x03"

// LegacyLogEntry reports whether o is one of the attributes 57264.3.0 to 3.8
// that pre-release signatures of January 2023 used, other than OIDLogEntry,
// whose number today's layout kept.
func (o OID) LegacyLogEntry() bool {
	return len(o) == len(sigstoreLegacy)+1 && strings.HasPrefix(string(o), sigstoreLegacy) &&
		o[len(o)-1] <= 8 && o != OIDLogEntry
}

// valid reports whether o is a canonical encoding: not empty, each arc
// minimal and complete.
func (o OID) valid() bool {
	if o == "" || o[len(o)-1] >= 0x80 {
		return false
	}
	for i := 0; i < len(o); i++ {
		if o[i] == 0x80 && (i == 0 || o[i-1] < 0x80) {
			return false
		}
	}
	return true
}

// String returns the dotted form, for messages. Arcs beyond 64 bits are
// shown modulo 2^64.
func (o OID) String() string {
	var b strings.Builder
	var arc uint64
	first := true
	for i := 0; i < len(o); i++ {
		arc = arc<<7 | uint64(o[i]&0x7f)
		if o[i] >= 0x80 {
			continue
		}
		if first {
			top := min(arc/40, 2)
			b.WriteString(strconv.FormatUint(top, 10))
			arc -= top * 40
			first = false
		}
		b.WriteByte('.')
		b.WriteString(strconv.FormatUint(arc, 10))
		arc = 0
	}
	return b.String()
}
