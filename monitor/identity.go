package monitor

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An Identity is a name in a certificate that a log holds, and the OpenID
// Connect issuer beside it, byte for byte as they stand there. Anyone can put
// a certificate of their own making into a log: that a trusted authority
// issued it is not checked.
type Identity struct {
	Subject string `json:"subject"`
	Issuer  string `json:"issuer,omitempty"` // "": none is given
}

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	// Fulcio's extensions: the issuer's raw bytes, and as a UTF8String
	// (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
	oidIssuerRaw = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidIssuer    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
)

// maxNames bounds the names that are listed of one certificate.
const maxNames = 64

// identities returns everyone that a certificate names. A verifier takes one
// name only; a search must not overlook what stands beside it.
func identities(cert *x509.Certificate) ([]Identity, error) {
	var all []Identity
	var names, issuers []string
	for _, ext := range cert.Extensions {
		var err error
		switch {
		case ext.Id.Equal(oidSubjectAltName):
			names, err = altNames(ext.Value)
		case ext.Id.Equal(oidIssuerRaw):
			issuers = append(issuers, string(ext.Value))
		case ext.Id.Equal(oidIssuer):
			in := cryptobyte.String(ext.Value)
			var text cryptobyte.String
			if !in.ReadASN1(&text, cbasn1.UTF8String) || !in.Empty() {
				err = fmt.Errorf("malformed extension %v", ext.Id)
			}
			issuers = append(issuers, string(text))
		}
		if err != nil {
			return nil, err
		}
	}
	if len(issuers) == 0 {
		issuers = []string{""}
	}
	for _, subject := range names {
		for _, issuer := range issuers {
			id := Identity{subject, issuer}
			if !utf8.ValidString(subject) || !utf8.ValidString(issuer) {
				return nil, errors.New("a name that is not UTF-8")
			}
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all, nil
}

// altNames returns the e-mail addresses, URIs, host names and user names of a
// subject alternative name extension (RFC 5280, section 4.2.1.6):
//
//	GeneralName ::= CHOICE {
//	  otherName [0] SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY },
//	  rfc822Name [1] IA5String, dNSName [2] IA5String,
//	  uniformResourceIdentifier [6] IA5String, ... }
func altNames(der []byte) ([]string, error) {
	malformed := errors.New("malformed subject alternative name")
	in := cryptobyte.String(der)
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, malformed
	}
	var names []string
	for !list.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&name, &tag) {
			return nil, malformed
		}
		switch tag {
		case cbasn1.Tag(0).ContextSpecific().Constructed():
			var id asn1.ObjectIdentifier
			var value, text cryptobyte.String
			if !name.ReadASN1ObjectIdentifier(&id) || !name.ReadASN1(&value, cbasn1.Tag(0).ContextSpecific().Constructed()) || !name.Empty() {
				return nil, malformed
			}
			if !value.ReadASN1(&text, cbasn1.UTF8String) || !value.Empty() {
				return nil, fmt.Errorf("other name %v is not a UTF8String", id)
			}
			names = append(names, string(text))
		case cbasn1.Tag(1).ContextSpecific(), cbasn1.Tag(2).ContextSpecific(), cbasn1.Tag(6).ContextSpecific():
			names = append(names, string(name))
		}
		if len(names) > maxNames {
			return nil, fmt.Errorf("more than %d names", maxNames)
		}
	}
	return names, nil
}
