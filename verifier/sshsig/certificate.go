package sshsig

import (
	"errors"
	"fmt"
	"strings"
)

// A certificate is what PROTOCOL.certkeys calls one: an authority's word on
// whose key it is. Nothing in it holds before checkAuthority has returned nil.
type certificate struct {
	serial        uint64
	user          bool // not a host's
	keyID         string
	principals    []string
	after, before uint64 // Unix seconds; before is not in the window
	// critical are what its use is restricted to, in order.
	critical []string
	ca       *publicKey

	signed    []byte // what the authority signed
	signature []byte
	sha1      bool // the signature is over a SHA-1; set by checkAuthority
}

// The types of certificates.
const (
	certUser = 1
	certHost = 2
)

// verifyRequired is the critical option of a certificate for a security key
// that has to identify its user.
const verifyRequired = "verify-required"

// parseCertificate reads a certificate, whose algorithm certified has cut to
// that of its key:
//
//	string  algorithm
//	string  nonce
//	…       the key's fields
//	uint64  serial
//	uint32  type
//	string  key id
//	string  principals: strings
//	uint64  valid after
//	uint64  valid before
//	string  critical options: string name, string data, …
//	string  extensions: likewise
//	string  reserved
//	string  signature key
//	string  signature
func parseCertificate(algorithm string, blob []byte) (*publicKey, *certificate, error) {
	r := &reader{rest: blob}
	r.bytes() // the algorithm
	r.bytes() // the nonce
	fields := r.rest
	key, err := readKey(algorithm, r)
	if err != nil {
		return nil, nil, err
	}
	key.blob = string(append(appendString(nil, algorithm), fields[:len(fields)-len(r.rest)]...))
	c := &certificate{serial: r.uint64()}
	kind := r.uint32()
	c.keyID = r.text()
	principals := r.bytes()
	c.after, c.before = r.uint64(), r.uint64()
	critical, extensions := r.bytes(), r.bytes()
	r.bytes() // reserved
	ca := r.bytes()
	c.signed = blob[:len(blob)-len(r.rest)]
	c.signature = r.bytes()
	if err := r.end(); err != nil {
		return nil, nil, fmt.Errorf("certificate: %w", err)
	}
	if kind != certUser && kind != certHost {
		return nil, nil, fmt.Errorf("certificate of type %d", kind)
	}
	c.user = kind == certUser

	for names := (&reader{rest: principals}); len(names.rest) > 0; {
		c.principals = append(c.principals, names.text())
		if names.bad {
			return nil, nil, fmt.Errorf("certificate: principals: %w", errTruncated)
		}
	}
	if c.critical, err = optionNames(critical); err != nil {
		return nil, nil, fmt.Errorf("certificate: critical options: %w", err)
	}
	// They allow things in sessions, and restrict nothing.
	if _, err = optionNames(extensions); err != nil {
		return nil, nil, fmt.Errorf("certificate: extensions: %w", err)
	}
	if c.ca, err = parseKey(ca); err != nil {
		return nil, nil, fmt.Errorf("certificate's authority: %w", err)
	}
	return key, c, nil
}

// optionNames returns the names of options, which come in order and only once.
func optionNames(data []byte) ([]string, error) {
	var names []string
	for r := (&reader{rest: data}); len(r.rest) > 0; {
		name := r.text()
		value := r.bytes()
		if r.bad {
			return nil, errTruncated
		}
		if n := len(names); n > 0 && names[n-1] >= name {
			return nil, errors.New("out of order")
		}
		if name == verifyRequired && len(value) > 0 {
			return nil, fmt.Errorf("%s with a value", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// checkAuthority checks that the authority that the certificate names signed
// it. Whether that is one to trust is for the allowed signers to say.
func (c *certificate) checkAuthority() error {
	// Of the flags of an authority in a security key nothing is asked, as in
	// ssh-keygen.
	algorithm, _, err := c.ca.verify(c.signed, c.signature)
	if err != nil {
		return fmt.Errorf("certificate by authority %s: %w", c.ca.fingerprint(), err)
	}
	c.sha1 = algorithm == sigRSASHA1
	return nil
}

// checkUse checks that signing is something that the certificate is for. A
// restriction that a signature says nothing about is not met.
func (c *certificate) checkUse(flags byte) error {
	if !c.user {
		return errors.New("its certificate is a host's")
	}
	for _, option := range c.critical {
		switch {
		case option != verifyRequired:
			return fmt.Errorf("its certificate is restricted by %q, which signatures cannot show", clip(option))
		case flags&flagVerified == 0:
			return errors.New("its certificate asks for a PIN or fingerprint, and the security key saw none")
		}
	}
	if len(c.principals) == 0 {
		return errors.New("its certificate names nobody")
	}
	return nil
}

// checkTime checks that a time, in Unix seconds, is in the certificate's
// window.
func (c *certificate) checkTime(at int64) error {
	switch at := uint64(at); {
	case at < c.after:
		return fmt.Errorf("its certificate is valid from %s", formatTime(c.after))
	case at >= c.before:
		return fmt.Errorf("its certificate was valid until %s", formatTime(c.before))
	}
	return nil
}

// String returns the certificate as messages name it.
func (c *certificate) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "certificate %q", clip(c.keyID))
	if c.serial != 0 {
		fmt.Fprintf(&b, " (serial %d)", c.serial)
	}
	fmt.Fprintf(&b, " by authority %s", c.ca.fingerprint())
	return b.String()
}
