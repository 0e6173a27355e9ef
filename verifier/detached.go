package verifier

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// Detached is log entries that do not travel in the signature: proofs of the
// signature itself, and those of gitsign's "online" mode. That embeds nothing
// either; it has the key of the certificate sign the object id a second time, as
// the ASCII of its hexadecimal digits, and enters that signature in the log,
// where it can be found by asking.
type Detached struct {
	// Proofs are of the signature itself, from whomever. Those that cannot be
	// read, or are of another signature, do not count.
	Proofs []Proof

	// Object is the id of the signed object, 40 or 64 lower-case hexadecimal
	// digits, for Entries. The verifier knows nothing of git and cannot compute it: the
	// caller has to have computed it from the bytes that Verify's payload and
	// signature were taken from, never to have it from whoever gave them. In
	// a SHA-256 repository gitsign signs the SHA-1 id that the object would
	// have if its header gpgsig-sha256 were called gpgsig.
	Object string

	// Entries are dev.sigstore.rekor.v1.TransparencyLogEntry messages with
	// canonicalized_body, as a log or a store of such entries has them, from
	// whomever: none is believed. Those that cannot be read, or are of another
	// object or another certificate, do not count.
	Entries [][]byte
}

// VerifyDetached verifies a signature as Verify does, and where nothing is
// embedded in it, not even an entry that proves nothing, by an entry of d: first
// by those of Proofs, then by Entries. What is embedded decides alone.
//
// What a proof has takes the place of what could have been embedded, with the
// same checks but one: see lateEntry.
//
// An entry of the object id proves in two steps what one of the signature proves
// in one. The CMS signature binds the payload, and the entry binds the object
// id, to one key and its certificate; the caller vouches that the id is that
// of the payload with this signature. So whoever held the key signed this very
// object not later than the time that the log or a time-stamp proves, when the
// certificate was valid.
//
// Several entries may be of the same signature, or of the same object and
// certificate: who signs twice makes two ECDSA signatures. Each is sound by
// itself, so that one is enough, and entries that somebody adds cannot turn a
// good signature into a bad one. They are judged by their index in the log;
// when none verifies, the error is that of the one that came furthest. When
// none is left to judge, the class is NotLogged; so it is where Proofs alone speak
// of the signature and none holds, which anybody can bring about.
func (v *Verifier) VerifyDetached(payload, signature []byte, d Detached, allowed Allowed) (*Result, error) {
	s, verr := v.open(payload, signature, allowed)
	if verr != nil {
		return nil, verr
	}
	if len(s.entries) > 0 {
		return v.judge(&s.signature, allowed)
	}

	proofs, entries := v.proofs(s, d.Proofs), s.detached(d)
	if tries := slices.Concat(proofs, entries); len(tries) > 0 {
		_, result, err := v.first(tries, allowed)
		if err != nil && len(entries) == 0 {
			err = v.unproven(s, err, allowed)
		}
		return result, err
	}

	// No log is known to have seen it. What else is wrong is said first.
	_, err := v.judge(&s.signature, allowed)
	if errors.As(err, &verr) && verr.Class == NotLogged {
		verr.Err = d.notLogged(verr.Err)
	}
	return nil, err
}

// first returns the first of several ways to prove a signature that verifies, at
// least one; else the error of the one that came furthest.
func (v *Verifier) first(tries []*signature, allowed Allowed) (proven *signature, result *Result, err error) {
	for _, try := range tries {
		result, tryErr := v.judge(try, allowed)
		if tryErr == nil {
			return try, result, nil
		}
		if err == nil || reach(tryErr) > reach(err) {
			err = tryErr
		}
	}
	return nil, nil, err
}

// unproven returns the error for a signature of which proofs speak that do not
// hold; err is that of the one that came furthest. Anybody can make one, and it
// makes a signature no worse than if there were none: nobody is known to have
// logged it.
func (v *Verifier) unproven(s *message, err error, allowed Allowed) error {
	var verr, without *VerifyError
	if !errors.As(err, &verr) || verr.Check == CheckIdentity {
		return err // that is not the proof's
	}
	if _, err := v.judge(&s.signature, allowed); !errors.As(err, &without) || without.Class != NotLogged {
		return err
	}
	verr.Class, verr.Err = NotLogged, fmt.Errorf("%w, and a proof from outside does not hold: %w", without.Err, verr.Err)
	return verr
}

