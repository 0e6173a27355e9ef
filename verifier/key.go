package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
)

// minRSAKey is the size of the smallest RSA key that still proves something,
// in bits (dev.sigstore.common.v1.PublicKeyDetails begins with it too).
const minRSAKey = 2048

// An algorithm is one way of signing with a key, under its name in
// dev.sigstore.common.v1.PublicKeyDetails.
type algorithm struct {
	name string
	hash crypto.Hash
}

// algorithms returns how a key may have signed a digest, the proper way
// first. Clients have long used SHA-256 with larger curves too, which is less
// than the curve could bear and as good as with P-256. A key that signs in no
// way that is known gives UnsupportedSignature, one that is too small
// WeakAlgorithm.
func algorithms(key crypto.PublicKey) ([]algorithm, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return []algorithm{{"PKIX_ECDSA_P256_SHA_256", crypto.SHA256}}, nil
		case 384:
			return []algorithm{{"PKIX_ECDSA_P384_SHA_384", crypto.SHA384}, {"PKIX_ECDSA_P384_SHA_256", crypto.SHA256}}, nil
		case 521:
			return []algorithm{{"PKIX_ECDSA_P521_SHA_512", crypto.SHA512}, {"PKIX_ECDSA_P521_SHA_256", crypto.SHA256}}, nil
		}
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if bits < minRSAKey {
			return nil, classed(WeakAlgorithm, "RSA key of %d bits", bits)
		}
		if bits <= maxRSAKey {
			return []algorithm{{fmt.Sprintf("PKIX_RSA_PKCS1V15_%d_SHA256", bits), crypto.SHA256}}, nil
		}
		return nil, classed(UnsupportedSignature, "RSA key of %d bits, more than the limit of %d", bits, maxRSAKey)
	case ed25519.PublicKey:
		if len(key) == ed25519.PublicKeySize {
			return []algorithm{{"PKIX_ED25519_PH", crypto.SHA512}}, nil
		}
	}
	return nil, classed(UnsupportedSignature, "public key of type %T", key)
}

// algorithmWith returns the one of a key's algorithms that has the hash
// function.
func algorithmWith(key crypto.PublicKey, hash crypto.Hash) (algorithm, error) {
	list, err := algorithms(key)
	if err != nil {
		return algorithm{}, err
	}
	i := slices.IndexFunc(list, func(a algorithm) bool { return a.hash == hash })
	if i < 0 {
		return algorithm{}, classed(UnsupportedSignature, "%v with a key for %s", hash, list[0].name)
	}
	return list[i], nil
}

// checkDigest checks a signature over a digest: ECDSA, RSA PKCS #1 v1.5 or
// Ed25519ph (RFC 8032, section 5.1).
func checkDigest(key crypto.PublicKey, hash crypto.Hash, digest, signature []byte) error {
	ok := false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
	case ed25519.PublicKey:
		ok = hash == crypto.SHA512 && ed25519.VerifyWithOptions(key, digest, signature, &ed25519.Options{Hash: crypto.SHA512}) == nil
	default:
		return classed(UnsupportedSignature, "public key of type %T", key)
	}
	if !ok {
		return errors.New("it does not verify")
	}
	return nil
}

// checkMessage checks a signature over a message whose hash function nothing
// names. With Ed25519 it has none.
func checkMessage(key crypto.PublicKey, message, signature []byte) error {
	list, err := algorithms(key)
	if err != nil {
		return err
	}
	if key, ok := key.(ed25519.PublicKey); ok {
		if !ed25519.Verify(key, message, signature) {
			return errors.New("it does not verify")
		}
		return nil
	}
	for _, a := range list {
		if err = checkDigest(key, a.hash, sum(a.hash, message), signature); err == nil {
			return nil
		}
	}
	return err
}

// sum returns the hash of data.
func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}
