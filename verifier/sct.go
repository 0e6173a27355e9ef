package verifier

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"gitseal/internal/fixedkey"
	"gitseal/internal/trust"
)

// An sct is a signed certificate timestamp (RFC 6962, section 3.2).
type sct struct {
	logID      []byte
	timestamp  uint64 // milliseconds
	extensions []byte
	hash       uint8 // TLS HashAlgorithm; 4: SHA-256
	algorithm  uint8 // TLS SignatureAlgorithm; 1: RSA, 3: ECDSA
	signature  []byte
}

// checkSCT checks that a certificate log of the trusted root, whose key was
// valid at t, promised to include leaf: at least one embedded SCT is by such a
// log, and every one that is verifies. A trusted root that names no
// certificate log at all asks for no SCT; note then says so.
func (r *root) checkSCT(leaf, issuer *x509.Certificate, t time.Time) (note string, err error) {
	if len(r.trusted.CTLogs) == 0 {
		return "the trusted root names no certificate log, so no SCT was checked", nil
	}
	scts, err := readSCTs(leaf)
	if err != nil {
		return "", err
	}
	var tbs []byte
	verified, unknown := 0, 0
	for _, sct := range scts {
		log := findLog(r.trusted.CTLogs, sct.logID, t)
		if log == nil {
			unknown++
			continue
		}
		if tbs == nil {
			if tbs, err = precertificate(leaf.RawTBSCertificate); err != nil {
				return "", err
			}
		}
		if err := r.verifySCT(log, &sct, issuer, tbs); err != nil {
			return "", fmt.Errorf("SCT of %s: %w", log.BaseURL, err)
		}
		verified++
	}
	if verified == 0 {
		return "", fmt.Errorf("the certificate's SCT is by no certificate log of the trusted root at that time (%d unknown)", unknown)
	}
	return "", nil
}

// findLog returns the log with the given id whose key was valid at t, or nil.
func findLog(logs []trust.Log, id []byte, t time.Time) *trust.Log {
	for i := range logs {
		if bytes.Equal(logs[i].KeyID, id) && logs[i].ValidFor.Contains(t) {
			return &logs[i]
		}
	}
	return nil
}

// readSCTs returns the SCTs that leaf carries: an OCTET STRING in the
// extension holds
//
//	opaque SerializedSCT<1..2^16-1>;
//	struct { SerializedSCT sct_list <1..2^16-1>; } SignedCertificateTimestampList;
func readSCTs(leaf *x509.Certificate) ([]sct, error) {
	for _, ext := range leaf.Extensions {
		if !ext.Id.Equal(oidSCTList) {
			continue
		}
		in := cryptobyte.String(ext.Value)
		var octets, list cryptobyte.String
		if !in.ReadASN1(&octets, cbasn1.OCTET_STRING) || !in.Empty() ||
			!octets.ReadUint16LengthPrefixed(&list) || !octets.Empty() || list.Empty() {
			return nil, errors.New("malformed SCT list")
		}
		var scts []sct
		for !list.Empty() {
			var serialized cryptobyte.String
			if !list.ReadUint16LengthPrefixed(&serialized) {
				return nil, errors.New("malformed SCT list")
			}
			one, err := parseSCT(serialized)
			if err != nil {
				return nil, err
			}
			scts = append(scts, one)
		}
		return scts, nil
	}
	return nil, errors.New("the certificate carries no SCT")
}

// parseSCT reads
//
//	struct {
//	  Version sct_version;              // v1(0)
//	  LogID id;                         // 32 bytes
//	  uint64 timestamp;
//	  CtExtensions extensions;          // opaque <0..2^16-1>
//	  digitally-signed struct { … };
//	} SignedCertificateTimestamp;
func parseSCT(in cryptobyte.String) (sct, error) {
	var s sct
	var version uint8
	var extensions, signature cryptobyte.String
	if !in.ReadUint8(&version) || version != 0 || !in.ReadBytes(&s.logID, sha256.Size) ||
		!in.ReadUint64(&s.timestamp) || !in.ReadUint16LengthPrefixed(&extensions) ||
		!in.ReadUint8(&s.hash) || !in.ReadUint8(&s.algorithm) ||
		!in.ReadUint16LengthPrefixed(&signature) || !in.Empty() {
		return s, errors.New("malformed SCT")
	}
	s.extensions, s.signature = extensions, signature
	return s, nil
}

