package openpgp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/verifier"
)

// judge judges one signature packet over payload.
func (v *Verifier) judge(payload, body []byte) (*verifier.KeyResult, *verifier.KeyError) {
	s, err := parseSignature(body)
	if err != nil {
		return nil, &verifier.KeyError{Class: classOf(err, verifier.MalformedSignature), Err: fmt.Errorf("reading signature packet: %w", err)}
	}
	claims := s.claims()
	fail := func(err error, usual verifier.Class) *verifier.KeyError {
		return &verifier.KeyError{Class: classOf(err, usual), Err: err, Unverified: claims}
	}

	// The form: a signature over a document, that can be read in one way.
	if err := s.checkForm(); err != nil {
		return nil, fail(err, verifier.MalformedSignature)
	}

	// The key.
	candidates := v.index.candidates(s)
	if len(candidates) == 0 {
		return nil, fail(fmt.Errorf("signature by key %s, which is in no keyring", claims.Key), verifier.UnknownKey)
	}

	// The signature value, over the payload. Key ids can be alike, so of
	// several keys one has to fit.
	var notes []string
	if s.kind == sigText {
		payload = canonicalText(payload)
		notes = append(notes, "signed as text: how lines end is not covered")
	}
	digest, err := s.digest(payload)
	if err != nil {
		return nil, fail(fmt.Errorf("signature by key %s: %w", claims.Key, err), verifier.MalformedSignature)
	}
	if !s.repeats(digest) {
		notes = append(notes, "the first bytes of the digest, which the signature repeats, are wrong")
	}
	var makers []candidate
	for _, c := range candidates {
		if cerr := c.publicKey.verify(s, digest); cerr == nil {
			makers = append(makers, c)
		} else if err == nil {
			err = cerr
		}
	}
	if len(makers) == 0 {
		return nil, fail(fmt.Errorf("signature by key %s: %w", claims.Key, err), verifier.BadSignature)
	}

	// What the key's owner says about the key.
	result, kerr := v.judgeMakers(s, notes, makers)
	if kerr != nil {
		kerr.Unverified = claims
	}
	return result, kerr
}

// checkForm checks that s is a signature over a document by one key, that can
// be read in one way and is to be gone by.
func (s *signature) checkForm() error {
	switch {
	case s.kind != sigBinary && s.kind != sigText:
		return fmt.Errorf("signature of type 0x%02x, which is none over a document", s.kind)
	case s.odd != nil:
		return fmt.Errorf("reading signature packet: %w", s.odd)
	case s.critical != nil:
		return unsupported("signature has %w", s.critical)
	case len(s.issuers) == 0:
		return &classError{verifier.UnknownKey, errors.New("signature does not say which key made it")}
	case !s.oneIssuer():
		return errors.New("signature names more than one key")
	}
	return nil
}

// judgeMakers judges a signature that is right by whose key made it. A subkey
// may be part of several keys: those that it does not belong to say nothing,
// and of the others each must be good.
func (v *Verifier) judgeMakers(s *signature, notes []string, makers []candidate) (*verifier.KeyResult, *verifier.KeyError) {
	var good *verifier.KeyResult
	var bad, stranger *verifier.KeyError
	for _, c := range makers {
		t := v.newTrial(s, notes, c)
		if err := t.bound(); err != nil {
			stranger = t.fail(verifier.UnknownKey, "%w", err)
			stranger.Valid = nil // whose the key is, is not proven
			continue
		}
		kerr := t.judge()
		if kerr == nil {
			if good == nil {
				good = t.result
			}
		} else if bad == nil || severity(kerr.Class) > severity(bad.Class) {
			bad = kerr
		}
	}
	switch {
	case bad != nil:
		return nil, bad
	case good != nil:
		return good, nil
	}
	return nil, stranger
}

// A trial is the judging of a signature by a key that has made it.
type trial struct {
	rules   *verifier.KeyRules
	s       *signature
	c       candidate
	primary *primaryState
	state   *partState // of the primary key or the subkey
	result  *verifier.KeyResult
}

func (v *Verifier) newTrial(s *signature, notes []string, c candidate) *trial {
	t := &trial{rules: &v.rules, s: s, c: c, primary: &c.key.state, state: &c.key.state.partState}
	if c.part != nil {
		t.state = c.key.subkey(c.part)
	}
	t.result = &verifier.KeyResult{
		Signer: verifier.Signer{Kind: verifier.OpenPGP, Key: hexFingerprint(c.key.primary.fingerprint),
			Identity: verifier.Identity{Subject: t.primary.subject}},
		Key:       hexFingerprint(c.publicKey.fingerprint),
		Algorithm: c.publicKey.name(),
		Hash:      hashes[s.hash].name,
		Claimed:   unix(s.created),
		Notes:     slices.Clone(notes),
	}
	t.lapsesAt(t.primary.changes)
	t.lapsesAt(t.state.changes)
	return t
}

