package policy

import (
	"fmt"
	"slices"
	"strings"

	"gitseal/verifier"
)

// address returns the canonical form of an e-mail address that a policy
// names.
func address(s string) (string, error) {
	if !wellFormed(s) {
		return "", fmt.Errorf("email %q is not an address, such as alice@example.com", s)
	}
	return canonical(s), nil
}

func wellFormed(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && !strings.ContainsFunc(s, notInAddress)
}

// notInAddress reports whether r cannot be in the address of a commit, or is
// there to deceive.
func notInAddress(r rune) bool {
	return r <= ' ' || r == '<' || r == '>' || r == 0x7f
}

// canonical returns an address with the ASCII letters of its domain in lower
// case. That is all that is the same in addresses: mail systems may tell
// Alice@ from alice@, and letters outside ASCII are left as they are, lest the
// Kelvin sign become a k.
func canonical(s string) string {
	at := strings.LastIndexByte(s, '@')
	upper := func(r rune) bool { return r >= 'A' && r <= 'Z' }
	if at < 0 || !strings.ContainsFunc(s[at:], upper) {
		return s
	}
	b := []byte(s)
	for i := at; i < len(b); i++ {
		if upper(rune(b[i])) {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// isAddress reports whether a subject is an e-mail address, and no URI, such
// as that of a workflow "…@refs/heads/main".
func isAddress(subject string) bool {
	return wellFormed(subject) && !strings.ContainsAny(subject, ":/")
}

// setAddresses works out the addresses that count as the entry's, without
// those that only its signatures tell.
func (e *entry) setAddresses() error {
	e.addresses = nil
	for _, s := range e.Emails {
		a, err := address(s)
		if err != nil {
			return err
		}
		e.addresses = append(e.addresses, a)
	}
	if s := e.Subject + e.SSHPrincipal; isAddress(s) && !slices.Contains(e.addresses, canonical(s)) {
		e.addresses = append(e.addresses, canonical(s))
	}
	return nil
}

// addressOf returns the canonical address of a signer, or "": what its
// signature says that somebody vouches for.
func addressOf(s verifier.Signer) string {
	subject := s.Identity.Subject
	if s.Kind == verifier.OpenPGP {
		subject = mailbox(subject)
	}
	if !isAddress(subject) {
		return ""
	}
	return canonical(subject)
}

// mailbox returns the address in an OpenPGP user id, "Alice <a@example.com>"
// by convention (RFC 9580, section 5.11), or a bare address.
func mailbox(userID string) string {
	if rest, ok := strings.CutSuffix(userID, ">"); ok {
		if i := strings.LastIndexByte(rest, '<'); i >= 0 {
			return rest[i+1:]
		}
	}
	return userID
}

// owns reports whether an address of an object is that of the signer, as a
// signer that e allows.
func (e *entry) owns(mail string, s verifier.Signer) bool {
	mail = canonical(mail)
	if mail == "" {
		return false
	}
	if slices.Contains(e.addresses, mail) {
		return true
	}
	// Whoever holds an OpenPGP key can give it any user id.
	return (s.Kind != verifier.OpenPGP || len(e.Emails) == 0) && addressOf(s) == mail
}
