package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/verifier"
)

// A Signature is who made a valid signature, and when.
type Signature struct {
	Signer verifier.Signer
	Time   time.Time // zero: there is none at all
	// Proven says that a log or a time-stamp authority vouches for Time. False
	// is for what a signature, or the object it is over, claims.
	Proven bool
}

// Allows decides whether id may have signed, by a keyless certificate, at a
// time, which must be proven. It is Identify for such a signature.
func (p *Policy) Allows(id verifier.Identity, at time.Time) (name string, err error) {
	return p.Identify(Signature{verifier.Signer{Kind: verifier.Keyless, Identity: id}, at, true})
}

// Allow is Allows without the name. It makes a Policy a verifier.Allowed.
func (p *Policy) Allow(id verifier.Identity, at time.Time) error {
	_, err := p.Allows(id, at)
	return err
}

// Identify returns the name of the first entry that allows a signature, by
// whichever rules. One such entry is enough, unless any entry for the same
// signer says that it was compromised at that time: then it is refused
// whatever the others say. The error is a *NotAllowedError; a keyless
// signature without a proven time is refused as Unproven.
func (p *Policy) Identify(s Signature) (name string, err error) {
	allowing, err := p.allowing(s, p.matching(s.Signer))
	if err != nil {
		return "", err
	}
	return allowing[0].Name, nil
}

// allowing returns those of the entries for a signer that allow a signature,
// at least one, or why none does. The caller must not change the slice.
func (p *Policy) allowing(s Signature, entries []*entry) ([]*entry, error) {
	at, known := p.timeOf(s)
	if !known && s.Signer.Kind == verifier.Keyless {
		return nil, &NotAllowedError{Signer: s.Signer, Time: s.Time, Reason: Unproven}
	}
	refuse := func(reason Reason, e *entry, w Window) error {
		return &NotAllowedError{Signer: s.Signer, Time: s.Time, Reason: reason, Name: e.Name, Window: w}
	}
	for _, e := range entries {
		// That it was not compromised at a time has to be known.
		if len(e.Compromised) > 0 && !known {
			return nil, refuse(Unproven, e, e.Window)
		}
		for _, w := range e.Compromised {
			if w.Contains(at) {
				return nil, refuse(Compromised, e, w)
			}
		}
	}
	good := func(e *entry) bool { return e.Window == (Window{}) || known && e.Window.Contains(at) }
	n := 0
	for _, e := range entries {
		if good(e) {
			n++
		}
	}
	switch {
	case n > 0 && n == len(entries):
		return entries, nil
	case n > 0:
		return slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return !good(e) }), nil
	case len(entries) == 0:
		return nil, &NotAllowedError{Signer: s.Signer, Time: s.Time, Reason: UnknownIdentity, policy: p}
	case !known:
		return nil, refuse(Unproven, entries[0], entries[0].Window)
	}
	return nil, refuse(OutsideWindow, entries[0], entries[0].Window)
}

// timeOf returns the time by which a signature is judged, if there is one.
func (p *Policy) timeOf(s Signature) (at time.Time, known bool) {
	believed := s.Proven || p.claimed && s.Signer.Kind != verifier.Keyless
	return s.Time, believed && !s.Time.IsZero()
}

// A signerIndex finds entries by their signers. Each list is in the order of
// the file.
type signerIndex struct {
	keyless, x509            subjectIndex
	openpgp, ssh, principals map[string][]*entry
}

// A subjectIndex finds entries by issuer and subject.
type subjectIndex struct {
	exact    map[verifier.Identity][]*entry
	patterns map[string][]*entry // by issuer
}

// newSignerIndex returns an index of entries.
func newSignerIndex(entries []*entry) signerIndex {
	newSubjects := func() subjectIndex {
		return subjectIndex{make(map[verifier.Identity][]*entry), make(map[string][]*entry)}
	}
	x := signerIndex{newSubjects(), newSubjects(), make(map[string][]*entry), make(map[string][]*entry), make(map[string][]*entry)}
	for _, e := range entries {
		keys := x.ssh
		switch e.Kind() {
		case verifier.Keyless:
			x.keyless.add(e)
		case verifier.X509:
			x.x509.add(e)
		case verifier.OpenPGP:
			keys = x.openpgp
		}
		for _, key := range e.keys {
			keys[key] = append(keys[key], e)
		}
		if s := e.SSHPrincipal; s != "" {
			x.principals[s] = append(x.principals[s], e)
		}
	}
	return x
}

