package smime

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // a digest that the rules may accept
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"gitseal/internal/cms"
	"gitseal/verifier"
)

// minRSAKey is the size of the smallest RSA key that still proves something,
// in bits (NIST SP 800-131A revision 2, section 3); minWeakRSAKey of the
// smallest that crypto/rsa uses at all.
const (
	minRSAKey     = 2048
	minWeakRSAKey = 1024
)

// A weakness is why something proves little.
type weakness struct {
	name string // in KeyRules.Weak
	what string
}

// derNull is the NULL that some writers put where parameters are absent.
var derNull = []byte{5, 0}

// checkPayload checks that the signature is over payload and made by the key
// of its certificate. What is weak of it is checked as well, and kept.
func (m *message) checkPayload(payload []byte) *verifier.KeyError {
	signer := &m.cms.Signer
	hash, err := cms.HashOf(signer.DigestAlgorithm)
	if errors.Is(err, cms.ErrWeakAlgorithm) {
		hash, err = crypto.SHA1, nil // the only one that package cms calls weak
		m.weak = append(m.weak, weakness{"sha1", "digest algorithm SHA-1: weak algorithm"})
	}
	if err != nil {
		return m.fail(classOf(err), err)
	}
	if w, is := weakKey(m.leaf.PublicKey); is {
		m.weak = append(m.weak, w)
	}
	if err := signer.CheckDigest(cms.OIDData, payload, hash); err != nil {
		return m.fail(classOf(err), fmt.Errorf("checking the payload: %w", err))
	}
	// RFC 5652 section 5.4 wants the attributes in DER order to be signed, also
	// where they stand in another one. Programs in use sign them, and check the
	// signature, as they stand. Only that is tried.
	if _, err := signer.SignedBytes(); err != nil {
		m.note("signed attributes are not in DER order")
	}
	signed, err := signer.SignedBytesAsFound()
	if err != nil {
		return m.fail(verifier.MalformedSignature, err)
	}
	if err := checkValue(signer, m.leaf.PublicKey, hash, signed); err != nil {
		return m.fail(classOf(err), fmt.Errorf("checking the signature: %w", err))
	}
	return m.checkSigningCertificate()
}

// checkSigningCertificate checks the attribute by which a signer vouches for
// its certificate (RFC 5035), if there is one. That of RFC 2634, with SHA-1,
// is not read.
func (m *message) checkSigningCertificate() *verifier.KeyError {
	signer := &m.cms.Signer
	if !slices.ContainsFunc(signer.SignedAttributes, func(a cms.Attribute) bool { return a.Type == cms.OIDSigningCertificateV2 }) {
		return nil
	}
	if err := signer.CheckSigningCertificate(m.leaf); err != nil {
		return m.fail(verifier.BadSignature, err)
	}
	return nil
}

// checkValue checks the signature value over signed. The signature algorithm
// must agree with the key and with the digest algorithm; the bare key
// algorithms (rsaEncryption, id-ecPublicKey), which some writers name, stand
// for it.
func checkValue(signer *cms.SignerInfo, key crypto.PublicKey, hash crypto.Hash, signed []byte) error {
	alg := signer.SignatureAlgorithm
	plain := alg.Parameters == nil || bytes.Equal(alg.Parameters, derNull)
	h := hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minWeakRSAKey {
			return fmt.Errorf("RSA key of %d bits: %w", bits, cms.ErrWeakAlgorithm)
		}
		var err error
		switch {
		case plain && (alg.Algorithm == cms.OIDRSAEncryption || alg.Algorithm == rsaWith[hash]):
			err = rsa.VerifyPKCS1v15(key, hash, digest, signer.Signature)
		case alg.Algorithm == cms.OIDRSAPSS:
			salt, perr := pssSalt(alg.Parameters, hash)
			if perr != nil {
				return perr
			}
			err = rsa.VerifyPSS(key, hash, digest, signer.Signature, &rsa.PSSOptions{SaltLength: salt})
		default:
			return disagree(alg, "an RSA key")
		}
		if err != nil {
			return fmt.Errorf("RSA signature %w", cms.ErrMismatch)
		}
		return nil
	case *ecdsa.PublicKey:
		if keyName(key) == "" || !plain || alg.Algorithm != cms.OIDECPublicKey && alg.Algorithm != ecdsaWith[hash] {
			return disagree(alg, "an ECDSA key on "+key.Params().Name)
		}
		if !ecdsa.VerifyASN1(key, digest, signer.Signature) {
			return fmt.Errorf("ECDSA signature %w", cms.ErrMismatch)
		}
		return nil
	case ed25519.PublicKey:
		// RFC 8419, sections 2.3 and 3.1: what is signed is not hashed first,
		// and the digest is SHA-512.
		if alg.Algorithm != cms.OIDEd25519 || alg.Parameters != nil || hash != crypto.SHA512 {
			return disagree(alg, "an Ed25519 key")
		}
		if !ed25519.Verify(key, signed, signer.Signature) {
			return fmt.Errorf("Ed25519 signature %w", cms.ErrMismatch)
		}
		return nil
	}
	return fmt.Errorf("public key of type %T: %w", key, cms.ErrUnsupportedAlgorithm)
}