// digest returns the hash of what the SCT's signature is over, which covers the
// precertificate entry:
//
//	digitally-signed struct {
//	  Version sct_version; SignatureType signature_type = certificate_timestamp;
//	  uint64 timestamp; LogEntryType entry_type; PreCert signed_entry;
//	  CtExtensions extensions; };
//	struct { opaque issuer_key_hash[32]; TBSCertificate tbs_certificate; } PreCert;
func (s *sct) digest(issuer *x509.Certificate, tbs []byte) (digest [sha256.Size]byte, err error) {
	issuerKeyHash := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(s.extensions)+64))
	b.AddUint8(0) // v1
	b.AddUint8(0) // certificate_timestamp
	b.AddUint64(s.timestamp)
	b.AddUint16(1) // precert_entry
	b.AddBytes(issuerKeyHash[:])
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(tbs) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.extensions) })
	signed, err := b.Bytes()
	if err != nil {
		return digest, err
	}
	return sha256.Sum256(signed), nil
}

// verifySCT checks that log signed an SCT of a certificate, given without its
// SCTs, that issuer issued.
func (r *root) verifySCT(log *trust.Log, s *sct, issuer *x509.Certificate, tbs []byte) error {
	digest, err := s.digest(issuer, tbs)
	if err != nil {
		return err
	}
	const tlsSHA256, tlsRSA, tlsECDSA = 4, 1, 3
	if s.hash != tlsSHA256 {
		return fmt.Errorf("hash algorithm %d is not SHA-256", s.hash)
	}
	key := seenSCT{log, digest, s.algorithm, sha256.Sum256(s.signature)}
	if r.scts.has(key) {
		return nil
	}
	ok := false
	switch key := r.logKeys[log].(type) {
	case *ecdsa.PublicKey, *fixedkey.Verifier:
		ok = s.algorithm == tlsECDSA && fixedkey.VerifyASN1(key, digest[:], s.signature)
	case *rsa.PublicKey:
		ok = s.algorithm == tlsRSA && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], s.signature) == nil
	case ed25519.PublicKey:
		return errors.New("RFC 6962 knows no Ed25519 SCT")
	}
	if !ok {
		return errors.New("signature does not verify")
	}
	r.scts.add(key)
	return nil
}

// precertificate returns the TBSCertificate without the SCT list, which is
// what the log signed (RFC 6962, section 3.2).
func precertificate(tbs []byte) ([]byte, error) {
	malformed := errors.New("malformed TBSCertificate")
	in := cryptobyte.String(tbs)
	var body, explicit, extensions cryptobyte.String
	extensionsTag := cbasn1.Tag(3).ContextSpecific().Constructed()
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return nil, malformed
	}
	before := make([]byte, 0, len(tbs)) // every field but the extensions, which come last
	for !body.Empty() && !body.PeekASN1Tag(extensionsTag) {
		var field cryptobyte.String
		var tag cbasn1.Tag
		if !body.ReadAnyASN1Element(&field, &tag) {
			return nil, malformed
		}
		before = append(before, field...)
	}
	if !body.ReadASN1(&explicit, extensionsTag) || !body.Empty() ||
		!explicit.ReadASN1(&extensions, cbasn1.SEQUENCE) || !explicit.Empty() {
		return nil, malformed
	}
	kept := make([]byte, 0, len(extensions))
	for !extensions.Empty() {
		var element, ext cryptobyte.String
		var id asn1.ObjectIdentifier
		if !extensions.ReadASN1Element(&element, cbasn1.SEQUENCE) {
			return nil, malformed
		}
		whole := element
		if !element.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&id) {
			return nil, malformed
		}
		if !id.Equal(oidSCTList) {
			kept = append(kept, whole...)
		}
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(before)
		b.AddASN1(extensionsTag, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(kept) })
		})
	})
	return b.Bytes()
}
