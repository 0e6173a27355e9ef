package verifier

import (
	"fmt"
	"time"
)

// A Kind is a kind of signature, by what vouches for its key.
type Kind string

// The kinds of signatures.
const (
	Keyless Kind = "keyless" // a certificate that lived minutes, and a log
	OpenPGP Kind = "openpgp" // a key in a keyring (RFC 9580)
	SSH     Kind = "ssh"     // a line of an allowed signers file (ssh-keygen(1))
	X509    Kind = "x509"    // a certificate by an authority that the caller names (RFC 5652)
)

// A Signer is who made a signature, as far as its format says. Signers can be
// compared by ==.
type Signer struct {
	Kind Kind
	// Identity of a Keyless signer is its certificate's. Subject of an OpenPGP
	// signer is the key's primary user id, of an SSH signer the first of the
	// principals that its line names, of an X509 signer its e-mail address or,
	// without one, its distinguished name. Issuer of an X509 signer is the
	// distinguished name of the authority that issued its certificate; of the
	// other two it is empty.
	Identity Identity
	// Key is the fingerprint of the key that stands for the signer, as the
	// format's own tools write it: of OpenPGP the primary key's, 40 or 64
	// upper case hexadecimal digits; of SSH "SHA256:" and base64; of X509 the
	// SHA-256 of the certificate, 64 upper case hexadecimal digits. It is empty
	// for a Keyless signer, whose keys are used once.
	Key string
}

// String returns the signer as people read it.
func (s Signer) String() string {
	switch {
	case s.Kind == Keyless:
		return s.Identity.String()
	case s.Identity.Subject == "":
		return fmt.Sprintf("%s key %s", s.Kind, s.Key)
	case s.Identity.Issuer != "":
		return fmt.Sprintf("%s (%s certificate %s by %s)", s.Identity.Subject, s.Kind, s.Key, s.Identity.Issuer)
	}
	return fmt.Sprintf("%s (%s key %s)", s.Identity.Subject, s.Kind, s.Key)
}

// KeyRules say how keys are judged that are not gone after minutes: those of
// OpenPGP, SSH and X509 signers.
type KeyRules struct {
	// At is the time at which keys have to be good: that of the judging. It is
	// required.
	At time.Time
	// AtSigning judges keys at the time that the signature, or for SSH the
	// commit or tag, claims instead. That is only a claim: whoever holds a key
	// that has expired can write any date. False judges them at At.
	AtSigning bool
	// Weak are the names of algorithms that are too weak today and accepted
	// nevertheless, such as "sha1". Nil accepts none.
	Weak []string
}

// A KeyResult holds the facts of a valid signature by a key that does not
// live for minutes only.
type KeyResult struct {
	Signer    Signer
	Key       string    // fingerprint of the key that signed: of OpenPGP it may be a subkey's; else as in Signer
	Algorithm string    // of the key, such as "ed25519" or "rsa4096"
	Hash      string    // that was signed, such as "sha256"
	Claimed   time.Time // what the signature says of its time; zero: nothing
	Time      time.Time // a proven time, from an RFC 3161 time-stamp; zero: none
	// Lapses is when this verdict may become another one because a key or the
	// signature expires: it is judged again after that. Zero: never.
	Lapses time.Time
	Notes  []string // harmless oddities, such as text before the armor
}

// A KeyError says why a signature by such a key is not good. It is the only
// way to data that is not verified.
type KeyError struct {
	Class Class
	Err   error
	// Lapses is when this verdict may become another one because a key becomes
	// valid, or expires. Zero: never.
	Lapses time.Time

	// Unverified is what the signature claims: a fingerprint or key id, and a
	// time. Fields that it does not claim are zero.
	Unverified KeyResult
	// Valid is set when the signature is right and all that is wrong is the
	// key: it has expired, was revoked, is too weak. These are its facts.
	Valid *KeyResult
	// Unlisted is set when all that is wrong is that none of the keys that the
	// caller gave is the signer's, which the signature carries itself: a policy
	// that names the key makes up for that. Valid is set then, too.
	Unlisted bool
}

// Error returns the cause.
func (e *KeyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }
