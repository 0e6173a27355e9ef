// Package policy decides who may sign, and when: the user's policy file, a
// TOML document that names identities and the times for which each is good.
//
//	version = 1
//
//	[identity.alice]
//	subject = "alice@example.com"
//	issuer  = "https://accounts.google.com"
//	until   = 2026-06-30T00:00:00Z
//
//	[identity.release]
//	subject-pattern = "https://github.com/acme/app/.github/workflows/*@refs/tags/*"
//	issuer          = "https://token.actions.githubusercontent.com"
//	compromised     = {from = 2026-02-01T09:00:00Z, until = 2026-02-03T12:00:00Z}
//
// The file is strict, for a key that is ignored is a rule that is not
// enforced: what this version does not know is an error that names the line.
// Of the ways TOML has to write the same thing only the one above is taken,
// so that each identity is one block of text, which Allow adds and Remove
// removes without touching a byte of the others.
//
// All times are proven times, those of a log or a time-stamp authority, never
// what a commit says of itself. Issuers and exact subjects are compared byte
// for byte. The package reads no file and no clock.
package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/verifier"
)

// A Policy says which identities may sign, and when. It does not change once
// it is parsed and may be used by several goroutines at once. The zero Policy
// allows nobody.
type Policy struct {
	digest   [sha256.Size]byte
	entries  []*entry // in the order of the file
	exact    map[verifier.Identity][]*entry
	patterns map[string][]*entry // by issuer
}

// An Entry is one identity of a policy.
type Entry struct {
	Name    string // unique in the policy
	Subject string // the exact subject, or empty if SubjectPattern is set
	// SubjectPattern is what verifier.ParsePattern takes.
	SubjectPattern string
	Issuer         string
	Window         Window   // when it may sign; the zero Window is always
	Compromised    []Window // when others could sign in its name; never a zero Window
	Line           int      // the line of the file that its block begins in, from 1
}

// A Window is the span of time that begins at From and ends just before Until.
// A zero From or Until leaves it open on that side.
//
// Until is not in the window, so that one entry can end where the next
// begins. It also fits the times of logs, which are whole seconds rounded
// down: they are before Until exactly if the unrounded time is.
type Window struct {
	From, Until time.Time
}

// Contains reports whether t is in the window.
func (w Window) Contains(t time.Time) bool {
	return (w.From.IsZero() || !t.Before(w.From)) && (w.Until.IsZero() || t.Before(w.Until))
}

// covers reports whether every time in v is in w.
func (w Window) covers(v Window) bool {
	return (w.From.IsZero() || !v.From.IsZero() && !v.From.Before(w.From)) &&
		(w.Until.IsZero() || !v.Until.IsZero() && !v.Until.After(w.Until))
}

// String returns the window as in "from 2026-01-01T00:00:00Z until
// 2026-06-30T00:00:00Z", without the side that is open, or "always".
func (w Window) String() string {
	switch from, until := formatTime(w.From), formatTime(w.Until); {
	case w.From.IsZero() && w.Until.IsZero():
		return "always"
	case w.Until.IsZero():
		return "from " + from
	case w.From.IsZero():
		return "until " + until
	default:
		return "from " + from + " until " + until
	}
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Digest returns the SHA-256 of the file that the policy was parsed from.
func (p *Policy) Digest() [32]byte { return p.digest }

// Identities returns the entries in the order of the file.
func (p *Policy) Identities() []Entry { return copyEntries(p.entries) }

// copyEntries returns entries that share no memory with the policy.
func copyEntries(entries []*entry) []Entry {
	var list []Entry
	for _, e := range entries {
		c := e.Entry
		c.Compromised = slices.Clone(c.Compromised)
		list = append(list, c)
	}
	return list
}

// Allows decides whether id may have signed at a time, which must be proven,
// and returns the name of the first entry that allows it. One such entry is
// enough, unless any entry for the same identity says that it was compromised
// at that time: then it is refused whatever the others say. A refusal is a
// *NotAllowedError.
func (p *Policy) Allows(id verifier.Identity, at time.Time) (name string, err error) {
	if at.IsZero() {
		return "", errors.New("judging an identity by a policy: no proven time")
	}
	entries := p.matching(id)
	for _, e := range entries {
		for _, w := range e.Compromised {
			if w.Contains(at) {
				return "", &NotAllowedError{Identity: id, Time: at, Reason: Compromised, Name: e.Name, Window: w}
			}
		}
	}
	for _, e := range entries {
		if e.Window.Contains(at) {
			return e.Name, nil
		}
	}
	if len(entries) > 0 {
		return "", &NotAllowedError{Identity: id, Time: at, Reason: OutsideWindow, Name: entries[0].Name, Window: entries[0].Window}
	}
	return "", &NotAllowedError{Identity: id, Time: at, Reason: UnknownIdentity}
}

// Allow is Allows without the name. It makes a Policy a verifier.Allowed.
func (p *Policy) Allow(id verifier.Identity, at time.Time) error {
	_, err := p.Allows(id, at)
	return err
}

// matching returns the entries for an identity, at whatever time, in the
// order of the file. The caller must not change the slice.
func (p *Policy) matching(id verifier.Identity) []*entry {
	found := p.exact[id]
	exact := len(found)
	for _, e := range p.patterns[id.Issuer] {
		if e.pattern.Match(id.Subject) {
			found = append(found[:len(found):len(found)], e)
		}
	}
	if exact > 0 && len(found) > exact {
		slices.SortFunc(found, func(a, b *entry) int { return a.Line - b.Line })
	}
	return found
}

// A Reason is why a policy does not allow an identity.
type Reason int

const (
	UnknownIdentity Reason = iota + 1 // no entry is for it; see Near
	OutsideWindow                     // it was not yet, or no longer, allowed
	Compromised                       // others could sign in its name then
)

// A NotAllowedError is a policy's refusal of an identity at a time.
type NotAllowedError struct {
	Identity verifier.Identity
	Time     time.Time
	Reason   Reason
	Name     string // the first entry that refuses; empty if UnknownIdentity
	Window   Window // OutsideWindow: when Name allows it; Compromised: when it was
}

// Error says who is refused, by which entry and why.
func (e *NotAllowedError) Error() string {
	switch e.Reason {
	case OutsideWindow:
		return fmt.Sprintf("%v is allowed only %v, by [%s], and signed at %s", e.Identity, e.Window, quoteKey("identity", e.Name), formatTime(e.Time))
	case Compromised:
		return fmt.Sprintf("%v was compromised %v, says [%s], and signed at %s", e.Identity, e.Window, quoteKey("identity", e.Name), formatTime(e.Time))
	default:
		return fmt.Sprintf("%v is not in the policy", e.Identity)
	}
}
