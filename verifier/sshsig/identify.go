package sshsig

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"gitseal/verifier"
)

// identify returns who made a signature that is right, as the first line says
// that allows it, and why none does. The signer is named also if the time is
// all that is wrong.
func (v *Verifier) identify(s *signature, claimed time.Time) (signer string, denied error) {
	if v.nobody {
		return "", &failure{verifier.UnknownKey, s.unlisted(fmt.Errorf("key %s: there are no allowed signers to look for it in", s.key.fingerprint()))}
	}
	lines := v.lines(s)
	if len(lines) == 0 {
		return "", v.nobodyAllows(s)
	}
	at, known := v.time(claimed)
	for _, line := range lines {
		name, err := line.allows(s, v.namespace)
		if err == nil {
			if err = line.checkTime(s.cert, at, known); err == nil {
				return name, nil
			}
			err = &failure{verifier.ExpiredKey, fmt.Errorf("key %s of %q: %w", s.key.fingerprint(), name, err)}
		}
		// That a key is good at another time says more than the lines that
		// are not for this signature at all.
		if name != "" && signer == "" || denied == nil {
			signer, denied = name, err
		}
	}
	return signer, denied
}

// lines returns the lines with the key, or of a certificate its authority. A
// key without its certificate is not whom the authority speaks of, and one in
// a certificate not whom a line with the key alone does.
func (v *Verifier) lines(s *signature) []*allowed {
	if s.cert != nil {
		return v.cas[s.cert.ca.blob]
	}
	return v.keys[s.key.blob]
}

// nobodyAllows returns the error for a key that no line names.
func (v *Verifier) nobodyAllows(s *signature) error {
	what := "key " + s.key.fingerprint()
	if s.cert != nil {
		what += ", " + s.cert.String()
	}
	if v.skipped > 0 {
		return s.unlisted(fmt.Errorf("%s: no line of the allowed signers names it; %d could not be read", what, v.skipped))
	}
	return s.unlisted(fmt.Errorf("%s: no line of the allowed signers names it", what))
}

// An unlistedError is a key that nobody named.
type unlistedError struct{ error }

func (e unlistedError) Unwrap() error { return e.error }

// unlisted returns the error for a key that nobody named, which another may
// name. A certificate is not a key's own word for whom it is to speak.
func (s *signature) unlisted(err error) error {
	if s.cert != nil {
		return err
	}
	return unlistedError{err}
}

// allows returns who made a signature by the line's key, or with a certificate
// by it, if the line allows that at some time.
func (a *allowed) allows(s *signature, namespace string) (name string, err error) {
	name = a.name
	if s.cert != nil {
		if err := s.cert.checkUse(s.flags); err != nil {
			return "", fmt.Errorf("key %s: %w", s.key.fingerprint(), err)
		}
		if name = a.certified(s.cert); name == "" {
			return "", fmt.Errorf("key %s: its certificate names nobody whom the line of its authority allows", s.key.fingerprint())
		}
	}
	if a.namespaces != nil && !a.namespaces.match(namespace) {
		return "", fmt.Errorf("key %s of %q is not allowed in namespace %q", s.key.fingerprint(), name, namespace)
	}
	return name, nil
}

// certified returns the first principal of a certificate that the line allows,
// in the order of the line's patterns, as ssh-keygen finds it; "" for none. A
// name with a control character is nobody's: ssh-keygen writes names in lines,
// and where there is one too many, git does not know the signer.
func (a *allowed) certified(c *certificate) string {
	for _, p := range a.principals {
		for _, name := range c.principals {
			if !p.exclude && match(p.text, name) && a.principals.match(name) && !strings.ContainsFunc(name, unicode.IsControl) {
				return name
			}
		}
	}
	return ""
}

// checkTime checks that a time is in the windows of a line and a certificate,
// if there is one. A time that is not known is in none that ends.
func (a *allowed) checkTime(c *certificate, at int64, known bool) error {
	if !known {
		if a.after != 0 || a.before != 0 || c != nil && (c.after != 0 || c.before != math.MaxUint64) {
			return errors.New("is good for some time only, and what is signed claims no time")
		}
		return nil
	}
	if c != nil {
		if err := c.checkTime(at); err != nil {
			return err
		}
	}
	switch {
	case at < a.after:
		return fmt.Errorf("is allowed from %s", formatTime(uint64(a.after)))
	case a.before != 0 && at > a.before:
		return fmt.Errorf("was allowed until %s", formatTime(uint64(a.before)))
	}
	return nil
}

// lapses returns when a verdict may change next because a window begins or
// ends; the zero time if none does that counts.
func (v *Verifier) lapses(s *signature) time.Time {
	if v.atSigning {
		return time.Time{} // what is claimed stays the same
	}
	next := uint64(math.MaxUint64)
	bound := func(at uint64) {
		if at > uint64(v.at) {
			next = min(next, at)
		}
	}
	for _, line := range v.lines(s) {
		bound(uint64(line.after))
		if line.before != 0 {
			bound(uint64(line.before) + 1)
		}
		if s.cert != nil {
			bound(s.cert.after)
			bound(s.cert.before)
		}
	}
	if next > maxUnix {
		return time.Time{}
	}
	return time.Unix(int64(next), 0).UTC()
}

// formatTime formats Unix seconds; those of a certificate can be any.
func formatTime(at uint64) string {
	if at > maxUnix {
		return "the end of time"
	}
	return time.Unix(int64(at), 0).UTC().Format(time.RFC3339)
}
