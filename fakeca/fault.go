package fakeca

import "slices"

// A Fault names one thing that is wrong with a signature, or, where its class
// is "verified", that is only odd.
type Fault string

// Faults of the form.
const (
	TextBeforeBegin    Fault = "text-before-begin"   // text above the armor, as when a login prompt leaks: harmless
	TextAfterEnd       Fault = "text-after-end"      // text below the armor
	TwoArmors          Fault = "two-armors"          // a second armor below the first
	ArmorSpareBits     Fault = "armor-spare-bits"    // bits set in the last character that carry nothing
	TrailingBytes      Fault = "trailing-bytes"      // an octet after the DER
	BERLength          Fault = "ber-length"          // the outermost length in more octets than it needs
	TwoSigners         Fault = "two-signers"         // two SignerInfos
	SignerSecond       Fault = "signer-second"       // the intermediate before the signer's certificate: harmless
	SignerMissing      Fault = "signer-missing"      // a certificate, but not the signer's
	AttachedContent    Fault = "attached-content"    // the payload inside the message as well
	WrongContentType   Fault = "wrong-content-type"  // contentType is not id-data
	NoContentType      Fault = "no-content-type"     // no contentType attribute
	NoMessageDigest    Fault = "no-message-digest"   // no messageDigest attribute
	DuplicateAttribute Fault = "duplicate-attribute" // two signingTime attributes
	TwoDigestValues    Fault = "two-digest-values"   // two values in the messageDigest attribute
	TwoEntryValues     Fault = "two-entry-values"    // two values in the log entry attribute
	AttributesUnsorted Fault = "attributes-unsorted" // signed attributes not in DER order
	OldAttribute       Fault = "old-attribute"       // the log entry under a pre-release identifier
	UnknownDigest      Fault = "unknown-digest"      // SHA3-256 throughout
	SHA1Digest         Fault = "sha1-digest"         // SHA-1 throughout
)

// Faults of the signature.
const (
	WrongDigest         Fault = "wrong-digest"           // messageDigest of another payload
	SignatureByOtherKey Fault = "signature-by-other-key" // not by the key in the certificate
	SignatureFlipped    Fault = "signature-flipped"      // a bit of the signature changed
	SignatureComplement Fault = "signature-complement"   // (r, n-s) for the (r, s) that was logged: valid, but another one
)

// Faults of the log entry.
const (
	NoEntry                Fault = "no-entry"                  // none in the message
	EntryOfOtherLog        Fault = "entry-of-other-log"        // all of it right, but of a log nobody named
	EntryForOtherSignature Fault = "entry-for-other-signature" // a real entry, about something else
	ProofHashFlipped       Fault = "proof-hash-flipped"        // a bit of the first hash of the inclusion proof changed
	ProofHashDropped       Fault = "proof-hash-dropped"        // the last hash left out
	ProofHashExtra         Fault = "proof-hash-extra"          // a hash appended
	IndexOffByOne          Fault = "index-off-by-one"          // index of the entry before
	TreeSizeOffByOne       Fault = "tree-size-off-by-one"      // one more than in the checkpoint
	RootHashWrong          Fault = "root-hash-wrong"           // not that of the checkpoint
	CheckpointForged       Fault = "checkpoint-forged"         // signed by another key in our key's name
	CheckpointByOtherKey   Fault = "checkpoint-by-other-key"   // signed by another key under its own key hash
	CheckpointOfOtherLog   Fault = "checkpoint-of-other-log"   // another origin line, signed by our key
	CheckpointRootChanged  Fault = "checkpoint-root-changed"   // after it was signed
	CheckpointCosigned     Fault = "checkpoint-cosigned"       // one more signature, by an unknown witness: harmless
	NoProof                Fault = "no-proof"                  // entry with neither inclusion proof nor signed entry timestamp
	LabelledV1             Fault = "labelled-v1"               // Rekor v2 entry that gitsign calls 0.0.1, empty promise: harmless
	PromiseFlipped         Fault = "promise-flipped"           // Rekor v1: a bit of the signed entry timestamp changed
	IntegratedTimeChanged  Fault = "integrated-time-changed"   // Rekor v1: one second later than promised
	NoPromise              Fault = "no-promise"                // Rekor v1: the proof alone, so that nothing tells the time
	PromiseOnly            Fault = "promise-only"              // Rekor v1: the signed entry timestamp alone: harmless
)

// Faults of the time.
const (
	NoTimestamp            Fault = "no-timestamp"              // Rekor v2: nothing tells the time
	ClaimedTime            Fault = "claimed-time"              // Rekor v2: the entry claims a time and there is no timestamp
	TimestampBackdated     Fault = "timestamp-backdated"       // half an hour before the certificate
	TimestampOverOther     Fault = "timestamp-over-other"      // over another imprint
	TimestampByOther       Fault = "timestamp-by-other"        // by a timestamp authority nobody named
	TimestampFlipped       Fault = "timestamp-flipped"         // a bit of the token's signature changed
	CertificateExpired     Fault = "certificate-expired"       // 20 minutes before it was used
	CertificateNotYetValid Fault = "certificate-not-yet-valid" // for half an hour after it was used
)

// Faults of the certificate.
const (
	CertificateByOther Fault = "certificate-by-other" // by an authority nobody named
	CertificateForged  Fault = "certificate-forged"   // by another key in our authority's name
	NoCodeSigning      Fault = "no-code-signing"      // for protecting e-mail
	LeafIsCA           Fault = "leaf-is-ca"           // that of a certificate authority
	NoSCT              Fault = "no-sct"               // none embedded
	SCTByUnknownLog    Fault = "sct-by-unknown-log"   // real, but of a log nobody named
	SCTFlipped         Fault = "sct-flipped"          // a bit of its signature changed
)

// Faults returns all faults, in the order in which a verifier comes upon them.
// Not each can occur under each generation of log: see In.
func Faults() []Fault {
	var list []Fault
	for _, f := range faults() {
		list = append(list, f.fault)
	}
	return list
}

// Class returns the audit class of a signature with the fault: "verified" for
// one that is only odd, and for none.
func (f Fault) Class() string { return findFault(f).class }

// In reports whether the fault can occur with a log of the generation.
func (f Fault) In(g Generation) bool { return findFault(f).in(g) }

// A spec says what a fault is: where in the making of a signature it happens,
// and what a verifier calls the result.
type spec struct {
	fault Fault
	class string
	only  []Generation // nil: any

	// Each happens when what it is named for has been made, and before
	// anything is made of that.
	leaf, attributes, signature, entry, stamp, message, der, armor mistake
}

// A mistake spoils a draft.
type mistake func(d *draft)

func (m mistake) spoil(d *draft) {
	if m != nil {
		m(d)
	}
}

func (s *spec) in(g Generation) bool { return s.only == nil || slices.Contains(s.only, g) }

// faults returns the specs of all faults in the order of the checks.
func faults() []spec {
	return slices.Concat(formFaults(), signatureFaults(), entryFaults(), timeFaults(), certificateFaults())
}

func findFault(f Fault) *spec {
	if f == "" {
		return &spec{class: "verified"}
	}
	for _, s := range faults() {
		if s.fault == f {
			return &s
		}
	}
	panic("fakeca: unknown fault " + string(f))
}
