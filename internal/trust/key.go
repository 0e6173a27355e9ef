package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
)

// pkcs1 is the one algorithm whose keys are not in a SubjectPublicKeyInfo.
// Deprecated, but the staging instance's first certificate log has it.
const pkcs1 = "PKCS1_RSA_PKCS1V5"

// parseKey reads a dev.sigstore.common.v1.PublicKey whose algorithm is named
// by details, and returns it as a key and as SubjectPublicKeyInfo.
func parseKey(details string, raw []byte) (crypto.PublicKey, []byte, error) {
	parse := x509.ParsePKIXPublicKey
	if details == pkcs1 {
		parse = func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) }
	}
	key, err := parse(raw)
	if err != nil {
		return nil, nil, at("rawBytes", err)
	}
	if err := checkKeyDetails(details, key); err != nil {
		return nil, nil, at("keyDetails", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, nil, at("rawBytes", err)
	}
	// The parsers pass over what stands after an RSA key.
	canonical := spki
	if rsaKey, ok := key.(*rsa.PublicKey); ok && details == pkcs1 {
		canonical = x509.MarshalPKCS1PublicKey(rsaKey)
	}
	if !bytes.Equal(raw, canonical) {
		return nil, nil, at("rawBytes", errors.New("not the canonical encoding of the key"))
	}
	return key, spki, nil
}

// checkKeyDetails checks that key is of the kind and size that details names
// (sigstore_common.proto, PublicKeyDetails).
func checkKeyDetails(details string, key crypto.PublicKey) error {
	var ok bool
	switch details {
	case "PKIX_ED25519":
		_, ok = key.(ed25519.PublicKey)
	case "PKIX_ECDSA_P256_SHA_256":
		ok = ecdsaBits(key) == 256
	case "PKIX_ECDSA_P384_SHA_384":
		ok = ecdsaBits(key) == 384
	case "PKIX_ECDSA_P521_SHA_512":
		ok = ecdsaBits(key) == 521
	case "PKIX_RSA_PKCS1V15_2048_SHA256":
		ok = rsaBits(key) == 2048
	case "PKIX_RSA_PKCS1V15_3072_SHA256":
		ok = rsaBits(key) == 3072
	case "PKIX_RSA_PKCS1V15_4096_SHA256":
		ok = rsaBits(key) == 4096
	case pkcs1:
		ok = rsaBits(key) >= 2048 && rsaBits(key) <= 8192
	default:
		return fmt.Errorf("unsupported key algorithm %q", details)
	}
	if !ok {
		return fmt.Errorf("%s does not describe this key", details)
	}
	return nil
}

func ecdsaBits(key crypto.PublicKey) int {
	if k, ok := key.(*ecdsa.PublicKey); ok {
		return k.Curve.Params().BitSize
	}
	return 0
}

func rsaBits(key crypto.PublicKey) int {
	if k, ok := key.(*rsa.PublicKey); ok {
		return k.N.BitLen()
	}
	return 0
}

// checkLogID checks that id identifies key: as RFC 6962 section 3.2 has it, or
// as the untruncated note key id (C2SP signed-note, "Signatures") of a log
// whose origin is host. The second is written out here, apart from package
// tlog, so that what the embedded authority writes gets a second opinion.
func checkLogID(id []byte, host string, key crypto.PublicKey, spki []byte) error {
	if sum := sha256.Sum256(spki); bytes.Equal(id, sum[:]) {
		return nil
	}
	note := append([]byte(host), '\n')
	switch key := key.(type) {
	case ed25519.PublicKey:
		note = append(append(note, 0x01), key...)
	case *rsa.PublicKey:
		note = append(append(note, 0xff), "PKIX-RSA-PKCS#1v1.5"...)
		note = append(note, spki...)
	default:
		return errors.New("not the SHA-256 of the key")
	}
	if sum := sha256.Sum256(note); host == "" || !bytes.Equal(id, sum[:]) {
		return errors.New("neither the SHA-256 of the key nor the note key id of the log")
	}
	return nil
}

// checkURL checks that s is an absolute http or https URL, without user,
// query or fragment, and returns its host without the port. That is the origin
// of the Rekor v2 log served there. An empty s has no host.
func checkURL(s string) (host string, err error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", errors.New("not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%q is not an http or https URL", s)
	}
	if u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", fmt.Errorf("%q is more or less than scheme, host and path", s)
	}
	return u.Hostname(), nil
}
