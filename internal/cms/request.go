package cms

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A TimeStampRequest asks a time-stamp authority for a token (RFC 3161,
// section 2.4.1).
type TimeStampRequest struct {
	Imprint [32]byte // SHA-256 of what is to be stamped
	Nonce   uint64   // random: shows that the token was made for this request
}

// Marshal returns the request in DER:
//
//	TimeStampReq ::= SEQUENCE {
//	  version INTEGER { v1(1) },
//	  messageImprint MessageImprint,
//	  reqPolicy TSAPolicyId OPTIONAL,
//	  nonce INTEGER OPTIONAL,
//	  certReq BOOLEAN DEFAULT FALSE,
//	  extensions [0] IMPLICIT Extensions OPTIONAL }
//
// It leaves the policy to the authority, and wants its certificate in the
// token: not every trusted root has the one that signs.
func (r TimeStampRequest) Marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 72))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addAlgorithm(b, AlgorithmIdentifier{Algorithm: OIDSHA256})
			b.AddASN1OctetString(r.Imprint[:])
		})
		b.AddASN1Uint64(r.Nonce)
		b.AddASN1Boolean(true)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing time-stamp request: %w", err)
	}
	return der, nil
}

// Check checks that token answers the request: that it is over its imprint
// and has its nonce. Who made the token is not checked.
func (r TimeStampRequest) Check(token *Token) error {
	info := &token.Info
	if info.ImprintAlgorithm.Algorithm != OIDSHA256 || !bytes.Equal(info.Imprint, r.Imprint[:]) {
		return errors.New("checking time-stamp token: message imprint is not the one that was asked for")
	}
	if info.Nonce == nil || info.Nonce.Cmp(new(big.Int).SetUint64(r.Nonce)) != 0 {
		return errors.New("checking time-stamp token: nonce is not the one that was asked for")
	}
	return nil
}

// Values of PKIStatus (RFC 3161, section 2.4.2).
const (
	pkiGranted         = 0
	pkiGrantedWithMods = 1
)

var pkiStatus = [...]string{"granted", "granted with modifications", "rejected", "waiting", "revocation warning", "revocation notification"}

// pkiFailures are the bits of PKIFailureInfo that RFC 3161 section 2.4.2
// names.
var pkiFailures = []struct {
	bit  int
	name string
}{
	{0, "badAlg"}, {2, "badRequest"}, {5, "badDataFormat"}, {14, "timeNotAvailable"}, {15, "unacceptedPolicy"},
	{16, "unacceptedExtension"}, {17, "addInfoNotAvailable"}, {25, "systemFailure"},
}

// ParseTimeStampResponse returns the TimeStampToken of a response, its
// encoding untouched and not parsed. A refusal is an error that has the
// authority's reason.
//
//	TimeStampResp ::= SEQUENCE {
//	  status PKIStatusInfo,
//	  timeStampToken TimeStampToken OPTIONAL }
//
// What an authority grants with modifications is for Check to judge.
func ParseTimeStampResponse(der []byte) (token []byte, err error) {
	if len(der) > MaxSize {
		return nil, fmt.Errorf("parsing time-stamp response: %d bytes, more than the limit of %d", len(der), MaxSize)
	}
	in := cryptobyte.String(der)
	var body, status, element cryptobyte.String
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() || !body.ReadASN1(&status, asn1.SEQUENCE) {
		return nil, errors.New("parsing time-stamp response: not a TimeStampResp in DER")
	}
	granted, reason, err := parseStatus(status)
	if err != nil {
		return nil, fmt.Errorf("parsing time-stamp response: %w", err)
	}
	if !granted {
		if !body.Empty() {
			return nil, errors.New("parsing time-stamp response: a token in a refusal")
		}
		return nil, errors.New("time-stamp refused: " + reason)
	}
	if !body.ReadASN1Element(&element, asn1.SEQUENCE) || !body.Empty() {
		return nil, errors.New("parsing time-stamp response: granted, without one token")
	}
	return element, nil
}

// MarshalTimeStampResponse returns the TimeStampResp in which a token was
// granted, as ParseTimeStampResponse reads it.
func MarshalTimeStampResponse(token []byte) ([]byte, error) {
	const granted = 0
	if len(token) == 0 {
		return nil, errors.New("writing time-stamp response: no token")
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(token)+16))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(granted) })
		b.AddBytes(token)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing time-stamp response: %w", err)
	}
	return der, nil
}

// parseStatus reads
//
//	PKIStatusInfo ::= SEQUENCE {
//	  status PKIStatus,
//	  statusString SEQUENCE SIZE (1..MAX) OF UTF8String OPTIONAL,
//	  failInfo PKIFailureInfo OPTIONAL }
func parseStatus(in cryptobyte.String) (granted bool, reason string, err error) {
	var status int
	if !readSmallInt(&in, &status) || status >= len(pkiStatus) {
		return false, "", errors.New("malformed PKIStatus")
	}
	reason = pkiStatus[status]
	var said []string
	if in.PeekASN1Tag(asn1.SEQUENCE) {
		var list, text cryptobyte.String
		in.ReadASN1(&list, asn1.SEQUENCE)
		for first := true; first || !list.Empty(); first = false {
			if !list.ReadASN1(&text, asn1.UTF8String) {
				return false, "", errors.New("malformed statusString")
			}
			said = append(said, string(text))
		}
	}
	if in.PeekASN1Tag(asn1.BIT_STRING) {
		failures, ok := readFailures(&in)
		if !ok || status == pkiGranted || status == pkiGrantedWithMods {
			return false, "", errors.New("malformed failInfo")
		}
		reason += " (" + failures + ")"
	}
	if !in.Empty() {
		return false, "", errors.New("malformed PKIStatusInfo")
	}
	if len(said) > 0 {
		reason += fmt.Sprintf(": %q", clip([]byte(strings.Join(said, "; "))))
	}
	return status == pkiGranted || status == pkiGrantedWithMods, reason, nil
}

// readFailures reads a PKIFailureInfo, a BIT STRING of named bits.
func readFailures(in *cryptobyte.String) (names string, ok bool) {
	var bits cryptobyte.String
	if !in.ReadASN1(&bits, asn1.BIT_STRING) || len(bits) < 1 || len(bits) > 5 || bits[0] > 7 {
		return "", false
	}
	var list []string
	for _, f := range pkiFailures {
		if i := 1 + f.bit/8; i < len(bits) && bits[i]&(0x80>>(f.bit%8)) != 0 {
			list = append(list, f.name)
		}
	}
	if list == nil {
		return "no reason given", true
	}
	return strings.Join(list, ", "), true
}
