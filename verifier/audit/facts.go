package audit

import (
	"cmp"
	"time"

	"gitseal/verifier"
)

// facts are what is kept of a verdict for the report and the policy. All of
// them follow from the bytes of the object, the trust and the keys, so that
// they can be kept from one audit to the next: what depends on refs or on the
// policy is found anew each time.
type facts struct {
	about
	class   verifier.Class
	message string // why it is not a good class; empty if it is

	signed bool // signer is known
	signer verifier.Signer
	time   time.Time // when it was signed; zero: nobody says
	source verifier.TimeSource

	// unlisted is set if a policy that names the signer's key would make up for
	// what is wrong.
	unlisted bool
	// lacks is the key that would tell, as the signature names it; empty: none
	// is lacking.
	lacks     string
	lacksKind verifier.Kind

	log         verifier.LogEntry // zero: none
	certificate [32]byte          // fingerprint of a keyless signer's certificate
	lifetime    time.Duration     // of that certificate

	// lapses is when a verdict may become another one because a key expires.
	// Zero: never.
	lapses time.Time
	// open is set if entries from outside the signatures, of the object or of
	// a mergetag, could decide, and asked if they were looked for.
	open, asked bool
	proven      []proven // what was there to prove the object and its mergetags; only of the object's facts

	mergetags []mergetagFacts
	unasked   []error // why logs could not be asked; only of new facts
}

// mergetagFacts are those of a tag inside a merge commit.
type mergetagFacts struct {
	oid string // empty if it has none
	facts
}

// factsOf returns the facts of a verdict.
func factsOf(v *Verdict) *facts {
	f := &facts{about: v.about, class: v.Class, message: v.Message, asked: v.asked,
		open: v.asked || v.proven != nil || v.Class == verifier.NotLogged}
	if v.proven != nil {
		f.proven = append(f.proven, *v.proven)
	}
	if signer := v.Signer(); signer != nil {
		f.signed, f.signer = true, *signer
		f.time, f.source = v.Time()
	}
	if r := v.Result; r != nil {
		f.log, f.certificate = r.Log, r.Certificate.Fingerprint
		f.lifetime = r.Certificate.NotAfter.Sub(r.Certificate.NotBefore)
	}
	switch {
	case v.KeyFailure != nil:
		f.lapses, f.unlisted = v.KeyFailure.Lapses, v.KeyFailure.Unlisted
		if f.class == verifier.UnknownKey {
			claimed := &v.KeyFailure.Unverified
			f.lacks, f.lacksKind = cmp.Or(claimed.Key, claimed.Signer.Key), claimed.Signer.Kind
		}
	case v.Key != nil:
		f.lapses = v.Key.Lapses
	}
	if v.unasked != nil {
		f.unasked = append(f.unasked, v.unasked)
	}
	for i := range v.mergetags {
		m := mergetagFacts{v.mergetags[i].oid, *factsOf(&v.mergetags[i].Verdict)}
		f.open, f.asked = f.open || m.open, f.asked || m.asked
		f.unasked = append(f.unasked, m.unasked...)
		f.proven, m.proven = append(f.proven, m.proven...), nil
		if !m.lapses.IsZero() && (f.lapses.IsZero() || m.lapses.Before(f.lapses)) {
			f.lapses = m.lapses
		}
		f.mergetags = append(f.mergetags, m)
	}
	return f
}

// who returns the signer; nil if that is not known.
func (f *facts) who() *verifier.Signer {
	if !f.signed {
		return nil
	}
	return &f.signer
}
