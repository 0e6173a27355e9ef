// Package sshsig verifies SSH signatures, as git stores them, against the
// keys that the caller allows: allowed signers files, with certificates by
// the authorities that these name, and revocations.
//
// A verdict depends on the signed bytes, the signature and the Config only.
// The package opens no file, looks at no clock and never falls back from a
// check that failed. It is stricter than ssh-keygen: the armor and all
// encodings have one form, RSA keys have 2048 bits, and a certificate that its
// authority restricted to some use is not good for signatures.
//
// Formats: OpenSSH's PROTOCOL.sshsig (signatures), PROTOCOL.certkeys
// (certificates), PROTOCOL.u2f (security keys) and PROTOCOL.krl
// (revocations), and ssh-keygen(1), ALLOWED SIGNERS.
//
// Keys and signatures are read here and not by golang.org/x/crypto/ssh, which
// is a whole SSH and takes longer to start than a verification: it is the
// oracle of the tests.
package sshsig

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"gitseal/verifier"
)

// A Config says how to verify.
type Config struct {
	// AllowedSigners say who may sign with which key. Of several lines for a
	// key the first that allows the signature names the signer, in the order
	// of the files and of the lines in them. Nil: no key is known, and every
	// valid signature is of class unknown-key.
	AllowedSigners []*AllowedSigners
	// Revoked are keys and certificates that are good for nothing any more,
	// whoever allows them and whatever time is claimed. Nil: none.
	Revoked []*Revocations
	// Rules say when keys have to be good, which is required, and which weak
	// algorithms are accepted: "rsa1024" for RSA keys of 1024 to 2047 bits,
	// "sha1" for certificates signed with RSA and SHA-1. Names that mean
	// nothing here are for other formats.
	//
	// The time that a signature claims is that of the committer or tagger in
	// the payload, for it has none of its own.
	Rules verifier.KeyRules
	// Namespace is what signatures have to be made for. "": "git".
	Namespace string
}

// The names of weak algorithms, for verifier.KeyRules.
const (
	weakRSA  = "rsa1024"
	weakSHA1 = "sha1"
)

// A Verifier verifies signatures under a fixed Config. It may be used by
// several goroutines at once.
type Verifier struct {
	at        int64 // Unix seconds
	atSigning bool
	weak      map[string]bool // those of our names that are accepted
	namespace string

	nobody  bool                  // no allowed signers were given, not even empty ones
	keys    map[string][]*allowed // by the key's blob; the order of lines is kept
	cas     map[string][]*allowed // likewise, of certificate authorities
	skipped int                   // lines that could not be read
	revoked []*Revocations
}

// New returns a Verifier.
func New(cfg Config) (*Verifier, error) {
	if cfg.Rules.At.IsZero() {
		return nil, errors.New("making a verifier of SSH signatures: no time at which keys have to be good")
	}
	v := &Verifier{
		at:        max(cfg.Rules.At.Unix(), 0),
		atSigning: cfg.Rules.AtSigning,
		weak:      make(map[string]bool),
		namespace: cmp.Or(cfg.Namespace, "git"),
		nobody:    len(cfg.AllowedSigners) == 0,
		keys:      make(map[string][]*allowed),
		cas:       make(map[string][]*allowed),
		revoked:   slices.Clone(cfg.Revoked),
	}
	for _, name := range []string{weakRSA, weakSHA1} {
		v.weak[name] = slices.Contains(cfg.Rules.Weak, name)
	}
	for _, a := range cfg.AllowedSigners {
		v.skipped += len(a.Skipped)
		for _, line := range a.lines {
			index := v.keys
			if line.authority {
				index = v.cas
			}
			index[line.key] = append(index[line.key], line)
		}
	}
	return v, nil
}

// Verify judges one signature, as git stores it, over payload. err is nil
// only if the signature is valid and an allowed signer's; otherwise it is a
// *verifier.KeyError. Its classes:
//
//   - MalformedSignature and UnsupportedSignature: it cannot be read.
//   - BadSignature: it was not made over these bytes by the key that it
//     carries, or for another namespace, or its certificate is forged. No
//     keys can be missing here that would change that.
//   - Revoked, WeakAlgorithm: it is right, and the key is good for nothing.
//   - UnknownKey: it is right, and no allowed signers were given at all.
//   - ExpiredKey: a line allows the key, or the certificate, at other times.
//   - IdentityNotAllowed: no line allows the key, or not for this namespace,
//     or its certificate not for this. The Identity of Valid is empty then.
//     Unlisted tells that no line is for the key, which carries no certificate.
func (v *Verifier) Verify(payload, signature []byte) (*verifier.KeyResult, error) {
	result := &verifier.KeyResult{Signer: verifier.Signer{Kind: verifier.SSH}, Claimed: claimedTime(payload)}

	// One signature in strict armor, and nothing else.
	s, err := v.read(signature, result)
	if err != nil {
		return nil, refuse(verifier.MalformedSignature, err, result, nil)
	}

	// Made for this purpose, by the key that it carries, over these bytes. A
	// certificate says whose key that is only if its authority signed it.
	if err := s.check(v.namespace, payload); err != nil {
		return nil, refuse(verifier.BadSignature, err, result, nil)
	}
	s.note(result)

	// The signature is right. Is it by someone who is allowed to sign? Who
	// that would be is known, and said, also of keys that are good no more.
	signer, denied := v.identify(s, result.Claimed)
	result.Lapses = v.lapses(s)
	result.Signer.Identity.Subject = signer

	if err := v.checkRevoked(s); err != nil {
		return nil, refuse(verifier.Revoked, err, result, result)
	}
	if err := v.checkStrength(s); err != nil {
		return nil, refuse(verifier.WeakAlgorithm, err, result, result)
	}
	if denied != nil {
		return nil, refuse(verifier.IdentityNotAllowed, denied, result, result)
	}
	return result, nil
}

// refuse returns the error for a signature that is not good. Its class is
// usual but where err carries one.
func refuse(usual verifier.Class, err error, claims, valid *verifier.KeyResult) *verifier.KeyError {
	kerr := &verifier.KeyError{Class: usual, Err: err, Valid: valid, Lapses: claims.Lapses, Unverified: *claims}
	if f := (*failure)(nil); errors.As(err, &f) {
		kerr.Class = f.class
	}
	kerr.Unlisted = errors.As(err, new(unlistedError))
	kerr.Unverified.Signer.Identity = verifier.Identity{}
	kerr.Unverified.Notes = slices.Clone(claims.Notes)
	return kerr
}

// A failure is an error with a class that is not the usual one of its check.
type failure struct {
	class verifier.Class
	err   error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// time returns the time at which keys have to be good for a signature with a
// claim, in Unix seconds; false if it claims none and has to.
func (v *Verifier) time(claimed time.Time) (int64, bool) {
	if !v.atSigning {
		return v.at, true
	}
	return claimed.Unix(), !claimed.IsZero()
}
