// Package openpgp verifies OpenPGP signatures as git stores them, against
// keyrings that the caller names.
//
// A verdict depends on the signed bytes, the signature, the keyrings and
// [verifier.KeyRules]. Nothing is looked up, no web of trust is walked: that a
// key is in a keyring is why it is trusted, and for what is for a policy to
// say. The package opens no file and looks at no clock. It links only curves
// of ProtonMail/go-crypto: that module's packet reader is looser than what a
// verdict may rest on, and costs every program that links it time to start.
//
// # What makes a signature good
//
// All that stands in the place of the signature must be armored OpenPGP
// signatures, each over these bytes, each good. One that is not good, or
// cannot be checked, spoils the others: gpg and git see it so too. Of several
// the worst names the class: bad-signature, weak-algorithm, revoked,
// expired-key, then what could not be told. The signer is that of the first.
//
// A key says what it is for by its newest self-signatures, those with SHA-1
// included (only MD5 is refused there), as gpg reads them; see key.go. It must
// be allowed to sign, and a subkey must have signed for its primary key as
// well. Revocations count whatever date they claim, those by designated
// revokers too, unless [verifier.KeyRules].AtSigning is set and the key was
// only retired or superseded, later than the signature claims to be made.
//
// # Weak algorithms
//
// Signatures that rest on these are of class weak-algorithm, unless
// KeyRules.Weak has their names:
//
//	md5, sha1, ripemd160   what is signed is hashed with it
//	rsa1024                an RSA key of 1024 to 2047 bits
//	dsa1024                a DSA key of less than 2048 bits
//
// A signature by a subkey rests on its primary key, too, which vouches for it.
// What SHA-1's known attacks can make is refused even where "sha1" is
// accepted. RSA keys of less than 1024 bits are always refused.
//
// Sources: RFC 9580 (OpenPGP), RFC 4880 (version 3 signatures), and GnuPG
// where these leave a choice.
package openpgp

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/verifier"
)

// ErrWrongUsage is wrapped by errors about signatures by a key that its owner
// did not make for signing: the signature is right, the key's own word is
// against it. gpg says "Wrong key usage".
var ErrWrongUsage = errors.New("key is not meant for signing")

// The names that KeyRules.Weak may have for this package.
const (
	weakMD5       = "md5"
	weakSHA1      = "sha1"
	weakRIPEMD160 = "ripemd160"
	weakRSA1024   = "rsa1024"
	weakDSA1024   = "dsa1024"
)

// skew is how far ahead a clock may go, in seconds: signatures that claim to
// be made later than that after KeyRules.At are refused, and self-signatures
// passed over.
const skew = 24 * 60 * 60

// A Config says whose signatures to accept.
type Config struct {
	Keyrings []*Keyring        // nil: every key is unknown
	Rules    verifier.KeyRules // At is required
}

// A Verifier verifies signatures by the keys of fixed keyrings. It may be used
// by several goroutines at once.
type Verifier struct {
	rules verifier.KeyRules
	index *index
}

// New returns a Verifier. It keeps the keyrings and never changes them.
func New(cfg Config) (*Verifier, error) {
	if cfg.Rules.At.IsZero() {
		return nil, errors.New("making an openpgp verifier: no time to judge keys at")
	}
	rules := cfg.Rules
	rules.Weak = slices.Clone(rules.Weak)
	return &Verifier{rules, newIndex(cfg.Keyrings, rules.At.Unix())}, nil
}

// Digest is the SHA-256 over all that verdicts depend on beside the bytes and
// KeyRules.At: the keys, in whatever order and file they came, AtSigning and
// Weak.
func (v *Verifier) Digest() [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "gitseal openpgp keys 2\natSigning %t\n", v.rules.AtSigning)
	weak := slices.Clone(v.rules.Weak)
	slices.Sort(weak)
	for _, name := range slices.Compact(weak) {
		fmt.Fprintf(h, "weak %q\n", name)
	}
	for _, d := range v.index.digests() {
		h.Write(d[:])
	}
	return [32]byte(h.Sum(nil))
}

// Verify judges signature, what git stores of one, over payload. The error is
// a *verifier.KeyError.
func (v *Verifier) Verify(payload, signature []byte) (*verifier.KeyResult, error) {
	a, err := dearmorSignature(signature)
	if err != nil {
		return nil, &verifier.KeyError{Class: verifier.MalformedSignature, Err: err}
	}
	packets, err := signaturePackets(a.blocks)
	if err != nil {
		return nil, &verifier.KeyError{Class: verifier.MalformedSignature, Err: err,
			Unverified: verifier.KeyResult{Notes: a.notes}}
	}

	// Each is judged, for one that is bad must not hide behind one that
	// merely cannot be checked.
	var first *verifier.KeyResult
	var worst *verifier.KeyError
	for i, body := range packets {
		result, kerr := v.judge(payload, body)
		switch {
		case kerr != nil && len(packets) > 1:
			kerr.Err = fmt.Errorf("signature %d of %d: %w", i+1, len(packets), kerr.Err)
			fallthrough
		case kerr != nil:
			if worst == nil || severity(kerr.Class) > severity(worst.Class) {
				worst = kerr
			}
		case first == nil:
			first = result
		default:
			first.Lapses = sooner(first.Lapses, result.Lapses)
			first.Notes = append(first.Notes, fmt.Sprintf("signed also by %s at %s", result.Key, result.Claimed.Format(time.RFC3339)))
			first.Notes = append(first.Notes, result.Notes...)
		}
	}
	if worst != nil {
		worst.Unverified.Notes = slices.Concat(a.notes, worst.Unverified.Notes)
		if worst.Valid != nil {
			worst.Valid.Notes = slices.Concat(a.notes, worst.Valid.Notes)
		}
		return nil, worst
	}
	first.Notes = slices.Concat(a.notes, first.Notes)
	return first, nil
}

// severity orders the classes of errors: what is known to be wrong comes
// before what could not be told.
func severity(c verifier.Class) int {
	return slices.Index([]verifier.Class{
		verifier.UnsupportedSignature, verifier.UnknownKey, verifier.ExpiredKey,
		verifier.Revoked, verifier.WeakAlgorithm, verifier.MalformedSignature, verifier.BadSignature,
	}, c)
}

// maxSignatures bounds the signatures in the place of one: each is another
// pass over the payload.
const maxSignatures = 16

// signaturePackets returns the bodies of the signature packets in the blocks,
// at least one.
func signaturePackets(blocks [][]byte) ([][]byte, error) {
	var bodies [][]byte
	for _, data := range blocks {
		for len(data) > 0 {
			p, rest, err := nextPacket(data)
			if err != nil {
				return nil, fmt.Errorf("reading signature packets: %w", err)
			}
			if p.tag != tagSignature {
				return nil, fmt.Errorf("reading signature packets: packet of type %d, which is no signature", p.tag)
			}
			if len(bodies) == maxSignatures {
				return nil, fmt.Errorf("reading signature packets: more than %d signatures", maxSignatures)
			}
			bodies = append(bodies, p.body)
			data = rest
		}
	}
	if len(bodies) == 0 {
		return nil, errors.New("reading signature packets: the armor is empty")
	}
	return bodies, nil
}

// unix returns seconds since 1970 as a time in UTC.
func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// sooner returns the earlier of two times, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// hexID returns a key id as gpg writes it.
func hexID(id uint64) string {
	return fmt.Sprintf("%X", binary.BigEndian.AppendUint64(nil, id))
}

// hexFingerprint returns a fingerprint as gpg writes it.
func hexFingerprint(f []byte) string { return strings.ToUpper(fmt.Sprintf("%x", f)) }
