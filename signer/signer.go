// Package signer makes keyless signatures: with a key that lives for minutes,
// certified against an OpenID Connect identity, recorded in a transparency log
// and time-stamped. The proof of all that travels with the signature.
//
// A git signature is never emitted that package verifier would not accept
// under the trusted root it was given; what blobs are signed with is for the
// caller to put into a bundle and verify. No secret is kept but in a
// Credential. Where tokens, certificates, log entries and time-stamps come
// from is for the Config to say: package fakeca has them all in process,
// signer/sigstore asks servers.
package signer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gitseal/internal/cms"
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

// A DSSELog is a Log that has entries of their own for DSSE envelopes. It
// records the envelope, JSON with one signature by the key of certificate, and
// returns the entry as Add does, with its canonicalized body. A Log that is
// none gets the signature as one over the SHA-256 of what DSSE signs.
type DSSELog interface {
	Log
	AddDSSE(ctx context.Context, envelope, certificate []byte) (entry []byte, err error)
}

// A Timestamper returns a time-stamp token (RFC 3161, DER) over a SHA-256
// imprint.
type Timestamper interface {
	Timestamp(ctx context.Context, imprint [32]byte) (token []byte, err error)
}

// A Config says with what to sign. Fields without a comment on their zero
// value are required.
type Config struct {
	Tokens       TokenSource
	CA           CertificateAuthority
	Logs         []Log              // all record the signature; a git signature has room for the entry of one
	Timestampers []Timestamper      // all must answer; nil: no time-stamp. A Rekor v2 log needs one
	Verifier     *verifier.Verifier // what it does not accept is not emitted
	Audience     string             // whom tokens must be for; "": the authority decides
	Defer        Defer              // when a git signature goes without its log entry; "": never
	Patience     time.Duration      // where Defer is not "", how long a server may take before it counts as out of reach, and then is not asked again; 0: 10 s

	// Accept refuses, by its error, who may not sign, before an authority
	// makes it public; nil: whoever the token speaks for may. Nothing has
	// verified what a token says yet.
	Accept func(*Claims) error

	Rand     io.Reader         // nil: crypto/rand
	Now      func() time.Time  // nil: time.Now; for the signing time, which proves nothing, and to refuse what has expired
	Progress func(step string) // called when a step begins, from the goroutine that signs; nil: nobody is told

	outage *outage // of the servers above; a Signer with the Config of another shares its
}

// The steps of signing, as Progress and StepError have them.
const (
	stepKey     = "making a key"
	stepToken   = "getting a token"
	stepCertify = "certifying the key"
	stepSign    = "signing"
	stepLog     = "recording the signature in the log"
	stepStamp   = "getting a time-stamp"
	stepEntry   = "reading the log's answer"
	stepEmbed   = "embedding the proof"
	stepCheck   = "checking the finished signature"
)

// A Signer signs payloads. It may be used by several goroutines at once.
type Signer struct {
	cfg Config
}

// New returns a Signer.
func New(cfg Config) (*Signer, error) {
	if cfg.Tokens == nil || cfg.CA == nil || len(cfg.Logs) == 0 || cfg.Verifier == nil {
		return nil, errors.New("making a signer: token source, certificate authority, log and verifier are required")
	}
	if !slices.Contains([]Defer{DeferNever, DeferUnreachable, DeferAlways}, cfg.Defer) {
		return nil, fmt.Errorf("making a signer: %q is not when to defer the log entry", cfg.Defer)
	}
	if cfg.Patience <= 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.outage == nil {
		cfg.outage = new(outage)
	}
	return &Signer{cfg}, nil
}

// A Signature is a finished signature.
type Signature struct {
	Armored []byte           // what git stores
	Result  *verifier.Result // what the self-check found it to prove; without Log where Pending is set: it does not verify yet
	Pending *Pending         // what a log has to record before it verifies; nil: one has
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
// its signing program, with a key of its own. Every error is a *StepError.
func (s *Signer) Sign(ctx context.Context, payload []byte) (*Signature, error) {
	if err := s.oneLog(); err != nil {
		return nil, err // before anyone is asked to log in
	}
	cred, err := s.NewCredential(ctx)
	if err != nil {
		return nil, err
	}
	return s.SignWith(ctx, cred, payload)
}

// SignWith is Sign with the key of cred, which must not have expired.
func (s *Signer) SignWith(ctx context.Context, cred *Credential, payload []byte) (*Signature, error) {
	if err := s.oneLog(); err != nil {
		return nil, err
	}
	// The CMS signature.
	s.cfg.Progress(stepSign)
	if err := cred.check(s.cfg.Now()); err != nil {
		return nil, &StepError{stepSign, err}
	}
	sd, digest, err := s.signCMS(cred, payload)
	if err != nil {
		return nil, &StepError{stepSign, err}
	}

	// The log entry and the time-stamps are all over that signature.
	signer := &sd.Signer
	proof, err := s.proveOrDefer(ctx, signer.Signature, func(ctx context.Context, log Log) ([]byte, error) {
		return log.Add(ctx, digest, signer.Signature, cred.leaf.Raw)
	})
	if err != nil {
		return nil, err
	}
	if err := proof.embed(signer); err != nil {
		return nil, &StepError{stepEmbed, err}
	}

	// Nothing is emitted that a verifier would refuse, or that speaks for
	// someone else than the token does.
	s.cfg.Progress(stepCheck)
	der, err := sd.Marshal()
	if err != nil {
		return nil, &StepError{stepCheck, err}
	}
	sig := &Signature{Armored: cms.Armor(der)}
	if len(proof.entries) == 0 {
		err = s.checkPending(sig, cred, sd, proof.tokens, payload)
	} else {
		sig.Result, err = s.cfg.Verifier.Verify(payload, sig.Armored, cred.who)
	}
	if err != nil {
		return nil, &StepError{stepCheck, err}
	}
	return sig, nil
}

// oneLog refuses to make git signatures with several logs: their attribute
// has room for one entry, and to choose would be to ignore the configuration.
func (s *Signer) oneLog() error {
	if n := len(s.cfg.Logs); n != 1 {
		return &StepError{stepLog, fmt.Errorf("the signing configuration asks for %d logs, and a git signature has room for the entry of one", n)}
	}
	return nil
}

// signCMS returns the signature over payload without its proof, and the
// digest that the log records.
func (s *Signer) signCMS(cred *Credential, payload []byte) (*cms.SignedData, [32]byte, error) {
	digest := sha256.Sum256(payload)
	attrs, err := cms.NewSignedAttributes(cms.OIDData, digest[:], s.cfg.Now())
	if err != nil {
		return nil, digest, err
	}
	sd := cms.NewDetached(cred.leaf, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attrs)
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		return nil, digest, err
	}
	digest = sha256.Sum256(signed)
	sd.Signer.Signature, err = cred.sign(s.cfg.Rand, digest)
	return sd, digest, err
}
