package verifier

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"slices"

	"gitseal/internal/fixedkey"
)

// errSignature says what crypto/x509 says of the same.
var errSignature = errors.New("x509: ECDSA verification failure")

// signedBy checks what signedBy does, that the certificate at index parent of
// the chain, which may sign certificates, signed child. Most signatures that
// there are to verify are by the few certificates that trusted roots name; so
// this one is by the key made ready, where the function would come as far as
// to verify an ECDSA signature. All else is left to that.
func (a *authority) signedBy(child *x509.Certificate, parent int) error {
	issuer := a.Chain[parent]
	key, ok := a.keys[parent].(*fixedkey.Verifier)
	digest := ecdsaDigest(child)
	if !ok || digest == nil || !mayIssue(issuer) {
		return signedBy(child, issuer)
	}
	if !key.Verify(digest, child.Signature) {
		return errNotSigned(issuer, errSignature)
	}
	return nil
}

// mayIssue reports whether cert is a certificate authority with an ECDSA key
// that may sign certificates. CheckSignatureFrom has no objection to the
// issuer then; there are others to which it has none either.
func mayIssue(cert *x509.Certificate) bool {
	return cert.BasicConstraintsValid && cert.IsCA &&
		(cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0) &&
		cert.PublicKeyAlgorithm == x509.ECDSA
}

// ecdsaDigest returns the digest of what the issuer of cert signed, if it did
// so with ECDSA and a hash that proves something, and otherwise nil.
func ecdsaDigest(cert *x509.Certificate) []byte {
	switch cert.SignatureAlgorithm {
	case x509.ECDSAWithSHA256:
		sum := sha256.Sum256(cert.RawTBSCertificate)
		return sum[:]
	case x509.ECDSAWithSHA384:
		sum := sha512.Sum384(cert.RawTBSCertificate)
		return sum[:]
	case x509.ECDSAWithSHA512:
		sum := sha512.Sum512(cert.RawTBSCertificate)
		return sum[:]
	}
	return nil
}

// keyOf returns the key of cert to verify with. One that is not the authority's
// own, but came with a signature, is not made ready.
func (a *authority) keyOf(cert *x509.Certificate) crypto.PublicKey {
	if i := slices.Index(a.Chain, cert); i >= 0 {
		return a.keys[i]
	}
	return cert.PublicKey
}
