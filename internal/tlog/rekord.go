package tlog

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
)

// The bodies of hashedrekord entries, as Rekor makes them canonical (RFC 8785):
// no white space, members in this order. Nothing in them needs escaping.
const (
	rekordV1Digest      = `{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"`
	rekordV1Signature   = `"}},"signature":{"content":"`
	rekordV1Certificate = `","publicKey":{"content":"`
	rekordV1End         = `"}}}}`

	rekordV2Digest      = `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"`
	rekordV2Signature   = `"},"signature":{"content":"`
	rekordV2Certificate = `","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"`
	rekordV2End         = `"}}}}}}`
)

const (
	pemBegin   = "-----BEGIN CERTIFICATE-----\n"
	pemEnd     = "-----END CERTIFICATE-----\n"
	pemColumns = 64
)

// HashedRekordV1 returns the body of a Rekor v1 hashedrekord 0.0.1 entry about
// a signature over an artifact with the given SHA-256 digest. Rekor v1 logs
// the certificate in PEM.
func HashedRekordV1(digest [32]byte, signature, certificateDER []byte) []byte {
	b64 := base64.StdEncoding
	pem := appendPEM(make([]byte, 0, pemLen(certificateDER)), certificateDER)
	body := make([]byte, 0, len(rekordV1Digest)+hex.EncodedLen(len(digest))+
		len(rekordV1Signature)+b64.EncodedLen(len(signature))+
		len(rekordV1Certificate)+b64.EncodedLen(len(pem))+len(rekordV1End))

	body = append(body, rekordV1Digest...)
	body = hex.AppendEncode(body, digest[:])
	body = append(body, rekordV1Signature...)
	body = b64.AppendEncode(body, signature)
	body = append(body, rekordV1Certificate...)
	body = b64.AppendEncode(body, pem)
	return append(body, rekordV1End...)
}

// HashedRekordV2 returns the body of a Rekor v2 hashedrekord 0.0.2 entry about
// a signature by an ECDSA P-256 key over an artifact with the given SHA-256
// digest.
func HashedRekordV2(digest [32]byte, signature, certificateDER []byte) []byte {
	b64 := base64.StdEncoding
	body := make([]byte, 0, len(rekordV2Digest)+b64.EncodedLen(len(digest))+
		len(rekordV2Signature)+b64.EncodedLen(len(signature))+
		len(rekordV2Certificate)+b64.EncodedLen(len(certificateDER))+len(rekordV2End))

	body = append(body, rekordV2Digest...)
	body = b64.AppendEncode(body, digest[:])
	body = append(body, rekordV2Signature...)
	body = b64.AppendEncode(body, signature)
	body = append(body, rekordV2Certificate...)
	body = b64.AppendEncode(body, certificateDER)
	return append(body, rekordV2End...)
}

// pemLen returns the length of what appendPEM appends.
func pemLen(der []byte) int {
	n := base64.StdEncoding.EncodedLen(len(der))
	return len(pemBegin) + n + (n+pemColumns-1)/pemColumns + len(pemEnd)
}

// appendPEM does what encoding/pem does, without its allocations.
func appendPEM(dst, der []byte) []byte {
	const line = pemColumns / 4 * 3
	dst = append(dst, pemBegin...)
	for len(der) > 0 {
		n := min(line, len(der))
		dst = base64.StdEncoding.AppendEncode(dst, der[:n])
		dst = append(dst, '\n')
		der = der[n:]
	}
	return append(dst, pemEnd...)
}

// VerifySET checks a Rekor v1 signed entry timestamp: the log's promise that
// it took in the entry with this body at integratedTime (Unix seconds) and
// gave it this index, which counts over all the log's trees. The error wraps
// ErrBadSignature, or says that the key is of an unknown kind.
//
// The promise is a signature over canonical JSON:
//
//	{"body":"<base64>","integratedTime":n,"logID":"<hex>","logIndex":n}
func VerifySET(key crypto.PublicKey, body []byte, integratedTime int64, logID []byte, logIndex int64, set []byte) error {
	const (
		maxInt  = len("-9223372036854775808")
		members = len(`{"body":"","integratedTime":,"logID":"","logIndex":}`)
	)
	text := make([]byte, 0, members+base64.StdEncoding.EncodedLen(len(body))+2*sha256.Size+2*maxInt)
	text = append(text, `{"body":"`...)
	text = base64.StdEncoding.AppendEncode(text, body)
	text = append(text, `","integratedTime":`...)
	text = strconv.AppendInt(text, integratedTime, 10)
	text = append(text, `,"logID":"`...)
	text = hex.AppendEncode(text, logID)
	text = append(text, `","logIndex":`...)
	text = strconv.AppendInt(text, logIndex, 10)
	text = append(text, '}')
	if err := verifySignature(key, text, set); err != nil {
		return fmt.Errorf("verifying signed entry timestamp: %w", err)
	}
	return nil
}