// lapsesAt notes that the verdict may be another one after a time; 0 is never.
func (t *trial) lapsesAt(at int64) {
	if at != 0 {
		t.result.Lapses = sooner(t.result.Lapses, unix(at))
	}
}

// fail returns the error for a signature that is right, by a key that is not.
func (t *trial) fail(class verifier.Class, format string, args ...any) *verifier.KeyError {
	return &verifier.KeyError{Class: class, Lapses: t.result.Lapses, Valid: t.result,
		Err: fmt.Errorf("signature by key %s: %w", t.result.Key, fmt.Errorf(format, args...))}
}

// bound reports why the key is none that is held together by its own
// signatures.
func (t *trial) bound() error {
	if t.primary.bound != nil {
		return t.primary.bound
	}
	return t.state.bound
}

// wrongUsage is the class of signatures by keys that are not for signing. git
// grades them "E", could not be checked, as it does those by unknown keys.
// Errors wrap ErrWrongUsage, which tells them apart.
const wrongUsage = verifier.UnknownKey

// judge makes the checks of a key that is one.
func (t *trial) judge() *verifier.KeyError {
	// It is strong enough, and so is the hash.
	for _, name := range []string{hashes[t.s.hash].weakName(), t.c.publicKey.weak()} {
		if name != "" && !slices.Contains(t.rules.Weak, name) {
			return t.fail(verifier.WeakAlgorithm, "it relies on %s, which is too weak", name)
		}
	}
	// Who can forge what the primary key says makes subkeys of it.
	if name := t.c.key.primary.weak(); name != "" && !slices.Contains(t.rules.Weak, name) {
		return t.fail(verifier.WeakAlgorithm, "its primary key relies on %s, which is too weak", name)
	}

	// It is for signing.
	if t.state.flags&flagSign == 0 {
		return t.fail(wrongUsage, "%w", ErrWrongUsage)
	}

	// It was not revoked for a reason that casts doubt on all that it ever
	// signed, or without telling one.
	revocations := slices.Clone(t.primary.revocations)
	if t.c.part != nil {
		revocations = append(revocations, t.state.revocations...)
	}
	for _, r := range revocations {
		if !r.soft {
			return t.fail(verifier.Revoked, "key was revoked at %s", stamped(r.at))
		}
	}
	if len(t.primary.revokers) > 0 {
		return t.fail(verifier.UnknownKey, "key may have been revoked by %s, which it named for that and which is in no keyring", t.primary.revokers[0])
	}

	// It lives, and so does the signature.
	if kerr := t.judgeTime(); kerr != nil {
		return kerr
	}

	// It was not retired or superseded; if the rules take the signature's word
	// for when it was made, not before that.
	for _, r := range revocations {
		if !t.rules.AtSigning || t.s.created >= r.at {
			return t.fail(verifier.Revoked, "key was retired or superseded at %s", stamped(r.at))
		}
	}
	return nil
}

// judgeTime refuses signatures from before or after the life of the key, or of
// their own, and from the future.
func (t *trial) judgeTime() *verifier.KeyError {
	at, created := t.rules.At.Unix(), t.c.publicKey.created
	if t.s.created > at+skew {
		kerr := t.fail(verifier.ExpiredKey, "it claims to be made at %s, which is yet to come", stamped(t.s.created))
		kerr.Lapses = unix(t.s.created - skew)
		return kerr
	}
	if t.s.created < created {
		return t.fail(verifier.ExpiredKey, "it claims to be made at %s, before the key was, at %s", stamped(t.s.created), stamped(created))
	}
	judged := at
	if t.rules.AtSigning {
		judged = t.s.created
	}
	if judged < created {
		kerr := t.fail(verifier.ExpiredKey, "key is not valid before %s", stamped(created))
		kerr.Lapses = unix(created)
		return kerr
	}
	for _, expires := range []int64{t.state.expires, t.primary.expires} {
		if expires != 0 && judged > expires {
			return t.fail(verifier.ExpiredKey, "key expired at %s", stamped(expires))
		}
		if !t.rules.AtSigning {
			t.lapsesAt(expires)
		}
	}
	if t.s.lifetime != 0 {
		expires := t.s.created + int64(t.s.lifetime)
		if at > expires {
			return t.fail(verifier.ExpiredKey, "the signature expired at %s", stamped(expires))
		}
		t.lapsesAt(expires)
	}
	return nil
}

func stamped(t int64) string { return unix(t).Format(time.RFC3339) }
