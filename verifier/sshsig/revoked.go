package sshsig

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Revocations are keys and certificates that are good for nothing any more.
// They do not change, and may be used by several goroutines at once.
type Revocations struct {
	keys    map[string]bool            // blobs, of keys without certificates
	sha1s   map[[sha1.Size]byte]bool   // of such blobs
	sha256s map[[sha256.Size]byte]bool // likewise
	certs   map[string]*revokedCerts   // by the blob of their authority; "": any
	digest  [32]byte                   // of the file
}

// ReadRevocations reads what ssh-keygen takes as revocations (-r, git's
// gpg.ssh.revocationFile): a file of public keys, one to a line, or a key
// revocation list (ssh-keygen(1), KEY REVOCATION LISTS). A key revokes itself,
// with and without a certificate, and all certificates that it signed.
//
// To leave out what cannot be read would make it good again, so that is an
// error here, of the form "reading revocations NAME: cause". The signature of
// a revocation list is not verified, as in OpenSSH, which has no list of who
// could make one: whoever can change the file can change what is revoked.
func ReadRevocations(name string, data []byte) (*Revocations, error) {
	r := &Revocations{
		keys:    make(map[string]bool),
		sha1s:   make(map[[sha1.Size]byte]bool),
		sha256s: make(map[[sha256.Size]byte]bool),
		certs:   make(map[string]*revokedCerts),
		digest:  sha256.Sum256(data),
	}
	var err error
	switch {
	case len(data) > maxFile:
		err = fmt.Errorf("%d bytes, more than the limit of %d", len(data), maxFile)
	case bytes.HasPrefix(data, []byte(krlMagic)):
		err = r.readKRL(data)
	default:
		err = r.readLines(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading revocations %s: %w", name, err)
	}
	return r, nil
}

func (r *Revocations) readLines(data []byte) error {
	for number, line := range lines(data) {
		if err := r.readLine(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

// readLine reads the line of a public key. It does not have to be of a kind
// that we know.
func (r *Revocations) readLine(line []byte) error {
	if err := checkLine(line); err != nil {
		return err
	}
	_, blob, err := decodePublicLine(string(line))
	if err != nil {
		return err
	}
	plain, err := plainBlob(blob)
	if err != nil {
		return err
	}
	r.keys[plain] = true
	return nil
}

// plainBlob returns the blob of a key, without the certificate around it.
func plainBlob(blob []byte) (string, error) {
	r := &reader{rest: blob}
	algorithm := r.text()
	if r.bad || algorithm == "" {
		return "", fmt.Errorf("key: %w", errTruncated)
	}
	name, ok := certified(algorithm)
	if !ok {
		if len(algorithm) == len(blob)-4 {
			return "", errors.New("a key without a key")
		}
		return string(blob), nil
	}
	key, _, err := parseCertificate(name, blob)
	if err != nil {
		return "", err
	}
	return key.blob, nil
}

// checkRevoked checks that neither the key nor the certificate, nor the
// authority that signed it, is revoked.
func (v *Verifier) checkRevoked(s *signature) error {
	for _, r := range v.revoked {
		if r.hasKey(s.key.blob) {
			return fmt.Errorf("key %s is revoked", s.key.fingerprint())
		}
		if s.cert == nil {
			continue
		}
		if r.hasKey(s.cert.ca.blob) {
			return fmt.Errorf("key %s: the authority of its %s is revoked", s.key.fingerprint(), s.cert)
		}
		if r.certs[s.cert.ca.blob].has(s.cert) || r.certs[""].has(s.cert) {
			return fmt.Errorf("key %s: its %s is revoked", s.key.fingerprint(), s.cert)
		}
	}
	return nil
}

// hasKey reports whether the key with a blob is revoked.
func (r *Revocations) hasKey(blob string) bool {
	return r.keys[blob] ||
		len(r.sha256s) > 0 && r.sha256s[sha256.Sum256([]byte(blob))] ||
		len(r.sha1s) > 0 && r.sha1s[sha1.Sum([]byte(blob))]
}