func disagree(alg cms.AlgorithmIdentifier, key string) error {
	return fmt.Errorf("signature algorithm %v, or its parameters, with %s: %w", alg.Algorithm, key, cms.ErrUnsupportedAlgorithm)
}

// The signature algorithms that go with a hash.
var (
	rsaWith = map[crypto.Hash]cms.OID{
		crypto.SHA1: cms.OIDSHA1WithRSA, crypto.SHA256: cms.OIDSHA256WithRSA,
		crypto.SHA384: cms.OIDSHA384WithRSA, crypto.SHA512: cms.OIDSHA512WithRSA,
	}
	ecdsaWith = map[crypto.Hash]cms.OID{
		crypto.SHA1: cms.OIDECDSAWithSHA1, crypto.SHA256: cms.OIDECDSAWithSHA256,
		crypto.SHA384: cms.OIDECDSAWithSHA384, crypto.SHA512: cms.OIDECDSAWithSHA512,
	}
)

// pssSalt reads the parameters of RSASSA-PSS (RFC 4055, section 3.1) and
// returns the length of the salt:
//
//	RSASSA-PSS-params ::= SEQUENCE {
//	  hashAlgorithm    [0] HashAlgorithm DEFAULT sha1,
//	  maskGenAlgorithm [1] MaskGenAlgorithm DEFAULT mgf1SHA1,
//	  saltLength       [2] INTEGER DEFAULT 20,
//	  trailerField     [3] INTEGER DEFAULT 1 }
//
// Both hashes have to be that of the message, and so none is left out. A salt
// is needed: crypto/rsa takes zero for any length.
func pssSalt(der []byte, hash crypto.Hash) (int, error) {
	unsupported := fmt.Errorf("parameters of RSASSA-PSS: %w", cms.ErrUnsupportedAlgorithm)
	in := cryptobyte.String(der)
	var params, field, mask cryptobyte.String
	if !in.ReadASN1(&params, asn1.SEQUENCE) || !in.Empty() {
		return 0, unsupported
	}
	if !params.ReadASN1(&field, explicit(0)) || !readHash(&field, hash) || !field.Empty() {
		return 0, unsupported
	}
	if !params.ReadASN1(&field, explicit(1)) || !field.ReadASN1(&mask, asn1.SEQUENCE) || !field.Empty() {
		return 0, unsupported
	}
	if !mask.ReadASN1(&field, asn1.OBJECT_IDENTIFIER) || cms.OID(field) != cms.OIDMGF1 || !readHash(&mask, hash) || !mask.Empty() {
		return 0, unsupported
	}
	salt := 20
	if params.PeekASN1Tag(explicit(2)) {
		if !params.ReadASN1(&field, explicit(2)) || !field.ReadASN1Integer(&salt) || !field.Empty() || salt == 20 {
			return 0, unsupported
		}
	}
	if !params.Empty() || salt < 1 || salt > maxRSAKey/8 {
		return 0, unsupported
	}
	return salt, nil
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// readHash reads the AlgorithmIdentifier of a hash.
func readHash(in *cryptobyte.String, want crypto.Hash) bool {
	var body, oid cryptobyte.String
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return false
	}
	alg := cms.AlgorithmIdentifier{Algorithm: cms.OID(oid)}
	if !body.Empty() {
		alg.Parameters = body
	}
	got, err := cms.HashOf(alg)
	return err == nil && got == want
}

// weakKey says whether a public key is too weak.
func weakKey(key crypto.PublicKey) (weakness, bool) {
	k, ok := key.(*rsa.PublicKey)
	if !ok || k.N.BitLen() >= minRSAKey {
		return weakness{}, false
	}
	w := weakness{"rsa1024", fmt.Sprintf("RSA key of %d bits: weak algorithm", k.N.BitLen())}
	if k.N.BitLen() < minWeakRSAKey {
		w.name = "" // nobody can accept it
	}
	return w, true
}

// keyName returns the name of a key's algorithm, "" if it is not one of those
// that this package knows.
func keyName(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa%d", key.N.BitLen())
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return "ecdsa-p256"
		case elliptic.P384():
			return "ecdsa-p384"
		case elliptic.P521():
			return "ecdsa-p521"
		}
	case ed25519.PublicKey:
		return "ed25519"
	}
	return ""
}

// hashName returns the name of a digest algorithm, or its number.
func hashName(alg cms.AlgorithmIdentifier) string {
	hash, err := cms.HashOf(alg)
	switch {
	case err == nil:
		return strings.ToLower(strings.ReplaceAll(hash.String(), "-", ""))
	case errors.Is(err, cms.ErrWeakAlgorithm):
		return "sha1"
	}
	return alg.Algorithm.String()
}

// classOf maps an error of package cms to the class it means.
func classOf(err error) verifier.Class {
	switch {
	case errors.Is(err, cms.ErrMismatch):
		return verifier.BadSignature
	case errors.Is(err, cms.ErrWeakAlgorithm):
		return verifier.WeakAlgorithm
	case errors.Is(err, cms.ErrUnsupportedAlgorithm):
		return verifier.UnsupportedSignature
	}
	return verifier.MalformedSignature
}
