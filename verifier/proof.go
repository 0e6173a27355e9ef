package verifier

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
)

// A Proof is what was had for a git signature after it was made, and does not
// travel in it. Nothing in it is believed.
type Proof struct {
	// Entry is a dev.sigstore.rekor.v1.TransparencyLogEntry of the signature
	// itself, with or without its canonicalized body.
	Entry []byte
	// Timestamps are RFC 3161 tokens over the signature value, in DER, beside
	// those in the signature. All must hold.
	Timestamps [][]byte
}

// ProofKey returns by what the proofs of a git signature are found: the SHA-256
// of its signature value. signature is as git stores it; that it is one is all
// that is checked, and otherwise the error is a *VerifyError.
func ProofKey(signature []byte) ([32]byte, error) {
	s, verr := open(signature)
	if verr != nil {
		return [32]byte{}, verr
	}
	return sha256.Sum256(s.value), nil
}

// Parts are a git signature without what it is over and what it is wrapped in:
// what logs and time-stamp authorities have to do with.
type Parts struct {
	SignedAttributes []byte   // DER, as they are signed (RFC 5652, section 5.4)
	Signature        []byte   // over them, with SHA-256
	Certificate      []byte   // DER
	Timestamps       [][]byte // RFC 3161 tokens over Signature, DER, that travel in the signature
}

// VerifyParts verifies a git signature by one proof, as VerifyDetached does, for
// who has only parts of it: the Result is about the signed attributes, and which
// payload they are of is not for it to say. err is nil only if every check
// passed; otherwise it is a *VerifyError. A nil allowed is refused.
func (v *Verifier) VerifyParts(p Parts, proof Proof, allowed Allowed) (*Result, error) {
	if allowed == nil {
		return nil, errNobody()
	}
	s, verr := openParts(p)
	if verr != nil {
		return nil, verr
	}
	tries := v.proofs(s, []Proof{proof})
	if len(tries) == 0 {
		return nil, s.fail(CheckLogEntry, BadLogProof, errors.New("the proof cannot be read, or is of another signature"))
	}
	return v.judge(tries[0], allowed)
}

// openParts reads the parts of a signature, and checks that they are of one
// piece.
func openParts(p Parts) (*message, *VerifyError) {
	s := &message{signed: bytes.Clone(p.SignedAttributes), cms: new(cms.SignedData)}
	s.record, s.value = s, bytes.Clone(p.Signature)
	signer := &s.cms.Signer
	signer.Signature = s.value
	signer.DigestAlgorithm.Algorithm, signer.SignatureAlgorithm.Algorithm = cms.OIDSHA256, cms.OIDECDSAWithSHA256
	leaf, err := parseCertificate(p.Certificate)
	if err != nil {
		return nil, s.fail(CheckCMS, MalformedSignature, fmt.Errorf("reading the certificate: %w", err))
	}
	s.leaf = leaf
	s.certificate, s.identityErr = readCertificate(leaf)
	if !cms.IsSignedAttributes(p.SignedAttributes) {
		return nil, s.fail(CheckCMS, MalformedSignature, errors.New("what is signed is not the attributes of a CMS signature"))
	}
	s.pass(CheckCMS)
	if err := signer.CheckSignature(leaf.PublicKey, s.signed); err != nil {
		return nil, s.fail(CheckSignature, cmsClass(err), fmt.Errorf("checking the signature: %w", err))
	}
	s.pass(CheckSignature)
	if err := s.readStamps(p.Timestamps); err != nil {
		return nil, s.fail(CheckTimestamp, MalformedSignature, fmt.Errorf("reading the time-stamp: %w", err))
	}
	return s, nil
}

// proofs returns s with each of the proofs that are its own, by their index in
// the log. One that cannot be read as a whole is nobody's.
func (v *Verifier) proofs(s *message, proofs []Proof) []*signature {
	var tries []*signature
	for _, p := range proofs {
		e, err := tlog.ParseEntry(p.Entry)
		if err != nil || !v.owns(s, e) {
			continue
		}
		try := s.outside(s, e)
		try.late = true
		try.tokens, try.stamps = slices.Clone(s.tokens), slices.Clone(s.stamps)
		if try.readStamps(p.Timestamps) == nil {
			tries = append(tries, try)
		}
	}
	slices.SortStableFunc(tries, func(a, b *signature) int { return cmp.Compare(a.entries[0].LogIndex, b.entries[0].LogIndex) })
	return tries
}

// owns reports whether an entry speaks of s, be it rightly or wrongly: by the
// body that it carries, or else because the body that s has leads to the root
// that it names, or is what a log promised. An entry that says nothing of s must
// not make it look worse than one that nobody logged.
func (v *Verifier) owns(s *message, e *tlog.Entry) bool {
	for generation := 1; generation <= 2; generation++ {
		body, err := rebuild(sha256.Sum256(s.signed), s.value, s.leaf, generation)
		switch {
		case err != nil:
		case e.CanonicalizedBody != nil:
			if bytes.Equal(e.CanonicalizedBody, body) {
				return true
			}
		case e.Proof != nil:
			p := tlog.InclusionProof{Index: uint64(e.Proof.LogIndex), Size: uint64(e.Proof.TreeSize), Hashes: e.Proof.Hashes}
			if p.Verify(tlog.LeafHash(body), e.Proof.RootHash) == nil {
				return true
			}
		case e.Promise != nil:
			if v.promised(body, e) {
				return true
			}
		}
	}
	return false
}

// promised reports whether a log of a trusted root promised to include the
// body.
func (v *Verifier) promised(body []byte, e *tlog.Entry) bool {
	return slices.ContainsFunc(v.roots, func(r *root) bool {
		log := findLogByID(r.trusted.TLogs, e.LogID)
		return log != nil && tlog.VerifySET(r.logKeys[log], body, e.IntegratedTime, e.LogID, e.LogIndex, e.Promise.SET) == nil
	})
}

// lateEntry returns the times at which the signer's certificate has to have been
// valid: all, but that of a log entry from a proof which came after its end,
// where a time-stamp proves one before.
//
// Who defers an entry may be without a network for longer than a certificate
// lives. The two say what one entry in time says: the time-stamp that this very
// signature existed while the certificate was valid, so that whoever had the key
// then made it; the entry that it is public. When it became so is told by the
// Result, and decides nothing. Without a time-stamp the log's is the only time,
// and a key that was stolen when it had expired would do. An entry before the
// certificate began is no late one.
//
// An embedded entry has no such excuse: it was made with the signature.
func (s *signature) lateEntry(times []ProvenTime) []ProvenTime {
	if !s.late {
		return times
	}
	// A time-stamp from after the certificate's end helps nobody: it stays among
	// the times.
	if !slices.ContainsFunc(times, func(t ProvenTime) bool { return t.Source == StampTime }) {
		return times
	}
	return slices.DeleteFunc(slices.Clone(times), func(t ProvenTime) bool {
		return t.Source == LogTime && t.Time.After(s.leaf.NotAfter)
	})
}