// notLogged returns err with what was looked at in vain.
func (d *Detached) notLogged(err error) error {
	if n := len(d.Proofs); n > 0 {
		err = fmt.Errorf("%w, and none of %d proofs from outside is of it", err, n)
	}
	switch {
	case validObjectID(d.Object):
		return fmt.Errorf("%w, and none of %d log entries from outside is of object %s by this certificate", err, len(d.Entries), d.Object)
	case d.Object != "" || len(d.Proofs) == 0:
		return fmt.Errorf("%w, and %q is no object id, so no log entry can be its", err, d.Object)
	}
	return err
}

// outside returns s with a log entry from outside.
func (s *signature) outside(record record, e *tlog.Entry) *signature {
	try := *s
	try.record, try.entries = record, []*tlog.Entry{e}
	try.passed, try.notes = slices.Clone(s.passed), append(slices.Clone(s.notes), "log entry from outside the signature")
	return &try
}

// detached returns s with each of the entries that are of the object by its
// certificate.
func (s *message) detached(d Detached) []*signature {
	if !validObjectID(d.Object) {
		return nil
	}
	record := &detachedRecord{digest: sha256.Sum256([]byte(d.Object)), leaf: s.leaf}
	var tries []*signature
	for _, e := range record.of(d.Entries) {
		tries = append(tries, s.outside(record, e))
	}
	return tries
}

// reach returns how many checks passed before the one that failed.
func reach(err error) int {
	var verr *VerifyError
	if !errors.As(err, &verr) {
		return 0
	}
	return len(verr.Passed)
}

// validObjectID reports whether id is one of SHA-1 or SHA-256 in hexadecimal.
func validObjectID(id string) bool {
	return (len(id) == 40 || len(id) == 64) && strings.Trim(id, "0123456789abcdef") == ""
}

// A detachedRecord is what a log records of an object id that is signed by a
// certificate's key: a hashedrekord like any other, but with a signature that
// is to be had from nowhere else.
type detachedRecord struct {
	digest [32]byte // of the object id
	leaf   *x509.Certificate
}

// of returns the entries that are such records, by their index.
func (r *detachedRecord) of(entries [][]byte) []*tlog.Entry {
	var found []*tlog.Entry
	for _, pb := range entries {
		if e, err := tlog.ParseEntry(pb); err == nil && r.signature(e) != nil {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b *tlog.Entry) int { return cmp.Compare(a.LogIndex, b.LogIndex) })
	return found
}

// signature returns the signature that an entry records, or nil if it is of
// another object or by another certificate.
func (r *detachedRecord) signature(e *tlog.Entry) []byte {
	b, err := tlog.ParseBody(e.CanonicalizedBody)
	if err != nil || b.Kind != "hashedrekord" || !bytes.Equal(b.Digest, r.digest[:]) {
		return nil
	}
	if s := b.Signatures[0]; bytes.Equal(s.Certificate, r.leaf.Raw) {
		return s.Signature
	}
	return nil
}

// body returns the entry's body, if it is what its log writes of such a
// signature and the signature is by the certificate's key.
func (r *detachedRecord) body(log *trust.Log, e *tlog.Entry) ([]byte, int, error) {
	generation := generationOf(log, e)
	if !labelled(e, generation) {
		return nil, 0, classed(UnsupportedSignature, "log entry of kind %q %q", e.Kind, e.KindVersion)
	}
	signature := r.signature(e)
	body, err := rebuild(r.digest, signature, r.leaf, generation)
	if err != nil {
		return nil, 0, err
	}
	if !bytes.Equal(body, e.CanonicalizedBody) {
		return nil, 0, errors.New("the log entry is not what its log writes of such a signature")
	}
	if err := checkDigest(r.leaf.PublicKey, crypto.SHA256, r.digest[:], signature); err != nil {
		return nil, 0, fmt.Errorf("checking the signature of the object id in the log entry: %w", err)
	}
	return body, generation, nil
}
