package signer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gitseal/internal/cms"
	"gitseal/internal/strictjson"
	"gitseal/verifier"
)

// A Pending is what is needed to have a signature recorded that was made
// without its log entry. No key and no token is in it.
type Pending struct {
	SignedAttributes []byte   // DER, as they are signed (RFC 5652, section 5.4)
	Signature        []byte   // over them: ECDSA, DER
	Certificate      []byte   // DER
	Timestamps       [][]byte // RFC 3161 tokens over Signature, DER, that travel in the signature
}

// checkPending checks all of a signature that goes without its log entry but
// that, and fills in what has to be recorded.
func (s *Signer) checkPending(sig *Signature, cred *Credential, sd *cms.SignedData, tokens [][]byte, payload []byte) error {
	facts, err := s.cfg.Verifier.VerifyUnlogged(payload, sig.Armored, cred.within(s.cfg.Now()), cred.who)
	if err != nil {
		return err
	}
	sig.Result = &verifier.Result{
		Certificate: facts.Certificate, Times: facts.Times, Time: facts.Time, SigningTime: facts.SigningTime,
		TrustedRoot: facts.TrustedRoot, Passed: facts.Passed, Notes: facts.Notes,
	}
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		return err
	}
	sig.Pending = &Pending{
		SignedAttributes: signed, Signature: sd.Signer.Signature, Certificate: cred.Certificate(), Timestamps: tokens,
	}
	return sig.Pending.Check()
}

// PendingOf returns what has to be recorded of a signature without a log entry,
// from the signature itself: what Sign said of it when it was made. It has to be
// in the form in which Sign makes it, and in no other. Whether it is worth
// anything is for the verifier.
func PendingOf(armored []byte) (*Pending, error) {
	p, err := pendingOf(armored)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be recorded of the signature: %w", err)
	}
	return p, nil
}

func pendingOf(armored []byte) (*Pending, error) {
	der, _, err := cms.Dearmor(armored)
	if err != nil {
		return nil, err
	}
	sd, err := cms.Parse(der)
	if err != nil {
		return nil, err
	}
	if again, err := sd.Marshal(); err != nil || !bytes.Equal(cms.Armor(again), armored) {
		return nil, errors.New("not as git stores it")
	}
	if n := len(sd.Certificates); n != 1 {
		return nil, fmt.Errorf("%d certificates, want one", n)
	}
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		return nil, err
	}
	p := &Pending{SignedAttributes: signed, Signature: sd.Signer.Signature, Certificate: sd.Certificates[0]}
	for _, attr := range sd.Signer.UnsignedAttributes {
		if attr.Type != cms.OIDTimeStampToken {
			return nil, fmt.Errorf("unsigned attribute %v, which is no time-stamp", attr.Type)
		}
		p.Timestamps = append(p.Timestamps, attr.Values...)
	}
	return p, p.Check()
}

// Bounds of a Pending, in bytes. Real ones have 1 kB, a certificate 1 kB, a
// token 1 to 6.
const (
	maxAttributes  = 1 << 12
	maxValue       = 1 << 10
	maxCertificate = 1 << 15
	maxToken3161   = 1 << 16
	maxStamps      = 8 // as many as the verifier reads
	maxPending     = 1 << 20
)

// Check checks that p is of one piece: signed attributes of a git signature,
// signed by the key of the certificate. Whether the certificate is worth
// anything, and the tokens, is for the verifier.
func (p *Pending) Check() error {
	switch {
	case len(p.SignedAttributes) > maxAttributes || len(p.Signature) > maxValue || len(p.Certificate) > maxCertificate:
		return errors.New("too long")
	case len(p.Timestamps) > maxStamps:
		return fmt.Errorf("%d time-stamps, more than %d", len(p.Timestamps), maxStamps)
	case !cms.IsSignedAttributes(p.SignedAttributes):
		return errors.New("what is signed is not the attributes of a git signature")
	}
	for i, token := range p.Timestamps {
		if len(token) == 0 || len(token) > maxToken3161 {
			return fmt.Errorf("time-stamp %d of %d bytes", i, len(token))
		}
		if slices.ContainsFunc(p.Timestamps[:i], func(other []byte) bool { return bytes.Equal(other, token) }) {
			return fmt.Errorf("time-stamp %d occurs twice", i)
		}
	}
	leaf, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("certificate of a key of type %T", leaf.PublicKey)
	}
	digest := sha256.Sum256(p.SignedAttributes)
	if !ecdsa.VerifyASN1(key, digest[:], p.Signature) {
		return errors.New("the signature is not over the attributes by the certificate's key")
	}
	return nil
}

// Marshal returns p in JSON, one line without its end: what ParsePending reads.
// What that would refuse is an error.
func (p *Pending) Marshal() ([]byte, error) {
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("writing pending signature: %w", err)
	}
	return p.marshal()
}

func (p *Pending) marshal() ([]byte, error) {
	return json.Marshal(struct {
		SignedAttributes []byte   `json:"signedAttributes"`
		Signature        []byte   `json:"signature"`
		Certificate      []byte   `json:"certificate"`
		Timestamps       [][]byte `json:"timestamps,omitempty"`
	}{p.SignedAttributes, p.Signature, p.Certificate, p.Timestamps})
}

// ParsePending reads what Marshal writes, in that form only, and checks it. The
// result shares no memory with text.
func ParsePending(text []byte) (*Pending, error) {
	p, err := parsePending(text)
	if err == nil {
		err = p.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading pending signature: %w", err)
	}
	return p, nil
}

func parsePending(text []byte) (*Pending, error) {
	if len(text) > maxPending {
		return nil, fmt.Errorf("longer than %d bytes", maxPending)
	}
	p := new(Pending)
	r := &strictjson.Reader{Text: text}
	err := r.Object(
		strictjson.Required("signedAttributes", r.Base64(&p.SignedAttributes, maxAttributes)),
		strictjson.Required("signature", r.Base64(&p.Signature, maxValue)),
		strictjson.Required("certificate", r.Base64(&p.Certificate, maxCertificate)),
		strictjson.Optional("timestamps", func() error {
			return r.Array(maxStamps, func(int) error {
				p.Timestamps = append(p.Timestamps, nil)
				return r.Base64(&p.Timestamps[len(p.Timestamps)-1], maxToken3161)()
			})
		}),
	)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	// Order and white space are free to the reader, and not here.
	if again, err := p.marshal(); err != nil || !bytes.Equal(again, text) {
		return nil, errors.New("not in the form in which it is written")
	}
	return p, nil
}
