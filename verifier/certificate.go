package verifier

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidExtKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSCTList        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	// oidFulcio is the arc of Sigstore's certificate extensions
	// (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
	oidFulcio = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1}
	// oidUserName is the otherName in which Fulcio puts a subject that is
	// neither an e-mail address nor a URI.
	oidUserName = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}
)

// Numbers of Fulcio's issuer extensions: the first holds the raw bytes and
// stays for compatibility, the second a UTF8String.
const (
	fulcioIssuerRaw = 1
	fulcioIssuer    = 8
)

// claimNames are the registered names of Fulcio's extensions. 1 to 6 are the
// old GitHub ones, whose values are raw bytes; from 8 on values are DER
// UTF8Strings.
var claimNames = map[int]string{
	2: "GitHubWorkflowTrigger", 3: "GitHubWorkflowSHA", 4: "GitHubWorkflowName",
	5: "GitHubWorkflowRepository", 6: "GitHubWorkflowRef",
	9: "BuildSignerURI", 10: "BuildSignerDigest", 11: "RunnerEnvironment",
	12: "SourceRepositoryURI", 13: "SourceRepositoryDigest", 14: "SourceRepositoryRef",
	15: "SourceRepositoryIdentifier", 16: "SourceRepositoryOwnerURI", 17: "SourceRepositoryOwnerIdentifier",
	18: "BuildConfigURI", 19: "BuildConfigDigest", 20: "BuildTrigger", 21: "RunInvocationURI",
	22: "SourceRepositoryVisibilityAtSigning", 23: "DeploymentEnvironment", 24: "TokenSubject",
}

// What a signature brings along is bounded before it is used: checking with
// an RSA key costs the square of its size, and printing a name that of its
// length. Sigstore's certificates have 3 kB; crypto/tls knows the same bound
// for keys.
const (
	maxCertificate = 1 << 15 // bytes
	maxRSAKey      = 8192    // bits
)

// parseCertificate reads a certificate that nobody vouches for yet.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("certificate of %d bytes, more than the limit of %d", len(der), maxCertificate)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSAKey {
		return nil, fmt.Errorf("RSA key of %d bits, more than the limit of %d", key.N.BitLen(), maxRSAKey)
	}
	return cert, nil
}

// readCertificate reads who cert speaks for. The Certificate is filled as far
// as it goes; the error says why its Identity is not to be had.
func readCertificate(cert *x509.Certificate) (Certificate, error) {
	c := Certificate{
		NotBefore:   cert.NotBefore.UTC(),
		NotAfter:    cert.NotAfter.UTC(),
		Serial:      fmt.Sprintf("%x", cert.SerialNumber),
		IssuerName:  cert.Issuer.String(),
		Fingerprint: fingerprint(cert),
		DER:         slices.Clone(cert.Raw),
	}
	var identity Identity
	var sanErr error = errors.New("no subject alternative name")
	issuers := make(map[int]string, 2)
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oidSubjectAltName) {
			identity.Subject, c.SubjectType, sanErr = readSubject(ext.Value)
			continue
		}
		if len(ext.Id) != len(oidFulcio)+1 || !ext.Id[:len(oidFulcio)].Equal(oidFulcio) {
			continue
		}
		n := ext.Id[len(oidFulcio)]
		value, err := claimValue(n, ext.Value)
		if err != nil {
			return c, fmt.Errorf("extension %v: %w", ext.Id, err)
		}
		switch n {
		case fulcioIssuerRaw, fulcioIssuer:
			issuers[n] = value
		default:
			c.Claims = append(c.Claims, Claim{Number: n, Name: claimNames[n], Value: value})
		}
	}
	if sanErr != nil {
		return c, sanErr
	}
	c.Identity.Subject = identity.Subject
	raw, hasRaw := issuers[fulcioIssuerRaw]
	issuer, hasIssuer := issuers[fulcioIssuer]
	switch {
	case !hasRaw && !hasIssuer:
		return c, errors.New("no OpenID Connect issuer")
	case hasRaw && hasIssuer && raw != issuer:
		return c, errors.New("two OpenID Connect issuers that differ")
	case !hasIssuer:
		issuer = raw
	}
	if issuer == "" {
		return c, errors.New("empty OpenID Connect issuer")
	}
	c.Identity.Issuer = issuer
	return c, nil
}

// claimValue returns an extension's value as text.
func claimValue(n int, value []byte) (string, error) {
	if n >= fulcioIssuer {
		in := cryptobyte.String(value)
		var text cryptobyte.String
		if !in.ReadASN1(&text, cbasn1.UTF8String) || !in.Empty() {
			return "", errors.New("not a DER UTF8String")
		}
		value = text
	}
	if !utf8.Valid(value) {
		return "", errors.New("not UTF-8")
	}
	return string(value), nil
}

// readSubject returns the one name of a subject alternative name extension:
//
//	GeneralName ::= CHOICE {
//	  otherName [0] OtherName,
//	  rfc822Name [1] IA5String,
//	  uniformResourceIdentifier [6] IA5String, ... }
//
// Several names are refused: a signature has one identity.
func readSubject(der []byte) (subject, kind string, err error) {
	in := cryptobyte.String(der)
	var names, name cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadASN1(&names, cbasn1.SEQUENCE) || !in.Empty() || !names.ReadAnyASN1(&name, &tag) {
		return "", "", errors.New("malformed subject alternative name")
	}
	if !names.Empty() {
		return "", "", errors.New("several subject alternative names, want one")
	}
	switch tag {
	case cbasn1.Tag(1).ContextSpecific():
		kind = "email"
	case cbasn1.Tag(6).ContextSpecific():
		kind = "uri"
	case cbasn1.Tag(0).ContextSpecific().Constructed():
		if name, err = readUserName(name); err != nil {
			return "", "", err
		}
		kind = "other-name"
	default:
		return "", "", fmt.Errorf("subject alternative name of unsupported type %d", tag&0x1f)
	}
	if len(name) == 0 || !utf8.Valid(name) {
		return "", "", errors.New("malformed subject alternative name")
	}
	return string(name), kind, nil
}

// readUserName reads OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER,
// value [0] EXPLICIT UTF8String }, its outer tag already taken off.
func readUserName(in cryptobyte.String) (cryptobyte.String, error) {
	var id asn1.ObjectIdentifier
	var value, name cryptobyte.String
	if !in.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidUserName) ||
		!in.ReadASN1(&value, cbasn1.Tag(0).ContextSpecific().Constructed()) || !in.Empty() ||
		!value.ReadASN1(&name, cbasn1.UTF8String) || !value.Empty() {
		return nil, errors.New("malformed or unknown otherName")
	}
	return name, nil
}

// keyBits returns the size of the curve of an ECDSA certificate, or 0.
func keyBits(cert *x509.Certificate) int {
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); ok {
		return key.Curve.Params().BitSize
	}
	return 0
}
