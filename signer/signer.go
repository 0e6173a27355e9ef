// Package signer makes keyless git signatures: with a key that lives as long
// as one call, certified against an OpenID Connect identity, recorded in a
// transparency log and time-stamped. The proof of all that travels in the
// signature.
//
// It never emits what package verifier would not accept under the trusted
// root it was given, and it keeps no secret beyond the call. Where tokens,
// certificates, log entries and time-stamps come from is for the Config to
// say: package fakeca has them all in process, signer/sigstore asks servers.
package signer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/verifier"
)

// A TokenSource gives OpenID Connect identity tokens: JSON web tokens in
// compact form. A token is a secret.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// A CertificateAuthority certifies publicKey, a DER SubjectPublicKeyInfo, for
// the identity of token. proof is an ECDSA signature, DER, over the SHA-256
// of the token's e-mail address or subject, by the key (Fulcio's proof of
// possession). It returns certificates in DER, the leaf first.
type CertificateAuthority interface {
	Certify(ctx context.Context, token string, publicKey, proof []byte) (chain [][]byte, err error)
}

// A Log records that the key of certificate, in DER, made signature over the
// SHA-256 digest, as a Rekor hashedrekord. It returns the entry with its
// proof: a protocol buffers dev.sigstore.rekor.v1.TransparencyLogEntry, with
// or without its canonicalized body.
type Log interface {
	Add(ctx context.Context, digest [32]byte, signature, certificate []byte) (entry []byte, err error)
}

// A Timestamper returns a time-stamp token (RFC 3161, DER) over a SHA-256
// imprint.
type Timestamper interface {
	Timestamp(ctx context.Context, imprint [32]byte) (token []byte, err error)
}

// A Config says with what to sign. Fields without a comment on their zero
// value are required.
type Config struct {
	Tokens      TokenSource
	CA          CertificateAuthority
	Log         Log
	Timestamper Timestamper        // nil: no time-stamp; a Rekor v2 log needs one
	Verifier    *verifier.Verifier // what it does not accept is not emitted
	Rand        io.Reader          // nil: crypto/rand
	Now         func() time.Time   // nil: time.Now; for the signing time, which proves nothing
}

// A Signer signs payloads. It may be used by several goroutines at once.
type Signer struct {
	cfg Config
}

