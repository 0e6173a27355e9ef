package fakeca

import (
	"context"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A failure is a PKIFailureInfo: the number of a bit (RFC 3161, section 2.4.2).
type failure byte

const (
	badAlg              failure = 0
	badRequest          failure = 2
	badDataFormat       failure = 5
	unacceptedPolicy    failure = 15
	unacceptedExtension failure = 16
	systemFailure       failure = 25
)

// maxTimestampRequest bounds a request, in bytes. Real ones have about 80.
const maxTimestampRequest = 4096

// maxNonce bounds a nonce, in octets. Clients draw 8 or 16.
const maxNonce = 64

// A timestampRequest is a TimeStampReq.
type timestampRequest struct {
	algorithm   []byte // AlgorithmIdentifier, as the request writes it
	imprint     [sha256.Size]byte
	nonce       []byte // contents of the INTEGER; nil: absent
	certificate bool   // certReq
}

// AnswerTimestamp answers a TimeStampReq with a TimeStampResp, both in DER
// (RFC 3161, section 2.4). A request that is not one, or that asks for what this
// authority does not do, is answered by a rejection, not by an error.
func (a *Authority) AnswerTimestamp(ctx context.Context, request []byte) (response []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, why, text := parseTimestampRequest(request)
	if text != "" {
		return rejection(why, text), nil
	}
	t, err := a.newTimestamp(r.imprint)
	if err != nil {
		return rejection(systemFailure, "no random numbers"), err
	}
	t.algorithm, t.nonce, t.bare = r.algorithm, r.nonce, !r.certificate
	token, err := t.issue()
	if err != nil {
		return rejection(systemFailure, "cannot sign"), err
	}
	const granted = 0
	return sequence(sequence(integer(granted)), token), nil
}

// rejection returns the TimeStampResp that refuses a request.
func rejection(why failure, text string) []byte {
	const rejected = 2
	bits := make([]byte, why/8+1)
	bits[why/8] = 0x80 >> (why % 8)
	unused := 7 - byte(why)%8 // DER ends a list of named bits after the last one that is set
	return sequence(sequence(
		integer(rejected),
		sequence(utf8String(text)),
		element(tagBitString, []byte{unused}, bits),
	))
}

// parseTimestampRequest reads
//
//	TimeStampReq ::= SEQUENCE {
//	  version INTEGER { v1(1) },
//	  messageImprint SEQUENCE { hashAlgorithm AlgorithmIdentifier, hashedMessage OCTET STRING },
//	  reqPolicy TSAPolicyId OPTIONAL,
//	  nonce INTEGER OPTIONAL,
//	  certReq BOOLEAN DEFAULT FALSE,
//	  extensions [0] IMPLICIT Extensions OPTIONAL }
//
// and says, if it does not like it, why: text is "" if it does.
func parseTimestampRequest(der []byte) (r *timestampRequest, why failure, text string) {
	in := cryptobyte.String(der)
	var body, imprint, algorithm, hashed cryptobyte.String
	var version int
	if len(der) > maxTimestampRequest || !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) {
		return nil, badDataFormat, "not a TimeStampReq"
	}
	if version != 1 {
		return nil, badRequest, "unknown version"
	}
	if !body.ReadASN1(&imprint, asn1.SEQUENCE) || !imprint.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!imprint.ReadASN1(&hashed, asn1.OCTET_STRING) || !imprint.Empty() {
		return nil, badDataFormat, "malformed messageImprint"
	}
	if !isSHA256(algorithm) {
		return nil, badAlg, "only SHA-256 imprints are accepted"
	}
	if len(hashed) != sha256.Size {
		return nil, badDataFormat, "the imprint is not as long as its hash"
	}
	r = &timestampRequest{algorithm: algorithm, imprint: [sha256.Size]byte(hashed)}
	if why, text := r.parseOptional(body); text != "" {
		return nil, why, text
	}
	return r, 0, ""
}

// parseOptional reads what follows the imprint.
func (r *timestampRequest) parseOptional(body cryptobyte.String) (why failure, text string) {
	var policy, nonce cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&policy, &present, asn1.OBJECT_IDENTIFIER) {
		return badDataFormat, "malformed reqPolicy"
	}
	if present && string(element(tagOID, policy)) != string(oidTSAPolicy.der()) {
		return unacceptedPolicy, "unknown policy"
	}
	if !body.ReadOptionalASN1(&nonce, &present, asn1.INTEGER) || present && !isMinimal(nonce) {
		return badDataFormat, "malformed nonce"
	}
	if present {
		r.nonce = nonce
	}
	if body.PeekASN1Tag(asn1.BOOLEAN) {
		// DER omits the default, so only TRUE may be written.
		if !body.ReadASN1Boolean(&r.certificate) || !r.certificate {
			return badDataFormat, "malformed certReq"
		}
	}
	if body.PeekASN1Tag(asn1.Tag(0).ContextSpecific().Constructed()) {
		return unacceptedExtension, "no extensions are known"
	}
	if !body.Empty() {
		return badDataFormat, "trailing bytes in TimeStampReq"
	}
	return 0, ""
}

// isSHA256 reports whether an AlgorithmIdentifier is that of SHA-256, without
// parameters or with NULL (RFC 5754, section 2).
func isSHA256(algorithmIdentifier []byte) bool {
	switch string(algorithmIdentifier) {
	case string(algorithm(oidSHA256)), string(sequence(oidSHA256.der(), element(tagNull))):
		return true
	}
	return false
}

// isMinimal reports whether the contents of an INTEGER are in DER, and no longer
// than a nonce should be.
func isMinimal(b []byte) bool {
	if len(b) == 0 || len(b) > maxNonce {
		return false
	}
	return len(b) == 1 || b[0] != 0 && b[0] != 0xff || b[0]&0x80 != b[1]&0x80
}
