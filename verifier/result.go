package verifier

import (
	"errors"
	"fmt"
	"time"
)

// A Check is one step of a verification. Their names appear in reports and
// are stable.
type Check string

// The checks, in the order they are made.
const (
	CheckArmor      Check = "armor"                  // one armored block, strict base64
	CheckCMS        Check = "cms"                    // strict DER, one signer, its certificate present
	CheckDigest     Check = "digest"                 // the signed attributes are about these bytes
	CheckSignature  Check = "signature"              // made by the certificate's key
	CheckLogEntry   Check = "log-entry"              // an entry of a known log is embedded
	CheckInclusion  Check = "inclusion-proof"        // the entry is in the checkpoint's tree
	CheckCheckpoint Check = "checkpoint"             // the log signed the checkpoint
	CheckPromise    Check = "signed-entry-timestamp" // the log signed entry and time (Rekor v1)
	CheckTimestamp  Check = "time-stamp"             // a time-stamp authority signed the time
	CheckTime       Check = "time"                   // a time is proven, and the log's key was valid then
	CheckChain      Check = "certificate-chain"      // issued by a trusted authority, valid at that time
	CheckSCT        Check = "certificate-log"        // a certificate log promised to include it
	CheckIdentity   Check = "identity"               // an identity that is allowed
)

// The checks of bundles, in place of CheckArmor and CheckCMS.
const (
	CheckBundle    Check = "bundle"    // one well-formed bundle
	CheckStatement Check = "statement" // an in-toto statement of a known type
)

const checkCount = 15 // of all these

// A Class says what is known of a signed object. Classes are kebab-case,
// stable, and documented in docs/findings.md.
type Class string

// The classes that signatures get. Audits know more.
const (
	Verified             Class = "verified"
	IdentityNotAllowed   Class = "identity-not-allowed"
	BadSignature         Class = "bad-signature" // under a certificate that a trusted authority issued
	BadLogProof          Class = "bad-log-proof"
	UntrustedCertificate Class = "untrusted-certificate"
	UntrustedLog         Class = "untrusted-log"
	BadTime              Class = "bad-time"
	NotLogged            Class = "not-logged"
	WeakAlgorithm        Class = "weak-algorithm"
	MalformedSignature   Class = "malformed-signature"
	UnsupportedSignature Class = "unsupported-signature"
)

// The classes of signatures by keys that live longer than minutes.
const (
	Revoked    Class = "revoked"
	ExpiredKey Class = "expired-key" // or a key that is not valid yet, or a signature that has expired
	UnknownKey Class = "unknown-key"
)

// A Certificate is what a signer's certificate says. In a Result it is
// checked; in Unverified it is a claim.
type Certificate struct {
	Identity    Identity
	SubjectType string // "email", "uri" or "other-name"
	NotBefore   time.Time
	NotAfter    time.Time
	Serial      string   // hexadecimal
	IssuerName  string   // the authority's distinguished name
	Fingerprint [32]byte // SHA-256 of the DER
	Claims      []Claim  // what the CI system said of the run, in the order of the extensions
	DER         []byte
}

// A Claim is a Sigstore certificate extension: 1.3.6.1.4.1.57264.1.Number.
type Claim struct {
	Number int
	Name   string // as in Sigstore's registry: "SourceRepositoryURI"
	Value  string
}

// A LogEntry is where a signature stands in a transparency log.
type LogEntry struct {
	LogID      [32]byte
	URL        string // the log's base URL in the trusted root
	Generation int    // 1: Rekor v1, 2: Rekor v2
	Index      int64  // the entry's index in the log; for Rekor v1 across its shards
	IndexKnown bool   // false where a Rekor v1 entry has no promise, which alone vouches for Index

	// From the inclusion proof; zero where a Rekor v1 promise stands alone.
	Origin    string
	TreeIndex uint64
	TreeSize  uint64
	RootHash  [32]byte
}

// A TimeSource says who vouches for a time.
type TimeSource string

// The sources of proven time.
const (
	LogTime   TimeSource = "log"        // Rekor v1's integrated time, under its promise
	StampTime TimeSource = "time-stamp" // RFC 3161
)

// ClaimedTime is what a signature, or the object it is over, says of its own
// time. It is no proof.
const ClaimedTime TimeSource = "claimed"

// A ProvenTime is a time, in UTC, by which a signature existed.
type ProvenTime struct {
	Source    TimeSource
	Authority string // URL in the trusted root
	Time      time.Time
}

// A Result holds the facts of a signature that verified.
type Result struct {
	Certificate Certificate  // zero: the key is one that the caller trusts
	Log         LogEntry     // of several the first; zero only where Certificate is
	Times       []ProvenTime // at least one; none only where Certificate is zero
	Time        time.Time    // the earliest of Times
	Statement   *Statement   // what a DSSE envelope holds; nil: what is signed is the artifact
	SigningTime time.Time    // what the signer claimed; zero: nothing; never evidence
	TrustedRoot [32]byte     // digest of the trusted root it verified under
	Passed      []Check
	Notes       []string // harmless oddities, such as text before the armor
}

// Unverified holds what a signature that did not verify claims. Parts that
// could not be read are nil or zero.
type Unverified struct {
	Certificate *Certificate
	Log         *LogEntry
	LogTime     time.Time
	StampTime   time.Time
	SigningTime time.Time
	Notes       []string
}

// A VerifyError says why a signature is not verified. It is the only way to
// data that is not.
type VerifyError struct {
	Check  Check
	Class  Class
	Err    error
	Passed []Check // the checks that passed before

	Unverified Unverified

	// Valid is set when all that failed is the identity: the signature is
	// valid and these are its facts.
	Valid *Result
}

// Error returns the cause. The check is not repeated in it: causes name what
// they are about.
func (e *VerifyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *VerifyError) Unwrap() error { return e.Err }

var errNotLogged = errors.New("no transparency-log proof is embedded in the signature")

// A classError gives an error the class it leads to where that is not the
// usual one of its check.
type classError struct {
	class Class
	err   error
}

func (e *classError) Error() string { return e.err.Error() }
func (e *classError) Unwrap() error { return e.err }

// classed returns an error with a class of its own.
func classed(class Class, format string, args ...any) error {
	return &classError{class, fmt.Errorf(format, args...)}
}

// classOf returns the class that err carries, or usual.
func classOf(err error, usual Class) Class {
	if ce := (*classError)(nil); errors.As(err, &ce) {
		return ce.class
	}
	return usual
}