// New returns a Signer.
func New(cfg Config) (*Signer, error) {
	if cfg.Tokens == nil || cfg.CA == nil || cfg.Log == nil || cfg.Verifier == nil {
		return nil, errors.New("making a signer: token source, certificate authority, log and verifier are required")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Signer{cfg}, nil
}

// A Signature is a finished signature.
type Signature struct {
	Armored []byte           // what git stores
	Result  *verifier.Result // what the self-check found it to prove
}

// A StepError says at which step signing stopped.
type StepError struct {
	Step string // "getting a token", "certifying the key", …
	Err  error
}

// Error returns the step and the cause.
func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Sign returns a signature over payload, exactly the bytes that git hands to
// its signing program. Every error is a *StepError, but for that of ctx.
func (s *Signer) Sign(ctx context.Context, payload []byte) (*Signature, error) {
	// A key for this signature, and a certificate that binds it to whoever
	// the token speaks for.
	key, err := ecdsa.GenerateKey(elliptic.P256(), s.cfg.Rand)
	if err != nil {
		return nil, &StepError{"making a key", err}
	}
	token, err := s.cfg.Tokens.Token(ctx)
	if err != nil {
		return nil, &StepError{"getting a token", err}
	}
	leaf, err := s.certify(ctx, key, token)
	if err != nil {
		return nil, &StepError{"certifying the key", err}
	}

	// The CMS signature.
	sd, digest, err := s.signCMS(key, leaf, payload)
	if err != nil {
		return nil, &StepError{"signing", err}
	}

	// The log entry and the time-stamp are both over that signature, and do
	// not wait for one another.
	if err := s.prove(ctx, sd, digest, leaf); err != nil {
		return nil, err
	}

	// Nothing is emitted that a verifier would refuse. Who signed is known
	// from the token, so anyone is allowed here.
	der, err := sd.Marshal()
	if err != nil {
		return nil, &StepError{"writing the signature", err}
	}
	armored := cms.Armor(der)
	result, err := s.cfg.Verifier.Verify(payload, armored, verifier.AnyIdentity{})
	if err != nil {
		return nil, &StepError{"checking the finished signature", err}
	}
	return &Signature{armored, result}, nil
}

// certify has the key certified and returns the leaf. It checks what would
// otherwise show only at the end, as a signature that fails.
func (s *Signer) certify(ctx context.Context, key *ecdsa.PrivateKey, token string) (*x509.Certificate, error) {
	subject, err := tokenSubject(token)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(subject))
	proof, err := ecdsa.SignASN1(s.cfg.Rand, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("proving possession of the key: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	chain, err := s.cfg.CA.Certify(ctx, token, spki, proof)
	if err != nil {
		return nil, err
	}
	if len(chain) == 0 {
		return nil, errors.New("the authority returned no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	if !slices.Equal(leaf.RawSubjectPublicKeyInfo, spki) {
		return nil, errors.New("the certificate is for another key")
	}
	return leaf, nil
}

// signCMS returns the signature over payload without its proof, and the
// digest that the log records.
func (s *Signer) signCMS(key *ecdsa.PrivateKey, leaf *x509.Certificate, payload []byte) (*cms.SignedData, [32]byte, error) {
	digest := sha256.Sum256(payload)
	attrs, err := cms.NewSignedAttributes(cms.OIDData, digest[:], s.cfg.Now())
	if err != nil {
		return nil, digest, err
	}
	sd := cms.NewDetached(leaf, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attrs)
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		return nil, digest, err
	}
	digest = sha256.Sum256(signed)
	sd.Signer.Signature, err = ecdsa.SignASN1(s.cfg.Rand, key, digest[:])
	return sd, digest, err
}

// prove records the signature in the log and has it time-stamped, and puts
// both into its unsigned attributes.
func (s *Signer) prove(ctx context.Context, sd *cms.SignedData, digest [32]byte, leaf *x509.Certificate) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		token []byte
		err   error
	}
	stamped := make(chan answer, 1)
	go func() {
		var a answer
		if s.cfg.Timestamper != nil {
			a.token, a.err = s.cfg.Timestamper.Timestamp(ctx, sha256.Sum256(sd.Signer.Signature))
		}
		stamped <- a
	}()
	entry, err := s.cfg.Log.Add(ctx, digest, sd.Signer.Signature, leaf.Raw)
	if err != nil {
		return &StepError{"recording the signature in the log", err}
	}
	stamp := <-stamped
	if stamp.err != nil {
		return &StepError{"getting a time-stamp", stamp.err}
	}
	// A verifier rebuilds the body, so it need not travel.
	parsed, err := tlog.ParseEntry(entry)
	if err != nil {
		return &StepError{"reading the log's answer", err}
	}
	parsed.CanonicalizedBody = nil
	if err := sd.Signer.AddLogEntry(parsed.Marshal()); err != nil {
		return &StepError{"embedding the log entry", err}
	}
	if stamp.token != nil {
		sd.Signer.AddTimeStamp(stamp.token)
	}
	if err := cms.SortAttributes(sd.Signer.UnsignedAttributes); err != nil {
		return &StepError{"embedding the proof", err}
	}
	return nil
}

// tokenSubject returns what a proof of possession is over: the token's e-mail
// address, where it has one that the issuer verified, else its subject. The
// token is not verified here; the authority does that, and a wrong answer
// makes it refuse.
func tokenSubject(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("the identity token is not a JSON web token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", errors.New("the identity token is not a JSON web token")
	}
	var claims struct {
		Subject       string `json:"sub"`
		Email         string `json:"email"`
		EmailVerified any    `json:"email_verified"` // a bool; some issuers write a string
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", errors.New("the claims of the identity token are not JSON")
	}
	if claims.Email != "" && (claims.EmailVerified == true || claims.EmailVerified == "true") {
		return claims.Email, nil
	}
	if claims.Subject == "" {
		return "", errors.New("the identity token names no subject")
	}
	return claims.Subject, nil
}