func (x *subjectIndex) add(e *entry) {
	if e.SubjectPattern != "" {
		x.patterns[e.issuer()] = append(x.patterns[e.issuer()], e)
		return
	}
	id := verifier.Identity{Issuer: e.issuer(), Subject: e.Subject}
	x.exact[id] = append(x.exact[id], e)
}

// matching returns the entries for a signer, at whatever time, in the order of
// the file. The caller must not change the slice.
func (p *Policy) matching(s verifier.Signer) []*entry {
	switch s.Kind {
	case verifier.Keyless:
		return p.signers.keyless.matching(s.Identity)
	case verifier.X509:
		return p.signers.x509.matching(s.Identity)
	case verifier.OpenPGP:
		return p.signers.openpgp[s.Key]
	case verifier.SSH:
		return inOrder(p.signers.ssh[s.Key], p.signers.principals[s.Identity.Subject])
	}
	return nil
}

func (x *subjectIndex) matching(id verifier.Identity) []*entry {
	var found []*entry
	for _, e := range x.patterns[id.Issuer] {
		if e.pattern.Match(id.Subject) {
			found = append(found, e)
		}
	}
	return inOrder(x.exact[id], found)
}

// inOrder returns the entries of both lists in the order of the file.
func inOrder(a, b []*entry) []*entry {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b *entry) int { return a.Line - b.Line })
	return all
}

// A Reason is why a policy does not allow a signer.
type Reason int

const (
	UnknownIdentity Reason = iota + 1 // no entry is for it; see Near
	OutsideWindow                     // it was not yet, or no longer, allowed
	Compromised                       // others could sign in its name then
	Unproven                          // it is allowed at some times only, and when it signed is not proven
)

// A NotAllowedError is a policy's refusal of a signer at a time.
type NotAllowedError struct {
	Signer verifier.Signer
	Time   time.Time
	Reason Reason
	Name   string // the first entry that refuses; empty if UnknownIdentity, or Unproven of a keyless signature
	Window Window // OutsideWindow: when Name allows it; Compromised: when it was

	policy *Policy // if UnknownIdentity: where to look for what it misses by little
}

// Error says who is refused, by which entry and why.
func (e *NotAllowedError) Error() string {
	header := "[" + quoteKey("identity", e.Name) + "]"
	switch e.Reason {
	case OutsideWindow:
		return fmt.Sprintf("%v is allowed only %v, by %s, and signed at %s", e.Signer, e.Window, header, formatTime(e.Time))
	case Compromised:
		return fmt.Sprintf("%v was compromised %v, says %s, and signed at %s", e.Signer, e.Window, header, formatTime(e.Time))
	case Unproven:
		if e.Name == "" {
			return fmt.Sprintf("%v cannot be judged: no time is proven", e.Signer)
		}
		says := "when it signed nobody says"
		if !e.Time.IsZero() {
			says = fmt.Sprintf("that it signed at %s is only claimed, which key-time = \"claimed\" would believe", formatTime(e.Time))
		}
		return fmt.Sprintf("%v is allowed at some times only, by %s, and %s", e.Signer, header, says)
	}
	text := fmt.Sprintf("%v is not in the policy", e.Signer)
	if near := e.policy.near(e.Signer); len(near) > 0 {
		text += "; " + near[0].words()
	}
	return text
}

// words says how near an entry comes.
func (n Near) words() string {
	header := "[" + quoteKey("identity", n.Entry.Name) + "]"
	if n.OtherIssuer {
		return fmt.Sprintf("%s is for the same name by another issuer, %s", header, n.Entry.Issuer+n.Entry.X509Issuer)
	}
	// %+q shows letters outside ASCII for what they are.
	return fmt.Sprintf("%s looks alike and is another: %+q", header, strings.TrimPrefix(n.Entry.String(), "pattern "))
}
