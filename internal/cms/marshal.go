package cms

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Marshal returns the ContentInfo that holds sd, in DER.
func (sd *SignedData) Marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 4096))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, OIDSignedData)
		b.AddASN1(tag0c, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, sd.marshal)
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing CMS: %w", err)
	}
	return der, nil
}

func (sd *SignedData) marshal(b *cryptobyte.Builder) {
	b.AddASN1Int64(int64(sd.Version))
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		for _, alg := range sd.DigestAlgorithms {
			addAlgorithm(b, alg)
		}
	})
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, sd.ContentType)
		if sd.Content != nil {
			b.AddASN1(tag0c, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sd.Content) })
		}
	})
	if sd.Certificates != nil {
		b.AddASN1(tag0c, func(b *cryptobyte.Builder) {
			for _, cert := range sd.Certificates {
				b.AddBytes(cert)
			}
		})
	}
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, sd.Signer.marshal)
	})
}

func (si *SignerInfo) marshal(b *cryptobyte.Builder) {
	b.AddASN1Int64(int64(si.Version))
	if si.SubjectKeyID != nil {
		b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddBytes(si.SubjectKeyID) })
	} else {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(si.Issuer)
			b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(si.Serial) })
		})
	}
	addAlgorithm(b, si.DigestAlgorithm)
	addAttributes(b, tag0c, si.SignedAttributes)
	addAlgorithm(b, si.SignatureAlgorithm)
	b.AddASN1OctetString(si.Signature)
	if si.UnsignedAttributes != nil {
		addAttributes(b, tag1c, si.UnsignedAttributes)
	}
}

// SignedBytes returns what the signer signed: the DER of the signed
// attributes under the tag SET OF in place of their context tag (RFC 5652,
// section 5.4). For a git signature these are also the bytes whose SHA-256
// the transparency log records. Attributes that are not in DER order are
// refused: whether their signer hashed them as they stand or sorted is
// anybody's guess.
func (si *SignerInfo) SignedBytes() ([]byte, error) {
	der, err := si.SignedBytesAsFound()
	if err != nil {
		return nil, err
	}
	in := cryptobyte.String(der)
	var set, previous, attr cryptobyte.String
	in.ReadASN1(&set, asn1.SET)
	for set.ReadASN1Element(&attr, asn1.SEQUENCE) {
		if bytes.Compare(previous, attr) >= 0 {
			return nil, errors.New("signed attributes are not in DER order")
		}
		previous = attr
	}
	return der, nil
}

// SignedBytesAsFound is SignedBytes for attributes in any order, which is kept.
// openssl and gpgsm check signatures over these bytes, and smimesign made such
// ones in 2020.
func (si *SignerInfo) SignedBytesAsFound() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 160))
	addAttributes(b, asn1.SET, si.SignedAttributes)
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing signed attributes: %w", err)
	}
	return der, nil
}

// NewSignedAttributes returns contentType, signingTime and messageDigest
// (RFC 5652, section 11) in DER order. at is written to the second, in UTC,
// as UTCTime until 2049 as section 11.3 asks; it is a claim that no verifier
// may rely on.
func NewSignedAttributes(contentType OID, digest []byte, at time.Time) ([]Attribute, error) {
	b := cryptobyte.NewBuilder(nil)
	addOID(b, contentType)
	typeValue, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing contentType: %w", err)
	}
	b = cryptobyte.NewBuilder(nil)
	if at = at.UTC(); at.Year() >= 1950 && at.Year() < 2050 {
		b.AddASN1UTCTime(at)
	} else {
		b.AddASN1GeneralizedTime(at)
	}
	timeValue, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing signingTime: %w", err)
	}
	b = cryptobyte.NewBuilder(nil)
	b.AddASN1OctetString(digest)
	digestValue, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing messageDigest: %w", err)
	}
	attrs := []Attribute{
		{Type: OIDContentType, Values: [][]byte{typeValue}},
		{Type: OIDSigningTime, Values: [][]byte{timeValue}},
		{Type: OIDMessageDigest, Values: [][]byte{digestValue}},
	}
	return attrs, SortAttributes(attrs)
}

// SortAttributes puts attrs into the DER order of a SET OF (X.690, section
// 11.6): ascending by encoding.
func SortAttributes(attrs []Attribute) error {
	type encoded struct {
		attr Attribute
		der  []byte
	}
	list := make([]encoded, len(attrs))
	for i, attr := range attrs {
		b := cryptobyte.NewBuilder(nil)
		addAttribute(b, attr)
		der, err := b.Bytes()
		if err != nil {
			return fmt.Errorf("writing attribute %v: %w", attr.Type, err)
		}
		list[i] = encoded{attr, der}
	}
	slices.SortFunc(list, func(a, b encoded) int { return bytes.Compare(a.der, b.der) })
	for i := range list {
		attrs[i] = list[i].attr
	}
	return nil
}

func addAttributes(b *cryptobyte.Builder, tag asn1.Tag, attrs []Attribute) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, attr := range attrs {
			addAttribute(b, attr)
		}
	})
}

func addAttribute(b *cryptobyte.Builder, attr Attribute) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, attr.Type)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			for _, value := range attr.Values {
				b.AddBytes(value)
			}
		})
	})
}

func addAlgorithm(b *cryptobyte.Builder, alg AlgorithmIdentifier) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, alg.Algorithm)
		b.AddBytes(alg.Parameters)
	})
}

func addOID(b *cryptobyte.Builder, oid OID) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oid)) })
}
